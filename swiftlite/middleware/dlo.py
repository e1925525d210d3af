"""Dynamic large objects: one object out of all whose names begin alike, as the listing shows them (formats.md 7.16)."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from swiftlite.common.config import option
from swiftlite.common.log import Logger, get_logger
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.common.subrequest import Environ, Headers, StartResponse, SubResponse, call, make_environ, query_of
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.common.web import Answer, HTTPBadRequest, HTTPConflict, HTTPNotFound, default_body, status_line
from swiftlite.core import preconditions
from swiftlite.core.json_text import load_json
from swiftlite.core.names import str_to_wsgi
from swiftlite.core.ranges import ByteRange, RangeRequest
from swiftlite.middleware.segments import (
    Pace,
    Part,
    SegmentedBody,
    SegmentError,
    SegmentSource,
    Unavailable,
    agent,
    conditions_of,
)

MARK = "x-object-manifest"
PUT_MARK = "HTTP_X_OBJECT_MANIFEST"
IGNORE_RANGE = "HTTP_X_BACKEND_IGNORE_RANGE_IF_METADATA_PRESENT"

Entry = dict[str, Any]


@dataclass(frozen=True)
class DLOOptions:
    """The filter's section."""

    rate_limit_after_segment: int = option(10, "segments that a download gets without waiting")
    rate_limit_segments_per_sec: float = option(1.0, "segments a second that it gets then; 0: no limit", least=None)
    max_get_time: int = option(86400, "seconds that a download may take")
    swift_dir: str = option("/etc/swift", "directory of swift.conf")


class Shape(NamedTuple):
    """What of a dynamic large object is sent.

    :ivar length: bytes of the answer; None: unknown, because the listing goes on
    :ivar part: the range that was asked for and can be given
    :ivar total: bytes of the segments known
    """

    length: int | None
    part: ByteRange | None
    total: int


class DynamicLargeObjects:
    """The filter."""

    def __init__(self, app: WSGIApp, options: DLOOptions, log: Logger) -> None:
        self.app = app
        self.options = options
        self.log = log

    @functools.cached_property
    def page(self) -> int:
        """Entries of a full page of a listing; a shorter page is the last one. The proxy, which starts first, has found
        swift.conf good."""
        return SwiftConf.load(self.options.swift_dir).constraints.container_listing_limit

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if method == "GET" or method == "HEAD":
            parts = environ["PATH_INFO"].split("/", 4)
            if len(parts) < 5 or not (parts[2] and parts[3] and parts[4]):
                return self.app(environ, start_response)
            if environ.get("QUERY_STRING") and query_of(environ).get("multipart-manifest") == "get":
                return self.app(environ, start_response)
            return self._read(environ, start_response)
        if method == "PUT" and PUT_MARK in environ and not is_valid_manifest(environ[PUT_MARK]):
            refusal = HTTPBadRequest("X-Object-Manifest must be in the format container/prefix")
            return refusal(environ, start_response)
        return self.app(environ, start_response)

    def _read(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if "HTTP_RANGE" in environ:
            before = environ.get(IGNORE_RANGE)
            environ[IGNORE_RANGE] = f"{before},X-Object-Manifest" if before else "X-Object-Manifest"
        path = environ["PATH_INFO"]
        response = call(self.app, environ)
        target = _target(response.headers)
        if target is None:
            return response.forward(start_response)
        response.read(1024)  # A manifest is mostly empty, and its connection wants to be used again
        environ["PATH_INFO"] = path
        try:
            return _Reading(self, environ, response, target).answer(start_response)
        except Answer as answer:
            if environ["REQUEST_METHOD"] == "HEAD":
                answer.body = b""
            return answer(environ, start_response)


def is_valid_manifest(value: str) -> bool:
    """Whether an X-Object-Manifest header names a container and a prefix."""
    container, _, prefix = value.partition("/")
    return bool(container and prefix) and not prefix.startswith("/") and "?" not in value and "&" not in value


def _target(headers: Headers) -> str | None:
    """The ``container/prefix`` of a manifest's headers as a WSGI string; None when it is no manifest."""
    for name, value in headers:
        if len(name) == len(MARK) and name.lower() == MARK:
            return unquote(value, encoding="latin-1")
    return None


class _Reading:
    """One GET or HEAD of what turned out to be a dynamic large object.

    :param response: the answer that said so, of which only the head counts
    :param target: ``container/prefix``, a WSGI string
    """

    def __init__(self, dlo: DynamicLargeObjects, environ: Environ, response: SubResponse, target: str) -> None:
        self.dlo = dlo
        self.environ = environ
        self.response = response
        container, _, self.prefix = target.partition("/")
        account = "/".join(environ["PATH_INFO"].split("/", 3)[:3])
        self.container_path = f"{account}/{container}"
        self.is_head = environ["REQUEST_METHOD"] == "HEAD"

    def answer(self, start_response: StartResponse) -> Iterable[bytes]:
        """Send the head, and return the body.

        :raises Answer: when there is nothing to send
        """
        if self.container_path.endswith("/") or not is_utf8(self.container_path + self.prefix):
            raise HTTPNotFound()  # a POST may have said so; the account's listing is none of a manifest's business
        first = self._list("")
        if isinstance(first, SubResponse):
            if self.is_head:
                first.close()
                first.body = []
                first.headers = [pair for pair in first.headers if pair[0].lower() != "content-length"]
                first.headers.append(("Content-Length", "0"))
            return first.forward(start_response)
        is_complete = len(first) < self.dlo.page
        headers = [pair for pair in self.response.headers if pair[0].lower() not in ("content-length", "content-range")]
        if is_complete:
            headers = [pair for pair in headers if pair[0].lower() != "etag"]
            headers.append(("Etag", f'"{listing_etag(first)}"'))
        shape = self._shape(first, is_complete)
        if shape is None:
            return self._refuse_range(start_response, first, is_complete)
        unmet = self._unmet(headers)
        if unmet is not None:
            start_response(status_line(unmet), [*headers, ("Content-Length", "0")])
            return []
        body: Iterable[bytes] = () if self.is_head else self._body(first, shape)
        if shape.length is not None:
            headers.append(("Content-Length", str(shape.length)))
        if shape.part is not None:
            headers.append(("Content-Range", shape.part.content_range(shape.total)))
        start_response(status_line(200 if shape.part is None else 206), headers)
        return body

    # --- the listing ---

    def _list(self, marker: str) -> list[Entry] | SubResponse:
        """A page of the segments' listing, or the answer that says why there is none.

        :param marker: native name after which it begins
        """
        query = "prefix=" + quote(self.prefix, encoding="latin-1")
        if marker:
            query += "&marker=" + quote(marker, errors="surrogateescape")
        headers = [("User-Agent", agent(self.environ, "DLO MultipartGET"))]
        made = make_environ(self.environ, "GET", self.container_path, query=query, headers=headers, source="DLO")
        response = call(self.dlo.app, made)
        if not response.is_success:
            return response
        return load_json(response.read() or b"[]")

    def _pages(self, first: list[Entry]) -> Iterator[list[Entry]]:
        """All pages, asked for as they are needed.

        :raises SegmentError: when one cannot be had
        """
        page: list[Entry] | SubResponse = first
        while True:
            if isinstance(page, SubResponse):
                page.close()
                raise SegmentError(f"Got status {page.status} listing container {self.container_path}")
            yield page
            if len(page) < self.dlo.page:
                return
            page = self._list(page[-1]["name"])

    # --- the answer ---

    def _shape(self, first: list[Entry], is_complete: bool) -> Shape | None:
        """What of the object to send; None when it has none of the bytes asked for."""
        total = sum(entry["bytes"] for entry in first)
        length = total if is_complete else None
        asked = None if self.is_head else RangeRequest.parse(self.environ.get("HTTP_RANGE"))
        if asked is None or len(asked.specs) != 1:
            return Shape(length, None, total)
        begin, last = asked.specs[0]
        # Of a longer listing only a range that ends within this page can be told to be there.
        if not is_complete and (begin is None or last is None or last + 1 >= total):
            return Shape(None, None, total)
        ranges = asked.resolve(total)
        if ranges is None:
            return Shape(length, None, total)
        return Shape(ranges[0].length, ranges[0], total) if ranges else None

    def _refuse_range(self, start_response: StartResponse, first: list[Entry], is_complete: bool) -> Iterable[bytes]:
        body = default_body(416)
        headers = [
            ("Content-Type", "text/html; charset=UTF-8"),
            ("Accept-Ranges", "bytes"),
            ("Content-Length", str(len(body))),
        ]
        if is_complete:
            headers.append(("Content-Range", f"bytes */{sum(entry['bytes'] for entry in first)}"))
        start_response(status_line(416), headers)
        return [body]

    def _unmet(self, headers: Headers) -> int | None:
        """304 or 412 where a condition of the request does not hold of the large object."""
        conditions = conditions_of(self.environ)
        if not conditions:
            return None
        found = {name.lower(): value for name, value in headers}
        modified = preconditions.parse_http_date(found.get("last-modified")) or 0
        return preconditions.evaluate(conditions, found.get("etag", "").strip('"'), modified)

    def _body(self, first: list[Entry], shape: Shape) -> SegmentedBody:
        """The bytes, the first segment of which is there.

        :raises Answer: 409 when it cannot be read, 503 when nobody knows
        """
        source = SegmentSource(self.dlo.app, self.environ, "DLO")
        parts = self._parts(first, shape.part)
        body = SegmentedBody(source, parts, shape.length, self.dlo.options.max_get_time)
        try:
            body.start()
        except Unavailable as error:
            self.dlo.log.error("%s", error)
            raise error.answer() from None
        except SegmentError as error:
            self.dlo.log.error("%s", error)
            raise HTTPConflict() from None
        return body

    def _parts(self, first: list[Entry], asked: ByteRange | None) -> Iterator[Part]:
        options = self.dlo.options
        pace = Pace(options.rate_limit_after_segment, options.rate_limit_segments_per_sec)
        start, stop = (0, float("inf")) if asked is None else asked
        for page in self._pages(first):
            for entry in page:
                size = int(entry["bytes"])
                if stop <= 0:
                    return
                if start < size:
                    pace.wait()
                    # Whatever has the name by then belongs to the object: neither size nor ETag are promised.
                    end = None if stop >= size else int(stop)
                    yield Part(f"{self.container_path}/{str_to_wsgi(entry['name'])}", max(0, start), end)
                start -= size
                stop -= size


def is_utf8(text: str) -> bool:
    """Whether a WSGI string is text, as all names are."""
    try:
        text.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def listing_etag(entries: Iterable[Entry]) -> str:
    """The ETag of a dynamic large object: the MD5 of its segments' ETags."""
    digest = hashlib.md5(usedforsecurity=False)
    for entry in entries:
        digest.update(entry["hash"].strip('"').encode("utf-8"))
    return digest.hexdigest()


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: DLOOptions. Raises ConfigError."""
    conf = {**global_conf, **local_conf}
    options = factory_options(DLOOptions, conf)
    log = get_logger(conf, "dlo")
    return lambda app: DynamicLargeObjects(app, options, log)
