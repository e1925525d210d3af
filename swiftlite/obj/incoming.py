"""What a PUT or POST brings: its length, its expiry, its body, and the metadata that are stored."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from swiftlite.common import statsd, web
from swiftlite.core import metadata as rules
from swiftlite.core.rows import split_swift_bytes
from swiftlite.core.timestamp import Timestamp, normal_delete_at
from swiftlite.obj.answers import Request, bad_request
from swiftlite.obj.container_update import Change
from swiftlite.obj.diskfile import OpenObject
from swiftlite.obj.errors import BodyDamaged
from swiftlite.obj.writer import DiskFileWriter
from swiftlite.wire.messages import OBJECT_LENGTH, DigestTrailer, Vote

CHUNK = 262144
"""Bytes of a body that are taken from a connection at once."""


def is_chunked(request: Request) -> bool:
    """Whether the body comes in chunks."""
    return (request.header("Transfer-Encoding") or "").lower() == "chunked"


def waits(request: Request) -> bool:
    """Whether the sender waits for a 100 Continue, and has sent nothing of the body yet."""
    return bool(getattr(request.environ["wsgi.input"], "expects", False))


def body_length(request: Request) -> int | None:
    """Bytes to come; None when the request does not say.

    :raises Answer: 400 when it says no number
    """
    header = OBJECT_LENGTH if is_chunked(request) else "Content-Length"
    text = request.header(header)
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise bad_request(f"Invalid {header} header value")
    return int(text)


class Agreed(NamedTuple):
    """What a proxy offered with a request's head, and is told to do."""

    digest: bool = False
    """The body's checksums will follow it."""
    vote: bool = False
    """The change is to be put to the vote."""


def accept_offers(request: Request) -> Agreed:
    """What is offered and can be done; the sender learns of it with the 100 Continue."""
    body = request.environ["wsgi.input"]
    # Only who still waits for a 100 Continue can be told, and only chunks can be followed by something.
    if not (waits(request) and is_chunked(request)):
        return Agreed()
    agreed = Agreed(DigestTrailer.is_agreed(request), Vote.is_agreed(request))
    body.set_hundred_continue_response_headers(
        [kind.HEADER for kind, yes in zip((DigestTrailer, Vote), agreed, strict=True) if yes]
    )
    return agreed


def new_delete_at(request: Request, timestamp: Timestamp) -> int:
    """When the object is to expire, in seconds since the epoch; 0 for never (formats.md 7.11).

    :raises Answer: 400 for no number, and for the past unless replication brings it
    """
    after = request.header("X-Delete-After")
    header = "X-Delete-After" if after else "X-Delete-At"
    try:
        delete_at = int(timestamp) + int(after) if after else int(request.header(header) or 0)
    except ValueError:
        raise bad_request(f"Non-integer {header}") from None
    if delete_at and delete_at <= float(timestamp) and not request.is_true("X-Backend-Replication"):
        raise bad_request(f"{header} in past")
    return delete_at


def receive(request: Request, writer: DiskFileWriter, size: int | None, limit: int, max_time: float) -> float:
    """Take a body from the client and hold it against its length.

    :param size: bytes that were promised, None when nothing was
    :param limit: bytes that are allowed
    :param max_time: seconds that it may take, however steadily it comes
    :returns: seconds that writing took
    :raises Answer: 408, 413, and 499 for a body of another length than promised
    """
    readinto, deadline = request.environ["wsgi.input"].readinto, monotonic() + max_time
    # One more than promised: the end of the body shows without another round. The writer keeps nothing of a full piece.
    buffer = memoryview(bytearray(CHUNK if size is None else min(CHUNK, size + 1)))
    filled, seconds = len(buffer), 0.0
    while filled == len(buffer) and (size is None or writer.size <= size):
        filled = _fill(buffer, readinto, deadline)
        if writer.size + filled > limit:
            raise web.HTTPRequestEntityTooLarge("Your request is too large.", content_type="text/plain")
        if filled:
            started = monotonic()
            writer.write(buffer[:filled])
            seconds += monotonic() - started
    if size is not None and writer.size != size:
        raise web.HTTPClientDisconnect()
    return seconds


def _fill(buffer: memoryview, readinto: Callable[[memoryview], int], deadline: float) -> int:
    """Read until the buffer is full or the body has ended; return how many bytes came."""
    filled = 0
    while filled < len(buffer) and (count := readinto(buffer[filled:])):
        filled += count
        if monotonic() > deadline:
            statsd.note("PUT.timeouts")
            raise web.HTTPRequestTimeout()
    return filled


def checked_etag(request: Request, writer: DiskFileWriter) -> str:
    """The ETag of the body that was written, which is what the client says of it if it says anything.

    :raises Answer: 422 when it is not
    :raises BadMessage: when no checksums follow the body although that was agreed on
    :raises BodyDamaged: when what was written is not what they were made of
    """
    if writer.makes_etag:
        etag = writer.etag
    else:
        digest = DigestTrailer.from_headers(request.environ["wsgi.input"].trailers)
        if digest.fingerprint != writer.fingerprint:
            raise BodyDamaged(f"of {writer.size} bytes: XXH3-128 {writer.fingerprint}, sent {digest.fingerprint}")
        etag = digest.etag
    promised = request.header("ETag") or ""
    if len(promised) > 1 and promised[0] == promised[-1] == '"':
        promised = promised[1:-1]
    if promised and promised != etag:
        raise web.HTTPUnprocessableEntity()
    return etag


def put_metadata(
    request: Request, change: Change, size: int, etag: str, delete_at: int, allowed: frozenset[str]
) -> dict[str, str]:
    """What is stored with a new object.

    :param size: bytes of its body
    :param etag: MD5 of its body, as hex digits
    :param delete_at: when it expires, in seconds since the epoch; 0 for never
    :param allowed: lower-case names of headers that are stored besides metadata
    """
    metadata = {
        "X-Timestamp": change.timestamp.internal,
        "Content-Type": request.environ["CONTENT_TYPE"],
        "Content-Length": str(size),
        "ETag": etag,
    }
    for name, value in rules.stored_object_headers(request.items(), _storable(request, allowed)).items():
        metadata.setdefault(name, value)
    if delete_at:
        metadata["X-Delete-At"] = normal_delete_at(delete_at)
    return metadata


def posted_metadata(
    request: Request, change: Change, opened: OpenObject, delete_at: int, allowed: frozenset[str]
) -> dict[str, str]:
    """What a POST stores. Metadata and content type have a timestamp each, and either may be older than what is here.

    Arguments as for :func:`put_metadata`.

    :raises Answer: 409 when both are
    """
    type_timestamp = _content_type_timestamp(request, change.timestamp)
    has_newer_type = type_timestamp is not None and type_timestamp > opened.content_type_timestamp
    if change.timestamp > opened.timestamp:
        posted = {"X-Timestamp": change.timestamp.internal}
        posted |= rules.posted_object_headers(request.items(), _storable(request, allowed))
        if delete_at:
            posted["X-Delete-At"] = normal_delete_at(delete_at)
    elif has_newer_type and opened.posted_metadata is not None:
        posted = dict(opened.posted_metadata)
    else:
        raise web.HTTPConflict(headers={"X-Backend-Timestamp": opened.timestamp.internal})
    if has_newer_type and type_timestamp is not None:
        posted["Content-Type"] = request.environ["CONTENT_TYPE"]
        posted["Content-Type-Timestamp"] = type_timestamp.internal
    elif opened.content_type_timestamp != opened.data_timestamp:
        posted["Content-Type"] = opened.metadata["Content-Type"]
        posted["Content-Type-Timestamp"] = opened.content_type_timestamp.internal
    return posted


def with_swift_bytes(content_type: str, of_data: str) -> str:
    """A posted content type with the ``swift_bytes`` of the PUT's: a manifest keeps its size in the listing.

    Those of a client are left out: listings would show them on replicas that had not heard of the object before.
    """
    if "swift_bytes" in content_type:
        content_type, _ = split_swift_bytes(content_type)
    for parameter in of_data.split(";")[1:]:
        if parameter.strip().startswith("swift_bytes="):
            return f"{content_type};{parameter.strip()}"
    return content_type


def _storable(request: Request, allowed: frozenset[str]) -> frozenset[str]:
    """Lower-case names of the headers that are stored; replication brings some of its own."""
    more = request.header("X-Backend-Replication-Headers")
    return allowed | {name.lower() for name in more.split()} if more else allowed


def _content_type_timestamp(request: Request, timestamp: Timestamp) -> Timestamp | None:
    if not request.environ.get("CONTENT_TYPE"):
        return None
    name = "Content-Type-Timestamp"
    return request.timestamp(name) if request.header(name) else timestamp
