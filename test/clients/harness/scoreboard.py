"""The scoreboard: what came of each client's operations, kept as records, and written for people as doc/clients.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from clients.harness.client import Client
from clients.harness.install import CHECKOUT
from clients.harness.perform import PASSED

RECORDS = CHECKOUT / "test" / "clients" / "scoreboard.json"
DOCUMENT = CHECKOUT / "doc" / "clients.md"

HEAD = """\
# Clients

Programs and libraries that people use OpenStack Swift with, each driven by a script in `test/clients/` against a fresh
`bin/swiftlite-aio`, what it did being checked by plain HTTP requests besides. This file is written by

```
test/clients/run --write            # all of them, newest versions; NAME… for some
test/clients/run --peer NAME        # the same operations on OpenStack Swift {peer}, nothing written
```

The settings below are those of the all-in-one's user `test:tester` with the key `testing` on `127.0.0.1:8080`. Logging in:
v1 is tempauth's protocol (`/auth/v1.0`), v2 and v3 are Keystone's API (`/v2.0`, `/v3`). All three are answered by the filter
`identity`, which stands before tempauth in the all-in-one and knows the same users; with its option `v1 = false`, or without
it, tempauth answers v1 itself. With "token", the client is given one that v1 gave out.

| client | from | version | with swiftlite | operations passed |
|---|---|---|---|---|
"""


@dataclass
class Record:
    """What one version of a client did on one version of swiftlite.

    `outcomes`: for each version of authentication, operation to "passed" or the first line of what went wrong.
    """

    client: str
    source: str
    version: str
    swiftlite: str
    outcomes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes a record another one."""
        return self.client, self.source, self.version, self.swiftlite

    def failures(self) -> dict[tuple[str, str], str]:
        """Return the reason of each failure, by authentication and operation."""
        return {
            (auth, name): outcome
            for auth, outcomes in self.outcomes.items()
            for name, outcome in outcomes.items()
            if outcome != PASSED
        }


def load(path: Path = RECORDS) -> list[Record]:
    """Return all records, oldest first."""
    return [Record(**entry) for entry in json.loads(path.read_text())] if path.exists() else []


def merge(records: Sequence[Record], new: Sequence[Record]) -> list[Record]:
    """Put new records in the places of those that they replace, or last."""
    found = {record.key: record for record in records}
    found.update({record.key: record for record in new})
    return list(found.values())


def recorded(records: Sequence[Record], client: str, source: str) -> Record | None:
    """Return the last record of a client from one source."""
    mine = [record for record in records if (record.client, record.source) == (client, source)]
    return mine[-1] if mine else None


def regressions(now: Record, before: Record | None) -> list[str]:
    """Return a line for each operation that fails, and did not fail when the scoreboard was written."""
    known = before.failures() if before else {}
    return [
        f"{now.client} {now.version}, {auth}: {name}: {reason}"
        for (auth, name), reason in now.failures().items()
        if (auth, name) not in known
    ]


def save(records: Sequence[Record]) -> None:
    """Write the records."""
    RECORDS.write_text(json.dumps([asdict(record) for record in records], indent=1, ensure_ascii=False) + "\n")


def document(records: Sequence[Record], clients: Mapping[str, Client], not_tried: Mapping[str, str], peer: str) -> str:
    """Return doc/clients.md."""
    text = HEAD.format(peer=peer)
    by_client = {name: [record for record in records if record.client == name] for name in clients}
    for name, client in clients.items():
        for record in by_client[name]:
            passed = ", ".join(f"{auth} {_passed(outcomes)}" for auth, outcomes in record.outcomes.items())
            link = f"[{client.title}](#{_anchor(client.title)})"
            text += f"| {link} | {record.source} | {record.version} | {record.swiftlite} | {passed} |\n"
    text += "\n" + "\n".join(_section(name, client, by_client[name]) for name, client in clients.items())
    text += "\n## Not tried\n\n| | |\n|---|---|\n"
    return text + "".join(f"| {name} | {reason} |\n" for name, reason in not_tried.items())


def _passed(outcomes: Mapping[str, str]) -> str:
    return f"{sum(outcome == PASSED for outcome in outcomes.values())}/{len(outcomes)}"


def _anchor(title: str) -> str:
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def _section(name: str, client: Client, records: Sequence[Record]) -> str:
    operations = "; ".join(client.operations)
    text = f"## {client.title}\n\n`test/clients/{name}.py` tries: {operations}.\n\n{client.settings.strip()}\n"
    if client.notes:
        text += f"\n{client.notes.strip()}\n"
    failed = [(record, failure) for record in records[-len(client.sources) :] for failure in record.failures().items()]
    for record, ((auth, operation), reason) in failed:
        text += f"\n- {record.version}, {auth}: **{operation}** fails: {_plain(reason)}"
    return text + ("\n" if failed else "")


def _plain(reason: str) -> str:
    return "`" + reason.replace("`", "'")[:200] + "`"
