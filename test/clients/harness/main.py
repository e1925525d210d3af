"""The command test/clients/run: install clients, give each a fresh store, perform its operations, say what came of them."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import swiftlite
from clients.harness import install, scoreboard, store
from clients.harness.client import Client, Source
from clients.harness.perform import PASSED
from clients.harness.scoreboard import Record
from clients.harness.site import Site
from clients.not_tried import NOT_TRIED

CLIENTS = Path(__file__).resolve().parents[1]
TIMEOUT = 600
"""Seconds that all operations of a client may take."""
AT_ONCE = 2
"""Clients that are driven at the same time, each on a store of its own."""
PEER_AUTHS = ("v1", "token")


def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status: 1 when an operation failed that should not."""
    clients = load_clients()
    options = _parse(argv, clients)
    before = scoreboard.load()
    names = options.names or [name for name, client in clients.items() if client.in_ci or not options.check]
    with store.scratch() as scratch, ThreadPoolExecutor(AT_ONCE) as pool:

        def drive(name: str, source: Source) -> Record | str:
            try:
                return _drive(name, clients[name], source, options, before, scratch)
            except install.NotTried as reason:
                print(f"{name:22} not tried: {reason}", flush=True)
                return name

        tried = [(name, source) for name in names for source in clients[name].sources[: 1 if options.check else None]]
        done = list(pool.map(lambda one: drive(*one), tried))
    records = [one for one in done if isinstance(one, Record)]
    absent = [one for one in done if isinstance(one, str)]
    return conclude(options, clients, before, records, absent)


def load_clients() -> dict[str, Client]:
    """Return each module's client, by the module's name."""
    names = sorted(path.stem for path in CLIENTS.glob("*.py") if path.stem != "not_tried")
    return {name: importlib.import_module(f"clients.{name}").CLIENT for name in names}


def _parse(argv: Sequence[str], clients: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="test/clients/run", description="Drive real clients against a fresh store.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {' '.join(clients)}")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="write the scoreboard")
    how.add_argument("--check", action="store_true", help="fail where the scoreboard says that it passes")
    how.add_argument("--peer", action="store_true", help="against OpenStack Swift")
    parser.add_argument("-v", "--verbose", action="store_true", help="show what the clients printed")
    parser.add_argument("--auth", action="append", help="with this version of authentication only")
    options = parser.parse_args(argv)
    unknown = [name for name in options.names if name not in clients]
    if unknown:
        parser.error(f"no client {unknown[0]!r}: there are {', '.join(clients)}")
    if options.write and options.auth:
        parser.error("--write goes with every version of authentication")
    return options


def _drive(
    name: str,
    client: Client,
    source: Source,
    options: argparse.Namespace,
    before: Sequence[Record],
    scratch: Path,
) -> Record:
    """Perform all operations of a client with each version of authentication. Raises NotTried."""
    known = scoreboard.recorded(before, name, source.name) if options.check else None
    installed = install.install(source, known.version if known else "")
    record = Record(name, source.name, installed.version, swiftlite.__version__)
    auths = [auth for auth in client.auths if not options.auth or auth in options.auth]
    directory = scratch / f"{name}-{source.name}"
    running = store.openstack_swift if options.peer else store.swiftlite
    with running(directory / "store") as url:
        for auth in auths:
            if options.peer and auth not in PEER_AUTHS:
                continue
            (directory / auth).mkdir(parents=True)
            site = Site(auth, url, store.ACCOUNT, store.USER, store.KEY, installed.home, directory / auth)
            record.outcomes[auth] = _perform(name, client, installed.python, site, options.verbose)
            _show(record, auth)
            site.eye.empty_account()
    return record


def _perform(name: str, client: Client, python: str, site: Site, verbose: bool) -> dict[str, str]:
    """Return what came of each operation."""
    results = site.scratch.with_suffix(".results")
    facts = {field: value for field, value in asdict(site).items() if field != "scratch"}
    order = {"module": name, "results": str(results), "site": {**facts, "scratch": str(site.scratch)}}
    environment = {**os.environ, "PYTHONPATH": str(CLIENTS.parent), "HOME": str(site.scratch)}
    log = site.scratch.with_suffix(".log")
    with open(log, "w+") as output:
        command = [python, "-m", "clients.harness.perform"]
        started = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment, cwd=site.scratch, text=True
        )
        try:
            started.communicate(json.dumps(order), timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()
        output.seek(0)
        said = output.read()
    lines = results.read_text().splitlines() if results.exists() else []
    outcomes = {entry["operation"]: entry["outcome"] for entry in map(json.loads, lines)}
    missing = [operation for operation in client.operations_with(site.auth) if operation not in outcomes]
    for operation in missing:
        outcomes[operation] = f"was not performed: {(said.strip().splitlines() or ['?'])[-1]}"
    if verbose:
        print(said, flush=True)
        print("".join(f"   {entry['seconds']:6.2f} s  {entry['operation']}\n" for entry in map(json.loads, lines)))
    return outcomes


def _show(record: Record, auth: str) -> None:
    outcomes = record.outcomes[auth]
    passed = sum(outcome == PASSED for outcome in outcomes.values())
    lines = [f"{record.client:22} {record.version:18} {auth:6} {passed}/{len(outcomes)} passed"]
    lines += [f"    {operation}: {outcome[:300]}" for operation, outcome in outcomes.items() if outcome != PASSED]
    print("\n".join(lines), flush=True)


def conclude(
    options: argparse.Namespace,
    clients: dict[str, Client],
    before: Sequence[Record],
    records: Sequence[Record],
    absent: Sequence[str],
) -> int:
    """Write the scoreboard if asked to, say what came of all, and return the exit status.

    `before`: the scoreboard's records; `absent`: clients that could not be installed, which is no failure: registries are
    not ours.
    """
    if options.write:
        merged = scoreboard.merge(before, records)
        scoreboard.save(merged)
        scoreboard.DOCUMENT.write_text(scoreboard.document(merged, clients, NOT_TRIED, peer_version()))
    failed = [line for record in records for line in record_failures(record, before, options.check)]
    passed = sum(
        outcome == PASSED for r in records for outcomes in r.outcomes.values() for outcome in outcomes.values()
    )
    if options.check:
        print("\n".join(["", *(f"FAILED {line}" for line in failed)]))
    print(f"{passed} passed, {len(failed)} failed, {len(absent)} skipped")
    return 1 if failed else 0


def record_failures(record: Record, before: Sequence[Record], check: bool) -> list[str]:
    """Return a line a failure: with `check`, only of those that the scoreboard does not have."""
    known = scoreboard.recorded(before, record.client, record.source) if check else None
    return scoreboard.regressions(record, known)


def peer_version() -> str:
    """Return the version of OpenStack Swift that the clients can be tried on, too."""
    from interop import peer

    return peer.VERSION
