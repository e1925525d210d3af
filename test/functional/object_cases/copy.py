"""COPY, and PUT with X-Copy-From."""

from functional.object_cases.notation import (
    ANY_BODY,
    COPY,
    DATE,
    EMPTY_ETAG,
    GET,
    HEAD,
    HTML,
    POST,
    PUT,
    Case,
    case,
    etag,
)

TEN = "0123456789"
ETAG = etag(TEN)
SOURCE = {
    "Content_Type": "text/x-source",
    "Content_Encoding": "gzip",
    "Content_Disposition": "inline",
    "X_Object_Meta_A": "1",
    "X_Object_Meta_B": "2",
    "X_Delete_At": "4000000000",
}
COPIED = {
    "ETag": ETAG,
    "Content_Length": "0",
    "Last_Modified": DATE,
    "X_Copied_From": "copy/source",
    "X_Copied_From_Account": "AUTH_test",
    "X_Copied_From_Last_Modified": DATE,
}
NO_SOURCE = "X-Copy-From header must be of the form <container name>/<object name>"
NO_DESTINATION = "Destination header must be of the form <container name>/<object name>"


def both(
    name: str, *look: object, source: str = "copy/source", gives: dict[str, str] | None = None, **headers: str
) -> Case:
    """The same copy by either verb; then `look` at it."""
    expected = {**COPIED, "X_Copied_From": source, **(gives or {})}
    return case(
        name,
        PUT(X_Copy_From=source, **headers).gives(201, **expected),
        *look,
        COPY("{v1}/" + source, Destination="{name}", **headers).gives(201, **expected),
        *look,
    )


def neither(name: str, status: int, source: str = "copy/source", **headers: str) -> Case:
    """The same status by either verb, and nothing copied."""
    return case(
        name,
        PUT(X_Copy_From=source, **headers).gives(status, ANY_BODY),
        COPY("{v1}/" + source, Destination="{name}", **headers).gives(status, ANY_BODY),
        GET().gives(404),
    )


def bad_source(name: str, value: str) -> Case:
    return case(f"source {name}", PUT(X_Copy_From=value).gives(412, NO_SOURCE), GET().gives(404))


def bad_destination(name: str, value: str) -> Case:
    return case(f"destination {name}", COPY("{c}/source", Destination=value).gives(412, NO_DESTINATION))


SETUP = [
    PUT("{c}/source", TEN, **SOURCE),
    PUT("{c}/empty", ""),
    PUT("{c}/a%20%C3%A9%3F%25", "odd"),
    PUT("{v1}/copy-other"),
]
CASES = [
    both("all of it", GET().gives(200, TEN, **SOURCE)),
    both("slash before", source="copy/source", gives={}),
    both("type anew", GET().gives(200, TEN, Content_Type="c/d", X_Object_Meta_A="1"), Content_Type="c/d"),
    both("metadata anew", GET().gives(200, TEN, X_Object_Meta_A="9", X_Object_Meta_B="2"), X_Object_Meta_A="9"),
    both("metadata added", GET().gives(200, TEN, X_Object_Meta_A="1", X_Object_Meta_C="3"), X_Object_Meta_C="3"),
    both("encoding anew", HEAD().gives(200, Content_Encoding="br"), Content_Encoding="br"),
    both("another time to go", HEAD().gives(200, X_Delete_At="{now+5000}"), X_Delete_At="{now+5000}"),
    both("fresh", GET().gives(200, TEN, X_Object_Meta_A=None, Content_Encoding=None), X_Fresh_Metadata="true"),
    both(
        "fresh and own",
        GET().gives(200, TEN, X_Object_Meta_A="7", X_Object_Meta_B=None),
        X_Fresh_Metadata="true",
        X_Object_Meta_A="7",
    ),
    both("not fresh", GET().gives(200, TEN, X_Object_Meta_A="1"), X_Fresh_Metadata="false"),
    both("source account", X_Copy_From_Account="AUTH_test"),
    both("a range", GET().gives(200, "234"), gives={"ETag": etag("234")}, Range="bytes=2-4"),
    both("a suffix", GET().gives(200, "89"), gives={"ETag": etag("89")}, Range="bytes=-2"),
    both("an empty object", GET().gives(200, ""), source="copy/empty", gives={"ETag": EMPTY_ETAG}),
    both("a quoted name", GET().gives(200, "odd"), source="copy/a%20%C3%A9%3F%25", gives={"ETag": etag("odd")}),
    both("if it matches", If_Match=ETAG),
    both("ETag of the request", ETag=ETAG),
    neither("if it does not match", 412, If_Match=EMPTY_ETAG),
    neither("if none matches", 304, If_None_Match=ETAG),
    neither("range beyond", 416, Range="bytes=10-"),
    both("a wrong ETag does not matter", GET().gives(200, TEN), ETag=EMPTY_ETAG),
    neither("source missing", 404, source="copy/missing"),
    neither("source container missing", 404, source="no-such/o"),
    neither("bad time to go", 400, X_Delete_At="1"),
    neither("bad metadata", 400, X_Object_Meta_A="v" * 257),
    neither("two ranges beyond", 416, Range="bytes=10-,11-"),
    case("slash before the source", PUT(X_Copy_From="/copy/source").gives(201, **COPIED), GET().gives(200, TEN)),
    case(
        "slash before the destination",
        COPY("{c}/source", Destination="/{name}").gives(201, **COPIED),
        GET().gives(200, TEN),
    ),
    case(
        "onto itself",
        PUT(body=TEN, X_Object_Meta_A="1"),
        COPY(Destination="{name}", X_Object_Meta_B="2").gives(201),
        HEAD().gives(200, X_Object_Meta_A="1", X_Object_Meta_B="2"),
    ),
    case(
        "onto itself, fresh",
        PUT(body=TEN, X_Object_Meta_A="1"),
        PUT(X_Copy_From="{name}", X_Fresh_Metadata="true").gives(201),
        HEAD().gives(200, X_Object_Meta_A=None),
    ),
    case(
        "over another",
        PUT(body="old", X_Object_Meta_Z="z"),
        PUT(X_Copy_From="copy/source").gives(201),
        GET().gives(200, TEN, X_Object_Meta_Z=None),
    ),
    case(
        "what was posted",
        PUT(body=TEN, X_Object_Meta_A="1"),
        POST(X_Object_Meta_A="2"),
        COPY(Destination="{name}-2").gives(201, X_Object_Meta_A="2"),
        HEAD("{o}-2").gives(200, X_Object_Meta_A="2"),
    ),
    case(
        "to another container",
        COPY("{c}/source", Destination="copy-other/{slug}").gives(201),
        GET("{v1}/copy-other/{slug}").gives(200, TEN),
    ),
    case(
        "destination quoted",
        COPY("{c}/source", Destination="copy/x%20%C3%A9%25").gives(201),
        GET("{c}/x%20%C3%A9%25").gives(200, TEN),
    ),
    case(
        "destination with a query",
        COPY("{c}/source", Destination="copy/y%3Fa").gives(201),
        GET("{c}/y%3Fa").gives(200, TEN),
    ),
    case(
        "destination with slashes",
        COPY("{c}/source", Destination="copy//z//").gives(201),
        GET("{c}//z//").gives(200, TEN),
    ),
    case("destination container missing", COPY("{c}/source", Destination="no-such/o").gives(404, HTML)),
    case("destination account", COPY("{c}/source", Destination="{name}", Destination_Account="AUTH_test").gives(201)),
    case(
        "destination account of another",
        COPY("{c}/source", Destination="{name}", Destination_Account="AUTH_other").gives(403),
    ),
    case(
        "destination account with a slash",
        COPY("{c}/source", Destination="{name}", Destination_Account="a/b").gives(
            412, "Account name cannot contain slashes"
        ),
    ),
    case(
        "source account with a slash",
        PUT(X_Copy_From="copy/source", X_Copy_From_Account="a/b").gives(412, "Account name cannot contain slashes"),
    ),
    case("source account empty", PUT(X_Copy_From="copy/source", X_Copy_From_Account="").gives(201)),
    case("source account of another", PUT(X_Copy_From="copy/source", X_Copy_From_Account="AUTH_other").gives(403)),
    case("no destination", COPY("{c}/source").gives(412, "Destination header required")),
    case("COPY of a container", COPY("{c}", Destination="{name}").gives(405)),
    case("COPY of an account", COPY("{v1}", Destination="{name}").gives(405)),
    case("COPY of a missing source", COPY("{c}/missing", Destination="{name}").gives(404), GET().gives(404)),
    case("COPY without token", COPY("{c}/source", Destination="{name}", X_Auth_Token="").gives(401)),
    case(
        "COPY with a body",
        COPY("{c}/source", Destination="{name}", body="abc").gives(201),
    ),
    case(
        "PUT with a body",
        PUT(body="abc", X_Copy_From="copy/source").gives(400, "Copy requests require a zero byte body"),
    ),
    case("PUT chunked", PUT(X_Copy_From="copy/source", framing="chunked").gives(201)),
    case("PUT without a length", PUT(X_Copy_From="copy/source", framing="none").gives(201)),
    case("PUT of a container", PUT("{own}", X_Copy_From="copy/source").gives(201)),
    case("GET with X-Copy-From", GET("{c}/source", X_Copy_From="copy/empty").gives(200, TEN)),
    case("POST with X-Copy-From", PUT(body="x"), POST(X_Copy_From="copy/source").gives(202), GET().gives(200, "x")),
    case("source empty is none", PUT(X_Copy_From="").gives(201), GET().gives(200, "")),
    case("destination empty", COPY("{c}/source", Destination="").gives(412, "Destination header required")),
    case(
        "multipart-manifest=get of a plain object",
        COPY("{c}/source?multipart-manifest=get", Destination="{name}").gives(201),
        GET().gives(200, TEN),
    ),
    case("newest", COPY("{c}/source", Destination="{name}", X_Newest="false").gives(201)),
    case(
        "a type of a manifest",
        COPY("{c}/source", Destination="{name}", Content_Type="a/b;swift_bytes=9").gives(400, ANY_BODY),
    ),
    *(
        bad_source(*pair)
        for pair in (
            ("a word", "copy"),
            ("a slash", "/"),
            ("no object", "copy/"),
            ("a container and slashes", "/copy"),
        )
    ),
    *(bad_destination(*pair) for pair in (("a word", "copy"), ("a slash", "/"), ("no object", "copy/"))),
    case("source of bad UTF-8", PUT(X_Copy_From="copy/%FF").gives(412, ANY_BODY)),
    case("source with NUL", PUT(X_Copy_From="copy/%00").gives(412, ANY_BODY)),
    case("destination of bad UTF-8", COPY("{c}/source", Destination="copy/%FF").gives(412, ANY_BODY)),
    case("destination too long", COPY("{c}/source", Destination="copy/" + "n" * 1025).gives(400, ANY_BODY)),
    case("expecting 100", PUT(X_Copy_From="copy/source", Expect="100-continue").gives(201)),
]
