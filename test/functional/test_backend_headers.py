"""A client can never send a backend header: whatever is spelled on the wire, none comes out of the pipeline's end, neither
in the client's own request nor in those that filters make for it; and none of an answer's goes out."""

from __future__ import annotations

import io
import json
import re
import socket
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.http_server import ServerThread
from functional.filter_cases.settings import FILTERS, PIPELINE
from swiftlite.common import pipeline
from swiftlite.common.pipeline import load_app
from swiftlite.core.signature import form_signature, temp_url_signature
from swiftlite.http.errors import BadRequest
from swiftlite.http.head import HeadLimits, parse_request
from swiftlite.middleware.gatekeeper import filter_factory

MARK = "sent-by-the-client"
# Written down once more, on purpose: formats.md 5.4.
INTERNAL = re.compile(
    r"x-backend.*|x-(account|container|object)-sysmeta-.*|x-object-transient-sysmeta-.*"
    r"|x-(account|container)-(host|device|partition)|x-container-root-db-state"
    r"|x-delete-at-(host|device|partition|container)"
)
NAMES = [
    *("X-Backend", "X-Backend-Storage-Policy-Index", "X-Backend-Replication", "X-Backend-Allow-Reserved-Names"),
    *("X-Backend-Inbound-X-Timestamp", "X-Backend-Obj-Metadata-Footer", "X-Backend-Container-Update-Override-Etag"),
    *("X-Backend-Container-Path", "X-Backend-Vote", "X-Backendmost", "X-Account-Sysmeta-Core-Access-Control"),
    *("X-Account-Sysmeta-Project-Domain-Id", "X-Container-Sysmeta-Versions-Container", "X-Object-Sysmeta-Slo-Etag"),
    *("X-Object-Sysmeta-Symlink-Target", "X-Object-Transient-Sysmeta-Crypto", "X-Container-Root-Db-State"),
    *(f"X-{kind}-{word}" for kind in ("Account", "Container", "Delete-At") for word in ("Host", "Device", "Partition")),
    "X-Delete-At-Container",
]
MANIFEST = json.dumps([{"path": "/c/segment"}])
KEY, LATER = "signed", 4102444800


def signed(method: str) -> str:
    """Return a target with its signature."""
    signature = temp_url_signature("sha256", KEY, method, LATER, "/v1/AUTH_test/c/o")
    return f"/v1/AUTH_test/c/o?temp_url_sig={signature}&temp_url_expires={LATER}"


def archive() -> str:
    """Return an archive whose file has attributes that would be internal headers."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("a")
        names = ("user.meta.a", "user.X-Backend-Vote", "user.x-object-sysmeta-a", "user.mime_type\r\nX-Backend-Vote")
        info.pax_headers = {f"SCHILY.xattr.{name}": MARK for name in names}
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    return made.getvalue().decode("latin-1")


def form() -> str:
    """Return a form with fields, and a file with headers, of internal names."""
    fields = {"redirect": "", "max_file_size": "99", "max_file_count": "1", "expires": str(LATER)}
    fields |= {"signature": form_signature("sha256", KEY, "/v1/AUTH_test/c/form", fields.values())}
    fields |= dict.fromkeys(NAMES, MARK) | {name.lower().replace("-", "_"): MARK for name in NAMES}
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}' for name, value in fields.items()]
    headers = "".join(f"\r\n{name}: {MARK}" for name in NAMES)
    parts.append(f'--b\r\nContent-Disposition: form-data; name="f"; filename="f"{headers}\r\n\r\nx\r\n--b--\r\n')
    return "\r\n".join(parts)


ARCHIVE, FORM = archive(), form()
USER = {"name": "tester", "domain": {"name": "Default"}, "password": "testing"}
LOGIN = json.dumps({"auth": {"identity": {"methods": ["password"], "password": {"user": USER}}}})
SPELLINGS = {
    "as it is": lambda name: f"{name}: {MARK}\r\n",
    "lower case": lambda name: f"{name.lower()}: {MARK}\r\n",
    "upper case": lambda name: f"{name.upper()}: {MARK}\r\n",
    "underscores": lambda name: f"{name.replace('-', '_')}: {MARK}\r\n",
    "one underscore": lambda name: f"{'_'.join(name.rsplit('-', 1))}: {MARK}\r\n",
    "twice": lambda name: f"{name}: {MARK}\r\n{name.upper()}: {MARK}\r\n",
    "blank before the colon": lambda name: f"{name} : {MARK}\r\n",
    "tab before the name": lambda name: f"\t{name}: {MARK}\r\n",
    "folded": lambda name: f"X-Object-Meta-A: b\r\n {name}: {MARK}\r\n",
    "bare line feed": lambda name: f"X-Object-Meta-A: b\n{name}: {MARK}\r\n",
    "bare carriage return": lambda name: f"X-Object-Meta-A: b\r{name}: {MARK}\r\n",
    "NUL": lambda name: f"{name}\0: {MARK}\r\n",
    "a byte beyond ASCII": lambda name: f"{name}\xe9: {MARK}\r\n",
    "CGI's name": lambda name: f"HTTP-{name}: {MARK}\r\nHTTP_{name}: {MARK}\r\n",
    "to be removed": lambda name: f"X-Remove-{name[2:]}: {MARK}\r\n",
}
REQUESTS = {
    "PUT": ("PUT /v1/AUTH_test/c/o", "x"),
    "POST": ("POST /v1/AUTH_test/c/o", ""),
    "POST container": ("POST /v1/AUTH_test/c", ""),
    "PUT container": ("PUT /v1/AUTH_test/c", ""),
    "POST account": ("POST /v1/AUTH_test", ""),
    "GET": ("GET /v1/AUTH_test/c/o", ""),
    "HEAD": ("HEAD /v1/AUTH_test/c/o", ""),
    "DELETE": ("DELETE /v1/AUTH_test/c/o", ""),
    "listing": ("GET /v1/AUTH_test/c", ""),
    "copy": ("COPY /v1/AUTH_test/c/o", ""),
    "manifest": ("PUT /v1/AUTH_test/c/o?multipart-manifest=put", MANIFEST),
    "segments": ("DELETE /v1/AUTH_test/c/o?multipart-manifest=delete", ""),
    "bulk delete": ("POST /v1/AUTH_test?bulk-delete", "/c/o\n/c/p\n"),
    "versions": ("GET /v1/AUTH_test/c/o?version-id=null", ""),
    "symlink": ("GET /v1/AUTH_test/c/o?symlink=get", ""),
    "archive": ("PUT /v1/AUTH_test/c?extract-archive=tar", ARCHIVE),
    "signed PUT": (f"PUT {signed('PUT')}", "x"),
    "signed GET": (f"GET {signed('GET')}", ""),
    "signed POST": (f"POST {signed('POST')}", ""),
    "form": ("POST /v1/AUTH_test/c/form", FORM),
    "login": ("POST /v3/auth/tokens", LOGIN),
    "credential": ("POST /v3/users/x/application_credentials", "{}"),
    "validation": ("GET /v3/auth/tokens", ""),
    "login of version 1": ("GET /auth/v1.0", ""),
}
TYPES = {"form": "multipart/form-data; boundary=b", "login": "application/json", "credential": "application/json"}
seen: list[dict[str, Any]] = []


def app_factory(global_conf: dict[str, str], **local_conf: str) -> Any:
    """Paste's factory of the pipeline's end: it takes everything, remembers it, and answers with internal headers."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ["wsgi.input"].read()
        seen.append({key: value for key, value in environ.items() if isinstance(value, str)})
        method = environ["REQUEST_METHOD"]
        status = {"PUT": "201 Created", "POST": "202 Accepted", "DELETE": "204 No Content"}.get(method, "200 OK")
        body = b"x" if method == "GET" else b""
        headers = [(name, "1") for name in NAMES]
        headers += [("X-Container-Meta-Temp-URL-Key", KEY)] if method == "HEAD" else []
        headers += [("Content-Length", str(len(body))), ("Content-Type", "text/plain"), ("Etag", "e")]
        start_response(status, headers)
        return [body]

    return app


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerThread]:
    """The whole pipeline of the filters' tables; nobody is asked whether they may, so all that is sent gets through."""
    path: Path = tmp_path_factory.mktemp("conf") / "proxy-server.conf"
    names = [name if name != "tempauth" else "identity" for name in PIPELINE.split()[:-1]]
    uses = {"proxy-logging": "proxy_logging", "cache": "memcache"}
    sections = {name: {"use": f"egg:swiftlite#{uses.get(name, name)}", **FILTERS.get(name, {})} for name in names}
    sections["tempauth"] = {"use": "egg:swiftlite#tempauth", "user_test_tester": "testing .admin"}
    sections["versioned_writes"] |= {"allow_object_versioning": "true", "allow_versioned_writes": "true"}
    (path.parent / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = changeme\n")
    text = f"[DEFAULT]\nswift_dir = {path.parent}\n[pipeline:main]\npipeline = {' '.join(names)} end\n"
    text += f"[app:end]\npaste.app_factory = {__name__}:app_factory\n"
    for name, options in sections.items():
        text += f"[filter:{name}]\n" + "".join(f"{key} = {value}\n" for key, value in options.items())
    path.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "DECIDED_BY", {})  # which would refuse a pipeline where everybody may do everything
        app = load_app(str(path))
    with ServerThread(app) as thread:
        yield thread


def send(server: ServerThread, data: bytes) -> bytes:
    """Return everything that comes back until the server closes."""
    with socket.create_connection(server.address[:2], timeout=60) as connection:
        connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def offences() -> list[tuple[str, str]]:
    """What the client said that came through under an internal name."""
    return [
        (key, value)
        for environ in seen
        for key, value in environ.items()
        if MARK in value and key.startswith("HTTP_") and INTERNAL.fullmatch(key[5:].replace("_", "-").lower())
    ]


def leaks(answer: bytes) -> list[str]:
    head = answer.partition(b"\r\n\r\n")[0].decode("latin-1")
    names = [line.partition(":")[0].strip().lower() for line in head.split("\r\n")[1:]]
    return [name for name in names if INTERNAL.fullmatch(name)]


@pytest.mark.parametrize("request_name", REQUESTS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_nothing_internal_comes_in_or_goes_out(server: ServerThread, request_name: str, spelling: str) -> None:
    line, body = REQUESTS[request_name]
    headers = f"Host: 127.0.0.1\r\nConnection: close\r\nContent-Type: {TYPES.get(request_name, 'text/plain')}\r\nContent-Length: {len(body)}\r\n"
    headers += "Destination: c2/o2\r\n" if line.startswith("COPY") else ""
    extra = "".join(SPELLINGS[spelling](name) for name in NAMES)
    seen.clear()
    answer = send(server, f"{line} HTTP/1.1\r\n{headers}{extra}\r\n{body}".encode("latin-1"))
    assert answer.startswith(b"HTTP/1.1 ")
    assert offences() == []
    assert leaks(answer) == []
    if spelling in ("as it is", "lower case", "upper case", "twice") and "/v1/" in line:
        assert seen, f"it came through to the end, without them: {answer!r}"
    if request_name in ("archive", "form") and spelling == "as it is":
        assert [environ for environ in seen if environ.get("swift.source") and environ["REQUEST_METHOD"] == "PUT"], (
            answer
        )
    if request_name.startswith("signed") and spelling == "as it is":
        assert line.split()[0] in [environ["REQUEST_METHOD"] for environ in seen], answer


def test_copies_links_and_manifests_pass_none_on(server: ServerThread) -> None:
    extra = "".join(f"{name}: {MARK}\r\n" for name in NAMES)
    for more in (
        "X-Copy-From: c/o\r\n",
        "X-Symlink-Target: c/o\r\n",
        "X-Object-Manifest: c/o\r\n",
        "X-Newest: true\r\n",
    ):
        seen.clear()
        head = f"PUT /v1/AUTH_test/c/o HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 0\r\n{more}"
        answer = send(server, f"{head}{extra}\r\n".encode())
        assert seen
        assert (offences(), leaks(answer)) == ([], [])


def test_trailers_are_no_headers(server: ServerThread) -> None:
    seen.clear()
    extra = "".join(f"{name}: {MARK}\r\n" for name in NAMES)
    head = "PUT /v1/AUTH_test/c/o HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
    answer = send(server, f"{head}Trailer: {', '.join(NAMES)}\r\n\r\n1\r\nx\r\n0\r\n{extra}\r\n".encode())
    assert (offences(), leaks(answer)) == ([], [])
    assert seen


def test_a_multipart_body_has_no_footers(server: ServerThread) -> None:
    """What proxies tell object servers behind a body (formats.md 5.5), a client sends as so many bytes of the object."""
    seen.clear()
    body = f"--b\r\nX-Document: object metadata\r\n\r\n{json.dumps({'X-Object-Sysmeta-A': MARK})}\r\n--b--".encode()
    head = f"PUT /v1/AUTH_test/c/o HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    extra = "X-Backend-Obj-Multipart-Mime-Boundary: b\r\nX-Backend-Obj-Metadata-Footer: yes\r\n"
    send(server, f"{head}{extra}\r\n".encode() + body)
    assert seen
    keys = {key for environ in seen for key in environ}
    assert not {"HTTP_X_BACKEND_OBJ_MULTIPART_MIME_BOUNDARY", "HTTP_X_BACKEND_OBJ_METADATA_FOOTER"} & keys


pieces = st.sampled_from(
    ["-", "_", " ", "\t", "\r\n ", "\r\n", "\n", "\r", ":", "\0", "\x7f", "\xe9", "\xff", "X", "x", "."]
)


@given(st.sampled_from(NAMES), st.lists(st.tuples(st.integers(0, 40), pieces, st.booleans()), max_size=4), st.data())
def test_no_spelling_gets_past_the_gatekeeper(name: str, edits: list[tuple[int, str, bool]], data: Any) -> None:
    """However a name is changed: what the parser takes and the gatekeeper lets pass is no internal name."""
    text = data.draw(st.sampled_from([str, str.lower, str.upper, str.swapcase]))(name)
    for at, piece, replaces in edits:
        text = text[:at] + piece + text[at + replaces :]
    try:
        head = parse_request(
            f"PUT / HTTP/1.1\r\nHost: 127.0.0.1\r\n{text}: {MARK}\r\n\r\n".encode("latin-1"), HeadLimits()
        )
    except BadRequest:
        return
    environ: dict[str, Any] = {"REQUEST_METHOD": "PUT", "PATH_INFO": "/", **head.fields}
    filter_factory({})(lambda environ, start_response: [])(environ, lambda *_: None)
    internal = [key for key in environ if INTERNAL.fullmatch(key.removeprefix("HTTP_").replace("_", "-").lower())]
    assert [key for key in internal if MARK in environ[key]] == []
