"""Random histories of databases, and what carries them out: our brokers here, OpenStack Swift's in its own Python."""

from __future__ import annotations

import logging
import random
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from swiftlite.account.backend import AccountBroker
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.rows import ContainerRow, ObjectReport
from swiftlite.core.timestamp import Timestamp

Step = list[Any]
"""A name of a step, and its arguments; all plain JSON."""

HASH = "277013d51b0186f9d602edcbebdf6668"
NAMES = ["a", "a/b", "é漢😀", "line\nbreak", "%2F", "\ud7ff", "z" * 300]
TYPES = ["text/plain", "text/plain;charset=utf-8", "a/b;swift_bytes=7", 'a/b;x="q;r";swift_bytes=12', ""]
NEVER, ALL = "0000000000.00000", "9999999999.00000"

THEIRS = """
from swift.account.backend import AccountBroker
from swift.container.backend import ContainerBroker

STEPS = {
    "put": lambda b, *row: b.put_object(*row[:7], ctype_timestamp=row[7], meta_timestamp=row[8]),
    "gone": lambda b, *row: b.delete_object(*row),
    "report": lambda b, *row: b.put_container(*row),
    "meta": lambda b, key, value, ts: b.update_metadata({key: (value, ts)}),
    "times": lambda b, *times: b.merge_timestamps(*times),
    "put_timestamp": lambda b, ts: b.update_put_timestamp(ts),
    "status": lambda b, ts: b.update_status_changed_at(ts),
    "delete": lambda b, ts: b.delete_db(ts),
    "items": lambda b, rows, source: b.merge_items(rows, source),
    "syncs": lambda b, points, incoming: b.merge_syncs(points, incoming),
    "policy": lambda b, index, ts: b.set_storage_policy_index(index, ts),
    "reported": lambda b, *values: b.reported(*values),
    "synced": lambda b, first, second: b.set_x_container_sync_points(first, second),
    "reconciled": lambda b, row: b.update_reconciler_sync(row),
    "reclaim": lambda b, age, sync_age: b.reclaim(age, sync_age),
    "renew": lambda b, remote: b.newid(remote),
    "create": lambda b, ts, policy: b.initialize(ts, policy),
    "read": lambda b: b.get_info(),
    "stats": lambda b: b.get_policy_stats(do_migrations=True),
}
for kind, path, steps in argument:
    broker = {"container": ContainerBroker, "account": AccountBroker}[kind](path, account="AUTH_t", container="c1")
    for name, *values in steps:
        STEPS[name](broker, *values)
    broker.get_info()
answer = None
"""


def _create(broker: Any, timestamp: str, policy: int) -> None:
    broker.initialize(timestamp, policy)


def _take_rows(broker: Any, rows: list[dict[str, Any]], source: str) -> None:
    """Rows come in sessions, and REPLICATE begins each with a point to go on from; theirs does without."""
    broker.merge_sync_points([{"remote_id": source, "sync_point": -1}])
    broker.merge_rows(rows, source)


OURS: dict[str, Callable[..., Any]] = {
    "put": lambda broker, *row: broker.put_object(ObjectReport(*row)),
    "gone": lambda broker, *row: broker.delete_object(*row),
    "report": lambda broker, *row: broker.put_container(ContainerRow(*row[:5], 0, row[5])),
    "meta": lambda broker, key, value, ts: broker.update_metadata({key: (value, ts)}),
    "times": lambda broker, *times: broker.merge_timestamps(*times),
    "put_timestamp": lambda broker, ts: broker.update_put_timestamp(ts),
    "status": lambda broker, ts: broker.update_status_changed_at(ts),
    "delete": lambda broker, ts: broker.delete(ts),
    "items": _take_rows,
    "syncs": lambda broker, points, incoming: broker.merge_sync_points(points, incoming),
    "policy": lambda broker, index, ts: broker.set_storage_policy_index(index, ts),
    "reported": lambda broker, *values: broker.set_reported(*values),
    "synced": lambda broker, *points: broker.move_container_sync_points(broker.container_sync_points(), points),
    "reconciled": lambda broker, row: broker.set_reconciler_sync_point(row),
    "reclaim": lambda broker, age, sync_age: broker.reclaim(age, sync_age),
    "renew": lambda broker, remote: broker.renew_id(remote),
    "create": _create,
    "read": lambda broker: broker.get_info(),
    "stats": lambda broker: broker.policy_stats(),
}


def path_on(device: Path, kind: str) -> Path:
    """Where the database of a history lies on a device."""
    return device / f"{kind}s/1/668/{HASH}/{HASH}.db"


def broker_of(kind: str, path: Path) -> Any:
    """Our broker of a database."""
    logger = logging.getLogger(__name__)
    if kind == "account":
        return AccountBroker(str(path), "AUTH_t", logger=logger)
    return ContainerBroker(str(path), "AUTH_t", "c1", logger=logger)


def carry_out(kind: str, path: Path, steps: Sequence[Step]) -> None:
    """Carry a history out with our broker."""
    broker = broker_of(kind, path)
    for name, *values in steps:
        OURS[name](broker, *values)
    broker.get_info()


def at(seconds: float) -> str:
    """A timestamp so many seconds after the epoch: what is set to "now" is far later than any of a history."""
    return Timestamp(seconds).internal


class Dice:
    """A seeded source of histories of one kind of database."""

    def __init__(self, kind: str, seed: int) -> None:
        self.kind = kind
        self.random = random.Random(f"{kind} {seed}")
        self.row = 0
        self.known: dict[str, tuple[int, int]] = {}

    def history(self, length: int) -> list[Step]:
        """Steps from the creation on; what is read between them is merged in small batches."""
        own = [self.put, self.put, self.gone, self.policy, self.reported, self.synced, self.reconciled, self.renew]
        kinds = {"container": own, "account": [self.report, self.report, self.report]}[self.kind]
        common = [self.meta, self.meta, self.times, self.put_timestamp, self.status, self.delete]
        common += [self.items, self.items, self.syncs, self.reclaim]
        steps = [["create", at(self.random.randint(1, 30)), self.random.randint(0, 1)]]
        for _ in range(length):
            steps.append(self.random.choice(kinds * 2 + common)())
            # Containers' reports are merged in their order: counts of a later one are newer.
            if self.random.random() < 0.3 or steps[-1][0] == "report":
                steps.append(["read"])
        return steps

    def moment(self) -> str:
        """A timestamp among few, so that equal ones meet; rarely with an offset."""
        offset = "_0000000000000001" if self.random.random() < 0.05 else ""
        return at(self.random.randint(10, 60)) + offset

    def put(self) -> Step:
        """An object server's report."""
        maybe = [self.moment() if self.random.random() < 0.3 else None for _ in range(2)]
        return ["put", *self._object(), *maybe]

    def _object(self) -> list[Any]:
        size, content_type = self.random.randint(0, 99), self.random.choice(TYPES)
        name, policy = self.random.choice(NAMES), self.random.choice([0, 0, 0, 1])
        return [name, self.moment(), size, content_type, f"etag{size}", 0, policy]

    def gone(self) -> Step:
        """An object server's report of a deletion."""
        return ["gone", self.random.choice(NAMES), self.moment(), self.random.choice([0, 0, 1])]

    def report(self) -> Step:
        """A container server's report: of each container, the later one knows at least as much as the one before."""
        name = self.random.choice(NAMES)
        put, deleted = self.known.get(name, (10, 0))
        put += self.random.choice([0, 0, 3])
        deleted = max(put + self.random.randint(-2, 2), deleted) if self.random.random() < 0.3 else deleted
        self.known[name] = put, deleted
        count = self.random.choice([0, 0, 1, 5])
        policy = self.random.choice([0, 0, 1])
        return ["report", name, at(put), at(deleted) if deleted else "0", count, count * 10, policy]

    def items(self) -> Step:
        """Rows that another replica sends."""
        rows = []
        for _ in range(self.random.randint(1, 4)):
            self.row += self.random.randint(1, 3)
            if self.kind == "container":
                keys = ("name", "created_at", "size", "content_type", "etag", "deleted", "storage_policy_index")
                values = self._object()
                values[1] += self.random.choice(["", "", "+5", "+0+7f", "-3+2"]) if "_" not in values[1] else ""
            else:
                keys = ("name", "put_timestamp", "delete_timestamp", "object_count", "bytes_used", *_LAST)
                _, *values = self.report()
                values.insert(5, int(values[2] > values[1] and not values[3]))
            rows.append({"ROWID": self.row, **dict(zip(keys, values, strict=True))})
        return ["items", rows, self.random.choice(["remote-1", "remote-2"])]

    def meta(self) -> Step:
        """A change of metadata."""
        key = f"X-{self.kind.title()}-{self.random.choice(['Meta-A', 'Meta-É', 'Sysmeta-B'])}"
        return ["meta", key, self.random.choice(["", "blue", "é漢"]), self.moment()]

    def times(self) -> Step:
        """What another replica says of the database's life."""
        return ["times", *(self.moment() for _ in range(3))]

    def put_timestamp(self) -> Step:
        """A PUT of the container or account."""
        return ["put_timestamp", self.moment()]

    def status(self) -> Step:
        """Its coming back."""
        return ["status", self.moment()]

    def delete(self) -> Step:
        """Its deletion."""
        return ["delete", self.moment()]

    def syncs(self) -> Step:
        """Sync points that another replica tells."""
        remotes = self.random.sample(["remote-1", "remote-2", "remote-3"], 2)
        points = [{"remote_id": remote, "sync_point": self.random.randint(-1, 50)} for remote in remotes]
        return ["syncs", points, self.random.random() < 0.5]

    def policy(self) -> Step:
        """Another storage policy."""
        return ["policy", self.random.randint(0, 1), self.moment()]

    def reported(self) -> Step:
        """What the accounts have been told."""
        return ["reported", self.moment(), self.moment(), self.random.randint(0, 9), self.random.randint(0, 99)]

    def synced(self) -> Step:
        """How far container sync has come."""
        return ["synced", self.random.randint(-1, 9), self.random.randint(-1, 9)]

    def reconciled(self) -> Step:
        """How far the reconciler's queue has come."""
        return ["reconciled", self.random.randint(-1, 9)]

    def reclaim(self) -> Step:
        """A replicator's tidying."""
        return ["reclaim", at(self.random.randint(10, 60)), self.random.choice([NEVER, NEVER, ALL])]

    def renew(self) -> Step:
        """What becomes of a copy."""
        return ["renew", self.random.choice(["remote-1", "remote-4"])]


_LAST = ("deleted", "storage_policy_index")


def dump(path: Path) -> dict[str, Any]:
    """All that a database holds, but for identities, and with moments of the present called so."""
    connection = sqlite3.connect(path)
    found: dict[str, Any] = {}
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        cursor = connection.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor]
        for row in rows:
            row.pop("id", None)
            row.pop("ROWID", None)
            row.pop("seq", None)
            row.pop("reconciler_sync_point", None)  # ours begins anew when the policy changes, theirs does not
            row.update({key: "now" for key in row if key.endswith("_at") and str(row[key]) > "1000000000"})
        found[table] = sorted(rows, key=repr)
    connection.close()
    return found
