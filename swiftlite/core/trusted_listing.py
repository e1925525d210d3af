"""What replicas of a container must know so that a listing shows every acknowledged write (doc/consistency.md)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from swiftlite.core.json_text import load_json
from swiftlite.core.quorum import majority
from swiftlite.core.timestamp import Timestamp


class Known(NamedTuple):
    """What one replica of a container knows, at one moment.

    :param id: identity of its database
    :param rows: hash of its rows, deleted ones included (formats.md 4.5)
    :param life: hash of its timestamps, policy and metadata
    :param max_row: number of its newest row; -1: it never had one
    :param points: identity of another replica's database -> up to which number that one's rows are known here
    """

    id: str
    rows: str
    life: str
    max_row: int
    points: Mapping[str, int]

    def point(self, other: Known) -> int:
        """Up to which number the other replica's rows are known here; -1: nothing is known of that.

        Nor is it where the other one does not have so many: it has lost some, to a power cut say, and gives their numbers
        to new ones.
        """
        point = self.points.get(other.id, -1)
        return point if point <= other.max_row else -1

    def includes(self, other: Known) -> bool:
        """Whether nothing that the other replica knows can be missing here."""
        return self.life == other.life and (self.rows == other.rows or self.point(other) >= other.max_row)

    def rows_behind(self, other: Known) -> int:
        """How many rows of the other replica would have to be looked at, to know here all that is known there."""
        return 0 if self.rows == other.rows else max(0, other.max_row - self.point(other))


def replicas_to_ask(replicas: int) -> int:
    """How many replicas must be asked, so that one of them has whatever a majority has taken."""
    return replicas + 1 - majority(replicas)


def best_placed(known: Sequence[Known]) -> int:
    """Which replica needs the fewest rows to know what all of them know; the first of equals.

    :returns: its place in the sequence
    """
    behind = [sum(one.rows_behind(other) for other in known) for one in known]
    return behind.index(min(behind))


def life_digest(info: Mapping[str, Any]) -> str:
    """The hash of what clients set of a container besides its rows: equal wherever the same changes have arrived.

    Left out is what differs between replicas that know the same: when each of them was made (``created_at``), when it
    saw the container go or come back (``status_changed_at``), and that it was once deleted (``status``).

    :param info: a row of ``container_stat``
    """
    metadata = sorted(load_json(info["metadata"]).items()) if info["metadata"] else ""
    put, delete = _spelled(info["put_timestamp"]), _spelled(info["delete_timestamp"])
    life = f"{put} {delete} {info['storage_policy_index']} {metadata and json.dumps(metadata)}"
    return hashlib.md5(life.encode(), usedforsecurity=False).hexdigest()


def _spelled(timestamp: str) -> str:
    """One spelling for a timestamp: databases have ``0``, too."""
    return timestamp if len(timestamp) == 16 else Timestamp(timestamp or 0).internal
