"""Bad input over real sockets: a clear 4xx with a body that says why, and nothing stored."""

from __future__ import annotations

import json
import socket
import urllib.parse
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from fakes.more_time import with_more_time
from fakes.ports import free_port
from functional.cluster import Cluster, Server, wait_until
from swiftlite.cli.layout import Process, set_options

MAX_FILE_SIZE = 1 << 20
CLIENT_TIMEOUT = 1.0
"""Seconds; whoever has not even sent a head by then gets no answer."""


@dataclass
class Heard:
    """What came back on a raw connection."""

    status: int
    headers: dict[str, str]
    body: bytes
    closed: bool


@pytest.fixture(scope="module")
def strict(make_session_cluster) -> Cluster:
    """A cluster with small limits, so that the bounds can be reached quickly."""
    return make_session_cluster(swift_conf={"swift-constraints": {"max_file_size": str(MAX_FILE_SIZE)}})


@pytest.fixture(scope="module")
def hurried(strict: Cluster) -> Iterator[tuple[str, int]]:
    """Where another proxy of the cluster listens, which gives clients little time: no other test is to hurry."""
    process, port = strict.server("proxy-server").process, free_port()
    conf = process.conf.with_name("hurried-proxy-server.conf")
    options = {"client_timeout": str(CLIENT_TIMEOUT), "bind_port": str(port)}
    conf.write_text(set_options(process.conf.read_text(), "DEFAULT", options))
    proxy = Server(Process("hurried", process.program, conf, ("127.0.0.1", port)), conf.with_suffix(".log"))
    try:
        proxy.start()
        yield proxy.address
    finally:
        proxy.stop()


class Caller:
    """Speaks raw HTTP to the proxy as test:tester, in a container of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.address = cluster.proxy_address
        self.token = cluster.token()
        self.container = f"bad-{uuid.uuid4().hex}"
        assert self.call("PUT", f"/v1/AUTH_test/{self.container}", {"Content-Length": "0"}).status == 201

    def path(self, name: str) -> str:
        """The path of an object, ``name`` as it stands in the request line."""
        return f"/v1/AUTH_test/{self.container}/{name}"

    def call(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"", finish: bool = True
    ) -> Heard:
        """Send one request; with ``finish`` false the sending side is closed after the body, however short it is."""
        sent = {"Host": "h", "X-Auth-Token": self.token, **(headers or {})}
        lines = [
            f"{method} {path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in sent.items() if value is not None),
        ]
        return self.raw("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body, method, finish)

    def raw(self, data: bytes, method: str = "GET", finish: bool = True) -> Heard:
        with socket.create_connection(self.address, timeout=60) as connection:
            connection.sendall(data)
            if not finish:
                connection.shutdown(socket.SHUT_WR)
            return receive(connection, method)

    def put(self, name: str, body: bytes = b"data", **headers: str) -> Heard:
        """PUT an object with a right Content-Length unless another is given."""
        sent = {"Content-Length": str(len(body))} | {key.replace("_", "-"): value for key, value in headers.items()}
        return self.call("PUT", self.path(name), sent, body)

    def names(self) -> list[str]:
        """What the container lists, asked of the proxy."""
        heard = self.call("GET", f"/v1/AUTH_test/{self.container}?format=json")
        return [entry["name"] for entry in json.loads(heard.body)]


def receive(connection: socket.socket, method: str) -> Heard:
    """Read one response, and learn whether the server closes the connection after it."""
    reader = connection.makefile("rb")
    status_line = reader.readline()
    assert status_line.startswith(b"HTTP/1."), status_line
    headers = {}
    while (line := reader.readline().rstrip(b"\r\n")) != b"":
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    length = 0 if method == "HEAD" else int(headers.get("content-length", 0))
    body = reader.read(length)
    closed = headers.get("connection", "").lower() == "close"
    return Heard(int(status_line.split()[1]), headers, body, closed)


@pytest.fixture
def caller(strict: Cluster) -> Caller:
    return Caller(strict)


@pytest.fixture
def nothing_stored(caller: Caller):
    """Checks after the test that no file of any kind came of it, and that the listing is empty."""
    before = caller.cluster.files("objects/**/*.data")
    yield
    # A backend notices a lost connection a moment after the proxy has answered.
    wait_until(lambda: caller.cluster.files("objects/**/*.data") == before, "no object file is left")
    wait_until(lambda: not caller.cluster.files("tmp/*"), "no temporary file is left")
    assert caller.names() == []


# ------------------------------------------------------------------------------------------------------------ who asks


@pytest.mark.parametrize("token", [None, "AUTH_tk0123456789abcdef0123456789abcdef", "x", ""])
def test_a_bad_or_missing_token_is_401(caller, token, nothing_stored):
    heard = caller.put("o", X_Auth_Token=token)
    assert heard.status == 401 and heard.body
    assert heard.headers["www-authenticate"].startswith("Swift realm=")


def test_another_account_is_403(caller):
    heard = caller.call("GET", "/v1/AUTH_test2")
    assert heard.status == 403 and heard.body
    assert caller.call("PUT", "/v1/AUTH_test2/c", {"Content-Length": "0"}).status == 403


def test_a_wrong_key_is_401(caller):
    heard = caller.call(
        "GET", "/auth/v1.0", {"X-Auth-User": "test:tester", "X-Auth-Key": "wrong", "X-Auth-Token": None}
    )
    assert heard.status == 401 and heard.body


# ----------------------------------------------------------------------------------------------------------- the name


def test_names_too_long_are_400(caller, nothing_stored):
    heard = caller.put("o" * 1025)
    assert (heard.status, heard.body) == (400, b"Object name length of 1025 longer than 1024")
    heard = caller.call("PUT", f"/v1/AUTH_test/{'c' * 257}", {"Content-Length": "0"})
    assert (heard.status, heard.body) == (400, b"Container name length of 257 longer than 256")


@pytest.mark.parametrize("name", ["%ff", "%c3", "a%00b", "%ed%a0%80"])
def test_names_that_are_no_text_are_412(caller, name, nothing_stored):
    heard = caller.put(name)
    assert (heard.status, heard.body) == (412, b"Invalid UTF8 or contains NULL")


@pytest.mark.parametrize(("path", "status"), [("/v1", 412), ("/v1/", 412), ("/v2/AUTH_test", 400), ("/v1//c", 404)])
def test_paths_that_lead_nowhere(caller, path, status):
    heard = caller.call("GET", path)
    assert heard.status == status and heard.body


# ------------------------------------------------------------------------------------------------------- the metadata


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({f"X-Object-Meta-{number}": "v" for number in range(91)}, b"Too many metadata items; max 90"),
        ({"X-Object-Meta-" + "n" * 129: "v"}, b"Metadata name too long"),
        ({"X-Object-Meta-N": "v" * 257}, b"Metadata value longer than 256"),
        ({f"X-Object-Meta-{number:06}": "v" * 250 for number in range(17)}, b"Total metadata too large; max 4096"),
        ({"X-Object-Meta-": "v"}, b"Metadata name cannot be empty"),
    ],
)
@pytest.mark.parametrize("kind", ["object", "container", "account"])
def test_metadata_beyond_the_limits_is_400(caller, kind, headers, reason, nothing_stored):
    headers = {name.replace("Object", kind.title()): value for name, value in headers.items()}
    path = {"object": caller.path("o"), "container": f"/v1/AUTH_test/{caller.container}", "account": "/v1/AUTH_test"}
    method = "PUT" if kind == "object" else "POST"
    heard = caller.call(method, path[kind], {"Content-Length": "0", **headers})
    assert heard.status == 400 and reason in heard.body


def test_metadata_that_the_filesystem_cannot_hold_are_507(caller, strict):
    """ext4 keeps about 4 KB of extended attributes a file; what it cannot hold must not become half an object."""
    headers = {f"X-Object-Meta-{number:02}": "v" * 250 for number in range(16)}
    heard = caller.put("o", **headers)
    if heard.status == 201:
        pytest.skip("this filesystem holds more than 4 KB of extended attributes a file")
    assert heard.status == 507 and b"extended attributes" in heard.body
    assert caller.call("GET", caller.path("o")).status == 404
    assert caller.names() == []
    wait_until(lambda: not strict.files("tmp/*"), "no temporary file is left")
    wait_until(lambda: "extended attributes" in strict.log_text(), "the reason is logged")
    # The devices are well: a client's metadata must not put them out of service.
    assert caller.put("o", **{"X-Object-Meta-Old": "v"}).status == 201
    assert caller.call("POST", caller.path("o"), {"Content-Length": "0", **headers}).status == 507
    assert caller.put("o", b"d" * 100_000, **headers).status == 507
    answer = caller.call("GET", caller.path("o"))
    assert (answer.status, answer.headers["x-object-meta-old"], answer.body) == (200, "v", b"data")


# ----------------------------------------------------------------------------------------------------------- the body


def test_no_length_is_411(caller, nothing_stored):
    heard = caller.call("PUT", caller.path("o"))
    assert (heard.status, heard.body) == (411, b"Missing Content-Length header.")


@pytest.mark.parametrize("length", ["-1", "x", "1x", "0x10", "1.0"])
def test_a_length_that_is_no_number_is_400(caller, length, nothing_stored):
    heard = caller.call("PUT", caller.path("o"), {"Content-Length": length})
    assert heard.status == 400 and heard.body and heard.closed


def test_too_large_a_body_is_413(caller, nothing_stored):
    heard = caller.call("PUT", caller.path("o"), {"Content-Length": str(MAX_FILE_SIZE + 1), "Expect": "100-continue"})
    assert (heard.status, heard.body) == (413, b"Your request is too large.")


def test_too_large_a_chunked_body_is_413(caller, nothing_stored):
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    heard = caller.call("PUT", caller.path("o"), {"Transfer-Encoding": "chunked"}, chunk * 17 + b"0\r\n\r\n")
    assert (heard.status, heard.body) == (413, b"Your request is too large.")


def test_the_largest_body_is_taken(caller):
    assert caller.put("o", b"x" * MAX_FILE_SIZE).status == 201
    assert caller.put("o2", b"x" * (MAX_FILE_SIZE + 1)).status == 413


@pytest.mark.parametrize("body", [b"data", b"d" * 300_000])
def test_a_wrong_etag_is_422(caller, body, nothing_stored):
    heard = caller.put("o", body, ETag="0" * 32)
    assert heard.status == 422 and heard.body


@pytest.mark.parametrize(("sent", "promised"), [(10, 20), (100_000, 500_000), (0, 5)])
def test_a_body_cut_short_is_499_and_leaves_nothing(caller, strict, sent, promised, nothing_stored):
    transaction = caller.call("PUT", caller.path("o"), {"Content-Length": str(promised)}, b"x" * sent, finish=False)
    assert transaction.status == 499
    wait_until(lambda: f"/{caller.container}/o HTTP/1" in strict.log_text(), "the request is logged")


@pytest.mark.parametrize(("sent", "promised"), [(10, 20), (100_000, 500_000)])
def test_a_slow_body_is_408(caller, hurried, sent, promised, nothing_stored):
    caller.address = hurried

    def attempt(_: float) -> Heard:
        return caller.call("PUT", caller.path("o"), {"Content-Length": str(promised)}, b"x" * sent)

    heard = with_more_time(attempt, *[CLIENT_TIMEOUT] * 5)  # on a machine that stands still, the head may be late, too
    assert heard.status == 408 and heard.body and heard.closed


@pytest.mark.parametrize("chunks", [b"zz\r\nxx\r\n0\r\n\r\n", b"-1\r\nx\r\n0\r\n\r\n", b"5\r\nabcdefgh\r\n0\r\n\r\n"])
def test_bad_chunks_are_400(caller, chunks, nothing_stored):
    heard = caller.call("PUT", caller.path("o"), {"Transfer-Encoding": "chunked"}, chunks)
    assert heard.status == 400 and heard.body and heard.closed


# --------------------------------------------------------------------------------------------------------- the request


@pytest.mark.parametrize("method", ["PATCH", "BREW", "REPLICATE", "_PUT", "__init__", "UPDATE"])
@pytest.mark.parametrize("kind", ["account", "container", "object"])
def test_an_unknown_method_is_405_and_says_what_there_is(caller, method, kind):
    path = {"account": "/v1/AUTH_test", "container": f"/v1/AUTH_test/{caller.container}", "object": caller.path("o")}
    heard = caller.call(method, path[kind], {"Content-Length": "0"})
    assert heard.status == 405 and heard.body
    assert {"GET", "HEAD", "POST", "OPTIONS"} <= {word.strip() for word in heard.headers["allow"].split(",")}


def test_what_is_missing_is_404(caller):
    missing = f"/v1/AUTH_test/none-{uuid.uuid4().hex}"
    for method in ("GET", "HEAD", "DELETE", "POST"):
        for path in (missing, f"{missing}/o", caller.path("none")):
            assert caller.call(method, path, {"Content-Length": "0"}).status == 404, (method, path)
    heard = caller.call("PUT", f"{missing}/o", {"Content-Length": "4"}, b"data")
    assert heard.status == 404 and heard.body


def test_a_container_that_is_not_empty_is_409(caller):
    assert caller.put("o").status == 201
    heard = caller.call("DELETE", f"/v1/AUTH_test/{caller.container}")
    assert heard.status == 409 and heard.body
    assert caller.call("DELETE", caller.path("o")).status == 204
    assert caller.call("DELETE", f"/v1/AUTH_test/{caller.container}").status == 204


def test_a_limit_beyond_the_largest_is_412(caller):
    heard = caller.call("GET", f"/v1/AUTH_test/{caller.container}?limit=10001")
    assert (heard.status, heard.body) == (412, b"Maximum limit is 10000")


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "X-A: b\n",
        "X-A: b\r\n folded\r\n",
        "X-A: b\x00c\r\n",
        "X-A : b\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: +5\r\n",
    ],
)
def test_what_could_smuggle_a_request_is_400_and_closes(caller, head, nothing_stored):
    smuggled = f"PUT {caller.path('smuggled')} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {caller.token}\r\nContent-Length: 0\r\n\r\n"
    start = f"PUT {caller.path('o')} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {caller.token}\r\n"
    heard = caller.raw((start + head + "\r\n" + "0\r\n\r\n" + smuggled).encode("latin-1"), "PUT")
    assert heard.status == 400 and heard.body and heard.closed


def test_internal_headers_of_a_client_do_not_count(caller):
    heard = caller.put("o", X_Timestamp="0000000001.00000", X_Backend_Storage_Policy_Index="7", X_Object_Sysmeta_A="b")
    assert heard.status == 201
    answer = caller.call("HEAD", caller.path("o"))
    assert answer.status == 200 and float(answer.headers["x-timestamp"]) > 1e9
    assert not [name for name in answer.headers if name.startswith(("x-backend", "x-object-sysmeta"))]


@pytest.mark.parametrize("name", [".", "..", "../../etc/passwd", "a/../b", "%2e%2e%2f", "//", "a//b/"])
def test_names_that_look_like_paths_are_just_names(caller, name):
    assert caller.put(name).status == 201
    assert caller.names() == [urllib.parse.unquote(name)]
    assert caller.call("GET", caller.path(name)).body == b"data"
