"""Conditional GET, HEAD, PUT, POST and DELETE: If-Match, If-None-Match and dates (RFC 9110 13)."""

from functional.object_cases.notation import DATE, DELETE, GET, HEAD, POST, PUT, Case, case, etag

TEN = "0123456789"
ETAG = etag(TEN)
OTHER = etag("other")
LONG_AGO = "Sun, 06 Nov 1994 08:49:37 GMT"
FUTURE = "Thu, 01 Jan 2037 00:00:00 GMT"


def get(name: str, status: int, **headers: str) -> Case:
    """The same condition for GET and HEAD."""
    body = {200: TEN, 304: b"", 412: b""}[status]
    shown = {"ETag": ETAG, "Last_Modified": DATE, "X_Object_Meta_A": "b"}
    if status == 412:
        shown["Content_Type"] = "text/html; charset=UTF-8"
    length = {"Content_Length": "10"} if status == 200 else {}
    return case(
        name,
        GET("{c}/ten", **headers).gives(status, body, **shown, **length),
        HEAD("{c}/ten", **headers).gives(status, b"", **shown),
    )


def missing(name: str, status: int, **headers: str) -> Case:
    return case(f"missing: {name}", GET(**headers).gives(status), HEAD(**headers).gives(status))


SETUP = [
    PUT("{c}/ten", TEN, Content_Type="text/plain", X_Object_Meta_A="b").saves(when="Last-Modified"),
    PUT("{c}/empty", ""),
]
CASES = [
    get("If-Match", 200, If_Match=ETAG),
    get("If-Match quoted", 200, If_Match=f'"{ETAG}"'),
    get("If-Match weak", 412, If_Match=f'W/"{ETAG}"'),
    get("If-Match any", 200, If_Match="*"),
    get("If-Match quoted star", 200, If_Match='"*"'),
    get("If-Match one of", 200, If_Match=f'"{OTHER}", "{ETAG}"'),
    get("If-Match one of, no blanks", 200, If_Match=f"{OTHER},{ETAG}"),
    get("If-Match other", 412, If_Match=f'"{OTHER}"'),
    get("If-Match empty", 412, If_Match=""),
    get("If-Match in upper case", 412, If_Match=ETAG.upper()),
    get("If-Match half quoted", 412, If_Match=f'"{ETAG}'),
    get("If-Match commas", 412, If_Match=",,"),
    get("If-Match bytes", 412, If_Match="\xff\xfe"),
    get("If-None-Match", 304, If_None_Match=ETAG),
    get("If-None-Match quoted", 304, If_None_Match=f'"{ETAG}"'),
    get("If-None-Match weak", 304, If_None_Match=f'W/"{ETAG}"'),
    get("If-None-Match any", 304, If_None_Match="*"),
    get("If-None-Match one of", 304, If_None_Match=f'"{OTHER}", "{ETAG}"'),
    get("If-None-Match other", 200, If_None_Match=f'"{OTHER}"'),
    get("If-None-Match empty", 200, If_None_Match=""),
    get("If-Modified-Since then", 304, If_Modified_Since="{when}"),
    get("If-Modified-Since before", 200, If_Modified_Since=LONG_AGO),
    get("If-Modified-Since future", 304, If_Modified_Since=FUTURE),
    get("If-Modified-Since RFC 850", 200, If_Modified_Since="Sunday, 06-Nov-94 08:49:37 GMT"),
    get("If-Modified-Since asctime", 200, If_Modified_Since="Sun Nov  6 08:49:37 1994"),
    get("If-Modified-Since RFC 850, future", 304, If_Modified_Since="Thursday, 01-Jan-37 00:00:00 GMT"),
    get("If-Modified-Since asctime, future", 304, If_Modified_Since="Thu Jan  1 00:00:00 2037"),
    get("If-Modified-Since nonsense", 200, If_Modified_Since="yesterday"),
    get("If-Modified-Since number", 200, If_Modified_Since="1234567890"),
    get("If-Modified-Since ISO", 200, If_Modified_Since="2037-01-01T00:00:00Z"),
    get("If-Modified-Since without a day", 304, If_Modified_Since="01 Jan 2037 00:00:00 GMT"),
    get("If-Modified-Since with a zone", 304, If_Modified_Since="Thu, 01 Jan 2037 00:00:00 +0200"),
    get("If-Modified-Since year 9999", 304, If_Modified_Since="Fri, 31 Dec 9999 23:59:59 GMT"),
    get("If-Modified-Since 1969", 200, If_Modified_Since="Wed, 31 Dec 1969 23:59:59 GMT"),
    get("If-Modified-Since empty", 200, If_Modified_Since=""),
    get("If-Modified-Since 30 February", 200, If_Modified_Since="Sun, 30 Feb 2037 00:00:00 GMT"),
    get("If-Unmodified-Since then", 200, If_Unmodified_Since="{when}"),
    get("If-Unmodified-Since before", 412, If_Unmodified_Since=LONG_AGO),
    get("If-Unmodified-Since future", 200, If_Unmodified_Since=FUTURE),
    get("If-Unmodified-Since RFC 850", 412, If_Unmodified_Since="Sunday, 06-Nov-94 08:49:37 GMT"),
    get("If-Unmodified-Since asctime", 412, If_Unmodified_Since="Sun Nov  6 08:49:37 1994"),
    get("If-Unmodified-Since nonsense", 200, If_Unmodified_Since="yesterday"),
    get("If-Unmodified-Since 1969", 412, If_Unmodified_Since="Wed, 31 Dec 1969 23:59:59 GMT"),
    get("both matches", 304, If_Match=ETAG, If_None_Match=ETAG),
    get("both matches, first fails", 412, If_Match=OTHER, If_None_Match=ETAG),
    get("If-Match true, unmodified false", 200, If_Match=ETAG, If_Unmodified_Since=LONG_AGO),
    get("If-Match false, unmodified true", 412, If_Match=OTHER, If_Unmodified_Since=FUTURE),
    get("If-None-Match false, modified false", 200, If_None_Match=OTHER, If_Modified_Since=FUTURE),
    get("If-None-Match true, modified true", 304, If_None_Match=ETAG, If_Modified_Since=LONG_AGO),
    get("both dates true", 200, If_Modified_Since=LONG_AGO, If_Unmodified_Since=FUTURE),
    get("both dates false", 412, If_Modified_Since=FUTURE, If_Unmodified_Since=LONG_AGO),
    get("If-Match true, modified false", 304, If_Match=ETAG, If_Modified_Since=FUTURE),
    get("with newest", 304, If_None_Match=ETAG, X_Newest="true"),
    get("with newest, fails", 412, If_Match=OTHER, X_Newest="true"),
    missing("If-Match any", 412, If_Match="*"),
    missing("If-Match", 404, If_Match=ETAG),
    missing("If-None-Match any", 404, If_None_Match="*"),
    missing("If-None-Match", 404, If_None_Match=ETAG),
    missing("If-Modified-Since", 404, If_Modified_Since=FUTURE),
    missing("If-Unmodified-Since", 404, If_Unmodified_Since=LONG_AGO),
    case(
        "304 shows",
        GET("{c}/ten", If_None_Match="*").gives(304, b"", ETag=ETAG, Last_Modified=DATE, X_Object_Meta_A="b"),
    ),
    case(
        "empty object", GET("{c}/empty", If_None_Match="*").gives(304), GET("{c}/empty", If_Match="*").gives(200, b"")
    ),
    case("PUT if new", PUT(body="a", If_None_Match="*").gives(201), PUT(body="b", If_None_Match="*").gives(412)),
    case(
        "PUT if new, deleted",
        PUT(body="a"),
        DELETE(),
        PUT(body="b", If_None_Match="*").gives(201),
        GET().gives(200, "b"),
    ),
    case(
        "PUT if new, quoted",
        PUT(body="a", If_None_Match='"*"').gives(201),
        PUT(body="b", If_None_Match='"*"').gives(412),
    ),
    case("PUT if new, kept", PUT(body="a"), PUT(body="b", If_None_Match="*").gives(412), GET().gives(200, "a")),
    case("PUT if new, chunked", PUT(body="a"), PUT(body="b", If_None_Match="*", framing="chunked").gives(412)),
    case("PUT if new, expecting", PUT(body="a"), PUT(body="b", If_None_Match="*", Expect="100-continue").gives(412)),
    case("PUT If-Match of the object", PUT(body=TEN), PUT(body="b", If_Match=ETAG).gives(201), GET().gives(200, "b")),
    case("PUT If-Match of another", PUT(body=TEN), PUT(body="b", If_Match=OTHER).gives(412), GET().gives(200, TEN)),
    case("PUT If-Match of nothing", PUT(body="b", If_Match=OTHER).gives(412), GET().gives(404)),
    case(
        "PUT If-None-Match of the object",
        PUT(body=TEN),
        PUT(body="b", If_None_Match=ETAG).gives(412),
        GET().gives(200, TEN),
    ),
    case("PUT If-None-Match of another", PUT(body=TEN), PUT(body="b", If_None_Match=OTHER).gives(201)),
    case("PUT if unmodified", PUT(body="a"), PUT(body="b", If_Unmodified_Since=LONG_AGO).gives(201)),
    case(
        "POST If-None-Match",
        PUT(body="a"),
        POST(If_None_Match="*", X_Object_Meta_A="b").gives(412),
        HEAD().gives(200, X_Object_Meta_A=None),
    ),
    case("POST If-Match of another", PUT(body="a"), POST(If_Match=OTHER).gives(412)),
    case("DELETE If-Match of another", PUT(body="a"), DELETE(If_Match=OTHER).gives(412), GET().gives(200, "a")),
    case("DELETE If-None-Match", PUT(body="a"), DELETE(If_None_Match="*").gives(412), GET().gives(200, "a")),
]
