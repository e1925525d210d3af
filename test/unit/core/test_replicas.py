"""What a replica does about another's answer, and when a handoff may go."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.replicas import Step, all_is_told, enough_succeeded, in_turn, next_step, rsync_module


def info(**changes: Any) -> dict[str, Any]:
    base = {
        "id": "a",
        "hash": "h1",
        "max_row": 10,
        "count": 10,
        "point": -1,
        "put_timestamp": "1",
        "delete_timestamp": "0",
        "metadata": "",
    }
    return base | changes


def ours(**changes: Any) -> dict[str, Any]:
    return info(id="ours", **changes)


@pytest.mark.parametrize(
    ("theirs", "step"),
    [
        ({"hash": "h1"}, Step.SAME_ROWS),
        ({"hash": "h1", "point": 10}, Step.SAME_ROWS),
        ({"hash": "h2", "point": 10}, Step.UP_TO_DATE),
        ({"hash": "h2", "point": 9}, Step.SEND_ROWS),
        ({"hash": "h2", "point": 11}, Step.RENEW_ID),
        ({"hash": "h1", "point": 11}, Step.RENEW_ID),
        ({"hash": "h1", "id": "ours"}, Step.RENEW_ID),
        ({"hash": "h2", "id": "ours", "point": 10}, Step.RENEW_ID),
        ({"hash": "h1", "count": 9}, Step.SEND_ROWS),
        ({"hash": "h1", "count": 9, "point": 10}, Step.UP_TO_DATE),
        ({"hash": "h2", "max_row": 4}, Step.SEND_FILE),
        ({"hash": "h2", "max_row": 5}, Step.SEND_ROWS),
        ({"hash": "h2", "max_row": -1}, Step.SEND_FILE),
        ({"hash": "h2", "max_row": 4, "point": 9}, Step.SEND_FILE),
    ],
)
def test_the_next_step_follows_from_both_sides(theirs: dict[str, Any], step: Step) -> None:
    assert next_step(ours(), info(**theirs), per_diff=5) is step


def test_few_rows_are_always_sent_as_rows() -> None:
    assert next_step(ours(), info(hash="h2", max_row=-1), per_diff=11) is Step.SEND_ROWS


def test_a_new_database_has_nothing_to_send() -> None:
    assert next_step(ours(max_row=-1), info(hash="h2", max_row=5), per_diff=1) is Step.UP_TO_DATE


@given(st.integers(-1, 50), st.integers(-1, 50), st.integers(-1, 50), st.sampled_from(["h1", "h2"]), st.integers(1, 60))
def test_whoever_lacks_a_row_gets_it(last: int, known: int, have: int, digest: str, per_diff: int) -> None:
    step = next_step(ours(max_row=last), info(hash=digest, max_row=have, point=known), per_diff)
    if step is Step.UP_TO_DATE:
        assert known == last
    if step is Step.SAME_ROWS:
        assert digest == "h1"
    if known < last and digest == "h2":
        assert step in (Step.SEND_ROWS, Step.SEND_FILE)


def test_each_replica_talks_to_its_successor_first() -> None:
    assert in_turn("abc", 0) == ["b", "c"]
    assert in_turn("abc", 1) == ["c", "a"]
    assert in_turn("abc", 2) == ["a", "b"]
    assert in_turn("a", 0) == []


def test_a_handoff_talks_to_all() -> None:
    assert in_turn("abc", None) == ["a", "b", "c"]


def metadata(**values: tuple[str, str]) -> str:
    return json.dumps({key: list(pair) for key, pair in values.items()})


def test_a_handoff_that_nobody_changed_may_go() -> None:
    assert all_is_told(info(), info(), [])


@pytest.mark.parametrize(
    "change",
    [
        {"max_row": 11},
        {"id": "b"},
        {"put_timestamp": "2"},
        {"delete_timestamp": "3"},
        {"metadata": metadata(Color=("blue", "5"))},
    ],
)
def test_a_handoff_that_was_changed_since_stays(change: dict[str, Any]) -> None:
    assert not all_is_told(info(**change), info(), [info(id="peer")])


def test_what_a_peer_said_itself_holds_nothing_up() -> None:
    color, shape = ("blue", "5"), ("round", "6")
    before = info(metadata=metadata(Color=color))
    peers = [info(id="p", put_timestamp="2", metadata=metadata(Shape=shape)), info(id="q", delete_timestamp="3")]
    merged = info(put_timestamp="2", delete_timestamp="3", metadata=metadata(Color=color, Shape=shape))
    assert all_is_told(merged, before, peers)
    newer = info(metadata=metadata(Color=("red", "7"), Shape=shape))
    assert not all_is_told(newer, before, peers)


def test_all_peers_must_have_a_handoff_unless_fewer_will_do() -> None:
    assert enough_succeeded([True, True], 0)
    assert not enough_succeeded([True, False], 0)
    assert not enough_succeeded([], 0)
    assert enough_succeeded([True, False, True], 2)
    assert not enough_succeeded([True, False, False], 2)


NODE = {
    "ip": "10.0.0.1",
    "port": 6201,
    "replication_ip": "fd00::1",
    "replication_port": 6301,
    "region": 1,
    "zone": 2,
    "device": "sda",
    "meta": "rack7",
}


def test_a_module_is_named_by_its_template() -> None:
    assert rsync_module("{replication_ip}::container", NODE) == "[fd00::1]::container"
    assert rsync_module("{ip}::container_{device}/", NODE) == "10.0.0.1::container_sda"
    assert rsync_module("{meta}:{port}:{replication_port}:{region}:{zone}", NODE) == "rack7:6201:6301:1:2"


@pytest.mark.parametrize("template", ["{nothing}", "{}", "{0}"])
def test_a_template_of_unknown_variables_is_refused(template: str) -> None:
    with pytest.raises(ValueError):
        rsync_module(template, NODE)
