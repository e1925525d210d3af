"""What the object server answers: the headers of an object, its body or parts of it, and errors."""

from __future__ import annotations

import errno
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from swiftlite.common import web
from swiftlite.common.config import is_true
from swiftlite.common.device_rights import is_closed
from swiftlite.common.web import Answer
from swiftlite.core import preconditions
from swiftlite.core.constraints import Violation
from swiftlite.core.metadata import (
    client_content_type,
    is_system_metadata,
    is_transient_metadata,
    is_user_metadata,
)
from swiftlite.core.names import str_to_wsgi
from swiftlite.core.ranges import MultipartFraming, RangeRequest
from swiftlite.core.timestamp import Timestamp
from swiftlite.http.errors import BadBody, ClientDisconnected, ClientTimeout
from swiftlite.http.response import ResponseError
from swiftlite.obj.diskfile import OpenObject
from swiftlite.obj.errors import (
    BodyDamaged,
    DeviceUnavailable,
    DiskFileCollision,
    DiskFileExpired,
    DiskFileLocked,
    DiskFileNoSpace,
    DiskFileNotExist,
    DiskFileQuarantined,
    DiskFileStateChanged,
    MetadataDoesNotFit,
)
from swiftlite.obj.reader import SMALL, DiskFileReader, PartialBody
from swiftlite.obj.xattrs import AttributesUnsupported
from swiftlite.wire.messages import METADATA_TOO_LARGE, BadMessage, found_headers

Headers = list[tuple[str, str]]


@dataclass(slots=True)
class Reply:
    """An answer ready to be sent, without the cost of a response object."""

    status: int
    headers: Headers = field(default_factory=list)
    body: Iterable[bytes] = ()


class Request(web.Request):
    """A backend request; also the header mapping that ``wire.messages`` reads."""

    get = web.Request.header

    def items(self) -> list[tuple[str, str]]:
        """All headers as (name in title case, WSGI string); made once, for a PUT reads them four times."""
        items = self.__dict__.get("header_pairs")
        if items is None:
            items = self.__dict__["header_pairs"] = self.header_items()
        return items

    @property
    def device(self) -> str:
        """The device in the path, for answers that name it."""
        return self.wsgi_path.split("/", 2)[1]

    @property
    def referer_line(self) -> str:
        """``PUT http://host/path``: what requests that this one causes give as their Referer."""
        environ = self.environ
        path = environ.get("RAW_PATH_INFO") or environ.get("PATH_INFO", "")
        return f"{environ['REQUEST_METHOD']} http://{environ.get('HTTP_HOST', '-')}{path}"


def deletion_headers(error: Exception) -> dict[str, str]:
    """When what is not there was deleted: whoever asks must learn of it, or an older replica would rise from the dead
    (formats.md 10, trap 7)."""
    timestamp = getattr(error, "timestamp", None)
    headers = {"X-Backend-Timestamp": timestamp.internal} if timestamp else {}
    if isinstance(error, DiskFileExpired):
        # The data are there: a replica of them that knows a newer POST knows better whether they have expired.
        headers["X-Backend-Data-Timestamp"] = error.data_timestamp.internal
    return headers


def found_before(error: DiskFileNotExist) -> Timestamp | None:
    """When what a change found instead of an object was deleted; when it was put, if it has expired; None for nothing."""
    return error.data_timestamp if isinstance(error, DiskFileExpired) else error.timestamp


def _not_found(error: Exception, request: Request) -> Answer:
    headers = deletion_headers(error)
    if request.environ["REQUEST_METHOD"] == "POST" and isinstance(error, DiskFileNotExist):
        headers |= found_headers(found_before(error))
    return web.HTTPNotFound(headers=headers)


def _insufficient_storage(error: Exception, request: Request) -> Answer:
    return web.HTTPInsufficientStorage(drive=request.device)


ANSWERS: dict[type[Exception], Callable[[Exception, Request], Answer]] = {
    DeviceUnavailable: _insufficient_storage,
    DiskFileNoSpace: _insufficient_storage,
    MetadataDoesNotFit: lambda error, request: web.HTTPInsufficientStorage(
        f"{error}. Drive: {request.device}", headers={METADATA_TOO_LARGE: "true"}, content_type="text/plain"
    ),
    AttributesUnsupported: _insufficient_storage,
    DiskFileNotExist: _not_found,
    DiskFileCollision: lambda error, request: web.HTTPForbidden(),
    DiskFileStateChanged: lambda error, request: web.HTTPServiceUnavailable(),
    DiskFileLocked: lambda error, request: web.HTTPServiceUnavailable(),
    # No fault of the client's, so no 422: the proxy must count it as this server's failure.
    BodyDamaged: lambda error, request: web.HTTPServiceUnavailable(),
    BadMessage: lambda error, request: bad_request(str(error)),
    Violation: lambda error, request: web.from_violation(error),  # type: ignore[arg-type]
    ClientDisconnected: lambda error, request: web.HTTPClientDisconnect(),
    ClientTimeout: lambda error, request: web.HTTPRequestTimeout(),
    BadBody: lambda error, request: bad_request(str(error)),
}
"""What the client hears of an error, by the error's class or its nearest base."""


def bad_request(message: str) -> Answer:
    """400 with a body that says what is wrong."""
    return web.HTTPBadRequest(message, content_type="text/plain")


DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENODEV, errno.ENXIO})
"""Errors of the operating system that mean: this device cannot be used."""


def answer_to(error: Exception, request: Request, device_root: str) -> Answer | None:
    """The answer to an expected error; None when it is not one of those.

    :param device_root: path of the request's device
    """
    for kind in type(error).__mro__:
        if kind in ANSWERS:
            return ANSWERS[kind](error, request)
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        return _insufficient_storage(error, request)
    if isinstance(error, PermissionError) and is_closed(device_root):
        return _insufficient_storage(error, request)
    return None


def object_headers(opened: OpenObject, allowed: frozenset[str]) -> Headers:
    """The headers of an object's GET and HEAD, but for the length.

    :param allowed: lower-case names of headers that are stored besides metadata
    """
    timestamp, data_timestamp = opened.timestamp, opened.data_timestamp.internal
    headers = [
        ("Content-Type", wire_value(opened.metadata.get("Content-Type", "application/octet-stream"))),
        ("Etag", f'"{opened.etag}"'),
        ("Last-Modified", timestamp.http_date),
        ("X-Timestamp", timestamp.normal),
        ("X-Backend-Timestamp", timestamp.internal),
        ("X-Backend-Data-Timestamp", data_timestamp),
        ("X-Backend-Durable-Timestamp", data_timestamp),
    ]
    for key, value in opened.metadata.items():
        lower = key.lower()
        if lower in allowed or (
            lower.startswith("x-object-")
            and (is_user_metadata("object", key) or is_system_metadata("object", key) or is_transient_metadata(key))
        ):
            headers.append((key, wire_value(value)))
    return headers


def wire_value(value: str) -> str:
    """A stored value as a WSGI string; what another program stored as plain text is sent as UTF-8."""
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return str_to_wsgi(value)
    return value


CONDITIONS = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")
_CONDITION_KEYS = tuple((name, "HTTP_" + name.upper().replace("-", "_")) for name in CONDITIONS)


def evaluate_conditions(request: Request, opened: OpenObject) -> int | None:
    """304 or 412 where a condition of the request says so."""
    environ = request.environ
    conditions = {name: environ[key] for name, key in _CONDITION_KEYS if key in environ}
    if not conditions:
        return None
    etag = opened.etag
    for name in (request.header("X-Backend-Etag-Is-At") or "").split(","):
        found = _stored(opened, name.strip())
        if found is not None:
            etag = found
            break
    return preconditions.evaluate(conditions, etag, opened.timestamp.ceil())


def unmet_reply(status: int, headers: Headers) -> Reply:
    """The answer to a GET or HEAD whose conditions do not hold: the object's headers, and no body.

    :param status: 304 or 412
    """
    if status == 412:
        headers[0] = ("Content-Type", "text/html; charset=UTF-8")
    return Reply(status, [*headers, ("Content-Length", "0")])


def _stored(opened: OpenObject, name: str) -> str | None:
    return opened.metadata.get(name.title()) if name else None


def range_of(request: Request, opened: OpenObject) -> RangeRequest | None:
    """What the request's Range asks for, unless metadata tell to ignore it (formats.md 5.3)."""
    header = request.header("Range")
    if not header:
        return None
    for name in (request.header("X-Backend-Ignore-Range-If-Metadata-Present") or "").split(","):
        if _stored(opened, name.strip()) is not None:
            return None
    return RangeRequest.parse(header)


def body_reply(request: Request, opened: OpenObject, headers: Headers) -> Reply:
    """200, 206 or 416 with the bytes that were asked for."""
    ranges = range_of(request, opened)
    parts = ranges.resolve(opened.size) if ranges else None
    if parts is None:
        return _whole_reply(request, opened, headers)
    if not parts:
        opened.close()
        return _unsatisfiable_reply(opened.size, headers)
    if len(parts) == 1:
        headers.append(("Content-Length", str(parts[0].length)))
        headers.append(("Content-Range", parts[0].content_range(opened.size)))
        return Reply(206, headers, Outgoing(opened.reader(is_private=_is_private(request)).range(parts[0])))
    content_type = client_content_type(headers[0][1])
    framing = MultipartFraming(secrets.token_hex(16), content_type, opened.size)
    headers[0] = ("Content-Type", framing.header)
    headers.append(("Content-Length", str(framing.content_length(parts))))
    return Reply(206, headers, Outgoing(opened.reader(is_private=_is_private(request)).multipart(parts, framing)))


def _whole_reply(request: Request, opened: OpenObject, headers: Headers) -> Reply:
    headers.append(("Content-Length", str(opened.size)))
    if opened.size <= SMALL:
        return Reply(200, headers, [opened.reader().read_all()])
    return Reply(200, headers, Outgoing(opened.reader(is_private=_is_private(request))))


class Outgoing:
    """A body on its way out. Damage that is found there ends it, and is no fault of the server's.

    :param body: closed when this is
    """

    def __init__(self, body: DiskFileReader | PartialBody) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._body
        except DiskFileQuarantined as error:
            raise ResponseError(f"the object is damaged: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._body.close()


def _is_private(request: Request) -> bool:
    """Whether the client had to show a token; the proxy tells that there was one, not which."""
    environ = request.environ
    return "HTTP_X_AUTH_TOKEN" in environ or "HTTP_X_STORAGE_TOKEN" in environ


def _unsatisfiable_reply(total: int, headers: Headers) -> Reply:
    body = web.default_body(416)
    headers[0] = ("Content-Type", "text/html; charset=UTF-8")
    headers.append(("Content-Length", str(len(body))))
    headers.append(("Content-Range", f"bytes */{total}"))
    return Reply(416, headers, [body])


def opens_expired(request: Request) -> bool:
    """Whether the request may see objects whose time has come (formats.md 3.4)."""
    return is_true(request.header("X-Backend-Open-Expired")) or is_true(request.header("X-Backend-Replication"))
