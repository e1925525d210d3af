"""Specifies which nodes an affinity prefers, and that it leaves none out."""

from collections import namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.affinity import LAST, ReadAffinity, WriteAffinity, local_handoffs_first, local_nodes_first

Place = namedtuple("Place", "region zone name", defaults=("",))

numbers = st.integers(0, 3)
nodes = st.lists(st.tuples(numbers, numbers), max_size=8).map(
    lambda places: [Place(region, zone, f"n{i}") for i, (region, zone) in enumerate(places)]
)
write_affinities = st.lists(st.tuples(numbers, st.none() | numbers), min_size=1, max_size=3).map(
    lambda places: WriteAffinity(", ".join(f"r{r}" if z is None else f"r{r}z{z}" for r, z in places))
)


@pytest.mark.parametrize(
    ("text", "region", "zone", "priority"),
    [
        ("r1=100", 1, 7, 100),
        ("r1z1=100, r2=200", 1, 1, 100),
        ("r1z1=100, r2=200", 2, 9, 200),
        ("r1z1=100, r2=200", 1, 2, LAST),
        ("r1=5,r1z3=1", 1, 3, 1),
        ("r1=1,r1z3=5", 1, 3, 1),
        (" r10z0=0 ", 10, 0, 0),
        ("r1=1", 10, 1, LAST),
        ("", 1, 1, LAST),
    ],
)
def test_the_lowest_number_of_all_places_of_a_node_counts(text, region, zone, priority):
    assert ReadAffinity(text).priority(Place(region, zone)) == priority


@pytest.mark.parametrize(
    "text", ["r1", "r1z1", "z1=1", "r1=", "r1=1,", "r1=-1", "1=1", "r1 =1", "r1z=1", "R1=1", "r²=1"]
)
def test_what_is_no_read_affinity(text):
    with pytest.raises(ValueError, match="is not of the form r<region>z<zone>=<priority>"):
        ReadAffinity(text)


@pytest.mark.parametrize(
    ("text", "region", "zone", "local"),
    [("r1", 1, 9, True), ("r1z2", 1, 9, False), ("r1, r2z2", 2, 2, True), ("r1", 11, 1, False), ("", 1, 1, False)],
)
def test_what_is_local(text, region, zone, local):
    assert WriteAffinity(text).is_local(Place(region, zone)) is local


@pytest.mark.parametrize("text", ["r1=1", "r1,", "r", "z1", "r1 z1", "here"])
def test_what_is_no_write_affinity(text):
    with pytest.raises(ValueError, match="is not of the form r<region>z<zone> or"):
        WriteAffinity(text)


def test_affinities_that_say_the_same_are_equal():
    assert ReadAffinity("r1=1,r2=2") == ReadAffinity(" r1=1,  r2=2")
    assert ReadAffinity() != WriteAffinity()
    assert str(ReadAffinity("r1=1, r2=2")) == "r1=1, r2=2"


def test_an_upload_goes_to_local_primaries_then_to_local_handoffs_then_to_others():
    primaries = [Place(1, 1, "a"), Place(2, 1, "b"), Place(3, 1, "c")]
    handoffs = [Place(2, 2, "d"), Place(1, 2, "e"), Place(1, 3, "f"), Place(1, 4, "g")]
    found = local_nodes_first(primaries, lambda: iter(handoffs), WriteAffinity("r1"), 3)
    assert "".join(node.name for node in found) == "aefbcdg"


def test_a_delete_goes_to_primaries_then_to_local_handoffs_then_to_others():
    primaries = [Place(1, 1, "a"), Place(2, 1, "b")]
    handoffs = [Place(2, 2, "d"), Place(1, 2, "e"), Place(1, 3, "f"), Place(1, 4, "g")]
    found = local_handoffs_first(primaries, lambda: iter(handoffs), WriteAffinity("r1"), 2)
    assert "".join(node.name for node in found) == "abefdg"


@given(
    nodes,
    st.integers(0, 4),
    write_affinities,
    st.integers(0, 9),
    st.sampled_from([local_nodes_first, local_handoffs_first]),
)
def test_no_node_is_left_out_or_tried_twice(all_nodes, split, affinity, count, order):
    primaries, handoffs = all_nodes[:split], all_nodes[split:]
    found = list(order(primaries, lambda: iter(handoffs), affinity, count))
    assert sorted(found) == sorted(all_nodes)


@given(nodes, st.integers(0, 4), write_affinities, st.integers(0, 9))
def test_as_many_local_nodes_come_first_as_there_are_up_to_the_count(all_nodes, split, affinity, count):
    found = list(local_nodes_first(all_nodes[:split], lambda: iter(all_nodes[split:]), affinity, count))
    local = [node for node in all_nodes if affinity.is_local(node)]
    first = found[: min(count, len(local))]
    assert first == local[:count]
    assert found[len(first) :] == [node for node in all_nodes if node not in first]
