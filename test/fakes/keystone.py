"""A Keystone that knows a few tokens: the part of its v3 API that keystonemiddleware's authtoken needs."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FOREVER = "2099-01-01T00:00:00.000000Z"


def token(user: str, project: str | None, *roles: str, domain: str = "default") -> dict[str, Any]:
    """Return what Keystone tells of a token; ids are the names with ``id-`` in front."""
    told: dict[str, Any] = {
        "methods": ["password"],
        "user": {"id": f"id-{user}", "name": user, "domain": {"id": domain, "name": domain.title()}},
        "audit_ids": ["a"],
        "issued_at": "2020-01-01T00:00:00.000000Z",
        "expires_at": FOREVER,
    }
    if project:
        told["project"] = {"id": f"id-{project}", "name": project, "domain": {"id": domain, "name": domain.title()}}
        told["roles"] = [{"id": f"id-{role}", "name": role} for role in roles]
        told["catalog"] = []
    return {"token": told}


class Keystone:
    """A server on loopback; `tokens` may be changed at any time.

    `gate`: validations wait until it is set; `waiting` counts those that have arrived.
    """

    def __init__(self) -> None:
        self.tokens: dict[str, dict[str, Any]] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = 0
        keystone = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path.startswith("/v3/auth/tokens"):
                    keystone.waiting += 1
                    keystone.gate.wait(120)
                    found = keystone.tokens.get(self.headers.get("X-Subject-Token", ""))
                    if found is None:
                        self.answer(404, {"error": {"code": 404, "message": "no such token", "title": "Not Found"}})
                    else:
                        self.answer(200, found, ("X-Subject-Token", self.headers["X-Subject-Token"]))
                    return
                version = {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": f"{keystone.url}/v3/"}]}
                if self.path.startswith("/v3"):
                    self.answer(200, {"version": version})
                else:
                    self.answer(300, {"versions": {"values": [version]}})

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                told = token("swift", "service", "service")
                told["token"]["catalog"] = [
                    {
                        "type": "identity",
                        "id": "i",
                        "name": "keystone",
                        "endpoints": [
                            {"id": name, "interface": name, "region": "r", "region_id": "r", "url": keystone.url}
                            for name in ("public", "internal", "admin")
                        ],
                    }
                ]
                self.answer(201, told, ("X-Subject-Token", "of-the-service-user"))

            def answer(self, status: int, value: Any, *headers: tuple[str, str]) -> None:
                body = json.dumps(value).encode()
                self.send_response(status)
                for name, text in (*headers, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))):
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def conf(self) -> dict[str, str]:
        """Return authtoken's options for this Keystone."""
        return {
            "www_authenticate_uri": self.url,
            "auth_url": self.url,
            "auth_type": "password",
            "project_domain_id": "default",
            "user_domain_id": "default",
            "project_name": "service",
            "username": "swift",
            "password": "secret",
            "delay_auth_decision": "true",
            "interface": "internal",
            "service_token_roles": "service",
            "service_token_roles_required": "true",
        }

    def close(self) -> None:
        """Stop it."""
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
