"""Answer 529 to what a device of a storage server is asked too often: better refused than late (formats.md 5.9)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from swiftlite.common import statsd
from swiftlite.common.config import ConfFile, ConfigError, option, read_options
from swiftlite.common.log import Logger, get_logger
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.common.subrequest import Environ, StartResponse
from swiftlite.common.web import Answer
from swiftlite.core.ratelimit import Allowance, parse_rate

METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "UPDATE", "REPLICATE")
SECTION = "backend_ratelimit"
FILE = "backend-ratelimit.conf"


def _per_second(method: str) -> float:
    rate: float = option(0.0, f"{method} requests that a device takes a second; 0: no limit", parse_rate)
    return rate


@dataclass(frozen=True)
class BackendRateLimitOptions:
    """The filter's section; but for the first three, backend-ratelimit.conf may say otherwise while the server runs."""

    swift_dir: str = option("/etc/swift", "directory of backend-ratelimit.conf")
    backend_ratelimit_conf_path: str = option(
        "", "file whose [backend_ratelimit] goes before these options; default: backend-ratelimit.conf in swift_dir"
    )
    config_reload_interval: float = option(60.0, "seconds after which that file is read again; 0: never", parse_rate)
    requests_per_device_per_second: float = option(
        0.0, "requests that a device takes a second; 0: no limit", parse_rate
    )
    get_requests_per_device_per_second: float = _per_second("GET")
    head_requests_per_device_per_second: float = _per_second("HEAD")
    put_requests_per_device_per_second: float = _per_second("PUT")
    post_requests_per_device_per_second: float = _per_second("POST")
    delete_requests_per_device_per_second: float = _per_second("DELETE")
    update_requests_per_device_per_second: float = _per_second("UPDATE")
    replicate_requests_per_device_per_second: float = _per_second("REPLICATE")
    requests_per_device_rate_buffer: float = option(
        1.0, "seconds' worth of requests that a device takes at once after a rest", parse_rate
    )

    @property
    def path(self) -> str:
        """The file that is read while the server runs."""
        return self.backend_ratelimit_conf_path or os.path.join(self.swift_dir, FILE)

    def rates(self) -> dict[str, float]:
        """Requests a second by method, those of all together under the empty one; only those that are limited."""
        named = {method: getattr(self, f"{method.lower()}_requests_per_device_per_second") for method in METHODS}
        named[""] = self.requests_per_device_per_second
        return {method: rate for method, rate in named.items() if rate > 0}


class BackendRateLimit:
    """The filter.

    :param conf: texts of the filter's section, which the file's go before
    :param clock: seconds, monotonic
    """

    def __init__(
        self,
        app: WSGIApp,
        options: BackendRateLimitOptions,
        conf: dict[str, str],
        log: Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app = app
        self.path, self.interval = options.path, options.config_reload_interval
        self.log = log
        self._conf = conf
        self._clock = clock
        self._expected = bool(options.backend_ratelimit_conf_path)
        self._allowances: dict[tuple[str, str], Allowance] = {}
        self._apply(options)
        self._load()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if self.interval and self._clock() >= self._next_load:
            self._load()
        if self.rates and environ["REQUEST_METHOD"] in METHODS:
            device, _, rest = environ["PATH_INFO"][1:].partition("/")
            if rest.partition("/")[0].isdecimal() and not self._is_allowed(device, environ["REQUEST_METHOD"]):
                statsd.note("backend.ratelimit")
                return Answer(529)(environ, start_response)
        return self.app(environ, start_response)

    def _is_allowed(self, device: str, method: str) -> bool:
        now = self._clock()
        return self._allowance(device, "", now).take(now) and self._allowance(device, method, now).take(now)

    def _allowance(self, device: str, method: str, now: float) -> Allowance:
        found = self._allowances.get((device, method))
        if found is None:
            found = Allowance(self.rates.get(method, 0.0), self.buffer, now)
            self._allowances[device, method] = found
        return found

    def _apply(self, options: BackendRateLimitOptions) -> None:
        self.rates, self.buffer = options.rates(), options.requests_per_device_rate_buffer
        for (_, method), allowance in self._allowances.items():
            allowance.rate, allowance.buffer = self.rates.get(method, 0.0), self.buffer

    def _load(self) -> None:
        """Take the file's options; one that cannot be used changes nothing, and the log tells."""
        self._next_load = self._clock() + self.interval
        if not os.path.exists(self.path):
            if self._expected:
                self.log.warning("backend_ratelimit: %s is not there; the limits stay as they were", self.path)
            self._expected = False
            return
        before = self.rates, self.buffer
        try:
            found = ConfFile.load(self.path).section(SECTION)
            self._apply(read_options(BackendRateLimitOptions, {**self._conf, **found}, self.path, SECTION))
        except ConfigError as error:
            self.log.warning("backend_ratelimit: the limits stay as they were: %s", error)
            return
        self._expected = True
        if (self.rates, self.buffer) != before:
            self.log.info("backend_ratelimit: %s has new limits", self.path)


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: BackendRateLimitOptions. Raises ConfigError."""
    conf = {**global_conf, **local_conf}
    options = factory_options(BackendRateLimitOptions, conf)
    log = get_logger(conf, "backend_ratelimit")
    return lambda app: BackendRateLimit(app, options, conf, log)
