"""Specifies changes with conditions: made by a majority of the primaries that hold the object, or by none."""

import pytest

from fakes.backends import Body, Say
from fakes.more_time import with_more_time
from swiftlite.http.errors import ClientDisconnected
from swiftlite.proxy.voted_change import VotedChange
from swiftlite.wire.messages import Vote

SMALL = b"hello"
BIG = bytes(range(256)) * 1024
VOTES = dict([Vote.HEADER])
IF_MATCH = {"If-Match": '"e0"'}
YES = Say(201, {"Etag": '"e1"'}, interim=VOTES, vote=True)
NO = Say(412, interim=VOTES)
EARLY_NO = Say(412, read=False)
SWIFT = Say(201, {"Etag": '"e1"'})
"""A server of OpenStack Swift, which knows no If-Match."""
SWIFT_REFUSES = Say(412, read=False)
DOWN = Say(503, read=False)


def left(stage):
    """How many servers were given leave to make the change, once all has ended."""
    # Votes that come late are given up in the background.
    stage.until(lambda: all(seen.ended for seen in stage.seen), "the end of all requests")
    return sum(seen.leave == Vote.LEAVE for seen in stage.seen)


@pytest.mark.parametrize("body", [b"", SMALL, BIG])
@pytest.mark.parametrize("headers", [IF_MATCH, {"If-None-Match": '"e9"'}, {"If-None-Match": "*"}])
def test_a_put_that_all_agree_to(stage, body, headers):
    stage.all_say(YES)
    result = stage.call("PUT", body=body, headers=headers)
    assert (result.status, result.headers["etag"]) == (201, "e1")
    assert left(stage) == 3
    assert stage.stored() == [body] * 3
    assert not any(backend.seen for backend in stage.handoffs)
    (name, value), *_ = headers.items()
    assert {seen.headers[name.lower()] for seen in stage.seen} == {value}


@pytest.mark.parametrize(("method", "says", "status"), [("POST", 202, 202), ("DELETE", 204, 204)])
def test_other_changes_that_all_agree_to(stage, method, says, status):
    stage.all_say(Say(says, interim=VOTES, vote=True))
    assert stage.call(method, headers=IF_MATCH).status == status
    assert left(stage) == 3


@pytest.mark.parametrize("body", [SMALL, BIG])
@pytest.mark.parametrize(
    ("says", "status", "leaves"),
    [
        ((YES, YES, NO), 201, 2),
        ((NO, YES, YES), 201, 2),
        ((EARLY_NO, YES, YES), 201, 2),
        ((YES, DOWN, YES), 201, 2),
        ((YES, NO, NO), 412, 0),
        ((NO, NO, YES), 412, 0),
        ((YES, EARLY_NO, EARLY_NO), 412, 0),
        ((EARLY_NO, EARLY_NO, EARLY_NO), 412, 0),
        ((EARLY_NO, DOWN, EARLY_NO), 412, 0),
        ((YES, NO, DOWN), 503, 0),
        ((YES, EARLY_NO, DOWN), 503, 0),
        ((YES, DOWN, DOWN), 503, 0),
        ((YES, Say(409, interim=VOTES), NO), 503, 0),
        ((Say(409, read=False),) * 3, 503, 0),
        ((Say(422, interim=VOTES),) * 3, 422, 0),
        ((Say(400, read=False),) * 3, 400, 0),
    ],
)
def test_the_majority_of_the_primaries_decides(stage, says, status, leaves, body):
    stage.all_say(YES)
    stage.primaries_say(*says)
    assert stage.call("PUT", body=body, headers=IF_MATCH).status == status
    assert left(stage) == leaves
    assert not any(backend.seen for backend in stage.handoffs)


def test_a_change_that_too_few_have_made_is_no_success(stage):
    stage.primaries_say(YES, Say(503, interim=VOTES, vote=True), Say(500, interim=VOTES, vote=True))
    assert stage.call("PUT", body=SMALL, headers=IF_MATCH).status == 503


def test_the_first_primary_is_asked_alone(stage):
    asked = []

    def script(backend):
        def say(seen):
            asked.append((backend.name, [one.ended for other in stage.backends for one in other.seen]))
            return NO if backend is stage.primaries[0] else YES

        return say

    for backend in stage.backends:
        backend.script = script(backend)
    assert stage.call("PUT", body=SMALL, headers=IF_MATCH).status == 201
    assert left(stage) == 2


def test_servers_that_know_no_condition_get_the_body_but_no_vote(stage):
    stage.primaries_say(YES, YES, SWIFT)
    assert stage.call("PUT", body=BIG, headers=IF_MATCH).status == 201
    assert left(stage) == 2
    assert stage.stored() == [BIG] * 3


def test_servers_that_know_no_condition_store_nothing_that_was_rejected(stage):
    stage.primaries_say(YES, NO, SWIFT)
    assert stage.call("PUT", body=BIG, headers=IF_MATCH).status == 503
    assert left(stage) == 0
    assert not stage.primaries[2].seen[0].complete


def test_too_few_servers_that_know_conditions(stage):
    stage.primaries_say(YES, SWIFT, SWIFT)
    assert stage.call("PUT", body=BIG, headers=IF_MATCH).status == 503
    assert not any(seen.complete for seen in stage.seen)


def test_a_client_that_leaves_before_the_vote(stage):
    stage.all_say(YES)
    broken = {"wsgi.input": Body(SMALL, ClientDisconnected("gone"))}
    assert stage.call("PUT", headers=IF_MATCH, CONTENT_LENGTH="10", **broken).status == 499
    assert left(stage) == 0
    assert stage.stored() == []


def test_a_server_that_is_silent_after_the_body_holds_nobody_up(staged):
    def attempt(timeout):
        stage = staged(node_timeout=timeout)
        stage.all_say(YES)
        stage.primaries[2].script = lambda seen: Say(hang=True, read=False)
        assert stage.call("PUT", body=SMALL, headers=IF_MATCH).status == 201

    with_more_time(attempt, 0.3, 2.0, 10.0)


@pytest.mark.parametrize(
    ("says", "status", "leaves"),
    [
        ((YES, YES, NO), 412, 0),
        ((YES, YES, EARLY_NO), 412, 0),
        ((YES, SWIFT_REFUSES, YES), 412, 0),
        ((YES, DOWN, DOWN), 201, 3),
        ((SWIFT, SWIFT, SWIFT), 201, 0),
        ((YES, Say(409, read=False), YES), 202, 0),
    ],
)
def test_a_creation_is_refused_by_one_and_helped_by_handoffs(stage, says, status, leaves):
    stage.all_say(YES)
    stage.primaries_say(*says)
    assert stage.call("PUT", body=SMALL, headers={"If-None-Match": "*"}).status == status
    assert left(stage) == leaves
    if status != 201:
        assert stage.stored() == [] or not any(seen.leave for seen in stage.seen)


def test_a_yes_that_comes_with_the_refusal_is_let_go(stage, monkeypatch):
    count_all = VotedChange._take_votes

    def count_refusals_first(self, votes, count, held):
        stage.until(lambda: votes.qsize() == count, "all votes")
        for vote in sorted([votes.get() for _ in range(count)], key=lambda vote: vote[1] is None):
            votes.put(vote)
        held_by_who_raised.append(votes)  # as the exception's traceback may hold them
        count_all(self, votes, count, held)

    held_by_who_raised = []
    monkeypatch.setattr(VotedChange, "_take_votes", count_refusals_first)
    stage.primaries_say(YES, YES, NO)
    assert stage.call("PUT", body=SMALL, headers={"If-None-Match": "*"}).status == 412
    assert left(stage) == 0


def test_what_a_rejected_replica_was_to_tell_its_container_the_proxy_tells(stage):
    stage.primaries_say(YES, YES, NO)
    assert stage.call("PUT", body=SMALL, headers=IF_MATCH).status == 201
    stage.until(lambda: any("x-size" in seen.headers for seen in stage.seen), "the row")


@pytest.mark.parametrize(("failing", "asked"), [(1, 2), (2, 3)])
def test_servers_that_failed_lately_are_asked_only_if_they_must(stage, failing, asked):
    stage.all_say(YES)
    for node in stage.cluster.object_ring(stage.cluster.policies.by_index(0)).primaries(7)[:failing]:
        stage.cluster.limits.out_of_service(node, "a test")
    assert stage.call("PUT", body=SMALL, headers=IF_MATCH).status == 201
    assert left(stage) == len(stage.seen) == asked
