"""The filter slo: passes on what does not concern it, and hands on what does."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from swiftlite.common.log import Logger
from swiftlite.common.pipeline import WSGIApp
from swiftlite.common.subrequest import POST_AS_COPY, Environ, StartResponse, call, may_have, query_of
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.common.web import Answer, HTTPBadRequest, from_violation
from swiftlite.core.constraints import Violation
from swiftlite.core.listing_formats import JSON
from swiftlite.core.names import HashPath
from swiftlite.middleware.listed import change_entries
from swiftlite.middleware.slo import delete, download, upload
from swiftlite.middleware.slo.asked import mean_large_etag
from swiftlite.middleware.slo.options import SLOOptions
from swiftlite.proxy.controllers.base import Denied

RESERVED = "HTTP_X_STATIC_LARGE_OBJECT"
RESERVED_TEXT = (
    "X-Static-Large-Object is a reserved header. To create a static large object add query param "
    "multipart-manifest=put."
)
LISTED = b"slo_etag="
AS_IT_IS = "swift.slo_override"
"""Reads and writes a manifest as it is stored: container sync may bring it before its segments."""


class StaticLargeObjects:
    """The filter.

    :param log: hears of large objects that cannot be read or deleted as they should
    """

    def __init__(self, app: WSGIApp, options: SLOOptions, log: Logger) -> None:
        self.app = app
        self.options = options
        self.log = log

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if AS_IT_IS in environ:
            return self.app(environ, start_response)
        method = environ["REQUEST_METHOD"]
        reads = method == "GET" or method == "HEAD"
        if not reads:
            mean_large_etag(environ)
            if not may_have(environ.get("QUERY_STRING", ""), "multipart-manifest") and RESERVED not in environ:
                return self.app(environ, start_response)
        parts = environ["PATH_INFO"].split("/", 4)
        if len(parts) < 4 or not (parts[1] and parts[2] and parts[3]):
            return self.app(environ, start_response)
        try:
            if len(parts) == 5 and parts[4]:
                if reads:
                    return download.read(self, environ, start_response)
                return self._change(method, environ, start_response)
        except Answer as answer:
            if method == "HEAD":
                answer.body = b""
            return answer(environ, start_response)
        except Denied as denied:
            return denied.answer(environ, start_response)
        except Violation as violation:
            return from_violation(violation)(environ, start_response)
        return self._list(environ, start_response) if method == "GET" else self.app(environ, start_response)

    def _change(self, method: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        asked = query_of(environ).get("multipart-manifest")
        if method == "PUT" and asked == "put":
            return upload.put(self, environ, start_response)
        if method == "DELETE" and asked == "delete":
            return delete.delete(self, environ, start_response)
        if RESERVED in environ and POST_AS_COPY not in environ:
            raise HTTPBadRequest(RESERVED_TEXT)
        return self.app(environ, start_response)

    def _list(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """A container's listing, in which large objects have their two ETags apart."""
        response = call(self.app, environ)
        if response.status != 200 or (response.header("Content-Type") or "").partition(";")[0] != JSON:
            return response.forward(start_response)
        body = response.read()
        if LISTED in body:
            body = split_etags(body)
            response.headers = [pair for pair in response.headers if pair[0].lower() != "content-length"]
            response.headers.append(("Content-Length", str(len(body))))
        start_response(response.status_line, response.headers)
        return [body]

    @functools.cached_property
    def hash_path(self) -> HashPath:
        """The cluster's way to hash names. The proxy itself, which starts first, has found swift.conf good."""
        return SwiftConf.load(self.options.swift_dir).hash_path


def split_etags(body: bytes) -> bytes:
    """A JSON listing with the parameter ``slo_etag`` of hashes as a field of its own; other JSON as it is."""
    try:
        return change_entries(body, _split_etag)
    except ValueError:
        return body


def _split_etag(entry: Any) -> None:
    if not isinstance(entry, dict) or "slo_etag=" not in entry.get("hash", ""):
        return
    etag, *parameters = (part.strip() for part in entry["hash"].split(";"))
    kept = [etag]
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "slo_etag":
            entry["slo_etag"] = '"%s"' % value.strip().strip('"')
        else:
            kept.append(parameter)
    entry["hash"] = "; ".join(kept)
