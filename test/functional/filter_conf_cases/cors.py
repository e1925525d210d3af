"""CORS: answers for every origin without strict_cors_mode, origins and headers that the whole cluster allows."""

import re

from functional.object_cases.notation import ANY, GET, HEAD, NOBODY, POST, PUT, Step, by, case, request

MINE, CLUSTER, OTHER, STRANGE = (f"http://{name}.example" for name in ("mine", "cluster", "other", "strange"))
ONE, NONE, ALL = "{v1}/cors-mine", "{v1}/cors-none", "{v1}/cors-star"
EXPOSED = re.compile(r"(?=.*\bx-foo\b)(?=.*X-Cluster)(?=.*X-More)(?=.*\betag\b).*")
CLUSTERS = re.compile(r"(?=.*X-Cluster)(?=.*X-More)(?=.*\bx-object-meta-color\b).*")


def asking(path: str, origin: str, method: str = "GET", **more: str) -> Step:
    return by(NOBODY, request("OPTIONS", path, Origin=origin, Access_Control_Request_Method=method, **more))


SETUP = [
    PUT(
        ONE,
        X_Container_Meta_Access_Control_Allow_Origin=f"{MINE} http://b.example",
        X_Container_Meta_Access_Control_Expose_Headers="X-Foo  x-bar",
        X_Container_Meta_Access_Control_Max_Age="77",
        X_Container_Read=".r:*",
    ),
    PUT(NONE, X_Container_Read=".r:*,.rlistings", X_Container_Meta_Web_Listings="true"),
    PUT(ALL, X_Container_Meta_Access_Control_Allow_Origin=" * "),
    *(PUT(f"{path}/o", "x", X_Object_Meta_Color="red") for path in (ONE, NONE, ALL)),
]
CASES = [
    *(
        case(
            f"actual of {origin}",
            GET(ONE + "/o", Origin=origin).gives(
                200, "x", Access_Control_Allow_Origin=origin, Vary="Origin", Access_Control_Expose_Headers=EXPOSED
            ),
            HEAD(NONE + "/o", Origin=origin).gives(
                200, Access_Control_Allow_Origin=origin, Vary="Origin", Access_Control_Expose_Headers=CLUSTERS
            ),
            GET(ALL + "/o", Origin=origin).gives(200, "x", Access_Control_Allow_Origin="*", Vary=None),
            GET(NONE + "?format=json", Origin=origin).gives(200, Access_Control_Allow_Origin=origin, Vary="Origin"),
            GET(NONE, Origin=origin).gives(200, "o\n", Access_Control_Allow_Origin=origin, Vary="Origin, Accept"),
            HEAD(ONE, Origin=origin).gives(204, Access_Control_Allow_Origin=origin),
            POST(ONE, Origin=origin).gives(204, Access_Control_Allow_Origin=origin),
            GET("{v1}?format=json", Origin=origin).gives(200, Access_Control_Allow_Origin=None),
            GET(ONE + "/none", Origin=origin).gives(404, Access_Control_Allow_Origin=origin),
            GET("{v1}/cors-missing/o", Origin=origin).gives(404, Access_Control_Allow_Origin=origin),
        )
        for origin in (MINE, CLUSTER, STRANGE, "null")
    ),
    case("an empty origin", GET(ONE + "/o", Origin="").gives(200, "x", Access_Control_Allow_Origin=None)),
    case("no origin", GET(ONE + "/o").gives(200, "x", Access_Control_Allow_Origin=None, Vary=None)),
    *(
        case(f"preflight of {origin}", *(asking(f"{path}/o", origin).gives(200, b"", Access_Control_Allow_Origin=ANY)
                                         for path in (ONE, NONE, ALL)))
        for origin in (CLUSTER, OTHER)
    ),
    case(
        "preflight of the container's",
        asking(ONE, MINE).gives(200, b"", Access_Control_Max_Age="77", Access_Control_Allow_Origin=MINE, Vary="Origin"),
        asking(ONE + "/o", MINE, "PUT", Access_Control_Request_Headers="x-b, X-A, x-b").gives(
            200, b"", Access_Control_Allow_Headers=ANY, Vary="Origin, Access-Control-Request-Headers"
        ),
        asking(ALL, MINE, Access_Control_Request_Headers="x-b").gives(200, b"", Vary="Access-Control-Request-Headers"),
        asking(NONE, MINE).gives(401),
        asking(ONE, MINE, "get").gives(401),
        asking(ONE, MINE, "COPY").gives(401),
        asking(ONE + "/o", MINE.upper()).gives(401),
        asking(ONE + "/o", MINE + "/").gives(401),
        asking("{v1}/cors-missing", CLUSTER).gives(200, b"", Access_Control_Allow_Origin=CLUSTER),
    ),
    case("preflight of an account", asking("{v1}", CLUSTER).gives(200, b"", Access_Control_Allow_Origin=None)),
    case("preflight of /info", asking("/info", CLUSTER).gives(200, b"", Access_Control_Allow_Origin=None)),
    case(
        "staticweb and no token",
        by(NOBODY, GET(NONE + "/o", Origin=STRANGE)).gives(200, "x", Access_Control_Allow_Origin=STRANGE),
        by(NOBODY, GET(NONE + "/none", Origin=STRANGE)).gives(404),
        by(NOBODY, GET(NONE + "/", Origin=STRANGE)).gives(200, re.compile(rb"<!DOCTYPE html>.*", re.DOTALL)),
        by(NOBODY, GET(ALL + "/o", Origin=STRANGE)).gives(401),
    ),
    case(
        "metadata that spells it otherwise",
        PUT("{own}", X_Container_Meta_Access_Control_Allow_Origin=f"  {MINE}   *"),
        PUT("{own}/o", "x"),
        GET("{own}/o", Origin=STRANGE).gives(200, "x", Access_Control_Allow_Origin=STRANGE),
        asking("{own}/o", STRANGE).gives(200, b"", Access_Control_Allow_Origin=STRANGE),
        POST("{own}", X_Container_Meta_Access_Control_Max_Age="never").gives(204),
        asking("{own}/o", MINE).gives(200, b"", Access_Control_Max_Age="never"),
        POST("{own}", X_Remove_Container_Meta_Access_Control_Allow_Origin="x").gives(204),
        asking("{own}/o", MINE).gives(401),
    ),
    case(
        "headers that an object brings itself",
        PUT("{own}"),
        PUT("{own}/o", "x", Content_Language="de", Expires="never").gives(201),
        GET("{own}/o", Origin=MINE).gives(200, "x", Content_Language="de", Access_Control_Allow_Origin=MINE),
    ),
]  # fmt: skip
