"""Which rows of the expirer's queue are due, whose they are, in what order they are dealt with, and when they can go."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.expirations import Delays, Share, Task, due_containers, in_turns, is_delayed
from swiftlite.core.names import EntityName
from swiftlite.core.timestamp import Timestamp


def task(row: str, content_type: str = "text/plain;swift_expirer_bytes=5", container: str = "0000000000") -> Task:
    return Task.from_row(container, row, content_type)


def test_a_row_names_a_moment_and_an_object() -> None:
    found = task("0000001234-AUTH_a/c-1/o/with-é/slash")
    assert found.due == Timestamp(1234)
    assert found.target == EntityName("AUTH_a", "c-1", "o/with-é/slash")
    assert not found.is_async
    assert found.headers() == {
        "X-Timestamp": "0000001234.00000",
        "X-If-Delete-At": "0000001234.00000",
        "X-Backend-Clean-Expiring-Object-Queue": "no",
    }


def test_an_asynchronous_delete_asks_for_nothing() -> None:
    found = task("1234567890.12345-a/c/o", "application/async-deleted")
    assert found.is_async
    assert found.headers() == {"X-Timestamp": "1234567890.12345"}
    assert not task("1234567890-a/c/o", "application/async-deleted-not").is_async


@pytest.mark.parametrize("row", ["", "1234", "x-a/c/o", "1234-", "1234-a", "1234-a/c", "1234-a//o", "-1-a/c/o"])
def test_what_is_no_row(row: str) -> None:
    with pytest.raises(ValueError):
        task(row)


@pytest.mark.parametrize(
    "status, is_async, is_old, done",
    [
        (204, False, False, True),
        (202, False, False, True),
        (409, False, False, True),
        (404, False, False, False),
        (404, False, True, True),
        (404, True, False, True),
        (412, False, False, False),
        (412, False, True, True),
        (412, True, False, False),
        (403, False, True, False),
    ],
)
def test_when_a_row_can_go(status: int, is_async: bool, is_old: bool, done: bool) -> None:
    found = task("0000001000-a/c/o", "application/async-deleted" if is_async else "text/plain")
    assert found.is_done(status, 1000 + 50 if is_old else 1000 + 49, 50) is done


def test_delays_by_account_and_container() -> None:
    delays = Delays.from_options(
        {
            "delay_reaping_AUTH_a": "10",
            "delay_reaping_AUTH_a/c%20d": "1.5",
            "delay_reaping_b/c": "0",
            "interval": "9",
        }
    )
    assert delays.of(EntityName("AUTH_a", "other", "o")) == 10
    assert delays.of(EntityName("b", "c", "o")) == 0
    assert delays.of(EntityName("nobody", "c", "o")) == 0
    assert delays.of(EntityName("AUTH_a", "c d", "o")) == 1.5


@pytest.mark.parametrize("name", ["", "/a", "a/", "a/c/o", "a//c", "a/c%2Fd"])
def test_delays_of_nothing(name: str) -> None:
    with pytest.raises(ValueError, match="^delay_reaping_" + name):
        Delays.from_options({f"delay_reaping_{name}": "1"})


@pytest.mark.parametrize("text", ["", "soon", "-1", "nan"])
def test_delays_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"^delay_reaping_a"):
        Delays.from_options({"delay_reaping_a": text})


def test_who_is_left_for_a_while() -> None:
    delays = Delays({("a", None): 100.0})
    assert is_delayed(task("0000001000-a/c/o"), delays, 1099)
    assert not is_delayed(task("0000001000-a/c/o"), delays, 1100)
    assert not is_delayed(task("0000001000-b/c/o"), delays, 1000)
    assert not is_delayed(task("0000001000-a/c/o", "application/async-deleted"), delays, 1000)


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@given(names, names, st.integers(1, 9))
def test_every_row_is_of_exactly_one_expirer(container: str, row: str, processes: int) -> None:
    owners = [number for number in range(processes) if Share(number, processes).has(container, row)]
    digest = hashlib.md5(f"{container}/{row}".encode()).hexdigest()
    assert owners == [int(digest, 16) % processes]
    assert Share().has(container, row)


@pytest.mark.parametrize("process, processes", [(1, 1), (2, 2), (-1, 2), (0, -1), (1, 0)])
def test_shares_of_nobody(process: int, processes: int) -> None:
    with pytest.raises(ValueError):
        Share(process, processes)


def test_containers_whose_time_has_come() -> None:
    listed = ["0000000000", "0000000999", "junk", "0000001000", "0000001001", "0000000001"]
    assert list(due_containers(listed, 1000.0)) == ["0000000000", "0000000999", "0000001000"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy")), max_size=30), st.integers(1, 40))
def test_taking_turns_loses_nothing_and_keeps_each_containers_order(where: list[tuple[str, str]], most: int) -> None:
    tasks = [task(f"{number:010d}-{account}/{container}/o") for number, (account, container) in enumerate(where)]
    dealt = list(in_turns(tasks, most))
    assert Counter(dealt) == Counter(tasks)
    for key in set(where):
        mine = [found.due for found in dealt if (found.target.account, found.target.container) == key]
        assert mine == sorted(mine)


def test_containers_take_turns() -> None:
    tasks = [task(f"000000000{number}-{path}/o") for number, path in enumerate(["a/c", "a/c", "a/c", "b/c", "a/d"])]
    assert [found.target.path for found in in_turns(tasks, 100)] == ["/a/c/o", "/b/c/o", "/a/d/o", "/a/c/o", "/a/c/o"]
    assert [found.target.path for found in in_turns(tasks, 2)] == ["/a/c/o"] * 2 + ["/a/c/o", "/b/c/o", "/a/d/o"]
