"""Symbolic links, dynamic and static."""

from typing import Any

from functional.object_cases.notation import ANY_BODY, COPY, DELETE, EMPTY_ETAG, GET, HEAD, POST, PUT, Case, case, etag

TEN = "0123456789"
ETAG = etag(TEN)
TARGET = {"Content_Type": "text/x-target", "X_Object_Meta_A": "1"}
BAD_FORM = "X-Symlink-Target header must be of the form <container name>/<object name>"


def bad(name: str, status: int, words: Any = ANY_BODY, **headers: Any) -> Case:
    return case(f"bad: {name}", PUT(**headers).gives(status, words), GET("{o}?symlink=get").gives(404))


SETUP = [
    PUT("{c}/target", TEN, **TARGET),
    PUT("{c}/link", X_Symlink_Target="links/target"),
    PUT("{c}/static", X_Symlink_Target="links/target", X_Symlink_Target_Etag=ETAG),
    PUT("{c}/2", X_Symlink_Target="links/link"),
    PUT("{c}/3", X_Symlink_Target="links/2"),
    PUT("{c}/4", X_Symlink_Target="links/3"),
    PUT("{c}/broken", X_Symlink_Target="links/missing"),
    PUT("{c}/loop1", X_Symlink_Target="links/loop2"),
    PUT("{c}/loop2", X_Symlink_Target="links/loop1"),
]
FOLLOWED = {"ETag": ETAG, **TARGET, "Content_Location": "{v1}/links/target", "X_Symlink_Target": None}
CASES = [
    case("made", PUT(X_Symlink_Target="links/target").gives(201, ETag=EMPTY_ETAG)),
    case("made, slash in the name", PUT(X_Symlink_Target="links/a/b/c").gives(201)),
    case(
        "made, quoted",
        PUT(X_Symlink_Target="links/a%20%C3%A9").gives(201),
        GET("{o}?symlink=get").gives(200, "", X_Symlink_Target="links/a%20%C3%A9"),
    ),
    case("made, chunked", PUT(X_Symlink_Target="links/target", framing="chunked").gives(201), GET().gives(200, TEN)),
    case(
        "made with metadata",
        PUT(X_Symlink_Target="links/target", X_Object_Meta_L="l", Content_Type="a/link").gives(201),
        GET().gives(200, TEN, X_Object_Meta_L=None),
        GET("{o}?symlink=get").gives(200, "", X_Object_Meta_L="l", Content_Type="a/link"),
    ),
    case("followed", GET("{c}/link").gives(200, TEN, **FOLLOWED)),
    case("followed by head", HEAD("{c}/link").gives(200, **FOLLOWED, Content_Length="10")),
    case("static followed", GET("{c}/static").gives(200, TEN, **FOLLOWED)),
    case("static followed by head", HEAD("{c}/static").gives(200, **FOLLOWED)),
    case("range", GET("{c}/link", Range="bytes=2-3").gives(206, "23", Content_Range="bytes 2-3/10")),
    case("range beyond", GET("{c}/link", Range="bytes=10-").gives(416, Content_Range="bytes */10")),
    case(
        "If-None-Match",
        GET("{c}/link", If_None_Match=ETAG).gives(304),
        GET("{c}/link", If_None_Match=EMPTY_ETAG).gives(200, TEN),
    ),
    case(
        "If-Match", GET("{c}/link", If_Match=EMPTY_ETAG).gives(412, b""), GET("{c}/link", If_Match=ETAG).gives(200, TEN)
    ),
    case(
        "shown",
        GET("{c}/link?symlink=get").gives(
            200,
            "",
            ETag=EMPTY_ETAG,
            X_Symlink_Target="links/target",
            Content_Type="application/symlink",
            Content_Location=None,
        ),
    ),
    case("shown by head", HEAD("{c}/link?symlink=get").gives(200, X_Symlink_Target="links/target", Content_Length="0")),
    case(
        "static shown",
        GET("{c}/static?symlink=get").gives(
            200, "", X_Symlink_Target="links/target", X_Symlink_Target_Etag=ETAG, Content_Type="text/x-target"
        ),
    ),
    case("shown, a plain object", GET("{c}/target?symlink=get").gives(200, TEN, X_Symlink_Target=None)),
    case("of a link", GET("{c}/2").gives(200, TEN, Content_Location="{v1}/links/target")),
    case("of three links", GET("{c}/3").gives(409, ANY_BODY), HEAD("{c}/3").gives(409)),
    case("loop", GET("{c}/loop1").gives(409, ANY_BODY), HEAD("{c}/loop1").gives(409)),
    case("broken", GET("{c}/broken").gives(404), HEAD("{c}/broken").gives(404)),
    case(
        "target deleted",
        PUT("{o}-t", "x"),
        PUT(X_Symlink_Target="{name}-t"),
        DELETE("{o}-t"),
        GET().gives(404),
        GET("{o}?symlink=get").gives(200, ""),
    ),
    case(
        "target changed", PUT("{o}-t", "x"), PUT(X_Symlink_Target="{name}-t"), PUT("{o}-t", "y"), GET().gives(200, "y")
    ),
    case(
        "static target changed",
        PUT("{o}-t", "x"),
        PUT(X_Symlink_Target="{name}-t", X_Symlink_Target_Etag=etag("x")),
        PUT("{o}-t", "y"),
        GET().gives(409, ANY_BODY),
        HEAD().gives(409),
    ),
    case(
        "static target gone",
        PUT("{o}-t", "x"),
        PUT(X_Symlink_Target="{name}-t", X_Symlink_Target_Etag=etag("x")),
        DELETE("{o}-t"),
        GET().gives(404),
    ),
    case(
        "static in a listing",
        PUT("{own}"),
        PUT("{own}/o", X_Symlink_Target="links/target", X_Symlink_Target_Etag=ETAG).gives(201),
        GET("{own}?format=json").gives(200, ANY_BODY, X_Container_Bytes_Used="0"),
    ),
    case(
        "dynamic in a listing",
        PUT("{own}"),
        PUT("{own}/o", X_Symlink_Target="links/target").gives(201),
        GET("{own}?format=json").gives(200, ANY_BODY, X_Container_Object_Count="1"),
    ),
    case(
        "in an XML listing",
        PUT("{own}"),
        PUT("{own}/o", X_Symlink_Target="links/target"),
        GET("{own}?format=xml").gives(200),
    ),
    case(
        "in a plain listing",
        PUT("{own}"),
        PUT("{own}/o", X_Symlink_Target="links/target"),
        GET("{own}").gives(200, "o\n"),
    ),
    case(
        "overwritten",
        PUT("{o}-t", "x"),
        PUT(X_Symlink_Target="{name}-t"),
        PUT(body="plain").gives(201),
        GET().gives(200, "plain"),
        GET("{o}-t").gives(200, "x"),
    ),
    case(
        "deleted",
        PUT("{o}-t", "x"),
        PUT(X_Symlink_Target="{name}-t"),
        DELETE().gives(204),
        GET().gives(404),
        GET("{o}-t").gives(200, "x"),
    ),
    case(
        "POST",
        PUT("{o}-t", "x"),
        PUT(X_Symlink_Target="{name}-t"),
        POST(X_Object_Meta_L="l").gives(307, ANY_BODY, Location="{o}-t"),
        HEAD("{o}?symlink=get").gives(200, X_Object_Meta_L="l"),
        HEAD("{o}-t").gives(200, X_Object_Meta_L=None),
    ),
    case(
        "POST with a target",
        PUT(body="x"),
        POST(X_Symlink_Target="links/target").gives(400, ANY_BODY),
        GET().gives(200, "x"),
    ),
    case("COPY of a link", COPY("{c}/link", Destination="{name}").gives(201), GET("{o}?symlink=get").gives(200, TEN)),
    case(
        "COPY of the link itself",
        COPY("{c}/link?symlink=get", Destination="{name}").gives(201),
        GET("{o}?symlink=get").gives(200, "", X_Symlink_Target="links/target"),
        GET().gives(200, TEN),
    ),
    case(
        "COPY of a static link itself",
        COPY("{c}/static?symlink=get", Destination="{name}").gives(201),
        GET("{o}?symlink=get").gives(200, "", X_Symlink_Target_Etag=ETAG),
    ),
    case(
        "account named",
        PUT(X_Symlink_Target="links/target", X_Symlink_Target_Account="{account}").gives(201),
        GET("{o}?symlink=get").gives(200, "", X_Symlink_Target_Account="{account}"),
        GET().gives(200, TEN),
    ),
    case(
        "account of another",
        PUT(X_Symlink_Target="c/o", X_Symlink_Target_Account="AUTH_other").gives(201),
        GET().gives(403),
    ),
    case(
        "expiring",
        PUT(X_Symlink_Target="links/target", X_Delete_At="{now+1000}").gives(201),
        HEAD("{o}?symlink=get").gives(200, X_Delete_At="{now+1000}"),
    ),
    case(
        "etag quoted",
        PUT(X_Symlink_Target="links/target", X_Symlink_Target_Etag=f'"{ETAG}"').gives(201),
        GET().gives(200, TEN),
    ),
    case("with a right ETag", PUT(X_Symlink_Target="links/target", ETag=EMPTY_ETAG).gives(201)),
    case("with the target's ETag", PUT(X_Symlink_Target="links/target", ETag=ETAG).gives(422)),
    case(
        "if none is there",
        PUT(X_Symlink_Target="links/target", If_None_Match="*").gives(201),
        PUT(X_Symlink_Target="links/target", If_None_Match="*").gives(412),
    ),
    bad("a body", 400, "Symlink requests require a zero byte body", body="x", X_Symlink_Target="links/target"),
    bad("a word", 412, BAD_FORM, X_Symlink_Target="links"),
    bad("a slash before", 412, BAD_FORM, X_Symlink_Target="/links/target"),
    bad("empty", 412, BAD_FORM, X_Symlink_Target=""),
    bad("no object", 412, BAD_FORM, X_Symlink_Target="links/"),
    case("not checked", PUT(X_Symlink_Target="links/%FF").gives(201), PUT(X_Symlink_Target_Account="a").gives(201)),
    case(
        "static, of too long a chain",
        PUT(X_Symlink_Target="links/3", X_Symlink_Target_Etag=ETAG).gives(409, ANY_BODY),
        GET("{o}?symlink=get").gives(404),
    ),
    bad("itself", 400, "Symlink cannot target itself", X_Symlink_Target="{name}"),
    bad("itself, static", 400, ANY_BODY, X_Symlink_Target="{name}", X_Symlink_Target_Etag=ETAG),
    bad("account with a slash", 412, ANY_BODY, X_Symlink_Target="links/target", X_Symlink_Target_Account="a/b"),
    bad("etag of another", 409, ANY_BODY, X_Symlink_Target="links/target", X_Symlink_Target_Etag=EMPTY_ETAG),
    bad("etag of a missing target", 409, ANY_BODY, X_Symlink_Target="links/missing", X_Symlink_Target_Etag=ETAG),
    bad("etag with a semicolon", 400, ANY_BODY, X_Symlink_Target="links/target", X_Symlink_Target_Etag="a;b"),
    bad("copied at once", 400, ANY_BODY, X_Symlink_Target="links/target", X_Copy_From="links/target"),
]
