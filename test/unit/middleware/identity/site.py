"""A pipeline of identity and tempauth, and behind it a proxy that keeps objects in a dictionary."""

from __future__ import annotations

import json
from typing import Any

from fakes.wsgi_calls import Answered, call, make_environ
from swiftlite.common.cache import Cache
from swiftlite.common.subrequest import query_of
from swiftlite.common.web import Request
from swiftlite.middleware import identity, tempauth

USERS = {
    "user_test_tester": "testing .admin",
    "user_test_tester3": "testing3 readers",
    "user_test2_tester2": "testing2 .admin",
    "user_test2_tester3": "other3",
    "user_admin_admin": "admin .admin .reseller_admin",
    "user_audit_reader": "glasses .reseller_reader",
    "user_services_swift": "service .service",
    "user_web_site": "pages .admin $HOST/v1/AUTH_web",
    "user64_w7xuZGVy_dV8x": "k64 .admin",  # ünder:u_1
}


class Proxy:
    """Stands at the end: asks for authorization, and keeps what is stored.

    `down`: a status that it answers to all that identity asks of it. `asked`: how often that was.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.delete_at: dict[str, str | None] = {}
        self.containers: set[str] = set()
        self.listing_limit = 3
        self.down = 0
        self.asked: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        asked = Request(environ)
        denial = environ["swift.authorize"](asked) if "swift.authorize" in environ else None
        if denial is not None:
            return denial(environ, start_response)
        if environ["PATH_INFO"].startswith("/v1/.identity"):
            status, body = self._store(environ)
            start_response(f"{status} Whatever", [])
            return [body]
        start_response("200 OK", [])
        return [b"owner" if environ.get("swift_owner") else b"guest"]

    def _store(self, environ: dict[str, Any]) -> tuple[int, bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        assert environ["swift.source"] == "ID"
        self.asked.append(f"{method} {path}")
        _, _, _, container, *name = path.split("/", 4)
        if self.down:
            return self.down, b""
        if not name and method == "PUT":
            self.containers.add(container)
            return 201, b""
        if container not in self.containers:
            return 404, b""
        if not name:
            query = query_of(environ)
            return (
                (200, self._listing(container, query))
                if int(query.get("limit", 0)) <= self.listing_limit
                else (412, b"")
            )
        if method == "PUT":
            self.objects[path] = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            self.delete_at[path] = environ.get("HTTP_X_DELETE_AT")
            return 201, b""
        if method == "DELETE":
            return (204, b"") if self.objects.pop(path, None) is not None else (404, b"")
        return (200, self.objects[path]) if path in self.objects else (404, b"")

    def _listing(self, container: str, query: dict[str, str]) -> bytes:
        start = f"/v1/.identity/{container}/"
        names = sorted(path.removeprefix(start) for path in self.objects if path.startswith(start))
        wanted = [name for name in names if name.startswith(query["prefix"]) and name > query["marker"]]
        return json.dumps([{"name": name} for name in wanted[: self.listing_limit]]).encode()


class Site:
    """One proxy server.

    :param tempauth_options, options: of the two sections
    """

    def __init__(self, directory: Any, proxy: Proxy | None = None, **options: str) -> None:
        self.proxy = proxy or Proxy()
        self.cache = Cache()
        theirs = {**USERS, **{name[9:]: options.pop(name) for name in list(options) if name.startswith("tempauth_")}}
        theirs = {name: value for name, value in theirs.items() if value}
        self.conf = directory / "proxy-server.conf"
        self.conf.write_text(
            "[filter:tempauth]\n" + "".join(f"{name} = {value}\n" for name, value in theirs.items()), encoding="utf-8"
        )
        (directory / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = pepper\n")
        place = {"__file__": str(self.conf), "swift_dir": str(directory), "log_address": ""}
        inner = tempauth.filter_factory(place, **theirs)(self.proxy)
        self.app = identity.filter_factory(place, **options)(inner)

    def ask(self, method: str, path: str, token: str | None = None, body: Any = None, **headers: str) -> Answered:
        """Send a request; ``X_Some_Header`` stands for ``X-Some-Header``; a body that is no bytes goes as JSON."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["X-Auth-Token"] = token
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        environ = make_environ(method, path, headers=sent, body=data)
        environ["swift.cache"] = self.cache
        return call(self.app, environ)

    def login(self, name: str, password: str, scope: Any = None, path: str = "/v3/auth/tokens") -> Answered:
        """Log in through version 3."""
        user = {"name": name, "domain": {"id": "default"}, "password": password}
        auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
        if scope is not None:
            auth["scope"] = scope
        return self.ask("POST", path, body={"auth": auth})

    def token(self, name: str = "test:tester", password: str = "testing", scope: Any = None) -> str:
        """A token of version 3."""
        answered = self.login(name, password, scope)
        assert answered.status == 201, answered.body
        return answered.headers["x-subject-token"]


def project(name: str, /, **domain: str) -> dict[str, Any]:
    """A scope."""
    return {"project": {"name": name, "domain": domain or {"id": "default"}}}
