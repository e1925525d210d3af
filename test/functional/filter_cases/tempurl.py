"""tempurl: URLs that an owner has signed, and what they do not lead to."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

from functional.object_cases.notation import (
    ANY,
    COPY,
    DELETE,
    GET,
    GUEST,
    HEAD,
    NOBODY,
    OWNER,
    POST,
    PUT,
    Step,
    by,
    case,
    etag,
    hmac_of,
    request,
)

ACCOUNT_KEY, ACCOUNT_KEY_2, KEY, KEY_2 = "account-key", "account-key-2", "c\xc3\xa9-key", "key-2"
OTHER = "{v1}/tempurl-other"
INVALID = "401 Unauthorized: Temp URL invalid\n"
BODY = "0123456789"
LATER = "{now+600}"

SETUP = (
    POST("{v1}", more={"X-Account-Meta-Temp-URL-Key": ACCOUNT_KEY, "X-Account-Meta-Temp-URL-Key-2": ACCOUNT_KEY_2}),
    POST("{c}", more={"X-Container-Meta-Temp-URL-Key": KEY, "X-Container-Meta-Temp-URL-Key-2": KEY_2}),
    PUT("{c}/o", BODY, Content_Type="text/x", X_Object_Meta_Secret="s", X_Object_Meta_Public_Word="w"),
    PUT("{c}/dir/a%20%C3%A9%22%25.txt", BODY),
    PUT("{c}/disposed", BODY, Content_Disposition="attachment; filename=x"),
    PUT("{c}/expired", BODY),
    PUT(OTHER),
    PUT(f"{OTHER}/o", "elsewhere"),
    PUT(f"{OTHER}/seg/1", "abc"),
    PUT("{c}/link", more={"X-Symlink-Target": "tempurl-other/o"}),
    PUT("{c}/inner", more={"X-Symlink-Target": "tempurl/o"}),
    PUT("{c}/dlo", more={"X-Object-Manifest": "tempurl-other/seg/"}),
    PUT(
        "{c}/slo?multipart-manifest=put",
        json.dumps([{"path": "/tempurl-other/seg/1", "etag": etag("abc"), "size_bytes": 3}]),
    ),
)


def url(
    target: str = "{c}/o",
    method: str = "GET",
    *,
    key: str = ACCOUNT_KEY,
    signs: str | None = None,
    expires: str = LATER,
    shown: str | None = None,
    ip: str | None = None,
    digest: str = "sha256",
    form: str = "hex",
    more: str = "",
) -> str:
    """Return a target with a signature; `signs`: another path than the target's, `shown`: what the query says of expiry."""
    text = f"{method}\n{expires}\n{signs or target}"
    signature = hmac_of(f"ip={ip}\n{text}" if ip else text, key, digest, form)
    if form != "hex":
        signature = f"{digest}:{signature}"
    addresses = f"&temp_url_ip_range={ip}" if ip else ""
    return f"{target}?temp_url_sig={signature}&temp_url_expires={expires if shown is None else shown}{addresses}{more}"


def prefixed(target: str, prefix: str, method: str = "GET", shown: str | None = None, **options: str) -> str:
    """Return a target with a signature for all objects of a prefix; `shown`: the prefix as the query spells it."""
    more = f"&temp_url_prefix={prefix if shown is None else shown}" + options.pop("more", "")
    return url(target, method, signs=f"prefix:{{c}}/{prefix}", more=more, **options)


def anyone(step: Step) -> Step:
    """Return the request without a token."""
    return by(NOBODY, step)


def refused(step: Step) -> Step:
    """Return the request of somebody whom the URL does not let in."""
    return anyone(step).gives(401, "" if step.method == "HEAD" else INVALID)


def reads(target: str, body: str = BODY, **headers: str | None) -> Step:
    """Return a GET that anyone may make."""
    return anyone(GET(target)).gives(200, body, **headers)


DOWNLOADS = (
    *(case(f"key {key}", reads(url(key=key))) for key in (ACCOUNT_KEY, ACCOUNT_KEY_2, KEY, KEY_2)),
    case("wrong key", refused(GET(url(key="other")))),
    case("no key", refused(GET(url(f"{OTHER}/o", key=KEY)))),
    case(
        "GET",
        anyone(GET(url())).gives(
            200,
            BODY,
            Content_Disposition="attachment; filename=\"o\"; filename*=UTF-8''o",
            Expires="{date+600}",
            X_Object_Meta_Secret=None,
            X_Object_Meta_Public_Word="w",
        ),
    ),
    case("HEAD by HEAD", anyone(HEAD(url(method="HEAD"))).gives(200, Expires=ANY, X_Object_Meta_Secret=None)),
    *(case(f"HEAD by {method}", anyone(HEAD(url(method=method))).gives(200)) for method in ("GET", "PUT", "POST")),
    case("HEAD by DELETE", refused(HEAD(url(method="DELETE")))),
    case("with a range", anyone(GET(url(), Range="bytes=2-3")).gives(206, "23", Content_Disposition=ANY)),
    case("not modified", anyone(GET(url(), If_None_Match=etag(BODY))).gives(304, Content_Disposition=None)),
    case("missing", anyone(GET(url("{o}"))).gives(404, Content_Disposition=None)),
    case("missing container", refused(GET(url("{own}/o", key=KEY))), anyone(GET(url("{own}/o"))).gives(404)),
    case("with a token, too", by(OWNER, GET(url())).gives(200, X_Object_Meta_Secret=None)),
    case("bad, with a token", by(OWNER, GET(url(key="other"))).gives(401, INVALID)),
    case("of a guest", by(GUEST, GET(url())).gives(200, BODY)),
    case("OPTIONS", anyone(request("OPTIONS", url())).gives(200, "")),
    case("HEAD refused", refused(HEAD(url(key="other")))),
)
DIGESTS = (
    *(
        case(f"{digest} in {form}", reads(url(digest=digest, form=form)))
        for digest in ("sha1", "sha256", "sha512")
        for form in ("hex", "query", "urlsafe")
    ),
    case("base64 quoted", reads(url(digest="sha512", form="urlsafe").replace("sha512:", "sha512%3A"))),
    case("md5", refused(GET(url(digest="md5"))), refused(GET(url(digest="md5", form="query")))),
    case("upper case", refused(GET("{c}/o?temp_url_sig=" + "AB" * 32 + f"&temp_url_expires={LATER}"))),
    case("another function", refused(GET(url(digest="sha256", form="query").replace("sha256:", "sha512:")))),
    case("unknown function", refused(GET(url(form="query").replace("sha256:", "foo:")))),
    *(
        case(
            f"signature {word[:2]!r} of {len(word)}",
            refused(GET(f"{{c}}/o?temp_url_sig={word}&temp_url_expires={LATER}")),
        )
        for word in (
            "",
            "x",
            "ab",
            "a" * 63,
            "a" * 65,
            "g" * 64,
            "sha256:",
            "sha256:===",
            "sha256:a-/_",
            "%00",
            "%FF%FE",
            ":",
        )
    ),
    case("no signature", refused(GET(f"{{c}}/o?temp_url_expires={LATER}"))),
    case("no expires", refused(GET("{c}/o?temp_url_sig=" + "a" * 64))),
    case("prefix alone", anyone(GET("{c}/o?temp_url_prefix=")).gives(401)),
    case("twice: the first counts", reads(url(more="&temp_url_sig=x&temp_url_expires=0"))),
    case("percent-encoded names", reads(url().replace("temp_url", "temp%5furl").replace("_sig", "%5F%73ig"))),
    case("bad, in percent-encoded names", refused(GET(url(key="other").replace("_url_", "%5Furl%5F")))),
)
TIMES = (
    case("expired", refused(GET(url(expires="{now-1}")))),
    case("another time", refused(GET(url(shown="{now+601}")))),
    case(
        "ISO 8601",
        reads(url(expires="4102444800", shown="2100-01-01T00:00:00Z"), Expires="Fri, 01 Jan 2100 00:00:00 GMT"),
    ),
    case("ISO 8601, short", reads(url(expires="4102444800", shown="2100-1-1T0:0:0Z"))),
    case("ISO 8601, signed as such", refused(GET(url(expires="2100-01-01T00:00:00Z")))),
    case("ISO 8601, past", refused(GET(url(expires="946684800", shown="2000-01-01T00:00:00Z")))),
    case(
        "other numbers",
        reads(url(shown="%2B{now+600}")),
        reads(url(shown="0{now+600}")),
        reads(url(shown="+{now+600}+")),
    ),
    *(
        case(f"expires {word}", refused(GET(url(shown=word))))
        for word in ("", "x", "0", "-1", "1e12", "4102444800.5", "2100-01-01", "2100-13-01T00:00:00Z", "%00", "%FF")
    ),
    case("far away", anyone(GET(url(expires="253402300799"))).gives(200, Expires="Fri, 31 Dec 9999 23:59:59 GMT")),
    case(
        "beyond all dates", anyone(GET(url(expires="253402300800"))).gives(200, Expires="Fri, 31 Dec 9999 23:59:59 GMT")
    ),
)
DISPOSITIONS = (
    case(
        "name of the object",
        reads(
            url("{c}/dir/a%20%C3%A9%22%25.txt", signs='{c}/dir/a \xc3\xa9"%.txt'),
            Content_Disposition="attachment; filename=\"a %C3%A9%22%25.txt\"; filename*=UTF-8''a%20%C3%A9%22%25.txt",
        ),
    ),
    case(
        "filename",
        reads(
            url(more="&filename=b/c%22%0A%C3%A9+d"),
            Content_Disposition="attachment; filename=\"b/c%22%0A%C3%A9 d\"; filename*=UTF-8''b/c%22%0A%C3%A9%20d",
        ),
    ),
    case("inline", reads(url(more="&inline"), Content_Disposition="inline"), reads(url(more="&inline=no"))),
    case(
        "inline filename",
        reads(url(more="&filename=b&inline="), Content_Disposition="inline; filename=\"b\"; filename*=UTF-8''b"),
    ),
    case("empty filename", reads(url(more="&filename="), Content_Disposition=re.compile("attachment.*"))),
    case("the object's own", reads(url("{c}/disposed"), Content_Disposition="attachment; filename=x")),
    case("the object's own, inline", reads(url("{c}/disposed", more="&inline"), Content_Disposition="inline")),
    case("filename before the object's own", reads(url("{c}/disposed", more="&filename=y"))),
)
ADDRESSES = (
    *(case(f"from {ip}", reads(url(ip=ip))) for ip in ("127.0.0.1", "127.0.0.0/8", "0.0.0.0/0", "127.0.0.0/255.0.0.0")),
    *(
        case(f"not from {ip}", refused(GET(url(ip=ip))))
        for ip in ("127.0.0.2", "10.0.0.0/8", "::/0", "::1", "127.0.0.1/8", "localhost", "127.0.0.1,127.0.0.2", "127")
    ),
    case("range not signed", refused(GET(url(more="&temp_url_ip_range=127.0.0.1")))),
    case("range left out", refused(GET(re.sub("&temp_url_ip_range=[^&]*", "", url(ip="127.0.0.1"))))),
    case("empty range", reads(url(more="&temp_url_ip_range="))),
    case("range in the path", refused(GET(url(signs="{c}/o\nip=127.0.0.1", more="&temp_url_ip_range=127.0.0.1")))),
    case("forwarded", refused(GET(url(ip="10.0.0.0/8"), X_Forwarded_For="10.0.0.1", X_Cluster_Client_Ip="10.0.0.1"))),
)
PREFIXES = (
    case("of a directory", reads(prefixed("{c}/dir/a%20%C3%A9%22%25.txt", "dir/"))),
    case("in the middle of a word", reads(prefixed("{c}/dir/a%20%C3%A9%22%25.txt", "di"))),
    case("the whole name", reads(prefixed("{c}/o", "o"))),
    case("empty", reads(prefixed("{c}/o", "")), reads(prefixed("{c}/o", "", key=KEY))),
    case("quoted", reads(prefixed("{c}/dir/a%20%C3%A9%22%25.txt", 'dir/a \xc3\xa9"', shown="dir%2Fa+%C3%A9%22"))),
    case("another", refused(GET(prefixed("{c}/o", "dir/")))),
    case("another in the query", refused(GET(prefixed("{c}/o", "dir/", shown="")))),
    case("a shorter one", refused(GET(prefixed("{c}/dir/a%20%C3%A9%22%25.txt", "dir/", shown="di")))),
    case("not signed as one", refused(GET(url(more="&temp_url_prefix=o")))),
    case("signed as one", refused(GET(url(signs="prefix:{c}/o")))),
    case("in upper case", refused(GET(prefixed("{c}/o", "O")))),
    case("quoted twice", refused(GET(prefixed("{c}/dir/a%20%C3%A9%22%25.txt", "dir/", shown="dir%252F")))),
    case(
        "PUT and GET",
        anyone(PUT(prefixed("{o}", "tempurl", "PUT"), "x")).gives(201),
        reads(prefixed("{o}", "tempurl"), "x"),
    ),
    case("a container's root", refused(GET(prefixed("{c}", ""))), refused(GET(prefixed("{c}/", "")))),
    case("HEAD of a container's root", refused(HEAD(prefixed("{c}", "")))),
    case("DELETE of a container's root", refused(DELETE(prefixed("{c}", "", "DELETE")))),
    case("listing", refused(GET(prefixed("{c}", "", more="&format=json")))),
    case("prefix of a container's root", refused(GET(prefixed("{c}", "o")))),
)
METHODS = (
    case(
        "PUT",
        anyone(PUT(url("{o}", "PUT"), "new")).gives(201, "", Content_Disposition=None, Expires=None),
        GET().gives(200, "new"),
    ),
    case("PUT by GET", refused(PUT(url("{o}"), "new")), GET().gives(404)),
    case("GET by PUT", refused(GET(url(method="PUT")))),
    case(
        "POST",
        PUT(body="x"),
        anyone(POST(url("{o}", "POST"), X_Object_Meta_A="1")).gives(202),
        HEAD().gives(200, X_Object_Meta_A="1"),
    ),
    case("POST by PUT", PUT(body="x"), refused(POST(url("{o}", "PUT"), X_Object_Meta_A="1"))),
    case(
        "POST overridden",
        PUT(body="x"),
        refused(POST(url("{o}", "DELETE"), X_HTTP_Method_Override="DELETE")),
        GET().gives(200, "x"),
    ),
    case("DELETE", PUT(body="x"), anyone(DELETE(url("{o}", "DELETE"))).gives(204), GET().gives(404)),
    case("DELETE by PUT", PUT(body="x"), refused(DELETE(url("{o}", "PUT"))), GET().gives(200, "x")),
    case("in lower case", refused(GET(url(method="get")))),
    case("REPLICATE", anyone(request("REPLICATE", url(method="REPLICATE"))).gives(401, INVALID)),
    case(
        "PUT without length",
        anyone(PUT(url("{o}", "PUT"), "new", framing="none")).gives(411, "Missing Content-Length header."),
    ),
    case("PUT chunked", anyone(PUT(url("{o}", "PUT"), "new", framing="chunked")).gives(201), GET().gives(200, "new")),
    case(
        "PUT that expires",
        anyone(PUT(url("{o}", "PUT"), "x", X_Delete_At="{now+900}", X_Timestamp="1.0")).gives(201),
        HEAD().gives(200, X_Delete_At="{now+900}"),
    ),
    *(
        case(
            f"PUT with {name}",
            anyone(PUT(url("{o}", "PUT"), more={name: "tempurl/o"})).gives(
                400, f"The header {name!r} is not allowed in this tempurl"
            ),
            GET().gives(404),
        )
        for name in ("X-Object-Manifest", "X-Symlink-Target", "X-Copy-From")
    ),
    case(
        "POST with X-Object-Manifest",
        PUT(body="x"),
        anyone(POST(url("{o}", "POST"), X_Object_Manifest="a/b")).gives(
            400, "The header 'X-Object-Manifest' is not allowed in this tempurl"
        ),
    ),
    case(
        "DELETE with X-Copy-From",
        anyone(DELETE(url("{o}", "DELETE"), X_Copy_From="a/b")).gives(
            400, "The header 'X-Copy-From' is not allowed in this tempurl"
        ),
    ),
    case("GET with X-Object-Manifest", anyone(GET(url(), X_Object_Manifest="a/b")).gives(200, BODY)),
    case("COPY", anyone(COPY(url(method="COPY"), Destination="tempurl/copied")).gives(201)),
    case("COPY by GET", refused(COPY(url(), Destination="tempurl/copied"))),
)
PATHS = (
    case("another object", refused(GET(url("{c}/disposed", signs="{c}/o")))),
    case("quoted otherwise", reads(url("{c}/%6F", signs="{c}/o"), BODY)),
    case("signed quoted", refused(GET(url("{c}/dir/a%20%C3%A9%22%25.txt")))),
    case("path quoted twice", refused(GET(url("{c}/%256F", signs="{c}/o")))),
    case(
        "v1.0",
        refused(GET(url().replace("{c}", "/v1.0/AUTH_test/tempurl", 1))),
        refused(GET(url("/v1.0/AUTH_test/tempurl/o"))),
    ),
    case("v2", refused(GET(url("/v2/AUTH_test/tempurl/o")))),
    case("trailing slash", refused(GET(url("{c}/o/", signs="{c}/o"))), anyone(GET(url("{c}/o/"))).gives(404)),
    case("two slashes", refused(GET(url("{c}//o", signs="{c}/o"))), anyone(GET(url("{c}//o"))).gives(404)),
    case("slashes alone", refused(GET(url("{c}//"))), refused(GET(url("{c}///")))),
    case("no container", refused(GET(url("{v1}//o"))), refused(GET(url("{v1}//tempurl/o", signs="{c}/o")))),
    case("dots", refused(GET(url("{c}/x/../o", signs="{c}/o"))), anyone(GET(url("{c}/x/../o"))).gives(404)),
    case("dots out of the prefix", anyone(GET(prefixed("{c}/dir/../o", "dir/"))).gives(404)),
    case("dots out of the container", anyone(GET(prefixed("{c}/../tempurl-other/o", ""))).gives(404)),
    case("quoted dots", anyone(GET(prefixed("{c}/%2e%2e/tempurl-other/o", "", key=KEY))).gives(404)),
    case("quoted slashes", anyone(GET(prefixed("{c}%2F..%2Ftempurl-other/o", "", key=KEY))).gives(404)),
    case("NUL", anyone(GET(prefixed("{c}/o%00", "o"))).gives(412, "Invalid UTF8 or contains NULL")),
    case("reserved", anyone(GET(prefixed("{c}/%00o", ""))).gives(412, "Invalid UTF8 or contains NULL")),
    case("composed otherwise", refused(GET(url("{c}/%65%CC%81", signs="{c}/\xc3\xa9")))),
    case("line ends", anyone(GET(prefixed("{c}/o%0A", "o"))).gives(404)),
    case("the account", refused(GET(url("{v1}"))), refused(GET(prefixed("{v1}", "")))),
    case("the container", refused(GET(url("{c}"))), refused(HEAD(url("{c}"))), refused(DELETE(url("{c}", "DELETE")))),
    case(
        "the container, PUT",
        refused(PUT(url("{own}", "PUT"))),
        refused(POST(url("{c}", "POST"), X_Container_Read=".r:*")),
    ),
    case("/info", refused(GET(url("/info")))),
    case("healthcheck", anyone(GET(url("/healthcheck"))).gives(200, "OK")),
    case("another account", refused(GET(url("/v1/AUTH_test2/tempurl/o", signs="/v1/AUTH_test/tempurl/o")))),
)
QUERIES = (
    case(
        "multipart-manifest=put",
        anyone(PUT(url("{o}", "PUT", more="&multipart-manifest=put"), "[]")).gives(201),
        GET().gives(200, "[]"),
    ),
    case("multipart-manifest=get", reads(url("{c}/slo", more="&multipart-manifest=get"), "abc")),
    case(
        "multipart-manifest=delete",
        PUT("{o}-s", "abc"),
        PUT("{o}?multipart-manifest=put", '[{"path": "/{name}-s"}]'),
        anyone(DELETE(url("{o}", "DELETE", more="&multipart-manifest=delete"))).gives(204),
        GET("{o}-s").gives(200, "abc"),
    ),
    case("symlink=get", reads(url("{c}/inner", more="&symlink=get"))),
    case("version-id", reads(url(more="&version-id=1.00000"))),
    case("versions", refused(GET(prefixed("{c}", "", more="&versions")))),
    case("part-number", reads(url("{c}/slo", more="&part-number=1"), "abc")),
    case("bulk-delete", refused(POST(url("{o}", "POST", key="other", more="&x=1")))),
)
SCOPES = (
    case("segments, key of the account", reads(url("{c}/slo"), "abc"), reads(url("{c}/dlo"), "abc")),
    case("SLO, key of the container", anyone(GET(url("{c}/slo", key=KEY))).gives(409, re.compile(b".*", re.DOTALL))),
    case("DLO, key of the container", anyone(GET(url("{c}/dlo", key=KEY))).gives(401)),
    case("link, key of the account", reads(url("{c}/link"), "elsewhere")),
    case("link, key of the container", anyone(GET(url("{c}/link", key=KEY))).gives(401)),
    case("link inside, key of the container", reads(url("{c}/inner", key=KEY))),
    case(
        "COPY, key of the container",
        anyone(COPY(url(method="COPY", key=KEY), Destination="tempurl-other/new")).gives(401),
        GET(f"{OTHER}/new").gives(404),
    ),
    case(
        "COPY inside, key of the container",
        anyone(COPY(url(method="COPY", key=KEY), Destination="tempurl/new")).gives(201),
    ),
    case("COPY, key of the account", anyone(COPY(url(method="COPY"), Destination="tempurl-other/c")).gives(201)),
    case(
        "COPY to another account",
        anyone(COPY(url(method="COPY"), Destination="tempurl/new", Destination_Account="AUTH_test2")).gives(401),
    ),
    case(
        "COPY of a link, key of the container",
        anyone(COPY(url("{c}/link", "COPY", key=KEY), Destination="tempurl/new2")).gives(401),
    ),
    case(
        "PUT with another account to copy from",
        anyone(PUT(url("{o}", "PUT"), X_Copy_From_Account="AUTH_test2")).gives(201),
    ),
    case("key of the container elsewhere", refused(GET(url(f"{OTHER}/o", key=KEY)))),
    case(
        "key in the answer",
        anyone(HEAD(url(), more={"X-Newest": "true"})).gives(200, X_Container_Meta_Temp_Url_Key=None),
    ),
)
KEYS = (
    case(
        "a key that comes and goes",
        PUT("{own}"),
        PUT("{own}/o", "x"),
        refused(GET(url("{own}/o", key="own-key"))),
        POST("{own}", more={"X-Container-Meta-Temp-URL-Key": "own-key"}),
        reads(url("{own}/o", key="own-key"), "x"),
        POST("{own}", more={"X-Remove-Container-Meta-Temp-URL-Key": "x"}),
        refused(GET(url("{own}/o", key="own-key"))),
    ),
    case(
        "shown to the owner alone",
        HEAD("{c}").gives(204, X_Container_Meta_Temp_Url_Key=KEY),
        by(GUEST, HEAD("{c}")).gives(403),
    ),
    case(
        "not set by a URL",
        anyone(PUT(url("{o}", "PUT"), more={"X-Container-Meta-Temp-URL-Key": "k"})).gives(201),
        HEAD("{c}").gives(204, X_Container_Meta_Temp_Url_Key=KEY),
    ),
)
SHARED = (
    case("CORS", anyone(GET(url(), Origin="http://x")).gives(200, Access_Control_Allow_Origin=None)),
    case("CORS, refused", anyone(GET(url(key="other"), Origin="http://x")).gives(401, INVALID)),
    case("quotes in the name", refused(GET(url("{c}/" + quote('"<>'))))),
)

CASES = (
    *DOWNLOADS,
    *DIGESTS,
    *TIMES,
    *DISPOSITIONS,
    *ADDRESSES,
    *PREFIXES,
    *METHODS,
    *PATHS,
    *QUERIES,
    *SCOPES,
    *KEYS,
    *SHARED,
)
