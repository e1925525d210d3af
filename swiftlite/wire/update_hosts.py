"""UpdateHosts: whom a storage server tells of its changes, whatever a request's headers say.

A request names the servers that keep the rows of its container or account (``X-Container-Host``, ``X-Delete-At-Host``,
``X-Account-Host``; formats.md 5.2, 5.3). Who reaches a storage server could make it talk to any address behind the
operator's firewall. So it tells only servers of the ring, and those that the operator allows besides; for others it does
as if they were down: the row is spooled, and the updater, which looks into the ring, delivers it to where it belongs. So a
proxy whose ring is older or newer than the server's loses nothing.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

from swiftlite.core.allowed_hosts import AllowedHosts
from swiftlite.core.hosts import spell_address
from swiftlite.http.errors import Address
from swiftlite.ring.format import RingError, load

RELOAD_TIME = 15.0
"""Seconds between looks at the ring file; an address that is not known makes for one at once."""
MOST_REFUSED = 1000
"""Addresses whose refusal is remembered, so that it is logged but once."""


class UpdateHosts:
    """The addresses of a ring's devices, for clients and for replication, and those of an option.

    :param swift_dir: where the ring file is; a ring that is missing or damaged allows nothing
    :param ring_name: ``container`` or ``account``
    """

    def __init__(
        self,
        swift_dir: str,
        ring_name: str,
        allowed: AllowedHosts,
        logger: logging.Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = os.path.join(swift_dir, f"{ring_name}.ring.gz")
        self.allowed = allowed
        self.logger = logger
        self.clock = clock
        self._known: frozenset[Address] = frozenset()
        self._stamp: tuple[int, int, int] | None = (0, 0, 0)
        self._refused: set[Address] = set()
        if not allowed.everyone:
            self._look()

    def allows(self, address: Address) -> bool:
        """Whether a server may be told; one that may not is logged, once."""
        if self.allowed.everyone:
            return True
        if self.clock() >= self._next_look:
            self._look()
        if address in self._known or self.allowed.allows(address):
            return True
        self._look()
        if address in self._known:
            return True
        if address not in self._refused and len(self._refused) < MOST_REFUSED:
            self._refused.add(address)
            self.logger.error(
                "Not telling %s of changes: %s has no such server; allowed_update_hosts could name it",
                spell_address(*address),
                self.path,
            )
        return False

    def _look(self) -> None:
        """Read the ring file again if it is another than before."""
        self._next_look = self.clock() + RELOAD_TIME
        try:
            status = os.stat(self.path)
            stamp = status.st_mtime_ns, status.st_ino, status.st_size
        except OSError as error:
            if self._stamp is not None:
                self.logger.error(
                    "Cannot read %s, so its servers are told of no changes: %s", self.path, error.strerror
                )
            self._stamp, self._known = None, frozenset()
            return
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            devices = [device for device in load(self.path).devices if device is not None]
        except RingError as error:
            self.logger.error("ring was not reloaded, the servers of the old one are told of changes: %s", error)
            return
        self._known = frozenset(
            (device[f"{prefix}ip"], device[f"{prefix}port"]) for device in devices for prefix in ("", "replication_")
        )
        self._refused.clear()
