"""PUT of a static large object: its manifest is read, held against the segments, and stored (formats.md 7.15)."""

from __future__ import annotations

import hashlib
import io
import json
import mimetypes
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from swiftlite.common.concurrency import in_order
from swiftlite.common.config import is_true
from swiftlite.common.subrequest import Environ, StartResponse, SubResponse, call, make_environ, query_of
from swiftlite.common.web import (
    REASONS,
    Answer,
    HTTPBadRequest,
    HTTPLengthRequired,
    HTTPMethodNotAllowed,
    HTTPRequestEntityTooLarge,
    HTTPUnprocessableEntity,
    status_line,
)
from swiftlite.core import bulk_answer, manifest
from swiftlite.core.manifest import Found, ManifestError, Wanted
from swiftlite.core.names import str_to_wsgi, wsgi_to_str
from swiftlite.core.preconditions import unquote_etag
from swiftlite.middleware.client_body import read_body
from swiftlite.middleware.segments import agent
from swiftlite.middleware.slo.asked import is_large

if TYPE_CHECKING:
    from swiftlite.middleware.slo.filter import StaticLargeObjects

LISTED_ETAG = "HTTP_X_OBJECT_SYSMETA_CONTAINER_UPDATE_OVERRIDE_ETAG"


@dataclass
class Checked:
    """A manifest that is held against its segments.

    :ivar entries: what is to be stored
    :ivar size: bytes of the large object
    :ivar problems: quoted paths, each with what does not fit
    """

    entries: list[manifest.Entry] = field(default_factory=list)
    size: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)


def put(slo: StaticLargeObjects, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Make a static large object.

    :raises Answer: when the manifest cannot be one
    """
    if "HTTP_X_COPY_FROM" in environ:
        raise HTTPMethodNotAllowed("Multipart Manifest PUTs cannot be COPY requests")
    wanted = _parse(_read_body(environ, slo.options.max_manifest_size), environ)
    most = slo.options.max_manifest_segments
    if sum(segment.data is None for segment in wanted) > most:
        raise HTTPRequestEntityTooLarge(f"Number of object-backed segments must be <= {most}")
    media_type = bulk_answer.answer_format(environ.get("HTTP_ACCEPT")) or bulk_answer.PLAIN
    if is_true(query_of(environ).get("heartbeat")):
        start_response("202 Accepted", [("Content-Type", media_type)])
        return _with_heartbeat(slo, environ, wanted, media_type)
    checked = Checked()
    for _ in _check(slo, environ, wanted, checked):
        pass
    if checked.problems:
        start_response(status_line(400), [("Content-Type", media_type)])
        return [bulk_answer.render(media_type, {}, checked.problems, "upload")]
    return _store(slo, environ, checked).forward(start_response)


def _read_body(environ: Environ, limit: int) -> bytes:
    """The manifest as it was sent.

    :param limit: bytes that are allowed
    """
    length = environ.get("CONTENT_LENGTH")
    if not length and "chunked" not in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        raise HTTPLengthRequired()
    too_large = f"Manifest File > {limit} bytes"
    if length and length.isdecimal() and int(length) > limit:
        raise HTTPRequestEntityTooLarge(too_large)
    pieces, left = [], limit + 1
    while left > 0 and (piece := read_body(environ, left)):
        pieces.append(piece)
        left -= len(piece)
    if left <= 0:
        raise HTTPRequestEntityTooLarge(too_large)
    return b"".join(pieces)


def _parse(body: bytes, environ: Environ) -> list[Wanted]:
    own_path = wsgi_to_str("/" + environ["PATH_INFO"].split("/", 3)[3])
    try:
        return manifest.parse_manifest(body, own_path)
    except ManifestError as error:
        about_entries = str(error).startswith(("Index ", "Inline "))
        raise HTTPBadRequest(str(error), content_type=bulk_answer.PLAIN if about_entries else "text/html") from None


# Looking at the segments --------------------------------------------------------------------------------------------


def _check(slo: StaticLargeObjects, environ: Environ, wanted: list[Wanted], checked: Checked) -> Iterator[None]:
    """Hold a manifest against its segments; yields after each look at one.

    :param checked: gets the result
    """
    places: dict[str, list[int]] = {}
    for index, segment in enumerate(wanted):
        if segment.data is None:
            places.setdefault(segment.path, []).append(index)
    entries: list[Any] = [None if s.data is None else manifest.data_entry(s.data) for s in wanted]
    checked.size = sum(len(segment.data) for segment in wanted if segment.data is not None)
    concurrency = max(1, slo.options.concurrency)
    for path, found in in_order(concurrency, lambda path: (path, _look(slo, environ, path)), places):
        for index in places[path]:
            is_last = index == len(wanted) - 1
            entries[index], length, problems = manifest.check_segment(wanted[index], found, is_last)
            checked.size += length
            checked.problems += [manifest.problem_line(wanted[index], problem) for problem in problems]
        yield
    checked.entries = entries


def _look(slo: StaticLargeObjects, environ: Environ, path: str) -> Found:
    """What an object is. Asked of this very filter: a segment may be a large object itself."""
    account = "/".join(environ["PATH_INFO"].split("/", 3)[:3])
    headers = [("User-Agent", agent(environ, "SLO MultipartPUT"))]
    head = make_environ(environ, "HEAD", account + str_to_wsgi(path), headers=headers, source="SLO")
    response = call(slo, head)
    response.close()
    length = response.header("Content-Length") or "0"
    return Found(
        response.status_line,
        int(length),
        unquote_etag(response.header("Etag") or ""),
        response.header("Content-Type") or "",
        response.header("Last-Modified") or "",
        is_large(response.headers),
    )


# Storing ------------------------------------------------------------------------------------------------------------


def _store(slo: StaticLargeObjects, environ: Environ, checked: Checked) -> SubResponse:
    """PUT the manifest.

    :raises Answer: 422 when the client expects another ETag
    """
    etag = manifest.large_etag(checked.entries)
    expected = environ.get("HTTP_ETAG")
    if expected and unquote_etag(expected) != etag:
        raise HTTPUnprocessableEntity()
    body = json.dumps(checked.entries).encode("ascii")
    body_etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    _describe(environ, checked.size, etag, body_etag)
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    response = call(slo.app, environ)
    if response.is_success:
        response.headers = [pair for pair in response.headers if pair[0].lower() != "etag"]
        response.headers.append(("Etag", f'"{etag}"'))
    return response


def _describe(environ: Environ, size: int, etag: str, body_etag: str) -> None:
    """Say of a PUT that its body is a manifest, and what of."""
    environ["HTTP_X_STATIC_LARGE_OBJECT"] = "True"
    environ["HTTP_X_OBJECT_SYSMETA_SLO_ETAG"] = etag
    environ["HTTP_X_OBJECT_SYSMETA_SLO_SIZE"] = str(size)
    environ["HTTP_ETAG"] = body_etag
    # Listings show both. What a filter further out has set stays.
    listed, semicolon, parameters = environ.get(LISTED_ETAG, "").partition(";")
    environ[LISTED_ETAG] = f"{listed or body_etag}{semicolon}{parameters}; slo_etag={etag}"
    content_type = environ.get("CONTENT_TYPE")
    # The proxy would guess it anew, and forget the size.
    if is_true(environ.pop("HTTP_X_DETECT_CONTENT_TYPE", None)) or not content_type:
        guessed = mimetypes.guess_type(wsgi_to_str(environ["PATH_INFO"]))[0]
        content_type = guessed or "application/octet-stream"
    environ["CONTENT_TYPE"] = f"{content_type};swift_bytes={size}"
    environ["swift.content_type_overridden"] = True


# Keeping the client waiting -----------------------------------------------------------------------------------------


def _with_heartbeat(
    slo: StaticLargeObjects, environ: Environ, wanted: list[Wanted], media_type: str
) -> Iterator[bytes]:
    """Blanks while segments are looked at, then the result as a body: the status is long sent."""
    yield b" "
    beat, checked = monotonic(), Checked()
    for _ in _check(slo, environ, wanted, checked):
        if monotonic() - beat > slo.options.yield_frequency:
            yield b" "
            beat = monotonic()
    results: dict[str, Any] = {}
    if checked.problems:
        results = {"Response Status": status_line(400), "Response Body": "\n".join(REASONS[400])}
    else:
        results = _store_results(slo, environ, checked)
    yield b"\r\n\r\n" + bulk_answer.render(media_type, results, checked.problems, "upload")


def _store_results(slo: StaticLargeObjects, environ: Environ, checked: Checked) -> dict[str, Any]:
    try:
        response = _store(slo, environ, checked)
    except Answer as answer:
        return {"Response Status": answer.status, "Response Body": "\n".join(REASONS[answer.status_int])}
    results: dict[str, Any] = {"Response Status": response.status_line}
    if response.is_success:
        results["Etag"] = response.header("Etag")
        results["Last Modified"] = response.header("Last-Modified")
    results["Response Body"] = response.read().decode("utf-8", "replace")
    return results
