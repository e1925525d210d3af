"""cname_lookup: customers' own host names, looked up in a real DNS server (fakes.dns_server)."""

from fakes.dns_server import FAILS
from functional.object_cases.notation import GET, HEAD, NOBODY, PUT, Step, by, case, eventually

UNKNOWN = "CNAME lookup failed to resolve to a valid domain"
TOO_FAR = "CNAME lookup failed after 2 tries"
SETUP = [PUT("{v1}/dns", X_Container_Read=".r:*,.rlistings", X_Container_Meta_Web_Listings="true")]
SETUP += [PUT("{v1}/dns/o", "x"), PUT("{v1}/dns/dir/o", "y")]


def found(step: Step) -> Step:
    """The first question about a name: on a machine that stands still nobody may hear the answer in time."""
    return eventually(step)


CASES = [
    *(
        case(f"found: {name}", found(GET("/o", Host=name).gives(200, "x")), GET("/none", Host=name).gives(404))
        for name in ("www.customer.test", "www.customer.test:8080", "WWW.customer.test", "chain.customer.test")
    ),
    case("an account", found(GET("/dns/o", Host="account.customer.test").gives(200, "x"))),
    case("asked again", *[found(GET("/o", Host="www.customer.test").gives(200, "x"))] * 2),
    *(
        case(f"not found: {name}", GET("/o", Host=name).gives(400, UNKNOWN), HEAD("/o", Host=name).gives(400))
        for name in ("none.customer.test", "none.customer.test:80", "loop.customer.test", "localhost", FAILS)
    ),
    case("elsewhere", GET("/o", Host="elsewhere.customer.test").gives(400, UNKNOWN)),
    case("too far", GET("/o", Host="longer.customer.test").gives(400, TOO_FAR)),
    case("another prefix is left alone", found(GET("{v1}/dns/o", Host="other.customer.test").gives(200, "x"))),
    case("one of ours is not asked for", GET("{v1}/dns/o", Host="store.example").gives(200, "x")),
    case("an address is not asked for", GET("{v1}/dns/o", Host="127.0.0.1:8080").gives(200, "x")),
    case(
        "redirects of staticweb",
        found(by(NOBODY, GET("/dir", Host="www.customer.test")).gives(301, Location="http://www.customer.test/dir/")),
        by(NOBODY, GET("/dir", Host="www.customer.test:81")).gives(301, Location="http://www.customer.test:81/dir/"),
    ),
]
