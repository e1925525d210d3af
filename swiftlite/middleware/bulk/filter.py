"""The filter bulk: passes on what does not concern it, and hands on what does."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from swiftlite.common.log import Logger
from swiftlite.common.pipeline import WSGIApp
from swiftlite.common.subrequest import Environ, StartResponse, may_have, query_of
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.common.web import HTTPBadRequest
from swiftlite.core import bulk_answer
from swiftlite.core.bulk import compression_of
from swiftlite.core.constraints import Constraints
from swiftlite.middleware.bulk.delete import delete
from swiftlite.middleware.bulk.extraction import Extraction
from swiftlite.middleware.bulk.options import BulkOptions

EXTRACT = "extract-archive"
DELETE = "bulk-delete"


class Bulk:
    """The filter. It stands before whoever guards requests: each change that it makes is asked for as the client's.

    :param log: hears of what nobody expected
    """

    def __init__(self, app: WSGIApp, options: BulkOptions, log: Logger) -> None:
        self.app = app
        self.options = options
        self.log = log

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        query = environ.get("QUERY_STRING")
        if query:
            method = environ["REQUEST_METHOD"]
            if method == "PUT" and may_have(query, EXTRACT):
                kind = query_of(environ).get(EXTRACT)
                if kind is not None:
                    return self._extract(environ, start_response, kind)
            elif (method == "POST" or method == "DELETE") and may_have(query, DELETE):
                asked = query_of(environ)
                if DELETE in asked:
                    return delete(self, environ, self._start(environ, start_response), asked.get("results") == "all")
        return self.app(environ, start_response)

    def _extract(self, environ: Environ, start_response: StartResponse, kind: str) -> Iterable[bytes]:
        compression = compression_of(kind)
        if compression is None:
            return HTTPBadRequest("Unsupported archive format")(environ, start_response)
        return Extraction(self, environ, compression).run(self._start(environ, start_response))

    def _start(self, environ: Environ, start_response: StartResponse) -> str | None:
        """Begin an answer, long before its outcome is known; the media type that it is given in."""
        # What was granted for this one request, container sync's say, is not for those that come of it.
        environ.pop("swift.authorize_override", None)
        # Nor shall a long request go by what was known of quotas and access lists when it began.
        environ.pop("swift.infocache", None)
        media_type = bulk_answer.answer_format(environ.get("HTTP_ACCEPT"))
        start_response("200 OK", [("Content-Type", media_type or "text/html; charset=UTF-8")])
        return media_type

    @functools.cached_property
    def constraints(self) -> Constraints:
        """The cluster's limits. The proxy itself, which starts first, has found swift.conf good."""
        return SwiftConf.load(self.options.swift_dir).constraints
