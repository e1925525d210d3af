"""The other filters, each told something else than its default."""

import re

from functional.object_cases.notation import GET, HEAD, NOBODY, POST, PUT, by, case, etag

BARE, QUOTED = etag("x"), f'"{etag("x")}"'
SETUP = [
    PUT("{c}/o", "x"),
    PUT("{v1}/site", X_Container_Read=".r:*,.rlistings", X_Container_Meta_Web_Listings="true"),
    PUT("{v1}/site/dir/o", "x"),
]
CASES = [
    case(
        "crossdomain",
        GET("/crossdomain.xml").gives(200, re.compile(rb'.*domain="a" />\n.*domain="b" />\n.*', re.DOTALL)),
    ),
    case(
        "etag_quoter: by default",
        GET("{c}/o").gives(200, "x", Etag=QUOTED),
        PUT("{own}", X_Container_Rfc_Compliant_Etags="false"),
        PUT("{own}/o", "x").gives(201, Etag=BARE),
        POST("{own}", X_Remove_Container_Rfc_Compliant_Etags="1").gives(204),
        HEAD("{own}/o").gives(200, Etag=QUOTED),
    ),
    case(
        "list_endpoints: its path",
        GET("/where/AUTH_test").gives(200, re.compile(rb"\[.*/AUTH_test\"\]")),
        GET("/where").gives(412, "Bad URL"),
        GET("/endpoints/AUTH_test").gives(400),
    ),
    case(
        "staticweb: url_base",
        by(NOBODY, GET("{v1}/site")).gives(301, Location="https://www.example:444/v1/AUTH_test/site/"),
        by(NOBODY, GET("{v1}/site/dir")).gives(301, Location="https://www.example:444/v1/AUTH_test/site/dir/"),
    ),
    *(
        case(
            f"domain_remap: {name}",
            GET("/others/o", Host=name).gives(200, "x"),
            GET("/v1.0/others/o", Host=name).gives(200, "x"),
            GET("/v1.0", Host=name).gives(200),
            GET("/v1/others/o", Host=name).gives(404),
            GET("/v1.0x/o", Host=name).gives(404),
        )
        for name in ("auth-test.one.example", "test.one.example", "test.two.example:80", "AUTH_test.two.example")
    ),
    case(
        "domain_remap: containers",
        GET("/o", Host="others.test.one.example").gives(200, "x"),
        GET("/v1.0/o", Host="others.auth-test.two.example").gives(200, "x"),
        GET("/v1.0/v1.0/o", Host="others.auth-test.two.example").gives(404),
    ),
    case(
        "domain_remap: the prefix is ours",
        GET("/others/o", Host="other-test.one.example").gives(403),
        GET("/others/o", Host="service_test.one.example").gives(403),
        GET("/others/o", Host="test-2.one.example").gives(403),
    ),
    case(
        "domain_remap and staticweb",
        by(NOBODY, GET("/dir", Host="site.test.one.example")).gives(301, Location="https://www.example:444/dir/"),
    ),
]
