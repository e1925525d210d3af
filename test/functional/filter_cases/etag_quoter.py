"""etag_quoter: ETags between quotes for whoever wants them (formats.md 7.4)."""

import re

from functional.object_cases.notation import COPY, DELETE, GET, HEAD, POST, PUT, case, etag

BARE, QUOTED = etag("x"), f'"{etag("x")}"'
ON, OFF = {"X-Container-Rfc-Compliant-Etags": "true"}, {"X-Container-Rfc-Compliant-Etags": "false"}
HASH = re.compile(f".*{BARE}.*".encode(), re.DOTALL)


def flag(value: str | None) -> dict[str, str | None]:
    return {"X_Container_Rfc_Compliant_Etags": value, "X_Container_Sysmeta_Rfc_Compliant_Etags": None}


CASES = (
    case("nothing said", PUT(body="x").gives(201, Etag=BARE), GET().gives(200, "x", Etag=BARE)),
    case(
        "a container",
        PUT("{own}", more=ON).gives(201, **flag(None)),
        HEAD("{own}").gives(204, **flag("True")),
        PUT("{own}/o", "x").gives(201, Etag=QUOTED),
        GET("{own}/o").gives(200, "x", Etag=QUOTED),
        HEAD("{own}/o").gives(200, Etag=QUOTED),
        POST("{own}/o", X_Object_Meta_A="b").gives(202),
        GET("{own}/o", Range="bytes=0-0").gives(206, "x", Etag=QUOTED),
        GET("{own}/o", If_None_Match=QUOTED).gives(304, Etag=QUOTED),
        GET("{own}/o", If_None_Match=BARE).gives(304, Etag=QUOTED),
        GET("{own}/o", If_Match='"other"').gives(412, b"", Etag=QUOTED),
        GET("{own}/o", Range="bytes=7-").gives(416, Etag=QUOTED),
        GET("{own}?format=json").gives(200, HASH, **flag("True")),
        GET("{own}").gives(200, "o\n", **flag("True")),
        PUT("{own}/p", "x", Etag=QUOTED).gives(201, Etag=QUOTED),
        PUT("{own}/p", "x", Etag=BARE).gives(201, Etag=QUOTED),
        PUT("{own}/p", "x", Etag='"other"').gives(422),
        COPY("{own}/o", Destination="own-{slug}/q").gives(201, Etag=QUOTED),
        GET("{own}/none").gives(404, Etag=None),
        DELETE("{own}/o").gives(204),
    ),
    case(
        "changed",
        PUT("{own}", more=OFF),
        HEAD("{own}").gives(204, **flag("False")),
        PUT("{own}/o", "x").gives(201, Etag=BARE),
        POST("{own}", more=ON).gives(204),
        GET("{own}/o").gives(200, "x", Etag=QUOTED),
        POST("{own}", more={"X-Container-Rfc-Compliant-Etags": ""}).gives(204),
        HEAD("{own}").gives(204, **flag(None)),
        GET("{own}/o").gives(200, "x", Etag=BARE),
        POST("{own}", more={"X-Container-Rfc-Compliant-Etags": "yes"}).gives(204),
        POST("{own}", more={"X-Remove-Container-Rfc-Compliant-Etags": "x"}).gives(204),
        GET("{own}/o").gives(200, "x", Etag=BARE),
        POST("{own}", more={"X-Container-Rfc-Compliant-Etags": "what"}).gives(204),
        HEAD("{own}").gives(204, **flag("False")),
    ),
    case(
        "large objects have quotes anyway",
        PUT("{own}", more=ON),
        PUT("{own}/o", "x"),
        PUT("{own}/dlo", X_Object_Manifest="own-{slug}/o").gives(201),
        GET("{own}/dlo").gives(200, "x", Etag=re.compile('"[0-9a-f]{32}"')),
    ),
    case(
        "by nobody's leave",
        PUT("{own}", X_Container_Read=".r:*"),
        POST("{own}", more={**ON, "X-Auth-Token": "{guest}"}).gives(403),
        POST("{own}", more={"X-Container-Sysmeta-Rfc-Compliant-Etags": "true"}).gives(204),
        HEAD("{own}").gives(204, **flag(None)),
    ),
    case(
        "an account",
        PUT("{fresh}/c", more={"X-Auth-Token": "{admin}"}).gives(201),
        POST("{fresh}", more={"X-Auth-Token": "{admin}", "X-Account-Rfc-Compliant-Etags": "1"}).gives(204),
        HEAD("{fresh}", more={"X-Auth-Token": "{admin}"}).gives(204, X_Account_Rfc_Compliant_Etags="True"),
        PUT("{fresh}/c/o", "x", more={"X-Auth-Token": "{admin}"}).gives(201, Etag=QUOTED),
        GET("{fresh}/c/o", more={"X-Auth-Token": "{admin}"}).gives(200, "x", Etag=QUOTED),
        GET("{fresh}?format=json", more={"X-Auth-Token": "{admin}"}).gives(200, X_Account_Rfc_Compliant_Etags="True"),
        POST("{fresh}/c", more={"X-Auth-Token": "{admin}", **OFF}).gives(204),
        GET("{fresh}/c/o", more={"X-Auth-Token": "{admin}"}).gives(200, "x", Etag=BARE),
    ),
    case("a missing container", PUT("{own}/o", "x").gives(404), GET("{own}/o").gives(404)),
)
