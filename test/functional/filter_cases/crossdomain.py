"""crossdomain: what plug-ins of other sites may do."""

import re

from functional.object_cases.notation import GET, HEAD, NOBODY, POST, by, case, request

DOCUMENT = re.compile(
    rb"<\?xml .*<allow-access-from domain=\"\*\" secure=\"false\" />\n</cross-domain-policy>", re.DOTALL
)
PATH = "/crossdomain.xml"
CASES = (
    case("GET", GET(PATH).gives(200, DOCUMENT, Content_Type="application/xml")),
    case("GET without a token", by(NOBODY, GET(PATH)).gives(200, DOCUMENT)),
    case("GET with a query", GET(PATH + "?a=b").gives(200, DOCUMENT)),
    case("quoted", GET("/crossdomain%2Exml").gives(200, DOCUMENT)),
    case(
        "other methods",
        HEAD(PATH).gives(412),
        POST(PATH).gives(412, "Bad URL"),
        request("OPTIONS", PATH).gives(412, "Bad URL"),
    ),
    case(
        "other paths",
        GET(PATH + "/").gives(412, "Bad URL"),
        GET("/v1" + PATH).gives(403),
        GET("/CrossDomain.xml").gives(412, "Bad URL"),
    ),
)
