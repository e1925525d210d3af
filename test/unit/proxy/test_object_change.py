"""Specifies POST and DELETE of objects."""

import pytest

from fakes.backends import Say
from swiftlite.core.affinity import WriteAffinity
from swiftlite.proxy.row_quorum import RowQuorum


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
        ((202, 404, 409), 404, 409),
        ((202, 404, 404), 409, 409),
        ((202, 404, 507), 202, 202),
    ],
)
def test_post_adds_up(stage, statuses, handoff, status):
    stage.all_say(handoff)
    stage.primaries_say(*statuses)
    assert stage.call("POST", headers={"X-Object-Meta-A": "b"}).status == status


def test_a_reply_after_the_quorum_is_not_waited_for_long(stage):
    stage.primaries_say(204, 204, Say(hang=True))
    assert stage.call("DELETE").status == 204


def test_handoffs_tell_the_containers_that_the_missing_replicas_were_to_tell(stage):
    stage.all_say(202)
    stage.primaries_say(202, 404, 404)
    assert stage.call("POST", headers={"X-Object-Meta-A": "b"}).status == 202
    told = {seen.headers["x-container-device"] for seen in stage.handoffs[0].seen}
    assert told <= {seen.headers["x-container-device"] for backend in stage.primaries[1:] for seen in backend.seen}
    assert told


def test_post_of_a_content_type_that_is_no_text(stage):
    stage.all_say(202)
    assert stage.call("POST", headers={"Content-Type": "text/\xff"}).status == 400
    assert not stage.seen


@pytest.mark.parametrize(("allowed", "sent"), [(True, "true"), (False, None)])
def test_post_to_an_expired_object(staged, allowed, sent):
    stage = staged(allow_open_expired=allowed)
    stage.all_say(202)
    assert stage.call("POST", headers={"X-Open-Expired": "true"}).status == 202
    assert {seen.headers.get("x-backend-open-expired") for seen in stage.seen} == {sent}


def test_delete_also_asks_local_handoffs_where_uploads_go_to_them(staged):
    stage = staged(write_affinity=WriteAffinity("r1"), write_affinity_handoff_delete_count=2)
    stage.all_say(204)
    assert stage.call("DELETE").status == 204
    stage.until(lambda: len(stage.seen) == 5, "a request to every primary and two handoffs")
    assert len({seen.path for seen in stage.seen}) == 5


@pytest.mark.parametrize(
    ("statuses", "headers", "told"),
    [
        ((204, 204, 507), {}, True),
        ((404, 404, 507), {}, True),
        ((412, 412, 507), {}, False),
        ((409, 409, 507), {}, False),
        ((404, 404, 507), {"X-If-Delete-At": "1400000000"}, False),
        ((204, 404, 507), {"X-If-Delete-At": "1400000000"}, True),
    ],
)
def test_containers_hear_of_no_deletion_that_was_refused(stage, monkeypatch, statuses, headers, told):
    rows = []
    monkeypatch.setattr(RowQuorum, "settle", lambda self, replies, row, lost: rows.append((row.operation, len(lost))))
    stage.all_say(507)
    stage.primaries_say(*statuses)
    stage.call("DELETE", headers=headers)
    assert rows == [("DELETE", 1)] * told
