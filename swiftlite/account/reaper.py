"""The account reaper: deletes the data of deleted accounts, once it is certain that they are deleted (formats.md 8.3)."""

from __future__ import annotations

import logging
import math
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from swiftlite.account.asking import Asker
from swiftlite.account.backend import AccountBroker
from swiftlite.account.removal import Doomed, Removal
from swiftlite.common import daemon, recon, statsd
from swiftlite.common.addresses import is_own, own_addresses
from swiftlite.common.concurrency import GreenPool
from swiftlite.common.config import SHORTEST, at_least, option
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core import reaping
from swiftlite.core.hosts import spell_address
from swiftlite.core.listing import ListingQuery
from swiftlite.core.reaping import Stand
from swiftlite.core.rows import ZERO_LIKE
from swiftlite.core.timestamp import Timestamp
from swiftlite.db import layout
from swiftlite.db.broker import DatabaseMissing
from swiftlite.ring.ring import Node, Ring
from swiftlite.wire.node_client import node_client

OLDEST = Timestamp("0000000000.00001")
"""The time of a PUT that changes nothing."""
PAGE = 1000
"""Containers that one replica of an account takes up at once."""
MONTH = 30 * 86400.0


@dataclass(frozen=True)
class ReaperOptions(daemon.DaemonOptions):
    """Options of ``[account-reaper]`` (formats.md 8.3)."""

    interval: float = option(3600.0, "seconds from the start of one pass to the start of the next")
    concurrency: int = option(25, "objects that are deleted at once", least=1)
    node_timeout: float = option(10.0, "seconds to wait for a server's answer", least=SHORTEST)
    delay_reaping: float = option(
        0.0,
        "seconds for which the data of a deleted account are kept",
        at_least(0, lambda text: float(text.strip() or 0)),
    )
    reap_warn_after: float = option(
        MONTH,
        "seconds after which the log warns of an account that has still not been emptied",
        at_least(0, lambda text: float(text.strip() or MONTH)),
    )
    ring_ip: str = option("", "address that the rings have of this node; default: bind_ip")


class Spared(Exception):
    """An account must not be emptied, or not now; the text says why."""


@dataclass
class Case:
    """An account's database on one of our devices.

    :ivar partition: as its directory says
    :ivar index: which of the account's primaries we are
    :ivar confirmed: ``time.monotonic()`` when all replicas said last that the account is deleted
    :ivar spared: why it must not be emptied in this pass; empty as long as nothing is known against it
    """

    broker: AccountBroker
    partition: int
    nodes: Sequence[Node]
    index: int
    asker: Asker
    info: dict[str, Any] = field(default_factory=dict)
    confirmed: float = -math.inf
    spared: str = ""

    @property
    def account(self) -> str:
        """The account's name."""
        return str(self.info["account"])


class AccountReaper(daemon.Daemon):
    """Delete the containers and objects of accounts that have been deleted."""

    section = "account-reaper"
    options_class = ReaperOptions
    confirm_every = 30.0
    """Seconds for which we rely on what the other replicas said."""

    def __init__(self, options: ReaperOptions, swift: SwiftConf, logger: logging.Logger) -> None:
        super().__init__(options, swift, logger)
        self.clock = time.time
        self.accounts = Ring(options.swift_dir, "account", hash_path=swift.hash_path)
        self.containers = Ring(options.swift_dir, "container", hash_path=swift.hash_path)
        self.client = node_client(swift.backend_tls, options.conn_timeout, options.node_timeout, logger)
        self.own = own_addresses(options.ring_ip or options.bind_ip)
        self._object_rings: dict[int, Ring] = {}
        # Shared by all accounts of a pass: together they do no more at once than the options say.
        self._container_pool = GreenPool(max(1, math.isqrt(options.concurrency)))
        self._object_pool = GreenPool(max(1, options.concurrency))

    def run_once(self) -> Counter[str]:
        """Make one pass, and tell the recon cache when it was over."""
        counts = super().run_once()
        changes = {"account_reaper_last": time.time()}
        recon.dump(self.options.recon_cache_path, "account.recon", changes, self.logger)
        return counts

    # Which accounts ---------------------------------------------------------------------------------------------------

    def jobs(self) -> Iterator[Case]:
        """The accounts of which a device of this server is a primary."""
        for device in sorted(os.listdir(self.options.devices)):
            device_path = layout.usable_device(self.options.devices, device, self.options.mount_check)
            if device_path is None:
                self.logger.warning("%s: skipping %s: it is not a usable device", self.section, device)
                continue
            for path in layout.databases(device_path, "account", failed=self.pass_over):
                case = self._case(device, path)
                if case is not None:
                    yield case

    def _case(self, device: str, path: str) -> Case | None:
        partition = int(path.split("/")[-4])
        if partition >= self.accounts.partition_count:
            return None
        nodes = self.accounts.primaries(partition)
        index = next((number for number, node in enumerate(nodes) if self._is_ours(node, device)), None)
        if index is None:
            return None  # The copy on a handoff may be an old one; its primaries see to the account.
        broker = AccountBroker(path, "", logger=self.logger)
        return Case(broker, partition, nodes, index, Asker(self.client, self.section, self.logger))

    def _is_ours(self, node: Node, device: str) -> bool:
        places = (node.address, node.replication_address)
        port = self.options.bind_port
        return node.device == device and any(is_own(ip, self.own) and port in (0, own) for ip, own in places)

    def work(self, case: Case) -> None:
        """Empty one account, if it is deleted and everybody knows."""
        try:
            if self._is_due(case):
                self._confirm(case)
                self._reap(case)
        except DatabaseMissing:
            return  # Removed since it was listed.
        except Spared as reason:
            self.counts["spared"] += 1
            self.logger.warning("%s: not emptying account %s: %s", self.section, case.account, reason)

    # Whether it may be emptied ------------------------------------------------------------------------------------------

    def _is_due(self, case: Case) -> bool:
        """Whether our replica calls for emptying the account: deleted for long enough, and not empty."""
        case.info = info = case.broker.get_info()
        put, delete = Timestamp(info["put_timestamp"]), Timestamp(info["delete_timestamp"])
        if info["container_count"] in ZERO_LIKE:
            return False
        return reaping.is_due(put, delete, self.clock(), self.options.delay_reaping)

    def _confirm(self, case: Case) -> None:
        """Return when every replica calls the account deleted; what they said lately counts.

        :raises Spared: when one does not, or cannot be asked; from then on at every call
        """
        if not case.spared and time.monotonic() - case.confirmed < self.confirm_every:
            return
        case.spared = case.spared or self._objection(case)
        if case.spared:
            raise Spared(case.spared)
        case.confirmed = time.monotonic()

    def _objection(self, case: Case) -> str:
        """What speaks against emptying an account; nothing where it is certain that it is deleted."""
        name = os.path.basename(case.broker.directory)
        if self.swift.hash_path.hex(case.account) != name or self.accounts.partition(case.account) != case.partition:
            return f"{case.broker.path} is not its place"
        if self.accounts.primaries(case.partition) != case.nodes:
            return "the ring has changed meanwhile"
        info = case.broker.get_info()
        deletion = Timestamp(info["delete_timestamp"])
        if deletion <= Timestamp(info["put_timestamp"]):
            return f"our replica {Stand.RECREATED.value}"
        for number, node in enumerate(case.nodes):
            if number != case.index and (stand := self._stand(case, node, deletion)) is not Stand.DELETED:
                return f"{spell_address(*node.address)}/{node.device} {stand.value}"
        return ""

    def _stand(self, case: Case, node: Node, deletion: Timestamp) -> Stand:
        """What another replica knows of the deletion."""
        path = f"/{case.account}"
        (answer,) = case.asker.ask("HEAD", case.partition, path, [(node, {})])
        stand = reaping.stand_of(answer.status, answer.headers, deletion)
        if stand is not Stand.UNCLEAR:
            return stand
        (answer,) = case.asker.ask("PUT", case.partition, path, [(node, {"X-Timestamp": OLDEST.internal})])
        return reaping.stand_of_refusal(answer.status, answer.headers)

    # Emptying it ----------------------------------------------------------------------------------------------------------

    def _reap(self, case: Case) -> None:
        started = time.monotonic()
        self.logger.info("Beginning pass on account %s", case.account)
        removal = Removal(
            case.asker, self.containers, self._object_ring, self._object_pool, clock=self.clock, logger=self.logger
        )
        counts: Counter[str] = Counter()
        word = "Completed"
        try:
            for containers in self._pages(case):
                calls = [self._container_pool.spawn(self._remove, removal, doomed) for doomed in containers]
                # All of them before one's failure is heard of: none must go on behind our back.
                results = [call.wait() for call in calls]
                for result in results:
                    counts.update(result)
                    self.counts.update(result)
                if any(result["spared"] for result in results):
                    word = "Incomplete"
                    break
        except Exception:
            word = "Incomplete"
            self.counts["failures"] += 1
            self.logger.exception("%s: cannot list account %s", self.section, case.account)
        statsd.took("timing", time.monotonic() - started)
        text = reaping.summary(counts + case.asker.codes)
        self.logger.info("%s pass on account %s, %s, %.2fs", word, case.account, text, time.monotonic() - started)
        self._warn_if_late(case, counts)

    def _pages(self, case: Case) -> Iterator[list[Doomed]]:
        """Our share of the account's containers, page by page."""
        marker = ""
        while True:
            query = ListingQuery(PAGE * len(case.nodes), marker=marker, allow_reserved=True)
            rows = case.broker.list_containers(query)
            if not rows:
                return
            yield [
                Doomed(case.account, row[0], row[4], case.partition, case.nodes, partial(self._confirm, case))
                for row in rows
                if reaping.share_of(row[0], len(case.nodes)) == case.index
            ]
            marker = rows[-1][0]

    def _remove(self, removal: Removal, doomed: Doomed) -> Counter[str]:
        """Delete one container; whatever goes wrong leaves it to the next pass."""
        try:
            return removal.remove(doomed)
        except Spared as reason:
            self.logger.warning("%s: stopping with account %s: %s", self.section, doomed.account, reason)
            return Counter(spared=1, containers_remaining=1)
        except Exception:
            self.logger.exception("%s: cannot delete %s", self.section, doomed.path)
            return Counter(failures=1, containers_remaining=1)

    def _object_ring(self, policy_index: int) -> Ring | None:
        policy = self.swift.policies.by_index(policy_index)
        if policy is None:
            return None
        ring = self._object_rings.get(policy_index)
        if ring is None:
            ring = Ring(self.options.swift_dir, policy.ring_name, hash_path=self.swift.hash_path)
            self._object_rings[policy_index] = ring
        return ring

    def _warn_if_late(self, case: Case, counts: Counter[str]) -> None:
        deletion = Timestamp(case.info["delete_timestamp"])
        late = self.options.delay_reaping + self.options.reap_warn_after
        if counts["containers_remaining"] and self.clock() - float(deletion) >= late:
            self.logger.warning("Account %s has not been reaped since %s", case.account, deletion.isoformat)


def main(argv: list[str]) -> int:
    """Run it: ``CONF [once] [-v] [-o | --once]``; returns the exit status."""
    return daemon.main(AccountReaper, argv)
