"""The shard ranges in a container's database, as its replicas exchange them (formats.md 4.3, 4.8)."""

from __future__ import annotations

from collections.abc import Iterable

from swiftlite.container.backend import ContainerBroker
from swiftlite.core.shard_ranges import ShardRange, merge
from swiftlite.db.broker import DatabaseBroker

_COLUMNS = ", ".join(ShardRange._fields)
_MARKS = ", ".join("?" * len(ShardRange._fields))


def shard_ranges(broker: DatabaseBroker) -> list[ShardRange]:
    """All ranges, the container's own and deleted ones included."""
    with broker.connection() as connection:
        rows = connection.execute(f"SELECT {_COLUMNS} FROM shard_range ORDER BY ROWID").fetchall()
    return [ShardRange._make(row) for row in rows]


def own_name(broker: DatabaseBroker) -> str:
    """What the container's own range is called."""
    assert isinstance(broker, ContainerBroker)
    info = broker.get_info()
    return f"{info['account']}/{info['container']}"


def merge_shard_ranges(broker: DatabaseBroker, told: Iterable[ShardRange]) -> None:
    """Merge ranges of another replica."""
    own = own_name(broker)
    with broker.transaction() as connection:
        for found in told:
            where = "FROM shard_range WHERE name = ?"
            row = connection.execute(f"SELECT {_COLUMNS} {where}", (found.name,)).fetchone()
            kept = ShardRange._make(row) if row else None
            merged = merge(kept, found, own)
            if merged is not kept:
                connection.execute(f"DELETE {where}", (found.name,))
                connection.execute(f"INSERT INTO shard_range ({_COLUMNS}) VALUES ({_MARKS})", merged)
