"""read_only: a cluster that is read only but for deletes, and an account that is exempted."""

from functional.object_cases.notation import COPY, DELETE, GET, HEAD, POST, PUT, STRANGER, by, case, request

DENIED = "Writes are disabled for this account."
THERE = "/v1/AUTH_test2/read-only"
CASES = (
    case(
        "the account that is exempted",
        PUT(body="x").gives(201),
        POST(X_Object_Meta_A="b").gives(202),
        COPY(Destination="{name}-2").gives(201),
        DELETE().gives(204),
    ),
    case(
        "another account",
        by(STRANGER, PUT(THERE)).gives(405, DENIED),
        by(STRANGER, POST(THERE)).gives(405, DENIED),
        by(STRANGER, PUT(THERE + "/o", "x")).gives(405, DENIED),
        by(STRANGER, POST("/v1/AUTH_test2")).gives(405, DENIED),
        by(STRANGER, POST("/v1.0/AUTH_test2")).gives(405, DENIED),
        by(STRANGER, COPY(THERE + "/o", Destination="c/o")).gives(405, DENIED),
        by(STRANGER, GET("/v1/AUTH_test2?format=json")).gives(200, "[]"),
        by(STRANGER, HEAD(THERE)).gives(404),
        by(STRANGER, DELETE(THERE)).gives(404),
        by(STRANGER, request("OPTIONS", THERE)).gives(200, b""),
        by(STRANGER, PUT("/v1/AUTH_test2/c", more={"X-Account-Sysmeta-Read-Only": "false"})).gives(405, DENIED),
    ),
    case(
        "copies",
        PUT(body="x"),
        COPY(Destination="c/o", Destination_Account="AUTH_test2").gives(405, DENIED),
        COPY(Destination="c/o", Destination_Account="AUTH%5Ftest2").gives(405, DENIED),
        PUT("/v1/AUTH_test2/c/o", X_Copy_From="{name}").gives(405, DENIED),
        by(STRANGER, COPY(THERE + "/o", Destination="{name}", Destination_Account="AUTH_test")).gives(404),
    ),
    case("what is no account", PUT("/v2/AUTH_test2/c").gives(400), PUT("/v1").gives(412, "Bad URL")),
)
