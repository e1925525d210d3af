"""What a replica lacks of an object that another replica offers: SSYNC's missing check (formats.md 5.6)."""

from __future__ import annotations

from typing import NamedTuple

from swiftlite.core.fileset import FileSet
from swiftlite.core.timestamp import Timestamp


class Versions(NamedTuple):
    """How new each part of an object is.

    :ivar data: when it was written, or deleted
    :ivar metadata: when its metadata were set last; ``data`` where no POST has
    :ivar content_type: when its content type was set last; ``data`` where no POST has
    """

    data: Timestamp
    metadata: Timestamp
    content_type: Timestamp

    @classmethod
    def of(cls, files: FileSet) -> Versions | None:
        """Those of what a hash directory holds; None where there is neither an object nor a tombstone."""
        floor = files.data or files.tombstone
        if floor is None:
            return None
        data = floor.timestamp
        typed = files.content_type and files.content_type.content_type_timestamp
        return cls(data, files.meta.timestamp if files.meta else data, typed or data)


class Parts(NamedTuple):
    """Parts of an object that are to be sent: what its PUT (or DELETE) stored, what its last POST stored."""

    data: bool
    metadata: bool


NOTHING = Parts(False, False)


def lacking(local: FileSet, offered: Versions) -> Parts:
    """What of the offered object is newer than what is here.

    Once the parts are here nothing is lacking any more, whatever was here before.

    :param local: what the hash directory holds
    """
    if local.tombstone is not None and offered.data <= local.tombstone.timestamp:
        return NOTHING
    data = local.data is None or offered.data > local.data.timestamp
    return Parts(data, _lacks_metadata(local, offered))


def _lacks_metadata(local: FileSet, offered: Versions) -> bool:
    if offered.metadata <= offered.data:
        return local.is_empty  # A POST may come before the answer does.
    # Files of POSTs that wait for their data count too: what is older than they would be refused.
    metas = [file for file in (local.meta, local.content_type, *local.strays) if file is not None]
    own = [local.data.timestamp] if local.data else []
    if all(offered.metadata > timestamp for timestamp in own + [file.timestamp for file in metas]):
        return True
    types = own + [file.content_type_timestamp for file in metas if file.content_type_timestamp is not None]
    return offered.content_type > max([offered.data, *types])
