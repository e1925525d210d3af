"""Slow down who writes too fast: accounts making containers, writes to and listings of big containers (formats.md 7.20).

Proxies count together in memcached, where there is one; without it each process of a proxy counts for itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from swiftlite.common import swift_info
from swiftlite.common.concurrency import sleep
from swiftlite.common.config import ConfigError, option
from swiftlite.common.log import Logger, get_logger
from swiftlite.common.pipeline import WSGIApp, factory_options, factory_place
from swiftlite.common.subrequest import Environ, StartResponse
from swiftlite.common.web import Answer
from swiftlite.core.constraints import API_VERSIONS
from swiftlite.core.names import wsgi_to_str
from swiftlite.core.ratelimit import Step, cost, is_too_long, judge, parse_rate, rate_for, steps
from swiftlite.proxy.info import get_account_info, get_container_info

SOURCE = "RL"
HANDLED = "swift.ratelimit.handled"
WRITES = frozenset({"PUT", "DELETE", "POST", "COPY"})
BLACKLIST_SECONDS = 1.0
"""How long a blacklisted account waits for its refusal, so that asking again costs it something."""
COUNTER_SECONDS = 86400.0
"""How long an unused counter is kept; one so old starts anew in any case."""


def _parse_accuracy(text: str) -> int:
    ticks = int(text)
    if ticks < 1:
        raise ValueError("it must be positive")
    return ticks


@dataclass(frozen=True)
class RateLimitOptions:
    """The filter's section, but for ``container_ratelimit_<size>`` and ``container_listing_ratelimit_<size>``."""

    account_ratelimit: float = option(
        0.0, "containers that may be made or deleted in an account a second; 0: no limit", parse_rate
    )
    max_sleep_time_seconds: float = option(60.0, "seconds that a request may be held up; a longer wait is refused, 498")
    log_sleep_time_seconds: float = option(0.0, "log requests that are held up for longer; 0: none")
    clock_accuracy: int = option(1000, "ticks a second in which the proxies count; the same in all", _parse_accuracy)
    rate_buffer_seconds: int = option(5, "seconds of unused time that may be caught up with at once")
    account_whitelist: tuple[str, ...] = option(
        (), "accounts without limits; better: X-Account-Sysmeta-Global-Write-Ratelimit: WHITELIST on the account"
    )
    account_blacklist: tuple[str, ...] = option(
        (), "accounts that get 497; better: X-Account-Sysmeta-Global-Write-Ratelimit: BLACKLIST on the account"
    )


@dataclass(frozen=True)
class Limits:
    """What an operator allows: the options, and the steps by a container's number of objects."""

    options: RateLimitOptions = field(default_factory=RateLimitOptions)
    writes: tuple[Step, ...] = ()
    listings: tuple[Step, ...] = ()


class RateLimit:
    """The filter.

    :param clock: seconds since the epoch, as all proxies know them
    :param pause: waits so many seconds
    """

    def __init__(
        self,
        app: WSGIApp,
        limits: Limits,
        log: Logger,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], object] = sleep,
    ) -> None:
        self.app = app
        self.limits = limits
        self.options = limits.options
        self.log = log
        self._clock = clock
        self._pause = pause
        self._warned = False

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if HANDLED not in environ:
            if environ.get("swift.cache") is None:
                self._warn()
            elif (refusal := self._refusal(environ)) is not None:
                return refusal(environ, start_response)
        return self.app(environ, start_response)

    def _warn(self) -> None:
        if not self._warned:
            self.log.warning("Nothing is limited: ratelimit must stand behind the filter cache")
        self._warned = True

    def _refusal(self, environ: Environ) -> Answer | None:
        """Hold a request up for as long as it must be; return the answer to one that may not go on."""
        version, account, container, name = [*environ["PATH_INFO"][1:].split("/", 3), "", "", ""][:4]
        if version not in API_VERSIONS or not account or (name and not container):
            return None
        environ[HANDLED] = True
        special = get_account_info(environ, self.app, SOURCE).get("sysmeta", {}).get("global-write-ratelimit")
        if special == "WHITELIST" or account in self.options.account_whitelist:
            return None
        if special == "BLACKLIST" or account in self.options.account_blacklist:
            self.log.error("Returning 497 because of blacklisting: %s", wsgi_to_str(account))
            self._pause(BLACKLIST_SECONDS)
            return Answer(497, "Your account has been blacklisted")
        path = wsgi_to_str("/".join(part for part in (account, container, name) if part))
        for key, rate in self._counters(environ, (account, container, name), special):
            wait, too_long = self._wait(environ["swift.cache"], key, rate)
            if too_long:
                method = environ["REQUEST_METHOD"]
                self.log.error("Returning 498 for %s to %s: it would wait for %.2f seconds", method, path, wait)
                return Answer(498, "Slow down")
            if self.options.log_sleep_time_seconds and wait > self.options.log_sleep_time_seconds:
                self.log.warning("Ratelimit sleep log: %s for %s", wait, path)
            if wait > 0:
                self._pause(wait)
        return None

    def _counters(
        self, environ: Environ, names: tuple[str, str, str], special: str | None
    ) -> Iterable[tuple[str, float]]:
        """Each counter that a request goes by, as its key, the same as OpenStack Swift's, and requests a second."""
        method = environ["REQUEST_METHOD"]
        account, container, name = (wsgi_to_str(part) for part in names)
        if container and not name and method in ("PUT", "DELETE") and self.options.account_ratelimit:
            yield f"ratelimit/{account}", self.options.account_ratelimit
        if container and name and method in WRITES and self.limits.writes:
            rate = rate_for(self.limits.writes, self._size(environ))
            if rate:
                yield f"ratelimit/{account}/{container}", rate
        if container and not name and method == "GET" and self.limits.listings:
            rate = rate_for(self.limits.listings, self._size(environ))
            if rate:
                yield f"ratelimit_listing/{account}/{container}", rate
        if special and method in WRITES:
            rate = _positive(special)
            if rate:
                yield f"ratelimit/global-write/{account}", rate

    def _size(self, environ: Environ) -> int:
        return int(get_container_info(environ, self.app, SOURCE).get("object_count") or 0)

    def _wait(self, cache: Any, key: str, rate: float) -> tuple[float, bool]:
        """Count a request. Return the seconds that it has to wait, and whether they are too many."""
        accuracy = self.options.clock_accuracy
        spent = cost(rate, accuracy)
        now = round(self._clock() * accuracy)
        counter = cache.incr(key, spent, COUNTER_SECONDS)
        verdict = judge(counter, now, spent, self.options.rate_buffer_seconds * accuracy)
        if verdict.restart is not None:
            # Set, not added: others may find the same counter behind at the same time.
            cache.restart(key, verdict.restart, COUNTER_SECONDS)
        too_long = is_too_long(verdict.wait, self.options.max_sleep_time_seconds, accuracy)
        if too_long:
            cache.incr(key, -spent, COUNTER_SECONDS)  # it does not happen
        return verdict.wait / accuracy, too_long


def _positive(text: str) -> float | None:
    try:
        rate = float(text)
    except ValueError:
        return None
    return rate if 0 < rate < float("inf") else None


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: RateLimitOptions, and the two families that it names.

    :raises ConfigError: when one does not fit
    """
    conf = {**global_conf, **local_conf}
    options = factory_options(RateLimitOptions, conf)
    try:
        writes = steps(conf, "container_ratelimit_")
        listings = steps(conf, "container_listing_ratelimit_")
    except ValueError as error:
        file, section = factory_place(conf)
        raise ConfigError(file, section, None, str(error), "write container_ratelimit_<objects> = <rate>") from None
    swift_info.register(
        "ratelimit",
        account_ratelimit=options.account_ratelimit,
        max_sleep_time_seconds=options.max_sleep_time_seconds,
        container_ratelimits=[list(step) for step in writes],
        container_listing_ratelimits=[list(step) for step in listings],
    )
    log = get_logger(conf, "ratelimit")
    for name in ("whitelist", "blacklist"):
        if getattr(options, f"account_{name}"):
            log.warning("ratelimit: account_%s is deprecated: set the account's Global-Write-Ratelimit instead", name)
    limits = Limits(options, tuple(writes), tuple(listings))
    return lambda app: RateLimit(app, limits, log)
