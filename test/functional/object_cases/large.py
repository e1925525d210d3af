"""Large objects: static (SLO) and dynamic (DLO) manifests."""

import base64
import json
from typing import Any

from functional.object_cases.notation import (
    ANY_BODY,
    COPY,
    DELETE,
    GET,
    HEAD,
    POST,
    PUT,
    WORDS,
    Case,
    Step,
    case,
    etag,
)

A, B, C = "aaaaa", "bbbbb", "ccc"
WHOLE = A + B + C
SLO_ETAG = etag(etag(A) + etag(B) + etag(C))
TARGET = "{o}?multipart-manifest=put"


def segment(name: str, body: str | None = None, **more: Any) -> dict[str, Any]:
    """A manifest's line; with its ETag and size where `body` is given."""
    known = {} if body is None else {"etag": etag(body), "size_bytes": len(body)}
    return {"path": f"/large/{name}", **known, **more}


def data(text: str) -> dict[str, str]:
    return {"data": base64.b64encode(text.encode()).decode()}


def slo(*segments: Any, target: str = TARGET, **headers: str) -> Step:
    """A PUT of a static manifest."""
    return PUT(target, json.dumps(segments), **headers)


def bad(name: str, *segments: Any, status: int = 400, **headers: str) -> Case:
    """A manifest that is refused, with words, and not stored."""
    return case(f"SLO bad: {name}", slo(*segments, **headers).gives(status, WORDS), GET().gives(404))


def bad_text(name: str, text: str, status: int = 400) -> Case:
    """A body that is no manifest."""
    return case(f"SLO bad: {name}", PUT(TARGET, text).gives(status, WORDS), GET().gives(404))


ABC = (segment("a", A), segment("b", B), segment("c", C))
MANIFEST_TYPE = "application/json; charset=utf-8"
SETUP = [
    PUT("{c}/a", A),
    PUT("{c}/b", B),
    PUT("{c}/c", C),
    PUT("{c}/empty", ""),
    slo(*ABC, target="{c}/slo?multipart-manifest=put", Content_Type="text/x-large", X_Object_Meta_A="1"),
    slo(segment("a", range="1-2"), data("XYZ"), segment("b", range="-2"), target="{c}/mixed?multipart-manifest=put"),
    slo(segment("slo"), segment("a", A), target="{c}/nested?multipart-manifest=put"),
    PUT("{c}/d/1", A),
    PUT("{c}/d/2", B),
    PUT("{c}/d/3", C),
    PUT("{c}/dlo", "", X_Object_Manifest="large/d/", Content_Type="text/x-large", X_Object_Meta_A="1"),
    PUT("{c}/nodlo", "own", X_Object_Manifest="large/none/"),
]
SLO_SHOWN = {
    "ETag": f'"{SLO_ETAG}"',
    "X_Static_Large_Object": "True",
    "Content_Type": "text/x-large",
    "X_Object_Meta_A": "1",
    "Accept_Ranges": "bytes",
}
DLO_SHOWN = {
    "ETag": f'"{SLO_ETAG}"',
    "X_Object_Manifest": "large/d/",
    "Content_Type": "text/x-large",
    "X_Object_Meta_A": "1",
    "Accept_Ranges": "bytes",
}
STEADY = {"slo": SLO_SHOWN, "dlo": DLO_SHOWN}


def read(name: str, kind: str) -> list[Case]:
    """What both kinds have in common."""
    path, shown = f"{{c}}/{kind}", STEADY[kind]

    def one(label: str, spec: str, first: int, last: int) -> Case:
        length = str(last - first + 1)
        answer = GET(path, Range=f"bytes={spec}").gives(
            206, WHOLE[first : last + 1], Content_Range=f"bytes {first}-{last}/13", Content_Length=length, **shown
        )
        return case(f"{name} range {label}", answer)

    return [
        case(f"{name} whole", GET(path).gives(200, WHOLE, Content_Length="13", **shown)),
        case(f"{name} head", HEAD(path).gives(200, Content_Length="13", **shown)),
        one("within one segment", "1-3", 1, 3),
        one("of a whole segment", "5-9", 5, 9),
        one("across two", "4-5", 4, 5),
        one("across three", "3-11", 3, 11),
        one("all", "0-12", 0, 12),
        one("suffix", "-4", 9, 12),
        one("to the end", "9-", 9, 12),
        one("beyond the end", "10-999", 10, 12),
        case(f"{name} range beyond", GET(path, Range="bytes=13-").gives(416, Content_Range="bytes */13")),
        case(f"{name} range nonsense", GET(path, Range="bytes=x").gives(200, WHOLE)),
        case(f"{name} two ranges", GET(path, Range="bytes=0-0,6-7").gives(206 if kind == "slo" else 200, ANY_BODY)),
        case(
            f"{name} If-Match",
            GET(path, If_Match=SLO_ETAG).gives(200, WHOLE),
            GET(path, If_Match=etag(A)).gives(412, ANY_BODY),
        ),
        case(
            f"{name} If-None-Match",
            GET(path, If_None_Match=SLO_ETAG).gives(304),
            GET(path, If_None_Match=f'"{SLO_ETAG}"').gives(304),
            HEAD(path, If_None_Match="x").gives(200),
        ),
        case(f"{name} If-Modified-Since", GET(path, If_Modified_Since="{date+1000}").gives(304)),
        case(f"{name} range if matched", GET(path, Range="bytes=0-1", If_Match=SLO_ETAG).gives(206, "aa")),
        case(
            f"{name} COPY as content",
            COPY(path, Destination="{name}").gives(201),
            GET().gives(200, WHOLE, X_Static_Large_Object=None, X_Object_Manifest=None, ETag=etag(WHOLE)),
        ),
        case(
            f"{name} COPY of a range",
            COPY(path, Destination="{name}", Range="bytes=4-5").gives(201),
            GET().gives(200, "ab"),
        ),
        case(
            f"{name} COPY of the manifest",
            COPY(path + "?multipart-manifest=get", Destination="{name}").gives(201),
            GET().gives(200, WHOLE),
        ),
        case(f"{name} newest", GET(path, X_Newest="true").gives(200, WHOLE)),
    ]


CASES = [
    *read("SLO", "slo"),
    *read("DLO", "dlo"),
    case("SLO put", slo(*ABC).gives(201, ETag=f'"{SLO_ETAG}"', Content_Length="0"), GET().gives(200, WHOLE)),
    case("SLO put, no etags", slo(segment("a"), segment("b")).gives(201), GET().gives(200, A + B)),
    case("SLO put, null etags", slo(segment("a", etag=None, size_bytes=None)).gives(201), GET().gives(200, A)),
    case("SLO put, chunked", PUT(TARGET, json.dumps(ABC), framing="chunked").gives(201), GET().gives(200, WHOLE)),
    case("SLO put with the right ETag", slo(*ABC, ETag=SLO_ETAG).gives(201)),
    case("SLO put with the right ETag, quoted", slo(*ABC, ETag=f'"{SLO_ETAG}"').gives(201)),
    case("SLO put with a wrong ETag", slo(*ABC, ETag=etag(A)).gives(422, ANY_BODY), GET().gives(404)),
    case(
        "SLO put, guessed type",
        slo(*ABC, target="{o}.html?multipart-manifest=put").gives(201),
        HEAD("{o}.html").gives(200, Content_Type="text/html"),
    ),
    case("SLO put if new", slo(*ABC, If_None_Match="*").gives(201), slo(*ABC, If_None_Match="*").gives(412, ANY_BODY)),
    case(
        "SLO put of a thousand times the same",
        slo(*[segment("a")] * 1000).gives(201),
        HEAD().gives(200, Content_Length="5000"),
    ),
    case(
        "SLO put, expiring", slo(*ABC, X_Delete_At="{now+1000}").gives(201), HEAD().gives(200, X_Delete_At="{now+1000}")
    ),
    case(
        "SLO put, size in the listing",
        PUT("{own}"),
        slo(*ABC, target="{own}/o?multipart-manifest=put"),
        GET("{own}?format=json").gives(200, ANY_BODY),
    ),
    case(
        "SLO put, heartbeat", slo(*ABC, target=TARGET + "&heartbeat=on").gives(202, ANY_BODY), GET().gives(200, WHOLE)
    ),
    case(
        "SLO put, heartbeat, bad",
        slo(segment("missing"), target=TARGET + "&heartbeat=on").gives(202, ANY_BODY),
        GET().gives(404),
    ),
    case("SLO segments with ranges and data", GET("{c}/mixed").gives(200, "aaXYZbb", Content_Length="7")),
    case("SLO range of ranges and data", GET("{c}/mixed", Range="bytes=1-5").gives(206, "aXYZb")),
    case("SLO nested", GET("{c}/nested").gives(200, WHOLE + A), HEAD("{c}/nested").gives(200, Content_Length="18")),
    case("SLO range of nested", GET("{c}/nested", Range="bytes=11-14").gives(206, "ccaa")),
    case(
        "SLO manifest",
        GET("{c}/slo?multipart-manifest=get").gives(
            200, ANY_BODY, Content_Type=MANIFEST_TYPE, X_Static_Large_Object="True"
        ),
    ),
    case("SLO manifest head", HEAD("{c}/slo?multipart-manifest=get").gives(200, Content_Type=MANIFEST_TYPE)),
    case("SLO manifest raw", GET("{c}/mixed?multipart-manifest=get&format=raw").gives(200, ANY_BODY)),
    case("SLO manifest of a nested one", GET("{c}/nested?multipart-manifest=get").gives(200, ANY_BODY)),
    case("SLO manifest range", GET("{c}/slo?multipart-manifest=get", Range="bytes=0-3").gives(206, ANY_BODY)),
    case("SLO part 1", GET("{c}/slo?part-number=1").gives(206, A, X_Parts_Count="3", Content_Range="bytes 0-4/13")),
    case(
        "SLO part 3",
        GET("{c}/slo?part-number=3").gives(206, C),
        HEAD("{c}/slo?part-number=3").gives(206, Content_Length="3"),
    ),
    case("SLO part 4", GET("{c}/slo?part-number=4").gives(416, ANY_BODY)),
    case(
        "SLO part 0",
        GET("{c}/slo?part-number=0").gives(400, ANY_BODY),
        GET("{c}/slo?part-number=x").gives(400, ANY_BODY),
    ),
    case("SLO part and range", GET("{c}/slo?part-number=1", Range="bytes=0-1").gives(400, ANY_BODY)),
    case("part of a plain object", GET("{c}/a?part-number=1").gives(200, A)),
    case(
        "SLO POST",
        slo(*ABC),
        POST(X_Object_Meta_B="2").gives(202),
        GET().gives(200, WHOLE, X_Object_Meta_B="2", X_Static_Large_Object="True"),
    ),
    case(
        "SLO POST of a type",
        slo(*ABC),
        POST(Content_Type="c/d").gives(202),
        GET().gives(200, WHOLE, Content_Type="c/d"),
    ),
    case(
        "SLO overwritten",
        slo(*ABC),
        PUT(body="plain").gives(201),
        GET().gives(200, "plain", X_Static_Large_Object=None),
    ),
    case("SLO deleted alone", slo(*ABC), DELETE().gives(204), GET().gives(404), GET("{c}/a").gives(200, A)),
    case(
        "SLO deleted with segments",
        PUT("{o}-s", A),
        slo({"path": "/{name}-s"}),
        DELETE("{o}?multipart-manifest=delete").gives(200, ANY_BODY),
        GET().gives(404),
        GET("{o}-s").gives(404),
    ),
    case(
        "SLO deleted with segments, JSON",
        PUT("{o}-s", A),
        slo({"path": "/{name}-s"}),
        DELETE("{o}?multipart-manifest=delete", Accept="application/json").gives(
            200, ANY_BODY, Content_Type="application/json"
        ),
    ),
    case(
        "SLO deleted with missing segments",
        PUT("{o}-s", A),
        slo({"path": "/{name}-s"}),
        DELETE("{o}-s"),
        DELETE("{o}?multipart-manifest=delete", Accept="application/json").gives(200, ANY_BODY),
        GET().gives(404),
    ),
    case(
        "SLO deleted, no manifest",
        PUT(body="plain"),
        DELETE("{o}?multipart-manifest=delete").gives(200, ANY_BODY),
        GET().gives(200, "plain"),
    ),
    case("SLO deleted, missing", DELETE("{o}?multipart-manifest=delete").gives(200, ANY_BODY)),
    case(
        "SLO deleted later",
        PUT("{own}"),
        PUT("{own}/s", A),
        slo({"path": "/own-{slug}/s"}),
        DELETE("{o}?multipart-manifest=delete&async=on").gives(204, ANY_BODY),
        GET().gives(404),
    ),
    case(
        "SLO segment missing",
        PUT("{o}-s", A),
        slo({"path": "/{name}-s"}),
        DELETE("{o}-s"),
        GET().gives(409, ANY_BODY),
        HEAD().gives(200),
    ),
    case(
        "SLO segment changed", PUT("{o}-s", A), slo({"path": "/{name}-s"}), PUT("{o}-s", B), GET().gives(409, ANY_BODY)
    ),
    case(
        "SLO later segment missing",
        PUT("{o}-s", A),
        slo(segment("a"), {"path": "/{name}-s"}),
        DELETE("{o}-s"),
        GET().gives(0, A),
    ),
    case(
        "SLO put if it matches",
        slo(*ABC),
        slo(*ABC, If_Match=SLO_ETAG).gives(201),
        slo(*ABC, If_Match=etag(A)).gives(412),
    ),
    case("SLO POST if it matches", slo(*ABC), POST(If_Match=SLO_ETAG).gives(202), POST(If_Match=etag(A)).gives(412)),
    case(
        "SLO DELETE if it matches", slo(*ABC), DELETE(If_Match=etag(A)).gives(412), DELETE(If_Match=SLO_ETAG).gives(204)
    ),
    case(
        "SLO deleted with segments if it matches",
        PUT("{o}-s", A),
        slo({"path": "/{name}-s"}),
        DELETE("{o}?multipart-manifest=delete", If_Match=etag(B)).gives(412, ANY_BODY),
        GET("{o}-s").gives(200, A),
    ),
    case("SLO manifest raw head", HEAD("{c}/slo?multipart-manifest=get&format=raw").gives(200)),
    case("SLO part head unmet", HEAD("{c}/slo?part-number=1", If_Match=etag(A)).gives(412, X_Parts_Count=None)),
    case("SLO put of an empty segment", slo(segment("empty")).gives(201), GET().gives(200, "")),
    case("SLO put of nothing", slo().gives(201), GET().gives(200, "")),
    case("SLO put without the query", PUT(body=json.dumps(ABC)).gives(201), GET().gives(200, json.dumps(ABC))),
    case("SLO flag of a client", PUT(body="x", X_Static_Large_Object="true").gives(400, ANY_BODY)),
    bad("missing segment", segment("missing")),
    bad("wrong etag", segment("a", B)),
    bad("wrong size", segment("a", size_bytes=4)),
    bad("several", segment("missing"), segment("a", size_bytes=4), segment("b", etag="x")),
    bad("range beyond", segment("a", range="9-10")),
    bad("two ranges", segment("a", range="0-1,3-4")),
    bad("range nonsense", segment("a", range="x")),
    bad("path missing", {"etag": etag(A)}),
    bad("path a number", {"path": 5}),
    bad("path without container", {"path": "/a"}),
    bad("path a word", {"path": "a"}),
    bad("unknown key", segment("a", colour="red")),
    bad("size a word", segment("a", size_bytes="five")),
    case("SLO bad: size infinite", PUT(TARGET, '[{"path": "/large/a", "size_bytes": 1e400}]').gives(400, WORDS)),
    bad("size negative", segment("a", size_bytes=-1)),
    bad("size zero", segment("a", size_bytes=0)),
    bad("etag a number", segment("a", etag=5)),
    bad("item a list", ["a"]),
    bad("item null", None),
    bad("data alone", data("x")),
    bad("data with a path", {**data("x"), "path": "/large/a"}),
    bad("data not base64", segment("a"), {"data": "***"}),
    bad("data empty", segment("a"), {"data": ""}),
    bad("data a number", segment("a"), {"data": 5}),
    bad("itself", {"path": "/{name}"}),
    case("SLO bad: 1001 segments", slo(*[segment("a")] * 1001).gives(413, ANY_BODY), GET().gives(404)),
    bad_text("no JSON", "nonsense"),
    bad_text("an object", "{}"),
    bad_text("a number", "5"),
    bad_text("empty body", ""),
    bad_text("bad UTF-8", '["\xff"]'),
    case(
        "SLO bad: errors as JSON",
        slo(segment("missing"), segment("a", size_bytes=4), Accept="application/json").gives(400, ANY_BODY),
    ),
    case("SLO bad: errors as XML", slo(segment("missing"), Accept="application/xml").gives(400, ANY_BODY)),
    case("SLO bad: no length", PUT(TARGET, "", framing="none").gives(411, ANY_BODY)),
    case("SLO bad: copied", PUT(TARGET, X_Copy_From="large/a").gives(400, WORDS)),
    # DLO
    case(
        "DLO manifest",
        GET("{c}/nodlo?multipart-manifest=get").gives(200, "own", X_Object_Manifest="large/none/", ETag=etag("own")),
    ),
    case(
        "DLO without segments",
        GET("{c}/nodlo").gives(200, "", Content_Length="0"),
        HEAD("{c}/nodlo").gives(200, Content_Length="0"),
    ),
    case(
        "DLO grows",
        PUT("{own}"),
        PUT("{own}/s1", A),
        PUT(X_Object_Manifest="own-{slug}/s"),
        GET().gives(200, A),
        PUT("{own}/s2", B),
        GET().gives(200, A + B),
    ),
    case("DLO container missing", PUT(X_Object_Manifest="no-such/x").gives(201), GET().gives(404, ANY_BODY)),
    case(
        "DLO quoted",
        PUT("{own}"),
        PUT("{own}/a%20%C3%A9", A),
        PUT(X_Object_Manifest="own-{slug}/a%20%C3%A9").gives(201),
        GET().gives(200, A, X_Object_Manifest="own-{slug}/a%20%C3%A9"),
    ),
    case(
        "DLO by POST",
        PUT(body="own"),
        POST(X_Object_Manifest="large/d/").gives(202),
        GET().gives(200, WHOLE),
        POST(X_Object_Meta_A="1"),
        GET().gives(200, "own"),
    ),
    case(
        "DLO whole container",
        PUT("{own}"),
        PUT("{own}/s1", A),
        PUT(X_Object_Manifest="own-{slug}/s").gives(201),
        GET().gives(200, A),
    ),
    case(
        "DLO deleted",
        PUT("{own}"),
        PUT("{own}/s1", A),
        PUT(X_Object_Manifest="own-{slug}/s"),
        DELETE().gives(204),
        GET("{own}/s1").gives(200, A),
    ),
    case(
        "DLO first segment an empty object",
        PUT("{own}"),
        PUT("{own}/s1", ""),
        PUT("{own}/s2", B),
        PUT(X_Object_Manifest="own-{slug}/s"),
        GET().gives(200, B),
    ),
    case("DLO posted, bad", PUT(body="x"), POST(X_Object_Manifest="word").gives(202), GET().gives(404)),
    case(
        "DLO posted, empty", PUT(body="x"), POST(X_Object_Manifest="").gives(202), GET().gives(404), HEAD().gives(404)
    ),
    case("DLO of bad UTF-8", PUT(X_Object_Manifest="c/%FF").gives(201), GET().gives(404)),
    *(
        case(f"DLO bad: {value}", PUT(X_Object_Manifest=value).gives(400, WORDS), GET().gives(404))
        for value in ("word", "", "/", "c/", "/c/p", "c//p", "c?/p", "c/p?", "c/p&q")
    ),
]
