"""A difference from OpenStack Swift that is meant, and where the tables show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Difference:
    """One difference: what either side does, and why ours does otherwise.

    `shows`: where the tables show it, as patterns of ``table/case: METHOD facet`` with ``*``; none for what no single
    request can show.
    """

    title: str
    ours: str
    theirs: str
    why: str
    shows: tuple[str, ...] = ()

    def covers(self, place: str) -> bool:
        """Tell whether this is the difference seen at `place`."""
        return any(fnmatchcase(place, pattern) for pattern in self.shows)


Subjects = Mapping[str, tuple[Difference, ...]]


def explain(subjects: Subjects, place: str) -> Difference | None:
    """Return the listed difference that `place`, as ``table/case: METHOD facet``, shows; None when there is none."""
    return next((found for found in all_of(subjects) if found.covers(place)), None)


def all_of(subjects: Subjects) -> list[Difference]:
    """Return every listed difference."""
    return [difference for differences in subjects.values() for difference in differences]
