"""Merging is commutative, associative and idempotent: whatever arrives where, in any order and repetition, replicas agree.

A moment stands for one write, so values follow from moments; only the counts of an account's rows have no clock.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from unit.db.replicas import at, exchange, make_replicas, push, rows_of

from swiftlite.core.rows import ContainerRow, ObjectReport, split_swift_bytes

moments = st.integers(20, 30)
names = st.sampled_from(["a", "b/é"])
Event = Callable[[Any], None]
MANY = settings(max_examples=25, deadline=None)


def object_row(name: str, data: int, content_type: int | None, metadata: int | None, policy: int) -> Event:
    """A report of an object; every attribute follows from its moment."""
    of_type = content_type or data
    kind = f"text/{of_type}" + (f";swift_bytes={data}" if data % 3 == 0 else "")
    times = [None if moment is None else at(moment) for moment in (content_type, metadata)]
    report = ObjectReport(name, at(data), data, kind, f"e{data}", data % 2, policy, *times)
    return lambda broker: broker.put_object(report)


def container_row(name: str, put: int, deleted: int) -> Event:
    """A report of a container; its counts follow from its timestamps, as those of one container server do."""
    count = max(put, deleted) % 3
    return lambda broker: broker.put_container(ContainerRow(name, at(put), at(deleted), count, count * 10))


def metadata(key: str, value: str, moment: int) -> Event:
    """A POST, or a DELETE's blanking, as another replica tells of it: at one moment there may be two of them."""
    return lambda broker: broker.merge_metadata_text(f'{{"X-Meta-{key}": ["{value}", "{at(moment)}"]}}')


def life(created: int, put: int, deleted: int) -> Event:
    """What another replica knows of creation, PUT and DELETE."""
    return lambda broker: broker.merge_timestamps(at(created), at(put), at(deleted))


shared = st.one_of(
    st.builds(metadata, st.sampled_from("AB"), st.sampled_from(["", "x", "y"]), moments),
    st.builds(life, moments, moments, moments),
)
optional = st.none() | moments
events = {
    "container": shared | st.builds(object_row, names, moments, optional, optional, st.integers(0, 1)),
    "account": shared | st.builds(container_row, names, moments, moments),
}
histories = st.sampled_from(sorted(events)).flatmap(
    lambda kind: st.tuples(st.just(kind), st.lists(events[kind], min_size=1, max_size=8))
)


@contextmanager
def replicas(kind: str, count: int) -> Iterator[list[Any]]:
    with tempfile.TemporaryDirectory() as directory:
        yield make_replicas(Path(directory), kind, count)


def state(broker: Any) -> Any:
    """All that replicas have to agree on; a content type's parameters may stand in any order."""
    info = broker.get_info()
    names_of_life = ("created_at", "put_timestamp", "delete_timestamp")
    rows = [
        {**row, "content_type": split_swift_bytes(row["content_type"])} if "content_type" in row else row
        for row in rows_of(broker)
    ]
    return [info[name] for name in (*names_of_life, "hash")], rows, broker.metadata(), broker.policy_stats()


@MANY
@given(histories, st.data())
def test_any_order_and_repetition_of_delivery_gives_one_state(history: Any, data: st.DataObject) -> None:
    kind, told = history
    order = data.draw(st.permutations([*told, *told]))
    read_between = data.draw(st.integers(1, 4))
    with replicas(kind, 2) as (first, second):
        first.merge_timestamps(at(11), at(10), "0")
        for event in told:
            event(first)
        for number, event in enumerate(order):
            event(second)
            if number % read_between == 0:
                second.get_info()
        assert state(first) == state(second)


@MANY
@given(histories, st.data())
def test_replicas_that_push_to_each_other_agree_on_all_that_any_was_told(history: Any, data: st.DataObject) -> None:
    kind, told = history
    with replicas(kind, 4) as (*brokers, witness):
        for event in told:
            event(witness)
            event(data.draw(st.sampled_from(brokers)))
            source, target = data.draw(st.permutations(brokers))[:2]
            push(source, target)
        exchange(brokers)
        exchange(brokers)
        expected = state(witness)
        for broker in brokers:
            assert state(broker) == expected
        assert [push(source, target) for source in brokers for target in brokers if source is not target] == [0] * 6


def _reports(rows: Sequence[tuple[int, str, int, int]]) -> list[tuple[int, ContainerRow]]:
    return [(replica, ContainerRow(name, at(put), "0", count, count)) for replica, name, put, count in rows]


@MANY
@given(st.lists(st.tuples(st.integers(0, 2), names, moments, st.integers(0, 3)), max_size=8).map(_reports))
def test_accounts_agree_on_counts_too_whichever_came_last(reports: list[tuple[int, ContainerRow]]) -> None:
    with replicas("account", 3) as brokers:
        for replica, row in reports:
            brokers[replica].put_container(row)
            push(brokers[replica], brokers[(replica + 1) % 3])
        exchange(brokers)
        exchange(brokers)
        assert rows_of(brokers[0]) == rows_of(brokers[1]) == rows_of(brokers[2])
        assert len({broker.get_info()["hash"] for broker in brokers}) == 1
