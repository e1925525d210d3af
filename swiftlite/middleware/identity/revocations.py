"""Revocations: which tokens are good no more, though they are signed and have not expired.

Each is a record in the store, named by when the token would have expired anyway, and then by what is revoked: one listing
gives all that count, and the object expirer clears the rest away. Every process keeps the list for ``delay`` seconds.
The cache makes that shorter: the workers of one server see each other's revocations at once, servers with a common
memcached within a second.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any

from swiftlite.common.cache import Cache
from swiftlite.common.log import Logger
from swiftlite.middleware.identity.store import Store, StoreFailed

CONTAINER = "revoked"
KEY = "identity/revoked"
"""Of the list in the cache: names of records, JSON as memcached has it."""
RETRY = 1.0
"""Seconds for which an old list is used where a new one was not to be had."""


class RevocationsUnknown(Exception):
    """The store does not answer, and this process has never had the list."""


def record_name(name: str, expires: int) -> str:
    """The record's name: in order of time."""
    return f"{expires:010d}-{name}"


class Revocations:
    """Adds revocations and knows them.

    :param delay: seconds for which a list is believed
    """

    def __init__(self, store: Store, cache: Cache, log: Logger, delay: float) -> None:
        self.store = store
        self._cache = cache
        self._log = log
        self._delay = delay
        self._records: Any = None
        self._names: frozenset[str] = frozenset()

    def revoke(self, environ: dict[str, Any], name: str, expires: int) -> None:
        """Take the goodness from tokens that bear this name.

        :param expires: when the last of them would have expired
        :raises StoreFailed: when it is not safe on disk
        """
        cache = environ.get("swift.cache") or self._cache
        self.store.put(environ, (CONTAINER, record_name(name, expires)), b"", delete_at=expires)
        cache.delete(KEY)

    def revoked(self, environ: dict[str, Any], now: float) -> AbstractSet[str]:
        """The names of all that is revoked.

        :raises RevocationsUnknown: when nobody can say
        """
        cache: Cache = environ.get("swift.cache") or self._cache
        records = cache.get(KEY)
        if records is None:
            records = self._fetch(environ, cache, now)
        if records is not self._records:  # the cache gives the same list until it has another one
            self._records = records
            self._names = frozenset(record.partition("-")[2] for record in records)
        return self._names

    def _fetch(self, environ: dict[str, Any], cache: Cache, now: float) -> list[str]:
        token = cache.begin(KEY)
        try:
            records = self.store.names(environ, CONTAINER, marker=f"{int(now):010d}")
        except StoreFailed as error:
            if self._records is None:
                raise RevocationsUnknown(str(error)) from None
            self._log.error("revoked tokens cannot be listed, the last known list is used: %s", error)
            cache.set(KEY, self._records, RETRY, token)
            return list(self._records)
        cache.set(KEY, records, self._delay, token)
        return records
