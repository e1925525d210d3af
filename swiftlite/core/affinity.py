"""Affinity: which regions and zones a proxy likes to read from and to write to (formats.md 8.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Protocol, TypeVar

LAST = 1 << 32
"""The priority of whatever a read affinity does not name."""

_PRIORITY = re.compile(r"r(\d+)(?:z(\d+))?=(\d+)", re.ASCII)
_PLACE = re.compile(r"r(\d+)(?:z(\d+))?", re.ASCII)


class Located(Protocol):
    """Something in a region and a zone."""

    @property
    def region(self) -> int:
        """Number of the region."""

    @property
    def zone(self) -> int:
        """Number of the zone in its region."""


N = TypeVar("N", bound=Located)


class _Places:
    """Regions, and zones of regions, as one option lists them; compared and printed as it spells them."""

    _pattern: re.Pattern[str]
    _example: str

    def __init__(self, text: str = "") -> None:
        self.text = text.strip()
        self.places: list[tuple[int, int | None, int]] = []
        for piece in self.text.split(",") if self.text else ():
            match = self._pattern.fullmatch(piece.strip())
            if match is None:
                raise ValueError(f"{piece.strip()!r} is not of the form {self._example}")
            region, zone, priority = (*match.groups(), "0")[:3]
            self.places.append((int(region), int(zone) if zone else None, int(priority)))

    def __bool__(self) -> bool:
        return bool(self.places)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Places) and type(self) is type(other) and self.places == other.places

    def __hash__(self) -> int:
        return hash(tuple(self.places))

    def __str__(self) -> str:
        return self.text

    def priorities(self, node: Located) -> Iterator[int]:
        """The priorities of all places that the node is in."""
        return (
            priority
            for region, zone, priority in self.places
            if region == node.region and (zone is None or zone == node.zone)
        )


class ReadAffinity(_Places):
    """``r1z1=100, r2=200``: the lower a place's number, the earlier its nodes are asked; those of no place last.

    :raises ValueError: when the text is not of that form
    """

    _pattern = _PRIORITY
    _example = "r<region>z<zone>=<priority> or r<region>=<priority>"

    def priority(self, node: Located) -> int:
        """The best priority that a place gives the node; a key to sort by."""
        return min(self.priorities(node), default=LAST)


class WriteAffinity(_Places):
    """``r1, r2z2``: the places that are local, whose nodes get an upload first.

    :raises ValueError: when the text is not of that form
    """

    _pattern = _PLACE
    _example = "r<region>z<zone> or r<region>"

    def is_local(self, node: Located) -> bool:
        """Whether the node is in one of the places."""
        return next(self.priorities(node), None) is not None


Handoffs = Callable[[], Iterator[N]]


def local_nodes_first(
    primaries: Sequence[N], handoffs: Handoffs[N], affinity: WriteAffinity, count: int
) -> Iterator[N]:
    """All nodes in the order of an upload: up to ``count`` local ones, primaries before handoffs, then the others.

    :param handoffs: makes the handoffs anew, in their order
    """
    preferred = list(islice(filter(affinity.is_local, chain(primaries, handoffs())), count))
    return chain(preferred, _without(chain(primaries, handoffs()), preferred))


def local_handoffs_first(
    primaries: Sequence[N], handoffs: Handoffs[N], affinity: WriteAffinity, count: int
) -> Iterator[N]:
    """All nodes in the order of a DELETE: primaries, up to ``count`` local handoffs, then the other handoffs.

    An upload with a write affinity may have left the object on local handoffs, from which it has not moved yet.
    """
    preferred = list(islice(filter(affinity.is_local, handoffs()), count))
    return chain(primaries, preferred, _without(handoffs(), preferred))


def _without(nodes: Iterable[N], left_out: Sequence[N]) -> Iterator[N]:
    return (node for node in nodes if node not in left_out)
