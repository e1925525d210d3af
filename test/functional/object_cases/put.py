"""PUT: bodies and their framing, lengths, ETags, types and metadata within and beyond their limits."""

import re

from functional.object_cases.notation import DATE, EMPTY_ETAG, GET, HEAD, HTML, PUT, WORDS, Case, case, etag

TEN = "0123456789"
ETAG = etag(TEN)
SWIFT_PARAMETER = "Invalid Content-Type, swift_* is not a valid parameter name."
BIG = b"0123456789abcdef" * 8192  # 128 KiB
CREATED = {"ETag": ETAG, "Last_Modified": DATE, "Content_Length": "0", "Content_Type": "text/html; charset=UTF-8"}


def meta(name: str, headers: dict[str, str]) -> Case:
    """Metadata that is taken and given back."""
    return case(name, PUT(body="x", more=headers).gives(201), HEAD(more={}).gives(200, **_expected(headers)))


def _expected(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("-", "_"): value.strip(" ") for name, value in headers.items()}


def refused(name: str, headers: dict[str, str], status: int, body: str | re.Pattern[bytes] | None = None) -> Case:
    """Metadata that is refused, and nothing stored."""
    return case(name, PUT(body="x", more=headers).gives(status, body), HEAD().gives(404))


def many(count: int, value: str = "v") -> dict[str, str]:
    return {f"X-Object-Meta-{number:03}": value for number in range(count)}


CASES = [
    case("sized", PUT(body=TEN).gives(201, b"", **CREATED), GET().gives(200, TEN, ETag=ETAG)),
    case("chunked", PUT(body=TEN, framing="chunked").gives(201, **CREATED), GET().gives(200, TEN, Content_Length="10")),
    case("empty", PUT(body="").gives(201, ETag=EMPTY_ETAG), GET().gives(200, "", Content_Length="0")),
    case("empty, chunked", PUT(body="", framing="chunked").gives(201, ETag=EMPTY_ETAG), GET().gives(200, "")),
    case("big", PUT(body=BIG).gives(201, ETag=etag(BIG)), GET().gives(200, BIG)),
    case("big, chunked", PUT(body=BIG, framing="chunked").gives(201, ETag=etag(BIG)), GET().gives(200, BIG)),
    case("expecting 100", PUT(body=TEN, Expect="100-continue").gives(201, **CREATED), GET().gives(200, TEN)),
    case("expecting 100, chunked", PUT(body=TEN, framing="chunked", Expect="100-continue").gives(201, ETag=ETAG)),
    case("expecting 100, big", PUT(body=BIG, Expect="100-continue").gives(201, ETag=etag(BIG))),
    case("over another", PUT(body="a" * 99), PUT(body=TEN).gives(201, **CREATED), GET().gives(200, TEN)),
    case("twice the same", PUT(body=TEN), PUT(body=TEN).gives(201, **CREATED)),
    case("no length", PUT(body="", framing="none").gives(411, "Missing Content-Length header.")),
    case("length empty", PUT(body="", framing="none", Content_Length="").gives(400, WORDS)),
    case("length negative", PUT(body="", framing="none", Content_Length="-1").gives(400, WORDS)),
    case("length a word", PUT(body="", framing="none", Content_Length="ten").gives(400, WORDS)),
    case("length a fraction", PUT(body="x", framing="none", Content_Length="1.0").gives(400, WORDS)),
    case("length with a plus", PUT(body="x", framing="none", Content_Length="+1").gives(400, WORDS)),
    case(
        "length too large",
        PUT(body="", framing="none", Content_Length="5368709123").gives(413, "Your request is too large."),
    ),
    case("length enormous", PUT(body="", framing="none", Content_Length="9" * 30).gives(400, WORDS)),
    case(
        "length largest, short body", PUT(body="x", framing="none", Content_Length="5368709122", closes=True).gives(499)
    ),
    case(
        "length twice, equal",
        PUT(body="x", framing="none", more={"Content-Length": "1", "content-length": "1"}).gives(400, WORDS),
    ),
    case(
        "length twice, different",
        PUT(body="xy", framing="none", more={"Content-Length": "1", "content-length": "2"}).gives(400, WORDS),
    ),
    case("length and chunks", PUT(body="x", framing="chunked", Content_Length="5").gives(400, WORDS), GET().gives(404)),
    case("encoding unknown", PUT(body="x", framing="none", Transfer_Encoding="gzip").gives(501, WORDS)),
    case(
        "encoding gzip and chunked", PUT(body="x", framing="none", Transfer_Encoding="gzip, chunked").gives(501, WORDS)
    ),
    case(
        "encoding in upper case",
        PUT(body="1\r\nx\r\n0\r\n\r\n", framing="none", Transfer_Encoding="CHUNKED").gives(201),
    ),
    case(
        "chunk with an extension",
        PUT(body="1;a=b\r\nx\r\n0\r\n\r\n", framing="none", Transfer_Encoding="chunked").gives(201),
    ),
    case("chunk bad", PUT(body="zz\r\nx\r\n0\r\n\r\n", framing="none", Transfer_Encoding="chunked").gives(400, WORDS)),
    case(
        "chunk negative",
        PUT(body="-1\r\nx\r\n0\r\n\r\n", framing="none", Transfer_Encoding="chunked").gives(400, WORDS),
    ),
    case(
        "chunks with a trailer",
        PUT(body="1\r\nx\r\n0\r\nA: b\r\n\r\n", framing="none", Transfer_Encoding="chunked").gives(201),
    ),
    case(
        "client gone in mid body",
        PUT(body="x", framing="none", Content_Length="10", closes=True).gives(499),
        GET().gives(404),
    ),
    case(
        "client gone in a chunk",
        PUT(body="5\r\nabc", framing="none", Transfer_Encoding="chunked", closes=True).gives(499),
        GET().gives(404),
    ),
    case(
        "client gone, old object kept",
        PUT(body="old"),
        PUT(body="x", framing="none", Content_Length="10", closes=True).gives(499),
        GET().gives(200, "old"),
    ),
    # ETags
    case("ETag right", PUT(body=TEN, ETag=ETAG).gives(201, **CREATED)),
    case("ETag quoted", PUT(body=TEN, ETag=f'"{ETAG}"').gives(201, ETag=ETAG)),
    case("ETag in upper case", PUT(body=TEN, ETag=ETAG.upper()).gives(422)),
    case("ETag wrong", PUT(body=TEN, ETag=EMPTY_ETAG).gives(422, HTML), GET().gives(404)),
    case("ETag wrong, quoted", PUT(body=TEN, ETag=f'"{EMPTY_ETAG}"').gives(422)),
    case("ETag wrong, chunked", PUT(body=TEN, ETag=EMPTY_ETAG, framing="chunked").gives(422), GET().gives(404)),
    case(
        "ETag wrong, old object kept",
        PUT(body="old"),
        PUT(body=TEN, ETag=EMPTY_ETAG).gives(422),
        GET().gives(200, "old"),
    ),
    case("ETag malformed", PUT(body=TEN, ETag="xyz").gives(422)),
    case("ETag empty", PUT(body=TEN, ETag="").gives(201, ETag=ETAG)),
    case("ETag half quoted", PUT(body=TEN, ETag=f'"{ETAG}').gives(422)),
    case("ETag weak", PUT(body=TEN, ETag=f'W/"{ETAG}"').gives(422)),
    case("ETag of an empty body", PUT(body="", ETag=EMPTY_ETAG).gives(201, ETag=EMPTY_ETAG)),
    case("Content-MD5 is not looked at", PUT(body=TEN, Content_MD5="bm9uc2Vuc2U=").gives(201, ETag=ETAG)),
    # Content types
    case(
        "type empty",
        PUT(body="x", Content_Type="").gives(201),
        HEAD().gives(200, Content_Type="application/octet-stream"),
    ),
    case(
        "type odd",
        PUT(body="x", Content_Type="none of these").gives(201),
        HEAD().gives(200, Content_Type="none of these"),
    ),
    case(
        "type of UTF-8",
        PUT(body="x", Content_Type="a/\xc3\xa9").gives(201),
        HEAD().gives(200, Content_Type="a/\xc3\xa9"),
    ),
    case(
        "type of other bytes",
        PUT(body="x", Content_Type="a/\xff").gives(400, "Invalid Content-Type"),
    ),
    case(
        "type with a charset",
        PUT(body="x", Content_Type="text/plain;charset=utf-8").gives(201),
        HEAD().gives(200, Content_Type="text/plain;charset=utf-8"),
    ),
    case(
        "type with swift_bytes",
        PUT(body="x", Content_Type="a/b;swift_bytes=5").gives(400, SWIFT_PARAMETER),
        PUT(body="x", Content_Type="a/b; swift_x ; c=d").gives(400, SWIFT_PARAMETER),
        PUT(body="x", Content_Type="swift_a/b; c=swift_d").gives(201),
        HEAD().gives(200, Content_Type="swift_a/b; c=swift_d"),
    ),
    case(
        "type of many letters",
        PUT(body="x", Content_Type="a/" + "b" * 1000).gives(201),
        HEAD().gives(200, Content_Type="a/" + "b" * 1000),
    ),
    case(
        "type guessed from a path",
        PUT("{o}/a.b/c.jpg", "x"),
        HEAD("{o}/a.b/c.jpg").gives(200, Content_Type="image/jpeg"),
    ),
    case("type guessed, upper case", PUT("{o}.PNG", "x"), HEAD("{o}.PNG").gives(200, Content_Type="image/png")),
    # Metadata
    meta("metadata", {"X-Object-Meta-A": "b"}),
    meta("metadata with blanks around", {"X-Object-Meta-A": "  b c  "}),
    meta("metadata of UTF-8", {"X-Object-Meta-A": "\xc3\xa9\xe6\xbc\xa2"}),
    meta("metadata of other bytes", {"X-Object-Meta-A": "\xff\xfe"}),
    meta("metadata with a comma and quotes", {"X-Object-Meta-A": 'a, "b"; c=\\d'}),
    meta("metadata with a tab", {"X-Object-Meta-A": "a\tb"}),
    meta("metadata name of odd signs", {"X-Object-Meta-A.b!#$%&'*+^`|~": "v"}),
    meta("metadata of 256 bytes", {"X-Object-Meta-A": "v" * 256}),
    meta("metadata name of 128 bytes", {"X-Object-Meta-" + "a" * 128: "v"}),
    meta("90 items", many(90)),
    # All 4096 bytes would not fit into the extended attributes of a file on ext4.
    meta("2500 bytes in all", {f"X-Object-Meta-{number:02}": "v" * 248 for number in range(10)}),
    case("metadata name of UTF-8", PUT(body="x", more={"X-Object-Meta-\xc3\xa9": "v"}).gives(201), HEAD().gives(200)),
    case("metadata empty", PUT(body="x", X_Object_Meta_A="").gives(201), HEAD().gives(200)),
    case(
        "metadata twice",
        PUT(body="x", more={"X-Object-Meta-A": "1", "x-object-meta-a": "2"}).gives(201),
        HEAD().gives(200),
    ),
    case("metadata name with underscore", PUT(body="x", more={"X-Object-Meta_A": "1"}).gives(201), HEAD().gives(200)),
    case(
        "metadata in odd case",
        PUT(body="x", more={"x-oBJECT-mETA-coLOUR": "1"}).gives(201),
        HEAD().gives(200, X_Object_Meta_Colour="1"),
    ),
    refused(
        "metadata of 257 bytes", {"X-Object-Meta-A": "v" * 257}, 400, "Metadata value longer than 256: x-object-meta-A"
    ),
    refused(
        "metadata name of 129 bytes",
        {"X-Object-Meta-" + "a" * 129: "v"},
        400,
        "Metadata name too long: x-object-meta-A" + "a" * 128,
    ),
    refused("metadata name empty", {"X-Object-Meta-": "v"}, 400, "Metadata name cannot be empty"),
    refused("91 items", many(91), 400, "Too many metadata items; max 90"),
    refused(
        "4097 bytes in all",
        {f"X-Object-Meta-{n:02}": "v" * (254 if n else 255) for n in range(16)},
        400,
        "Total metadata too large; max 4096",
    ),
    refused("header of 9000 bytes", {"X-Object-Meta-A": "v" * 9000}, 400, WORDS),
    refused("200 headers", {f"X-Foo-{number:03}": "v" for number in range(200)}, 400, WORDS),
    case(
        "100 other headers",
        PUT(body="x", more={f"X-Foo-{n:03}": "v" for n in range(100)}).gives(201),
        HEAD().gives(200, X_Foo_001=None),
    ),
    # What may not be set from outside
    case(
        "sysmeta is dropped",
        PUT(body="x", X_Object_Sysmeta_A="b", X_Object_Transient_Sysmeta_A="b").gives(201),
        HEAD().gives(200, X_Object_Sysmeta_A=None),
    ),
    case(
        "backend headers are dropped",
        PUT(body="x", X_Backend_Storage_Policy_Index="7", X_Backend_Replication="true").gives(201),
        GET().gives(200, "x"),
    ),
    case(
        "container headers are dropped",
        PUT(body="x", X_Container_Host="127.0.0.1:1", X_Container_Partition="1", X_Container_Device="sda").gives(201),
    ),
    case(
        "update overrides are dropped",
        PUT("{own}"),
        PUT("{own}/o", "x", X_Backend_Container_Update_Override_Size="7").gives(201),
        GET("{own}?format=json").gives(200, X_Container_Bytes_Used="1"),
    ),
    case("a timestamp of the client", PUT(body="x", X_Timestamp="1.00000").gives(201), HEAD().gives(200)),
    case("a timestamp that is none", PUT(body="x", X_Timestamp="nonsense").gives(201)),
    case("static large object flag", PUT(body="x", X_Static_Large_Object="true").gives(400, WORDS), GET().gives(404)),
    case("other account", PUT("/v1/AUTH_other/c/o", "x").gives(403)),
    case("no token", PUT(body="x", X_Auth_Token="").gives(401)),
    case("container missing", PUT("{own}/o", "x").gives(404, HTML)),
    case(
        "unknown headers are not kept",
        PUT(body="x", X_Foo="bar", Accept_Ranges="none", Server="me").gives(201),
        HEAD().gives(200, X_Foo=None, Accept_Ranges="bytes", Server=None),
    ),
    case(
        "expires and robots kept",
        PUT(body="x", Expires="whenever", X_Robots_Tag="none").gives(201),
        HEAD().gives(200, Expires="whenever", X_Robots_Tag="none"),
    ),
    case(
        "content encoding kept",
        PUT(body="x", Content_Encoding="gzip").gives(201),
        GET().gives(200, "x", Content_Encoding="gzip"),
    ),
    case(
        "header without a value", PUT(body="x", Content_Disposition="", Cache_Control="").gives(201), HEAD().gives(200)
    ),
    case("folded header", PUT(body="x", more={"X-Object-Meta-A": "a\r\n b"}).gives(400, WORDS)),
    case("header name with a blank", PUT(body="x", more={"X-Object-Meta-A ": "a"}).gives(400, WORDS)),
    case(
        "the listing knows",
        PUT("{own}"),
        PUT("{own}/o", TEN, Content_Type="a/b;c=d"),
        GET("{own}?format=json").gives(
            200,
            re.compile(
                rb'\[{"bytes": 10, "hash": "%b", "name": "o", "content_type": "a/b;c=d", "last_mod.*"}\]'
                % ETAG.encode()
            ),
            X_Container_Object_Count="1",
            X_Container_Bytes_Used="10",
        ),
    ),
]
