"""Give account and container listings the format that the client wants; inside they are mostly JSON (formats.md 7.7)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl, urlencode

from swiftlite.common.concurrency import in_turns
from swiftlite.common.config import is_true
from swiftlite.common.log import Logger, get_logger
from swiftlite.common.pipeline import WSGIApp
from swiftlite.common.subrequest import may_have
from swiftlite.common.web import HTTPBadRequest, HTTPNotAcceptable
from swiftlite.core.constraints import API_VERSIONS
from swiftlite.core.listing_formats import JSON, PLAIN, choose_format, read_entries, render
from swiftlite.core.names import RESERVED, wsgi_to_str
from swiftlite.proxy.controllers.base import LISTING_AS_TEXT

MAXIMUM_BYTES = 2 * 1024 * 10000
"""A longer JSON answer is no listing of ours and goes out as it is."""

Headers = list[tuple[str, str]]


class ListingFormats:
    """Asks the inside for JSON and renders it.

    :param log: hears of reserved names that had to be hidden
    """

    def __init__(self, app: WSGIApp, log: Logger) -> None:
        self.app = app
        self.log = log
        self.may_be_text = are_all_ours(app)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return self.app(environ, start_response)
        name = listed_name(environ["PATH_INFO"])
        if name is None:
            return self.app(environ, start_response)
        query = environ.get("QUERY_STRING", "")
        try:
            wanted, others = split_format(query)
            media_type = choose_format(wanted, environ.get("HTTP_ACCEPT"))
        except UnicodeDecodeError:
            return HTTPBadRequest('"format" parameter not valid UTF-8', content_type="text/plain")(
                environ, start_response
            )
        except ValueError:
            return HTTPBadRequest("Invalid Accept header")(environ, start_response)
        if media_type is None:
            return HTTPNotAcceptable()(environ, start_response)
        if wanted is not None:
            environ["HTTP_ACCEPT"] = media_type  # for filters to the right: the query's format wins
        environ["QUERY_STRING"] = others + "&format=json" if others else "format=json"
        environ.setdefault("swift.format_listing", True)
        if media_type == PLAIN and self.may_be_text and name[0] == "container" and not _is_of_versions(query):
            environ[LISTING_AS_TEXT] = True
        return self._answer(environ, start_response, (name, media_type, wanted is None))

    def _answer(
        self, environ: dict[str, Any], start_response: Callable[..., Any], target: tuple[tuple[str, str], str, bool]
    ) -> Iterable[bytes]:
        (kind, name), media_type, varies = target
        held: list[Any] = []

        def hold(status: str, headers: Headers, exc_info: Any = None) -> None:
            held[:] = status, headers

        body = self.app(environ, hold)
        body = body if held else list(body)
        status, headers = held
        found = {key.lower(): value for key, value in headers}
        is_listing = environ.get("swift.format_listing") and status.startswith(("200 ", "204 "))
        if not is_listing:
            start_response(status, headers)
            return body
        if varies:
            headers = _add_vary(headers, found.get("vary"))
        if found.get("content-type", "").partition(";")[0] != JSON:
            start_response(status, headers)
            return body
        if environ["REQUEST_METHOD"] == "HEAD":
            start_response(status, _typed(headers, media_type, 0))
            return body
        length = found.get("content-length", "")
        if not length.isdecimal() or int(length) > MAXIMUM_BYTES:
            start_response(status, headers)
            return body
        whole = _join(body)
        if media_type == JSON and b"\\u0000" not in whole:
            start_response(status, _typed(headers, JSON, len(whole)))
            return [whole]
        rendered = self._render(environ, whole, (kind, name, media_type))
        if rendered is None:  # some filter's own JSON
            start_response(status, headers)
            return [whole]
        start_response(status if rendered else "204 No Content", _typed(headers, media_type, len(rendered)))
        return [rendered]

    def _render(self, environ: dict[str, Any], whole: bytes, target: tuple[str, str, str]) -> bytes | None:
        kind, name, media_type = target
        try:
            entries = list(itertools.chain.from_iterable(in_turns(read_entries(whole))))
            if not all(isinstance(entry, dict) for entry in entries):
                return None
            if b"\\u0000" in whole and not is_true(environ.get("HTTP_X_BACKEND_ALLOW_RESERVED_NAMES")):
                entries = self._without_reserved(name, entries)
            return b"".join(in_turns(render(media_type, kind, name, entries)))
        except (ValueError, KeyError):
            return None

    def _without_reserved(self, name: str, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        kept = [e for e in entries if RESERVED not in e.get("name", "") and RESERVED not in e.get("subdir", "")]
        if len(kept) < len(entries):
            self.log.warning("Listing of %r had %d reserved names", name, len(entries) - len(kept))
        return kept


def are_all_ours(app: Any) -> bool:
    """Whether a filter and all behind it are of this project; others may rely on it that listings are JSON inside."""
    while type(app).__module__.startswith("swiftlite."):
        if not hasattr(app, "app"):
            return True
        app = app.app
    return False


def listed_name(path: str) -> tuple[str, str] | None:
    """``("account" | "container", native name)`` if the path is of a listing, else None.

    :param path: decoded, WSGI string
    """
    parts = path.split("/", 4)
    if len(parts) < 3 or parts[0] or parts[1] not in API_VERSIONS or not parts[2]:
        return None
    if len(parts) == 3 or (len(parts) == 4 and not parts[3]):
        return "account", wsgi_to_str(parts[2])
    if len(parts) == 4 or not parts[4]:
        return ("container", wsgi_to_str(parts[3])) if parts[3] else None
    return None


def split_format(query: str) -> tuple[str | None, str]:
    """The query's ``format``, None where it has none, and the query without it.

    :raises UnicodeDecodeError: when the format is no UTF-8
    """
    if not may_have(query, "format"):
        return None, query
    pairs = parse_qsl(query, keep_blank_values=True, encoding="latin-1")
    wanted = [value for key, value in pairs if key == "format"]
    others = [pair for pair in pairs if pair[0] != "format"]
    return (wanted[-1].encode("latin-1").decode() if wanted else None), urlencode(others, encoding="latin-1")


def _is_of_versions(query: str) -> bool:
    return any(key == "versions" for key, _ in parse_qsl(query, keep_blank_values=True))


def _join(body: Iterable[bytes]) -> bytes:
    try:
        return b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()


def _typed(headers: Headers, media_type: str, length: int) -> Headers:
    kept = [pair for pair in headers if pair[0].lower() not in ("content-type", "content-length")]
    return [*kept, ("Content-Type", f"{media_type}; charset=utf-8"), ("Content-Length", str(length))]


def _add_vary(headers: Headers, vary: str | None) -> Headers:
    if vary is None:
        return [*headers, ("Vary", "Accept")]
    if "accept" in (word.strip() for word in vary.lower().split(",")):
        return headers
    return [*(pair for pair in headers if pair[0].lower() != "vary"), ("Vary", f"{vary}, Accept")]


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; it has no options."""
    log = get_logger({**global_conf, **local_conf}, "listing-filter")
    return lambda app: ListingFormats(app, log)
