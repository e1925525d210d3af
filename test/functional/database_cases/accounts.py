"""Accounts: made by themselves or by a reseller, their counts and metadata, deleted, and what is left."""

from functional.object_cases.notation import (
    ADMIN,
    ANY,
    ANY_BODY,
    DELETE,
    GET,
    GUEST,
    HEAD,
    HTML,
    NOBODY,
    POST,
    PUT,
    STRANGER,
    TIMESTAMP,
    Case,
    Step,
    by,
    case,
    request,
)

NONE = {"X_Account_Container_Count": "0", "X_Account_Object_Count": "0", "X_Account_Bytes_Used": "0"}
META = "X-Account-Meta-"


def admin(name: str, *steps: Step) -> Case:
    """A case whose requests the reseller makes."""
    return case(name, *(by(ADMIN, step) for step in steps))


def limit(title: str, status: int, body: str | None, **headers: str) -> Case:
    done = 201 if status == 204 else status
    return admin(
        title,
        PUT("{fresh}", more=headers).gives(done, body),
        POST("{fresh}-2", more=headers).gives(status, body),
        HEAD("{fresh}"),
        HEAD("{fresh}-2"),
    )


def shown(title: str, header: str, value: str, second: str) -> Case:
    """A header that is stored and shown, changed, and removed."""
    words, removal = header.replace("-", "_"), {"X-Remove-" + header[2:]: "x"}
    return admin(
        title,
        POST("{fresh}", more={header: value}).gives(204),
        HEAD("{fresh}").gives(204, **{words: value}),
        POST("{fresh}", more={header: second}).gives(204),
        GET("{fresh}").gives(204, **{words: second}),
        POST("{fresh}", more=removal).gives(204),
        HEAD("{fresh}").gives(204, **{words: None}),
        POST("{fresh}", more={header: value}).gives(204),
        POST("{fresh}", more={header: ""}).gives(204),
        HEAD("{fresh}").gives(204, **{words: None}),
    )


CASES = [
    admin(
        "not yet there",
        HEAD("{fresh}").gives(200, **NONE),
        GET("{fresh}").gives(204),
        GET("{fresh}?format=json").gives(200, "[]"),
        GET("{fresh}?format=xml").gives(200, ANY_BODY),
        GET("{fresh}", Accept="application/json").gives(200, "[]"),
        HEAD("{fresh}?format=json"),
        HEAD("{fresh}", Accept="application/xml"),
        GET("{fresh}", Accept="image/png").gives(406, ANY_BODY),
        DELETE("{fresh}").gives(404),
    ),
    admin("not yet there, slash", HEAD("{fresh}/"), GET("{fresh}/"), POST("{fresh}/").gives(204), HEAD("{fresh}")),
    admin("made by POST", POST("{fresh}").gives(204), HEAD("{fresh}").gives(204, **NONE, X_Timestamp=TIMESTAMP)),
    admin(
        "made by POST with metadata",
        POST("{fresh}", X_Account_Meta_A="1"),
        HEAD("{fresh}").gives(204, X_Account_Meta_A="1"),
    ),
    admin(
        "made by PUT",
        PUT("{fresh}", X_Account_Meta_A="1").gives(201, b""),
        PUT("{fresh}", X_Account_Meta_B="2").gives(202, HTML),
        HEAD("{fresh}").gives(204, X_Account_Meta_A="1", X_Account_Meta_B="2"),
        GET("{fresh}").gives(204),
        GET("{fresh}?format=json").gives(200, "[]"),
    ),
    admin(
        "deleted",
        PUT("{fresh}", X_Account_Meta_A="1"),
        PUT("{fresh}/c", X_Container_Meta_A="1"),
        PUT("{fresh}/c/o", "1"),
        DELETE("{fresh}").gives(204, b""),
        HEAD("{fresh}").gives(410),
        GET("{fresh}").gives(410),
        GET("{fresh}?format=json").gives(410),
        DELETE("{fresh}").gives(404),
        PUT("{fresh}").gives(403, ANY_BODY),
        POST("{fresh}", X_Account_Meta_B="1").gives(404),
        PUT("{fresh}/d").gives(404),
        PUT("{fresh}/c").gives(404),
        HEAD("{fresh}/c").gives(404),
        GET("{fresh}/c").gives(404),
        POST("{fresh}/c").gives(404),
        DELETE("{fresh}/c").gives(404),
        GET("{fresh}/c/o").gives(200, "1"),  # the reaper will take it
        request("OPTIONS", "{fresh}").gives(200),
    ),
    admin(
        "deleted, empty",
        PUT("{fresh}"),
        DELETE("{fresh}").gives(204),
        HEAD("{fresh}").gives(410),
        PUT("{fresh}").gives(403, ANY_BODY),
    ),
    admin("deleted, slash", PUT("{fresh}"), DELETE("{fresh}/").gives(204), HEAD("{fresh}/").gives(410)),
    admin(
        "DELETE with a query", PUT("{fresh}"), DELETE("{fresh}?a=b").gives(400, ANY_BODY), HEAD("{fresh}").gives(204)
    ),
    admin("DELETE with an empty query", PUT("{fresh}"), DELETE("{fresh}?").gives(204)),
    admin("DELETE with a body", PUT("{fresh}"), DELETE("{fresh}", body="x").gives(204)),
    admin("PUT with a body", PUT("{fresh}", "x").gives(201), POST("{fresh}", body="x").gives(204)),
    admin("PUT with a query", PUT("{fresh}?a=b").gives(201), POST("{fresh}?a=b").gives(204)),
    admin(
        "counts",
        PUT("{fresh}/a"),
        PUT("{fresh}/b"),
        PUT("{fresh}/a/o", "123"),
        HEAD("{fresh}").gives(204, X_Account_Container_Count="2"),
        DELETE("{fresh}/b"),
        HEAD("{fresh}").gives(204, X_Account_Container_Count="1"),
        GET("{fresh}").gives(200, "a\n"),
    ),
    admin(
        "counts of policies",
        PUT("{fresh}/a", X_Storage_Policy="gold"),
        PUT("{fresh}/b"),
        PUT("{fresh}/c"),
        HEAD("{fresh}").gives(
            204,
            X_Account_Container_Count="3",
            X_Account_Storage_Policy_Gold_Container_Count="1",
            X_Account_Storage_Policy_Silver_Container_Count="2",
            X_Account_Storage_Policy_Bronze_Container_Count=None,
        ),
        DELETE("{fresh}/a"),
        HEAD("{fresh}").gives(204, X_Account_Storage_Policy_Gold_Container_Count="0"),
        PUT("{fresh}/a"),
        HEAD("{fresh}").gives(204, X_Account_Storage_Policy_Silver_Container_Count="3"),
        GET("{fresh}?format=json").gives(200, ANY_BODY),
    ),
    admin(
        "too many containers",
        *(PUT("{fresh}/%d" % number).gives(201) for number in range(4)),
        HEAD("{fresh}").gives(204, X_Account_Container_Count="4"),
        PUT("{fresh}/4").gives(403, "Reached container limit of 4"),
        PUT("{fresh}/3", X_Container_Meta_A="1").gives(202),
        DELETE("{fresh}/0"),
        HEAD("{fresh}"),
        PUT("{fresh}/4").gives(201),
    ),
    shown("metadata", META + "Color", "blue", "green"),
    shown("metadata of UTF-8", META + "Color", "\xc3\xa9", "\xe2\x82\xac"),
    shown("temp-URL key", META + "Temp-URL-Key", "secret", "other"),
    shown("second temp-URL key", META + "Temp-URL-Key-2", "secret", "other"),
    shown("quota", META + "Quota-Bytes", "100", "200"),
    limit("value of 256 bytes", 204, None, **{META + "A": "v" * 256}),
    limit("value of 257 bytes", 400, "Metadata value longer than 256: x-account-meta-A", **{META + "A": "v" * 257}),
    limit("name of 128 bytes", 204, None, **{META + "a" * 128: "v"}),
    limit("name of 129 bytes", 400, "Metadata name too long: x-account-meta-A" + "a" * 128, **{META + "a" * 129: "v"}),
    limit("name empty", 400, "Metadata name cannot be empty", **{META: "v"}),
    limit("90 items", 204, None, **{f"{META}{n}": "v" for n in range(90)}),
    limit("91 items", 400, "Too many metadata items; max 90", **{f"{META}{n}": "v" for n in range(91)}),
    limit("4096 bytes", 204, None, **{f"{META}{n:02}": "v" * 254 for n in range(16)}),
    limit(
        "4097 bytes",
        400,
        "Total metadata too large; max 4096",
        **{f"{META}{n:02}": "v" * (254 if n else 255) for n in range(16)},
    ),
    limit("value no UTF-8", 400, "Metadata must be valid UTF-8", **{META + "A": "\xff"}),
    limit("metadata name no UTF-8", 400, "Metadata must be valid UTF-8", **{META + "\xff": "1"}),
    limit("metadata name of UTF-8", 204, None, **{META + "\xc3\xa9": "\xe2\x82\xac"}),
    admin(
        "limits hold for all that is kept",
        PUT("{fresh}", more={f"{META}A{n}": "v" for n in range(60)}),
        POST("{fresh}", more={f"{META}B{n}": "v" for n in range(31)}).gives(400, ANY_BODY),
        POST("{fresh}", more={f"{META}B{n}": "v" for n in range(30)}).gives(204),
        PUT("{fresh}", more={f"{META}C": "v"}).gives(400, ANY_BODY),
        HEAD("{fresh}"),
    ),
    admin(
        "removal header beside the header",
        PUT("{fresh}", X_Account_Meta_A="1"),
        POST("{fresh}", more={"X-Remove-Account-Meta-A": "x", "X-Account-Meta-A": "2"}).gives(204),
        HEAD("{fresh}"),
    ),
    admin(
        "removal header without a name",
        PUT("{fresh}"),
        POST("{fresh}", more={"X-Remove-Account-Meta-": "x"}).gives(204),
    ),
    admin(
        "what clients may not set",
        PUT("{fresh}", X_Account_Sysmeta_A="1", X_Backend_Timestamp="1", X_Account_Container_Count="9").gives(201),
        POST("{fresh}", X_Account_Sysmeta_Core_Access_Control='{"admin":["test2"]}').gives(204),
        HEAD("{fresh}").gives(204, **NONE, X_Account_Access_Control=None),
    ),
    admin("metadata of other kinds", PUT("{fresh}", X_Container_Meta_A="1", X_Container_Read=".r:*"), HEAD("{fresh}")),
    admin("COPY", PUT("{fresh}"), request("COPY", "{fresh}", Destination="x/y").gives(405, Allow=ANY)),
    admin("OPTIONS", PUT("{fresh}"), request("OPTIONS", "{fresh}").gives(200, Allow=ANY)),
    admin("UPDATE", PUT("{fresh}"), request("UPDATE", "{fresh}", "[]").gives(405, Allow=ANY)),
    admin("REPLICATE", PUT("{fresh}"), request("REPLICATE", "{fresh}", "[]").gives(405, Allow=ANY)),
    admin("version unknown", HEAD("/v2/AUTH_test").gives(400), PUT("/v2/AUTH_test").gives(400, ANY_BODY)),
    admin(
        "newest",
        PUT("{fresh}", X_Account_Meta_A="1"),
        HEAD("{fresh}", X_Newest="true").gives(204, X_Account_Meta_A="1"),
    ),
    admin(
        "long names",
        *(request(verb, "/v1/AUTH_" + "a" * 252).gives(400, ANY_BODY) for verb in ("HEAD", "GET", "POST", "PUT")),
    ),
    admin("long name and a container", PUT("/v1/AUTH_" + "a" * 252 + "/c").gives(404)),
    admin("name of 256", PUT("/v1/AUTH_" + "a" * 251).gives(201)),
    admin("name of UTF-8", PUT("{fresh}%C3%A9").gives(201), HEAD("{fresh}%C3%A9").gives(204)),
    admin("name no UTF-8", PUT("{fresh}%FF").gives(412, ANY_BODY), HEAD("{fresh}%FF").gives(412)),
    admin("name with NUL", PUT("{fresh}%00x").gives(412, ANY_BODY)),
    case(
        "PUT is for resellers",
        PUT("{v1}").gives(403),
        by(GUEST, PUT("{v1}")).gives(403),
        by(NOBODY, PUT("{v1}")).gives(401),
    ),
    case(
        "DELETE is for resellers",
        DELETE("{v1}").gives(403),
        by(STRANGER, DELETE("{v1}")).gives(403),
        by(NOBODY, DELETE("{v1}")).gives(401),
    ),
    case("DELETE with a query by its owner", DELETE("{v1}?a=b").gives(403, ANY_BODY)),
    case(
        "of others",
        by(STRANGER, GET("{v1}")).gives(403),
        by(GUEST, HEAD("{v1}")).gives(403),
        by(NOBODY, GET("{v1}")).gives(401),
    ),
    case(
        "POST by others",
        by(STRANGER, POST("{v1}")).gives(403),
        by(GUEST, POST("{v1}")).gives(403),
        by(NOBODY, POST("{v1}")).gives(401),
    ),
    case(
        "own metadata",
        POST("{v1}", X_Account_Meta_Own="1").gives(204),
        HEAD("{v1}").gives(204, X_Account_Meta_Own="1"),
        POST("{v1}", X_Remove_Account_Meta_Own="x"),
    ),
    case(
        "temp-URL keys are for owners",
        POST("{v1}", more={META + "Temp-URL-Key": "k"}),
        HEAD("{v1}").gives(204, X_Account_Meta_Temp_Url_Key="k"),
        POST("{v1}", more={META + "Temp-URL-Key": ""}),
    ),
    case(
        "Swift's own accounts",
        by(ADMIN, GET("/v1/AUTH_.x")).gives(403),
        by(ADMIN, PUT("/v1/AUTH_.x")).gives(403),
        by(ADMIN, GET("/v1/.expiring_objects")).gives(403),
    ),
    case(
        "foreign prefix",
        GET("/v1/OTHER_x").gives(403),
        by(ADMIN, GET("/v1/OTHER_x")).gives(403),
        by(ADMIN, PUT("/v1/AUTH_")).gives(403),
        by(NOBODY, HEAD("/v1/x")).gives(401),
    ),
]
