"""Statsd: counters and timings sent as datagrams, under the names that OpenStack Swift's have."""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from swiftlite.common.config import ConfigError, ServerOptions, read_options
from swiftlite.core.statsd_labels import DISABLED, SPELLINGS, BadOption, Spelling, labeled_line, user_labels

PAUSE = 60.0
"""Seconds until a host is looked for again whose name was not known: a node may be up before its name servers are."""

_of_process: Statsd | None = None
"""What :func:`note` tells; None: nobody."""


class Datagrams:
    """Sends lines to one statsd; one that gets lost is no harm.

    :param address: host and port
    :param rate: share of the events that are sent, where nothing else is said; the receiver is told, and multiplies
    :param factor: what that share, or another, is multiplied by
    :param logger: hears once of a host that cannot be found, or sent to
    """

    def __init__(self, address: tuple[str, int], rate: float, factor: float, logger: logging.Logger) -> None:
        self._host = address
        self._address: Any = None
        self._socket: socket.socket | None = None
        self._rate = rate
        self._factor = factor
        self._logger = logger
        self._has_failed = False
        self._looked = time.monotonic()
        # Now and here: later it would hold up an event loop. A name that changes wants a reload.
        try:
            self._find()
        except OSError as error:
            logger.warning("cannot find the statsd host %s: %s", address[0], error)

    def _find(self) -> None:
        places = socket.getaddrinfo(*self._host, type=socket.SOCK_DGRAM)
        # IPv4 first, as OpenStack Swift: many a statsd on "localhost" listens to no other.
        family, _, _, _, self._address = min(places, key=lambda place: place[0] != socket.AF_INET)
        found = socket.socket(family, socket.SOCK_DGRAM)
        found.setblocking(False)
        self._socket = found

    def _find_quietly(self) -> None:
        with contextlib.suppress(OSError):  # it has been told of
            self._find()

    def suffix(self, rate: float | None) -> str | None:
        """What an event's line ends with; None: this one is not among those that are sent.

        :param rate: share of such events that are sent; None: the usual one
        """
        share = (self._rate if rate is None else rate) * self._factor
        if share >= 1:
            return ""
        return f"|@{share}" if random.random() < share else None

    def send(self, line: str) -> None:
        """Send a line."""
        if self._socket is None:
            if time.monotonic() > self._looked + PAUSE:
                self._looked = time.monotonic()
                threading.Thread(target=self._find_quietly, daemon=True).start()
            return
        try:
            self._socket.sendto(line.encode("utf-8", "surrogateescape"), self._address)
        except OSError as error:
            if not self._has_failed:
                self._has_failed = True
                self._logger.warning("cannot send to statsd at %s port %s: %s", *self._address[:2], error)


class Statsd:
    """Tells a statsd of events whose names say all there is to say.

    :param prefix: before each name, with its dot
    """

    def __init__(self, datagrams: Datagrams, prefix: str) -> None:
        self._datagrams = datagrams
        self._prefix = prefix

    def increment(self, name: str, by: int = 1) -> None:
        """Count something."""
        self._send(f"{name}:{by}|c", None)

    def timing(self, name: str, seconds: float, rate: float | None = None) -> None:
        """Tell how long something took; statsd wants milliseconds.

        :param rate: share of such events that are told; None: the conf's
        """
        self._send(f"{name}:{round(seconds * 1000, 4)}|ms", rate)

    def _send(self, text: str, rate: float | None) -> None:
        suffix = self._datagrams.suffix(rate)
        if suffix is not None:
            self._datagrams.send(f"{self._prefix}{text}{suffix}")


class LabeledStatsd:
    """Tells a statsd of events that labels tell apart.

    :param labels: of every event
    """

    def __init__(self, datagrams: Datagrams, spelling: Spelling, labels: Mapping[str, str]) -> None:
        self._datagrams = datagrams
        self._spelling = spelling
        self._labels = labels

    def increment(self, name: str, labels: Mapping[str, object], by: int = 1) -> None:
        """Count something."""
        self._send(name, f"{by}|c", labels)

    def timing(self, name: str, labels: Mapping[str, object], seconds: float) -> None:
        """Tell how long something took."""
        self._send(name, f"{round(seconds * 1000, 4)}|ms", labels)

    def _send(self, name: str, value: str, labels: Mapping[str, object]) -> None:
        suffix = self._datagrams.suffix(None)
        if suffix is not None:
            self._datagrams.send(labeled_line(self._spelling, name, value + suffix, {**self._labels, **labels}))


def make_statsd(conf: Mapping[str, str], name: str, logger: logging.Logger, file: str, section: str) -> Statsd | None:
    """The statsd of a section, if it names one and wants it told without labels.

    :param conf: the section's texts
    :param name: of the server or daemon, which stands before each of its metrics: ``object-server``
    :param file: for errors, like `section`
    :raises ConfigError: when an option does not fit
    """
    options = read_options(ServerOptions, conf, file, section)
    datagrams = _datagrams(options, logger) if options.statsd_emit_legacy else None
    prefix = ".".join(part for part in (options.log_statsd_metric_prefix.strip("."), name) if part) + "."
    return Statsd(datagrams, prefix) if datagrams else None


def make_labeled_statsd(
    conf: Mapping[str, str], logger: logging.Logger, file: str, section: str
) -> LabeledStatsd | None:
    """The same, if it is to be told with labels. Raises ConfigError."""
    options = read_options(ServerOptions, conf, file, section)
    try:
        labels = user_labels(conf)
    except BadOption as error:
        raise ConfigError(file, section, error.option, str(error), "correct it") from None
    datagrams = _datagrams(options, logger) if options.statsd_label_mode != DISABLED else None
    return LabeledStatsd(datagrams, SPELLINGS[options.statsd_label_mode], labels) if datagrams else None


def _datagrams(options: ServerOptions, logger: logging.Logger) -> Datagrams | None:
    if not options.log_statsd_host:
        return None
    rate, factor = options.log_statsd_default_sample_rate, options.log_statsd_sample_rate_factor
    return Datagrams((options.log_statsd_host, options.log_statsd_port), rate, factor, logger)


def access_texts(conf: Mapping[str, Any]) -> dict[str, Any]:
    """A section's texts in which those of the access log stand in for the general ones."""
    return {**conf, **{name[7:]: value for name, value in conf.items() if name.startswith("access_log_")}}


def announce(statsd: Statsd | None) -> None:
    """From now on :func:`note` tells this one of what happens in the process, wherever that is noticed."""
    global _of_process
    _of_process = statsd


def note(name: str, by: int = 1) -> None:
    """Count something."""
    if _of_process is not None:
        _of_process.increment(name, by)


def took(name: str, seconds: float, rate: float | None = None) -> None:
    """Tell how long something took; arguments as for :meth:`Statsd.timing`."""
    if _of_process is not None:
        _of_process.timing(name, seconds, rate)


DATABASE_REPLICATOR = {
    "attempted": "attempts",
    "diff": "diffs",
    "diff_capped": "diff_caps",
    "failure": "",
    "hashmatch": "hashmatches",
    "no_change": "no_changes",
    "remote_merge": "remote_merges",
    "remove": "",
    "rsync": "rsyncs",
    "success": "successes",
}
DATABASE_AUDITOR = {"passed": "passes"}
PASS_NAMES: dict[str, dict[str, str]] = {
    "account-replicator": DATABASE_REPLICATOR,
    "container-replicator": DATABASE_REPLICATOR,
    "account-auditor": DATABASE_AUDITOR,
    "container-auditor": DATABASE_AUDITOR,
    "account-reaper": {"failures": "errors"},
    "container-updater": {"updated": "successes", "incomplete": "failures"},
    "container-sync": {"skipped": "skips", "synced": "syncs", "puts": "", "deletes": ""},
    "object-expirer": {
        "expired": "objects",
        "unreadable": "tasks.parse_errors",
        "of_others": "tasks.skipped",
        "delayed": "tasks.delayed",
        "jobs": "tasks.assigned",
    },
    "object-updater": {
        "delivered": "successes",
        "deferred": "deferrals",
        "skipped": "skips",
        "left": "failures",
        "redirected": "redirects",
        "failures": "errors",
        "quarantined": "quarantines",
    },
    "object-replicator": {
        "suffix_sync": "suffix.syncs",
        "suffix_hash": "suffix.hashes",
        "suffix_count": "",
        "failure": "",
    },
}
"""What daemons count, by section, and what OpenStack Swift's statsd metrics call it; empty: they have no such, or it is
told where more is known of it. Other counts keep their names, but for ``jobs``, which only the log tells."""


class PassCounts(Counter[str]):
    """What a daemon counts in a pass. The process's statsd hears of it at once, for a pass may last hours."""

    names: Mapping[str, str] = {"jobs": ""}

    @classmethod
    def of(cls, section: str) -> PassCounts:
        """Those of a daemon, all zero."""
        counts = cls()
        counts.names = {"jobs": "", **PASS_NAMES.get(section, {})}
        return counts

    def __setitem__(self, name: str, count: int) -> None:
        if _of_process is not None and (more := count - self[name]) > 0 and (told := self.names.get(name, name)):
            _of_process.increment(told, more)
        super().__setitem__(name, count)

    def update(self, counts: Any = None, /, **more: int) -> None:
        """Add counts; Counter's own would set those of an empty one behind our back."""
        added = counts if isinstance(counts, Mapping) else Counter(counts or ())
        for source in (added, more):
            for name, count in source.items():
                self[name] += count


JOB_TIMES = frozenset(
    ("account-auditor", "account-replicator", "container-auditor", "container-replicator", "object-expirer")
)
"""Daemons whose metric ``timing`` is of each job; of those that tell it by themselves, and others, of each pass."""
OWN_TIMES = frozenset(("account-reaper", "container-updater"))
"""Those that tell it by themselves: not every job of theirs is worth one."""


def job_over(section: str, seconds: float) -> None:
    """Tell the process's statsd of a job that is over, if it wants to know that of this daemon."""
    if section in JOB_TIMES:
        took("timing", seconds)


def pass_over(section: str, seconds: float) -> None:
    """The same of a pass."""
    if section not in JOB_TIMES and section not in OWN_TIMES:
        took("timing", seconds)
