"""domain_remap: account and container in the host's name (formats.md 7.21)."""

from functional.object_cases.notation import GET, HEAD, NOBODY, PUT, Case, by, case

BAD = "Bad domain in host header"
SETUP = [PUT("{c}/o", "x"), PUT("{c}/v1/o", "y")]


def host(name: str, *paths: tuple[str, int]) -> Case:
    """GETs of paths under a host's name."""
    return case(f"{name} {paths[0][0]}", *(GET(path, Host=name).gives(status) for path, status in paths))


FOUND = [("/domain_remap/o", 200), ("/domain_remap/none", 404), ("/domain_remap", 200), ("/", 200)]
CASES = [
    *(
        host(name, *FOUND)
        for name in (
            *("auth-test.store.example", "AUTH-test.store.example", "AUTH_test.store.example"),
            *("auth_test.store.example", "aUtH-test.store.example:80", "auth-test.store.example:"),
        )
    ),
    *(
        host(name, ("/o", 200), ("/none", 404), ("/", 200), ("/v1/o", 200))
        for name in ("domain_remap.auth-test.store.example", "domain_remap.AUTH_test.store.example:8080")
    ),
    host("no-such.auth-test.store.example", ("/o", 404), ("/", 404)),
    case("HEAD", HEAD("/o", Host="domain_remap.auth-test.store.example").gives(200, Content_Length="1")),
    case(
        "PUT",
        PUT("/made", "m", Host="domain_remap.auth-test.store.example").gives(201),
        GET("{c}/made").gives(200, "m"),
    ),
    case("an account of somebody else", GET("/c", Host="auth-other.store.example").gives(403)),
    case("without a token", by(NOBODY, GET("/domain_remap/o", Host="auth-test.store.example")).gives(401)),
    case("another account's case", GET("/", Host="auth-TEST.store.example").gives(403)),
    case("a second prefix", GET("/", Host="service-test.store.example").gives(403)),
    *(
        case(f"left alone: {name}", GET("{c}/o", Host=name).gives(200, "x"))
        for name in (
            *("store.example", "other-test.store.example", "c.other_test.store.example", "127.0.0.1", "127.0.0.1:80"),
            *("test.store.example", "authtest.store.example", "xauth_test.store.example", "other.store.example"),
        )
    ),
    *(
        case(f"bad: {name}", GET("/o", Host=name).gives(400, BAD), HEAD("/o", Host=name).gives(400))
        for name in ("a.b.auth-test.store.example", "a..auth-test.store.example", "x.a.b.c.store.example")
    ),
    *(
        case(
            f"attack, malformed: {name}",
            GET("{c}/o", Host=name).gives(400, "The Host header is repeated or malformed.\n"),
        )
        for name in (
            *("me@auth-test.store.example", "me:secret@c.auth-test.store.example", "c/d.auth-test.store.example"),
            *("a b.auth-x.store.example", "c?.auth-test.store.example", "\u00c3\u00a9.auth-test.store.example"),
        )
    ),
    *(
        case(f"attack, bad: {name}", GET("{c}/o", Host=name).gives(400, BAD))
        for name in (
            *(".auth-test.store.example", ".store.example", "a%2Fb.auth-test.store.example", "[::1].store.example"),
            *("auth-test.store.example:http", "auth-test.store.example:123456", "%00.auth-test.store.example"),
            "..auth-test.store.example",
        )
    ),
    *(
        case(f"attack, left alone: {name}", GET("{c}/o", Host=name).gives(200, "x"))
        for name in (
            *("[::1]", "[::1]:80", "auth.store.example", "auth-.store.example"),
            *("auth_.store.example", "store.example:80", "auth-test.store.example.", "AUTH.store.example"),
        )
    ),
    *(
        case(f"any case: {name}", GET("/domain_remap/o", Host=name).gives(200, "x"))
        for name in ("auth-test.STORE.example", "AUTH-test.Store.Example:80")
    ),
    case(
        "redirects of staticweb",
        PUT("{own}", X_Container_Read=".r:*,.rlistings", X_Container_Meta_Web_Listings="true"),
        PUT("{own}/dir/x", "x"),
        by(NOBODY, GET("/dir", Host="own-{slug}.auth-test.store.example")).gives(
            301, Location="http://own-{slug}.auth-test.store.example/dir/"
        ),
        by(NOBODY, GET("/own-{slug}", Host="auth-test.store.example")).gives(
            301, Location="http://auth-test.store.example/own-{slug}/"
        ),
        by(NOBODY, GET("/v1/AUTH_test/own-{slug}", Host="store.example")).gives(
            301, Location="http://store.example/v1/AUTH_test/own-{slug}/"
        ),
    ),
]
