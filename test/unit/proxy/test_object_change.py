"""Specifies POST and DELETE of objects."""

from dataclasses import replace

import pytest

from fakes.backends import Say
from swiftlite.common.concurrency import Timeout
from swiftlite.common.policies import StoragePolicy
from swiftlite.core.affinity import WriteAffinity
from swiftlite.core.timestamp import Timestamp
from swiftlite.proxy import object_change
from swiftlite.proxy.options import NodeCount
from swiftlite.proxy.row_quorum import RowQuorum
from swiftlite.wire.messages import found_headers

GOLD = StoragePolicy(0, "gold")


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ((204, 204, 204), 204),
        ((404, 404, 404), 404),
        ((204, 404, 404), 204),
        ((204, 404, 403), 204),
        ((204, 403, 403), 403),
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


OLD, NEW = found_headers(Timestamp(3)), found_headers(Timestamp(5))


def test_the_tombstones_of_a_quorum_refute_an_older_replica(stage):
    stage.primaries_say(Say(204, OLD), Say(404, NEW), Say(404, NEW))
    assert stage.call("DELETE").status == 404
    stage.all_say(404)
    stage.primaries_say(Say(202, OLD), Say(404, NEW), Say(404, NEW))
    assert stage.call("POST").status == 404
    assert not stage.handoffs[0].seen, "who knows better need not be looked for"


def test_a_404_of_the_expirer_stands_for_there_is_no_tombstone(stage):
    stage.primaries_say(204, 404, 404)
    assert stage.call("DELETE", headers={"X-If-Delete-At": "1400000000"}).status == 404


@pytest.mark.parametrize(("method", "status"), [("DELETE", 404), ("POST", 404)])
def test_what_a_quorum_of_primaries_lacks_is_not_looked_for_elsewhere(stage, method, status):
    stage.all_say(404)
    stage.primaries[2].says(202)
    shun(stage, stage.primaries[2])
    assert stage.call(method).status == status
    assert len(stage.seen) == 3 and not stage.primaries[2].seen


def shun(stage, *backends):
    for backend in backends:
        node = next(node for node in stage.cluster.object_ring(GOLD).nodes if node.device == backend.name)
        stage.cluster.limits.out_of_service(node, "the test says so")


@pytest.mark.parametrize(("method", "status"), [("DELETE", 204), ("POST", 202)])
def test_a_404_of_handoffs_proves_nothing_while_primaries_are_shunned(stage, method, status):
    stage.all_say(404)
    stage.primaries_say(status, status, 503)
    shun(stage, *stage.primaries)
    assert stage.call(method).status == status


@pytest.mark.parametrize(("method", "status"), [("DELETE", 404), ("POST", 503)])
def test_shunned_primaries_that_hang_are_not_waited_for_long(staged, monkeypatch, method, status):
    monkeypatch.setattr(object_change, "PATIENCE", 0.05)
    stage = staged(node_timeout=60)
    stage.all_say(404)
    stage.primaries_say(404, Say(hang=True), Say(hang=True))
    shun(stage, *stage.primaries[1:])
    with Timeout(50):
        assert stage.call(method).status == status
    stage.until(lambda: [len(backend.seen) for backend in stage.primaries] == [1, 1, 1], "a request to each")


@pytest.mark.parametrize(("method", "status"), [("DELETE", 404), ("POST", 503)])
def test_handoffs_alone_cannot_say_that_there_is_no_object(stage, method, status):
    stage.all_say(404)
    stage.primaries_say(404, 503, 503)
    assert stage.call(method).status == status


def test_handoffs_that_know_of_its_deletion_can(stage):
    stage.all_say(Say(404, NEW))
    stage.primaries_say(404, 503, 503)
    assert stage.call("POST").status == 404


def test_post_finds_replicas_on_shunned_primaries(stage):
    stage.all_say(404)
    stage.handoffs[0].says(202)
    stage.primaries_say(503, 202, 503)
    shun(stage, stage.primaries[1], stage.primaries[2])
    assert stage.call("POST").status == 202


def test_post_looks_for_replicas_where_a_write_affinity_has_left_them(staged):
    stage = staged(write_affinity=WriteAffinity("r2"), request_node_count=NodeCount(4, False))
    ring = stage.cluster.object_ring(GOLD)
    ring.nodes[5] = replace(ring.nodes[5], region=2)
    stage.all_say(404)
    stage.primaries[0].says(202)
    stage.handoffs[2].says(202)
    assert stage.call("POST").status == 202


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


def test_a_reply_after_the_quorum_is_not_waited_for_long(staged):
    stage = staged(post_quorum_timeout=0.1)
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
