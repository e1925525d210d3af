"""InfoController: /info, what this cluster can do (formats.md 7.10)."""

from __future__ import annotations

import hmac
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from swiftlite.common import swift_info
from swiftlite.common.web import HTTPForbidden, HTTPUnauthorized, status_line
from swiftlite.proxy.answers import PlainAnswer

if TYPE_CHECKING:
    from swiftlite.proxy.server import Application


class InfoController:
    """Requests for ``/info``."""

    methods = ("GET", "HEAD", "OPTIONS")

    def __init__(self, app: Application, environ: dict[str, Any]) -> None:
        self.options = app.options
        self.environ = environ

    def GET(self) -> PlainAnswer:
        """The capabilities of the cluster as JSON."""
        if not self.options.expose_info:
            raise HTTPForbidden()
        shown = swift_info.registered(self._is_admin(), self.options.disallowed_sections)
        body = json.dumps(shown).encode("ascii")
        headers = [("Content-Type", "application/json; charset=UTF-8"), ("Content-Length", str(len(body)))]
        return PlainAnswer(status_line(200), headers, body if self.environ["REQUEST_METHOD"] == "GET" else b"")

    HEAD = GET

    def _is_admin(self) -> bool:
        """Whether the request asks for the admin view, with the right to it.

        :raises Answer: 403 without an admin key, 401 for a wrong or expired signature
        """
        query = parse_qs(self.environ.get("QUERY_STRING", ""), keep_blank_values=True)
        signature, expires = query.get("swiftinfo_sig", [""])[0], query.get("swiftinfo_expires", [""])[0]
        if not signature and not expires:
            return False
        if not self.options.admin_key:
            raise HTTPForbidden()
        if not (expires.isascii() and expires.isdigit() and len(expires) <= 20) or int(expires) < time.time():
            raise HTTPUnauthorized()
        key = self.options.admin_key.encode("utf-8")
        # A HEAD may use the signature made for a GET.
        methods = ("HEAD", "GET") if self.environ["REQUEST_METHOD"] == "HEAD" else ("GET",)
        signed = [hmac.new(key, f"{method}\n{expires}\n/info".encode(), "sha1").hexdigest() for method in methods]
        if not any(hmac.compare_digest(one.encode(), signature.encode("utf-8", "replace")) for one in signed):
            raise HTTPUnauthorized()
        return True
