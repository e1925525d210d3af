"""Relinking of one object: links at its new place to what is at the old one, and removal of the old place."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic

from swiftlite.common.concurrency import sleep
from swiftlite.common.fs import LOCK_POLL, LockTimeout
from swiftlite.common.policies import StoragePolicy
from swiftlite.core import fileset
from swiftlite.obj import growth, hashes, layout, xattrs
from swiftlite.obj.diskfile import DiskFileManager
from swiftlite.obj.growth import LinkCollision, Twin

LOCK_TIMEOUT = 10.0
"""Seconds to wait for writers of an object."""
CLEAN_ATTEMPTS = 3
CHUNK = 1 << 20


def needed(old: Iterable[str], new: Iterable[str], now: float, reclaim_age: float) -> list[str]:
    """Which files of an old place must be at the new one as well: those that no other file of either makes useless.

    :param old: names in the old hash directory
    :param new: names in the new one
    :param now: seconds since the epoch
    :param reclaim_age: seconds after which a tombstone is worth nothing
    """
    old = set(old)
    together = fileset.resolve(old.union(new))
    useless = {file.name for file in together.obsolete}
    if useless.isdisjoint(new):  # Else an old tombstone is what keeps the new place's files from coming back.
        useless |= {file.name for file in fileset.reclaimable(together, now, reclaim_age)}
    return sorted(name for name in old - useless if not fileset.is_rsync_temporary(name))


class ObjectRelinker:
    """Relinks the objects of one device, or cleans up behind a relinker.

    :param is_cleanup: whether the old place is removed
    :param clobber: where both places have different files of one name: whether the new place's goes to quarantine
        (relinking), or the old place's is removed (cleaning up), instead of leaving both for an operator to see
    :ivar counts: ``hash_dirs``, ``files``, ``linked``, ``removed``, ``errors``
    :ivar linked_partitions: those that got new links
    """

    def __init__(
        self, manager: DiskFileManager, device_root: str, policy: StoragePolicy, is_cleanup: bool, clobber: bool
    ) -> None:
        self.manager = manager
        self.fs = manager.fs
        self.logger = manager.logger
        self.device_root = device_root
        self.policy = policy
        self.is_cleanup = is_cleanup
        self.clobber = clobber
        self.counts: Counter[str] = Counter()
        self.linked_partitions: set[str] = set()

    def run(self, old: str, new: str) -> None:
        """Work on one object; whatever goes wrong is counted and logged, and leaves both places as they are.

        :param old: a hash directory
        :param new: where it belongs by the ring's next partition power
        """
        self.counts["hash_dirs"] += 1
        try:
            with self._held(old):
                for _ in range(CLEAN_ATTEMPTS):
                    if self._relink(old, new) and self._is_left(old):
                        continue  # A writer with a ring of yesterday has put something there meanwhile.
                    return
                self._fail(f"{old} is written to all the time")
        except FileNotFoundError as error:
            if self.fs.exists(old):  # Else it was tidied away, or quarantined, and there is nothing to link.
                self._fail(f"{old} was not relinked to {new}: {error}")
        except (OSError, xattrs.BadMetadata) as error:
            self._fail(f"{old} was not relinked to {new}: {error}")

    def _fail(self, text: str) -> None:
        self.counts["errors"] += 1
        self.logger.error("Error relinking: %s", text)

    @contextmanager
    def _held(self, directory: str) -> Iterator[None]:
        """Keep writers from an object, whose old place must not change while it is looked at."""
        deadline = monotonic() + LOCK_TIMEOUT
        while (lock := self.fs.lock_directory(directory)) is None:
            if monotonic() > deadline:
                raise LockTimeout(errno.ETIMEDOUT, "another process holds it for too long", directory)
            sleep(LOCK_POLL)
        try:
            yield
        finally:
            self.fs.close(lock)

    def _relink(self, old: str, new: str) -> bool:
        """Make the links; when we clean up, remove the old files. Returns whether the latter was done."""
        # The old place first: what a writer puts at the new one in between makes it obsolete, and never the reverse.
        there = self.fs.list(old)
        try:
            here = self.fs.list(new)
        except FileNotFoundError:
            here = []
        wanted = needed(there, here, self.manager.clock(), self.manager.options.reclaim_age)
        missing = [name for name in wanted if not self._link(f"{old}/{name}", new, name in here)]
        if missing or not self.is_cleanup:
            return False
        self._remove(old, there)
        return True

    def _link(self, path: str, new: str, is_there: bool) -> bool:
        """See to it that a file is at the new place; returns whether it is."""
        self.counts["files"] += 1
        target = f"{new}/{os.path.basename(path)}"
        if is_there:
            with suppress(FileNotFoundError):
                if self.fs.inode(path) == self.fs.inode(target):
                    return True
        try:
            # Removing the old file must wait for the new link. Relinking need not: it syncs all links of a partition at once.
            if growth.link(self.fs, path, Twin(new, True), is_synced=self.is_cleanup):
                self._count_link(new)
            return True
        except LinkCollision:
            return self._settle(path, target)

    def _count_link(self, new: str) -> None:
        self.counts["linked"] += 1
        self.linked_partitions.add(os.path.basename(layout.split_hash_directory(new)[0]))

    def _settle(self, path: str, target: str) -> bool:
        """Two files of one name: that is well if both say the same."""
        if path.endswith(fileset.TOMBSTONE) or self._is_same(path, target):
            return True
        if not self.clobber:
            self._fail(f"{path} and {target} are different files (see clobber_hardlink_collisions)")
            return False
        if self.is_cleanup:
            self.logger.warning("Relinking: %s goes, for %s is what clients see", path, target)
            return True
        new = os.path.dirname(target)
        self.manager.quarantine(self.device_root, self.policy, new, f"{path} is another file of the same moment")
        if growth.link(self.fs, path, Twin(new, True)):
            self._count_link(new)
        return True

    def _is_same(self, path: str, target: str) -> bool:
        """Whether two files have the same content and metadata."""
        descriptors = []
        try:
            for each in (path, target):
                descriptors.append(self.fs.open_read(each))
            first, second = descriptors
            if self.fs.size(first) != self.fs.size(second):
                return False
            if xattrs.read(self.fs, first) != xattrs.read(self.fs, second):
                return False
            offsets = range(0, self.fs.size(first), CHUNK)
            return all(self.fs.read(first, CHUNK, at) == self.fs.read(second, CHUNK, at) for at in offsets)
        finally:
            for descriptor in descriptors:
                self.fs.close(descriptor)

    def _remove(self, old: str, names: list[str]) -> None:
        """Remove the files of the old place: what is needed of them is at the new one."""
        partition_directory, suffix, _ = layout.split_hash_directory(old)
        hashes.invalidate(self.fs, partition_directory, suffix)
        for name in names:
            with suppress(FileNotFoundError):
                self.fs.unlink(f"{old}/{name}")
                self.counts["removed"] += 1

    def _is_left(self, old: str) -> bool:
        """Remove the old place, which should be empty; returns whether it is not."""
        try:
            self.fs.remove_directory(old)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            return True
        return False
