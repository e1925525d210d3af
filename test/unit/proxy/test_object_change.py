"""Specifies POST and DELETE of objects."""

import pytest

from fakes.backends import Say


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ((204, 204, 204), 204),
        ((404, 404, 404), 404),
        ((204, 404, 404), 404),
        ((204, 404, 409), 409),
        ((409, 409, 204), 409),
        ((204, 204, 409), 204),
    ],
)
def test_delete_adds_up(stage, statuses, status):
    stage.primaries_say(*statuses)
    assert stage.call("DELETE").status == status


def test_delete_counts_404_as_204_for_want_of_a_quorum(stage):
    stage.all_say(503)
    stage.primaries[0].says(204)
    stage.primaries[1].says(404)
    assert stage.call("DELETE").status == 204


def test_delete_goes_to_handoffs_in_place_of_dead_primaries(stage):
    stage.all_say(204)
    stage.stop(stage.primaries[0])
    assert stage.call("DELETE").status == 204
    assert len(stage.handoffs[0].seen) == 1
    assert stage.handoffs[0].seen[0].headers["x-container-device"] in ("d0", "d1", "d2")


def test_post_carries_metadata_and_targets(stage):
    stage.all_say(202)
    result = stage.call("POST", headers={"X-Object-Meta-Mood": "better", "Content-Type": "a/b"})
    assert result.status == 202
    for seen in stage.seen:
        assert seen.headers["x-object-meta-mood"] == "better"
        assert seen.headers["content-type"] == "a/b"
        assert seen.headers["x-container-partition"] == "7"


@pytest.mark.parametrize(
    ("statuses", "handoff", "status"),
    [
        ((202, 202, 202), 404, 202),
        ((202, 202, 404), 404, 202),
        ((404, 404, 404), 404, 404),
        ((202, 404, 404), 202, 202),
        ((202, 404, 404), 404, 503),
        ((409, 409, 202), 404, 409),
    ],
)
def test_post_adds_up(stage, statuses, handoff, status):
    stage.all_say(handoff)
    stage.primaries_say(*statuses)
    assert stage.call("POST", headers={"X-Object-Meta-A": "b"}).status == status


def test_a_reply_after_the_quorum_is_not_waited_for_long(stage):
    stage.primaries_say(204, 204, Say(hang=True))
    assert stage.call("DELETE").status == 204
