"""Rows that arrive while databases are replaced and handoffs removed under them: none that was acknowledged is lost."""

from __future__ import annotations

import os
import shutil
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fakes.database_servers import SWIFT, BackendServer
from functional.cluster import wait_until
from functional.test_database_replicator import LOGGER, NODES, Site, add, at, names_of
from swiftlite.common.concurrency import reset_after_fork
from swiftlite.container.backend import ContainerBroker
from swiftlite.container.replication import ContainerReplication
from swiftlite.container.server import ContainerOptions, ContainerServer
from swiftlite.core.rows import ObjectReport
from swiftlite.db import replication
from swiftlite.db.access import DatabaseFile
from swiftlite.db.broker import DatabaseMissing
from swiftlite.db.replicator import Session

WRITERS = 3
TURNS = 8


class Writer(threading.Thread):
    """Puts rows, one after the other, until it is told to stop."""

    def __init__(self, put: Callable[[str], int], name: str) -> None:
        super().__init__(name=name)
        self.put = put
        self.acknowledged: set[str] = set()
        self.answers: set[int] = set()
        self.stopped = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.stopped.is_set():
            row = f"{self.name}-{number}"
            status = self.put(row)
            self.answers.add(status)
            if status in (201, 202):
                self.acknowledged.add(row)
            number += 1


@contextmanager
def writing(put: Callable[[str], int]) -> Any:
    """Run several writers; afterwards they have stopped."""
    writers = [Writer(put, f"w{number}") for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        for writer in writers:
            writer.stopped.set()
        for writer in writers:
            writer.join(120)


@pytest.fixture
def site(tmp_path: Path):
    made = Site("container", tmp_path)
    yield made
    for number, thread in enumerate(made.threads):
        if thread:
            made.stop(number)


def target(site: Site) -> str:
    return f"/sda/0/{site.names[0]}/{site.names[1]}"


def row_headers() -> dict[str, str]:
    return {"X-Timestamp": at(10), "X-Size": "5", "X-Content-Type": "text/plain", "X-Etag": "e"}


def test_no_row_is_lost_while_files_take_a_database_s_place(site: Site) -> None:
    thread = site.threads[0]
    assert thread
    server = BackendServer(thread)
    site.made(0, ["first"])
    site.made(1, [f"n{number}" for number in range(300)])

    def put(name: str) -> int:
        # Some are appended, some written at once, as by another replica or a proxy.
        if name.endswith(("3", "7")):
            body = f'[{{"name": "{name}", "created_at": "{at(10)}", "size": 5, "content_type": "t", "etag": "e"}}]'
            headers = {"X-Timestamp": at(10), "X-Backend-Storage-Policy-Index": "0"}
            return server.request("UPDATE", target(site), headers, body=body.encode()).status
        return server.request("PUT", f"{target(site)}/{name}", row_headers()).status

    def replace(turn: int) -> None:
        add(site.broker(1), [f"turn{turn}"], 20)
        known = site.broker(1).get_info()["id"]
        body = Path(site.broker(1).path).read_bytes()
        place = f"/sda/0/{site.hash}"
        assert server.request("REPLICATE", f"{place}/{known}", body=body).status == 201
        order = f'["rsync_then_merge", "{known}"]'.encode()
        assert server.request("REPLICATE", place, body=order).status == 204

    with writing(put) as writers:

        def count() -> int:
            return sum(len(writer.acknowledged) for writer in writers)

        for turn in range(TURNS):
            before = count()
            replace(turn)
            wait_until(lambda before=before: count() > before, "rows are taken, before and after each replacement")
    acknowledged = set().union(*(writer.acknowledged for writer in writers))
    assert acknowledged <= names_of(site.broker(0))
    assert {f"turn{turn}" for turn in range(TURNS)} <= names_of(site.broker(0))
    assert set().union(*(writer.answers for writer in writers)) <= {201, 202}


class Intruders:
    """Threads that change a database in every way there is, as other processes would, while it is locked."""

    def __init__(self, site: Site, number: int) -> None:
        self.site = site
        self.number = number
        self.done: set[str] = set()
        self.refused: set[str] = set()
        self.threads: list[threading.Thread] = []

    def start(self) -> None:
        """Let them in, and give them time to get as far as they can."""
        report = ObjectReport("appended", at(40), 5, "text/plain", "e")
        changes: dict[str, Callable[[Any], Any]] = {
            "appended": lambda broker: broker.append(report),
            "merged": lambda broker: broker.merge_items([report._replace(name="merged")]),
            "metadata": lambda broker: broker.update_metadata({"X-Container-Meta-Color": ("blue", at(41))}),
            "put": lambda broker: broker.update_put_timestamp(at(42)),
        }
        self.threads = [threading.Thread(target=self._change, args=item) for item in changes.items()]
        for thread in self.threads:
            thread.start()
        time.sleep(0.3)  # it cannot be seen from here that they wait; where they are late, the test proves less

    def _change(self, name: str, change: Callable[[Any], Any]) -> None:
        try:
            change(self.site.broker(self.number))
            self.done.add(name)
        except DatabaseMissing:
            self.refused.add(name)

    def wait(self) -> None:
        """Return when all are through."""
        for thread in self.threads:
            thread.join(120)
            assert not thread.is_alive()


def test_what_comes_while_a_file_takes_a_database_s_place_is_in_the_new_one(site: Site) -> None:
    thread = site.threads[0]
    assert thread
    server = BackendServer(thread)
    site.made(0, ["first"])
    sender = site.made(1, ["second"])
    known = sender.get_info()["id"]
    intruders = Intruders(site, 0)
    served = thread.app.replication
    merge_rest = served.merge_rest
    served.merge_rest = lambda *brokers: (merge_rest(*brokers), intruders.start())
    place = f"/sda/0/{site.hash}"
    assert server.request("REPLICATE", f"{place}/{known}", body=Path(sender.path).read_bytes()).status == 201
    order = f'["rsync_then_merge", "{known}"]'.encode()
    assert server.request("REPLICATE", place, body=order).status == 204
    intruders.wait()
    assert intruders.done == {"appended", "merged", "metadata", "put"}
    broker = site.broker(0)
    assert names_of(broker) == {"first", "second", "appended", "merged"}
    assert broker.metadata() == {"X-Container-Meta-Color": ("blue", at(41))}
    assert broker.get_info()["put_timestamp"] == at(42)


def test_what_comes_while_a_handoff_is_removed_is_refused(site: Site) -> None:
    """So that whoever brought it goes elsewhere, or comes again."""
    for number in range(3):
        site.made(number)
    site.made(3, ["first"])
    intruders = Intruders(site, 3)
    replicator = site.replicator(3)
    replicator.before_removal = lambda broker: intruders.start()  # type: ignore[method-assign]
    assert replicator.run_once()["remove"] == 1
    intruders.wait()
    assert intruders.refused == {"appended", "merged", "metadata", "put"}
    assert not site.broker(3).exists


# Crashes --------------------------------------------------------------------------------------------------------------


class Dying:
    """Ends the process before its n-th step; steps are what is renamed, removed, truncated, or written with SQLite."""

    def __init__(self, last: int) -> None:
        self.left = last

    def step(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap what makes a step."""

        def wrapped(*arguments: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left <= 0:
                os._exit(9)
            return function(*arguments, **named)

        return wrapped


def dies_after(steps: int, act: Callable[[], Any]) -> bool:
    """Act in a process of its own that dies before its n-th step; return whether it did, or else got to the end."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        assert code in (0, 9)
        return code == 9
    try:
        reset_after_fork()
        dying = Dying(steps)
        for name in ("rename", "unlink", "truncate", "rmdir"):
            setattr(os, name, dying.step(getattr(os, name)))
        shutil.rmtree = dying.step(shutil.rmtree)
        DatabaseFile.transaction = dying.step(DatabaseFile.transaction)  # type: ignore[method-assign]
        act()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


@pytest.mark.parametrize("has_database", [True, False])
def test_two_replicators_that_send_one_database_to_one_peer_both_succeed(
    site: Site, has_database: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one pass by hand beside the daemon: who comes second finds the peer's database there, and the sent file gone."""
    names = [f"o{number}" for number in range(9)]
    site.made(0, names)
    site.made(1, names)
    if has_database:
        site.made(2, ["mine"])
    really, passes = Session._send_file, []

    def late(session: Session, operation: str, timeout: float) -> None:
        if not passes:
            passes.append(operation)
            passes.extend(site.replicate(1, per_diff=2))
        really(session, operation, timeout)

    monkeypatch.setattr(Session, "_send_file", late)
    (counts,) = site.replicate(0, per_diff=2)
    assert passes[0] == ("rsync_then_merge" if has_database else "complete_rsync")
    assert (counts["failures"], passes[1]["failures"]) == (0, 0)
    assert names_of(site.broker(2)) == {*names, *(["mine"] if has_database else [])}
    assert site.litter() == []


@pytest.mark.parametrize("has_database", [True, False])
def test_a_crash_while_a_file_takes_its_place_loses_nothing(site: Site, has_database: bool) -> None:
    sender = site.made(1, ["a", "b"])
    known = sender.get_info()["id"]
    data = Path(sender.path).read_bytes()
    place = replication.Place(str(site.node(0) / "sda"), site.hash, site.broker(0).path)
    operation = "_rsync_then_merge" if has_database else "_complete_rsync"
    server = ContainerServer(ContainerOptions(devices=str(site.node(0)), mount_check=False), SWIFT, LOGGER)

    def receive() -> None:
        getattr(ContainerReplication(server, ContainerBroker), operation)(place, known)

    steps, died = 0, True
    while died:
        steps += 1
        shutil.rmtree(site.node(0) / "sda", ignore_errors=True)
        if has_database:
            site.made(0, ["mine"])
            site.broker(0).put_object(ObjectReport("pending", at(30), 5, "text/plain", "e"))
        (site.node(0) / "sda" / "tmp").mkdir(parents=True, exist_ok=True)
        (site.node(0) / "sda" / "tmp" / known).write_bytes(data)
        died = dies_after(steps, receive)
        mine = {"mine", "pending"} if has_database else set()
        if has_database or site.broker(0).exists:
            assert names_of(site.broker(0)) in (mine, mine | {"a", "b"})
        site.replicate(1)
        assert names_of(site.broker(0)) == mine | {"a", "b"}
    assert steps > (6 if has_database else 3)


def test_a_crash_while_a_handoff_goes_home_loses_nothing(site: Site) -> None:
    steps, died = 0, True
    while died:
        steps += 1
        for number in range(NODES):
            shutil.rmtree(site.node(number) / "sda")
            (site.node(number) / "sda").mkdir()
        for number in range(3):
            site.made(number, ["a"])
        site.made(3, ["b"])
        site.broker(3).put_object(ObjectReport("pending", at(30), 5, "text/plain", "e"))
        died = dies_after(steps, lambda: site.replicator(3).run_once())
        if not site.broker(3).exists:
            assert all(names_of(site.broker(number)) == {"a", "b", "pending"} for number in range(3))
        site.replicate(3)
        assert not site.broker(3).exists
        assert all(names_of(site.broker(number)) == {"a", "b", "pending"} for number in range(3))
    assert steps > 6
