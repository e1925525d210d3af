"""memcached as Swift uses it: keys, values, choice of server, and servers that do not answer (formats.md 7.9)."""

from __future__ import annotations

import bisect
import hashlib
import json
import logging
import math
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from swiftlite.common import metrics, statsd
from swiftlite.common.cache import CacheUnreachable
from swiftlite.common.concurrency import Semaphore, Timeout, socket
from swiftlite.common.config import SHORTEST, ConfFile, ConfigError, option, read_options
from swiftlite.core.json_text import load_json

T = TypeVar("T")

PICKLE_FLAG, JSON_FLAG = 1, 2
POINTS = 50
"""Places that each server has on the ring of hashes."""

DEFAULT_PORT = 11211
_SERVER = re.compile(r"(?:\[([0-9A-Fa-f:.%a-z]+)\]|([^\s\[\]:]+))(?::([0-9]{1,5}))?")

MAXIMUM_DELTA = 30 * 24 * 3600
"""Longer lives memcached takes for points in time."""


@dataclass(frozen=True)
class MemcachedOptions:
    """The ``memcache`` filter's options, which memcache.conf may hold as well."""

    memcache_servers: tuple[str, ...] = option(
        (), "ip:port, comma-separated, port 11211 where one has none; none: each server process caches alone"
    )
    memcache_max_connections: int = option(2, "connections that one process keeps to each server", least=1)
    connect_timeout: float = option(0.3, "seconds to wait for a connection", least=SHORTEST)
    pool_timeout: float = option(1.0, "seconds to wait for a connection to become free", least=SHORTEST)
    io_timeout: float = option(2.0, "seconds to wait for an answer", least=SHORTEST)
    tries: int = option(3, "servers to try before giving up", least=1)
    error_suppression_interval: float = option(60.0, "seconds for which a server that failed too often is left alone")
    error_suppression_limit: int = option(10, "failures within that interval that are too many")


def read_memcached_options(conf: Mapping[str, str], file: str, section: str) -> MemcachedOptions:
    """Options of the filter's section over those of memcache.conf in ``swift_dir``.

    :raises ConfigError: when one does not fit
    """
    shared: dict[str, str] = {}
    path = os.path.join(conf.get("swift_dir", "/etc/swift"), "memcache.conf")
    if os.path.exists(path):
        shared = ConfFile.load(path).section("memcache")
    options = read_options(MemcachedOptions, {**shared, **conf}, file, section)
    for server in options.memcache_servers:
        try:
            parse_server(server)
        except ValueError:
            raise ConfigError(file, section, "memcache_servers", f"{server!r} is no ip:port", "correct it") from None
    return options


def parse_server(server: str) -> tuple[str, int]:
    """``ip[:port]``, an IPv6 address in brackets; the port is 11211 by default, as with OpenStack Swift.

    :raises ValueError: for anything else
    """
    match = _SERVER.fullmatch(server)
    if not match:
        raise ValueError("it is no ip:port")
    port = int(match[3] or DEFAULT_PORT)
    if not 1 <= port <= 65535:
        raise ValueError("it has no port that can be")
    return match[1] or match[2], port


TOLD_SHARES = {"get": 0.01, "set": 0.1, "delete": 0.1, "incr": 0.001, "decr": 0.001}
"""Of so many operations that went well statsd is told; there are very many."""


class _Serde:
    """Values as Swift writes them: JSON, or the digits of a counter, which are given as bytes."""

    def serialize(self, key: bytes, value: Any) -> tuple[bytes, int]:
        return (value, 0) if isinstance(value, bytes) else (json.dumps(value).encode("ascii"), JSON_FLAG)

    def deserialize(self, key: bytes, value: bytes, flags: int) -> Any:
        if flags & PICKLE_FLAG:
            return None
        return load_json(value) if flags & JSON_FLAG else value


class _Server:
    """One memcached: its idle connections and its recent failures."""

    def __init__(self, address: tuple[str, int], options: MemcachedOptions, clock: Callable[[], float]) -> None:
        self.address = address
        self._options = options
        self._clock = clock
        self._idle: list[Any] = []
        self._free = Semaphore(max(1, options.memcache_max_connections))
        self._failures: list[float] = []
        self._avoid_until = 0.0

    @property
    def is_avoided(self) -> bool:
        """Whether it failed so often that nobody asks it for now."""
        return self._clock() < self._avoid_until

    def call(self, operation: Callable[[Any], T]) -> T:
        """Do something over a connection.

        :raises OSError: when the server does not answer in time or not with sense
        """
        from pymemcache.exceptions import MemcacheError  # not needed, and not loaded, without memcached

        if not self._free.acquire(timeout=self._options.pool_timeout):
            raise TimeoutError("all connections are busy")
        client = None
        try:
            client = self._idle.pop() if self._idle else self._connect()
            with Timeout(self._options.io_timeout, TimeoutError("no answer in time")):
                answer = operation(client)
            self._idle.append(client)
            return answer
        except (MemcacheError, ValueError) as error:
            self._abandon(client)
            raise OSError(str(error)) from error
        except BaseException:
            self._abandon(client)
            raise
        finally:
            self._free.release()

    def _connect(self) -> Any:
        from pymemcache.client.base import Client

        return Client(
            self.address,
            serde=_Serde(),
            connect_timeout=self._options.connect_timeout,
            timeout=self._options.io_timeout,
            no_delay=True,
            socket_module=socket,
            default_noreply=False,
        )

    def _abandon(self, client: Any) -> None:
        if client is not None:
            client.close()
        idle, self._idle = self._idle, []
        for other in idle:  # most likely they lead to the same dead process
            other.close()

    def note_failure(self) -> bool:
        """Count a failure; True when it was the one too many."""
        now = self._clock()
        since = now - self._options.error_suppression_interval
        self._failures = [moment for moment in self._failures if moment > since] + [now]
        if len(self._failures) <= self._options.error_suppression_limit:
            return False
        self._avoid_until = now + self._options.error_suppression_interval
        self._failures = []
        return True


class MemcachedStore:
    """Several memcached servers as one store, shared with every Swift proxy that names the same servers.

    :param options: servers and timeouts
    :param log: told once when a server begins to fail, and when it is left alone
    :param clock: seconds, monotonic
    """

    def __init__(
        self, options: MemcachedOptions, log: logging.Logger, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._tries = min(options.tries, len(options.memcache_servers))
        self._servers = {server: _Server(parse_server(server), options, clock) for server in options.memcache_servers}
        points = {
            hash_key(f"{server}-{index}"): server
            for server in sorted(options.memcache_servers)
            for index in range(POINTS)
        }
        self._points = sorted(points)
        self._owners = [points[point] for point in self._points]

    def servers_for(self, hashed: str) -> list[str]:
        """The servers to try for a hashed key, in order: as Swift chooses them, so that all find the same value."""
        found: list[str] = []
        # Swift steps on once more after bisecting, and its proxies must find what ours keep.
        start = bisect.bisect(self._points, hashed) + 1
        for step in range(len(self._points)):
            owner = self._owners[(start + step) % len(self._points)]
            if owner not in found:
                found.append(owner)
            if len(found) == self._tries:
                break
        return found

    def get(self, key: str) -> Any:
        """The value of a key, or None. Raises CacheUnreachable."""
        return self._call("get", key, lambda client, hashed: client.get(hashed))

    def set(self, key: str, value: Any, ttl: float) -> None:
        """Keep a value that JSON can spell for so many seconds. Raises CacheUnreachable."""
        expires = expiry(ttl)
        self._call("set", key, lambda client, hashed: client.set(hashed, value, expire=expires, noreply=False))

    def delete(self, key: str) -> None:
        """Forget a value. Raises CacheUnreachable."""
        self._call("delete", key, lambda client, hashed: client.delete(hashed, noreply=False))

    def incr(self, key: str, delta: int, ttl: float) -> int:
        """Add to a counter, which starts at 0 and never goes below. Raises CacheUnreachable."""

        def add(client: Any, hashed: str) -> int:
            change = client.incr if delta >= 0 else client.decr
            value = change(hashed, abs(delta), noreply=False)
            if value is None:
                first = max(0, delta)
                if client.add(hashed, str(first).encode("ascii"), expire=expiry(ttl), noreply=False):
                    return first
                value = change(hashed, abs(delta), noreply=False)  # another one was quicker
            return int(value or 0)

        return self._call("incr" if delta >= 0 else "decr", key, add)

    def _call(self, method: str, key: str, operation: Callable[[Any, str], T]) -> T:
        hashed, started = hash_key(key), time.monotonic()
        for name in self.servers_for(hashed):
            server = self._servers[name]
            if server.is_avoided:
                continue
            try:
                answer = server.call(lambda client: operation(client, hashed))
                statsd.took(f"memcached.{method}.timing", time.monotonic() - started, TOLD_SHARES[method])
                return answer
            except OSError as error:
                how = "timeout" if isinstance(error, TimeoutError) else "conn_err" if error.errno else "errors"
                statsd.took(f"memcached.{method}.{how}.timing", time.monotonic() - started)
                metrics.MEMCACHE_ERRORS.add(1, name)
                self._log.error("memcached %s: %s", name, error)
                if server.note_failure():
                    self._log.error("memcached %s: too many failures, left alone for a while", name)
        raise CacheUnreachable("no memcached server answers")


def hash_key(key: str) -> str:
    """A key as it travels: the hexadecimal MD5 of its UTF-8."""
    return hashlib.md5(key.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def expiry(ttl: float) -> int:
    """A life in seconds as memcached takes it: whole ones, rounded up, for 0 is for ever; beyond 30 days a point in time."""
    return math.ceil(ttl + time.time() if ttl > MAXIMUM_DELTA else ttl)
