"""What a PUT or POST brings: its length, its expiry, its body, and the metadata that are stored."""

from __future__ import annotations

import time

from swiftlite.common import web
from swiftlite.core import metadata as rules
from swiftlite.core.preconditions import unquote_etag
from swiftlite.core.timestamp import Timestamp, normal_delete_at
from swiftlite.obj.answers import Request, bad_request
from swiftlite.obj.container_update import Change
from swiftlite.obj.diskfile import OpenObject
from swiftlite.obj.writer import DiskFileWriter

CHUNK = 262144
"""Bytes of a body that are taken from a connection at once."""


def content_length(request: Request) -> int | None:
    """Bytes to come; None when the request does not say.

    :raises Answer: 400 when it says no number
    """
    text = request.header("Content-Length")
    if not text:
        return None
    if not text.isdecimal():
        raise bad_request("Invalid Content-Length header value")
    return int(text)


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


def receive(request: Request, writer: DiskFileWriter, size: int | None, limit: int, deadline: float) -> None:
    """Take a body from the client and hold it against its length and ETag.

    :param size: bytes that were promised, None when nothing was
    :param limit: bytes that are allowed
    :param deadline: seconds since the epoch
    :raises Answer: 408, 413, 422, and 499 for a body that is shorter than promised
    """
    read = request.environ["wsgi.input"].read1
    while size is None or writer.size < size:
        chunk = read(CHUNK if size is None else min(CHUNK, size - writer.size))
        if not chunk:
            break
        writer.write(chunk)
        if time.time() > deadline:
            raise web.HTTPRequestTimeout()
        if writer.size > limit:
            raise web.HTTPRequestEntityTooLarge("Your request is too large.", content_type="text/plain")
    if size is not None and writer.size != size:
        raise web.HTTPClientDisconnect()
    promised = unquote_etag(request.header("ETag") or "")
    if promised and promised.lower() != writer.etag:
        raise web.HTTPUnprocessableEntity()


def put_metadata(
    request: Request, change: Change, writer: DiskFileWriter, delete_at: int, allowed: frozenset[str]
) -> dict[str, str]:
    """What is stored with a new object.

    :param delete_at: when it expires, in seconds since the epoch; 0 for never
    :param allowed: lower-case names of headers that are stored besides metadata
    """
    metadata = {
        "X-Timestamp": change.timestamp.internal,
        "Content-Type": request.environ["CONTENT_TYPE"],
        "Content-Length": str(writer.size),
        "ETag": writer.etag,
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
    """A posted content type with the ``swift_bytes`` of the PUT's: a manifest keeps its size in the listing."""
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
