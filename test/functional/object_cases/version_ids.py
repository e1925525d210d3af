"""Object versioning: X-Versions-Enabled, ?versions, version-id, null versions and delete markers."""

import re

from functional.object_cases.access import STRANGER, by
from functional.object_cases.notation import ANY_BODY, COPY, DELETE, GET, HEAD, POST, PUT, Case, Step, case, etag

VERSION = re.compile(r"\d{10}\.\d{5}")
OWN = "{own}/o"


def enabled(name: str, *steps: Step) -> Case:
    """A container of the case's own with versions."""
    return case(name, PUT("{own}", X_Versions_Enabled="true").gives(201), *steps)


def put(body: str, variable: str, **headers: str) -> Step:
    return PUT(OWN, body, **headers).gives(201, X_Object_Version_Id=VERSION).saves(**{variable: "X-Object-Version-Id"})


CASES = [
    enabled(
        "shown",
        HEAD("{own}").gives(204, X_Versions_Enabled="True"),
        GET("{own}?format=json").gives(200, "[]", X_Versions_Enabled="True"),
    ),
    case(
        "never",
        PUT("{own}"),
        HEAD("{own}").gives(204, X_Versions_Enabled=None),
        PUT(OWN, "1").gives(201, X_Object_Version_Id=None),
    ),
    case(
        "by POST",
        PUT("{own}"),
        POST("{own}", X_Versions_Enabled="true").gives(204),
        HEAD("{own}").gives(204, X_Versions_Enabled="True"),
        put("1", "a"),
    ),
    enabled(
        "disabled",
        POST("{own}", X_Versions_Enabled="false").gives(204),
        HEAD("{own}").gives(204, X_Versions_Enabled="False"),
        PUT(OWN, "1").gives(201),
    ),
    enabled("a bad word", POST("{own}", X_Versions_Enabled="perhaps").gives(204), HEAD("{own}").gives(204)),
    case("with legacy versions", PUT("{own}", X_Versions_Enabled="true", X_Versions_Location="a").gives(201)),
    enabled("legacy versions later", POST("{own}", X_Versions_Location="a").gives(204)),
    case(
        "after legacy versions",
        PUT("{own}", X_Versions_Location="a"),
        POST("{own}", X_Versions_Enabled="true").gives(400, ANY_BODY),
    ),
    enabled(
        "put and got",
        put("one", "a"),
        GET(OWN).gives(200, "one", X_Object_Version_Id="{a}", ETag=etag("one")),
        HEAD(OWN).gives(200, X_Object_Version_Id="{a}", Content_Length="3"),
    ),
    enabled(
        "two versions",
        put("one", "a"),
        put("two!", "b"),
        GET(OWN).gives(200, "two!", X_Object_Version_Id="{b}"),
        GET(OWN + "?version-id={a}").gives(200, "one", X_Object_Version_Id="{a}"),
        HEAD(OWN + "?version-id={a}").gives(200, Content_Length="3"),
        HEAD("{own}").gives(204, X_Container_Object_Count="1", X_Container_Bytes_Used="7"),
    ),
    enabled(
        "metadata",
        put("one", "a", X_Object_Meta_A="1", Content_Type="a/b"),
        GET(OWN).gives(200, "one", X_Object_Meta_A="1", Content_Type="a/b"),
    ),
    enabled(
        "range",
        put("0123", "a"),
        GET(OWN, Range="bytes=1-2").gives(206, "12"),
        GET(OWN + "?version-id={a}", Range="bytes=1-2").gives(206, "12"),
    ),
    enabled(
        "conditions",
        put("0123", "a"),
        GET(OWN, If_None_Match=etag("0123")).gives(304),
        GET(OWN + "?version-id={a}", If_Match="x").gives(412, b""),
    ),
    enabled(
        "POST",
        put("one", "a"),
        POST(OWN, X_Object_Meta_A="2").gives(202, ANY_BODY),
        HEAD(OWN).gives(200, X_Object_Meta_A="2", X_Object_Version_Id="{a}"),
    ),
    enabled(
        "POST of a version", put("one", "a"), POST(OWN + "?version-id={a}", X_Object_Meta_A="2").gives(400, ANY_BODY)
    ),
    enabled(
        "deleted",
        put("one", "a"),
        DELETE(OWN).gives(204, X_Object_Version_Id=VERSION).saves(d="X-Object-Version-Id"),
        GET(OWN).gives(404, ANY_BODY),
        HEAD(OWN).gives(404),
        GET(OWN + "?version-id={a}").gives(200, "one"),
        GET(OWN + "?version-id={d}").gives(404, ANY_BODY),
    ),
    enabled("deleted twice", put("one", "a"), DELETE(OWN).gives(204), DELETE(OWN).gives(404, ANY_BODY)),
    enabled("deleted, never there", DELETE(OWN).gives(404, ANY_BODY)),
    enabled(
        "marker deleted",
        put("one", "a"),
        DELETE(OWN).gives(204).saves(d="X-Object-Version-Id"),
        DELETE(OWN + "?version-id={d}").gives(204, X_Object_Version_Id="{d}"),
        GET(OWN).gives(404, ANY_BODY),
    ),
    enabled(
        "version deleted",
        put("one", "a"),
        put("two", "b"),
        DELETE(OWN + "?version-id={a}").gives(204, X_Object_Version_Id="{a}", X_Object_Current_Version_Id="{b}"),
        GET(OWN + "?version-id={a}").gives(404, ANY_BODY),
        GET(OWN).gives(200, "two"),
    ),
    enabled(
        "current version deleted",
        put("one", "a"),
        put("two", "b"),
        DELETE(OWN + "?version-id={b}").gives(204, X_Object_Version_Id="{b}"),
        GET(OWN).gives(404, ANY_BODY),
        GET(OWN + "?version-id={a}").gives(200, "one"),
    ),
    enabled(
        "restored",
        put("one", "a"),
        put("two", "b"),
        PUT(OWN + "?version-id={a}").gives(201),
        GET(OWN).gives(200, "one", X_Object_Version_Id="{a}"),
    ),
    enabled("restored with a body", put("one", "a"), PUT(OWN + "?version-id={a}", "x").gives(400, ANY_BODY)),
    enabled("restored, missing", put("one", "a"), PUT(OWN + "?version-id=1234567890.12345").gives(404, ANY_BODY)),
    enabled(
        "version missing",
        put("one", "a"),
        GET(OWN + "?version-id=1234567890.12345").gives(404, ANY_BODY),
        DELETE(OWN + "?version-id=1234567890.12345").gives(404, ANY_BODY),
    ),
    enabled(
        "version id a word",
        put("one", "a"),
        GET(OWN + "?version-id=word").gives(400, ANY_BODY),
        DELETE(OWN + "?version-id=word").gives(400, ANY_BODY),
        HEAD(OWN + "?version-id=word").gives(400),
    ),
    enabled("null version missing", put("one", "a"), GET(OWN + "?version-id=null").gives(404, ANY_BODY)),
    case(
        "null version",
        PUT("{own}"),
        PUT(OWN, "zero"),
        POST("{own}", X_Versions_Enabled="true"),
        GET(OWN).gives(200, "zero", X_Object_Version_Id="null"),
        GET(OWN + "?version-id=null").gives(200, "zero"),
        put("one", "a"),
        GET(OWN + "?version-id=null").gives(404, ANY_BODY),
        GET(OWN).gives(200, "one", X_Object_Version_Id="{a}"),
    ),
    case(
        "null version deleted",
        PUT("{own}"),
        PUT(OWN, "zero"),
        POST("{own}", X_Versions_Enabled="true"),
        put("one", "a"),
        DELETE(OWN + "?version-id=null").gives(204),
        GET(OWN + "?version-id=null").gives(404, ANY_BODY),
        GET(OWN).gives(404, ANY_BODY),
    ),
    enabled(
        "put while disabled",
        put("one", "a"),
        POST("{own}", X_Versions_Enabled="false"),
        PUT(OWN, "null!").gives(201),
        GET(OWN).gives(200, "null!"),
        GET(OWN + "?version-id={a}").gives(200, "one"),
    ),
    enabled(
        "deleted while disabled",
        put("one", "a"),
        POST("{own}", X_Versions_Enabled="false"),
        DELETE(OWN).gives(204),
        GET(OWN).gives(404, ANY_BODY),
        GET(OWN + "?version-id={a}").gives(200, "one"),
    ),
    case(
        "version id without versions",
        PUT("{own}"),
        PUT(OWN, "x"),
        GET(OWN + "?version-id=null").gives(200, "x"),
        GET(OWN + "?version-id=1234567890.12345").gives(400, ANY_BODY),
        DELETE(OWN + "?version-id=1234567890.12345").gives(400, ANY_BODY),
    ),
    enabled(
        "listed",
        put("one", "a"),
        put("two", "b"),
        GET("{own}?versions&format=json").gives(200, ANY_BODY),
        GET("{own}?format=json").gives(200, ANY_BODY),
    ),
    enabled(
        "listed with a marker of a deletion",
        put("one", "a"),
        DELETE(OWN),
        GET("{own}?versions").gives(200, ANY_BODY),
        GET("{own}").gives(204),
    ),
    enabled("listed empty", GET("{own}?versions").gives(200, "[]")),
    enabled(
        "listed with a limit",
        put("one", "a"),
        put("two", "b"),
        GET("{own}?versions&limit=1").gives(200, ANY_BODY),
        GET("{own}?versions&marker=o").gives(200, "[]"),
        GET("{own}?versions&marker=o&version_marker={b}").gives(200, ANY_BODY),
    ),
    enabled(
        "listed in reverse", put("one", "a"), put("two", "b"), GET("{own}?versions&reverse=on").gives(200, ANY_BODY)
    ),
    enabled(
        "listed by prefix",
        put("one", "a"),
        PUT("{own}/p", "x"),
        GET("{own}?versions&prefix=p").gives(200, ANY_BODY),
        GET("{own}?versions&delimiter=/").gives(200, ANY_BODY),
    ),
    enabled(
        "listed with a version marker alone", GET("{own}?versions&version_marker=1234567890.12345").gives(400, ANY_BODY)
    ),
    enabled("listed with a bad version marker", GET("{own}?versions&marker=o&version_marker=x").gives(400, ANY_BODY)),
    enabled("listed with a delimiter of digits", GET("{own}?versions&delimiter=1").gives(400, ANY_BODY)),
    enabled(
        "listed as text",
        GET("{own}?versions&format=plain").gives(406, ANY_BODY)
        if 0
        else GET("{own}?versions", Accept="text/plain").gives(406, ANY_BODY),
    ),
    enabled("listed as XML", GET("{own}?versions", Accept="application/xml").gives(406, ANY_BODY)),
    case("listed without versions", PUT("{own}"), PUT(OWN, "x"), GET("{own}?versions").gives(200, ANY_BODY)),
    enabled(
        "container deleted with versions",
        put("one", "a"),
        DELETE(OWN),
        DELETE("{own}").gives(409, ANY_BODY),
        GET(OWN + "?version-id={a}").gives(200, "one"),
    ),
    enabled("container deleted, empty", DELETE("{own}").gives(204), HEAD("{own}").gives(404)),
    enabled(
        "COPY of a version",
        put("one", "a"),
        put("two", "b"),
        COPY(OWN + "?version-id={a}", Destination="own-{slug}/p").gives(201, X_Copied_From_Version_Id="{a}"),
        GET("{own}/p").gives(200, "one"),
    ),
    enabled(
        "COPY of a version onto itself",
        put("one", "a"),
        put("two", "b"),
        COPY(OWN + "?version-id={a}", Destination="own-{slug}/o").gives(201),
        GET(OWN).gives(200, "one"),
    ),
    enabled(
        "symlink",
        PUT("{own}/t", "target"),
        PUT(OWN, X_Symlink_Target="own-{slug}/t").gives(201),
        GET(OWN).gives(200, "target"),
    ),
    enabled(
        "refused PUT", put("one", "a"), PUT(OWN, "x", ETag="0" * 32).gives(422, ANY_BODY), GET(OWN).gives(200, "one")
    ),
    case("a long name", PUT("{v1}/" + "n" * 250, X_Versions_Enabled="true").gives(400, ANY_BODY)),
    enabled(
        "if it matches",
        put("one", "a"),
        PUT(OWN, "two", If_Match=etag("one")).gives(201),
        PUT(OWN, "three", If_Match=etag("one")).gives(412, ANY_BODY),
    ),
    enabled(
        "guessed type",
        PUT("{own}/o.html", "x").gives(201, X_Object_Version_Id=VERSION),
        HEAD("{own}/o.html").gives(200, Content_Type="text/html"),
    ),
    enabled("switched off by a stranger", by(STRANGER, POST("{own}", X_Versions_Enabled="false")).gives(403, ANY_BODY)),
    enabled("deleted by a stranger", put("one", "a"), by(STRANGER, DELETE("{own}")).gives(403, ANY_BODY)),
    enabled(
        "PUT if new",
        put("one", "a"),
        PUT(OWN, "x", If_None_Match="*").gives(412, ANY_BODY),
        GET(OWN).gives(200, "one"),
        HEAD("{own}").gives(204, X_Container_Bytes_Used="3"),
    ),
]
