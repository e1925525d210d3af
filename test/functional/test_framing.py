"""Where every answer ends: any method to any path, framed in either way, and what comes next on the same connection.

The reader here believes nothing: what an answer's head says of its body must be so to the byte, and the answer to the
request behind it must follow at once.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import socket
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from functional.cluster import Cluster

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "COPY", "TRACE", "UPDATE", "PATCH", "PUT", "DELETE")
STATUS = re.compile(r"HTTP/1\.1 ([1-5]\d\d) [ -~]+")
FIELD = re.compile(r"([A-Za-z0-9\x80-\xff-]+): ([\t -~\x80-\xff]*)")
BODY = b"hello"


class Broken(AssertionError):
    """The connection says something that cannot be."""


@dataclass
class Answer:
    """What came back, and whether the server means to close."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    closes: bool = False


@dataclass
class Line:
    """A connection, read byte for byte."""

    socket: socket.socket
    buffer: bytearray = field(default_factory=bytearray)

    def send(self, data: bytes) -> None:
        """Send."""
        self.socket.sendall(data)

    def more(self) -> bool:
        """Wait for more bytes; tell whether any came."""
        data = self.socket.recv(65536)
        self.buffer += data
        return bool(data)

    def take(self, size: int) -> bytes:
        """Return so many bytes."""
        while len(self.buffer) < size:
            if not self.more():
                raise Broken(f"the connection ends after {bytes(self.buffer[:200])!r}, of {size} bytes")
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def line(self) -> str:
        """Return a line without its end."""
        while (end := self.buffer.find(b"\r\n")) < 0:
            if not self.more():
                raise Broken(f"the connection ends in a line: {bytes(self.buffer)!r}")
        return self.take(end + 2)[:-2].decode("latin-1")

    def answer(self, method: str) -> Answer:
        """Read one answer; raise Broken for what is wrong with its framing."""
        answer = Answer(100, {})
        while answer.status == 100:
            answer = self._head()
        headers = answer.headers
        answer.closes = headers.get("connection", "").lower() == "close"
        length, coding = headers.get("content-length"), headers.get("transfer-encoding")
        if length is not None and coding is not None:
            raise Broken(f"both framings: {headers}")
        if method == "HEAD" or answer.status in (204, 304):
            if coding is not None or (answer.status == 204 and length not in (None, "0")):
                raise Broken(f"{answer.status} to {method} with the framing of a body: {headers}")
        elif coding is not None:
            assert coding == "chunked"
            answer.body = self._chunks()
        elif length is not None:
            answer.body = self.take(int(length))
        else:
            answer.closes = True  # HTTP/1.0: the end of the connection is that of the body
            while self.more():
                pass
            answer.body = self.take(len(self.buffer))
        return answer

    def _head(self) -> Answer:
        first = self.line()
        status = STATUS.fullmatch(first)
        if not status:
            raise Broken(f"no status line: {first!r}")
        headers: dict[str, str] = {}
        while text := self.line():
            name = FIELD.fullmatch(text)
            if not name:
                raise Broken(f"no header: {text!r}")
            if name[1].lower() in headers and name[1].lower() in ("content-length", "transfer-encoding", "connection"):
                raise Broken(f"twice {name[1]}")
            headers[name[1].lower()] = name[2]
        return Answer(int(status[1]), headers)

    def _chunks(self) -> bytes:
        found = []
        while size := int(self.line(), 16):
            found.append(self.take(size))
            if self.take(2) != b"\r\n":
                raise Broken("a chunk is longer than it says")
        if self.line():
            raise Broken("trailers")
        return b"".join(found)

    def ends(self) -> bool:
        """Whether nothing more comes but the end."""
        return not self.buffer and not self.more()


@contextmanager
def connected(cluster: Cluster) -> Iterator[Line]:
    """A connection of its own."""
    with socket.create_connection(cluster.proxy_address, timeout=60) as connection:
        yield Line(connection)


def head(method: str, target: str, headers: dict[str, str], version: str = "1.1") -> bytes:
    """Return a request's head."""
    lines = [f"{method} {target} HTTP/{version}", "Host: h", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def framed(body: bytes, framing: str) -> tuple[dict[str, str], bytes]:
    """Return the headers that frame a body, and its bytes on the wire."""
    if framing == "length":
        return {"Content-Length": str(len(body))}, body
    if framing == "chunked":
        chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        return {"Transfer-Encoding": "chunked"}, chunk + b"0\r\n\r\n"
    return {}, b""


PROBE = head("GET", "/healthcheck", {})


def check_probe(line: Line, answer: Answer) -> None:
    """The request behind was answered, or the server has said that it would not be, and closed."""
    if answer.closes:
        assert line.ends()
        return
    behind = line.answer("GET")
    assert (behind.status, behind.body) == (200, b"OK"), behind


@dataclass(frozen=True)
class Place:
    """An account with something of everything in it."""

    cluster: Cluster
    token: str
    container: str

    def ask(self, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        """Make a request that must succeed."""
        with connected(self.cluster) as line:
            more = {name.replace("_", "-"): value for name, value in headers.items()}
            fields, data = framed(body, "length")
            line.send(head(method, target, {"X-Auth-Token": self.token, **fields, **more}) + data)
            answer = line.answer(method)
        assert answer.status // 100 == 2, answer
        return answer


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Place:
    made = Place(cluster, cluster.token(), "/v1/AUTH_test/framing")
    for container in (made.container, f"{made.container}-empty"):
        made.ask("PUT", container)
    for name, body in (("o", b"x" * 1000), ("empty", b""), ("big", b"y" * 300_000)):
        made.ask("PUT", f"{made.container}/{name}", body)
    manifest = json.dumps([{"path": "/framing/o"}, {"path": "/framing/big"}]).encode()
    made.ask("PUT", f"{made.container}/slo?multipart-manifest=put", manifest)
    made.ask("PUT", f"{made.container}/dlo", X_Object_Manifest="framing/o")
    made.ask("PUT", f"{made.container}/link", X_Symlink_Target="framing/o")
    return made


OBJECTS = ("o", "empty", "big", "slo", "dlo", "link", "missing")
TARGETS: tuple[tuple[str, dict[str, str]], ...] = (
    *((target, {}) for target in ("/", "/v1", "/v1/", "/v2/a/c/o", "/v1//c", "/nothing", "/healthcheck", "/info", "*")),
    *(
        (f"/v1/AUTH_test{rest}", {})
        for rest in ("", "/", "?format=json", "?format=xml", "?limit=x", "/a%00b", "/%ff/o")
    ),
    ("/v1/AUTH_test", {"Accept": "image/png"}),
    ("/v1/AUTH_test", {"Accept": "nonsense"}),
    ("/v1/AUTH_test", {"X-Auth-Token": "none"}),
    ("/v1/AUTH_other/c", {}),
    ("/auth/v1.0", {"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}),
    ("/auth/v1.0", {"X-Auth-User": "test:tester", "X-Auth-Key": "wrong"}),
    *(
        (f"{{c}}{rest}", {})
        for rest in ("", "-empty", "-missing", "?format=json&include=metadata", "?limit=99999", "?versions")
    ),
    *((f"{{c}}/{name}", {}) for name in OBJECTS),
    *((f"{{c}}/{name}", {"Range": "bytes=1-3"}) for name in OBJECTS),
    *((f"{{c}}/{name}", {"Range": "bytes=1-3,5-6"}) for name in ("o", "slo")),
    ("{c}/o", {"Range": "bytes=5000-"}),
    ("{c}/o", {"If-None-Match": "*"}),
    ("{c}/o", {"If-Match": "none"}),
    ("{c}/slo", {"If-None-Match": "*"}),
    ("{c}/o", {"If-Modified-Since": "Fri, 01 Jan 2038 00:00:00 GMT"}),
    ("{c}/o", {"Origin": "http://h", "Access-Control-Request-Method": "GET"}),
    ("{c}/slo?multipart-manifest=get", {}),
    ("{c}/copied", {"X-Copy-From": "framing/o"}),
    ("{c}/copied?heartbeat=on", {"X-Copy-From": "framing/o", "Destination": "framing/copied"}),
    ("{c}/o", {"Destination": "framing/copied"}),
    ("{c}/new?multipart-manifest=put", {}),
    ("{c}/new?multipart-manifest=put&heartbeat=on", {}),
    ("{c}/new", {"ETag": "wrong"}),
    ("{c}/new", {"X-Delete-At": "wrong"}),
    ("{c}/new", {"X-Object-Meta-" + "n" * 200: "x"}),
    ("{c}?bulk-delete", {}),
    ("{c}?bulk-delete", {"Accept": "text/xml"}),
    ("{c}?extract-archive=tar", {}),
    ("{c}?extract-archive=tar.gz", {"Accept": "image/png"}),
    ("{c}?extract-archive=zip", {}),
)


@pytest.mark.parametrize("framing", ["none", "length", "chunked"])
@pytest.mark.parametrize("method", METHODS)
def test_what_follows_an_answer_is_the_next_answer(place: Place, method: str, framing: str) -> None:
    kept = 0
    targets = list(TARGETS)
    while targets:
        with connected(place.cluster) as line:
            while targets:
                target, headers = targets.pop(0)
                fields, data = framed(BODY, framing)
                sent = {"X-Auth-Token": place.token, **headers, **fields}
                # In one piece: whatever is left of the first would be taken for the second.
                line.send(head(method, target.replace("{c}", place.container), sent) + data + PROBE)
                try:
                    answer = line.answer(method)
                    check_probe(line, answer)
                except (AssertionError, OSError) as error:
                    raise AssertionError(f"{method} {target} {headers}, {framing}: {error}") from error
                kept += not answer.closes
                if answer.closes:
                    break
    # How much of a chunked body is to come that no handler wanted nobody knows: those connections end.
    assert framing == "chunked" or kept > len(TARGETS) * 0.8


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
def test_clients_of_http_1_0_see_no_chunks(place: Place, connection: str) -> None:
    paths = [*(f"/{name}" for name in OBJECTS), "", "-empty", "?format=json"]
    for method in ("GET", "HEAD"):
        for path in paths:
            with connected(place.cluster) as line:
                sent = {"X-Auth-Token": place.token, "Connection": connection}
                line.send(head(method, place.container + path, sent, "1.0"))
                if connection == "keep-alive":
                    line.send(PROBE)
                answer = line.answer(method)
                assert "transfer-encoding" not in answer.headers
                check_probe(line, answer)
                assert answer.closes or connection == "keep-alive"
    names = b"framing/missing1\nframing/missing2"
    with connected(place.cluster) as line:
        sent = {"X-Auth-Token": place.token, "Content-Length": str(len(names)), "Connection": connection}
        line.send(head("POST", "/v1/AUTH_test?bulk-delete", sent, "1.0") + names)
        answer = line.answer("POST")
        assert b"Number Not Found: 2" in answer.body
        assert "transfer-encoding" not in answer.headers


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize(
    "target",
    [
        "{c}/expected",
        "{c}-missing/o",
        "/v1/AUTH_other/c/o",
        "{c}?bulk-delete",
        "{c}?extract-archive=tar",
        "/healthcheck",
    ],
)
def test_a_body_that_waits_to_be_asked_for(place: Place, target: str, framing: str) -> None:
    """Where the server has not asked for it, nobody knows whether it comes: the connection ends."""
    for method in ("PUT", "POST", "GET"):
        with connected(place.cluster) as line:
            fields, data = framed(BODY, framing)
            sent = {"X-Auth-Token": place.token, "Expect": "100-continue", **fields}
            line.send(head(method, target.replace("{c}", place.container), sent))
            while b"\r\n\r\n" not in line.buffer:
                assert line.more()
            if line.buffer.startswith(b"HTTP/1.1 100 "):
                line.send(data + PROBE)
                check_probe(line, line.answer(method))
            else:
                answer = line.answer(method)
                assert answer.closes
                assert line.ends()


def archive() -> bytes:
    """An archive of three files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as writer:
        for name in "abc":
            info = tarfile.TarInfo(name)
            info.size = 1000
            writer.addfile(info, io.BytesIO(name.encode() * 1000))
    return made.getvalue()


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_connection_serves_one_bulk_request_after_the_other(place: Place, framing: str) -> None:
    """Also where an archive ends before its body does, and where the answer is given before the body is looked at."""
    with connected(place.cluster) as line:
        for body, kind in ((archive(), "tar"), (gzip.compress(archive()) + bytes(100), "tar.gz")):
            fields, data = framed(body, framing)
            target = f"{place.container}/bulk?extract-archive={kind}"
            line.send(head("PUT", target, {"X-Auth-Token": place.token, **fields}) + data + PROBE)
            answer = line.answer("PUT")
            assert b"Number Files Created: 3" in answer.body
            assert not answer.closes
            check_probe(line, answer)
        fields, data = framed(b"\n".join(b"framing/bulk/%c" % name for name in b"abcd"), framing)
        line.send(head("POST", "/v1/AUTH_test?bulk-delete", {"X-Auth-Token": place.token, **fields}) + data + PROBE)
        answer = line.answer("POST")
        assert b"Number Deleted: 3\nNumber Not Found: 1" in answer.body
        check_probe(line, answer)


@pytest.mark.parametrize("sent", ["head", "some", "chunk"])
@pytest.mark.parametrize("target", ["{c}/aborted", "{c}?extract-archive=tar", "{c}?bulk-delete"])
def test_a_body_that_breaks_off_ends_the_connection(place: Place, target: str, sent: str) -> None:
    with connected(place.cluster) as line:
        method = "POST" if "bulk" in target else "PUT"
        fields = {"Transfer-Encoding": "chunked"} if sent == "chunk" else {"Content-Length": "5000"}
        data = {"head": b"", "some": archive()[:1200], "chunk": b"5\r\nhello\r\n"}[sent]
        line.send(head(method, target.replace("{c}", place.container), {"X-Auth-Token": place.token, **fields}) + data)
        line.socket.shutdown(socket.SHUT_WR)
        answer = line.answer(method)
        assert answer.status in (200, 400, 499)
        if answer.status == 200:
            assert b"499" in answer.body
        assert answer.closes
        assert line.ends()
