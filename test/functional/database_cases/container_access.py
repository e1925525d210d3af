"""Containers' access lists: their grammar, and who may do what with a container and its listing."""

from functional.object_cases.notation import (
    ADMIN,
    ANY_BODY,
    DELETE,
    GET,
    GUEST,
    HEAD,
    NOBODY,
    POST,
    PUT,
    STRANGER,
    Case,
    by,
    case,
)

# As sent, and as it is shown afterwards; None: refused.
READ_LISTS = {
    "test:tester": "test:tester",
    " a , b:c ,, d ": "a,b:c,d",
    ".r:*": ".r:*",
    ".r:*,.rlistings": ".r:*,.rlistings",
    ".ref:*": ".r:*",
    ".referer:*": ".r:*",
    ".referrer:*": ".r:*",
    " .r : * ": ".r:*",
    ".R:*": None,
    ".r:-*": ".r:-*",
    ".r:-a.b": ".r:-a.b",
    ".r: - a.b": ".r:-a.b",
    ".r:--a.b": ".r:--a.b",
    ".r:*.example.com": ".r:.example.com",
    ".r:-*.example.com": ".r:-.example.com",
    ".r:.example.com": ".r:.example.com",
    ".r:example.com:80": ".r:example.com:80",
    ".r:": None,
    ".r:-": None,
    ".r:.": None,
    ".r:-.": None,
    ".r:*.": None,
    ".r": ".r",
    ".x:y": None,
    ".unknown": ".unknown",
    ".rlistings:x": None,
    ":": ":",
    ",": "",
    "a:b:c": "a:b:c",
    "*": "*",
    "*:*": "*:*",
    "-a": "-a",
    "a%20b": "a%20b",
    "\xc3\xa9": "\xc3\xa9",
    "\xff": None,
}


def list_case(kind: str, sent: str, kept: str | None) -> Case:
    header = f"X-Container-{kind}"
    if kept is None or (kind == "Write" and ".r:" in kept):
        # In an account of its own: what the peer makes in spite of its answer must not show elsewhere.
        put = by(ADMIN, PUT("{fresh}/c", more={header: sent}))
        return case(f"{kind} {sent!r}", put.gives(400, ANY_BODY), by(ADMIN, HEAD("{fresh}/c")).gives(404))
    shown = {header.replace("-", "_"): kept or None}
    put = PUT("{own}", more={header: sent})
    return case(f"{kind} {sent!r}", put.gives(201), HEAD("{own}").gives(204, **shown))


def grid(title: str, who: dict[str, str], lists: dict[str, str], *statuses: int) -> Case:
    """GET, HEAD, PUT, POST, DELETE of a container, and the GET and PUT of an object in it."""
    steps = (GET("{own}"), HEAD("{own}"), PUT("{own}"), POST("{own}", X_Container_Meta_A="1"), DELETE("{own}"))
    steps = (*steps, GET("{own}/o"), PUT("{own}/p", "x"))
    return case(
        title,
        PUT("{own}", more=lists),
        PUT("{own}/o", "x"),
        *(by(who, step).gives(status, ANY_BODY) for step, status in zip(steps, statuses)),
        HEAD("{own}").gives(204, X_Container_Meta_A=None),
    )


def referred(title: str, entries: str, referrer: str | None, allowed: bool, listing: bool | None = None) -> Case:
    headers = {} if referrer is None else {"Referer": referrer}
    listed = allowed and ".rlistings" in entries if listing is None else listing
    return case(
        f"referrer {title}",
        PUT("{own}", more={"X-Container-Read": entries}),
        PUT("{own}/o", "x"),
        by(NOBODY, GET("{own}/o", more=headers)).gives(200 if allowed else 401, ANY_BODY),
        by(NOBODY, GET("{own}", more=headers)).gives(200 if listed else 401, ANY_BODY),
        by(NOBODY, HEAD("{own}", more=headers)).gives(204 if listed else 401, ANY_BODY),
    )


READ, WRITE = "X-Container-Read", "X-Container-Write"
FORBIDDEN = (403,) * 7
CASES = [
    *(list_case("Read", sent, kept) for sent, kept in READ_LISTS.items()),
    *(list_case("Write", sent, kept) for sent, kept in READ_LISTS.items()),
    case(
        "a bad list by POST",
        PUT("{own}", more={READ: "a"}),
        POST("{own}", more={READ: ".x:y"}).gives(400, ANY_BODY),
        HEAD("{own}").gives(204, X_Container_Read="a"),
    ),
    case("a bad list, missing container", POST("{own}", more={READ: ".x:y"}).gives(400, ANY_BODY)),
    case(
        "a bad list and a good one",
        PUT("{own}", more={READ: "a", WRITE: ".r:*"}).gives(400, ANY_BODY),
        HEAD("{own}").gives(404),
    ),
    case(
        "a long list",
        PUT("{own}", more={READ: ",".join(f"account:user{n}" for n in range(400))}).gives(201),
        HEAD("{own}"),
    ),
    grid("guest without rights", GUEST, {}, *FORBIDDEN),
    grid("guest who may read", GUEST, {READ: "test:tester3"}, 200, 204, 403, 403, 403, 200, 403),
    grid("guest's account may read", GUEST, {READ: "test"}, 200, 204, 403, 403, 403, 200, 403),
    grid("guest who may write", GUEST, {WRITE: "test:tester3"}, 403, 403, 403, 403, 403, 403, 201),
    grid("guest who may both", GUEST, {READ: "test:tester3", WRITE: "test:tester3"}, 200, 204, 403, 403, 403, 200, 201),
    grid("user of that name elsewhere", GUEST, {READ: "test2:tester3"}, *FORBIDDEN),
    grid("anybody by a star", GUEST, {READ: "*:*"}, *FORBIDDEN),
    grid("stranger who may read", STRANGER, {READ: "test2:tester2"}, 200, 204, 403, 403, 403, 200, 403),
    grid("stranger's account may read", STRANGER, {READ: "test2"}, 200, 204, 403, 403, 403, 200, 403),
    grid("stranger by his account's id", STRANGER, {READ: "AUTH_test2"}, 200, 204, 403, 403, 403, 200, 403),
    grid("stranger percent-encoded", STRANGER, {READ: "test2%3Atester2"}, 200, 204, 403, 403, 403, 200, 403),
    grid("stranger and everybody's objects", STRANGER, {READ: ".r:*"}, 403, 403, 403, 403, 403, 200, 403),
    grid("stranger and everybody's all", STRANGER, {READ: ".r:*,.rlistings"}, 200, 204, 403, 403, 403, 200, 403),
    grid("nobody", NOBODY, {READ: "test", WRITE: "test"}, *(401,) * 7),
    grid("nobody and everybody's objects", NOBODY, {READ: ".r:*"}, 401, 401, 401, 401, 401, 200, 401),
    grid("nobody and everybody's all", NOBODY, {READ: ".r:*,.rlistings"}, 200, 204, 401, 401, 401, 200, 401),
    grid("listings alone", NOBODY, {READ: ".rlistings"}, *(401,) * 7),
    grid("listings alone, guest", GUEST, {READ: ".rlistings"}, *FORBIDDEN),
    referred("any", ".r:*", None, True),
    referred("of the host", ".r:a.example", "http://a.example/x", True),
    referred("of the host, with listings", ".r:a.example,.rlistings", "http://a.example/x", True),
    referred("of another", ".r:a.example", "http://b.example/x", False),
    referred("of none", ".r:a.example", None, False),
    referred("of a domain", ".r:.a.example", "http://x.a.example/", True),
    referred("of a domain itself", ".r:.a.example", "http://a.example/", False),
    referred("of a like name", ".r:.a.example", "http://xa.example/", False),
    referred("but one", ".r:*,.r:-bad.example", "http://bad.example/", False),
    referred("but a domain", ".r:*,.r:-.bad.example", "http://x.bad.example/", False),
    referred("the last one decides", ".r:-bad.example,.r:*", "http://bad.example/", True),
    referred("with a port", ".r:a.example", "http://a.example:8080/", True),
    referred("with a user", ".r:a.example", "http://u:p@a.example/", True),
    referred("in capitals", ".r:a.example", "http://A.EXAMPLE/", True),
    referred("that is no URL", ".r:a.example", "a.example", False),
    referred("with a bad bracket", ".r:*", "http://[1/", True),
    referred("unknown", ".r:unknown", None, True),
    referred("no star", ".r:-*", None, False),
    case(
        "lists are for owners",
        PUT("{own}", more={READ: "test:tester3", "X-Container-Sync-Key": "k", "X-Container-Meta-Temp-Url-Key": "k"}),
        by(GUEST, HEAD("{own}")).gives(
            204, X_Container_Read=None, X_Container_Sync_Key=None, X_Container_Meta_Temp_Url_Key=None
        ),
        HEAD("{own}").gives(204, X_Container_Read="test:tester3", X_Container_Sync_Key="k"),
    ),
    case(
        "who may write cannot open the container",
        PUT("{own}", more={WRITE: "test:tester3"}),
        by(GUEST, POST("{own}", more={READ: ".r:*"})).gives(403),
        by(GUEST, PUT("{own}", more={READ: ".r:*"})).gives(403),
        HEAD("{own}").gives(204, X_Container_Read=None),
    ),
    case(
        "the sync key opens writes",
        PUT("{own}", more={"X-Container-Sync-Key": "k"}),
        by(NOBODY, PUT("{own}/o", "x", X_Container_Sync_Key="k", X_Timestamp="1.00000")).gives(201),
        by(NOBODY, POST("{own}/o", X_Container_Sync_Key="k")).gives(401),
        by(NOBODY, DELETE("{own}/o", X_Container_Sync_Key="k")).gives(204),
        by(NOBODY, PUT("{own}/o", "x", X_Container_Sync_Key="wrong", X_Timestamp="1.00000")).gives(401),
        by(NOBODY, PUT("{own}/o", "x", X_Container_Sync_Key="k")).gives(201),
        by(NOBODY, GET("{own}/o", X_Container_Sync_Key="k", X_Timestamp="1.00000")).gives(401),
        by(NOBODY, POST("{own}", X_Container_Sync_Key="k", X_Container_Meta_A="1")).gives(401),
    ),
    case(
        "the sync key and an old change",
        PUT("{own}", more={"X-Container-Sync-Key": "k"}),
        PUT("{own}/o", "new"),
        by(NOBODY, PUT("{own}/o", "old", X_Container_Sync_Key="k", X_Timestamp="1.00000")).gives(202),
        by(NOBODY, DELETE("{own}/o", X_Container_Sync_Key="k", X_Timestamp="1.00000")).gives(409),
        GET("{own}/o").gives(200, "new"),
    ),
    case(
        "the sync key and the far future",
        PUT("{own}", more={"X-Container-Sync-Key": "k"}),
        by(NOBODY, PUT("{own}/o", "x", X_Container_Sync_Key="k", X_Timestamp="9999999999.00000")).gives(400, ANY_BODY),
        HEAD("{own}/o").gives(404),
    ),
    case(
        "the sync key and more than sync does",
        PUT("{own}", more={"X-Container-Sync-Key": "k"}),
        PUT("{own}/o", "x"),
        by(NOBODY, DELETE("{own}/o?multipart-manifest=delete", X_Container_Sync_Key="k")).gives(403, ANY_BODY),
    ),
    case("a missing container", by(GUEST, GET("{own}")).gives(403), by(NOBODY, HEAD("{own}")).gives(401)),
    case(
        "lists go with the container",
        PUT("{own}", more={READ: ".r:*,.rlistings"}),
        DELETE("{own}"),
        by(NOBODY, GET("{own}")).gives(401),
    ),
]
