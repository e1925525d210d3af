"""Specifies how objects are written: quorum, replacements, conflicts, and clients that do not keep their word."""

import hashlib
from dataclasses import replace

import pytest
import xxhash

from fakes.backends import Body, Say
from fakes.more_time import with_more_time
from swiftlite.core.affinity import WriteAffinity
from swiftlite.http.errors import BadBody, ClientDisconnected, ClientTimeout

BIG = bytes(range(256)) * 1024
SMALL = b"hello"
BODIES = [pytest.param(SMALL, id="small"), pytest.param(BIG, id="big")]


def stored(etag="e1"):
    return Say(201, {"Etag": f'"{etag}"'})


@pytest.mark.parametrize("body", BODIES)
def test_every_primary_gets_the_body(stage, body):
    stage.all_say(stored())
    result = stage.call("PUT", body=body, headers={"Content-Type": "text/plain", "X-Object-Meta-Mood": "fine"})
    assert (result.status, result.headers["etag"], result.body) == (201, "e1", b"")
    assert result.headers["last-modified"].endswith("GMT")
    for backend in stage.primaries:
        (seen,) = backend.seen
        assert (seen.method, seen.path, seen.body) == ("PUT", f"/{backend.name}/7/a/c/o", body)
        assert seen.headers["content-type"] == "text/plain"
        assert seen.headers["x-object-meta-mood"] == "fine"
        length = "content-length" if body == SMALL else "x-backend-obj-content-length"
        assert seen.headers[length] == str(len(body))
    assert not any(backend.seen for backend in stage.handoffs)
    assert len({seen.headers["x-timestamp"] for seen in stage.seen}) == 1


@pytest.mark.parametrize("body", BODIES)
def test_a_chunked_body(stage, body):
    stage.all_say(stored())
    result = stage.call("PUT", body=body, headers={"Transfer-Encoding": "chunked"}, CONTENT_LENGTH=None)
    assert result.status == 201
    assert stage.stored().count(body) == 3


def test_each_replica_tells_another_container_server(stage):
    stage.all_say(stored())
    stage.call("PUT", body=SMALL)
    seen = [backend.seen[0].headers for backend in stage.primaries]
    hosts = {"{}:{}".format(*backend.thread.address[:2]) for backend in stage.primaries}
    assert {headers["x-container-host"] for headers in seen} == hosts
    assert {headers["x-container-device"] for headers in seen} == {"d0", "d1", "d2"}
    assert {headers["x-container-partition"] for headers in seen} == {"7"}
    cleaning = sorted(headers.get("x-backend-clean-expiring-object-queue", "t") for headers in seen)
    assert cleaning == ["false", "t", "t"]


def test_secrets_stay_in_the_proxy(stage):
    secrets = {"X-Auth-Token": "t", "X-Container-Sync-Key": "k", "X-Container-Sync-Auth": "realm nonce signature"}
    stage.call("PUT", body=SMALL, headers=secrets)
    for backend in stage.primaries:
        assert not {name.lower() for name in secrets} & backend.seen[0].headers.keys()


def test_the_content_type_is_guessed_from_the_name(stage):
    stage.all_say(stored())
    stage.call("PUT", "/v1/a/c/page.html", body=SMALL)
    stage.call("PUT", "/v1/a/c/page.html", body=SMALL, headers={"Content-Type": "a/b", "X-Detect-Content-Type": "yes"})
    stage.call("PUT", "/v1/a/c/unknowable", body=SMALL)
    types = [seen.headers["content-type"] for seen in stage.primaries[0].seen]
    assert types == ["text/html", "text/html", "application/octet-stream"]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("failure", ["down", 503, 507, 404])
def test_a_failing_primary_is_replaced_by_a_handoff(stage, body, failure):
    stage.all_say(stored())
    if failure == "down":
        stage.stop(stage.primaries[1])
    elif failure != 404:
        stage.primaries[1].says(Say(failure, read=False))
    else:
        stage.primaries[1].says(Say(404, read=False))
    assert stage.call("PUT", body=body).status == 201
    assert stage.stored().count(body) >= (2 if failure == 404 else 3)


@pytest.mark.parametrize("body", BODIES)
def test_a_silent_primary_does_not_prevent_success(staged, body):
    def attempt(timeout):
        stage = staged(node_timeout=timeout)
        stage.all_say(stored())
        stage.primaries[0].says(Say(hang=True))
        assert stage.call("PUT", body=body).status == 201

    with_more_time(attempt, 0.2, 1.0, 10.0)


@pytest.mark.parametrize("body", BODIES)
def test_no_quorum_is_503(stage, body):
    stage.all_say(Say(503, read=False))
    stage.primaries[0].says(stored())
    assert stage.call("PUT", body=body).status == 503


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ((201, 201, 422), 201),
        ((422, 422, 422), 422),
        ((422, 422, 201), 422),
        ((201, 201, 409), 202),
        ((409, 409, 409), 202),
        ((400, 400, 400), 400),
        ((413, 413, 400), 413),
    ],
)
def test_what_the_replicas_say_adds_up(stage, body, statuses, status):
    stage.primaries_say(*[Say(one, read=one != 409) for one in statuses])
    assert stage.call("PUT", body=body).status == status


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ((507, 201, 201), 201),
        ((507, 507, 201), 503),
        ((413, 413, 201), 413),
        ((408, 408, 408), 408),
        ((422, 201, 201), 201),
    ],
)
def test_answers_in_the_middle_of_a_body(stage, statuses, status):
    stage.primaries_say(*[Say(one, read_only=-1 if one == 201 else 300_000) for one in statuses])
    assert stage.call("PUT", body=b"x" * (1 << 20)).status == status


@pytest.mark.parametrize("body", BODIES)
def test_replicas_that_differ_are_an_error(stage, body):
    stage.primaries_say(stored("e1"), stored("e1"), stored("e2"))
    assert stage.call("PUT", body=body).status == 500


@pytest.mark.parametrize("body", [b"", SMALL, BIG])
def test_if_none_match_writes_nothing_where_one_server_has_the_object(stage, body):
    stage.primaries_say(stored(), Say(412, read=False), stored())
    result = stage.call("PUT", body=body, headers={"If-None-Match": "*"})
    assert result.status == 412
    assert stage.stored() == []
    assert all(seen.headers["expect"] == "100-continue" for seen in stage.seen)


@pytest.mark.parametrize("body", [b"", SMALL, BIG])
def test_if_none_match_where_there_is_none(stage, body):
    stage.all_say(stored())
    assert stage.call("PUT", body=body, headers={"If-None-Match": "*"}).status == 201
    assert stage.stored().count(body) == 3


@pytest.mark.parametrize(
    ("error", "status"),
    [(ClientTimeout("slow"), 408), (ClientDisconnected("gone"), 499), (BadBody("bad"), 400), (None, 499)],
)
@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_does_not_come_whole_is_stored_nowhere(stage, error, status, body):
    stage.all_say(stored())
    promised = str(len(body) + 10)
    result = stage.call("PUT", CONTENT_LENGTH=promised, **{"wsgi.input": Body(body, error)})
    assert result.status == status
    assert stage.stored() == []


def test_a_chunked_body_that_breaks_off_is_stored_nowhere(stage):
    stage.all_say(stored())
    broken = Body(BIG, ClientDisconnected("gone"))
    headers = {"Transfer-Encoding": "chunked"}
    assert stage.call("PUT", headers=headers, CONTENT_LENGTH=None, **{"wsgi.input": broken}).status == 499
    assert stage.stored() == []


def test_no_length(stage):
    result = stage.call("PUT", CONTENT_LENGTH=None)
    assert (result.status, result.body) == (411, b"Missing Content-Length header.")
    assert not stage.seen


def test_too_large_by_its_length(stage):
    result = stage.call("PUT", CONTENT_LENGTH=str((1 << 20) + 1))
    assert (result.status, result.body) == (413, b"Your request is too large.")
    assert not stage.seen


def test_too_large_while_it_comes(stage):
    stage.all_say(stored())
    body = b"x" * ((1 << 20) + 1)
    result = stage.call("PUT", body=body, headers={"Transfer-Encoding": "chunked"}, CONTENT_LENGTH=None)
    assert result.status == 413
    assert stage.stored() == []


def test_a_node_that_dies_while_it_is_sent_to(stage):
    stage.all_say(stored())
    body = b"x" * (1 << 20)
    died = []

    class Source(Body):
        def read(self, size=-1):
            if self.tell() > 300_000 and not died:
                died.append(stage.stop(stage.primaries[2]))
            return super().read(size)

    result = stage.call("PUT", CONTENT_LENGTH=str(len(body)), **{"wsgi.input": Source(body)})
    assert result.status == 201
    assert stage.stored().count(body) == 2


def test_the_container_of_a_server_that_died_is_told_by_the_proxy(stage):
    stage.all_say(stored())
    body = b"x" * (1 << 20)
    untold = []

    class Source(Body):
        def read(self, size=-1):
            if self.tell() > 300_000 and not untold:
                for backend in stage.primaries:
                    # Backends are container servers, too: one that lives must be the one that was to be told.
                    device = backend.seen[-1].headers["x-container-device"]
                    if device != backend.name and not untold:
                        untold.append(device)
                        stage.stop(backend)
            return super().read(size)

    while not untold:
        result = stage.call("PUT", CONTENT_LENGTH=str(len(body)), **{"wsgi.input": Source(body)})
        assert result.status == 201
    (backend,) = (backend for backend in stage.backends if backend.name == untold[0])

    def row():
        return [seen.headers for seen in backend.seen if "x-size" in seen.headers]

    stage.until(row, "the row")
    (headers,) = row()
    assert (headers["x-size"], headers["x-etag"]) == (str(len(body)), "e1")
    assert headers["x-content-type"] == "application/octet-stream"


@pytest.mark.parametrize("body", BODIES)
def test_uploads_go_to_local_nodes_first(staged, body):
    stage = staged(write_affinity=WriteAffinity("r2"))
    nodes = stage.cluster.object_ring(stage.cluster.policies.by_index(0)).nodes
    nodes[:] = [replace(node, region=2 if number in (1, 3, 4) else 1) for number, node in enumerate(nodes)]
    stage.all_say(stored())
    assert stage.call("PUT", body=body).status == 201
    assert {seen.path.split("/")[1] for seen in stage.seen} == {"d1", "d3", "d4"}


def test_missing_container(stage):
    stage.known["container/a/c"] = dict(stage.known["container/a/c"], status=404)
    for method in ("PUT", "POST", "DELETE"):
        assert stage.call(method, body=b"").status == 404
    assert not stage.seen


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"X-Delete-At": "abc"}, b"Non-integer X-Delete-At"),
        ({"X-Delete-At": "1"}, b"X-Delete-At in past"),
        ({"X-Delete-After": "abc"}, b"Non-integer X-Delete-After"),
        ({"X-Delete-After": "-1"}, b"X-Delete-After in past"),
        ({"X-Timestamp": "soon"}, b"X-Timestamp should be a UNIX timestamp float value; was 'soon'"),
        ({"X-Object-Meta-" + "n" * 129: "v"}, None),
        ({"X-Object-Meta-N": "v" * 257}, None),
    ],
)
def test_bad_headers(stage, headers, message):
    result = stage.call("PUT", body=SMALL, headers=headers)
    assert result.status == 400
    assert message is None or result.body == message
    assert not stage.seen


def test_expiry_is_spelled_normally_and_its_queue_is_told(stage):
    stage.all_say(stored())
    stage.call("PUT", body=SMALL, headers={"X-Delete-After": "100", "X-Timestamp": "1400000000.50000"})
    for seen in stage.seen:
        assert seen.headers["x-delete-at"] == "1400000100"
        assert "x-delete-after" not in seen.headers
        assert seen.headers["x-timestamp"] == "1400000000.50000"
        assert seen.headers["x-delete-at-partition"] == "7"
        assert int(seen.headers["x-delete-at-container"]) <= 1400000100
    assert {seen.headers["x-delete-at-device"] for seen in stage.seen} == {"d0", "d1", "d2"}


def test_etags_go_to_the_servers_that_check_them(stage):
    stage.all_say(stored())
    etag = hashlib.md5(SMALL).hexdigest()
    stage.call("PUT", body=SMALL, headers={"Etag": etag})
    assert {seen.headers["etag"] for seen in stage.seen} == {etag}


# The digest trailer (doc/extensions.md)

ACCEPTS = {"X-Backend-Digest-Trailer": "yes"}


def digests(body):
    return [
        ("X-Backend-Etag", hashlib.md5(body).hexdigest()),
        ("X-Backend-Fingerprint", xxhash.xxh3_128(body).hexdigest()),
    ]


@pytest.mark.parametrize("chunked", [False, True])
def test_checksums_follow_a_big_body_where_the_server_wants_them(stage, chunked):
    body = BIG * 3 + b"rest"
    stage.all_say(Say(201, interim=ACCEPTS))
    stage.primaries[1].says(Say(201))
    headers = {"Transfer-Encoding": "chunked"} if chunked else {}
    length = None if chunked else str(len(body))
    assert stage.call("PUT", body=body, headers=headers, CONTENT_LENGTH=length).status == 201
    assert stage.stored() == [body] * 3
    for backend in stage.primaries:
        (seen,) = backend.seen
        assert seen.headers["x-backend-digest-trailer"] == "yes"
        assert seen.headers["transfer-encoding"] == "chunked"
        assert seen.headers.get("x-backend-obj-content-length") == length
        assert seen.trailers == ([] if backend is stage.primaries[1] else digests(body))


def test_a_small_body_needs_no_checksums(stage):
    stage.all_say(Say(201, interim=ACCEPTS))
    stage.call("PUT", body=SMALL)
    assert all("x-backend-digest-trailer" not in seen.headers and not seen.trailers for seen in stage.seen)


@pytest.mark.parametrize("body", [b"", SMALL])
def test_a_small_body_that_waits_for_leave_has_them(stage, body):
    stage.all_say(Say(201, interim=ACCEPTS))
    assert stage.call("PUT", body=body, headers={"If-None-Match": "*"}).status == 201
    assert [seen.trailers for seen in stage.seen] == [digests(body)] * 3


@pytest.mark.parametrize("chunked", [False, True])
def test_no_checksums_follow_a_body_that_breaks_off(stage, chunked):
    stage.all_say(Say(201, interim=ACCEPTS))
    headers = {"Transfer-Encoding": "chunked"} if chunked else {}
    length = None if chunked else str(len(BIG) + 1)
    broken = {"wsgi.input": Body(BIG, ClientDisconnected("gone"))}
    assert stage.call("PUT", headers=headers, CONTENT_LENGTH=length, **broken).status == 499
    assert stage.stored() == []
    assert not any(seen.trailers for seen in stage.seen)


@pytest.mark.parametrize(("refusing", "status"), [(1, 201), (2, 503)])
def test_servers_that_got_a_damaged_body_count_as_failed(stage, refusing, status):
    stage.primaries_say(*[Say(503, interim=ACCEPTS)] * refusing, *[Say(201, interim=ACCEPTS)] * (3 - refusing))
    assert stage.call("PUT", body=BIG).status == status


def test_trailers_of_a_client_go_nowhere(stage):
    class Tricky(Body):
        trailers = {"X-Backend-Etag": "0" * 32, "X-Backend-Fingerprint": "0" * 32, "X-Object-Meta-A": "b"}

    stage.all_say(Say(201, interim=ACCEPTS))
    stage.primaries[2].says(Say(201))
    headers = {"Transfer-Encoding": "chunked", "Trailer": "X-Backend-Etag"}
    assert stage.call("PUT", headers=headers, CONTENT_LENGTH=None, **{"wsgi.input": Tricky(BIG)}).status == 201
    assert [backend.seen[0].trailers for backend in stage.primaries] == [digests(BIG), digests(BIG), []]
    assert not any("trailer" in seen.headers or "x-object-meta-a" in seen.headers for seen in stage.seen)
