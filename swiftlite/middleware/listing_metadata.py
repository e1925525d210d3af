"""User metadata and mtime in a container's listing, for who asks with ``include=metadata`` (doc/extensions.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic
from urllib.parse import urlencode

from swiftlite.common import swift_info
from swiftlite.common.concurrency import Timeout, in_order
from swiftlite.common.config import option
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.common.subrequest import (
    Environ,
    Headers,
    StartResponse,
    SubResponse,
    call,
    make_environ,
    may_have,
    query_of,
)
from swiftlite.common.web import HTTPPreconditionFailed
from swiftlite.core.json_text import load_json
from swiftlite.core.listing_formats import JSON, PLAIN, choose_format
from swiftlite.core.listing_metadata import Entry, describe, question
from swiftlite.core.names import str_to_wsgi
from swiftlite.middleware.segments import agent

INCLUDE, METADATA = "include", "metadata"
SOURCE = "LM"
"""Who asks, in the log, for each object."""


@dataclass(frozen=True)
class ListingMetadataOptions:
    """The filter's section."""

    max_entries: int = option(1000, "entries that a page with metadata may have: each costs a HEAD")
    concurrency: int = option(8, "objects that are asked for at once, for one page", least=1)
    max_seconds: float = option(30.0, "after which the rest of a page is left without metadata")


class ListingMetadata:
    """The filter. It stands behind whoever guards requests: each object is read by the client, or not at all."""

    def __init__(self, app: WSGIApp, options: ListingMetadataOptions) -> None:
        self.app = app
        self.options = options

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        query = environ.get("QUERY_STRING", "")
        if environ["REQUEST_METHOD"] != "GET" or not may_have(query, INCLUDE):
            return self.app(environ, start_response)
        asked = query_of(environ)
        container = _container(environ["PATH_INFO"])
        if METADATA not in asked.pop(INCLUDE, "").split(",") or container is None or not _can_tell(environ):
            return self.app(environ, start_response)
        most = self.options.max_entries
        limit = asked.get("limit", "")
        if not limit.isdecimal():
            asked["limit"] = str(most)
        elif int(limit[:20]) > most:
            return HTTPPreconditionFailed(f"Maximum limit is {most} with metadata")(environ, start_response)
        environ["QUERY_STRING"] = urlencode(asked, encoding="latin-1")
        response = call(self.app, environ)
        if response.status != 200 or (response.header("Content-Type") or "").partition(";")[0] != JSON:
            return response.forward(start_response)
        return self._tell(environ, container, response, start_response)

    def _tell(
        self, environ: Environ, container: str, response: SubResponse, start_response: StartResponse
    ) -> Iterable[bytes]:
        body = response.read()
        try:
            entries = load_json(body)
        except ValueError:
            entries = None
        if isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries):
            self._look_at(environ, container, entries)
            body = json.dumps(entries).encode("ascii")
        kept = [pair for pair in response.headers if pair[0].lower() != "content-length"]
        start_response(response.status_line, [*kept, ("Content-Length", str(len(body)))])
        return [body]

    def _look_at(self, environ: Environ, container: str, entries: list[Entry]) -> None:
        """Ask for every object of a page, and write into its entry what is said."""
        end = monotonic() + self.options.max_seconds
        headers = [("User-Agent", agent(environ, "ListingMetadata"))]

        def ask(entry: Entry) -> tuple[int, Headers]:
            query = question(entry)
            path = f"{container}/{str_to_wsgi(entry['name'])}"
            made = make_environ(environ, "HEAD", path, query=query or "", headers=headers, source=SOURCE)
            return _within(end - monotonic(), self.app, made)

        wanted = [entry for entry in entries if question(entry) is not None]
        for entry, (status, found) in zip(wanted, in_order(max(1, self.options.concurrency), ask, wanted)):
            describe(entry, status, found)


def _within(seconds: float, app: WSGIApp, environ: Environ) -> tuple[int, Headers]:
    """Status and headers of an answer; 503 where none comes in time."""
    if seconds <= 0:
        return 503, []
    try:
        with Timeout(seconds) as timeout:
            response = call(app, environ)
            response.close()
            return response.status, response.headers
    except Timeout as raised:
        if raised is not timeout:
            raise
        return 503, []


def _container(path: str) -> str | None:
    """``/version/account/container`` of a path that names a container, else None."""
    parts = path.split("/", 4)
    names_one = len(parts) > 3 and parts[1] and parts[2] and parts[3] and not (len(parts) == 5 and parts[4])
    return "/".join(parts[:4]) if names_one else None


def _can_tell(environ: Environ) -> bool:
    """Whether the client gets a format that has room for it; listing_formats has seen to the header, where it decides."""
    try:
        return choose_format(None, environ.get("HTTP_ACCEPT")) not in (None, PLAIN)
    except ValueError:
        return False


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: ListingMetadataOptions. Raises ConfigError."""
    options = factory_options(ListingMetadataOptions, {**global_conf, **local_conf})
    swift_info.register("listing_metadata", max_entries=options.max_entries)
    return lambda app: ListingMetadata(app, options)
