"""Daemon: walks its jobs once or for ever; a job that fails is counted and logged, and the walk goes on."""

from __future__ import annotations

import argparse
import logging
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from swiftlite.common import command_line, hash_secret, metrics, metrics_server, recon
from swiftlite.common.concurrency import GreenPool, sleep
from swiftlite.common.conf_owner import check_owner
from swiftlite.common.config import SHORTEST, ConfFile, ServerOptions, StartError, option, parse_port, read_options
from swiftlite.common.failed_passes import FailedPasses
from swiftlite.common.life import Life
from swiftlite.common.log import get_logger
from swiftlite.common.notify import notify
from swiftlite.common.privileges import check_user, drop_privileges
from swiftlite.common.restart import is_trial
from swiftlite.common.statsd import PassCounts, announce, job_over, make_statsd, pass_over
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.common.unknown_options import warn_of_unknown_options
from swiftlite.common.watchdog import watchdog

T = TypeVar("T")

FAILURES = ("failures", "errors")
"""Counts of a pass that tell of jobs that failed."""


@dataclass(frozen=True)
class DaemonOptions(ServerOptions):
    """What every consistency daemon reads from its section of a server's conf file."""

    interval: float = option(300.0, "seconds from the start of one pass to the start of the next")
    concurrency: int = option(4, "jobs that are worked on at once", least=1)
    node_timeout: float = option(3.0, "seconds to wait for a server's answer", least=SHORTEST)
    conn_timeout: float = option(0.5, "seconds to wait for a connection", least=SHORTEST)
    report_interval: float = option(300.0, "seconds between lines in the log about a pass that is under way")
    recon_cache_path: str = option(recon.DEFAULT_PATH, "directory of the statistics that operators' tools read")
    metrics_port: int = option(0, "TCP port on which /metrics tells Prometheus of this daemon; 0: nowhere", parse_port)
    metrics_ip: str = option("127.0.0.1", "address for it: whoever can connect may read")


class Daemon:
    """A pass is :meth:`jobs`, each handed to :meth:`work`; whatever a job raises is counted, logged, and passed over.

    :param options: an ``options_class`` filled from the conf file
    :param swift: the cluster's swift.conf
    :param logger: where failures and the summary of each pass go
    """

    section: ClassVar[str]
    """Its section in the server's conf file, e.g. ``object-updater``."""
    options_class: ClassVar[type[DaemonOptions]] = DaemonOptions
    switches: ClassVar[dict[str, str]] = {}
    """Options that the command line may set, too, as ``--<option>``, and what it says of them."""
    switch_flags: ClassVar[dict[str, tuple[str, ...]]] = {}
    """How it spells those that it calls otherwise."""

    @classmethod
    def from_conf(cls, conf: ConfFile, texts: dict[str, str]) -> Daemon:
        """Make it from its conf file.

        :param texts: its section over ``[DEFAULT]``, and over those what the command line says
        :raises StartError: when it cannot be used
        """
        options = read_options(cls.options_class, texts, conf.path, cls.section)
        check_user(options.user, conf.path)
        drop_privileges(options.user, conf.path)
        swift = SwiftConf.load(options.swift_dir)
        hash_secret.hold(swift.hash_path, options.swift_dir)
        return cls(options, swift, get_logger(texts, cls.section))

    def __init__(self, options: Any, swift: SwiftConf, logger: logging.Logger) -> None:
        self.options = options
        self.swift = swift
        self.logger = logger
        self.counts: Counter[str] = PassCounts()

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
        self.counts = PassCounts.of(self.section)
        started = time.monotonic()
        pool = GreenPool(max(1, self.options.concurrency))
        reported = started
        try:
            for job in self.jobs():
                pool.spawn_n(self._work_safely, job)
                if time.monotonic() - reported >= self.options.report_interval:
                    reported = time.monotonic()
                    self._report(logging.INFO, f"pass so far {reported - started:.2f}s")
        except Exception as error:
            if isinstance(error, OSError) and error.filename:
                self.pass_over(error)
            else:
                self.counts["failures"] += 1
                self.logger.exception("%s: cannot go on listing jobs", self.section)
        pool.waitall()
        level = logging.WARNING if self.counts["failures"] else logging.INFO if self.counts else logging.DEBUG
        self._report(level, f"pass of {time.monotonic() - started:.2f}s")
        metrics.count_pass(self.counts, time.monotonic() - started, time.time())
        pass_over(self.section, time.monotonic() - started)
        return self.counts

    def _report(self, level: int, what: str) -> None:
        self.logger.log(level, "%s: %s: %s", self.section, what, _summary(self.counts))

    def _work_safely(self, job: Any) -> None:
        self.counts["jobs"] += 1
        watchdog.beat()
        started = time.monotonic()
        try:
            self.work(job)
        except Exception:
            self.counts["failures"] += 1
            self.logger.exception("%s: %r failed", self.section, job)
        else:
            job_over(self.section, time.monotonic() - started)

    def pass_over(self, error: OSError) -> None:
        """Count and log a directory that cannot be read: the walk goes on with the next one."""
        self.counts["failures"] += 1
        self.logger.error("%s: %s cannot be read: %s", self.section, error.filename, error.strerror)

    def run_forever(self) -> None:
        """Make a pass every ``interval`` seconds; one that fails, say because the devices are away, ends no others."""
        told = FailedPasses(self.options.recon_cache_path, self.section, self.logger)
        told.forget_others(self.options.recon_cache_path, self.section, self.logger)
        while True:
            started = time.monotonic()
            notify(f"STATUS=a pass is under way since {time.strftime('%H:%M:%S')}")
            try:
                counts = self.run_once()
            except Exception as error:
                self.logger.exception("%s: the pass failed, will try again", self.section)
                told.failed(error)
                result = "the last pass failed"
            else:
                told.done()
                result = f"the last pass took {time.monotonic() - started:.1f} s: {_summary(counts)}"
            pause = max(0.0, started + self.options.interval - time.monotonic())
            notify(
                f"STATUS={result}; the next begins at {time.strftime('%H:%M:%S', time.localtime(time.time() + pause))}"
            )
            sleep(pause)


def _summary(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "nothing to do"


def at_rate(items: Iterable[T], per_second: float) -> Iterator[T]:
    """The same items, no more of them a second than that; 0 for no limit."""
    pause = 1 / per_second if per_second > 0 else 0.0
    due = time.monotonic()
    for item in items:
        yield item
        due = max(due + pause, time.monotonic() - 1)
        sleep(max(0.0, due - time.monotonic()))


@command_line.reloads_wait()
def main(cls: type[Daemon], argv: list[str]) -> int:
    """Run a daemon from the command line: ``CONF [once] [-o | --once] [-v | --verbose] [--check]``.

    :returns: the exit status (command_line.py); an unusable conf prints one line
    """
    parser = command_line.daemon_parser(cls.section, _first_line(cls), cls.switches, cls.switch_flags)
    arguments = parser.parse_intermixed_args(argv)
    if arguments.check:
        return command_line.check(cls.section, arguments.conf)
    once = arguments.once or bool(arguments.word)
    try:
        daemon, life = _build(cls, arguments, once)
        if not is_trial():
            return _work(daemon, life, once)
        if daemon.options.metrics:
            metrics_server.check(daemon.options.metrics_ip, daemon.options.metrics_port)
        return command_line.DONE
    except StartError as error:
        print(f"{cls.section}: {error}", file=sys.stderr)
        return command_line.CANNOT_START
    except Exception:
        traceback.print_exc()
        return command_line.FAILED


def _work(daemon: Daemon, life: Life, once: bool) -> int:
    with life:
        if daemon.options.metrics and not once:
            metrics.begin(daemon.section)
            if daemon.options.metrics_port:
                metrics_server.start(daemon.options.metrics_ip, daemon.options.metrics_port, daemon.logger)
        if once:
            counts = daemon.run_once()
            return command_line.JOBS_FAILED if any(counts[name] for name in FAILURES) else command_line.DONE
        daemon.run_forever()
    return command_line.DONE


def _first_line(cls: type[Daemon]) -> str:
    return (cls.__doc__ or "").partition("\n")[0]


def _build(cls: type[Daemon], arguments: argparse.Namespace, once: bool) -> tuple[Daemon, Life]:
    """Make the daemon, and its life as a process; root has been given up by then."""
    conf = ConfFile.load(arguments.conf)
    check_owner(conf, cls.section)
    texts = conf.section(cls.section)
    texts |= {name: value for name in cls.switches if (value := getattr(arguments, name)) is not None}
    if arguments.verbose:
        texts |= {"log_level": "DEBUG", "log_address": ""}
    # A single pass may be made beside the daemon that runs.
    life = Life.from_conf(cls.section, texts, conf.path, has_pid_file=not once)
    try:
        daemon = cls.from_conf(conf, texts)
        announce(make_statsd(texts, cls.section, daemon.logger, conf.path, cls.section))
        if not is_trial():
            warn_of_unknown_options(conf.path, (cls.section,), daemon.logger)
        return daemon, life
    except BaseException:
        life.leave()
        raise
