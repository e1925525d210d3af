"""The filters in concert: what one lets in, makes or promises, and what the others make of that."""

from __future__ import annotations

import json

from functional.filter_cases.bulk import extract, extracted, tar
from functional.filter_cases.formpost import file, form
from functional.filter_cases.tempurl import ACCOUNT_KEY, anyone, prefixed, refused, url
from functional.object_cases.notation import (
    ADMIN,
    ANY,
    ANY_BODY,
    COPY,
    DELETE,
    GET,
    HEAD,
    POST,
    PUT,
    by,
    case,
    etag,
    eventually,
)

KEY, FORM_KEY = "together-key", "together-form"
OTHER, SITE, HIDDEN, SMALL = (f"{{v1}}/together-{word}" for word in ("other", "site", "hidden", "small"))
KEYS = {"X-Container-Meta-Temp-URL-Key": KEY, "X-Container-Meta-Temp-URL-Key-2": FORM_KEY}
HOST = {"Host": "together.AUTH-test.store.example"}
SITE_HOST = {"Host": "together-site.AUTH-test.store.example"}


def manifest(*paths: str) -> str:
    """Return a manifest of segments."""
    return json.dumps([{"path": path} for path in paths])


SETUP = (
    POST("{v1}", more={"X-Account-Meta-Temp-URL-Key": ACCOUNT_KEY}),
    POST("{c}", more=KEYS),
    PUT(OTHER),
    PUT(f"{OTHER}/s/1", "abcd", Content_Type="text/plain"),
    PUT(f"{OTHER}/s/2", "efgh"),
    PUT(HIDDEN),
    PUT(f"{HIDDEN}/page", "hidden page", Content_Type="text/html"),
    PUT(SMALL, more={"X-Container-Meta-Quota-Bytes": "60", **KEYS}),
    PUT(
        SITE,
        more={"X-Container-Meta-Web-Index": "index", "X-Container-Meta-Web-Error": "error", "X-Container-Meta-Web-Listings": "true"},
        X_Container_Read=".r:*,.rlistings",
    ),
    PUT(f"{SITE}/a/index", "page a", Content_Type="text/html"),
    PUT(f"{SITE}/slo/index?multipart-manifest=put", manifest("/together-site/a/index", "/together-site/a/index"), Content_Type="text/html"),
    PUT(f"{SITE}/hidden-slo/index?multipart-manifest=put", manifest("/together-hidden/page"), Content_Type="text/html"),
    PUT(f"{SITE}/dlo/index", more={"X-Object-Manifest": "together-site/a/"}, Content_Type="text/html"),
    PUT(f"{SITE}/hidden-dlo/index", more={"X-Object-Manifest": "together-hidden/page"}),
    PUT(f"{SITE}/link/index", more={"X-Symlink-Target": "together-site/a/index"}),
    PUT(f"{SITE}/hidden-link/index", more={"X-Symlink-Target": "together-hidden/page"}),
    PUT(f"{SITE}/dangling/index", more={"X-Symlink-Target": "together-site/nothing"}),
    PUT(f"{SITE}/list/link", more={"X-Symlink-Target": "together-hidden/page"}),
)  # fmt: skip

SIGNED = (
    case(
        "an archive by a signed prefix",
        anyone(PUT(prefixed("{o}/", "{slug}/", "PUT", more="&extract-archive=tar"), tar("a", "b/c"))).gives(200, ANY_BODY),
        GET("{o}/a").gives(404),
        GET("{o}/b/c").gives(404),
    ),
    case(
        "an archive by a signed prefix, beyond it",
        anyone(PUT(prefixed("{o}/", "{slug}/", "PUT", more="&extract-archive=tar"), tar("../x", "/y"))).gives(200, ANY_BODY),
    ),
    case(
        "an archive for the account, signed",
        anyone(PUT(url("{v1}", "PUT", more="&extract-archive=tar"), tar("c/a"))).gives(200, ANY_BODY),
    ),
    case(
        "an archive by a signed name",
        anyone(PUT(url("{o}", "PUT", more="&extract-archive=tar"), tar("a"))).gives(200, ANY_BODY),
    ),
    case(
        "bulk deletion by a signed prefix",
        PUT("{o}/a", "x"),
        anyone(POST(prefixed("{o}/", "{slug}/", "POST", more="&bulk-delete"), body="{name}/a\n", Content_Type="text/plain")).gives(
            200, ANY_BODY
        ),
        GET("{o}/a").gives(200, "x"),
    ),
    case(
        "a copy to elsewhere in the container",
        PUT("{o}", "x"),
        anyone(COPY(url("{o}", "COPY", key=KEY), Destination="{name}-2")).gives(201, ""),
        anyone(COPY(url("{o}", "COPY", key=KEY), Destination="together-other/{slug}")).gives(401, ANY_BODY),
        anyone(COPY(url("{o}", "COPY"), Destination="together-other/{slug}")).gives(201, ""),
        anyone(COPY(url("{o}", "COPY"), Destination="c/x", Destination_Account="AUTH_test2")).gives(401, ANY_BODY),
    ),
    case(
        "a copy of what leads elsewhere",
        PUT("{o}", more={"X-Symlink-Target": "together-other/s/1"}),
        anyone(COPY(url("{o}", "COPY", key=KEY), Destination="{name}-2")).gives(401, ANY_BODY),
        PUT("{o}-m", more={"X-Object-Manifest": "together-other/s/"}),
        anyone(COPY(url("{o}-m", "COPY", key=KEY), Destination="{name}-3")).gives(401, ANY_BODY),
        PUT("{o}-s?multipart-manifest=put", manifest("/together-other/s/1")),
        anyone(COPY(url("{o}-s", "COPY", key=KEY), Destination="{name}-4")).gives(409, ANY_BODY),
        anyone(COPY(url("{o}-s", "COPY", key=KEY, more="&multipart-manifest=get"), Destination="{name}-5")).gives(409, ANY_BODY),
        anyone(COPY(url("{o}-s", "COPY"), Destination="{name}-6")).gives(201, ""),
        GET("{o}-6").gives(200, "abcd"),
    ),
    case(
        "headers of a copy",
        anyone(PUT(url("{o}", "PUT"), more={"x-copy-from": "together-other/s/1"})).gives(400, ANY_BODY),
        anyone(PUT(url("{o}", "PUT"), more={"X-Copy-From-Account": "AUTH_test2"})),
        anyone(PUT(url("{o}", "PUT"), more={"X-Symlink-Target-Account": "AUTH_test2"})),
        anyone(PUT(url("{o}", "PUT"), more={"X-Symlink-Target-Etag": "x"})),
        anyone(POST(url("{o}", "POST"), more={"X-Object-Manifest": "together-other/s/"})).gives(400, ANY_BODY),
    ),
    case(
        "a link through a link",
        PUT("{o}", more={"X-Symlink-Target": "{name}-2"}),
        PUT("{o}-2", more={"X-Symlink-Target": "together-other/s/1"}),
        anyone(GET(url("{o}", key=KEY))).gives(401, ANY_BODY),
        anyone(GET(url("{o}", key=KEY, more="&symlink=get"))).gives(401, ANY_BODY),
        anyone(GET(url("{o}"))).gives(200, "abcd"),
        anyone(HEAD(url("{o}", key=KEY))).gives(401),
        anyone(POST(url("{o}", "POST", key=KEY), X_Object_Meta_A="b")).gives(307, ANY_BODY, Location=ANY),
        anyone(DELETE(url("{o}", "DELETE", key=KEY))).gives(204),
        GET("{o}-2").gives(200, "abcd"),
    ),
    case(
        "a version in another container",
        PUT("{own}-v"),
        PUT("{own}", more={"X-Versions-Location": "own-{slug}-v", **KEYS}),
        anyone(PUT(url("{own}/o", "PUT", key=KEY), "1")).gives(201),
        anyone(PUT(url("{own}/o", "PUT", key=KEY), "22")).gives(201),
        anyone(GET(url("{own}/o", key=KEY))).gives(200, "22"),
        GET("{own}-v?format=txt").gives(200, ANY_BODY),
        anyone(DELETE(url("{own}/o", "DELETE", key=KEY))).gives(204),
        anyone(GET(url("{own}/o", key=KEY))).gives(200, "1"),
    ),
    case(
        "versions of the container's own",
        PUT("{own}", more={"X-Versions-Enabled": "true", **KEYS}),
        anyone(PUT(url("{own}/o", "PUT", key=KEY), "1")).gives(201).saves(first="X-Object-Version-Id"),
        anyone(PUT(url("{own}/o", "PUT", key=KEY), "22")).gives(201),
        anyone(GET(url("{own}/o", key=KEY))).gives(200, "22"),
        anyone(GET(url("{own}/o", key=KEY, more="&version-id={first}"))).gives(200, "22"),
        anyone(DELETE(url("{own}/o", "DELETE", key=KEY, more="&version-id={first}"))).gives(204),
        anyone(GET(url("{own}/o", key=KEY))).gives(404),
        GET("{own}/o?version-id={first}").gives(200, "1"),
        anyone(POST(url("{own}/p", "POST", key=KEY), X_Object_Meta_A="b")).gives(404),
        anyone(COPY(url("{own}/o", "COPY", key=KEY, more="&version-id={first}"), Destination="own-{slug}/p")).gives(404, ANY_BODY),
    ),
    case(
        "through the container's own host",
        PUT("{o}", "x"),
        anyone(GET(url("/{slug}", signs="{o}"), more=HOST)).gives(200, "x"),
        refused(GET(url("/{slug}"), more=HOST)),
        anyone(GET(prefixed("/{slug}", "{slug}"), more=HOST)).gives(200, "x"),
        anyone(PUT(url("/{slug}", "PUT", signs="{o}"), "yy", more=HOST)).gives(201),
        GET("/{slug}", more=HOST).gives(200, "yy"),
    ),
)  # fmt: skip


SITES = (
    case("site: a/", anyone(GET(f"{SITE}/a/")).gives(200, "page a")),
    case(
        "site: slo/",
        anyone(GET(f"{SITE}/slo/")).gives(200, "page apage a"),
        anyone(GET(f"{SITE}/slo/", Range="bytes=4-7")).gives(206, " apa"),
        anyone(GET(f"{SITE}/slo/?multipart-manifest=get")).gives(200, ANY_BODY),
        anyone(HEAD(f"{SITE}/slo/")).gives(200),
        anyone(GET(f"{SITE}/slo")).gives(301, ANY_BODY),
    ),
    case(
        "site: hidden segments",
        anyone(GET(f"{SITE}/hidden-slo/")).gives(409, ANY_BODY),
        GET(f"{SITE}/hidden-slo/", more={"X-Web-Mode": "true"}).gives(200, "hidden page"),
        anyone(GET(f"{SITE}/hidden-dlo/")).gives(401, ANY_BODY),
    ),
    case("site: dlo/", anyone(GET(f"{SITE}/dlo/")).gives(200, "page a"), anyone(HEAD(f"{SITE}/dlo/")).gives(200)),
    case(
        "site: links",
        anyone(GET(f"{SITE}/link/")).gives(200, "page a"),
        anyone(GET(f"{SITE}/link")).gives(301, ANY_BODY),
        anyone(GET(f"{SITE}/hidden-link/")).gives(401, ANY_BODY),
        anyone(GET(f"{SITE}/dangling/")).gives(200, ANY_BODY),
        anyone(GET(f"{SITE}/list/")).gives(200, ANY_BODY),
        anyone(GET(f"{SITE}/list/link")).gives(401, ANY_BODY),
    ),
    case(
        "site: by its own host",
        anyone(GET("/a/", more=SITE_HOST)).gives(200, "page a"),
        anyone(GET("/a", more=SITE_HOST)).gives(301, ANY_BODY),
        anyone(GET("/list/", more=SITE_HOST)).gives(200, ANY_BODY),
        anyone(GET("/", more=SITE_HOST)).gives(200, ANY_BODY),
        anyone(GET("/nothing", more=SITE_HOST)).gives(404),
    ),
    case(
        "site: quoted ETags",
        PUT("{own}", more={"X-Container-Meta-Web-Index": "index", "X-Container-Rfc-Compliant-Etags": "true"}, X_Container_Read=".r:*,.rlistings"),
        PUT("{own}/index", "page", Content_Type="text/html").gives(201, Etag=f'"{etag("page")}"'),
        anyone(GET("{own}/")).gives(200, "page", Etag=etag("page")),
        anyone(GET("{own}/index")).gives(200, "page", Etag=f'"{etag("page")}"'),
        anyone(GET("{own}/", If_None_Match=f'"{etag("page")}"')).gives(304),
    ),
)  # fmt: skip
ETAGS = (
    case(
        "quoted ETags everywhere",
        PUT("{own}", more={"X-Container-Rfc-Compliant-Etags": "true", "X-Versions-Enabled": "true", **KEYS}),
        PUT("{own}/o", "x").gives(201, Etag=f'"{etag("x")}"').saves(v="X-Object-Version-Id"),
        HEAD("{own}/o?version-id={v}").gives(200, Etag=f'"{etag("x")}"'),
        PUT("{own}/s?multipart-manifest=put", manifest("/together-other/s/1")).gives(201, Etag=ANY),
        HEAD("{own}/s").gives(200, Etag=ANY),
        PUT("{own}/d", more={"X-Object-Manifest": "together-other/s/"}),
        HEAD("{own}/d").gives(200, Etag=ANY),
        COPY("{own}/o", Destination="own-{slug}/copy").gives(201, Etag=f'"{etag("x")}"'),
        PUT("{own}/l", more={"X-Symlink-Target": "own-{slug}/o", "X-Symlink-Target-Etag": etag("x")}),
        PUT("{own}/l2", more={"X-Symlink-Target": "own-{slug}/o", "X-Symlink-Target-Etag": f'"{etag("x")}"'}),
        HEAD("{own}/l").gives(200, Etag=f'"{etag("x")}"'),
        HEAD("{own}/l?symlink=get").gives(200, Etag=ANY),
        anyone(GET(url("{own}/o", key=KEY))).gives(200, "x", Etag=f'"{etag("x")}"'),
        GET("{own}/o", If_Match=f'"{etag("x")}"').gives(200, "x"),
        GET("{own}/o", If_Match=etag("x")).gives(200, "x"),
        PUT("{own}/o", "y", more={"Etag": f'"{etag("y")}"'}).gives(201, Etag=f'"{etag("y")}"'),
        PUT("{own}/o", "y", more={"Etag": f'"{etag("z")}"'}).gives(422),
        form(file("f"), target="{own}/", key=FORM_KEY),
    ),
)  # fmt: skip
LONG = "x" * 70
QUOTAS = (
    case(
        "a small container",
        PUT(f"{SMALL}/{{slug}}", LONG).gives(413, ANY_BODY),
        PUT("{o}", LONG),
        COPY("{o}", Destination="together-small/{slug}").gives(413, ANY_BODY),
        PUT(f"{SMALL}/{{slug}}", more={"X-Copy-From": "{name}"}).gives(413, ANY_BODY),
        PUT(f"{SMALL}/{{slug}}?multipart-manifest=put", json.dumps([{"path": "/together-other/s/1", "etag": etag("abcd")}])).gives(413, ANY_BODY),
        PUT(f"{SMALL}/{{slug}}?multipart-manifest=put", manifest("/together-other/s/1")).gives(201),
        PUT(f"{SMALL}/{{slug}}-d", more={"X-Object-Manifest": "together-other/s/"}).gives(201),
        PUT(f"{SMALL}/{{slug}}-l", more={"X-Symlink-Target": "{name}"}).gives(201),
        anyone(PUT(url(f"{SMALL}/{{slug}}-t", "PUT", key=KEY), LONG)).gives(413, ANY_BODY),
        PUT(f"{SMALL}/{{slug}}-c", LONG, framing="chunked").gives(201),
    ),
    case("an archive for a small container", extract(SMALL, tar(LONG, "b")).gives(200, ANY_BODY)),
    case(
        "a copy of a large object",
        PUT("{own}", more={"X-Container-Meta-Quota-Bytes": "6"}),
        PUT("{o}?multipart-manifest=put", manifest("/together-other/s/1", "/together-other/s/2")),
        COPY("{o}", Destination="own-{slug}/o").gives(413, ANY_BODY),
        COPY("{o}", Destination="own-{slug}/o", Range="bytes=0-3").gives(201),
        COPY("{o}?multipart-manifest=get", Destination="own-{slug}/o").gives(413, ANY_BODY),
        PUT("{o}-d", more={"X-Object-Manifest": "together-other/s/"}),
        COPY("{o}-d", Destination="own-{slug}/o").gives(413, ANY_BODY),
    ),
    case(
        "a form for a full container",
        PUT("{own}", more={"X-Container-Meta-Quota-Count": "0", **KEYS}),
        form(file("a"), target="{own}/", key=FORM_KEY).gives(413, ANY_BODY),
        form(file("a"), target="{own}/", key=FORM_KEY, redirect="http://h/").gives(
            303, ANY_BODY, Location="http://h/?status=413&message="
        ),
        HEAD("{own}/a").gives(404),
        anyone(PUT(url("{own}/a", "PUT", key=KEY))).gives(413, ANY_BODY),
        extract("{own}", tar("a")).gives(200, ANY_BODY),
        PUT("{own}/a?multipart-manifest=put", manifest("/together-other/s/1")).gives(413, ANY_BODY),
        PUT("{own}/a", more={"X-Symlink-Target": "together-other/s/1"}).gives(413, ANY_BODY),
    ),
    case(
        "versions and quotas",
        PUT("{own}-v", more={"X-Container-Meta-Quota-Bytes": "1"}),
        PUT("{own}", more={"X-Versions-Location": "own-{slug}-v"}),
        PUT("{own}/o", "12345").gives(201),
        PUT("{own}/o", "67890").gives(201),
        DELETE("{own}/o").gives(204),
        GET("{own}/o").gives(200, "12345"),
    ),
    case(
        "an account's quota and a signature",
        by(ADMIN, PUT("{fresh}/c", more={"X-Container-Meta-Temp-URL-Key": KEY, "X-Container-Meta-Temp-URL-Key-2": FORM_KEY})),
        by(ADMIN, POST("{fresh}", more={"X-Account-Quota-Bytes": "8", "X-Account-Meta-Temp-URL-Key": ACCOUNT_KEY})),
        eventually(anyone(PUT(url("{fresh}/c/o", "PUT"), "123456789")).gives(413, ANY_BODY)),
        anyone(PUT(url("{fresh}/c/o", "PUT"), "1234")).gives(201),
        anyone(COPY(url("{fresh}/c/o", "COPY"), Destination="c/p")).gives(201),
        form(file("a", "123456789"), target="{fresh}/c/", key=FORM_KEY).gives(201, ANY_BODY),
        by(ADMIN, extract("{fresh}", tar("c/a-name-of-nine")).gives(200, extracted(created=1))),
    ),
)  # fmt: skip
FORMS = (
    case(
        "a form for a container with versions",
        PUT("{own}", more={"X-Versions-Enabled": "true", **KEYS}),
        form(file("a", "one"), target="{own}/", key=FORM_KEY).gives(201, ANY_BODY),
        form(file("a", "two"), target="{own}/", key=FORM_KEY).gives(201, ANY_BODY),
        GET("{own}/a").gives(200, "two"),
    ),
    case(
        "a form through the container's own host",
        by(HOST, form(file("a", "one"), target="/{slug}/", signed={"path": "{o}/"}, key=FORM_KEY)),
        GET("{o}/a").gives(200, "one"),
    ),
    case(
        "a form for bulk",
        form(file("a", "one"), target="{o}?bulk-delete", signed={"path": "{o}"}, key=FORM_KEY).gives(200, ANY_BODY),
        form(file("a?multipart-manifest=put", "[]"), target="{o}?multipart-manifest=put", signed={"path": "{o}"}, key=FORM_KEY),
    ),
)  # fmt: skip
CASES = (*SIGNED, *SITES, *ETAGS, *QUOTAS, *FORMS)
