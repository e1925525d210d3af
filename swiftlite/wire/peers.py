"""Peers of a replicator: how they fail, and which of them are not worth asking for a while."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from time import monotonic

from swiftlite.core.hosts import spell_address
from swiftlite.http.errors import Address

SILENCES = 3
"""So many times in a row a server may not answer before it is left alone for LEFT_ALONE seconds."""
LEFT_ALONE = 30.0


class PeerFailed(Exception):
    """A peer could not be asked, or refused; says which and why.

    :ivar status: what it answered to that; 0 where no such answer is to blame
    """

    def __init__(self, problem: str, status: int = 0) -> None:
        super().__init__(problem)
        self.status = status


class PeerSilent(PeerFailed):
    """A peer did not answer."""


class Silences:
    """Which servers have not answered: each time takes long, so they are left alone for a while.

    :param clock: seconds, from any start
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._in_a_row: Counter[Address] = Counter()
        self._until: dict[Address, float] = {}

    def check(self, address: Address) -> None:
        """Make sure that a server may be asked.

        :raises PeerFailed: when it is left alone
        """
        if self._until.get(address, 0.0) > self._clock():
            raise PeerFailed(f"{spell_address(*address)} did not answer lately")

    def answered(self, address: Address) -> None:
        """A server has answered."""
        self._in_a_row.pop(address, None)

    def failed(self, address: Address, error: PeerFailed) -> None:
        """A server has failed; it matters here if it did so by not answering."""
        if isinstance(error, PeerSilent):
            self._in_a_row[address] += 1
            if self._in_a_row[address] >= SILENCES:
                self._until[address] = self._clock() + LEFT_ALONE
        elif error.status:
            self.answered(address)
