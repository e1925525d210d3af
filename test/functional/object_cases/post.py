"""POST: metadata replaced, what stays and what goes."""

import re

from functional.object_cases.notation import DATE, DELETE, GET, HEAD, HTML, POST, PUT, WORDS, case, etag

TEN = "0123456789"
ETAG = etag(TEN)

CASES = [
    case(
        "replaces",
        PUT(body=TEN, X_Object_Meta_A="1", X_Object_Meta_B="2"),
        POST(X_Object_Meta_A="3").gives(202, HTML, Content_Type="text/html; charset=UTF-8"),
        HEAD().gives(200, X_Object_Meta_A="3", X_Object_Meta_B=None, ETag=ETAG, Content_Length="10"),
        GET().gives(200, TEN, X_Object_Meta_A="3", Last_Modified=DATE),
    ),
    case("removes all", PUT(body=TEN, X_Object_Meta_A="1"), POST().gives(202), HEAD().gives(200, X_Object_Meta_A=None)),
    case(
        "keeps the type",
        PUT(body=TEN, Content_Type="a/b"),
        POST(X_Object_Meta_A="1").gives(202),
        HEAD().gives(200, Content_Type="a/b"),
    ),
    case(
        "changes the type",
        PUT(body=TEN, Content_Type="a/b"),
        POST(Content_Type="c/d").gives(202),
        GET().gives(200, TEN, Content_Type="c/d"),
    ),
    case(
        "type twice",
        PUT(body=TEN, Content_Type="a/b"),
        POST(Content_Type="c/d"),
        POST(X_Object_Meta_A="1").gives(202),
        HEAD().gives(200, Content_Type="c/d", X_Object_Meta_A="1"),
    ),
    case("type empty", PUT(body=TEN, Content_Type="a/b"), POST(Content_Type="").gives(202), HEAD().gives(200)),
    case(
        "type of other bytes",
        PUT(body=TEN, Content_Type="a/b"),
        POST(Content_Type="\xff").gives(400, "Invalid Content-Type"),
        HEAD().gives(200),
    ),
    case(
        "type with swift_bytes",
        PUT(body=TEN),
        POST(Content_Type="a/b;swift_bytes=9").gives(202),
        HEAD().gives(200, Content_Type="a/b"),
    ),
    case(
        "drops other headers not sent",
        PUT(
            body=TEN,
            Content_Encoding="gzip",
            Content_Disposition="inline",
            X_Delete_At="{now+1000}",
            Cache_Control="a",
            Expires="b",
            Content_Language="c",
            X_Robots_Tag="d",
        ),
        POST(X_Object_Meta_A="1").gives(202),
        HEAD().gives(
            200,
            Content_Encoding=None,
            Content_Disposition=None,
            X_Delete_At=None,
            Cache_Control=None,
            Expires=None,
            Content_Language=None,
            X_Robots_Tag=None,
        ),
    ),
    case(
        "sets other headers",
        PUT(body=TEN),
        POST(
            Content_Encoding="gzip",
            Content_Disposition="inline",
            Cache_Control="a",
            Expires="b",
            Content_Language="c",
            X_Robots_Tag="d",
        ).gives(202),
        HEAD().gives(
            200,
            Content_Encoding="gzip",
            Content_Disposition="inline",
            Cache_Control="a",
            Expires="b",
            Content_Language="c",
            X_Robots_Tag="d",
        ),
    ),
    case(
        "changes nothing else",
        PUT(body=TEN),
        POST(ETag="x", X_Timestamp="1").gives(202),
        GET().gives(200, TEN, ETag=ETAG),
    ),
    case("with a body", PUT(body=TEN), POST(body="ignored").gives(202), GET().gives(200, TEN)),
    case(
        "with a chunked body", PUT(body=TEN), POST(body="ignored", framing="chunked").gives(202), GET().gives(200, TEN)
    ),
    case("without a length", PUT(body=TEN), POST(framing="none").gives(202)),
    case("missing", POST(X_Object_Meta_A="1").gives(404, HTML), GET().gives(404)),
    case("deleted", PUT(body=TEN), DELETE(), POST(X_Object_Meta_A="1").gives(404), GET().gives(404)),
    case("container missing", POST("{own}/o").gives(404)),
    case("no token", POST(X_Auth_Token="").gives(401)),
    case("other account", POST("/v1/AUTH_other/c/o").gives(403)),
    case("empty object", PUT(body=""), POST(X_Object_Meta_A="1").gives(202), GET().gives(200, "", X_Object_Meta_A="1")),
    case(
        "metadata of bytes",
        PUT(body=TEN),
        POST(X_Object_Meta_A="\xff\xc3\xa9").gives(202),
        HEAD().gives(200, X_Object_Meta_A="\xff\xc3\xa9"),
    ),
    case("metadata empty", PUT(body=TEN, X_Object_Meta_A="1"), POST(X_Object_Meta_A="").gives(202), HEAD().gives(200)),
    case(
        "remove header is only a header",
        PUT(body=TEN, X_Object_Meta_A="1"),
        POST(X_Remove_Object_Meta_A="x", X_Object_Meta_B="2").gives(202),
        HEAD().gives(200, X_Object_Meta_A=None, X_Object_Meta_B="2"),
    ),
    case(
        "remove header beside the header",
        PUT(body=TEN),
        POST(X_Remove_Object_Meta_A="x", X_Object_Meta_A="2").gives(202),
        HEAD().gives(200, X_Object_Meta_A="2", X_Remove_Object_Meta_A=None),
    ),
    case(
        "257 bytes",
        PUT(body=TEN),
        POST(X_Object_Meta_A="v" * 257).gives(400, "Metadata value longer than 256: x-object-meta-A"),
        HEAD().gives(200, X_Object_Meta_A=None),
    ),
    case(
        "name of 129 bytes",
        PUT(body=TEN),
        POST(more={"X-Object-Meta-" + "a" * 129: "v"}).gives(
            400, "Metadata name too long: x-object-meta-A" + "a" * 128
        ),
    ),
    case("name empty", PUT(body=TEN), POST(more={"X-Object-Meta-": "v"}).gives(400, "Metadata name cannot be empty")),
    case(
        "91 items",
        PUT(body=TEN),
        POST(more={f"X-Object-Meta-{n}": "v" for n in range(91)}).gives(400, "Too many metadata items; max 90"),
    ),
    case(
        "90 items",
        PUT(body=TEN),
        POST(more={f"X-Object-Meta-{n}": "v" for n in range(90)}).gives(202),
        HEAD().gives(200, X_Object_Meta_89="v"),
    ),
    case(
        "4097 bytes",
        PUT(body=TEN),
        POST(more={f"X-Object-Meta-{n:02}": "v" * (254 if n else 255) for n in range(16)}).gives(
            400, "Total metadata too large; max 4096"
        ),
    ),
    case(
        "sysmeta is dropped",
        PUT(body=TEN),
        POST(X_Object_Sysmeta_A="b", X_Object_Transient_Sysmeta_A="b").gives(202),
        HEAD().gives(200),
    ),
    case(
        "static large object flag",
        PUT(body=TEN),
        POST(X_Static_Large_Object="true").gives(400, WORDS),
        HEAD().gives(200),
    ),
    case(
        "range of it afterwards",
        PUT(body=TEN),
        POST(X_Object_Meta_A="1"),
        GET(Range="bytes=1-2").gives(206, "12", X_Object_Meta_A="1"),
    ),
    case(
        "overwritten",
        PUT(body=TEN),
        POST(X_Object_Meta_A="1"),
        PUT(body="new"),
        GET().gives(200, "new", X_Object_Meta_A=None),
    ),
    case(
        "the listing has the new type",
        PUT("{own}"),
        PUT("{own}/o", TEN, Content_Type="a/b"),
        POST("{own}/o", Content_Type="c/d"),
        GET("{own}?format=json").gives(200, re.compile(rb'.*"content_type": "c/d".*')),
    ),
    case(
        "query is ignored",
        PUT(body=TEN),
        POST("{o}?a=b", X_Object_Meta_A="1").gives(202),
        HEAD().gives(200, X_Object_Meta_A="1"),
    ),
]
