"""The object auditor: finds what has rotted on the disks and moves it away, so that replication brings it back."""

from __future__ import annotations

import functools
import logging
import time
from collections import Counter
from collections.abc import Mapping

from swiftlite.common import daemon, forks, metrics, recon
from swiftlite.common.concurrency import sleep
from swiftlite.common.config import ConfFile, ConfigError
from swiftlite.common.failed_passes import FailedPasses
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.obj.audit_options import AuditorOptions, with_replicator
from swiftlite.obj.audit_pass import ALL, ZERO_BYTE, AuditPass, usable_devices
from swiftlite.obj.watchers import Watchers, read_confs


class ObjectAuditor(daemon.Daemon):
    """Look at all objects, again and again; what is damaged is quarantined, for replication to bring it back.

    Two passes go on side by side, each in a process of its own: one reads every byte, the other looks at sizes and
    metadata only, and so comes by much sooner.
    """

    section = "object-auditor"
    options_class = AuditorOptions
    switches = {
        "zero_byte_fps": "make only the pass that reads no bodies, at so many files a second",
        "only_devices": "names of devices to work on, with commas between them",
    }
    switch_flags = {"zero_byte_fps": ("-z", "--zero_byte_fps"), "only_devices": ("-d", "--devices")}

    @classmethod
    def from_conf(cls, conf: ConfFile, texts: dict[str, str]) -> ObjectAuditor:
        """As Daemon's; what the replicator's section and those of the watchers say comes in."""
        try:
            texts = with_replicator(conf, texts)
        except ValueError as error:
            raise ConfigError(conf.path, "object-replicator", "rsync_timeout", str(error), "correct it") from None
        made = super().from_conf(conf, texts)
        assert isinstance(made, ObjectAuditor)
        made.watcher_confs = read_confs(conf, made.options.watchers, texts)
        return made

    def __init__(self, options: AuditorOptions, swift: SwiftConf, logger: logging.Logger) -> None:
        super().__init__(options, swift, logger)
        self.watcher_confs: Mapping[str, Mapping[str, str]] = {}
        """The options of each watcher, by its name."""

    @property
    def kinds(self) -> list[str]:
        """The passes to make."""
        if self.options.zero_byte_fps:
            return [ZERO_BYTE]
        return [ALL, ZERO_BYTE] if self.options.zero_byte_files_per_second else [ALL]

    def run_once(self) -> Counter[str]:
        """Make one pass of each kind, side by side; returns what they counted together."""
        self._forget_statistics()
        return forks.each(self._pass, self.kinds, len(self.kinds), self.logger)

    def run_forever(self) -> None:
        """Keep a process for each kind of pass; it ends ``interval`` seconds after its pass, and the next begins."""
        self._forget_statistics()
        FailedPasses.forget_others(self.options.recon_cache_path, self.section, self.logger, self.kinds)
        forks.keep(self._pass_and_pause, self.kinds, self.logger)

    def _forget_statistics(self) -> None:
        changes = {f"object_auditor_stats_{kind}": {} for kind in (ALL, ZERO_BYTE)}
        recon.dump(self.options.recon_cache_path, recon.OBJECT_CACHE, changes, self.logger)

    def _pass_and_pause(self, kind: str) -> Counter[str]:
        told = FailedPasses(self.options.recon_cache_path, self.section, self.logger, kind)
        try:
            counts = self._pass(kind)
        except Exception as error:
            told.failed(error)
            raise
        else:
            told.done()
            return counts
        finally:
            sleep(self.options.interval)

    def _pass(self, kind: str) -> Counter[str]:
        """Make one pass of a kind; runs in a process of its own."""
        try:
            devices = usable_devices(self.options, self.logger)
        except OSError as error:
            self.logger.error("%s: %s cannot be listed: %s", self.section, self.options.devices, error.strerror)
            return Counter(errors=1)
        if kind == ALL and self.options.concurrency > 1:
            work = functools.partial(self._audit_one, kind)
            return forks.each(work, devices, self.options.concurrency, self.logger)
        return self._audit(kind, devices, bool(self.options.only_devices))

    def _audit_one(self, kind: str, device: str) -> Counter[str]:
        return self._audit(kind, [device], is_part=True)

    def _audit(self, kind: str, devices: list[str], is_part: bool) -> Counter[str]:
        watchers = Watchers.load(self.watcher_confs, self.logger)
        started = time.monotonic()
        counts = AuditPass(self.options, self.swift, self.logger, kind, watchers).run(devices, is_part)
        metrics.count_pass({}, time.monotonic() - started, time.time())  # what it did was counted meanwhile
        return counts


def main(argv: list[str]) -> int:
    """Run it: ``CONF [once] [-v] [-o | --once] [-z FPS] [-d D1,D2]``; returns the exit status."""
    return daemon.main(ObjectAuditor, argv)
