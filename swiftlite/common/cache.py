"""A cache that all workers of a server see alike, in process, and over memcached where one is configured."""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable
from typing import Any, Protocol

SLOTS = 16384
"""Number of generations; names that share one are only forgotten together."""

MAXIMUM_ENTRIES = 20000
"""Entries that one process keeps; the oldest go first."""

LOCAL_SECONDS = 1.0
"""How long an answer of memcached is believed without asking again: another machine may have changed it."""

MISSING = (404, 410)
"""Infos of this status are not believed for even so long: what is missing may be made through another machine, and used
at once."""


class CacheUnreachable(Exception):
    """No memcached server answered."""


class Store(Protocol):
    """What lies beneath the processes: memcached, see :mod:`swiftlite.common.memcached`."""

    def get(self, key: str) -> Any:
        """The value, or None. Raises CacheUnreachable."""

    def set(self, key: str, value: Any, ttl: float) -> None:
        """Keep a value for so many seconds. Raises CacheUnreachable."""

    def delete(self, key: str) -> None:
        """Forget a value. Raises CacheUnreachable."""

    def incr(self, key: str, delta: int, ttl: float) -> int:
        """Add to a counter that is kept for so many seconds. Raises CacheUnreachable."""


class Cache:
    """Values by name, each for so many seconds.

    Make it before the workers fork: they share its generations, so what one worker deletes or replaces no other
    goes on using. Values are shared, too: whoever gets one must not change it.

    :param store: memcached, or None; losing it costs speed, never an error
    :param clock: seconds, monotonic
    """

    def __init__(self, store: Store | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.store = store
        self._clock = clock
        self._entries: dict[str, tuple[float, int, Any]] = {}
        # Anonymous and shared: children of a fork see each other's writes.
        self._generations = memoryview(mmap.mmap(-1, SLOTS * 8)).cast("Q")

    def begin(self, key: str) -> int:
        """A token for :meth:`set`, taken before fetching what is to be cached."""
        return self._generations[hash(key) % SLOTS]

    def get(self, key: str, *, strict: bool = False) -> Any:
        """The value of a key, or None.

        :param strict: tell a memcached that does not answer from one that has no such key
        :raises CacheUnreachable: only when strict
        """
        entry = self._entries.get(key)
        if entry is not None:
            expires, generation, value = entry
            if generation == self._generations[hash(key) % SLOTS] and self._clock() < expires:
                return value
            del self._entries[key]
        if self.store is None:
            return None
        token = self.begin(key)
        try:
            value = self.store.get(key)
        except CacheUnreachable:
            if strict:
                raise
            return None
        if value is not None and not _is_missing(value):
            self._keep(key, value, LOCAL_SECONDS, token)
        return value

    def set(self, key: str, value: Any, ttl: float, token: int | None = None, *, strict: bool = False) -> None:
        """Keep a value.

        :param ttl: seconds
        :param token: from :meth:`begin`; the value is not kept if the key was set or deleted since
        :param strict: raise when memcached did not take it
        :raises CacheUnreachable: only when strict
        """
        if token is None:
            token = self._invalidate(key)
        elif token != self.begin(key):
            return
        if self.store is None:
            self._keep(key, value, ttl, token)
            return
        try:
            self.store.set(key, value, ttl)
            if token != self.begin(key):  # it was deleted while we wrote
                self.store.delete(key)
                return
        except CacheUnreachable:
            if strict:
                raise
        if not _is_missing(value):
            self._keep(key, value, min(ttl, LOCAL_SECONDS), token)

    def delete(self, key: str) -> None:
        """Forget a value, in every worker."""
        self._invalidate(key)
        if self.store is not None:
            try:
                self.store.delete(key)
            except CacheUnreachable:
                return
            self._invalidate(key)  # someone may have read the old value meanwhile

    def incr(self, key: str, delta: int = 1, ttl: float = 0) -> int:
        """Add to a counter and return it; without memcached each process counts for itself.

        :param ttl: seconds from its first use
        """
        if self.store is not None:
            try:
                return self.store.incr(key, delta, ttl)
            except CacheUnreachable:
                pass
        now = self._clock()
        expires, generation, value = self._entries.get(key, (0.0, 0, 0))
        if expires <= now or generation != self.begin(key):
            expires, generation, value = now + ttl, self.begin(key), 0
        value = max(0, value + delta)
        self._put(key, (expires, generation, value))
        return value

    def restart(self, key: str, value: int, ttl: float) -> None:
        """Set a counter of `incr`. Unlike `set` it leaves alone what other processes count without memcached."""
        if self.store is not None:
            try:
                self.store.set(key, value, ttl)
                return
            except CacheUnreachable:
                pass
        self._keep(key, value, ttl, self.begin(key))

    def _keep(self, key: str, value: Any, ttl: float, generation: int) -> None:
        self._put(key, (self._clock() + ttl, generation, value))

    def _put(self, key: str, entry: tuple[float, int, Any]) -> None:
        entries = self._entries
        entries.pop(key, None)  # to the end: the oldest go first
        while len(entries) >= MAXIMUM_ENTRIES:
            del entries[next(iter(entries))]
        entries[key] = entry

    def _invalidate(self, key: str) -> int:
        # A value never used before, not a count: two workers that count at once would lose one of the two.
        # One aligned 8-byte store, so no reader sees half of it.
        generation = int.from_bytes(os.urandom(8), "little")
        self._generations[hash(key) % SLOTS] = generation
        return generation


def _is_missing(value: Any) -> bool:
    """Whether it is the info of an account or container that is not there."""
    return isinstance(value, dict) and value.get("status") in MISSING
