"""DELETE: of what is there, of what is not, and X-If-Delete-At."""

from functional.object_cases.notation import DELETE, GET, HEAD, HTML, POST, PUT, case

NO_MATCH = "X-If-Delete-At and X-Delete-At do not match"

CASES = [
    case("there", PUT(body="x"), DELETE().gives(204, b""), GET().gives(404), HEAD().gives(404)),
    case("twice", PUT(body="x"), DELETE().gives(204), DELETE().gives(404, HTML), DELETE().gives(404)),
    case("missing", DELETE().gives(404, HTML, Content_Type="text/html; charset=UTF-8")),
    case("and again there", PUT(body="x"), DELETE(), PUT(body="y").gives(201), GET().gives(200, "y")),
    case("empty object", PUT(body=""), DELETE().gives(204)),
    case("after a POST", PUT(body="x"), POST(X_Object_Meta_A="b"), DELETE().gives(204), GET().gives(404)),
    case(
        "metadata does not come back",
        PUT(body="x", X_Object_Meta_A="b"),
        DELETE(),
        PUT(body="y"),
        HEAD().gives(200, X_Object_Meta_A=None),
    ),
    case("with a body", PUT(body="x"), DELETE(body="ignored").gives(204), GET().gives(404)),
    case("with a chunked body", PUT(body="x"), DELETE(body="ignored", framing="chunked").gives(204)),
    case("with a query", PUT(body="x"), DELETE("{o}?a=b").gives(204), GET().gives(404)),
    case("container missing", DELETE("{own}/o").gives(404, HTML)),
    case("other account", DELETE("/v1/AUTH_other/c/o").gives(403)),
    case("no token", PUT(body="x"), DELETE(X_Auth_Token="").gives(401), GET().gives(200, "x")),
    case("a timestamp of the client", PUT(body="x"), DELETE(X_Timestamp="1.0").gives(204), GET().gives(404)),
    case(
        "the listing forgets",
        PUT("{own}"),
        PUT("{own}/o", "x"),
        DELETE("{own}/o").gives(204),
        GET("{own}?format=json").gives(200, "[]", X_Container_Object_Count="0", X_Container_Bytes_Used="0"),
        DELETE("{own}").gives(204),
    ),
    case(
        "if-delete-at of another",
        PUT(body="x", X_Delete_At="{now+1000}"),
        DELETE(X_If_Delete_At="{now+999}").gives(412, NO_MATCH),
        GET().gives(200, "x"),
    ),
    case(
        "if-delete-at of none",
        PUT(body="x"),
        DELETE(X_If_Delete_At="{now+999}").gives(412, NO_MATCH),
        GET().gives(200, "x"),
    ),
    case(
        "if-delete-at as stored",
        PUT(body="x", X_Delete_At="{now+1000}"),
        DELETE(X_If_Delete_At="{now+1000}").gives(204),
        GET().gives(404),
    ),
    case("if-delete-at of a missing object", DELETE(X_If_Delete_At="{now+999}").gives(404)),
    case(
        "if-delete-at no number",
        PUT(body="x"),
        DELETE(X_If_Delete_At="soon").gives(400, "Bad X-If-Delete-At header value"),
        GET().gives(200, "x"),
    ),
    case(
        "if-delete-at empty",
        PUT(body="x"),
        DELETE(X_If_Delete_At="").gives(400, "Bad X-If-Delete-At header value"),
        GET().gives(200, "x"),
    ),
    case(
        "if-delete-at a fraction",
        PUT(body="x", X_Delete_At="{now+1000}"),
        DELETE(X_If_Delete_At="{now+1000}.5").gives(412, NO_MATCH),
    ),
    case("range is ignored", PUT(body="x"), DELETE(Range="bytes=0-0").gives(204)),
]
