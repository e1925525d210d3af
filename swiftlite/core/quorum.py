"""Tally: what the replies of several nodes add up to (formats.md 5.9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from swiftlite.core.timestamp import Timestamp

CLASSES = (200, 300, 400)
"""The classes of statuses that can win, best first. Server errors never do."""


def quorum_size(replicas: int) -> int:
    """How many of ``replicas`` must agree: half of them, rounded up."""
    return (replicas + 1) // 2


def majority(replicas: int) -> int:
    """How many of ``replicas`` are more than half: any two such sets have a member in common."""
    return replicas // 2 + 1


@dataclass(frozen=True, slots=True)
class Reply:
    """One node's reply, or what stands for it when there was none.

    :param status: HTTP status
    :param headers: looked up in any case, or empty
    :param blames_request: a server error that the request would meet on every node: it counts like a 4xx
    :param found: when what an object server had before a POST or DELETE was put, or deleted; None for nothing, and of a
        server that does not say: OpenStack Swift's
    """

    status: int
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    blames_request: bool = False
    found: Timestamp | None = None

    @property
    def status_class(self) -> int:
        """200, 300, 400 or 500: what the reply counts as."""
        return 400 if self.blames_request else self.status // 100 * 100

    @property
    def is_server_error(self) -> bool:
        """Whether the node failed, so that another one should be asked."""
        return self.status_class == 500


class Tally:
    """Collects replies; knows when they decide the matter, and which of them stands for all.

    :param expected: how many replies there can be
    :param quorum: how many must agree; half of ``expected`` if not given
    """

    __slots__ = ("counts", "expected", "quorum", "replies")

    def __init__(self, expected: int, quorum: int | None = None) -> None:
        self.expected = expected
        self.quorum = quorum_size(expected) if quorum is None else quorum
        self.replies: list[Reply] = []
        self.counts: dict[int, int] = {}

    def add(self, reply: Reply) -> None:
        """Count a reply."""
        self.replies.append(reply)
        status_class = reply.status_class
        self.counts[status_class] = self.counts.get(status_class, 0) + 1

    def count(self, status_class: int) -> int:
        """How many replies are of the class 200, 300, 400 or 500."""
        return self.counts.get(status_class, 0)

    @property
    def missing(self) -> int:
        """How many replies are still to come."""
        return self.expected - len(self.replies)

    @property
    def decided(self) -> bool:
        """Whether no further reply can change which class wins."""
        missing = self.missing
        if missing <= 0:
            return True
        for status_class in CLASSES:
            count = self.counts.get(status_class, 0)
            if count >= self.quorum:
                return True
            if count + missing >= self.quorum:
                return False
        return True

    def best(self, overrides: Mapping[int, int] | None = None) -> Reply | None:
        """The reply that speaks for all: of the best class that has a quorum, the highest status.

        :param overrides: statuses to count as others where there is no quorum otherwise; a reply counted so never
            speaks itself. A DELETE counts 404 as 204.
        :returns: None when no class has a quorum, which a client hears as 503
        """
        classes = [reply.status_class for reply in self.replies]
        best = self._winner(classes, ())
        if best is None and overrides:
            transformed = [i for i, reply in enumerate(self.replies) if reply.status in overrides]
            for i in transformed:
                classes[i] = overrides[self.replies[i].status] // 100 * 100
            best = self._winner(classes, transformed)
        return best

    def _winner(self, classes: Sequence[int], silent: Sequence[int]) -> Reply | None:
        for status_class in CLASSES:
            of_class = [i for i, counted in enumerate(classes) if counted == status_class]
            if len(of_class) < self.quorum:
                continue
            speakers = [i for i in of_class if i not in silent]
            if speakers:
                return self.replies[max(speakers, key=lambda i: self.replies[i].status)]
        return None


def distinct_etags(replies: Iterable[Reply]) -> set[str]:
    """The unquoted ETags of the successes; more than one means that the replicas differ."""
    found = (reply.headers.get("Etag") for reply in replies if reply.status // 100 == 2)
    return {etag.strip('"') for etag in found if etag}
