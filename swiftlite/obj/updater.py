"""The object updater: delivers the row updates that container servers did not take at once (formats.md 3.9)."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from swiftlite.common import daemon
from swiftlite.common.concurrency import GreenPool, sleep
from swiftlite.common.config import is_true, option
from swiftlite.common.fs import FileSystem
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core.names import wsgi_to_str
from swiftlite.http.client import Client
from swiftlite.obj import layout
from swiftlite.obj.async_pending import AsyncPending, BadUpdate, RowUpdate, SpoolFile
from swiftlite.ring.ring import Node, Ring
from swiftlite.wire.direct import RowRefused, RowUnsent, send_row, user_agent

MAX_REDIRECTS = 1
"""How often one pass follows a container server's pointer to a shard; further ones are for the next pass."""


@dataclass(frozen=True)
class UpdaterOptions(daemon.DaemonOptions):
    """Options of ``[object-updater]`` (formats.md 8.3)."""

    concurrency: int = option(8, "updates that are delivered at once")
    objects_per_second: float = option(50.0, "updates that are taken up in a second; 0: as many as can be")


class Redirected(Exception):
    """A container server names the shard that keeps the row.

    :ivar container_path: ``account/container`` of the shard
    """

    def __init__(self, container_path: str) -> None:
        super().__init__(container_path)
        self.container_path = container_path


class ObjectUpdater(daemon.Daemon):
    """Deliver the updates of container listings that were spooled, to every server that has not taken them."""

    section = "object-updater"
    options_class = UpdaterOptions

    def __init__(self, options: UpdaterOptions, swift: SwiftConf, logger: logging.Logger) -> None:
        super().__init__(options, swift, logger)
        self.fs = FileSystem()
        self.ring = Ring(options.swift_dir, "container", hash_path=swift.hash_path)
        self.spool = AsyncPending(self.fs, swift.hash_path)
        self.client = Client(options.conn_timeout, options.node_timeout)

    def jobs(self) -> Iterator[SpoolFile]:
        """The spooled updates of all devices and policies, no faster than the options allow."""
        pause = 1 / self.options.objects_per_second if self.options.objects_per_second > 0 else 0
        due = time.monotonic()
        for device in sorted(os.listdir(self.options.devices)):
            root = f"{self.options.devices}/{device}"
            usable = self.fs.is_mount(root) if self.options.mount_check else self.fs.is_directory(root)
            if not usable or not layout.is_device_name(device):
                self.logger.warning("%s: skipping %s: it is not a usable device", self.section, device)
                continue
            for policy in self.swift.policies:
                for file in self.spool.walk(root, policy):
                    yield file
                    due = max(due + pause, time.monotonic() - 1)
                    sleep(max(0, due - time.monotonic()))

    def work(self, file: SpoolFile) -> None:
        """Deliver one update; it stays in the spool until every primary has it."""
        try:
            update = self.spool.load(file)
        except FileNotFoundError:
            return
        except BadUpdate as error:
            self.counts["quarantined"] += 1
            self.logger.error("Quarantined %s to %s: %s", file.path, self.spool.quarantine(file), error)
            return
        if self._deliver(file, update):
            self.spool.remove(file)
            self.counts["delivered"] += 1
        else:
            self.counts["left"] += 1

    def _deliver(self, file: SpoolFile, update: RowUpdate) -> bool:
        """Send an update where it has not been taken.

        :returns: whether it has now been taken everywhere; otherwise the file tells how far it got
        """
        for _ in range(MAX_REDIRECTS + 1):
            try:
                taken, complete = self._send_to_primaries(file, update)
            except Redirected as redirect:
                looping = redirect.container_path in update.redirect_history
                update = update.redirected(None if looping else redirect.container_path)
                self.spool.rewrite(file, update)
                continue
            if taken and not complete:
                self.spool.rewrite(file, update.taken_by(taken))
            return complete
        return False

    def _send_to_primaries(self, file: SpoolFile, update: RowUpdate) -> tuple[tuple[int, ...], bool]:
        """Send at once to all primaries that have not taken the row.

        :returns: ids of those that have taken it now, and whether none is left
        :raises Redirected: when one of them says where the row belongs
        """
        account, _, container = (update.container_path or f"{update.account}/{update.container}").partition("/")
        partition, nodes = self.ring.get_nodes(account, container)
        nodes = tuple(node for node in nodes if node.id not in update.successes)
        headers = {
            "X-Backend-Storage-Policy-Index": str(file.policy.index),
            **update.headers,
            "X-Backend-Accept-Redirect": "true",
            "X-Backend-Accept-Quoted-Location": "true",
            "User-Agent": user_agent("object-updater"),
        }
        pool = GreenPool(max(1, len(nodes)))
        calls = [(node, pool.spawn(self._send, node, partition, update, headers)) for node in nodes]
        taken = tuple(node.id for node, call in calls if call.wait())
        return taken, len(taken) == len(nodes)

    def _send(self, node: Node, partition: int, update: RowUpdate, headers: Mapping[str, str]) -> bool:
        address = (node.replication_ip, node.replication_port)
        try:
            send_row(self.client, address, node.device, partition, update.path, update.operation, headers)
        except RowRefused as refusal:
            if refusal.status == 301:
                raise Redirected(_redirect_target(refusal.headers)) from None
            self.logger.warning("%s: %s, will try again", self.section, refusal)
            return False
        except RowUnsent as error:
            self.logger.warning("%s: %s, will try again", self.section, error)
            return False
        return True


def _redirect_target(headers: Mapping[str, str]) -> str:
    """``account/container`` of a redirect's Location, which is the path of the row there."""
    location = headers.get("Location") or ""
    location = unquote(location) if is_true(headers.get("X-Backend-Location-Is-Quoted")) else wsgi_to_str(location)
    account, slash, rest = location.lstrip("/").partition("/")
    container = rest.partition("/")[0]
    if not slash or not container:
        raise ValueError(f"cannot follow a redirect to {location!r}")
    return f"{account}/{container}"


def main(argv: list[str]) -> int:
    """Run it: ``CONF [-v] [-o | --once]``; returns the exit status."""
    return daemon.main(ObjectUpdater, argv)
