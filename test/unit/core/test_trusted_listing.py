"""Specifies which replicas must be asked for a listing, and what their answers prove."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.quorum import majority
from swiftlite.core.trusted_listing import Known, best_placed, life_digest, replicas_to_ask

INFO = {"put_timestamp": "0000000002.00000", "delete_timestamp": "0", "storage_policy_index": 0, "metadata": ""}


def metadata(**pairs):
    return json.dumps({name: list(pair) for name, pair in pairs.items()})


class Replica:
    """A model of a database: names in the order of their numbers, each with the version of its last write."""

    def __init__(self, name):
        self.name = name
        self.rows = {}
        self.versions = {}
        self.points = {}

    @property
    def max_row(self):
        return max(self.rows, default=-1)

    def take(self, name, version):
        if self.versions.get(name, -1) < version:
            self.rows = {number: other for number, other in self.rows.items() if other != name}
            self.rows[self.last + 1] = name
            self.last += 1
            self.versions[name] = version

    last = -1

    def known(self):
        rows = json.dumps(sorted(self.versions.items()))
        return Known(self.name, rows, "life", self.last, dict(self.points))

    def learn(self, other):
        for number, name in sorted(other.rows.items()):
            if number > self.points.get(other.name, -1):
                self.take(name, other.versions[name])
        self.points[other.name] = other.last


@pytest.mark.parametrize(("replicas", "asked"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3), (7, 4)])
def test_replicas_to_ask(replicas, asked):
    assert replicas_to_ask(replicas) == asked


@given(st.integers(1, 20))
def test_whoever_is_asked_meets_every_majority_and_no_fewer_would(replicas):
    assert replicas_to_ask(replicas) + majority(replicas) == replicas + 1


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from("abcde"), st.sets(st.integers(0, 2), min_size=1)),
        st.tuples(st.just("learn"), st.integers(0, 2), st.integers(0, 2)),
    ),
    max_size=30,
)


@given(STEPS)
def test_a_replica_that_includes_another_has_all_that_the_other_has(steps):
    replicas = [Replica(str(number)) for number in range(3)]
    for version, (what, first, second) in enumerate(steps):
        if what == "write":
            for number in second:
                replicas[number].take(first, version)
        elif first != second:
            replicas[first].learn(replicas[second])
    for one in replicas:
        for other in replicas:
            if one.known().includes(other.known()):
                assert all(one.versions.get(name, -1) >= version for name, version in other.versions.items())
            if not one.known().rows_behind(other.known()):
                assert one.known().includes(other.known())


@given(STEPS)
def test_catching_up_makes_it_include_the_other(steps):
    one, other = Replica("1"), Replica("2")
    for version, (what, name, numbers) in enumerate(steps):
        if what == "write":
            for number in numbers:
                (one, other, one)[number].take(name, version)
    one.learn(other)
    assert one.known().includes(other.known())


def test_the_one_that_needs_the_fewest_rows_is_the_best_placed():
    empty = Known("new", "0", "life", -1, {})
    full = Known("old", "1", "life", 1_000_000, {})
    assert best_placed([empty, full]) == 1
    assert best_placed([full, full._replace(id="other")]) == 0
    ahead = Known("third", "2", "life", 1_000_100, {"old": 999_990})
    assert best_placed([full, ahead]) == 1


def test_metadata_and_timestamps_count_as_much_as_rows():
    one = Known("1", "same", "a", 5, {"2": 5})
    assert not one.includes(one._replace(id="2", life="b"))


class TestLife:
    def test_each_change_by_a_client_shows(self):
        changes = [
            {},
            {"put_timestamp": "0000000003.00000"},
            {"delete_timestamp": "0000000003.00000"},
            {"storage_policy_index": 1},
            {"metadata": metadata(X=("1", "0000000003.00000"))},
            {"metadata": metadata(X=("", "0000000004.00000"))},
        ]
        assert len({life_digest(INFO | change) for change in changes}) == len(changes)

    def test_spelling_and_order_do_not(self):
        one, other = ("1", "0000000003.00000"), ("é", "0000000004.00000")
        assert life_digest(INFO | {"metadata": metadata(A=one, B=other)}) == life_digest(
            INFO | {"metadata": metadata(B=other, A=one)}
        )
        assert life_digest(INFO | {"put_timestamp": "2"}) == life_digest(INFO)
        assert life_digest(INFO | {"delete_timestamp": "0000000000.00000"}) == life_digest(INFO)
        assert life_digest(INFO | {"metadata": None}) == life_digest(INFO)

    def test_nor_does_what_each_replica_has_for_itself(self):
        assert life_digest(INFO | {"created_at": "1", "status": "DELETED", "status_changed_at": "5"}) == life_digest(
            INFO
        )


def test_a_point_beyond_the_newest_row_proves_nothing():
    """The other replica has lost rows, and will give their numbers to others."""
    one = Known("1", "mine", "life", 9, {"2": 5})
    assert one.includes(Known("2", "theirs", "life", 5, {}))
    assert not one.includes(Known("2", "theirs", "life", 4, {}))
    assert one.point(Known("2", "theirs", "life", 4, {})) == -1
