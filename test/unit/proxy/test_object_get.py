"""Specifies how objects are read: which replica, what its failure means, and what a client never gets."""

import re
import threading

import pytest

from fakes.backends import Say
from fakes.more_time import with_more_time
from swiftlite.proxy.nodes import NodeIter

DATA = bytes(range(256)) * 1024
HEADERS = {
    "Content-Type": "text/plain",
    "Etag": '"e1"',
    "X-Timestamp": "1400000002.00000",
    "X-Backend-Timestamp": "1400000002.00000",
    "X-Backend-Data-Timestamp": "1400000001.00000",
    "X-Object-Meta-Mood": "fine",
}
TOMBSTONE = Say(404, {"X-Backend-Timestamp": "1400000003.00000"})


def whole(data=DATA, **headers):
    return Say(200, HEADERS | headers, data)


def ranged(data=DATA, headers=HEADERS):
    """A script that serves ``data``, or the range asked for."""

    def script(seen):
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", seen.headers.get("range", ""))
        if not match:
            return Say(200, headers, data)
        first, last = int(match[1]), int(match[2])
        part = data[first : last + 1]
        return Say(206, headers | {"Content-Range": f"bytes {first}-{last}/{len(data)}"}, part)

    return script


def in_ring_order(stage):
    """Ask the primaries in the order of the ring, not a random one."""
    limits, count = stage.cluster.limits, len(stage.backends)
    stage.cluster.nodes = lambda ring, partition: NodeIter(ring, partition, limits, count, lambda nodes: None)


def test_one_replica_is_enough(stage):
    stage.all_say(whole(b"hello"))
    result = stage.call("GET")
    assert (result.status, result.body) == (200, b"hello")
    assert len(stage.seen) == 1
    assert re.fullmatch(r"/d[0-2]/7/a/c/o", stage.seen[0].path)
    assert stage.seen[0].headers["x-backend-storage-policy-index"] == "0"
    assert result.headers["etag"] == "e1"
    assert result.headers["content-length"] == "5"
    assert result.headers["accept-ranges"] == "bytes"
    assert result.headers["x-object-meta-mood"] == "fine"


def test_head_has_the_length_and_no_body(stage):
    stage.all_say(Say(200, HEADERS | {"Content-Length": "262144"}))
    result = stage.call("HEAD")
    assert (result.status, result.body, result.headers["content-length"]) == (200, b"", "262144")


def test_names_of_any_bytes_reach_the_backend(stage):
    stage.all_say(whole(b"x"))
    stage.call("GET", "/v1/a/c/%E2%82%AC/%0A%20%3F%23%25%22")
    assert stage.seen[0].path.endswith('/7/a/c/€/\n ?#%"')


def test_conditions_and_ranges_go_on_and_of_a_token_only_that_there_was_one(stage):
    stage.all_say(Say(304, HEADERS))
    result = stage.call("GET", headers={"If-None-Match": "e1", "Range": "bytes=1-2", "X-Auth-Token": "secret"})
    assert result.status == 304
    assert stage.seen[0].headers["if-none-match"] == "e1"
    assert stage.seen[0].headers["range"] == "bytes=1-2"
    stage.call("GET", headers={"X-Storage-Token": "secret"})
    stage.call("GET")
    assert not any("secret" in value for seen in stage.seen for value in seen.headers.values())
    assert sorted(seen.headers.get("x-auth-token", "") for seen in stage.seen) == ["", "hidden", "hidden"]


def test_not_modified_may_tell_the_length_that_the_object_has(stage):
    stage.all_say(Say(304, HEADERS | {"Content-Length": "5"}))
    result = stage.call("GET", headers={"If-None-Match": "e1"})
    assert (result.status, result.body) == (304, b"")
    assert len(stage.seen) == 1


def test_a_body_of_unknown_length(stage):
    stage.all_say(Say(200, HEADERS, b"hello", chunked=True))
    result = stage.call("GET")
    assert (result.status, result.body) == (200, b"hello")
    assert "content-length" not in result.headers


@pytest.mark.parametrize("status", [412, 416])
def test_what_a_server_says_of_its_data_is_final(stage, status):
    stage.all_say(Say(status, HEADERS))
    assert stage.call("GET").status == status
    assert len(stage.seen) == 1


def test_dead_nodes_are_passed_over(stage):
    stage.all_say(whole(b"hello"))
    stage.stop(stage.backends[0])
    stage.stop(stage.backends[1])
    for _ in range(10):
        assert stage.call("GET").body == b"hello"


def test_silent_nodes_are_passed_over(staged):
    def attempt(timeout):
        stage = staged(node_timeout=timeout)
        stage.primaries_say(Say(hang=True), Say(hang=True), whole(b"hello"))
        for _ in range(4):
            assert stage.call("GET").body == b"hello"

    with_more_time(attempt, 0.1, 1.0, 5.0)


def test_a_full_disk_is_left_alone_after_its_first_507(stage):
    in_ring_order(stage)
    stage.primaries_say(507, 507, whole(b"hello"))
    for _ in range(12):
        assert stage.call("GET").status == 200
    assert [len(backend.seen) for backend in stage.primaries[:2]] == [1, 1]


def test_errors_are_borne_up_to_the_limit_for_the_interval(staged):
    now = [1000.0]
    stage = staged(error_suppression_limit=3, error_suppression_interval=60.0)
    stage.cluster.limits._clock = lambda: now[0]
    stage.primaries_say(503, 503, 503)
    for backend in stage.handoffs:
        backend.says(whole(b"hello"))
    for _ in range(20):
        assert stage.call("GET").body == b"hello"
    assert [len(backend.seen) for backend in stage.primaries] == [4, 4, 4]
    now[0] += 61
    stage.call("GET")
    assert [len(backend.seen) for backend in stage.primaries] == [5, 5, 5]


def test_servers_that_are_back_are_found_when_no_others_are_left(staged):
    stage = staged(error_suppression_limit=2)
    stage.all_say(503)
    for _ in range(6):
        assert stage.call("GET").status == 503
        assert stage.call("PUT", body=b"x").status == 503
    stage.all_say(whole(b"hello"))
    assert stage.call("GET").body == b"hello"
    stage.all_say(201)
    count = len(stage.seen)
    assert stage.call("PUT", body=b"x").status == 201
    assert len(stage.seen) == count + 3


def test_full_disks_are_still_read_from_and_deleted_from(stage):
    stage.all_say(507)
    assert stage.call("PUT", body=b"x").status == 503
    stage.all_say(404)
    stage.primaries_say(503, whole(b"hello"), whole(b"hello"))
    assert stage.call("GET").body == b"hello"
    stage.all_say(507)
    assert stage.call("PUT", body=b"x").status == 503
    stage.all_say(204)
    assert stage.call("DELETE").status == 204


def test_all_nodes_failing_is_503(stage):
    stage.all_say(503)
    assert stage.call("GET").status == 503


def test_a_handoff_has_it(stage):
    stage.handoffs[1].says(whole(b"hello"))
    assert stage.call("GET").body == b"hello"


def test_missing_everywhere_is_404_and_no_more_nodes_are_asked_than_allowed(stage):
    result = stage.call("GET")
    assert result.status == 404
    assert len(stage.seen) == 6


def test_one_primary_may_know_nothing_but_the_others_must_answer(stage):
    # The only answer is the 404 of a primary that may be new; two are down. Who knows?
    stage.stop(stage.backends[0])
    stage.stop(stage.backends[1])
    assert stage.call("GET").status == 503


def test_two_primaries_that_know_nothing_are_an_answer(stage):
    stage.stop(stage.backends[0])
    assert stage.call("GET").status == 404


def test_a_tombstone_rules_out_older_replicas(stage):
    stage.primaries_say(TOMBSTONE, TOMBSTONE, TOMBSTONE)
    for backend in stage.handoffs:
        backend.says(whole(b"risen from the dead"))
    assert stage.call("GET").status == 404


def test_a_tombstone_older_than_a_replica_does_not(stage):
    old = Say(404, {"X-Backend-Timestamp": "1400000000.00000"})
    stage.primaries_say(old, old, whole(b"newer"))
    for _ in range(6):
        assert stage.call("GET").body == b"newer"


def test_with_newest_a_tombstone_heard_of_last_rules_out_what_was_found(stage):
    in_ring_order(stage)
    stage.primaries_say(whole(b"old"), whole(b"old"), TOMBSTONE)
    assert stage.call("GET", headers={"X-Newest": "true"}).status == 404


def expired(data: str, posted: str) -> Say:
    """A replica whose X-Delete-At has passed; times in seconds after 1400000000."""
    return Say(
        404,
        {"X-Backend-Data-Timestamp": f"140000000{data}0000", "X-Backend-Timestamp": f"140000000{posted}0000"},
    )


# Without X-Newest the first good answer is taken, as that of any replica that missed a change.
@pytest.mark.parametrize(("headers", "place"), [({}, 0), ({"X-Newest": "true"}, 0), ({"X-Newest": "true"}, 2)])
@pytest.mark.parametrize(
    ("gone", "status"),
    [
        (expired("1.0", "1.0"), 200),  # it missed the POST that the others have, which took the expiry away
        (expired("1.0", "1.5"), 200),  # the same, and a POST had set the expiry
        (expired("1.0", "3.0"), 404),  # the others missed the POST that set it
        (expired("0.0", "9.0"), 200),  # it missed a whole PUT
        (expired("2.0", "2.0"), 404),  # the others did
    ],
)
def test_a_replica_that_expired_rules_out_only_what_is_older_than_its_last_post(stage, headers, gone, status, place):
    in_ring_order(stage)
    replicas = [whole(b"hello"), whole(b"hello")]
    replicas.insert(place, gone)
    stage.primaries_say(*replicas)
    assert stage.call("GET", headers=headers).status == status


def test_a_replica_newer_than_the_tombstone_is_found_behind_an_older_one(stage):
    in_ring_order(stage)
    newer = whole(b"new", **{"X-Backend-Data-Timestamp": "1400000004.00000"})
    stage.primaries_say(TOMBSTONE, whole(b"old"), newer)
    assert stage.call("GET").body == b"new"


def test_newest_asks_all_and_takes_the_newest(stage):
    stage.primaries_say(
        whole(b"old"),
        whole(b"new", **{"X-Backend-Data-Timestamp": "1400000009.00000"}),
        whole(b"old"),
    )
    for count in range(1, 5):
        assert stage.call("GET", headers={"X-Newest": "true"}).body == b"new"
        assert [len(backend.seen) for backend in stage.backends] == [count] * 6


@pytest.mark.parametrize("place", range(3))
def test_newest_of_the_same_data_is_the_one_that_was_posted_to_last(stage, place):
    replicas = [whole(b"same", **{"X-Object-Meta-Posted": "no"})] * 3
    replicas[place] = whole(b"same", **{"X-Backend-Timestamp": "1400000009.00000", "X-Object-Meta-Posted": "yes"})
    stage.primaries_say(*replicas)
    assert stage.call("GET", headers={"X-Newest": "true"}).headers["x-object-meta-posted"] == "yes"


def test_newest_asks_all_at_once(staged, caplog):
    stage = staged()
    # The first five answer when all six were asked; one after the other would never get so far.
    together = threading.Event()

    def script(seen):
        stage_seen.append(seen)
        if len(stage_seen) == 6:
            together.set()
        return Say(200, HEADERS, b"hello") if together.wait(40) else Say(503)

    stage_seen = []
    for backend in stage.backends:
        backend.script = script
    assert stage.call("GET", headers={"X-Newest": "true"}).body == b"hello"
    assert not [record for record in caplog.records if record.name == stage.log.name]  # nobody waited in vain


def test_newest_without_an_answer_from_all(staged):
    def attempt(timeout):
        stage = staged(node_timeout=timeout)
        stage.all_say(Say(hang=True))
        stage.primaries_say(Say(hang=True), whole(b"hello"), 503)
        assert stage.call("GET", headers={"X-Newest": "true"}).body == b"hello"

    with_more_time(attempt, 0.1, 1.0, 10.0)


def test_a_lone_replica_that_knows_nothing_is_an_answer(staged):
    stage = staged()
    ring = stage.cluster.object_ring(stage.cluster.policies.default)
    ring.primaries, ring.handoffs = lambda partition: tuple(ring.nodes[:1]), lambda partition: iter(())
    assert stage.call("GET").status == 404


def test_a_node_that_dies_mid_body_is_replaced_where_it_stopped(stage):
    for backend in stage.backends:
        backend.script = ranged()
    stage.primaries_say(*[Say(200, HEADERS, DATA, die_after=100_000)] * 3)
    result = stage.call("GET")
    assert result.broken is None
    assert result.body == DATA
    resumed = [seen for seen in stage.seen if "range" in seen.headers]
    assert resumed
    assert all(re.fullmatch(r"bytes=\d+-262143", seen.headers["range"]) for seen in resumed)


def test_a_range_is_resumed_within_itself(stage):
    for backend in stage.backends:
        backend.script = ranged()
    part = Say(206, HEADERS | {"Content-Range": "bytes 1000-200999/262144"}, DATA[1000:201000], die_after=70_000)
    stage.primaries_say(part, part, part)
    result = stage.call("GET", headers={"Range": "bytes=1000-200999", "If-Match": "e1"})
    assert (result.status, result.body, result.broken) == (206, DATA[1000:201000], None)
    assert all(
        "if-match" not in seen.headers for seen in stage.seen if seen.headers.get("range") != "bytes=1000-200999"
    )


@pytest.mark.parametrize("different", [{"Etag": '"e2"'}, {"X-Backend-Data-Timestamp": "1400000000.00000"}])
def test_another_version_is_never_joined_on(stage, different):
    for backend in stage.backends:
        backend.script = ranged(b"z" * len(DATA), HEADERS | different)
    stage.primaries_say(*[Say(200, HEADERS, DATA, die_after=100_000)] * 3)
    result = stage.call("GET")
    assert result.status == 200
    assert result.broken is not None
    assert len(result.body) < len(DATA)
    assert DATA.startswith(result.body)


def test_a_small_body_that_no_replica_can_finish_is_an_honest_503(stage):
    stage.all_say(Say(200, HEADERS, b"x" * 5000, die_after=10))
    assert stage.call("GET").status == 503


def test_a_node_that_answers_nonsense_is_passed_over(stage, caplog):
    in_ring_order(stage)
    stage.primaries_say(Say(404, {"X-Backend-Timestamp": "yesterday"}), whole(b"hello"), whole(b"hello"))
    assert stage.call("GET").body == b"hello"
    assert "nonsense in the answer's headers" in caplog.text
