"""Daemon: walks its jobs once or for ever; a job that fails is counted and logged, and the walk goes on."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from swiftlite.common.concurrency import GreenPool, sleep
from swiftlite.common.config import ConfFile, ServerOptions, StartError, option, read_options
from swiftlite.common.log import get_logger
from swiftlite.common.privileges import drop_privileges
from swiftlite.common.swift_conf import SwiftConf


@dataclass(frozen=True)
class DaemonOptions(ServerOptions):
    """What every consistency daemon reads from its section of a server's conf file."""

    interval: float = option(300.0, "seconds from the start of one pass to the start of the next")
    concurrency: int = option(4, "jobs that are worked on at once")
    node_timeout: float = option(3.0, "seconds to wait for a server's answer")
    conn_timeout: float = option(0.5, "seconds to wait for a connection")


class Daemon:
    """A pass is :meth:`jobs`, each handed to :meth:`work`; whatever a job raises is counted, logged, and passed over.

    :param options: an ``options_class`` filled from the conf file
    :param swift: the cluster's swift.conf
    :param logger: where failures and the summary of each pass go
    """

    section: ClassVar[str]
    """Its section in the server's conf file, e.g. ``object-updater``."""
    options_class: ClassVar[type[DaemonOptions]] = DaemonOptions

    def __init__(self, options: Any, swift: SwiftConf, logger: logging.Logger) -> None:
        self.options = options
        self.swift = swift
        self.logger = logger
        self.counts: Counter[str] = Counter()

    def jobs(self) -> Iterable[Any]:
        """What this pass has to do; may be endless neither in number nor in time."""
        raise NotImplementedError

    def work(self, job: Any) -> None:
        """Do one job; raising means that it failed and will come again in the next pass."""
        raise NotImplementedError

    def run_once(self) -> Counter[str]:
        """Make one pass.

        :returns: how many jobs were worked on and failed, and what :meth:`work` counted in ``self.counts``
        """
        self.counts = Counter()
        started = time.monotonic()
        pool = GreenPool(max(1, self.options.concurrency))
        try:
            for job in self.jobs():
                pool.spawn_n(self._work_safely, job)
        except Exception:
            self.counts["failures"] += 1
            self.logger.exception("%s: cannot go on listing jobs", self.section)
        pool.waitall()
        summary = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items())) or "nothing to do"
        level = logging.WARNING if self.counts["failures"] else logging.INFO if self.counts else logging.DEBUG
        self.logger.log(level, "%s: pass of %.2fs: %s", self.section, time.monotonic() - started, summary)
        return self.counts

    def _work_safely(self, job: Any) -> None:
        self.counts["jobs"] += 1
        try:
            self.work(job)
        except Exception:
            self.counts["failures"] += 1
            self.logger.exception("%s: %r failed", self.section, job)

    def run_forever(self) -> None:
        """Make a pass every ``interval`` seconds."""
        while True:
            started = time.monotonic()
            self.run_once()
            sleep(max(0.0, started + self.options.interval - time.monotonic()))


def main(cls: type[Daemon], argv: list[str]) -> int:
    """Run a daemon from the command line: ``CONF [-v] [-o | --once]``.

    :returns: the exit status; an unusable conf prints one line
    """
    parser = argparse.ArgumentParser(description=(cls.__doc__ or "").partition("\n")[0])
    parser.add_argument("conf", help="conf file of the server whose devices it works on")
    parser.add_argument("-o", "--once", action="store_true", help="make one pass and exit")
    parser.add_argument("-v", "--verbose", action="store_true", help="log more, and to standard error")
    arguments = parser.parse_args(argv)
    try:
        daemon = _build(cls, arguments.conf, arguments.verbose)
    except StartError as error:
        print(f"{cls.section}: {error}", file=sys.stderr)
        return 1
    # Every step of a pass can be repeated, so there is nothing to tidy up before leaving.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        if arguments.once:
            daemon.run_once()
        else:
            daemon.run_forever()
    except KeyboardInterrupt:
        pass
    return 0


def _build(cls: type[Daemon], path: str, verbose: bool) -> Daemon:
    conf = ConfFile.load(path)
    texts = conf.section(cls.section)
    if verbose:
        texts |= {"log_level": "DEBUG", "log_address": ""}
    options = read_options(cls.options_class, texts, path, cls.section)
    drop_privileges(options.user, path)
    return cls(options, SwiftConf.load(options.swift_dir), get_logger(texts, cls.section))
