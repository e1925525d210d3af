"""Containers' metadata: set, changed, removed, limited; and the headers that mean something to the cluster."""

from functional.object_cases.notation import ADMIN, ANY_BODY, DELETE, GET, HEAD, POST, PUT, Case, Step, by, case

POLICY = "X-Storage-Policy"


def limits(verb: str) -> list[Case]:
    """The limits of metadata, by PUT of a new container or POST to one; in an account of its own."""

    def send(**headers: str) -> tuple[Step, ...]:
        put, post = PUT("{fresh}/c", more=headers), POST("{fresh}/c", more=headers)
        return (by(ADMIN, put),) if verb == "PUT" else (by(ADMIN, PUT("{fresh}/c")), by(ADMIN, post))

    done = 201 if verb == "PUT" else 204

    def one(title: str, status: int, body: str | None, **headers: str) -> Case:
        *before, last = send(**headers)
        head = by(ADMIN, HEAD("{fresh}/c")).gives(404 if verb == "PUT" and status == 400 else 204)
        return case(f"{verb} {title}", *before, last.gives(status, body), head)

    meta = "X-Container-Meta-"
    return [
        one("value of 256 bytes", done, None, **{meta + "A": "v" * 256}),
        one("value of 257 bytes", 400, "Metadata value longer than 256: x-container-meta-A", **{meta + "A": "v" * 257}),
        one("value of 128 letters of two bytes", done, None, **{meta + "A": "\xc3\xa9" * 128}),
        one("name of 128 bytes", done, None, **{meta + "a" * 128: "v"}),
        one(
            "name of 129 bytes",
            400,
            "Metadata name too long: x-container-meta-A" + "a" * 128,
            **{meta + "a" * 129: "v"},
        ),
        one("name empty", 400, "Metadata name cannot be empty", **{meta: "v"}),
        one("name and value empty", 400, "Metadata name cannot be empty", **{meta: ""}),
        one("90 items", done, None, **{f"{meta}{n}": "v" for n in range(90)}),
        one("91 items", 400, "Too many metadata items; max 90", **{f"{meta}{n}": "v" for n in range(91)}),
        one("4096 bytes", done, None, **{f"{meta}{n:02}": "v" * 254 for n in range(16)}),
        one(
            "4097 bytes",
            400,
            "Total metadata too large; max 4096",
            **{f"{meta}{n:02}": "v" * (254 if n else 255) for n in range(16)},
        ),
        one("value no UTF-8", 400, "Metadata must be valid UTF-8", **{meta + "A": "\xff"}),
        one("name no UTF-8", 400, "Metadata must be valid UTF-8", **{meta + "\xff": "1"}),
        one("name of UTF-8", done, None, **{meta + "\xc3\xa9": "\xe2\x82\xac"}),
        one("read list of 8000 bytes", done, None, **{"X-Container-Read": "a:" + "b" * 8000}),
        one("sync key of UTF-8", done, None, **{"X-Container-Sync-Key": "\xc3\xa9"}),
        one("name with odd marks", done, None, **{meta + "a!#$%&'*+.^_`|~1": "v"}),
    ]


def shown(title: str, header: str, value: str, second: str | None = None) -> Case:
    """A header that is stored and shown, changed, removed by its removal header, and by an empty value."""
    words = header.replace("-", "_")
    removal = {"X-Remove-" + header[2:]: "x"}
    return case(
        title,
        PUT("{own}", more={header: value}).gives(201),
        HEAD("{own}").gives(204, **{words: value}),
        POST("{own}", more={header: second or value + "2"}).gives(204),
        GET("{own}").gives(204, **{words: second or value + "2"}),
        POST("{own}", more=removal).gives(204),
        HEAD("{own}").gives(204, **{words: None}),
        PUT("{own}", more={header: value}).gives(202),
        HEAD("{own}").gives(204, **{words: value}),
        POST("{own}", more={header: ""}).gives(204),
        HEAD("{own}").gives(204, **{words: None}),
        POST("{own}", more=removal).gives(204),
    )


def merged(*sent: dict[str, str]) -> tuple[Step, ...]:
    return tuple(POST("{own}", more=headers) for headers in sent)


SYNC = "X-Container-Sync-To"
BAD_TARGETS = {
    "no URL": "nonsense",
    "of another scheme": "ftp://127.0.0.1/v1/a/c",
    "without a container": "http://127.0.0.1/v1/a",
    "without a path": "http://127.0.0.1",
    "with an object": "http://127.0.0.1/v1/a/c/o",
    "with a prefix": "http://127.0.0.1/d1/0/v1/a/c",
    "with a user of a good host": "http://user:key@127.0.0.1/v1/a/c",
    "with a query": "http://127.0.0.1/v1/a/c?x=y",
    "with a fragment": "http://127.0.0.1/v1/a/c#x",
    "of a host not allowed": "http://example.com/v1/a/c",
    "with a bad bracket": "http://[1/v1/a/c",
    "of an unknown realm": "//realm/cluster/a/c",
    "of half a realm": "//realm/cluster",
    "of a realm and no cluster": "//realm",
    "of slashes": "//",
    "without a host": "http:///v1/a/c",
    "with an empty container": "http://127.0.0.1/v1/a/",
    "with a user": "http://user:key@example.com/v1/a/c",
    "with parameters": "http://127.0.0.1/v1/a/c;x",
}

CASES = [
    shown("metadata", "X-Container-Meta-Color", "blue"),
    shown("metadata of UTF-8", "X-Container-Meta-Color", "\xc3\xa9", "\xe2\x82\xac"),
    shown("read list", "X-Container-Read", "a:b", "a:c"),
    shown("write list", "X-Container-Write", "a:b", "a:c"),
    shown("sync key", "X-Container-Sync-Key", "secret"),
    shown("sync target", "X-Container-Sync-To", "http://127.0.0.1/v1/a/c"),
    shown("temp-URL key", "X-Container-Meta-Temp-URL-Key", "secret"),
    shown("second temp-URL key", "X-Container-Meta-Temp-URL-Key-2", "secret"),
    shown("quota of bytes", "X-Container-Meta-Quota-Bytes", "100", "200"),
    shown("quota of objects", "X-Container-Meta-Quota-Count", "100", "200"),
    shown("origins", "X-Container-Meta-Access-Control-Allow-Origin", "http://a", "http://b"),
    shown("web index", "X-Container-Meta-Web-Index", "index.html", "i.html"),
    *limits("PUT"),
    *limits("POST"),
    case(
        "POST adds",
        PUT("{own}", X_Container_Meta_A="1", X_Container_Meta_B="2"),
        POST("{own}", X_Container_Meta_A="3", X_Container_Meta_C="4").gives(204),
        HEAD("{own}").gives(204, X_Container_Meta_A="3", X_Container_Meta_B="2", X_Container_Meta_C="4"),
    ),
    case(
        "PUT adds",
        PUT("{own}", X_Container_Meta_A="1", X_Container_Meta_B="2"),
        PUT("{own}", X_Container_Meta_A="3").gives(202),
        HEAD("{own}").gives(204, X_Container_Meta_A="3", X_Container_Meta_B="2"),
    ),
    case(
        "limits hold for all that is kept",
        PUT("{own}", more={f"X-Container-Meta-A{n}": "v" for n in range(60)}),
        POST("{own}", more={f"X-Container-Meta-B{n}": "v" for n in range(31)}).gives(400, ANY_BODY),
        POST("{own}", more={f"X-Container-Meta-B{n}": "v" for n in range(30)}).gives(204),
        POST("{own}", more={"X-Container-Meta-C": "v"}).gives(400, ANY_BODY),
        POST("{own}", more={"X-Container-Meta-A1": ""}).gives(204),
        POST("{own}", more={"X-Container-Meta-C": "v"}).gives(204),
        HEAD("{own}"),
    ),
    case(
        "size limit holds for all that is kept",
        PUT("{own}", more={f"X-Container-Meta-A{n:02}": "v" * 200 for n in range(15)}),
        POST("{own}", more={f"X-Container-Meta-B{n:02}": "v" * 200 for n in range(10)}).gives(400, ANY_BODY),
        HEAD("{own}").gives(204, X_Container_Meta_B01=None),
    ),
    case(
        "limits do not count removals",
        PUT("{own}", more={f"X-Container-Meta-A{n}": "v" for n in range(60)}),
        POST("{own}", more={f"X-Container-Meta-A{n}": "" for n in range(60)}).gives(204),
        POST("{own}", more={f"X-Container-Meta-B{n}": "v" for n in range(90)}).gives(204),
        HEAD("{own}"),
    ),
    case(
        "91 removals",
        PUT("{own}"),
        POST("{own}", more={f"X-Container-Meta-A{n}": "" for n in range(91)}).gives(400, ANY_BODY),
    ),
    case(
        "removal header beside the header",
        PUT("{own}", X_Container_Meta_A="1"),
        POST("{own}", more={"X-Remove-Container-Meta-A": "x", "X-Container-Meta-A": "2"}).gives(204),
        HEAD("{own}").gives(204),
        POST("{own}", more={"X-Container-Meta-A": "3", "X-Remove-Container-Meta-A": "x"}).gives(204),
        HEAD("{own}").gives(204),
    ),
    case(
        "removal header without a name",
        PUT("{own}", X_Container_Meta_A="1"),
        POST("{own}", more={"X-Remove-Container-Meta-": "x"}).gives(204),
        HEAD("{own}").gives(204, X_Container_Meta_A="1"),
    ),
    case(
        "removal header of nothing",
        PUT("{own}"),
        POST("{own}", more={"X-Remove-Container-Meta-A": "x"}).gives(204),
        HEAD("{own}").gives(204, X_Container_Meta_A=None),
    ),
    case(
        "removal header without a value",
        PUT("{own}", X_Container_Meta_A="1"),
        POST("{own}", more={"X-Remove-Container-Meta-A": ""}).gives(204),
        HEAD("{own}"),
    ),
    case(
        "removal by PUT",
        PUT("{own}", X_Container_Meta_A="1"),
        PUT("{own}", X_Remove_Container_Meta_A="x"),
        HEAD("{own}"),
    ),
    case(
        "names in any case",
        PUT("{own}", more={"x-cONTAINER-mETA-aBC": "1"}),
        HEAD("{own}").gives(204, X_Container_Meta_Abc="1"),
    ),
    case(
        "value of blanks",
        PUT("{own}", X_Container_Meta_A="  a b  "),
        HEAD("{own}").gives(204, X_Container_Meta_A="a b"),
    ),
    case("twice", PUT("{own}", more={"X-Container-Meta-A": "1", "x-container-meta-a": "2"}), HEAD("{own}")),
    case("underscores", PUT("{own}", more={"X_Container_Meta_A": "1"}), HEAD("{own}")),
    case(
        "what clients may not set",
        PUT(
            "{own}",
            X_Container_Sysmeta_A="1",
            X_Backend_Storage_Policy_Index="0",
            X_Backend_Timestamp="1",
            X_Container_Object_Count="9",
        ).gives(201),
        POST("{own}", X_Container_Sysmeta_A="2", X_Container_Bytes_Used="9").gives(204),
        HEAD("{own}").gives(204, X_Container_Object_Count="0", X_Container_Bytes_Used="0", X_Storage_Policy="silver"),
    ),
    case("metadata of other kinds", PUT("{own}", X_Object_Meta_A="1", X_Account_Meta_B="2"), HEAD("{own}")),
    case("Content-Type is not kept", PUT("{own}", Content_Type="a/b"), HEAD("{own}")),
    case("object versions by POST", PUT("{own}"), POST("{own}", X_Versions_Enabled="true"), HEAD("{own}")),
    case(
        "versions location",
        PUT("{own}", X_Versions_Location="x"),
        HEAD("{own}"),
        POST("{own}", X_Remove_Versions_Location="x"),
        HEAD("{own}"),
    ),
    case(
        "quota of bytes that is none",
        PUT("{own}", X_Container_Meta_Quota_Bytes="x").gives(400, "Invalid bytes quota."),
        HEAD("{own}").gives(404, b""),
    ),
    *(
        # In an account of its own: what the peer makes in spite of its answer must not show elsewhere.
        case(
            f"sync target {title}",
            by(ADMIN, PUT("{fresh}/c", more={SYNC: target})).gives(400, ANY_BODY),
            by(ADMIN, HEAD("{fresh}/c")).gives(404),
        )
        for title, target in BAD_TARGETS.items()
    ),
    *(
        case(f"sync target {title}, posted", PUT("{own}"), POST("{own}", more={SYNC: target}).gives(400, ANY_BODY))
        for title, target in list(BAD_TARGETS.items())[:3]
    ),
    case(
        "sync target with a port", PUT("{own}", more={SYNC: "http://127.0.0.1:8080/v1/a/c"}).gives(201), HEAD("{own}")
    ),
    case("sync target by https", PUT("{own}", more={SYNC: "https://127.0.0.1/v1/a/c"}).gives(201), HEAD("{own}")),
    case("sync target bad, missing container", POST("{own}", more={SYNC: "nonsense"}).gives(400, ANY_BODY)),
    case(
        "sync key no UTF-8",
        by(ADMIN, PUT("{fresh}/c", X_Container_Sync_Key="\xff")).gives(400, ANY_BODY),
        by(ADMIN, HEAD("{fresh}/c")).gives(404),
    ),
    case(
        "policy named",
        PUT("{own}", more={POLICY: "gold"}).gives(201),
        HEAD("{own}").gives(204, X_Storage_Policy="gold"),
    ),
    case(
        "policy by an alias",
        PUT("{own}", more={POLICY: "YELLOW"}).gives(201),
        HEAD("{own}").gives(204, X_Storage_Policy="gold"),
    ),
    case(
        "policy in any case",
        PUT("{own}", more={POLICY: "GoLd"}).gives(201),
        HEAD("{own}").gives(204, X_Storage_Policy="gold"),
    ),
    case("policy unknown", PUT("{own}", more={POLICY: "lead"}).gives(400, ANY_BODY), HEAD("{own}").gives(404)),
    case("policy of UTF-8", PUT("{own}", more={POLICY: "\xc3\xa9"}).gives(400, ANY_BODY)),
    case("policy of bytes", PUT("{own}", more={POLICY: "\xff"}).gives(400, ANY_BODY)),
    case("policy by its index", PUT("{own}", more={POLICY: "0"}).gives(400, ANY_BODY)),
    case("policy deprecated", PUT("{own}", more={POLICY: "bronze"}).gives(400, ANY_BODY), HEAD("{own}").gives(404)),
    case(
        "policy empty", PUT("{own}", more={POLICY: ""}).gives(201), HEAD("{own}").gives(204, X_Storage_Policy="silver")
    ),
    case(
        "policy changed",
        PUT("{own}", more={POLICY: "gold"}),
        PUT("{own}", more={POLICY: "silver"}).gives(409),
        PUT("{own}", more={POLICY: "silver", "X-Container-Meta-A": "1"}).gives(409),
        PUT("{own}", more={POLICY: "au"}).gives(202),
        PUT("{own}").gives(202),
        POST("{own}", more={POLICY: "silver"}).gives(204),
        POST("{own}", more={POLICY: "lead"}).gives(204),
        HEAD("{own}").gives(204, X_Storage_Policy="gold", X_Container_Meta_A=None),
        PUT("{own}", more={POLICY: "bronze"}).gives(400, ANY_BODY),
    ),
    case(
        "policy of a container made again",
        PUT("{own}", more={POLICY: "gold"}),
        DELETE("{own}"),
        PUT("{own}").gives(201),
        HEAD("{own}").gives(204, X_Storage_Policy="silver"),
        DELETE("{own}"),
        PUT("{own}", more={POLICY: "gold"}).gives(201),
        HEAD("{own}").gives(204, X_Storage_Policy="gold"),
        PUT("{own}/o", "123"),
        GET("{own}/o").gives(200, "123"),
        HEAD("{own}").gives(204, X_Container_Object_Count="1", X_Container_Bytes_Used="3"),
    ),
]
