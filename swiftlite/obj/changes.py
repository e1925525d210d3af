"""Whether a change may be made to what stands in an object's place, and how it is put to the vote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from swiftlite.common import web
from swiftlite.core.compare_and_swap import refuses_change
from swiftlite.core.fileset import FileSet
from swiftlite.core.timestamp import ZERO, Timestamp
from swiftlite.obj.answers import Request
from swiftlite.obj.errors import DiskFileStateChanged
from swiftlite.wire.messages import Vote

ATTEMPTS = 10
"""How often a change is decided on again because another one came first."""
LEAVE_TIMEOUT = 5.0
"""Seconds that a proxy may take to count the votes, while no one else can change the object."""

Seen = TypeVar("Seen")
Result = TypeVar("Result")


class Stored(NamedTuple):
    """What a writer found in its object's place.

    :ivar timestamp: of the data or the tombstone, of what has expired that of its last POST; zero when nothing is known
    :ivar metadata: of the object, nothing when it was deleted
    :ivar exists: whether a reader would see it
    :ivar files: by which a writer knows later whether all is still the same
    :ivar found: of the data or the tombstone, whether they have expired or not; None when nothing is known
    """

    timestamp: Timestamp = ZERO
    metadata: Mapping[str, str] = {}
    exists: bool = False
    files: FileSet = FileSet()
    found: Timestamp | None = None

    @property
    def delete_at(self) -> int:
        """When it expires, in seconds since the epoch; 0 for never."""
        return int(self.metadata.get("X-Delete-At") or 0)

    def is_put(self, timestamp: Timestamp, etag: str) -> bool:
        """Whether it is what this very PUT stored: a proxy repeats one whose answer it lost with the connection."""
        return self.exists and self.timestamp == timestamp and self.metadata.get("ETag") == etag


def refuse_unmet(request: Request, metadata: Mapping[str, str] | None) -> None:
    """Hold a change against its conditions.

    :param metadata: of the object; None where there is none
    :raises Answer: 412
    """
    match, none_match = request.header("If-Match"), request.header("If-None-Match")
    if not match and not none_match:
        return
    etag = None
    if metadata is not None:
        etag = metadata.get("ETag", "")
        for name in (request.header("X-Backend-Etag-Is-At") or "").split(","):
            if (found := metadata.get(name.strip().title())) is not None:
                etag = found
                break
    if refuses_change(match, none_match, etag):
        raise web.HTTPPreconditionFailed()


def refuse_put(request: Request, timestamp: Timestamp, stored: Stored) -> None:
    """Hold a PUT against what it would replace.

    :raises Answer: 412 where its conditions do not hold, 409 where something as new is here
    """
    refuse_unmet(request, stored.metadata if stored.exists else None)
    if stored.timestamp >= timestamp:
        raise web.HTTPConflict(headers={"X-Backend-Timestamp": stored.timestamp.internal})


def until_unchanged(look: Callable[[], Seen], attempt: Callable[[Seen], Result], seen: Seen | None = None) -> Result:
    """Make a change that depends on what is there, again whenever another one came in between.

    :param seen: what the first look gave, where there was one
    :raises DiskFileStateChanged: when others always come first
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt(look() if seen is None else seen)
        except DiskFileStateChanged:
            seen = None
    return attempt(look())


def take_empty_body(request: Request) -> None:
    """Read the first body of a change that has none but is put to the vote, so that only the leave is left to come."""
    while request.environ["wsgi.input"].read(65536):
        pass


def await_leave(request: Request) -> None:
    """Vote yes, and wait for the proxy's word to go on. The caller holds the object, and does not change it before.

    :raises ClientDisconnected, ClientTimeout, BadBody: when there is no such word
    :raises BadMessage: when it is another one
    """
    body = request.environ["wsgi.input"]
    body.send_hundred_continue_response()
    body.body.timeout = LEAVE_TIMEOUT
    Vote.check_leave(body.read(len(Vote.LEAVE) + 1))
