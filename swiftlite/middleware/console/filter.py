"""Answer what is asked below /console/, each answer under headers that let no code run but our own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from swiftlite.common.pipeline import WSGIApp
from swiftlite.middleware.console.admin import AdminDocuments
from swiftlite.middleware.console.assets import Asset, make_asset
from swiftlite.middleware.console.document import Document

ROOT = "/console"
CONFIG = "config.json"
METHODS = "GET, HEAD"

SECURITY_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    # Pages made of users' objects may come from this origin, too: none of them gets hold of the console's window.
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
)


def content_security_policy(origins: Iterable[str]) -> str:
    """The policy of every answer: scripts and styles from our files alone, blobs as pictures, media and PDF alone.

    :param origins: others that the page may send requests to: storage and Keystone
    """
    others = tuple(origins)
    directives = {
        "default-src": ("'none'",),
        "script-src": ("'self'",),
        "style-src": ("'self'",),
        "worker-src": ("'self'",),
        "connect-src": ("'self'", *others),
        "img-src": ("'self'", "blob:"),
        "media-src": ("blob:",),
        "frame-src": ("blob:",),  # PDF, in the browser's own viewer; a blob of ours inherits this policy
        "frame-ancestors": ("'none'",),
        "base-uri": ("'none'",),
        "form-action": ("'none'",),
        "require-trusted-types-for": ("'script'",),
        "trusted-types": ("lit-html", "console-worker"),
    }
    return "; ".join(f"{name} {' '.join(words)}" for name, words in directives.items())


class Console:
    """The filter. Requests for anything else cost one comparison of strings."""

    def __init__(self, app: WSGIApp, assets: Mapping[str, Asset], document: Document, admin: AdminDocuments) -> None:
        self.app = app
        self.admin = admin
        self.assets = {**assets, CONFIG: make_asset(document.body, "application/json")}
        self.headers = [("Content-Security-Policy", content_security_policy(document.origins)), *SECURITY_HEADERS]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        if not path.startswith(ROOT):
            return self.app(environ, start_response)
        name = path[len(ROOT) :]
        if name and name[0] != "/":  # /consoles
            return self.app(environ, start_response)
        status, headers, body = self._answer(environ, name)
        start_response(status, [*headers, ("Content-Length", str(len(body))), *self.headers])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, environ: dict[str, Any], name: str) -> tuple[str, list[tuple[str, str]], bytes]:
        """Status, headers and body for what is below the root: empty, or beginning with a slash."""
        if environ["REQUEST_METHOD"] not in METHODS.split(", "):
            return "405 Method Not Allowed", [("Allow", METHODS), *PLAIN], b"The console is only read.\n"
        if not name:
            return "301 Moved Permanently", [("Location", f"{ROOT}/"), *PLAIN], b""
        if name[1:] in self.admin.names:
            return self.admin.answer(environ, name[1:])
        asset = self.assets.get(name[1:])
        if asset is None:
            return "404 Not Found", [*PLAIN], b"The console has no such file.\n"
        # Asked for anew each time, by its ETag: a page of one version never runs with scripts of another.
        headers = [("ETag", asset.etag), ("Cache-Control", "no-cache")]
        if asset.etag in environ.get("HTTP_IF_NONE_MATCH", ""):
            return "304 Not Modified", headers, b""
        return "200 OK", [*headers, ("Content-Type", asset.content_type)], asset.body


PLAIN = (("Content-Type", "text/plain"),)
