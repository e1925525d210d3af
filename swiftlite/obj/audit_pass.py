"""AuditPass: one pass of the object auditor over some devices."""

from __future__ import annotations

import json
import logging
import os
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from swiftlite.common import metrics, recon, statsd
from swiftlite.common.concurrency import sleep as green_sleep
from swiftlite.common.fs import FileSystem
from swiftlite.common.policies import StoragePolicy
from swiftlite.common.rate_limit import RateLimit
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.common.watchdog import watchdog
from swiftlite.core import fileset
from swiftlite.core.timestamp import Timestamp
from swiftlite.obj import hashes, layout, quarantine
from swiftlite.obj.audit_options import AuditorOptions
from swiftlite.obj.audit_status import AuditStatus
from swiftlite.obj.audited_file import AuditedFile, Finding, Verdict
from swiftlite.obj.diskfile import DiskFileManager
from swiftlite.obj.errors import DiskFileLocked
from swiftlite.obj.watchers import DELETE, Watchers

ALL, ZERO_BYTE = "ALL", "ZBF"
"""The full pass, and the one that reads no bodies: it finds files that were cut, to zero bytes for example."""
MAX_SUSPECTS = 10_000


class HashDirectory(NamedTuple):
    """What a pass looks at, one after the other."""

    device_root: str
    policy: StoragePolicy
    path: str


class AuditPass:
    """Looks at every object of some devices; one that is damaged is quarantined, and the walk goes on.

    :param kind: ALL or ZERO_BYTE
    :param watchers: are shown every sound object
    :param clock: seconds since the epoch
    :param sleep: waits so many seconds
    """

    def __init__(
        self,
        options: AuditorOptions,
        swift: SwiftConf,
        logger: logging.Logger,
        kind: str,
        watchers: Watchers,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = green_sleep,
    ) -> None:
        self.options = options
        self.policies = [policy for policy in swift.policies if policy.policy_type == "replication"]
        self.other_policies = [policy.name for policy in swift.policies if policy.policy_type != "replication"]
        self.logger = logger
        self.kind = kind
        self.watchers = watchers
        self.clock = clock
        self.fs = FileSystem()
        self.files = DiskFileManager(options.disk_file, swift.hash_path, logger, self.fs, clock)
        per_second = options.files_per_second
        if kind == ZERO_BYTE:
            per_second = options.zero_byte_fps or options.zero_byte_files_per_second
        self.file_rate = RateLimit(per_second, clock, sleep)
        self.byte_rate = RateLimit(options.bytes_per_second, clock, sleep)
        self.total: Counter[str] = Counter()
        self.since: Counter[str] = Counter()
        """What was counted since the last report."""
        self.sizes: Counter[str] = Counter()
        self.recon_key = ""
        self._started = self._reported = clock()
        self._auditing = self._waited = 0.0
        self._placed = self._misplaced = 0
        """How many objects lay where their names hash to, and how many did not."""
        self._suspects: list[HashDirectory] = []

    def run(self, devices: Sequence[str], is_part: bool) -> Counter[str]:
        """Make the pass.

        :param devices: their names
        :param is_part: whether others look at other devices, or nobody does: statistics are then kept for these
        :returns: the statistics of the whole pass, named as in the recon cache
        """
        self.recon_key = "".join(sorted(devices)) if is_part else ""
        self.logger.info("object-auditor: %s pass over %s begins", self.kind, ", ".join(devices) or "no device")
        if self.other_policies:
            self.logger.info("object-auditor: passing over %s: not of type replication", ", ".join(self.other_policies))
        self._started = self._reported = self.clock()
        self.watchers.start(self.kind)
        statuses = []
        for device in devices:
            root = f"{self.options.devices}/{device}"
            for policy in self.policies:
                status = AuditStatus(f"{root}/{policy.objects_dir}", self.kind, self.logger)
                statuses.append(status)
                for path in self._hash_directories(status):
                    self._audit(HashDirectory(root, policy, path))
                    if self._hash_is_right:
                        self._settle_suspects()
                    if self.clock() - self._reported >= self.options.log_time:
                        self._report("so far")
        self._settle_suspects()
        self.watchers.end()
        self._report("is complete")
        for status in statuses:
            status.clear()
        return self.total

    # The walk ---------------------------------------------------------------------------------------------------------

    def _hash_directories(self, status: AuditStatus) -> Iterator[str]:
        try:
            for partition in status.partitions():
                for suffix in self._list(f"{status.directory}/{partition}"):
                    if not layout.is_bookkeeping(suffix):
                        suffix_directory = f"{status.directory}/{partition}/{suffix}"
                        for name in self._list(suffix_directory):
                            yield f"{suffix_directory}/{name}"
        except FileNotFoundError:
            pass  # nothing of this policy was stored there yet
        except OSError as error:
            self._failed("%s cannot be listed: %s", status.directory, error.strerror)

    def _list(self, directory: str) -> list[str]:
        try:
            return sorted(self.fs.list(directory))
        except (FileNotFoundError, NotADirectoryError):
            return []  # tidied away this moment; or a file, which nobody takes for objects
        except OSError as error:
            self._failed("%s cannot be listed: %s", directory, error.strerror)
            return []

    def _failed(self, message: str, *arguments: object, exc_info: bool = False) -> None:
        self._count("errors")
        self.logger.error("object-auditor: " + message, *arguments, exc_info=exc_info)

    def _count(self, name: str, amount: int = 1) -> None:
        self.total[name] += amount
        metrics.WORK.add(amount, f"{self.kind} {name}")
        if name == "errors":
            statsd.note(name, amount)
        self.since[name] += amount

    # One hash directory -----------------------------------------------------------------------------------------------

    def _audit(self, place: HashDirectory, trusts_hash: bool = False) -> None:
        """Look at one, whatever happens."""
        self.file_rate.spend()
        watchdog.beat()
        started, self._waited = self.clock(), 0.0
        try:
            self._settle(place, self._inspect(place, trusts_hash))
        except Exception as error:
            expected = isinstance(error, (OSError, DiskFileLocked))
            self._failed("%s: %s", place.path, error if expected else repr(error), exc_info=not expected)
        self._auditing += self.clock() - started - self._waited
        statsd.took("timing", self.clock() - started)

    def _inspect(self, place: HashDirectory, trusts_hash: bool) -> Finding:
        spend = self._spend if self.kind == ALL else None
        file = AuditedFile(self.files, *place, spend=spend, trusts_hash=trusts_hash)
        return file.inspect(Timestamp(self.clock()))

    def _spend(self, amount: int) -> None:
        self._count("bytes_processed", amount)
        watchdog.beat()
        started = self.clock()
        self.byte_rate.spend(amount)
        self._waited += self.clock() - started

    def _settle(self, place: HashDirectory, finding: Finding) -> None:
        """Do what a finding asks for."""
        if finding.verdict is Verdict.UNVERIFIED:
            self._failed("%s: %s", place.path, finding.reason)
            return
        self._count("passes")
        if finding.verdict is Verdict.QUARANTINED:
            self._count("quarantined")
        elif finding.verdict is Verdict.MISPLACED:
            self._misplaced += 1
            if len(self._suspects) < MAX_SUSPECTS:
                self._suspects.append(place)
        elif finding.verdict is Verdict.SOUND:
            self._placed += 1
            self._measure(finding.size)
            self._show(place, finding)
        elif self.kind == ALL and fileset.reclaimable(finding.files, self.clock(), self.options.reclaim_age):
            # Whoever hashes the suffix next removes what is too old to matter.
            partition_directory, suffix, _ = layout.split_hash_directory(place.path)
            hashes.invalidate(self.fs, partition_directory, suffix)
        self._sweep(place.path, finding.files.temporary)

    def _measure(self, size: int) -> None:
        limits = self.options.object_size_stats
        if limits:
            place = bisect_left(limits, size)
            self.sizes[str(limits[place]) if place < len(limits) else "OVER"] += 1

    def _show(self, place: HashDirectory, finding: Finding) -> None:
        """Show a sound object to the watchers, and do what one of them wants."""
        data = finding.files.data
        if not self.watchers or finding.metadata is None or data is None:
            return
        wish = self.watchers.see_object(finding.metadata, f"{place.path}/{data.name}")
        if wish is None:
            return
        reason = f"{wish.watcher} asks for it"
        if wish.action == DELETE:
            if quarantine.remove(self.fs, place.path, data.name):
                self.logger.warning("object-auditor: removed %s: %s", place.path, reason)
        elif self.files.quarantine(*place, reason, data.name):
            self._count("quarantined")

    def _sweep(self, directory: str, temporary: Sequence[str]) -> None:
        """Remove what rsync has left behind."""
        for name in temporary:
            path = f"{directory}/{name}"
            try:
                if self.clock() - self.fs.modified_time(path) > self.options.rsync_tempfile_timeout:
                    self.fs.unlink(path)
            except FileNotFoundError:
                pass  # rsync has come to its end this moment

    @property
    def _hash_is_right(self) -> bool:
        """Whether swift.conf has the right prefix and suffix: at least half of the objects lie where they should.

        A few do with wrong ones, too: those that were written with them.
        """
        return self._placed > 0 and self._placed >= self._misplaced

    def _settle_suspects(self) -> None:
        """Look again at objects whose name did not hash to their directory, once swift.conf is known to be right."""
        suspects, self._suspects = self._suspects, []
        if not suspects:
            return
        if not self._hash_is_right:
            self._failed(
                "%d objects lie where their names do not hash to, %s for one, and %d where they should: those were"
                " not quarantined, since swift.conf's hash prefix or suffix may be wrong",
                self._misplaced,
                suspects[0].path,
                self._placed,
            )
            return
        for place in suspects:
            self.total.subtract(passes=1)  # counted when it was first looked at
            self.since.subtract(passes=1)
            self._audit(place, trusts_hash=True)

    # Reports ----------------------------------------------------------------------------------------------------------

    def _report(self, what: str) -> None:
        now = self.clock()
        elapsed = max(now - self._reported, 1e-6)
        self.logger.info(
            "object-auditor: %s pass %s: %d looked at, %d quarantined, %d errors, %.2f files and %.0f bytes a second,"
            " %.2f s, of them %.2f s of work",
            *(self.kind, what, self.since["passes"], self.since["quarantined"], self.since["errors"]),
            *(self.since["passes"] / elapsed, self.since["bytes_processed"] / elapsed, now - self._started),
            self._auditing,
        )
        if self.sizes:
            self.logger.info("object-auditor: objects by size: %s", json.dumps(self.sizes))
        names = ("errors", "passes", "quarantined", "bytes_processed")
        statistics: dict[str, object] = {name: self.since[name] for name in names}
        statistics |= {"start_time": self._reported, "audit_time": self._auditing}
        value = {self.recon_key: statistics} if self.recon_key else statistics
        changes = {f"object_auditor_stats_{self.kind}": value}
        recon.dump(self.options.recon_cache_path, recon.OBJECT_CACHE, changes, self.logger)
        self._reported = now
        self.since.clear()


def usable_devices(options: AuditorOptions, logger: logging.Logger) -> list[str]:
    """The devices to work on; others are logged and passed over.

    :raises OSError: when the directory of devices cannot be listed
    """
    fs, found = FileSystem(), []
    for device in sorted(set(options.only_devices) or os.listdir(options.devices)):
        root = f"{options.devices}/{device}"
        usable = fs.is_mount(root) if options.mount_check else fs.is_directory(root)
        if usable and layout.is_device_name(device):
            found.append(device)
        else:
            logger.warning("object-auditor: skipping %s: it is not a usable device", device)
    return found
