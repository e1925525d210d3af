"""What can go wrong with an object file; each error carries what the answer to the client needs."""

from __future__ import annotations

from collections.abc import Mapping

from swiftlite.core.fileset import FileSet
from swiftlite.core.timestamp import Timestamp


class DiskFileError(Exception):
    """Any of the below."""


class DeviceUnavailable(DiskFileError):
    """The device is not mounted, or no directory."""


class DiskFileNotExist(DiskFileError):
    """There is no object.

    :ivar timestamp: when it was deleted or written, where anything is known of it; such 404s must say so
    :ivar metadata: what it was, where it is still there
    :ivar files: what its directory holds
    """

    timestamp: Timestamp | None = None
    metadata: Mapping[str, str] = {}
    files: FileSet = FileSet()


class DiskFileDeleted(DiskFileNotExist):
    """There is a tombstone."""

    def __init__(self, timestamp: Timestamp) -> None:
        super().__init__(f"deleted at {timestamp.internal}")
        self.timestamp = timestamp


class DiskFileExpired(DiskFileNotExist):
    """Its X-Delete-At has passed; its files wait for a tombstone.

    :ivar data_timestamp: of the PUT; ``timestamp`` is that of the last POST, if there was one
    """

    def __init__(self, timestamp: Timestamp, data_timestamp: Timestamp, metadata: Mapping[str, str]) -> None:
        super().__init__(f"expired at {metadata.get('X-Delete-At')}")
        self.timestamp = timestamp
        self.data_timestamp = data_timestamp
        self.metadata = metadata


class DiskFileQuarantined(DiskFileNotExist):
    """It was damaged, and has been moved out of the way."""


class DiskFileSuperseded(DiskFileQuarantined):
    """It was damaged, and while that was found, it went or a newer one took its place: that was left there."""


class DiskFileCollision(DiskFileError):
    """The stored object has another name: two names share a hash, or a file was moved by hand."""


class BodyDamaged(DiskFileError):
    """What was written is not what the proxy sent."""


class DiskFileStateChanged(DiskFileError):
    """Files vanished between listing and opening, several times over; or another writer came first."""


class DiskFileLocked(DiskFileError):
    """Another writer has been busy with the object for too long."""


class DiskFileNoSpace(DiskFileError):
    """The device has no room, or would have less than the reserve."""


class MetadataDoesNotFit(DiskFileNoSpace):
    """The filesystem cannot keep so much metadata on one file; says how much it was."""
