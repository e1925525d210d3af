"""What a replicator offers a peer of a partition, and what the peer has of it in the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from swiftlite.common.policies import StoragePolicy
from swiftlite.core.fileset import FileSet
from swiftlite.obj import layout
from swiftlite.obj.diskfile import DiskFileManager
from swiftlite.ring.ring import Node


class Sent(NamedTuple):
    """What came of sending.

    :ivar in_sync: object hash -> the files that were offered, all that these stand for the peer now has
    :ivar offered: objects and tombstones that the peer was told of
    :ivar data, posts, tombstones: those of them that it lacked, and got
    :ivar bytes: of bodies
    :ivar failures: objects that it did not take, or that could not be read
    """

    in_sync: Mapping[str, FileSet]
    offered: int = 0
    data: int = 0
    posts: int = 0
    tombstones: int = 0
    bytes: int = 0
    failures: int = 0


class Shipment(NamedTuple):
    """What is to be offered: the objects in some suffixes of a partition of one of our devices."""

    device_root: str
    policy: StoragePolicy
    partition: int
    suffixes: Sequence[str]

    @property
    def directory(self) -> str:
        """Where the suffixes are."""
        return layout.partition_directory(self.device_root, self.policy, str(self.partition))


class Sender(Protocol):
    """A way to send objects to a peer."""

    def send(self, node: Node, shipment: Shipment) -> Sent:
        """Bring a peer's objects to the state of ours.

        :raises PeerFailed: when that fails as a whole
        """


def objects_of(files: DiskFileManager, shipment: Shipment) -> Iterator[tuple[str, FileSet]]:
    """The objects and tombstones of a shipment, tidied: hash and files of each.

    A directory that cannot be read is logged and passed over.
    """
    root = shipment.directory
    for suffix in shipment.suffixes:
        try:
            names = sorted(filter(layout.is_hash, files.fs.list(f"{root}/{suffix}")))
        except FileNotFoundError:
            continue
        except OSError as error:
            files.logger.error("Cannot list %s/%s: %s", root, suffix, error)
            continue
        for name_hash in names:
            directory = f"{root}/{suffix}/{name_hash}"
            try:
                found = files.tidy(directory)
            except OSError as error:
                files.logger.error("Cannot list %s: %s", directory, error)
                continue
            if not found.is_empty:
                yield name_hash, found
