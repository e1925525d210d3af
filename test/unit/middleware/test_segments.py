"""Bodies of large objects: every segment is what was promised, or the transfer ends short and says why."""

import pytest

from fakes.wsgi_calls import make_environ
from swiftlite.common.concurrency import sleep
from swiftlite.http.response import ResponseError
from swiftlite.middleware.segments import AHEAD, Pace, Part, SegmentedBody, SegmentError, SegmentSource, Unavailable


class Store:
    """A WSGI application that keeps objects: path to body, etag to send, and what goes wrong."""

    def __init__(self, **objects):
        self.objects = {f"/v1/a/c/{name}": body for name, body in objects.items()}
        self.status = {}
        self.short = set()
        self.asked = []
        self.open = 0

    def __call__(self, environ, start_response):
        path, wanted = environ["PATH_INFO"], environ.get("HTTP_RANGE")
        self.asked.append((path, wanted, environ))
        if path in self.status or path not in self.objects:
            start_response(self.status.get(path, "404 Not Found"), [("Content-Length", "5")])
            return [b"sorry"]
        body, status = self.objects[path], "200 OK"
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            body, status = body[int(first) : int(last) + 1 if last else None], "206 Partial Content"
        start_response(status, [("Etag", f"e-{path[-1]}"), ("Content-Length", str(len(body)))])
        return Body(self, [body[:2], body[2:][: 0 if path in self.short else None]])


class Body:
    """A body that notes whether it is let go of."""

    def __init__(self, store, pieces):
        self.store = store
        self.pieces = pieces
        self.closed = False
        store.open += 1

    def __iter__(self):
        return iter(self.pieces)

    def close(self):
        if not self.closed:
            self.closed = True
            self.store.open -= 1


def part(name, first=0, stop=None, etag=None, size=None):
    return Part(f"/v1/a/c/{name}", first, stop, etag, size)


def body_of(store, *items, length=None, seconds=60, **headers):
    environ = make_environ("GET", "/v1/a/c/large", headers)
    return SegmentedBody(SegmentSource(store, environ, "SLO"), items, length, seconds)


def test_segments_and_what_stands_between_them_come_in_order():
    store = Store(a=b"abcdef", b=b"ghijkl")
    body = body_of(store, b"<", part("a"), b"|", part("b", 1, 3), b"|", part("b", 4), b">", length=14)
    body.start()
    assert b"".join(body) == b"<abcdef|hi|kl>"
    assert [wanted for _, wanted, _ in store.asked] == [None, "bytes=1-2", "bytes=4-"]
    assert store.open == 0


def test_only_what_is_sent_and_the_next_segment_are_asked_for():
    store = Store(a=b"abcdef", b=b"ghijkl", c=b"mnopqr")
    body = body_of(store, part("a"), part("b"), part("c"))
    body.start()
    assert len(store.asked) == 1
    chunks = iter(body)
    assert next(chunks) == b"ab"
    assert len(store.asked) <= 2
    body.close()
    assert store.open == 0


def test_what_was_asked_for_ahead_is_let_go_of():
    store = Store(a=b"abcdef", b=b"ghijkl", c=b"mnopqr")
    body = body_of(store, part("a"), part("b"), part("c"))
    body.start()
    chunks = iter(body)
    next(chunks)
    sleep(0)
    assert len(store.asked) == 2
    assert store.open == 2
    body.close()
    assert store.open == 0


def test_of_a_long_segment_much_is_sent_before_the_next_is_asked_for():
    store = Store(a=b"a" * (AHEAD + 3), b=b"ghijkl")
    chunks = iter(body_of(store, part("a"), part("b")))
    next(chunks)
    sleep(0)
    assert len(store.asked) == 1
    next(chunks)
    sleep(0)
    assert len(store.asked) == 2


def test_a_body_that_nobody_takes_is_let_go_of():
    store = Store(a=b"abcdef")
    body = body_of(store, part("a"))
    body.start()
    assert store.open == 1
    body.close()
    body.close()
    assert store.open == 0


def test_subrequests_are_the_same_clients():
    store = Store(a=b"abcdef")
    list(body_of(store, part("a"), **{"User-Agent": "curl", "X-Open-Expired": "true", "X-Auth-Token": "t"}))
    ((_, _, environ),) = store.asked
    assert environ["HTTP_USER_AGENT"] == "curl SLO MultipartGET"
    assert environ["HTTP_X_OPEN_EXPIRED"] == "true"
    assert environ["QUERY_STRING"] == "multipart-manifest=get"
    assert environ["swift.source"] == "SLO"


@pytest.mark.parametrize(
    "bad",
    [
        part("missing"),
        part("a", etag="other"),
        part("a", 0, 5, "e-a", 5),
        part("a", 4, 9, "e-a", 6),
    ],
)
def test_a_segment_that_is_not_what_was_promised_is_an_error(bad):
    store = Store(a=b"abcdef", b=b"ghijkl")
    with pytest.raises(SegmentError):
        body_of(store, bad).start()
    later = body_of(store, part("b", 0, 6, "e-b", 6), bad)
    later.start()
    got = []
    with pytest.raises(ResponseError):  # which makes the server close the connection
        for chunk in later:
            got.append(chunk)
    assert b"".join(got) == b"ghijkl"
    assert store.open == 0


def test_a_server_that_fails_is_told_apart_from_a_segment_that_changed():
    store = Store(a=b"abcdef")
    store.status["/v1/a/c/a"] = "503 Service Unavailable"
    with pytest.raises(Unavailable) as raised:
        body_of(store, part("a")).start()
    assert raised.value.answer().status_int == 503


def test_a_segment_that_ends_early_is_an_error():
    store = Store(a=b"abcdef")
    store.short.add("/v1/a/c/a")
    with pytest.raises(SegmentError, match="4 bytes early"):
        list(body_of(store, part("a")))


@pytest.mark.parametrize(("length", "what"), [(5, "too many"), (7, "too few")])
def test_the_body_is_as_long_as_its_head_said(length, what):
    with pytest.raises(SegmentError, match=what):
        list(body_of(Store(a=b"abcdef"), part("a"), length=length))


def test_a_transfer_may_take_only_so_long():
    with pytest.raises(SegmentError, match="max_get_time"):
        list(body_of(Store(a=b"abcdef"), part("a"), seconds=-1))


def test_an_error_of_the_list_itself_ends_the_transfer():
    def listing():
        yield part("a")
        raise SegmentError("no further page")

    with pytest.raises(SegmentError, match="no further page"):
        list(
            SegmentedBody(
                SegmentSource(Store(a=b"abcdef"), make_environ("GET", "/v1/a/c/l"), "DLO"), listing(), None, 9
            )
        )


def test_so_many_pass_at_once_and_then_one_at_a_time(monkeypatch):
    now, slept = [100.0], []

    def sleep(seconds):
        slept.append(round(seconds, 3))
        now[0] += seconds

    monkeypatch.setattr("swiftlite.middleware.segments.monotonic", lambda: now[0])
    monkeypatch.setattr("swiftlite.middleware.segments.sleep", sleep)
    pace = Pace(2, 4)
    for _ in range(5):
        pace.wait()
    assert slept == [0.25, 0.25]
    unlimited = Pace(0, 0)
    for _ in range(5):
        unlimited.wait()
    assert len(slept) == 2
