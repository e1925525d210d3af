"""Scripts of other sites: Origin, preflight requests and what they are shown (formats.md 7.21)."""

from functional.object_cases.notation import ANY, DELETE, GET, HEAD, POST, PUT, Step, case, request

SITE, OTHER = "http://site.example", "http://other.example"


def ask(path: str, **headers: str) -> Step:
    """A preflight request, which a browser sends without a token."""
    return request("OPTIONS", path, X_Auth_Token="", **headers)


def asking(path: str, origin: str = SITE, method: str = "PUT", **more: str) -> Step:
    return ask(path, Origin=origin, Access_Control_Request_Method=method, **more)


ONE, ALL, NONE = "{v1}/cors-one/o", "{v1}/cors-all/o", "{v1}/cors-none/o"
SETUP = [
    PUT(
        "{v1}/cors-one",
        X_Container_Meta_Access_Control_Allow_Origin=f"http://x.example {SITE}",
        X_Container_Meta_Access_Control_Max_Age="5",
        X_Container_Meta_Access_Control_Expose_Headers="X-Foo X-Bar",
    ),
    PUT("{v1}/cors-all", X_Container_Meta_Access_Control_Allow_Origin="*"),
    PUT("{v1}/cors-none"),
    *(PUT(path, "x", X_Object_Meta_A="b") for path in (ONE, ALL, NONE)),
]
SHARED = {"Access_Control_Allow_Origin": SITE, "Access_Control_Expose_Headers": ANY}
HIDDEN = {"Access_Control_Allow_Origin": None, "Access_Control_Expose_Headers": None}
CASES = [
    case("GET of an allowed site", GET(ONE, Origin=SITE).gives(200, "x", **SHARED)),
    case("HEAD of an allowed site", HEAD(ONE, Origin=SITE).gives(200, **SHARED)),
    case("range of an allowed site", GET(ONE, Origin=SITE, Range="bytes=0-0").gives(206, "x", **SHARED)),
    case("304 of an allowed site", GET(ONE, Origin=SITE, If_None_Match="*").gives(304, **SHARED)),
    case("missing object of an allowed site", GET(ONE + "no", Origin=SITE).gives(404, **SHARED)),
    case("GET without token of an allowed site", GET(ONE, Origin=SITE, X_Auth_Token="").gives(401)),
    case("GET of another site", GET(ONE, Origin=OTHER).gives(200, "x", **HIDDEN)),
    case("GET where all are allowed", GET(ALL, Origin=OTHER).gives(200, "x", Access_Control_Allow_Origin="*")),
    case("GET where none is", GET(NONE, Origin=SITE).gives(200, "x", **HIDDEN)),
    case("GET without a site", GET(ONE).gives(200, "x", **HIDDEN)),
    case(
        "PUT, POST, DELETE",
        PUT(ONE + "2", "y", Origin=SITE).gives(201, **SHARED),
        POST(ONE + "2", Origin=SITE).gives(202, **SHARED),
        DELETE(ONE + "2", Origin=SITE).gives(204, **SHARED),
    ),
    case(
        "preflight",
        asking(ONE).gives(
            200, b"", Access_Control_Allow_Origin=SITE, Access_Control_Max_Age="5", Access_Control_Allow_Methods=ANY
        ),
    ),
    case(
        "preflight of headers",
        asking(ONE, Access_Control_Request_Headers="x-a, X-B,,x-a").gives(200, b"", Access_Control_Allow_Headers=ANY),
    ),
    case("preflight where all are allowed", asking(ALL).gives(200, b"", Access_Control_Allow_Origin="*")),
    case("preflight of another site", asking(ONE, OTHER).gives(401)),
    case("preflight of an unknown method", asking(ONE, method="BREW").gives(401)),
    case("preflight without a method", ask(ONE, Origin=SITE).gives(401)),
    case("preflight where none is", asking(NONE).gives(401)),
    case("preflight of a missing container", asking("{own}/o").gives(401)),
    case("preflight for COPY", asking(ONE, method="COPY").gives(401)),
]
