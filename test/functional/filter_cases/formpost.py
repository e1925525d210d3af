"""formpost: files that a browser uploads by a form that an owner has signed."""

from __future__ import annotations

import re
from collections.abc import Iterable

from functional.object_cases.notation import (
    DELETE,
    GET,
    HEAD,
    NOBODY,
    OWNER,
    POST,
    PUT,
    Step,
    by,
    case,
    hmac_of,
    request,
)

KEY, KEY_2 = "form-key", "form-key-2"
LATER = "{now+600}"
TYPE = "multipart/form-data; boundary=xYzZy"
CREATED = "201 Created"

SETUP = (
    POST("{c}", more={"X-Container-Meta-Temp-URL-Key": KEY, "X-Container-Meta-Temp-URL-Key-2": KEY_2}),
    PUT(
        "{v1}/formpost-shared",
        more={"X-Container-Meta-Temp-URL-Key": KEY, "X-Container-Meta-Access-Control-Allow-Origin": "http://a"},
    ),
    PUT("{v1}/formpost-keyless"),
)


def field(name: str, value: str) -> str:
    """Return a part of a form that is no file."""
    return f'--xYzZy\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


def file(
    name: str, content: str = "content", headers: Iterable[str] = ("Content-Type: text/x",), more: str = ""
) -> str:
    """Return a part of a form that is a file."""
    lines = (f'Content-Disposition: form-data; name="f"; filename="{name}"{more}', *headers)
    return "--xYzZy\r\n" + "".join(f"{line}\r\n" for line in lines) + f"\r\n{content}\r\n"


def form(
    *files: str,
    target: str = "{o}/",
    key: str = KEY,
    digest: str = "sha256",
    style: str = "hex",
    signed: dict[str, str] | None = None,
    more: dict[str, str] | None = None,
    content_type: str = TYPE,
    end: str = "--xYzZy--\r\n",
    framing: str = "length",
    **fields: str,
) -> Step:
    """Return a POST of a form; `signed`: what is signed in place of its fields; `more`: fields that are not."""
    values = {"redirect": "", "max_file_size": "20", "max_file_count": "2", "expires": LATER} | fields
    promised = values | (signed or {})
    text = "\n".join([promised.get("path", target), *(promised[name] for name in values)])
    signature = hmac_of(text, key, digest, style)
    if style != "hex":
        signature = f"{digest}:{signature}"
    parts = [field(name, value) for name, value in {**values, "signature": signature, **(more or {})}.items() if value]
    body = "".join(parts) + "".join(files) + end
    sent = request("POST", target, body.encode("latin-1"), framing=framing, Content_Type=content_type)
    return by(NOBODY, sent)


def refused(step: Step, words: str = "Invalid Signature") -> Step:
    """Return a form that is not signed as it must be."""
    return step.gives(401, f"FormPost: {words}", Content_Type="text/html; charset=UTF-8")


def bad(step: Step, words: str) -> Step:
    """Return a form that cannot be used."""
    return step.gives(400, f"FormPost: {words}", Content_Type="text/plain")


def stored(step: Step) -> Step:
    """Return a form whose files are stored."""
    return step.gives(201, CREATED, Content_Type="text/plain", Content_Length="11", Etag=None)


UPLOADS = (
    case("one file", stored(form(file("a"))), GET("{o}/a").gives(200, "content", Content_Type="text/x")),
    case(
        "two files",
        stored(form(file("a"), file("b", "other"))),
        GET("{o}/a").gives(200, "content"),
        GET("{o}/b").gives(200, "other"),
    ),
    case("a prefix", stored(form(file("a"), target="{o}pre")), GET("{o}prea").gives(200, "content")),
    case("into the container", stored(form(file("in-root"), target="{c}")), GET("{c}/in-root").gives(200, "content")),
    case(
        "into the container, with a slash",
        stored(form(file("in-slash"), target="{c}/")),
        GET("{c}/in-slash").gives(200, "content"),
    ),
    case("an empty file", stored(form(file("a", ""))), HEAD("{o}/a").gives(200, Content_Length="0")),
    case(
        "line ends and boundaries",
        stored(form(file("a", "\r\n--xYz\r\n\r\n--"))),
        GET("{o}/a").gives(200, "\r\n--xYz\r\n\r\n--"),
    ),
    case(
        "a name with blanks and letters",
        stored(form(file("a \xc3\xa9;b.txt"))),
        GET("{o}/a%20%C3%A9%3Bb.txt").gives(200, "content"),
    ),
    case("a name in Latin-1", stored(form(file("\xe9"))), GET("{o}/%C3%A9").gives(200, "content")),
    case("a name with quotes", stored(form(file('a"b'))), GET("{o}/a%22b").gives(200, "content")),
    case("a name with percents", stored(form(file("%22%2F"))), GET("{o}/%2522%252F").gives(200, "content")),
    case("a name with slashes", stored(form(file("x/../../y"))), GET("{o}/x/../../y").gives(200, "content")),
    case("a name of the reserved", form(file("\x00a")).gives(412, "Invalid UTF8 or contains NULL")),
    case("a long name", form(file("a" * 1100)).gives(400, re.compile(rb"Object name length of \d+ longer than 1024"))),
    case(
        "type by the name",
        stored(form(file("a.html", headers=()))),
        HEAD("{o}/a.html").gives(200, Content_Type="text/html"),
    ),
    case(
        "other headers of a part",
        stored(form(file("a", headers=("X-Object-Meta-A: 1", "X-Delete-At: 99")))),
        HEAD("{o}/a").gives(200, X_Object_Meta_A=None),
    ),
    case("chunked", stored(form(file("a"), framing="chunked")), GET("{o}/a").gives(200, "content")),
    case("with a token", by(OWNER, form(file("a"))).gives(201, CREATED)),
    case(
        "a query",
        stored(form(file("a"), target="{o}/")),
        form(file("b", "[]"), target="{o}/?multipart-manifest=put", signed={"path": "{o}/"}).gives(201, CREATED),
        GET("{o}/b").gives(200, "[]"),
    ),
    case(
        "v1.0",
        form(file("a"), target="/v1.0/AUTH_test/formpost/v10/").gives(201, CREATED),
        GET("{c}/v10/a").gives(200, "content"),
    ),
    case(
        "empty lines before",
        bad(POST("{o}/", body="\r\n\r\n--xYzZy--\r\n", Content_Type=TYPE), "invalid starting boundary"),
    ),
    case(
        "empty lines before a field",
        POST("{o}/", body="\r\n\r\n" + field("a", "b") + "--xYzZy--", Content_Type=TYPE).gives(
            400, "400 Bad Request\r\nFormPost: No Files To Process"
        ),
    ),
    case(
        "headers in lower case",
        stored(form(file("a", headers=("content-type: text/y",)))),
        HEAD("{o}/a").gives(200, Content_Type="text/y"),
    ),
    case("a boundary in quotes", stored(form(file("a"), content_type='multipart/form-data; boundary="xYzZy"'))),
    case("more parameters", stored(form(file("a"), content_type="multipart/form-data; charset=utf-8; boundary=xYzZy"))),
    case("text after the end", stored(form(file("a"), end="--xYzZy--\r\nmore"))),
    case("an unnamed field", stored(form(file("a"), more={"": "x"}))),
    case(
        "an empty file name",
        bad(form(file("")), "No Files To Process").gives(400, "400 Bad Request\r\nFormPost: No Files To Process"),
    ),
)
SIGNATURES = (
    *(
        case(f"{digest} in {style}", stored(form(file("a"), digest=digest, style=style)))
        for digest in ("sha1", "sha256", "sha512")
        for style in ("hex", "base64")
    ),
    case("the second key", stored(form(file("a"), key=KEY_2))),
    case("wrong key", refused(form(file("a"), key="other")), GET("{o}/a").gives(404)),
    case("no key", refused(form(file("a"), target="{v1}/formpost-keyless/"))),
    case("md5", refused(form(file("a"), digest="md5"))),
    case("no signature", refused(form(file("a"), more={"signature": ""}))),
    case(
        "bad signature",
        refused(form(file("a"), more={"signature": "x"})),
        refused(form(file("a"), more={"signature": "sha256:!"})),
    ),
    *(
        case(f"another {name}", refused(form(file("a"), signed={name: value})), GET("{o}/a").gives(404))
        for name, value in (
            ("path", "{o}"),
            ("redirect", "http://x"),
            ("max_file_size", "21"),
            ("max_file_count", "3"),
            ("expires", "{now+601}"),
        )
    ),
    case("of a temporary URL", refused(form(file("a"), more={"signature": hmac_of(f"PUT\n{LATER}\n{{o}}/", KEY)}))),
    case("no container", refused(form(file("a"), target="{v1}"))),
    case("no such container", refused(form(file("a"), target="{own}/"))),
    case("another version", refused(form(file("a"), target="/v2/AUTH_test/formpost/"))),
    case("expired", refused(form(file("a"), expires="{now-1}"), "Form Expired")),
    case("no expiry", refused(form(file("a"), expires="", signed={"expires": "0"}), "Form Expired")),
    case("expiry is no number", bad(form(file("a"), expires="x"), "expired not an integer")),
    case(
        "a part of the path quoted",
        stored(form(file("a"), target="{o}/%61", signed={"path": "{o}/a"})),
        GET("{o}/aa").gives(200, "content"),
    ),
)
LIMITS = (
    case("as large as allowed", stored(form(file("a", "x" * 20)))),
    case("too large", bad(form(file("a", "x" * 21)), "max_file_size exceeded"), GET("{o}/a").gives(404)),
    case(
        "too large, chunked",
        bad(form(file("a", "x" * 21), framing="chunked"), "max_file_size exceeded"),
        GET("{o}/a").gives(404),
    ),
    case("much too large", bad(form(file("a", "x" * 200000)), "max_file_size exceeded"), GET("{o}/a").gives(404)),
    case(
        "the second too large",
        bad(form(file("a"), file("b", "x" * 21)), "max_file_size exceeded"),
        GET("{o}/a").gives(200),
        GET("{o}/b").gives(404),
    ),
    case(
        "too large over an old one",
        PUT("{o}/a", "old"),
        bad(form(file("a", "x" * 21)), "max_file_size exceeded"),
        GET("{o}/a").gives(200, "old"),
    ),
    case("a lying length", bad(form(file("a", "x" * 21, headers=("Content-Length: 3",))), "max_file_size exceeded")),
    case("no size", bad(form(file("a"), max_file_size="", signed={"max_file_size": "0"}), "max_file_size exceeded")),
    case("nothing allowed", stored(form(file("a", ""), max_file_size="0"))),
    case("size is no number", bad(form(file("a"), max_file_size="x"), "max_file_size not an integer")),
    case("size is negative", bad(form(file("a"), max_file_size="-1"), "max_file_size exceeded")),
    case(
        "too many",
        form(file("a"), file("b"), file("c")).gives(400, "400 Bad Request\r\nFormPost: Max File Count Exceeded"),
        GET("{o}/b").gives(200),
        GET("{o}/c").gives(404),
    ),
    case(
        "no count",
        form(file("a"), max_file_count="", signed={"max_file_count": "0"}).gives(
            400, "400 Bad Request\r\nFormPost: Max File Count Exceeded"
        ),
    ),
    case("count is no number", bad(form(file("a"), max_file_count="x"), "max_file_count not an integer")),
    case(
        "a new count after the file",
        refused(form(file("a"), field("max_file_count", "9"), file("b"), file("c"))),
        GET("{o}/b").gives(404),
    ),
    case(
        "a new size after the file",
        refused(form(file("a"), field("max_file_size", "99"), file("b", "x" * 30))),
        GET("{o}/b").gives(404),
    ),
    case("no files", form().gives(400, "400 Bad Request\r\nFormPost: No Files To Process")),
    case(
        "fields after the file",
        form(file("a"), field("content-type", "text/z")).gives(201, CREATED),
        HEAD("{o}/a").gives(200, Content_Type="text/x"),
    ),
)
ATTRIBUTES = (
    case(
        "x_delete_at",
        stored(form(file("a"), more={"x_delete_at": "{now+900}"})),
        HEAD("{o}/a").gives(200, X_Delete_At="{now+900}"),
    ),
    case(
        "x_delete_after",
        stored(form(file("a"), more={"x_delete_after": "900"})),
        HEAD("{o}/a").gives(200, X_Delete_At=re.compile(r"\d+")),
    ),
    case(
        "x_delete_at is no number",
        bad(form(file("a"), more={"x_delete_at": "x"}), "x_delete_at not an integer: Unix timestamp required."),
    ),
    case(
        "x_delete_after is no number",
        bad(
            form(file("a"), more={"x_delete_after": "1.5"}),
            "x_delete_after not an integer: Number of seconds required.",
        ),
    ),
    case(
        "x_delete_at is past",
        form(file("a"), more={"x_delete_at": "5"}).gives(400, "X-Delete-At in past", Content_Type="text/plain"),
    ),
    case(
        "content-type",
        stored(form(file("a"), more={"Content-Type": "text/y"})),
        HEAD("{o}/a").gives(200, Content_Type="text/y"),
    ),
    case(
        "content-encoding",
        stored(form(file("a"), more={"content-encoding": "gzip"})),
        HEAD("{o}/a").gives(200, Content_Encoding="gzip"),
    ),
    case(
        "content-encoding of the part",
        stored(form(file("a", headers=("Content-Encoding: br",)))),
        HEAD("{o}/a").gives(200, Content_Encoding="br"),
    ),
    case(
        "content-type for large objects",
        form(file("a"), more={"content-type": "text/x;swift_bytes=1"}).gives(
            400, "Invalid Content-Type, swift_* is not a valid parameter name."
        ),
    ),
)
REDIRECTS = (
    case(
        "after success",
        form(file("a"), redirect="http://x/y").gives(
            303,
            '<html><body><p><a href="http://x/y?status=201&message=">Click to continue...</a></p></body></html>',
            Location="http://x/y?status=201&message=",
        ),
    ),
    case(
        "with a query",
        form(file("a"), redirect="http://x/y?z=1%20").gives(
            303, re.compile(b".*"), Location="http://x/y?z=1%20&status=201&message="
        ),
    ),
    case(
        "no files, redirected",
        form(redirect="http://x/").gives(
            303, re.compile(b".*"), Location="http://x/?status=400&message=no%20files%20to%20process"
        ),
    ),
    case(
        "too many, redirected",
        form(file("a"), redirect="http://x/", max_file_count="0").gives(
            303, re.compile(b".*"), Location="http://x/?status=400&message=max%20file%20count%20exceeded"
        ),
    ),
    case(
        "a failed PUT",
        form(file("a"), redirect="http://x/", more={"x_delete_at": "5"}).gives(
            303, re.compile(b".*"), Location="http://x/?status=400&message="
        ),
    ),
    case("too large, redirected", bad(form(file("a", "x" * 21), redirect="http://x/"), "max_file_size exceeded")),
    case("wrong key, redirected", refused(form(file("a"), key="other", redirect="http://x/"))),
    case(
        "a path",
        form(file("a"), redirect="/v1/x").gives(
            303, re.compile(b".*"), Location=re.compile(".*/v1/x\\?status=201&message=")
        ),
    ),
    case(
        "not signed",
        form(redirect="http://x/", key="other").gives(
            400, "400 Bad Request\r\nFormPost: No Files To Process", Location=None
        ),
    ),
    case("line ends", form(file("a"), redirect="http://x/\r\nX-A: b").gives(303, re.compile(b".*"), X_A=None)),
    case(
        "quotes",
        form(file("a"), redirect='http://x/"><b>').gives(
            303, re.compile(b"[^<]*<html><body><p><a [^<]*</a></p></body></html>")
        ),
    ),
)
MALFORMED = (
    case("no boundary in the type", by(NOBODY, POST("{o}", body="x", Content_Type="multipart/form-data")).gives(401)),
    case("another type", by(NOBODY, POST("{o}", body="x", Content_Type="multipart/mixed; boundary=xYzZy")).gives(401)),
    case(
        "another method",
        by(NOBODY, PUT("{o}", "x", Content_Type=TYPE)).gives(401),
        DELETE("{o}", Content_Type=TYPE).gives(404),
    ),
    *(
        case(f"starts with {start!r}", bad(POST("{o}/", body=start, Content_Type=TYPE), "invalid starting boundary"))
        for start in ("", "x", "\r\n", "--xYzZ", "--xYzZyy\r\n", "preamble\r\n--xYzZy\r\n")
    ),
    case("ends in a file", form(file("a"), end="").gives(400, re.compile(b".*", re.DOTALL)), GET("{o}/a").gives(404)),
    case("ends in a field", form(field("a", "x"), end="").gives(400, re.compile(b".*", re.DOTALL))),
    case("ends in a head", form("--xYzZy\r\nContent-Dispo", end="").gives(400, re.compile(b".*", re.DOTALL))),
    case(
        "a boundary that goes on",
        form(file("a", "x\r\n--xYzZyyy")).gives(400, re.compile(b".*", re.DOTALL)),
        GET("{o}/a").gives(404),
    ),
    case(
        "a long head",
        form(file("a", headers=("X: " + "x" * 9000,))).gives(400, "FormPost: the headers of a part are too long"),
    ),
    case(
        "a field is no UTF-8",
        form(file("a"), more={"content-type": "\xff"}).gives(400, "FormPost: content-type is no UTF-8"),
    ),
    case(
        "line ends in a type",
        form(file("a"), more={"content-type": "text/x\r\nX-Object-Meta-A: b"}).gives(
            400, "FormPost: content-type has characters that no header may have"
        ),
        GET("{o}/a").gives(404),
    ),
)
SHARED = (
    case(
        "CORS",
        by({"Origin": "http://a"}, form(file("a"), target="{v1}/formpost-shared/")).gives(
            201, CREATED, Access_Control_Allow_Origin="http://a"
        ),
    ),
    case(
        "CORS, another",
        by({"Origin": "http://b"}, form(file("a"), target="{v1}/formpost-shared/")).gives(
            201, CREATED, Access_Control_Allow_Origin=None
        ),
    ),
    case(
        "CORS, refused", refused(by({"Origin": "http://a"}, form(file("a"), key="x", target="{v1}/formpost-shared/")))
    ),
)
CASES = (*UPLOADS, *SIGNATURES, *LIMITS, *ATTRIBUTES, *REDIRECTS, *MALFORMED, *SHARED)
