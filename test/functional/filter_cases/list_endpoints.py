"""list_endpoints: where on the storage nodes something lies (formats.md 7.21)."""

import re

from functional.object_cases.notation import GET, HEAD, NOBODY, POST, PUT, Case, by, case

ACCOUNT, CONTAINER, OBJECT = "AUTH_test", "AUTH_test/c", "AUTH_test/list_endpoints/o"


def urls(name: str) -> bytes:
    """A pattern of the JSON list of some endpoints of a name."""
    one = rb'"http://127\.0\.0\.1:\d+/\w+/\d+/' + re.escape(name.encode()) + b'"'
    return rb"\[" + one + b"(, " + one + rb")*\]"


def first(name: str) -> re.Pattern[bytes]:
    return re.compile(urls(name))


def second(name: str, policy: int | None = None) -> re.Pattern[bytes]:
    headers = "" if policy is None else f'"X-Backend-Storage-Policy-Index": "{policy}"'
    return re.compile(rb'\{"endpoints": ' + urls(name) + rb', "headers": \{' + headers.encode() + rb"\}\}")


def refused(path: str, body: str = "No account specified") -> Case:
    return case(f"no name: {path}", GET(path).gives(400, body))


SETUP = [PUT("{v1}/silver-ends", X_Storage_Policy="silver")]
CASES = [
    *(
        case(
            f"{prefix or 'no version'}",
            GET(f"/endpoints/{prefix}{ACCOUNT}").gives(200, first(ACCOUNT), Content_Type="application/json"),
            GET(f"/endpoints/{prefix}{CONTAINER}").gives(200, first(CONTAINER)),
            GET(f"/endpoints/{prefix}{OBJECT}").gives(200, first(OBJECT)),
            GET(f"/endpoints/{prefix}{OBJECT}/a//b/").gives(200, first(OBJECT + "/a//b/")),
        )
        for prefix in ("", "v1/", "v1.0/", "1/", "1.0/")
    ),
    *(
        case(
            prefix,
            GET(f"/endpoints/{prefix}{ACCOUNT}").gives(200, second(ACCOUNT)),
            GET(f"/endpoints/{prefix}{CONTAINER}").gives(200, second(CONTAINER)),
            GET(f"/endpoints/{prefix}{OBJECT}").gives(200, second(OBJECT, 0)),
            GET(f"/endpoints/{prefix}{ACCOUNT}/silver-ends/o").gives(200, second("AUTH_test/silver-ends/o", 1)),
            GET(f"/endpoints/{prefix}{ACCOUNT}/no-such/o").gives(200, second("AUTH_test/no-such/o", 0)),
        )
        for prefix in ("v2/", "2.0/", "v2.0/")
    ),
    case("without a token", by(NOBODY, GET(f"/endpoints/{ACCOUNT}")).gives(200, first(ACCOUNT))),
    case(
        "odd names",
        GET("/endpoints/AUTH_test/%C3%A9/a%20b%3F%23").gives(200, first("AUTH_test/%C3%A9/a%20b%3F%23")),
        GET("/endpoints/AUTH_test/c/%2541").gives(200, first("AUTH_test/c/%2541")),
        GET("/endpoints/AUTH_test/c/a%2Fb").gives(200, first("AUTH_test/c/a/b")),
        GET("/endpoints/v_3/AUTH_test").gives(200, first("v_3/AUTH_test")),
        GET("/endpoints/nan/c").gives(200, first("nan/c")),
    ),
    case(
        "a trailing slash",
        GET(f"/endpoints/{ACCOUNT}/").gives(200, first(ACCOUNT)),
        GET(f"/endpoints/v1/{CONTAINER}/").gives(200, first(CONTAINER)),
        GET(f"/endpoints/v2/{CONTAINER}/").gives(200, second(CONTAINER)),
    ),
    case("bad UTF-8", GET("/endpoints/AUTH_test/c/%FF").gives(412, "Invalid UTF8 or contains NULL")),
    refused("/endpoints/"),
    refused("/endpoints//"),
    refused("/endpoints/v1"),
    refused("/endpoints/v1/"),
    refused("/endpoints/v2//c"),
    refused("/endpoints/AUTH_test//o"),
    refused("/endpoints/v3/AUTH_test", "Unsupported version 'v3'"),
    refused("/endpoints/v1.5/AUTH_test", "Unsupported version 'v1.5'"),
    refused("/endpoints/vx%3Cb%3E/AUTH_test", "Unsupported version 'vx%3Cb%3E'"),
    case(
        "other methods",
        HEAD(f"/endpoints/{ACCOUNT}").gives(405, Allow="GET"),
        POST(f"/endpoints/{ACCOUNT}").gives(405, Allow="GET"),
        PUT(f"/endpoints/{ACCOUNT}").gives(405, Allow="GET"),
        HEAD("/endpoints/").gives(405),
    ),
    case("no such path", GET("/endpoints").gives(412, "Bad URL"), GET(f"/endpointsx/{ACCOUNT}").gives(400)),
]
