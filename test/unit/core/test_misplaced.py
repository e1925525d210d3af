"""Misplaced objects: whose policy is right, what is queued, and that no order of events loses the newest version."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from swiftlite.core.misplaced import (
    Action,
    Claim,
    Entry,
    Known,
    Plan,
    Source,
    best_claim,
    known_time,
    plan,
    policy_to_take,
    queue_container,
    queue_rows,
)
from swiftlite.core.names import EntityName
from swiftlite.core.quorum import Reply
from swiftlite.core.timestamp import ZERO, Timestamp

NOW = 1700006399
"""The last second of an hour."""


def at(moment: int, offset: int = 0) -> Timestamp:
    return Timestamp(NOW + moment, offset=offset)


# Whose policy is right ------------------------------------------------------------------------------------------------

created, created_later = Claim(1, at(1), ZERO, at(1)), Claim(0, at(2), ZERO, at(2))
recreated, recreated_later = Claim(2, at(9), at(3), at(9)), Claim(0, at(12), at(4), at(12))
deleted, deleted_later = Claim(3, at(1), at(5), at(5)), Claim(0, at(1), at(6), at(6))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (created, created_later),
        (created_later, deleted_later),
        (deleted_later, deleted),
        (recreated, created),
        (recreated, recreated_later),
        (Claim(1, at(12), at(11), at(12)), recreated),  # which that deletion was meant for
        (created._replace(policy_index=0), created),
        (deleted._replace(policy_index=0), deleted),
        (deleted._replace(object_count=1, changed=at(1)), created_later),  # what holds objects is not deleted
    ],
)
def test_one_of_two_claims_is_right(right: Claim, wrong: Claim) -> None:
    assert right.beats(wrong) and not wrong.beats(right)
    assert policy_to_take(wrong._replace(policy_index=7), right) == right.policy_index
    assert policy_to_take(right, wrong) is None


moments = st.integers(0, 4).map(lambda moment: at(moment) if moment else ZERO)
claims = st.builds(Claim, st.integers(0, 2), moments, moments, moments, st.integers(0, 1))


@given(claims, claims)
def test_two_replicas_agree(one: Claim, other: Claim) -> None:
    if one.policy_index != other.policy_index:
        assert one.beats(other) != other.beats(one)
    else:
        assert policy_to_take(one, other) is None


def test_who_has_no_database_has_no_say() -> None:
    void = Claim.from_headers({})
    assert void.is_void
    assert best_claim([void, created, void]) is created
    assert best_claim([void]) is None


def test_claims_are_read_from_headers_and_from_brokers() -> None:
    headers = {
        "X-Backend-PUT-Timestamp": at(12).internal,
        "X-Backend-DELETE-Timestamp": at(4).internal,
        "X-Backend-Status-Changed-At": at(12).internal,
        "X-Backend-Storage-Policy-Index": "0",
    }
    assert Claim.from_headers(headers) == recreated_later
    info: dict[str, Any] = {
        "put_timestamp": at(12).internal,
        "delete_timestamp": at(4).internal,
        "status_changed_at": at(12).internal,
        "storage_policy_index": 0,
    }
    assert Claim.from_info({**info, "object_count": None}) == recreated_later
    assert Claim.from_info({**info, "count": 3, "object_count": 0}).object_count == 3
    with pytest.raises(KeyError):
        Claim.from_info({"put_timestamp": "0"})


# The queue ------------------------------------------------------------------------------------------------------------


def test_rows_are_queued_by_the_hour_of_their_newest_timestamp() -> None:
    rows = [
        {"name": "o/é", "created_at": f"{NOW}.00000", "deleted": 0, "storage_policy_index": 1, "size": 7},
        {"name": "gone", "created_at": f"{NOW}.00000+0+186a0", "deleted": 1, "storage_policy_index": 12},
    ]
    assert queue_rows(rows, "AUTH_a", "c") == {
        "1700002800": [
            {
                "name": "1:/AUTH_a/c/o/é",
                "created_at": f"{NOW}.00000",
                "etag": f"{NOW}.00000",
                "size": 0,
                "content_type": "application/x-put",
                "deleted": 0,
                "storage_policy_index": 0,
            }
        ],
        # A second later another hour has begun.
        "1700006400": [
            {
                "name": "12:/AUTH_a/c/gone",
                "created_at": f"{NOW}.00000+0+186a0",
                "etag": f"{NOW}.00000+0+186a0",
                "size": 0,
                "content_type": "application/x-delete",
                "deleted": 0,
                "storage_policy_index": 0,
            }
        ],
    }
    assert queue_container(f"{NOW}.00000_000000000000002a") == "1700002800"


LISTED = {
    "name": "1:/AUTH_a/c/o/é",
    "hash": f"{NOW}.04188_3+a",
    "content_type": "application/x-put",
    "last_modified": Timestamp(f"{NOW + 5}.00001").isoformat,
}


def test_an_entry_is_read_from_a_listing() -> None:
    entry = Entry.from_listing("1700002800", LISTED)
    stamp = Timestamp(f"{NOW}.04188_3")
    assert entry == Entry(
        "1700002800",
        LISTED["name"],
        1,
        EntityName("AUTH_a", "c", "o/é"),
        False,
        stamp,
        Timestamp(f"{NOW}.04198"),
        Timestamp(f"{NOW + 5}.00001"),
    )
    assert entry.removed_at == Timestamp(f"{NOW + 5}.00001_2")
    assert entry._replace(queued=entry.newest).removed_at == Timestamp(f"{NOW}.04188_5")
    assert Entry.from_listing("q", LISTED | {"content_type": "application/x-delete"}).is_deletion


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "o"},
        {"name": "x:/a/c/o"},
        {"name": "-1:/a/c/o"},
        {"name": "1:/a/c"},
        {"name": "1:a/c/o"},
        {"content_type": "text/plain"},
        {"hash": "d41d8cd98f00b204e9800998ecf8427e"},
        {"last_modified": "yesterday"},
    ],
)
def test_what_is_no_entry_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        Entry.from_listing("1700002800", LISTED | wrong)


# What to do with an object --------------------------------------------------------------------------------------------


def entry_at(moment: Timestamp, is_deletion: bool = False) -> Entry:
    return Entry("q", "1:/a/c/o", 1, EntityName("a", "c", "o"), is_deletion, moment, moment, moment)


@pytest.mark.parametrize(
    ("entry", "source", "expected"),
    [
        (entry_at(at(5)), Source(at(5), False), Plan(Action.PUT, at(5), at(5, 3), at(5, 1))),
        (entry_at(at(5, 3)), Source(at(5, 3), False), Plan(Action.PUT, at(5, 3), at(5, 6), at(5, 4))),
        (entry_at(at(5)), Source(at(6), False), Plan(Action.PUT, at(6), at(6, 3), at(6, 1))),
        (entry_at(at(5)), Source(at(5), True), Plan(Action.DELETE, at(5), at(5, 1), at(5, 1))),
        (entry_at(at(5)), Source(at(4), False), Plan(Action.NOTHING, at(5), at(5), at(5, 1))),
        (entry_at(at(5)), None, Plan(Action.NOTHING, at(5), at(5), at(5, 1))),
        (entry_at(at(5), True), None, Plan(Action.DELETE, at(5), at(5, 1), at(5))),
        (entry_at(at(5), True), Source(at(4), False), Plan(Action.DELETE, at(5), at(5, 1), at(5))),
        (entry_at(at(5), True), Source(at(5), False), Plan(Action.DELETE, at(5), at(5, 1), at(5))),
        (entry_at(at(5), True), Source(at(6), False), Plan(Action.PUT, at(6), at(6, 3), at(6, 1))),
    ],
)
def test_plans(entry: Entry, source: Source | None, expected: Plan) -> None:
    assert plan(entry, source) == expected


def test_what_most_replicas_have_cannot_be_lost() -> None:
    assert Known([at(5), None, at(6)]).has(at(5))
    assert not Known([at(5), None, at(4)]).has(at(5))
    assert not Known([at(5), at(5), ZERO, None]).has(at(5))


def test_an_attempt_that_was_cut_short_is_outdone() -> None:
    move = plan(entry_at(at(5)), Source(at(5), False))
    assert Known([ZERO, None, at(9)]).time_to_write(move) == at(5, 3)
    assert Known([at(5, 3), ZERO, ZERO]).time_to_write(move) == at(5, 4)


@pytest.mark.parametrize(
    ("reply", "of_data", "newest"),
    [
        (None, None, None),
        (Reply(507), None, None),
        (Reply(404), ZERO, ZERO),
        (Reply(404, headers={"X-Backend-Timestamp": at(5).internal}), at(5), at(5)),
        (
            Reply(200, headers={"X-Backend-Timestamp": at(5).internal, "X-Backend-Data-Timestamp": at(2).internal}),
            at(2),
            at(5),
        ),
        (Reply(200, headers={"X-Backend-Timestamp": "soon"}), None, None),
    ],
)
def test_what_a_replica_knows(reply: Reply | None, of_data: Timestamp | None, newest: Timestamp | None) -> None:
    assert known_time(reply, Action.PUT) == known_time(reply, Action.NOTHING) == of_data
    assert known_time(reply, Action.DELETE) == newest


# Whatever happens -----------------------------------------------------------------------------------------------------

RIGHT, WRONG = 0, 1
REPLICAS = 3
State = tuple[Timestamp, bool]
"""What a replica has: since when, and whether it is data."""


class World:
    """One object in two policies of three replicas each, the rows of the wrong one, and the queue; last writer wins."""

    def __init__(self) -> None:
        self.stores: dict[int, list[State]] = {policy: [(ZERO, False)] * REPLICAS for policy in (RIGHT, WRONG)}
        self.misplaced: list[tuple[Timestamp, bool]] = []
        """Rows of the wrong policy, each as it was written: deletion or not."""
        self.queue: dict[str, tuple[Timestamp, bool | None]] = {}

    def write(self, policy: int, time: Timestamp, exists: bool, reached: set[int]) -> None:
        """What a PUT or DELETE does to the replicas that it reaches, and to the container."""
        states = self.stores[policy]
        newer = [place for place in reached if time > states[place][0]]
        for place in newer:
            states[place] = (time, exists)
        if newer and policy == WRONG:
            self.misplaced.append((time, not exists))

    def queue_row(self, time: Timestamp, is_deletion: bool | None) -> None:
        """Queue a row, or with None take it out; the newer one wins."""
        container = queue_container(time.internal)
        if time > self.queue.get(container, (ZERO, None))[0]:
            self.queue[container] = (time, is_deletion)

    def reconcile(self, asked: Timestamp, is_deletion: bool, up: set[int], steps: int) -> None:
        """Deal with an entry as far as ``steps`` requests go, while only the replicas ``up`` answer in either policy."""
        if len(up) < 2:
            return
        newest = max(self.stores[WRONG][place] for place in up)
        source = Source(newest[0], False) if newest[1] else None
        settled = plan(entry_at(asked, is_deletion), source)
        known = Known([self.stores[RIGHT][place][0] if place in up else None for place in range(REPLICAS)])
        if not known.has(settled.wanted):
            if settled.action is Action.NOTHING or steps < 1:
                return
            is_put = settled.action is Action.PUT
            # A request that is cut short reaches one replica.
            reached = up if steps > 1 else {min(up)}
            self.write(RIGHT, known.time_to_write(settled) if is_put else settled.written, is_put, reached)
            again = Known([self.stores[RIGHT][place][0] if place in up else None for place in range(REPLICAS)])
            if not again.has(settled.wanted):
                return
        if steps < 3:
            return
        self.write(WRONG, settled.cleaned, False, up)
        if steps > 3:
            self.queue_row(Timestamp(asked, offset=2), None)

    def settle(self) -> None:
        """Replicate objects, queue all rows, and work off the queue until nothing is left."""
        for _ in range(50):
            for states in self.stores.values():
                states[:] = [max(states)] * REPLICAS
            for row in self.misplaced:
                self.queue_row(*row)
            entries = [(time, is_deletion) for time, is_deletion in self.queue.values() if is_deletion is not None]
            if not entries:
                return
            for time, is_deletion in entries:
                self.reconcile(time, is_deletion, set(range(REPLICAS)), 4)
        raise AssertionError(f"never done: {self.queue}, {self.stores}")


most = st.sets(st.integers(0, REPLICAS - 1), min_size=2)
writes = st.tuples(st.just("write"), st.sampled_from([RIGHT, WRONG, WRONG]), st.booleans(), most)
passes = st.tuples(st.just("pass"), st.integers(0, 3), st.sampled_from([1, 2, 3, 3, 4]), most)
cut_short = [
    ("write", WRONG, True, {0, 1, 2}),
    ("pass", 0, 1, {0, 1, 2}),  # brings it to a single replica
    ("pass", 0, 4, {0, 2}),
]
dealt_with_twice = [
    ("write", WRONG, True, {0, 1, 2}),
    ("pass", 0, 3, {0, 1}),  # leaves its row in the queue, and a row of its own DELETE in the container
    ("pass", 0, 4, {0, 2}),
    ("pass", 0, 4, {1, 2}),
]


@settings(max_examples=400)
@given(st.lists(writes | passes, max_size=8), st.integers(1, 4000), st.none() | st.integers(0, REPLICAS - 1))
@example(cut_short, 1, 0)
@example(dealt_with_twice, 1, None)
def test_the_newest_change_wins_wherever_it_was_made(
    events: list[tuple[Any, ...]], pace: int, lost: int | None
) -> None:
    """Clients write into either policy; passes are cut short, stale, repeated, or see a part of the replicas.

    Whatever a majority has taken is not lost, not even with a disk of each policy.
    """
    world, newest = World(), (ZERO, False)
    for moment, event in enumerate(events, 1):
        if event[0] == "write":
            _, policy, exists, reached = event
            world.write(policy, at(moment * pace), exists, reached)
            newest = (at(moment * pace), exists)
        elif world.misplaced:
            _, back, steps, up = event
            world.reconcile(*world.misplaced[-1 - back % len(world.misplaced)], up, steps)
    if lost is not None:
        for states in world.stores.values():
            states[lost] = (ZERO, False)
    world.settle()
    (since, exists), *_ = world.stores[RIGHT]
    assert exists == newest[1]
    if exists:
        assert since.raw == newest[0].raw
    assert not any(exists for _, exists in world.stores[WRONG])


def test_the_order_of_claims_does_not_matter() -> None:
    for order in itertools.permutations([created, created_later, recreated, recreated_later, deleted, deleted_later]):
        assert best_claim(order) == recreated
