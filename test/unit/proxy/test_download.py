"""Specifies what becomes of a body whose node dies: it goes on elsewhere, or ends short; never a wrong byte."""

import pytest

from fakes.backends import Say
from fakes.more_time import with_more_time
from swiftlite.core.ranges import MultipartFraming, RangeRequest
from swiftlite.proxy.controllers import obj
from swiftlite.proxy.nodes import NodeIter

DATA = bytes(range(97, 123)) * 2
HEADERS = {
    "Content-Type": "text/plain",
    "Etag": '"e1"',
    "X-Timestamp": "1400000002.00000",
    "X-Backend-Timestamp": "1400000002.00000",
    "X-Backend-Data-Timestamp": "1400000001.00000",
}
RANGES = {"whole": None, "one range": "bytes=5-30", "last bytes": "bytes=-9", "several": "bytes=40-,3-12,-4"}


def serve(data=DATA, boundary="b" * 32, **different):
    """A script that serves ``data``, or the ranges asked for, as an object server does."""
    headers = HEADERS | different

    def script(seen):
        asked = RangeRequest.parse(seen.headers.get("range"))
        parts = asked.resolve(len(data)) if asked else None
        if not parts:
            return Say(200, headers, data)
        if len(parts) == 1:
            extra = {"Content-Range": parts[0].content_range(len(data))}
            return Say(206, headers | extra, data[parts[0].start : parts[0].stop])
        framing = MultipartFraming(boundary, headers["Content-Type"], len(data))
        body = b"".join(
            piece if isinstance(piece, bytes) else data[piece.start : piece.stop] for piece in framing.pieces(parts)
        )
        return Say(206, headers | {"Content-Type": framing.header}, body)

    return script


def failing(script, asked, **failure):
    """What ``script`` says, but the answer to the client's own request fails so."""

    def fail(seen):
        say = script(seen)
        if seen.headers.get("range") == asked:
            for name, value in failure.items():
                setattr(say, name, value)
        return say

    return fail


def in_ring_order(stage):
    limits, count = stage.cluster.limits, len(stage.backends)
    stage.cluster.nodes = lambda ring, partition: NodeIter(ring, partition, limits, count, lambda nodes: None)


@pytest.fixture
def stage(staged):
    stage = staged(error_suppression_limit=10**9, rebalance_missing_suppression_count=0)
    in_ring_order(stage)
    return stage


@pytest.fixture(params=["read before the answer", "streamed"])
def way(request, monkeypatch):
    if request.param == "streamed":
        monkeypatch.setattr(obj, "SMALL", -1)
    return request.param


def get(stage, asked, **headers):
    return stage.call("GET", headers=headers | ({"Range": asked} if asked else {}))


def undisturbed(stage, asked):
    for backend in stage.backends:
        backend.script = serve()
    result = get(stage, asked)
    assert result.broken is None
    return result


@pytest.mark.parametrize("asked", RANGES.values(), ids=RANGES)
def test_a_node_may_die_at_any_byte(stage, way, asked):
    expected = undisturbed(stage, asked)
    length = len(expected.body)
    assert length == int(expected.headers["content-length"])
    for place in range(length + 1):
        # The other replicas frame with boundaries of their own.
        for number, backend in enumerate(stage.backends):
            backend.script = serve(boundary=str(number) * 32)
        first = failing(serve(), asked, die_after=place)
        stage.backends[0].script = first
        result = get(stage, asked)
        assert result.broken is None
        assert (result.status, result.body) == (expected.status, expected.body), place
        assert result.headers == expected.headers


@pytest.mark.parametrize("asked", RANGES.values(), ids=RANGES)
def test_the_next_node_may_die_too_at_any_byte(stage, asked, monkeypatch):
    monkeypatch.setattr(obj, "SMALL", -1)
    expected = undisturbed(stage, asked)
    for place in range(len(expected.body)):
        for backend in stage.backends:
            backend.script = serve()
        stage.backends[0].script = failing(serve(), asked, die_after=place)
        stage.backends[1].script = dying_after(serve(), 3)
        stage.backends[2].script = dying_after(serve(), 5)
        result = get(stage, asked)
        assert (result.broken, result.body) == (None, expected.body), place


def dying_after(script, count):
    def die(seen):
        say = script(seen)
        say.die_after = min(count, len(say.body))
        return say

    return die


@pytest.mark.parametrize("asked", RANGES.values(), ids=RANGES)
def test_with_no_other_replica_the_body_ends_short(stage, asked, monkeypatch):
    monkeypatch.setattr(obj, "SMALL", -1)
    expected = undisturbed(stage, asked)
    for backend in stage.backends:
        backend.says(404)
    for place in range(0, len(expected.body), 7):
        stage.backends[0].script = failing(serve(), asked, die_after=place)
        result = get(stage, asked)
        assert result.broken is not None
        assert result.body == expected.body[:place]


@pytest.mark.parametrize("asked", RANGES.values(), ids=RANGES)
@pytest.mark.parametrize(
    "different",
    [
        {"Etag": '"e2"'},
        {"X-Backend-Data-Timestamp": "1400000000.00000"},
        {"data": DATA.upper() + b"longer", "Etag": '"e1"'},
    ],
    ids=["etag", "timestamp", "size"],
)
def test_another_version_is_never_joined_on(stage, asked, different, monkeypatch):
    monkeypatch.setattr(obj, "SMALL", -1)
    expected = undisturbed(stage, asked)
    for backend in stage.backends:
        backend.script = serve(**{"data": DATA.upper()} | different)
    for place in (0, 1, len(expected.body) // 2, len(expected.body) - 1):
        stage.backends[0].script = failing(serve(), asked, die_after=place)
        result = get(stage, asked)
        assert result.broken is not None
        assert result.body == expected.body[:place]


@pytest.mark.parametrize("asked", RANGES.values(), ids=RANGES)
def test_without_an_identity_nothing_is_joined_on(stage, asked, monkeypatch):
    monkeypatch.setattr(obj, "SMALL", -1)
    bare = serve()

    def script(seen):
        say = failing(bare, asked, die_after=7)(seen)
        del say.headers["Etag"]
        return say

    for backend in stage.backends:
        backend.script = script
    result = get(stage, asked)
    assert result.broken is not None
    assert len(result.body) == 7


@pytest.mark.parametrize("asked", RANGES.values(), ids=RANGES)
def test_a_node_may_fall_silent(staged, asked):
    def attempt(timeout):
        stage = staged(node_timeout=timeout)
        in_ring_order(stage)
        expected = undisturbed(stage, asked)
        for place in (1, len(expected.body) - 1):
            stage.backends[0].script = failing(serve(), asked, stall_after=place)
            result = get(stage, asked)
            assert (result.broken, result.body) == (None, expected.body)

    with_more_time(attempt, 0.2, 1.0, 10.0)


@pytest.mark.parametrize("shift", [(1, 0), (0, -1), (0, 1)])
def test_other_bytes_than_those_asked_for_are_not_taken(stage, shift):
    expected = undisturbed(stage, "bytes=5-30")

    def script(seen):
        first, last = map(int, seen.headers["range"].removeprefix("bytes=").split("-"))
        first, last = first + shift[0], last + shift[1]
        extra = {"Content-Range": f"bytes {first}-{last}/{len(DATA)}"}
        return Say(206, HEADERS | extra, DATA[first : last + 1])

    for backend in stage.backends[1:4]:
        backend.script = script
    stage.backends[0].script = failing(serve(), "bytes=5-30", die_after=10)
    assert get(stage, "bytes=5-30").body == expected.body


def test_only_what_is_missing_is_asked_for_and_without_conditions(stage):
    undisturbed(stage, None)
    stage.backends[0].script = failing(serve(), "bytes=5-30", die_after=10)
    result = get(stage, "bytes=5-30", **{"If-Match": "e1", "X-Backend-Ignore-Range-If-Metadata-Present": "X-Other"})
    assert result.body == DATA[5:31]
    resumed = stage.backends[1].seen[-1].headers
    assert resumed["range"] == "bytes=15-30"
    assert "if-match" not in resumed
    assert "x-backend-ignore-range-if-metadata-present" not in resumed
    assert resumed["x-backend-storage-policy-index"] == "0"


def test_the_rest_of_several_ranges_comes_from_one_node(stage):
    expected = undisturbed(stage, None)
    assert expected.body == DATA
    asked = "bytes=0-3,10-13,20-23"
    stage.backends[0].script = failing(serve(), asked, die_after=0)
    before = [len(backend.seen) for backend in stage.backends]
    assert get(stage, asked).body.count(b"Content-Range") == 3
    assert [len(backend.seen) - count for backend, count in zip(stage.backends, before, strict=True)] == [
        1,
        4,
        0,
        0,
        0,
        0,
    ]


def test_after_newest_those_with_the_same_data_go_on(stage):
    for backend in stage.backends:
        backend.says(404)
    for backend in stage.primaries:
        backend.script = failing(serve(), None, die_after=20)
    stage.primaries[1].script = serve(DATA.upper(), Etag='"old"', **{"X-Backend-Data-Timestamp": "1300000000.00000"})
    result = get(stage, None, **{"X-Newest": "true"})
    assert (result.broken, result.body) == (None, DATA)
    assert {seen.headers["range"] for seen in stage.seen if "range" in seen.headers} == {"bytes=20-51"}


def test_every_death_is_logged_once_with_its_address(stage, caplog):
    undisturbed(stage, None)
    stage.backends[0].script = failing(serve(), None, die_after=10)
    get(stage, None)
    ip, port = stage.backends[0].thread.address[:2]
    lines = [record.getMessage() for record in caplog.records if record.name == "test.proxy"]
    assert len(lines) == 1
    assert f"{ip}:{port}/d0" in lines[0]
    assert "after 10 bytes" in lines[0]


@pytest.mark.parametrize("now", [Say(404), Say(200, HEADERS | {"Etag": '"e0"'})], ids=["gone", "another"])
def test_a_node_that_found_the_object_damaged_is_not_helped_to_finish(stage, way, now):
    undisturbed(stage, None)
    stage.backends[0].says(Say(200, HEADERS, DATA[:-1] + b"!", die_after=20), now)
    result = get(stage, None)
    assert result.status == 503 if way == "read before the answer" else result.broken


@pytest.mark.parametrize("now", [Say(507), Say(hang=True)], ids=["507", "silent"])
def test_a_node_that_cannot_tell_has_just_died(staged, now):
    def attempt(timeout):
        stage = staged(node_timeout=timeout)
        in_ring_order(stage)
        undisturbed(stage, None)
        stage.backends[0].says(Say(200, HEADERS, DATA, die_after=20), now)
        result = get(stage, None)
        assert (result.body, result.broken) == (DATA, None)

    with_more_time(attempt, 0.2, 1.0, 10.0)
