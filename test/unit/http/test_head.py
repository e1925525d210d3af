"""Heads: what is accepted, with which framing, and what is refused."""

import pytest

from swiftlite.http.errors import BadRequest
from swiftlite.http.head import Headers, HeadLimits, find_end, parse_request, parse_response

LIMITS = HeadLimits()
HOST = b"Host: h\r\n"


def parse(head, limits=LIMITS):
    return parse_request(head, limits)


def refusal(head, limits=LIMITS):
    with pytest.raises(BadRequest) as caught:
        parse(head, limits)
    assert caught.value.message.endswith(".")
    return caught.value.status


class TestGoodRequests:
    def test_names_beyond_ascii_keep_their_bytes(self):
        head = b"GET / HTTP/1.1\r\nHost: h\r\nX-a-\xc3\xa9\xff:  b \r\nX-B: c\r\n\r\n"
        fields = parse_request(head, HeadLimits()).fields
        assert fields == {"HTTP_HOST": "h", "HTTP_X_A_\xc3\xa9\xff": "b", "HTTP_X_B": "c"}
        answer = parse_response(b"HTTP/1.1 204 No Content\r\nX-\xc3\xa9: \xc3\xa9\r\nX-B: c\r\n\r\n")
        assert answer.headers.items() == [("X-\xc3\xa9", "\xc3\xa9"), ("X-B", "c")]

    @pytest.mark.parametrize(
        ("line", "method", "path", "raw_path", "query"),
        [
            (b"GET / HTTP/1.1", "GET", "/", "/", ""),
            (b"GET /a/b?x=1&y=%20 HTTP/1.1", "GET", "/a/b", "/a/b", "x=1&y=%20"),
            (b"GET /a?b?c HTTP/1.1", "GET", "/a", "/a", "b?c"),
            (b"PUT /%C3%A9%2F%20+ HTTP/1.1", "PUT", "/\xc3\xa9/ +", "/%C3%A9%2F%20+", ""),
            (b"GET /\xc3\xa9 HTTP/1.1", "GET", "/\xc3\xa9", "/\xc3\xa9", ""),
            (b"GET /%zz%4 HTTP/1.1", "GET", "/%zz%4", "/%zz%4", ""),
            (b"GET //double HTTP/1.1", "GET", "//double", "//double", ""),
            (b"GET /a#b HTTP/1.1", "GET", "/a#b", "/a#b", ""),
            (b"REPLICATE /d/1 HTTP/1.1", "REPLICATE", "/d/1", "/d/1", ""),
            (b"SSYNC /d/1 HTTP/1.1", "SSYNC", "/d/1", "/d/1", ""),
            (b"get / HTTP/1.1", "get", "/", "/", ""),
            (b"X-Y!~ / HTTP/1.1", "X-Y!~", "/", "/", ""),
            (b"OPTIONS * HTTP/1.1", "OPTIONS", "*", "*", ""),
            (b"GET http://h:80/a?b HTTP/1.1", "GET", "/a", "/a", "b"),
            (b"GET http://h HTTP/1.1", "GET", "/", "/", ""),
            (b"GET http://h?x=/y HTTP/1.1", "GET", "/", "/", "x=/y"),
        ],
    )
    def test_request_lines(self, line, method, path, raw_path, query):
        head = parse(line + b"\r\n" + HOST + b"\r\n")
        assert (head.method, head.path, head.raw_path, head.query) == (method, path, raw_path, query)

    def test_header_names_become_cgi_names(self):
        head = parse(
            b"PUT / HTTP/1.1\r\nHost: h:1\r\nx-Foo-BAR: a \t\r\nContent-Type: t\r\nContent-Length: 3\r\nEmpty:\r\n"
            b"U: \xc3\xa9\r\n\r\n"
        )
        assert head.fields == {
            "HTTP_HOST": "h:1",
            "HTTP_X_FOO_BAR": "a",
            "CONTENT_TYPE": "t",
            "CONTENT_LENGTH": "3",
            "HTTP_EMPTY": "",
            "HTTP_U": "\xc3\xa9",
        }

    def test_repeated_headers_are_joined(self):
        head = parse(b"GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nA: 2\r\nCookie: a\r\nCookie: b\r\n\r\n")
        assert head.fields["HTTP_A"] == "1,2"
        assert head.fields["HTTP_COOKIE"] == "a; b"

    def test_names_with_underscore_cannot_pose_as_names_with_hyphen(self):
        head = parse(b"PUT / HTTP/1.1\r\nHost: h\r\nX_Auth: forged\r\nContent_Length: 9\r\n\r\n")
        assert head.fields == {"HTTP_HOST": "h"}
        assert head.content_length is None

    def test_absolute_target_replaces_host(self):
        assert parse(b"GET http://real/ HTTP/1.1\r\nHost: other\r\n\r\n").fields["HTTP_HOST"] == "real"

    @pytest.mark.parametrize(
        ("headers", "length", "chunked"),
        [
            (b"", None, False),
            (b"Content-Length: 0\r\n", 0, False),
            (b"content-length: 5368709122\r\n", 5368709122, False),
            (b"Transfer-Encoding: chunked\r\n", None, True),
            (b"transfer-encoding:CHUNKED \r\n", None, True),
        ],
    )
    def test_framing(self, headers, length, chunked):
        head = parse(b"PUT / HTTP/1.1\r\n" + HOST + headers + b"\r\n")
        assert (head.content_length, head.chunked) == (length, chunked)

    @pytest.mark.parametrize(
        ("version", "connection", "kept"),
        [
            (b"1.1", None, True),
            (b"1.1", b"close", False),
            (b"1.1", b"Keep-Alive, Close", False),
            (b"1.1", b"TE", True),
            (b"1.0", None, False),
            (b"1.0", b"Keep-Alive", True),
            (b"1.0", b"close, keep-alive", False),
            (b"1.1", b"upgrade\r\nUpgrade: websocket", True),
        ],
    )
    def test_persistence(self, version, connection, kept):
        line = b"" if connection is None else b"Connection: " + connection + b"\r\n"
        assert parse(b"GET / HTTP/" + version + b"\r\n" + HOST + line + b"\r\n").keep_alive is kept

    @pytest.mark.parametrize(
        ("version", "headers", "expected"),
        [
            (b"1.1", b"Expect: 100-continue\r\nContent-Length: 1\r\n", True),
            (b"1.1", b"expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n", True),
            (b"1.1", b"Expect: 100-continue\r\nContent-Length: 0\r\n", False),
            (b"1.1", b"Expect: 100-continue\r\n", False),
            (b"1.0", b"Expect: 100-continue\r\nContent-Length: 1\r\n", False),
            (b"1.1", b"Content-Length: 1\r\n", False),
        ],
    )
    def test_expectation(self, version, headers, expected):
        assert parse(b"PUT / HTTP/" + version + b"\r\n" + HOST + headers + b"\r\n").expect_continue is expected

    def test_old_clients_need_no_host(self):
        assert parse(b"GET / HTTP/1.0\r\n\r\n").fields == {}


BAD_REQUESTS = {
    "no version": b"GET /\r\nHost: h\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
    "space in target": b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
    "space after version": b"GET / HTTP/1.1 \r\nHost: h\r\n\r\n",
    "tab in target": b"GET /\ta HTTP/1.1\r\nHost: h\r\n\r\n",
    "NUL in target": b"GET /\x00 HTTP/1.1\r\nHost: h\r\n\r\n",
    "DEL in target": b"GET /\x7f HTTP/1.1\r\nHost: h\r\n\r\n",
    "relative target": b"GET a HTTP/1.1\r\nHost: h\r\n\r\n",
    "star for GET": b"GET * HTTP/1.1\r\nHost: h\r\n\r\n",
    "authority target": b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n",
    "absolute target without host": b"GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n",
    "user in target": b"GET http://u@h/a HTTP/1.1\r\nHost: h\r\n\r\n",
    "method no token": b"G@T / HTTP/1.1\r\nHost: h\r\n\r\n",
    "strange protocol": b"GET / ICE/1.0\r\nHost: h\r\n\r\n",
    "two version digits": b"GET / HTTP/1.10\r\nHost: h\r\n\r\n",
    "lower case version": b"GET / http/1.1\r\nHost: h\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\nA: b\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "same host twice": b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "host with path": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "host with user": b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
    "host with comma": b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n",
    "absolute target and two hosts": b"GET http://h/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "absolute target and no host": b"GET http://h/ HTTP/1.1\r\n\r\n",
    "bare LF after the request line": b"GET / HTTP/1.1\nHost: h\r\n\r\n",
    "bare LF after a header": b"GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n",
    "bare CR in a value": b"GET / HTTP/1.1\r\nHost: h\r\nA: b\rC: d\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\nHost: h\r\nA: b\x00c\r\n\r\n",
    "control character in a value": b"GET / HTTP/1.1\r\nHost: h\r\nA: b\x0bc\r\n\r\n",
    "NUL in a name": b"GET / HTTP/1.1\r\nHost: h\r\nA\x00: b\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n",
    "header folded with a tab": b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\tc\r\n\r\n",
    "fold before the first header": b"GET / HTTP/1.1\r\n Host: h\r\n\r\n",
    "space before the colon": b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
    "tab before the colon": b"GET / HTTP/1.1\r\nHost: h\r\nA\t: b\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost: h\r\nA\r\n\r\n",
    "empty name": b"GET / HTTP/1.1\r\nHost: h\r\n: b\r\n\r\n",
    "name no token": b"GET / HTTP/1.1\r\nHost: h\r\nA(: b\r\n\r\n",
    "space after a name that is not ASCII": b"GET / HTTP/1.1\r\nHost: h\r\nA\xe9 : b\r\n\r\n",
    "control character beside a name that is not ASCII": b"GET / HTTP/1.1\r\nHost: h\r\nA\xe9: b\x01\r\n\r\n",
    "fold after a name that is not ASCII": b"GET / HTTP/1.1\r\nHost: h\r\nA\xe9: b\r\n c\r\n\r\n",
    "length and coding": b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "coding and length": b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    "unknown coding and length": b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: x\r\nContent-Length: 5\r\n\r\n",
    "two different lengths": b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "the same length twice": b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
    "list of lengths": b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\n",
    "negative length": b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\n\r\n",
    "signed length": b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\n",
    "hexadecimal length": b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x5\r\n\r\n",
    "length with underscore": b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1_0\r\n\r\n",
    "length no number": b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: five\r\n\r\n",
    "empty length": b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n",
    "length beyond 64 bits": b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "chunked twice": b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
    "chunked in two headers": b"PUT / HTTP/1.1\r\nHost: h\r\n" + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n",
    "empty coding": b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n\r\n",
    "malformed coding": b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: ,chunked\r\n\r\n",
    "quoted coding": b'PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "chunked"\r\n\r\n',
    "vertical tab before the coding": b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0bchunked\r\n\r\n",
    "chunked in HTTP/1.0": b"PUT / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
}

UNKNOWN_CODINGS = {
    "gzip": b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n",
    "identity": b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n",
    "gzip, chunked": b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "xchunked": b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n",
}


class TestBadRequests:
    @pytest.mark.parametrize("head", BAD_REQUESTS.values(), ids=BAD_REQUESTS)
    def test_refused(self, head):
        assert refusal(head) == "400 Bad Request"

    @pytest.mark.parametrize("head", UNKNOWN_CODINGS.values(), ids=UNKNOWN_CODINGS)
    def test_unknown_transfer_codings(self, head):
        assert refusal(head) == "501 Not Implemented"

    @pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.2"])
    def test_other_versions(self, version):
        assert refusal(b"GET / " + version + b"\r\nHost: h\r\n\r\n") == "505 HTTP Version Not Supported"


class TestLimits:
    limits = HeadLimits(max_request_line=50, max_header_size=40, max_header_count=4)

    def test_at_the_limits(self):
        line = b"GET /" + b"x" * 36 + b" HTTP/1.1"
        assert len(line) == 50
        headers = b"Host: h\r\nA: " + b"x" * 37 + b"\r\nB: 1\r\nC: 1\r\n"
        assert parse(line + b"\r\n" + headers + b"\r\n", self.limits).fields["HTTP_A"] == "x" * 37

    def test_long_request_line(self):
        line = b"GET /" + b"x" * 37 + b" HTTP/1.1"
        assert refusal(line + b"\r\nHost: h\r\n\r\n", self.limits) == "414 Request-URI Too Long"

    def test_long_header(self):
        head = b"GET / HTTP/1.1\r\nHost: h\r\nA: " + b"x" * 38 + b"\r\n\r\n"
        assert refusal(head, self.limits) == "400 Header Line Too Long"

    def test_too_many_headers(self):
        head = b"GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\n\r\n"
        assert refusal(head, self.limits) == "400 Bad Request"

    def test_too_much_together(self):
        limits = HeadLimits(max_header_count=10000)
        head = b"GET / HTTP/1.1\r\nHost: h\r\n" + b"A: 1234567890\r\n" * 8000 + b"\r\n"
        assert refusal(head, limits) == "400 Headers Too Large"


class TestFindEnd:
    def test_every_split_finds_the_same_end(self):
        data = b"GET / HTTP/1.1\r\nHost: h\r\n\r\nrest\r\n\r\n"
        buffer, scanned, ends = bytearray(), 0, []
        for byte in data:
            buffer.append(byte)
            ends.append(find_end(buffer, LIMITS, scanned))
            scanned = len(buffer)
            if ends[-1]:
                break
        assert ends[-1] == data.index(b"rest") and not any(ends[:-1])

    @pytest.mark.parametrize("bare", [b"GET / HTTP/1.1\n", b"GET / HTTP/1.1\r\nA: b\n\n", b"GET /\rX"])
    def test_bare_line_ends_are_refused_before_the_head_is_complete(self, bare):
        with pytest.raises(BadRequest):
            find_end(bytearray(bare), LIMITS)

    def test_a_last_carriage_return_may_be_half_a_line_end(self):
        assert find_end(bytearray(b"GET / HTTP/1.1\r"), LIMITS) == 0

    @pytest.mark.parametrize(
        ("start", "status"),
        [
            (b"GET /" + b"x" * 8192, "414 Request-URI Too Long"),
            (b"GET / HTTP/1.1\r\nA: " + b"x" * 8192, "400 Header Line Too Long"),
            (b"GET / HTTP/1.1\r\n" + b"A: 1234567890\r\n" * 8000, "400 Headers Too Large"),
        ],
    )
    def test_endless_heads_are_refused_before_they_end(self, start, status):
        with pytest.raises(BadRequest) as caught:
            find_end(bytearray(start), LIMITS)
        assert caught.value.status == status


class TestResponses:
    def test_good(self):
        head = parse_response(
            b"HTTP/1.1 404 Not Found\r\nX-A: 1\r\nx-a: 2\r\nETag: \xc3\xa9\r\nContent-Length: 5\r\n\r\n"
        )
        assert (head.status, head.reason, head.content_length, head.chunked) == (404, "Not Found", 5, False)
        assert head.keep_alive
        assert head.headers["x-A"] == "1,2"
        assert head.headers.items() == [("X-A", "1"), ("x-a", "2"), ("ETag", "\xc3\xa9"), ("Content-Length", "5")]

    @pytest.mark.parametrize(
        ("head", "kept"),
        [
            (b"HTTP/1.1 200 OK\r\n\r\n", True),
            (b"HTTP/1.1 200\r\n\r\n", True),
            (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", False),
            (b"HTTP/1.0 200 OK\r\n\r\n", False),
            (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", True),
        ],
    )
    def test_persistence(self, head, kept):
        assert parse_response(head).keep_alive is kept

    @pytest.mark.parametrize(
        "head",
        [
            b"SSH-2.0-OpenSSH\r\n\r\n",
            b"HTTP/1.1 2x0 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA: b\x00\r\n\r\n",
        ],
    )
    def test_bad(self, head):
        with pytest.raises(ValueError, match="malformed"):
            parse_response(head)


class TestHeaders:
    def test_is_a_mapping_in_any_case(self):
        headers = Headers([("X-Foo", "1"), ("Bar", "2")])
        assert headers["x-foo"] == headers.get("X-FOO") == "1"
        assert headers.get("none") is None and headers.get("none", "") == ""
        assert "BAR" in headers and "none" not in headers
        assert dict(headers) == {"X-Foo": "1", "Bar": "2"} and len(headers) == 2
