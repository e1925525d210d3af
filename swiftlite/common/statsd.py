"""Statsd: counters and timings sent as datagrams, under the names that OpenStack Swift's have."""

from __future__ import annotations

import logging
import random
import socket
from collections.abc import Mapping
from typing import Any

from swiftlite.common.config import ServerOptions, read_options

_of_process: Statsd | None = None
"""What :func:`note` tells; None: nobody."""


class Statsd:
    """Sends to one statsd; a datagram that gets lost is no harm.

    :param address: host and port
    :param prefix: before each name, with its dot
    :param rate: share of the events that are sent; the receiver is told, and multiplies
    :param logger: hears once of a host that cannot be sent to
    """

    def __init__(self, address: tuple[str, int], prefix: str, rate: float, logger: logging.Logger) -> None:
        # Resolved now and here: later it would hold up an event loop. A name that changes wants a reload.
        family, _, _, _, self._address = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._prefix = prefix
        self._rate = rate
        self._suffix = f"|@{rate:g}" if rate < 1 else ""
        self._logger = logger
        self._has_failed = False

    def increment(self, name: str, by: int = 1) -> None:
        """Count something."""
        self._send(f"{name}:{by}|c")

    def timing(self, name: str, seconds: float) -> None:
        """Tell how long something took; statsd wants milliseconds."""
        self._send(f"{name}:{seconds * 1000:.3f}|ms")

    def _send(self, text: str) -> None:
        if self._suffix and random.random() >= self._rate:
            return
        try:
            self._socket.sendto(f"{self._prefix}{text}{self._suffix}".encode(), self._address)
        except OSError as error:
            if not self._has_failed:
                self._has_failed = True
                self._logger.warning("cannot send to statsd at %s port %s: %s", *self._address[:2], error)


def make_statsd(conf: Mapping[str, str], name: str, logger: logging.Logger, file: str, section: str) -> Statsd | None:
    """The statsd of a section, if it names one.

    :param conf: the section's texts
    :param name: of the server or daemon, which stands before each of its metrics: ``object-server``
    :param file: for errors, like `section`
    :raises ConfigError: when an option does not fit
    """
    options = read_options(ServerOptions, conf, file, section)
    if not options.log_statsd_host:
        return None
    rate = options.log_statsd_default_sample_rate * options.log_statsd_sample_rate_factor
    prefix = ".".join(part for part in (options.log_statsd_metric_prefix.strip("."), name) if part) + "."
    try:
        return Statsd((options.log_statsd_host, options.log_statsd_port), prefix, rate, logger)
    except OSError as error:
        logger.warning("cannot find the statsd host %s: %s", options.log_statsd_host, error)
        return None


def access_texts(conf: Mapping[str, Any]) -> dict[str, Any]:
    """A section's texts in which those of the access log stand in for the general ones."""
    return {**conf, **{name[7:]: value for name, value in conf.items() if name.startswith("access_log_")}}


def announce(statsd: Statsd | None) -> None:
    """From now on :func:`note` tells this one of what happens in the process, wherever that is noticed."""
    global _of_process
    _of_process = statsd


def note(name: str) -> None:
    """Count something that is rare."""
    if _of_process is not None:
        _of_process.increment(name)


DATABASE_REPLICATOR = {
    "attempted": "attempts",
    "diff": "diffs",
    "diff_capped": "diff_caps",
    "failure": "failures",
    "hashmatch": "hashmatches",
    "no_change": "no_changes",
    "remote_merge": "remote_merges",
    "remove": "removes",
    "rsync": "rsyncs",
    "success": "successes",
}
DATABASE_AUDITOR = {"passed": "passes", "failures": "failures"}
PASS_NAMES: dict[str, dict[str, str]] = {
    "account-replicator": DATABASE_REPLICATOR,
    "container-replicator": DATABASE_REPLICATOR,
    "account-auditor": DATABASE_AUDITOR,
    "container-auditor": DATABASE_AUDITOR,
    "account-reaper": {"failures": "errors"},
    "container-updater": {"updated": "successes", "incomplete": "failures", "failures": "errors"},
    "container-sync": {"skipped": "skips", "failures": "failures", "synced": "syncs"},
    "object-expirer": {"expired": "objects", "errors": "errors"},
    "object-updater": {
        "delivered": "successes",
        "deferred": "deferrals",
        "skipped": "skips",
        "left": "failures",
        "redirected": "redirects",
        "failures": "errors",
        "quarantined": "quarantines",
    },
    "object-replicator": {"suffix_sync": "suffix.syncs", "suffix_count": "suffix.hashes", "failures": "failures"},
}
"""What daemons count, by section, and what OpenStack Swift's statsd metrics call it; other counts keep their names."""


def tell_pass(section: str, counts: Mapping[str, int], seconds: float) -> None:
    """Tell the process's statsd of a pass that is over: how long it took, and what was counted in it."""
    if _of_process is None:
        return
    _of_process.timing("timing", seconds)
    names = PASS_NAMES.get(section, {})
    for name, count in counts.items():
        if count > 0 and name != "jobs":
            _of_process.increment(names.get(name, name), count)
