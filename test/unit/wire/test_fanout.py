"""Specifies how one change reaches many nodes: replacements, silence, and whom nobody took."""

import pytest

from fakes.backends import Say, Stage
from fakes.more_time import with_more_time
from swiftlite.core.quorum import Tally
from swiftlite.wire.backend import BackendRequest
from swiftlite.wire.fanout import FanOut

REQUEST = BackendRequest("DELETE", 7, "/a/c/o")


@pytest.fixture
def stage():
    made = Stage()
    yield made
    made.close()


def fan_out(stage, replicas=3, node_timeout=60.0, post_quorum_timeout=20.0):
    nodes = stage.cluster.nodes(stage.cluster.account_ring, 7)
    tally = Tally(replicas)
    fanout = FanOut(
        stage.cluster.client, nodes, tally, node_timeout=node_timeout, post_quorum_timeout=post_quorum_timeout
    )
    fanout.run(REQUEST, [[("X-Share", str(number))] for number in range(replicas)])
    return fanout


def statuses(fanout):
    return sorted(reply.status for reply in fanout.tally.replies)


def test_all_answer(stage):
    stage.all_say(204)
    fanout = fan_out(stage)
    assert statuses(fanout) == [204, 204, 204]
    assert fanout.lost == []
    assert sorted(seen.headers["x-share"] for seen in stage.seen) == ["0", "1", "2"]


def test_a_replacement_gets_the_headers_of_the_one_it_replaces(stage):
    stage.all_say(204)
    stage.primaries[0].says(503)
    stage.stop(stage.primaries[1])
    fanout = fan_out(stage)
    assert statuses(fanout) == [204, 204, 204]
    answered = [seen.headers["x-share"] for backend in stage.backends[2:] for seen in backend.seen]
    assert sorted(answered) == ["0", "1", "2"]


def test_a_silent_node_is_replaced_before_the_matter_is_decided(stage):
    stage.all_say(204)
    stage.primaries[0].says(Say(hang=True))
    stage.primaries[1].says(Say(hang=True))

    def attempt(timeout):
        assert statuses(fan_out(stage, node_timeout=timeout)) == [204, 204, 204]

    with_more_time(attempt, 0.2, 1.0, 10.0)


def test_a_silent_node_is_left_behind_once_the_matter_is_decided(stage):
    stage.all_say(204)
    stage.primaries[0].says(Say(hang=True))
    fanout = fan_out(stage, node_timeout=500.0, post_quorum_timeout=0.1)
    assert statuses(fanout) == [204, 204]
    assert fanout.tally.best().status == 204


def test_who_is_taken_by_nobody_is_told(stage):
    stage.all_say(503)
    stage.primaries[0].says(204)
    fanout = fan_out(stage)
    assert statuses(fanout) == [204, 503, 503]
    assert len(fanout.lost) == 2
    assert fanout.tally.best() is None


def test_kept_connections_that_died_are_replaced(stage):
    stage.all_say(204)
    fan_out(stage)
    for connections in stage.cluster.client._idle.values():
        for connection in connections:
            connection.stream.hang_up()
    assert statuses(fan_out(stage)) == [204, 204, 204]


def test_connections_are_kept(stage):
    stage.all_say(Say(404, body=b"x" * 1000))
    for _ in range(5):
        fan_out(stage)
    assert sum(map(len, stage.cluster.client._idle.values())) == 3
