"""The object updater: delivers the row updates that container servers did not take at once (formats.md 3.9)."""

from __future__ import annotations

import errno
import logging
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

from swiftlite.common import daemon, forks, recon, statsd
from swiftlite.common.concurrency import GreenPool, sleep
from swiftlite.common.config import SHORTEST, is_true, option
from swiftlite.common.fs import FileSystem
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core.deferral import Deferral
from swiftlite.core.names import split_path, wsgi_to_str
from swiftlite.core.oldest import OldestPending, combined
from swiftlite.core.timestamp import ZERO, Timestamp
from swiftlite.obj import layout
from swiftlite.obj.async_pending import AsyncPending, BadUpdate, ForeignUpdate, RowUpdate, SpoolFile
from swiftlite.ring.ring import Node, Ring
from swiftlite.wire.direct import RowRefused, RowUnsent, send_row, user_agent
from swiftlite.wire.node_client import node_client

MAX_REDIRECTS = 1
"""How often one pass follows a container server's pointer to a shard; further ones are for the next pass."""

DAMAGED = (errno.EIO, errno.EUCLEAN, errno.EBADMSG)
"""What a file says that its disk cannot read; other errors may pass."""


@dataclass(frozen=True)
class UpdaterOptions(daemon.DaemonOptions):
    """Options of ``[object-updater]`` (formats.md 8.3)."""

    concurrency: int = option(8, "updates of one device that are delivered at once", least=1)
    node_timeout: float = option(10.0, "seconds to wait for a container server's answer", least=SHORTEST)
    updater_workers: int = option(1, "devices that are worked on at once, each by a process of its own", least=1)
    objects_per_second: float = option(
        50.0, "updates of one device that are taken up in a second; 0: no limit", least=None
    )
    max_objects_per_container_per_second: float = option(0.0, "updates of one container in a second; 0: no limit")
    per_container_ratelimit_buckets: int = option(1000, "groups of containers that share that limit", least=1)
    max_deferred_updates: int = option(10000, "updates that wait for their container's turn; others: in the next pass")
    async_tracker_max_entries: int = option(100, "containers with old updates that statistics are made of", least=1)
    async_tracker_dump_count: int = option(5, "containers with the oldest updates that statistics name", least=1)
    only_devices: tuple[str, ...] = option((), "devices to work on; empty: all")


class Redirect(NamedTuple):
    """A container server names the shard that keeps the row.

    :ivar timestamp: the newest of several is right
    :ivar container_path: ``account/container`` of the shard
    """

    timestamp: Timestamp
    container_path: str


class ObjectUpdater(daemon.Daemon):
    """Deliver the updates of container listings that were spooled, to every server that has not taken them."""

    section = "object-updater"
    options_class = UpdaterOptions
    switches = {"only_devices": "names of devices to work on, with commas between them; instead of the conf's"}

    def __init__(self, options: UpdaterOptions, swift: SwiftConf, logger: logging.Logger) -> None:
        super().__init__(options, swift, logger)
        self.fs = FileSystem()
        self.ring = Ring(options.swift_dir, "container", hash_path=swift.hash_path)
        self.spool = AsyncPending(self.fs, swift.hash_path)
        self.client = node_client(swift.backend_tls, options.conn_timeout, options.node_timeout, logger)
        self.deadline = 0.0
        """When this pass ends at the latest for updates that wait for their container's turn; ``time.monotonic()``."""
        self.device = ""
        self.oldest = OldestPending(options.async_tracker_max_entries)

    # A pass: one sweep a device ---------------------------------------------------------------------------------------

    def run_once(self) -> Counter[str]:
        """Make one pass over all devices, and tell the recon cache of it."""
        started = time.monotonic()
        self.deadline = started + self.options.interval
        devices = self._devices()
        workers = self.options.updater_workers
        if workers > 1:
            counts = forks.each(self._sweep, devices, workers, self.logger)
        else:
            counts = self._sweep_all(devices)
        self._tell_recon(devices, time.monotonic() - started)
        return counts

    def _sweep_all(self, devices: list[str]) -> Counter[str]:
        counts: Counter[str] = Counter()
        for device in devices:
            counts.update(self._sweep(device))
        return counts

    def _sweep(self, device: str) -> Counter[str]:
        """Deliver what is spooled on one device."""
        self.device = device
        self.oldest = OldestPending(self.options.async_tracker_max_entries)
        counts = super().run_once()
        statistics = self.oldest.statistics(time.time(), self.options.async_tracker_dump_count)
        changes = {"object_updater_per_device": {device: statistics}}
        recon.dump(self.options.recon_cache_path, recon.OBJECT_CACHE, changes, self.logger)
        return counts

    def _devices(self) -> list[str]:
        """The devices to work on; others are logged and passed over."""
        options, found = self.options, []
        for device in sorted(os.listdir(options.devices)):
            if options.only_devices and device not in options.only_devices:
                continue
            root = f"{options.devices}/{device}"
            usable = self.fs.is_mount(root) if options.mount_check else self.fs.is_directory(root)
            if usable and layout.is_device_name(device):
                found.append(device)
            else:
                self.logger.warning("%s: skipping %s: it is not a usable device", self.section, device)
        return found

    def _tell_recon(self, devices: list[str], seconds: float) -> None:
        path = os.path.join(self.options.recon_cache_path, recon.OBJECT_CACHE)
        try:
            known = recon.load(path).get("object_updater_per_device") or {}
        except OSError:
            known = {}  # the dump will say what is wrong
        statistics = [known[device] for device in devices if device in known]
        changes = {
            "object_updater_sweep": seconds,
            "object_updater_last": time.time(),
            "object_updater_stats": combined(statistics, self.options.async_tracker_dump_count),
        }
        if not self.options.only_devices:
            changes |= {"async_pending": self._pending(devices), "async_pending_last": time.time()}
        gone = {device: {} for device in known if device not in devices}
        if gone and not self.options.only_devices:
            changes["object_updater_per_device"] = gone
        recon.dump(self.options.recon_cache_path, recon.OBJECT_CACHE, changes, self.logger)

    def _pending(self, devices: list[str]) -> int:
        """The updates that still wait, as OpenStack Swift's ``swift-recon-cron`` counts them for ``swift-recon --async``."""
        pending = 0
        for device in devices:
            for policy in self.swift.policies:
                try:
                    pending += self.spool.count(f"{self.options.devices}/{device}", policy)
                except OSError as error:
                    self.logger.error("%s: not counting the updates on %s: %s", self.section, device, error)
        return pending

    # A sweep ----------------------------------------------------------------------------------------------------------

    def jobs(self) -> Iterator[tuple[SpoolFile, RowUpdate]]:
        """The updates spooled on the device, of all policies, no faster than the options allow."""
        options = self.options
        found = daemon.at_rate(self._updates(), options.objects_per_second)
        limit: Deferral[tuple[SpoolFile, RowUpdate]] = Deferral(
            options.max_objects_per_container_per_second,
            options.per_container_ratelimit_buckets,
            options.max_deferred_updates,
        )
        for job in found:
            if limit.admits(hash(job[1].destination), job, time.monotonic()):
                yield job
            else:
                self.counts["deferred"], self.counts["skipped"] = limit.deferred, limit.skipped
        while (moment := limit.next_time()) is not None and moment < self.deadline:
            sleep(max(0.0, moment - time.monotonic()))
            statsd.note("drains")
            yield limit.take(time.monotonic())
        limit.give_up()
        if limit.deferred:
            self.counts["deferred"], self.counts["skipped"] = limit.deferred, limit.skipped

    def _updates(self) -> Iterator[tuple[SpoolFile, RowUpdate]]:
        root = f"{self.options.devices}/{self.device}"
        for name in layout.foreign_async_roots(self.fs.list(root), self.swift.policies):
            self.logger.warning("%s: skipping %s/%s: swift.conf has no such policy", self.section, root, name)
        foreign: list[tuple[SpoolFile, ForeignUpdate]] = []
        for policy in self.swift.policies:
            for file in self.spool.walk(root, policy, self._pass_over):
                try:
                    update = self._load(file)
                except ForeignUpdate as error:
                    foreign.append((file, error))
                    continue
                if update is not None:
                    yield file, update
        for file, error in foreign:
            self._settle(file, error)

    def _settle(self, file: SpoolFile, error: ForeignUpdate) -> None:
        """Put an update aside whose name is wrong, unless it is swift.conf that is."""
        if self.spool.hash_is_right:
            self._put_aside(file, error)
        else:
            self.counts["failures"] += 1
            self.logger.error("%s: leaving %s: %s; nor is any other's", self.section, file.path, error)

    def _pass_over(self, error: OSError) -> None:
        self.counts["failures"] += 1
        self.logger.error("%s: passing over a part of the spool: %s", self.section, error)

    def _load(self, file: SpoolFile) -> RowUpdate | None:
        try:
            return self.spool.load(file)
        except FileNotFoundError:
            return None
        except BadUpdate as error:
            self._put_aside(file, error)
        except OSError as error:
            if error.errno in DAMAGED:
                self._put_aside(file, error)
            else:
                self._cannot_read(file, error)
        return None

    def _put_aside(self, file: SpoolFile, error: Exception) -> None:
        try:
            target = self.spool.quarantine(file)
        except OSError as second:
            self._cannot_read(file, second)
        else:
            self.counts["quarantined"] += 1
            self.logger.error("Quarantined %s to %s: %s", file.path, target, error)

    def _cannot_read(self, file: SpoolFile, problem: OSError) -> None:
        self.counts["failures"] += 1
        self.logger.error("%s: cannot read %s, nor put it aside: %s", self.section, file.path, problem)

    def work(self, job: tuple[SpoolFile, RowUpdate]) -> None:
        """Deliver one update; it stays in the spool until every primary has it."""
        file, update = job
        if self._deliver(file, update):
            self.spool.remove(file)
            self.counts["delivered"] += 1
            statsd.note("unlinks")
        else:
            self.oldest.add(*update.destination, float(file.timestamp))
            self.counts["left"] += 1

    def _deliver(self, file: SpoolFile, update: RowUpdate) -> bool:
        """Send an update where it has not been taken.

        :returns: whether it has now been taken everywhere; otherwise the file tells how far it got
        """
        for _ in range(MAX_REDIRECTS + 1):
            answers = self._send_to_primaries(file, update)
            redirects = [answer for answer in answers.values() if isinstance(answer, Redirect)]
            if redirects:
                self.counts["redirected"] += 1
                update = update.redirected(max(redirects).container_path)
                self.spool.rewrite(file, update)
                continue
            taken = tuple(device_id for device_id, answer in answers.items() if answer is True)
            if len(taken) == len(answers):
                return True
            if taken:
                self.spool.rewrite(file, update.taken_by(taken))
            return False
        return False

    def _send_to_primaries(self, file: SpoolFile, update: RowUpdate) -> dict[int, bool | Redirect]:
        """Send at once to all primaries that have not taken the row.

        :returns: by device id whether it was taken, or where it belongs
        """
        partition, nodes = self.ring.get_nodes(*update.destination)
        headers = {
            "X-Backend-Storage-Policy-Index": str(file.policy.index),
            **update.headers,
            "X-Backend-Accept-Redirect": "true",
            "X-Backend-Accept-Quoted-Location": "true",
            "User-Agent": user_agent("object-updater"),
        }
        due = [node for node in nodes if not update.is_known_to(node.id, node.address, node.device)]
        pool = GreenPool(max(1, len(due)))
        calls = [(node.id, pool.spawn(self._send, node, partition, update, headers)) for node in due]
        return {device_id: call.wait() for device_id, call in calls}

    def _send(self, node: Node, partition: int, update: RowUpdate, headers: Mapping[str, str]) -> bool | Redirect:
        started, status = time.monotonic(), 200
        try:
            send_row(
                self.client, node.replication_address, node.device, partition, update.path, update.operation, headers
            )
        except RowRefused as refusal:
            status = refusal.status
            if refusal.status == 301:
                try:
                    return read_redirect(refusal.headers)
                except ValueError as error:
                    self.logger.error("%s: %s: %s", self.section, refusal, error)
                    return False
            self.logger.warning("%s: %s, will try again", self.section, refusal)
            return False
        except RowUnsent as error:
            status = 500
            self.logger.warning("%s: %s, will try again", self.section, error)
            return False
        finally:
            statsd.took(f"updater.timing.status.{status}", time.monotonic() - started)
        return True


def read_redirect(headers: Mapping[str, str]) -> Redirect:
    """Where a 301 sends a row: its Location is the row's path there.

    :raises ValueError: when it leads nowhere
    """
    location = headers.get("Location") or ""
    location = unquote(location) if is_true(headers.get("X-Backend-Location-Is-Quoted")) else wsgi_to_str(location)
    try:
        account, container, _ = split_path(location, 3, 3, rest_with_last=True)
    except ValueError:
        raise ValueError(f"cannot follow a redirect to {location!r}") from None
    stamp = headers.get("X-Backend-Redirect-Timestamp")
    return Redirect(Timestamp(stamp) if stamp else ZERO, f"{account}/{container}")


def main(argv: list[str]) -> int:
    """Run it: ``CONF [once] [-v] [-o | --once] [--only-devices D1,D2]``; returns the exit status."""
    return daemon.main(ObjectUpdater, argv)
