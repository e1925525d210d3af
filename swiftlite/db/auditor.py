"""DatabaseAuditor: looks whether databases can be read, lie in their place, and keep counts that their rows bear out."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

from swiftlite.common import daemon, recon
from swiftlite.common.config import option
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.db import layout
from swiftlite.db.access import is_bad_schema
from swiftlite.db.broker import DatabaseBroker, DatabaseMissing, DatabaseQuarantined, Misplaced
from swiftlite.db.pending import LockTimeout
from swiftlite.db.recount import recount

_CHECKED_BY_SQLITE = 64 << 20
"""Bytes of a file up to which SQLite may check it in one go: writers wait about a fifth of a second meanwhile."""

_SUSPICIOUS = (
    Misplaced,
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    sqlite3.IntegrityError,
    sqlite3.OperationalError,
)
"""What comes of a database that holds something else than is expected."""


@dataclass(frozen=True)
class AuditorOptions(daemon.DaemonOptions):
    """Options that both auditors have (formats.md 8.3)."""

    interval: float = option(1800.0, "seconds from the start of one pass to the start of the next")
    concurrency: int = option(1, "databases that are looked at at once", least=1)
    whole_file_passes: int = option(
        48, "of so many passes, one reads all of a database's rows; 1: each pass does, 0: none"
    )


class DatabaseAuditor(daemon.Daemon):
    """Look at all databases of one kind; corrupt ones are quarantined, for replication to bring them back."""

    kind: ClassVar[layout.Kind]
    broker_class: ClassVar[type[DatabaseBroker]]
    options_class = AuditorOptions

    def __init__(self, options: AuditorOptions, swift: SwiftConf, logger: logging.Logger) -> None:
        super().__init__(options, swift, logger)
        self._since = 0.0
        self._some_are_right = False
        """Whether any database has been found in its place, and made sense: swift.conf and we are right."""
        self._suspects: list[tuple[DatabaseBroker, Exception]] = []
        """What is not, or makes no sense, and why."""
        self._pass: int | None = None
        """Number of the pass; None for the only one, which reads everything."""

    def run_forever(self) -> None:
        """Make a pass every ``interval`` seconds."""
        self._pass = int(time.time() // self.options.interval) if self.options.interval else 0
        super().run_forever()

    def run_once(self) -> Counter[str]:
        """Make one pass, and tell the recon cache of it."""
        started, self._since = time.monotonic(), time.time()
        counts = super().run_once()
        if self._suspects:
            self._settle_suspects()
            self._report(logging.WARNING, "with those that lay wrong")
        self._tell({f"{self.kind}_auditor_pass_completed": time.monotonic() - started})
        if self._pass is not None:
            self._pass += 1
        return counts

    def _report(self, level: int, what: str) -> None:
        super()._report(level, what)
        self._tell(
            {
                f"{self.kind}_audits_since": self._since,
                f"{self.kind}_audits_passed": self.counts["passed"],
                f"{self.kind}_audits_failed": self.counts["failures"],
            }
        )

    def _tell(self, changes: dict[str, Any]) -> None:
        recon.dump(self.options.recon_cache_path, f"{self.kind}.recon", changes, self.logger)

    def jobs(self) -> Iterator[str]:
        """The databases of all devices, no faster than the options allow."""
        return daemon.at_rate(self._databases(), getattr(self.options, f"{self.kind}s_per_second"))

    def _databases(self) -> Iterator[str]:
        for device in sorted(os.listdir(self.options.devices)):
            device_path = layout.usable_device(self.options.devices, device, self.options.mount_check)
            if device_path is None:
                self.logger.warning("%s: skipping %s: it is not a usable device", self.section, device)
                continue
            yield from layout.databases(device_path, self.kind, failed=self.pass_over)

    def work(self, path: str) -> None:
        """Look at one database."""
        broker = self.broker_class(path, "", logger=self.logger, hash_path=self.swift.hash_path)
        try:
            self._check_facts(broker)
            self._some_are_right = True
            if self._reads_whole(path):
                broker.close()  # a kept connection remembers pages as they once were
                self._check_file(broker)
                self._check_counts(broker)
        except DatabaseMissing:
            return  # somebody removed it, or moved it away, while we came
        except LockTimeout:
            self.counts["busy"] += 1
            return
        except _SUSPICIOUS as error:
            if isinstance(error, sqlite3.OperationalError) and not is_bad_schema(error):
                raise
            self._suspects.append((broker, error))
            return
        except DatabaseQuarantined:  # the broker has told why
            self.counts.update(failures=1, quarantined=1)
            return
        self.counts["passed"] += 1

    def _check_facts(self, broker: DatabaseBroker) -> None:
        """Read what all requests ask for."""
        if broker.forbids_writing():
            _condemn(broker, "its header forbids writing")
        broker.get_info()
        broker.metadata()

    def _settle_suspects(self) -> None:
        """Quarantine what lies in another's place, or makes no sense, unless it is swift.conf, or we, that are wrong."""
        suspects, self._suspects = self._suspects, []
        for broker, error in suspects:
            self.counts["failures"] += 1
            if self._some_are_right:
                self.counts["quarantined"] += 1
                broker.quarantine(error if isinstance(error, Misplaced) else f"it makes no sense: {error!r}")
            else:
                self.logger.error("%s: %s: %s; no other is right, either", self.section, broker.path, error)

    def _reads_whole(self, path: str) -> bool:
        passes = self.options.whole_file_passes
        return bool(passes) and (self._pass is None or is_turn(os.path.basename(path), self._pass, passes))

    def _check_file(self, broker: DatabaseBroker) -> None:
        if os.path.getsize(layout.newest_file(broker.path)) > _CHECKED_BY_SQLITE:
            return  # reading its rows has to do
        problems = broker.file_problems()
        if problems:
            _condemn(broker, "; ".join(problems))

    def _check_counts(self, broker: DatabaseBroker) -> None:
        found = recount(broker)
        if found is None:
            self.counts["busy"] += 1  # another pass finds it quiet
        elif found.kept != found.counted:
            self.counts["corrected"] += 1
            self.logger.error("%s: %s: corrected %s to %s", self.section, broker.path, found.kept, found.counted)


def _condemn(broker: DatabaseBroker, reason: str) -> NoReturn:
    broker.quarantine(reason)
    raise DatabaseQuarantined(broker.path, reason)


def is_turn(name_hash: str, number: int, passes: int) -> bool:
    """Whether it is a database's turn: once in so many passes, and in each pass that of about equally many databases.

    :param name_hash: hex digits
    :param number: of the pass
    """
    return (int(name_hash[:8], 16) + number) % passes == 0
