"""GET and HEAD of static large objects: their bytes, their manifest, one of their parts (formats.md 7.15)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from swiftlite.common.subrequest import (
    POST_AS_COPY,
    Environ,
    Headers,
    StartResponse,
    SubResponse,
    call,
    make_environ,
    query_of,
)
from swiftlite.common.web import (
    HTTPBadRequest,
    HTTPConflict,
    HTTPInternalServerError,
    HTTPServiceUnavailable,
    default_body,
    status_line,
)
from swiftlite.core import manifest, preconditions
from swiftlite.core.manifest import ManifestError, Segment, TooDeep
from swiftlite.core.names import quote_wsgi, str_to_wsgi
from swiftlite.core.ranges import ByteRange, MultipartFraming, RangeRequest
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
from swiftlite.middleware.slo.asked import ETAG, append_name, is_large, mean_large_etag

if TYPE_CHECKING:
    from swiftlite.middleware.slo.filter import StaticLargeObjects

SIZE = "X-Object-Sysmeta-Slo-Size"
IGNORE_RANGE = "HTTP_X_BACKEND_IGNORE_RANGE_IF_METADATA_PRESENT"
KEPT_MANIFESTS = 20
"""Nested manifests that a download remembers: a few, or it could be made to fill the memory."""

_REPLACED = frozenset({"etag", "content-length", "content-range"})


def read(slo: StaticLargeObjects, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a GET or HEAD of an object, which may be a large one.

    :raises Answer: when it cannot be read
    """
    query = query_of(environ)
    if query.get("multipart-manifest") == "get":
        return _read_manifest(slo, environ, start_response, is_raw=query.get("format") == "raw")
    mean_large_etag(environ)
    # The object server gives all of a manifest.
    if "HTTP_RANGE" in environ:
        append_name(environ, IGNORE_RANGE, "X-Static-Large-Object")
    path = environ["PATH_INFO"]  # a filter further in may change it
    response = call(slo.app, environ)
    if not is_large(response.headers):
        return response.forward(start_response)
    environ["PATH_INFO"] = path
    try:
        part_number = _part_number(query.get("part-number"), environ)
        return _Reading(slo, environ, response, part_number).answer(start_response)
    except BaseException:
        response.close()
        raise


def _part_number(text: str | None, environ: Environ) -> int | None:
    if text is None:
        return None
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number <= 0:
        raise HTTPBadRequest("Part number must be an integer greater than 0")
    if RangeRequest.parse(environ.get("HTTP_RANGE")) is not None:
        raise HTTPBadRequest("Range requests are not supported with part number queries")
    return number


def _read_manifest(
    slo: StaticLargeObjects, environ: Environ, start_response: StartResponse, is_raw: bool
) -> Iterable[bytes]:
    """The list of segments, as it is stored or as a client may PUT it again."""
    if is_raw:
        environ.pop("HTTP_RANGE", None)
    response = call(slo.app, environ)
    if not is_large(response.headers):
        return response.forward(start_response)
    if POST_AS_COPY in environ:
        return response.forward(start_response)
    if not is_raw:
        response.headers = [pair for pair in response.headers if pair[0].lower() != "content-type"]
        response.headers.append(("Content-Type", "application/json; charset=utf-8"))
        return response.forward(start_response)
    if environ["REQUEST_METHOD"] == "HEAD" or response.status != 200:
        return response.forward(start_response)
    body = manifest.to_raw(_entries(slo, response))
    headers = [pair for pair in response.headers if pair[0].lower() not in _REPLACED]
    headers += [("Content-Length", str(len(body))), ("Etag", manifest.md5(body))]
    start_response(response.status_line, headers)
    return [body]


def _entries(slo: StaticLargeObjects, response: SubResponse) -> list[manifest.Entry]:
    try:
        return manifest.read_entries(response.read())
    except ManifestError as error:
        slo.log.error("%s", error)
        raise HTTPInternalServerError("Unable to load SLO manifest") from None


class _Shape(NamedTuple):
    """What the body of an answer is made of.

    :ivar status: HTTP status
    :ivar ranges: the bytes to give; several make a multipart body
    """

    status: int
    ranges: Sequence[ByteRange]


class _Reading:
    """One GET or HEAD of what turned out to be a large object.

    :param response: the answer that said so; its body is the manifest, or nothing
    :param part_number: the one segment that is wanted, from 1
    """

    def __init__(
        self, slo: StaticLargeObjects, environ: Environ, response: SubResponse, part_number: int | None
    ) -> None:
        self.slo = slo
        self.environ = environ
        self.response = response
        self.part_number = part_number
        self.is_head = environ["REQUEST_METHOD"] == "HEAD"
        self.segments: Sequence[Segment] = ()
        self._remember(response)

    def _remember(self, response: SubResponse) -> None:
        self.manifest_etag = (response.header("Etag") or "").strip('"')
        self.etag = response.header(ETAG) or ""
        size = response.header(SIZE) or ""
        self.size = int(size) if size.isdecimal() else -1
        # Manifests of old do not say what the large object's ETag and size are; their segments do.
        self.is_legacy = not (self.etag and self.size >= 0)

    def answer(self, start_response: StartResponse) -> Iterable[bytes]:
        status = self.response.status
        if status >= 400 and status not in (412, 416):
            return self.response.forward(start_response)
        unmet = status in (304, 412)
        needs_segments = self.is_legacy or (not unmet and (not self.is_head or self.part_number is not None))
        if needs_segments:
            if self.is_head or status != 200:
                self._fetch()
            self._read_segments()
        if self.is_legacy:
            unmet_status = self._evaluate()
        else:
            unmet_status = status if unmet else None
        if unmet_status is not None:
            self.response.close()
            return self._send(start_response, unmet_status, [("Content-Length", "0")])
        if self.part_number is not None:
            return self._answer_part(start_response, self.part_number)
        if self.is_head:
            self.response.close()
            return self._send(start_response, 200, [("Content-Length", str(self.size))])
        return self._answer_ranges(start_response)

    # --- the manifest ---

    def _fetch(self) -> None:
        """Get the manifest, which the first answer did not bring."""
        self.response.close()
        environ = self.environ
        headers = [("User-Agent", agent(environ, "SLO MultipartGET"))]
        if "HTTP_X_OPEN_EXPIRED" in environ:
            headers.append(("X-Open-Expired", environ["HTTP_X_OPEN_EXPIRED"]))
        query = environ.get("QUERY_STRING", "")
        made = make_environ(environ, "GET", environ["PATH_INFO"], query=query, headers=headers, source="SLO")
        self.response = call(self.slo.app, made)
        if self.response.status != 200 or not is_large(self.response.headers):
            # It was deleted or overwritten meanwhile, or a server knows less than the first one.
            self.response.close()
            raise HTTPServiceUnavailable()
        self._remember(self.response)

    def _read_segments(self) -> None:
        entries = _entries(self.slo, self.response)
        try:
            self.segments = manifest.read_segments(entries)
        except ManifestError as error:
            self.slo.log.error("%s", error)
            raise HTTPInternalServerError("Unable to load SLO manifest") from None
        if self.is_legacy:
            self.etag = manifest.large_etag(entries)
            self.size = manifest.total_length(self.segments)

    def _evaluate(self) -> int | None:
        """Hold the conditions against an ETag that the object server could not know."""
        conditions = conditions_of(self.environ)
        modified = preconditions.parse_http_date(self.response.header("Last-Modified")) or 0
        return preconditions.evaluate(conditions, self.etag, modified)

    # --- the answer ---

    def _answer_part(self, start_response: StartResponse, number: int) -> Iterable[bytes]:
        count = ("X-Parts-Count", str(len(self.segments)))
        if number > len(self.segments):
            body = b"" if self.is_head else b"The requested part number is not satisfiable"
            nothing = ("Content-Range", f"bytes */{self.size}")
            return self._send(start_response, 416, [count, nothing, ("Content-Length", str(len(body)))], [body])
        part = ByteRange(*manifest.part_range(self.segments, number))
        headers = [
            count,
            ("Content-Range", part.content_range(self.size)),
            ("Content-Length", str(part.length)),
        ]
        body = [] if self.is_head else self._body([part], part.length, None)
        return self._send(start_response, 206, headers, body)

    def _answer_ranges(self, start_response: StartResponse) -> Iterable[bytes]:
        asked = RangeRequest.parse(self.environ.get("HTTP_RANGE"))
        parts = asked.resolve(self.size) if asked else None
        if parts is None:
            length = [("Content-Length", str(self.size))]
            return self._send(start_response, 200, length, self._body([ByteRange(0, self.size)], self.size, None))
        if not parts:
            body = default_body(416)
            headers = [
                ("Content-Type", "text/html; charset=UTF-8"),
                ("Content-Range", f"bytes */{self.size}"),
                ("Content-Length", str(len(body))),
            ]
            return self._send(start_response, 416, headers, [body])
        if len(parts) == 1:
            headers = [
                ("Content-Range", parts[0].content_range(self.size)),
                ("Content-Length", str(parts[0].length)),
            ]
            return self._send(start_response, 206, headers, self._body(parts, parts[0].length, None))
        content_type = self.response.header("Content-Type") or ""
        framing = MultipartFraming(secrets.token_hex(16), content_type, self.size)
        length = framing.content_length(parts)
        headers = [("Content-Type", framing.header), ("Content-Length", str(length))]
        return self._send(start_response, 206, headers, self._body(parts, length, framing))

    def _send(
        self, start_response: StartResponse, status: int, headers: Headers, body: Iterable[bytes] = ()
    ) -> Iterable[bytes]:
        replaced = _REPLACED | {name.lower() for name, _ in headers}
        kept = [pair for pair in self.response.headers if pair[0].lower() not in replaced]
        identity = [("Etag", f'"{self.etag}"'), ("X-Manifest-Etag", self.manifest_etag)]
        start_response(status_line(status), [*kept, *identity, *headers])
        return body

    def _body(self, ranges: Sequence[ByteRange], length: int, framing: MultipartFraming | None) -> Iterable[bytes]:
        """The bytes of some ranges, the first segment of which is there.

        :raises Answer: 409 when it is not what the manifest says, 503 when nobody knows
        """
        options, environ = self.slo.options, self.environ
        source = SegmentSource(self.slo.app, environ, "SLO")
        body = SegmentedBody(source, self._parts(ranges, framing), length, options.max_get_time)
        try:
            body.start()
        except Unavailable as error:
            self.slo.log.error("%s", error)
            raise error.answer() from None
        except SegmentError as error:
            self.slo.log.error("%s", error)
            raise HTTPConflict() from None
        return body

    def _parts(self, ranges: Sequence[ByteRange], framing: MultipartFraming | None) -> Iterator[Part | bytes]:
        options = self.slo.options
        pace = Pace(options.rate_limit_after_segment, options.rate_limit_segments_per_sec)
        fetch = lru_cache(KEPT_MANIFESTS)(self._nested)
        account = "/".join(self.environ["PATH_INFO"].split("/", 3)[:3])
        for index, asked in enumerate(ranges):
            if framing is not None:
                yield framing.before(asked, index == 0)
            try:
                for segment, first, stop in manifest.pieces(self.segments, asked.start, asked.stop, fetch):
                    if segment.data is not None:
                        yield segment.data[first:stop]
                        continue
                    if segment.size < options.rate_limit_under_size:
                        pace.wait()
                    yield Part(account + str_to_wsgi(segment.name), first, stop, segment.etag, segment.size)
            except TooDeep:
                name = quote_wsgi(self.environ["PATH_INFO"])
                raise SegmentError(f"While processing manifest {name}, max recursion depth was exceeded") from None
        if framing is not None:
            yield framing.end()

    def _nested(self, segment: Segment) -> Sequence[Segment]:
        """The segments of a segment that is a large object.

        :raises SegmentError: when it is not what its manifest says
        """
        environ = self.environ
        path = "/".join(environ["PATH_INFO"].split("/", 3)[:3]) + str_to_wsgi(segment.name)
        headers = [("User-Agent", agent(environ, "SLO MultipartGET"))]
        response = call(self.slo.app, make_environ(environ, "GET", path, headers=headers, source="SLO"))
        where = f"while fetching {quote_wsgi(environ['PATH_INFO'])}: submanifest {quote_wsgi(path)}"
        if not response.is_success:
            text = response.read(60).decode("utf-8", "replace")
            raise SegmentError(f"{where} could not be read: {response.status} ({text})")
        if not is_large(response.headers):
            response.close()  # unread: it may be of any size
            raise SegmentError(f"{where} is no manifest any more")
        try:
            entries = manifest.read_entries(response.read())
            segments = manifest.read_segments(entries)
        except ManifestError as error:
            raise SegmentError(f"{where}: {error}") from None
        if (response.header(ETAG) or manifest.large_etag(entries)) != segment.etag:
            raise SegmentError(f"{where} is no longer the one with etag {segment.etag}")
        return segments
