"""Jobs of busy groups wait; none is lost without being counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.deferral import Deferral


def test_without_a_limit_nobody_waits() -> None:
    limit: Deferral[int] = Deferral(0, 10, 10)
    assert all(limit.admits(1, number, 5.0) for number in range(100))
    assert limit.next_time() is None


def test_a_group_has_its_turn_every_so_often() -> None:
    limit: Deferral[str] = Deferral(2, 10, 10)
    assert limit.admits(1, "first", 100.0)
    assert not limit.admits(1, "too early", 100.4)
    assert limit.admits(2, "of another group", 100.4)
    assert limit.admits(1, "half a second later", 100.5)
    assert not limit.admits(11, "of the same bucket", 100.6)
    assert (limit.deferred, limit.skipped, len(limit)) == (2, 0, 2)


def test_those_that_wait_are_done_in_time_the_newest_first() -> None:
    limit: Deferral[str] = Deferral(1, 10, 10)
    for group, job in ((1, "a"), (2, "b"), (1, "old"), (1, "new"), (2, "other")):
        limit.admits(group, job, 100.0 if group == 1 else 100.5)
    done = []
    while (moment := limit.next_time()) is not None:
        done.append((moment, limit.take(moment)))
    assert done == [(101.0, "new"), (101.5, "other"), (102.0, "old")]
    assert (limit.deferred, limit.skipped, len(limit)) == (3, 0, 0)


def test_who_has_waited_longest_is_left_out() -> None:
    limit: Deferral[str] = Deferral(1, 10, 2)
    for group, job in ((1, "a"), (2, "b"), (1, "first"), (2, "second"), (1, "third")):
        limit.admits(group, job, 100.0)
    assert (limit.deferred, limit.skipped, len(limit)) == (3, 1, 2)
    assert {limit.take(200.0), limit.take(200.0)} == {"second", "third"}


def test_none_may_wait() -> None:
    limit: Deferral[str] = Deferral(1, 10, 0)
    assert limit.admits(1, "a", 100.0)
    assert not limit.admits(1, "b", 100.0)
    assert (limit.skipped, limit.next_time()) == (1, None)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.floats(0, 2)), max_size=40),
    st.sampled_from([0.0, 0.5, 3.0]),
    st.integers(1, 4),
    st.integers(0, 5),
    st.integers(0, 10),
)
def test_every_job_is_done_once_or_skipped(
    jobs: list[tuple[int, float]], per_second: float, buckets: int, most: int, drained: int
) -> None:
    limit: Deferral[int] = Deferral(per_second, buckets, most)
    now, done = 0.0, []
    for number, (group, pause) in enumerate(jobs):
        now += pause
        if limit.admits(group, number, now):
            done.append(number)
        assert len(limit) <= most
    for _ in range(drained):
        moment = limit.next_time()
        if moment is None:
            break
        done.append(limit.take(moment))
    limit.give_up()
    assert len(done) == len(set(done))
    assert len(done) + limit.skipped == len(jobs)


@pytest.mark.parametrize("per_second", [1.0, 4.0])
def test_the_rate_of_a_group_is_held(per_second: float) -> None:
    limit: Deferral[int] = Deferral(per_second, 1, 100)
    times = [0.0 for number in range(10) if limit.admits(0, number, 0.0)]
    while (moment := limit.next_time()) is not None:
        limit.take(moment)
        times.append(moment)
    assert times == [number / per_second for number in range(10)]
