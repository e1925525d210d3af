"""Listings: every parameter and format, and what is wrong with some."""

import re

from functional.object_cases.notation import ANY_BODY, GET, HEAD, HTML, PUT, Case, case

NAMES = ("a", "a/", "a/b", "a/b/c", "a/c", "a0", "b--c", "b--d", "dir/1", "dir/2", 'x<&">y', "é漢😀")
ON_THE_WIRE = (*NAMES[:-2], "x%3C%26%22%3Ey", "%C3%A9%E6%BC%A2%F0%9F%98%80")
CONTAINERS = ("all-1", "all-1-a", "all-2", "all.3")
PLAIN, JSON, XML, TEXT_XML = (
    f"{name}; charset=utf-8" for name in ("text/plain", "application/json", "application/xml", "text/xml")
)
TIME = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}"
ETAG = "0cc175b9c0f1b6a831c399e269772661"

SETUP = [
    PUT("{c}"),
    *(PUT("{c}/" + name, "a", Content_Type="text/x; charset=u") for name in ON_THE_WIRE),
    *(PUT("{v1}/" + name) for name in CONTAINERS),
    PUT("{v1}/all-2/o", "12345"),
]


def lists(query: str, *names: str) -> Case:
    """A query, and the names that it lists."""
    text = "".join(f"{name}\n" for name in names)
    return case(query, GET("{c}?" + query).gives(200 if text else 204, text, Content_Type=PLAIN))


def account(query: str, *names: str) -> Case:
    """A query of those containers of the account that are of this table."""
    text = "".join(f"{name}\n" for name in names)
    return case(
        f"account {query}", GET("{v1}?prefix=all&" + query).gives(200 if text else 204, text, Content_Type=PLAIN)
    )


def accepts(accept: str, content_type: str | None, status: int = 200) -> Case:
    """An Accept header, and the type of the answer."""
    step = GET("{c}?limit=1", Accept=accept)
    if content_type is None:
        return case(f"Accept {accept}", step.gives(status, ANY_BODY))
    return case(f"Accept {accept}", step.gives(status, ANY_BODY, Content_Type=content_type, Vary="Accept"))


def refused(query: str, status: int, body: str | re.Pattern[bytes] = HTML) -> list[Case]:
    """What neither a container nor an account lists."""
    return [case(f"{target} {query}", GET(f"{{{target}}}?{query}").gives(status, body)) for target in ("c", "v1")]


ENTRY = rb'\{"bytes": 1, "hash": "%s", "name": "a", "content_type": "text/x;charset=u", "last_modified": "%s"\}' % (
    ETAG.encode(),
    TIME,
)
ELEMENT = (
    rb"<object><name>a</name><hash>%s</hash><bytes>1</bytes><content_type>text/x;charset=u</content_type>"
    rb"<last_modified>%s</last_modified></object>" % (ETAG.encode(), TIME)
)
XML_HEAD = rb'<\?xml version="1.0" encoding="UTF-8"\?>\n'

CASES = [
    lists("", *NAMES),
    lists("format=plain", *NAMES),
    lists("format=nonsense", *NAMES),
    lists("limit=3", *NAMES[:3]),
    lists("limit=0"),
    lists("limit=-1", *NAMES),
    lists("limit=x", *NAMES),
    lists("limit=", *NAMES),
    lists("limit=10000", *NAMES),
    lists("limit=2&limit=1", NAMES[0]),
    lists("marker=a/b", *NAMES[3:]),
    lists("marker=a/b&limit=2", *NAMES[3:5]),
    lists("marker=%C3%A8", NAMES[-1]),
    lists("marker=%F4%8F%BF%BF"),
    lists("end_marker=a/b", *NAMES[:2]),
    lists("marker=a/&end_marker=b", *NAMES[2:6]),
    lists("marker=b&end_marker=a"),
    lists("reverse=true", *NAMES[::-1]),
    lists("reverse=0", *NAMES),
    lists("reverse=on&limit=2", *NAMES[:-3:-1]),
    lists("reverse=yes&marker=a/c", *NAMES[3::-1]),
    lists("reverse=1&marker=b&end_marker=a/", *NAMES[5:1:-1]),
    lists("prefix=a/", *NAMES[1:5]),
    lists("prefix=none"),
    lists("prefix=%C3%A9", NAMES[-1]),
    lists("delimiter=/", "a", "a/", "a0", "b--c", "b--d", "dir/", 'x<&">y', NAMES[-1]),
    lists("delimiter=/&limit=2", "a", "a/"),
    lists("delimiter=/&marker=a/", "a0", "b--c", "b--d", "dir/", 'x<&">y', NAMES[-1]),
    lists("delimiter=/&marker=a/b", "a/", "a0", "b--c", "b--d", "dir/", 'x<&">y', NAMES[-1]),
    lists("delimiter=/&reverse=true", *("a", "a/", "a0", "b--c", "b--d", "dir/", 'x<&">y', NAMES[-1])[::-1]),
    lists("delimiter=/&prefix=a", "a", "a/", "a0"),
    lists("delimiter=/&prefix=a/", "a/", "a/b", "a/b/", "a/c"),
    lists("delimiter=--", *NAMES[:6], "b--", *NAMES[8:]),
    lists("delimiter=/1", *NAMES[:8], "dir/1", *NAMES[9:]),
    lists("delimiter=%E6%BC%A2", *NAMES[:-1], "é漢"),
    lists("path=", "a", "a/", "a0", "b--c", "b--d", 'x<&">y', NAMES[-1]),
    lists("path=a", "a/b", "a/c"),
    lists("path=a/", "a/b", "a/c"),
    lists("path=a/&prefix=x&delimiter=0", "a/b", "a/c"),
    lists("path=a/&reverse=1", "a/c", "a/b"),
    lists("path=&reverse=1", *("a", "a/", "a0", "b--c", "b--d", 'x<&">y', NAMES[-1])[::-1]),
    lists("path=x"),
    lists("states=nonsense&unknown=%FF", *NAMES),
    account("", *CONTAINERS),
    account("limit=2&marker=all-1", *CONTAINERS[1:3]),
    account("reverse=true&end_marker=all-1-a", *CONTAINERS[:1:-1]),
    account("delimiter=-", "all-", "all.3"),
    account("delimiter=1", "all-1", "all-2", "all.3"),
    account("prefix=all-1-&delimiter=-", "all-1-a"),
    account("path=all-1", *CONTAINERS),
    accepts("application/json", JSON),
    accepts("text/xml", TEXT_XML),
    accepts("application/xml;q=0.5, text/plain;q=0.4", XML),
    accepts("*/*", PLAIN),
    accepts("application/*", JSON),
    accepts("*/xml", XML),
    accepts("image/png", None, 406),
    accepts("nonsense", None, 400),
    accepts("text/plain,", None, 400),
    accepts("text/plain;q=0, */*", JSON),
    accepts("APPLICATION/JSON", JSON),
    case(
        "format wins",
        GET("{c}?limit=1&format=json", Accept="text/xml").gives(200, ANY_BODY, Content_Type=JSON, Vary=None),
    ),
    case("JSON", GET("{c}?limit=1&format=json").gives(200, re.compile(rb"\[" + ENTRY + rb"\]"), Content_Type=JSON)),
    case("JSON subdir", GET("{c}?prefix=d&delimiter=/&format=json").gives(200, '[{"subdir": "dir/"}]')),
    case(
        "JSON is ASCII",
        GET("{c}?marker=x%7A&delimiter=%E6%BC%A2&format=json").gives(200, r'[{"subdir": "\u00e9\u6f22"}]'),
    ),
    case("empty JSON", GET("{c}?prefix=none&format=json").gives(200, "[]", Content_Length="2")),
    case(
        "XML",
        GET("{c}?end_marker=a0&marker=a/c&format=xml").gives(200, ANY_BODY),
        GET("{c}?limit=1&format=xml").gives(
            200, re.compile(XML_HEAD + rb'<container name="[^"]+">' + ELEMENT + b"</container>"), Content_Type=XML
        ),
    ),
    case("XML escapes", GET("{c}?prefix=x&delimiter=y&format=xml").gives(200, ANY_BODY)),
    case(
        "empty XML", GET("{c}?prefix=none&format=xml").gives(200, re.compile(XML_HEAD + rb'<container name="[^"]+" />'))
    ),
    case("account as JSON", GET("{v1}?prefix=all-2&format=json").gives(200, ANY_BODY, Content_Type=JSON)),
    case("account as XML", GET("{v1}?prefix=all-2&format=xml").gives(200, ANY_BODY, Content_Type=XML)),
    case("HEAD", HEAD("{c}?format=json").gives(204, b"", Content_Type=JSON, X_Container_Object_Count="12")),
    case("HEAD accepts", HEAD("{c}", Accept="text/xml").gives(204, b"", Content_Type=TEXT_XML, Vary="Accept")),
    case("HEAD cannot", HEAD("{c}", Accept="image/png").gives(406, b"")),
    case("HEAD limit", HEAD("{c}?limit=10001").gives(204, b""), HEAD("{v1}?limit=10001").gives(204, b"")),
    *refused("limit=10001", 412, "Maximum limit is 10000"),
    *refused("limit=99999999999999999999999", 412, "Maximum limit is 10000"),
    *refused("marker=%FF", 400, '"marker" parameter not valid UTF-8'),
    *refused("end_marker=%C3%28", 400, '"end_marker" parameter not valid UTF-8'),
    *refused("prefix=%ED%A0%80", 400, '"prefix" parameter not valid UTF-8'),
    *refused("delimiter=%FE", 400, '"delimiter" parameter not valid UTF-8'),
    *refused("format=%FF", 400, '"format" parameter not valid UTF-8'),
    case("path that is no UTF-8", GET("{c}?path=%FF").gives(400, '"path" parameter not valid UTF-8')),
    case("nowhere", GET("{own}?limit=1").gives(404), GET("{own}?format=json").gives(404)),
]
