"""Containers made, changed and deleted: statuses, names, and what is left behind."""

import re

from functional.object_cases.notation import (
    ADMIN,
    ANY,
    ANY_BODY,
    DATE,
    DELETE,
    GET,
    HEAD,
    HTML,
    NOBODY,
    POST,
    PUT,
    STRANGER,
    TIMESTAMP,
    Case,
    by,
    case,
    request,
)

EMPTY = {"X_Container_Object_Count": "0", "X_Container_Bytes_Used": "0"}


def name(title: str, spelled: str, status: int = 201) -> Case:
    """A container of a name, as it stands on the wire, below an account of its own."""
    target = "{fresh}/" + spelled
    if status != 201:
        return case(title, by(ADMIN, PUT(target)).gives(status, ANY_BODY))
    return case(
        title,
        by(ADMIN, PUT(target)).gives(201),
        by(ADMIN, HEAD(target)).gives(204, **EMPTY),
        by(ADMIN, GET("{fresh}?format=json")).gives(200, ANY_BODY),
        by(ADMIN, DELETE(target)).gives(204),
    )


CASES = [
    case(
        "from PUT to DELETE",
        GET("{own}").gives(404),
        HEAD("{own}").gives(404),
        POST("{own}").gives(404),
        DELETE("{own}").gives(404),
        PUT("{own}").gives(201, b"", Content_Type="text/html; charset=UTF-8", Content_Length="0"),
        PUT("{own}").gives(202, HTML),
        HEAD("{own}").gives(
            204, **EMPTY, X_Timestamp=TIMESTAMP, Last_Modified=DATE, Accept_Ranges="bytes", X_Storage_Policy="silver"
        ),
        GET("{own}").gives(204, **EMPTY),
        POST("{own}").gives(204),
        DELETE("{own}").gives(204, b"", Content_Type="text/html; charset=UTF-8"),
        HEAD("{own}").gives(404, X_Container_Object_Count=None),
        GET("{own}").gives(404),
        DELETE("{own}").gives(404),
    ),
    case(
        "made again",
        PUT("{own}", X_Container_Meta_A="1", X_Container_Read=".r:*", X_Container_Sync_Key="k"),
        DELETE("{own}"),
        PUT("{own}", X_Container_Meta_B="2").gives(201),
        HEAD("{own}").gives(204, X_Container_Meta_A=None, X_Container_Meta_B="2", X_Container_Read=None),
        DELETE("{own}").gives(204),
        POST("{own}", X_Container_Meta_A="1").gives(404),
        PUT("{own}").gives(201),
        HEAD("{own}").gives(204, X_Container_Meta_B=None),
    ),
    case("PUT keeps what is there", PUT("{own}", X_Container_Meta_A="1"), PUT("{own}"), HEAD("{own}").gives(204)),
    case("POST when deleted", PUT("{own}"), DELETE("{own}"), POST("{own}", X_Container_Meta_A="1").gives(404)),
    case(
        "not empty",
        PUT("{own}"),
        PUT("{own}/o", "12345"),
        DELETE("{own}").gives(409, ANY_BODY),
        HEAD("{own}").gives(204, X_Container_Object_Count="1", X_Container_Bytes_Used="5"),
        DELETE("{own}/o"),
        HEAD("{own}").gives(204, **EMPTY),
        DELETE("{own}").gives(204),
        GET("{own}/o").gives(404),
        PUT("{own}/o", "1").gives(404),
    ),
    case(
        "counts",
        PUT("{own}"),
        PUT("{own}/a", "12345"),
        PUT("{own}/b", "1"),
        PUT("{own}/a", "12"),
        HEAD("{own}").gives(204, X_Container_Object_Count="2", X_Container_Bytes_Used="3"),
        DELETE("{own}/a"),
        HEAD("{own}").gives(204, X_Container_Object_Count="1", X_Container_Bytes_Used="1"),
    ),
    case("slash at the end", PUT("{own}/").gives(201), HEAD("{own}").gives(204), HEAD("{own}/").gives(204)),
    case("slash at the end, of all", PUT("{own}/"), GET("{own}/?format=json").gives(200, "[]"), DELETE("{own}/")),
    case("two slashes", PUT("{v1}//x").gives(404, ANY_BODY), GET("{v1}//").gives(404, ANY_BODY)),
    case("query is ignored", PUT("{own}?a=b").gives(201), POST("{own}?a=b").gives(204), DELETE("{own}?a=b").gives(204)),
    case("with a body", PUT("{own}", "ignored").gives(201), POST("{own}", body="ignored").gives(204)),
    case("with a chunked body", PUT("{own}", "ignored", framing="chunked").gives(201), HEAD("{own}").gives(204)),
    case("without a length", PUT("{own}", framing="none").gives(201), POST("{own}", framing="none").gives(204)),
    case("DELETE with a body", PUT("{own}"), DELETE("{own}", body="ignored").gives(204)),
    case("own X-Timestamp", PUT("{own}", X_Timestamp="1.00000").gives(201), DELETE("{own}").gives(204)),
    case("X-Timestamp that is none", PUT("{own}", X_Timestamp="x").gives(201), HEAD("{own}").gives(204)),
    case(
        "conditions", PUT("{own}"), PUT("{own}", If_None_Match="*").gives(202), HEAD("{own}", If_Match="x").gives(204)
    ),
    case("range", PUT("{own}"), PUT("{own}/o", "1"), GET("{own}", Range="bytes=0-0").gives(200, ANY_BODY)),
    case("COPY", PUT("{own}"), request("COPY", "{own}", Destination="x/y").gives(405, Allow=ANY)),
    case("OPTIONS", PUT("{own}"), request("OPTIONS", "{own}").gives(200, Allow=ANY)),
    case("OPTIONS of a missing one", request("OPTIONS", "{own}").gives(200, Allow=ANY)),
    case("UPDATE is not for clients", PUT("{own}"), request("UPDATE", "{own}", "[]").gives(405, Allow=ANY)),
    case("REPLICATE is not for clients", PUT("{own}"), request("REPLICATE", "{own}", "[]").gives(405, Allow=ANY)),
    case("unknown method", PUT("{own}"), request("BREW", "{own}").gives(405, Allow=ANY)),
    case("version unknown", PUT("/v2/AUTH_test/x").gives(400, ANY_BODY), GET("/v2/AUTH_test/x").gives(400, ANY_BODY)),
    case(
        "by a stranger", by(STRANGER, PUT("{own}")).gives(403), PUT("{own}"), by(STRANGER, DELETE("{own}")).gives(403)
    ),
    case("by nobody", by(NOBODY, PUT("{own}")).gives(401), by(NOBODY, GET("{own}")).gives(401)),
    case("HEAD by nobody", PUT("{own}"), by(NOBODY, HEAD("{own}")).gives(401), by(STRANGER, HEAD("{own}")).gives(403)),
    case(
        "in an account that is not yet",
        by(ADMIN, GET("{fresh}/c")).gives(404),
        by(ADMIN, HEAD("{fresh}/c")).gives(404),
        by(ADMIN, POST("{fresh}/c")).gives(404),
        by(ADMIN, DELETE("{fresh}/c")).gives(404),
        by(ADMIN, PUT("{fresh}/c")).gives(201),
        by(ADMIN, HEAD("{fresh}")).gives(204, X_Account_Container_Count="1"),
        by(ADMIN, GET("{fresh}")).gives(200, "c\n"),
        by(ADMIN, DELETE("{fresh}/c")).gives(204),
        by(ADMIN, HEAD("{fresh}")).gives(204, X_Account_Container_Count="0"),
    ),
    case(
        "HEAD asks for a format",
        PUT("{own}"),
        HEAD("{own}?format=json").gives(204),
        HEAD("{own}?format=xml").gives(204),
    ),
    case("HEAD with Accept", PUT("{own}"), HEAD("{own}", Accept="application/json").gives(204)),
    case("HEAD with an unknown Accept", PUT("{own}"), HEAD("{own}", Accept="image/png").gives(406, ANY_BODY)),
    case(
        "newest",
        PUT("{own}", X_Container_Meta_A="1"),
        HEAD("{own}", X_Newest="true").gives(204, X_Container_Meta_A="1"),
    ),
    name("of one letter", "c"),
    name("of 256 letters", "c" * 256),
    name("of 257 letters", "c" * 257, 400),
    name("of 256 letters of two bytes", "%C3%A9" * 256),
    name("of 257 letters of two bytes", "%C3%A9" * 257, 400),
    name("a dot", ".x"),
    name("dots", "..."),
    name("a blank", "%20"),
    name("a line", "a%0Ab"),
    name("quotes", "%22'%3C%26"),
    name("percent", "%2525"),
    name("question", "a%3Fb=c"),
    name("beyond the basic plane", "%F0%9F%98%80"),
    name("no UTF-8", "%FF", 412),
    name("surrogates", "%ED%A0%80", 412),
    name("NUL", "a%00b", 412),
    name("NUL in front", "%00a%00b", 412),
    name("raw UTF-8", "\xc3\xa9"),
    name("a semicolon", "a;b"),
    case("long name elsewhere", GET("{v1}/" + "c" * 257).gives(404), DELETE("{v1}/" + "c" * 257).gives(404)),
    case("long name posted", POST("{v1}/" + "c" * 257).gives(404, ANY_BODY)),
    case(
        "name of objects",
        PUT("{own}"),
        PUT("{own}/..", "1").gives(201),
        GET("{own}").gives(200, re.compile(rb"\.\.\n")),
    ),
]
