"""Book: what clients were told of every object, and what may therefore be true of it: pure, nothing here asks a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from functional.model import Content

Name = tuple[str, str]
"""Container and object."""


@dataclass(frozen=True)
class Write:
    """One request that changes an object: a PUT with `content`, a POST, or a DELETE.

    `began` and `ended` are when it was sent and answered, on the one clock that all hosts of a test share: its
    timestamp lies between. What was not `acknowledged` may have happened all the same.
    """

    method: str
    began: float
    ended: float
    acknowledged: bool = True
    content: Content | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def has_timestamp(self, timestamp: float) -> bool:
        """Whether this may be the time that the write bears; timestamps have five decimals."""
        return self.began - 0.00001 <= timestamp <= self.ended + 0.00001


@dataclass(frozen=True)
class Outcome:
    """What some writes make of an object: `last` is the PUT or DELETE that counts, `post` a POST that lies over it."""

    last: Write | None
    post: Write | None

    @property
    def content(self) -> Content | None:
        """What a reader gets; None when there is no object."""
        return self.last.content if self.last else None

    @property
    def metadata(self) -> dict[str, str]:
        """The user metadata that a reader gets, names in lower case."""
        found = self.post or self.last
        return {f"x-object-meta-{key.lower()}": value for key, value in (found.metadata if found else {}).items()}


def outcome(writes: Iterable[Write]) -> Outcome:
    """Apply the one rule: the newest wins. A POST replaces all user metadata, and only of what is older than itself."""
    ordered = sorted(writes, key=lambda write: write.began)
    whole = [write for write in ordered if write.method != "POST"]
    last = whole[-1] if whole else None
    if last is None or last.content is None:
        return Outcome(last, None)
    posts = [write for write in ordered if write.method == "POST" and write.began > last.began]
    return Outcome(last, posts[-1] if posts else None)


class Book:
    """Every write to every object, and the containers."""

    def __init__(self) -> None:
        self.containers: set[str] = set()
        self.writes: dict[Name, list[Write]] = {}

    def record(self, name: Name, write: Write) -> None:
        """Add a write that is over. Those of one object must not overlap, or nobody could tell which is the newer."""
        before = self.writes.setdefault(name, [])
        assert not before or before[-1].ended <= write.began, f"two writes of {name} at once"
        before.append(write)

    def outcomes(self, name: Name) -> list[Outcome]:
        """All that may be true of an object: each write that nobody acknowledged happened, or did not."""
        writes = self.writes.get(name, [])
        certain = [write for write in writes if write.acknowledged]
        doubtful = [write for write in writes if not write.acknowledged]
        found: list[Outcome] = []
        for count in range(len(doubtful) + 1):
            for happened in combinations(doubtful, count):
                result = outcome([*certain, *happened])
                if result not in found:
                    found.append(result)
        return found

    def names(self) -> list[Name]:
        """All objects that were ever written."""
        return sorted(self.writes)
