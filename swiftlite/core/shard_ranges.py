"""Shard ranges of a container: merging what two replicas know of one, and whether sharding has begun (formats.md 4.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

_CLEAVING = frozenset({50, 60, 70, 80})
"""States of a container's own range that say that its rows go, or have gone, to others: shrinking, sharding, sharded, shrunk."""


class ShardRange(NamedTuple):
    """A row of the ``shard_range`` table; the name, ``account/container`` of the shard, is its identity."""

    name: str
    timestamp: str
    lower: str
    upper: str
    object_count: int
    bytes_used: int
    meta_timestamp: str
    deleted: int
    state: int
    state_timestamp: str
    epoch: str | None
    reported: int = 0
    tombstones: int = -1

    @classmethod
    def from_mapping(cls, row: Mapping[str, Any]) -> ShardRange:
        """Read a range as replicas send it.

        :raises ValueError: when a field is missing, or of the wrong type
        """
        try:
            made = cls(**{name: row[name] for name in cls._fields if name in row or name not in cls._field_defaults})
        except (KeyError, TypeError) as error:
            raise ValueError(f"a shard range lacks a field: {error}") from None
        texts = (made.name, made.timestamp, made.lower, made.upper, made.meta_timestamp, made.state_timestamp)
        numbers = (made.object_count, made.bytes_used, made.deleted, made.state, made.reported, made.tombstones)
        if not all(isinstance(text, str) for text in texts) or not all(isinstance(number, int) for number in numbers):
            raise ValueError(f"the shard range {made.name!r} has a field of the wrong type")
        if made.epoch is not None and not isinstance(made.epoch, str):
            raise ValueError(f"the shard range {made.name!r} has an epoch of the wrong type")
        return made

    @property
    def _told(self) -> tuple[Any, ...]:
        """What the root container is told of a shard."""
        return self.object_count, self.bytes_used, self.tombstones, self.state, self.epoch


def merge(kept: ShardRange | None, told: ShardRange, own_name: str) -> ShardRange:
    """Settle what is known of a range with what another replica tells.

    A newer range replaces an older one. Of one range the newest counts and the newest state stay, of two states of one
    time the later in the order of a range's life. The container's own range keeps its epoch against one without.

    :param own_name: ``account/container`` of the container
    :returns: ``kept`` itself when there is nothing new
    """
    if kept is None:
        return told
    if told.timestamp < kept.timestamp or (told.name == own_name and kept.epoch and not told.epoch):
        return kept
    if told.timestamp > kept.timestamp:
        return told._replace(reported=0)
    counts = told if told.meta_timestamp > kept.meta_timestamp else kept
    state = told if (told.state_timestamp, told.state) > (kept.state_timestamp, kept.state) else kept
    merged = kept._replace(
        object_count=counts.object_count,
        bytes_used=counts.bytes_used,
        tombstones=counts.tombstones,
        meta_timestamp=counts.meta_timestamp,
        state=state.state,
        state_timestamp=state.state_timestamp,
        epoch=state.epoch,
    )
    reported = any(side.reported and side._told == merged._told for side in (kept, told))
    merged = merged._replace(reported=int(reported))
    return kept if merged == kept else merged


def is_sharding(ranges: Iterable[ShardRange], own_name: str) -> bool:
    """Whether a container's rows go to shards, or have gone there: other rules than replication's hold for them then."""
    alive = [found for found in ranges if not found.deleted]
    return any(found.name == own_name and found.state in _CLEAVING for found in alive) and any(
        found.name != own_name for found in alive
    )
