"""Writers and files that are replaced or moved away under them: what was written is where others read."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from fakes.descriptors import opened
from fakes.http_server import wait_until
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.rows import ObjectReport
from swiftlite.db import layout, pending
from swiftlite.db.broker import DatabaseMissing, DatabaseQuarantined

LOGGER = logging.getLogger("test.access")


@pytest.fixture
def broker(tmp_path: Path) -> ContainerBroker:
    path = layout.database_path(str(tmp_path / "sda"), "container", "7", "a" * 32)
    made = ContainerBroker(path, "a", "c", logger=LOGGER)
    made.initialize("0000000001.00000")
    return made


def while_held(broker: ContainerBroker, act: Callable[[], None], meanwhile: Callable[[], None]) -> list[object]:
    """Start ``meanwhile`` in a thread while the database is locked, ``act`` once it waits; return what it raised."""
    raised: list[object] = []
    started = threading.Event()

    def run() -> None:
        started.set()
        try:
            meanwhile()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    with broker.transaction():
        thread.start()
        started.wait()
        time.sleep(0.2)  # it cannot be seen from here that it waits; where it is late, the test proves less
        act()
    thread.join(60)
    assert not thread.is_alive()
    return raised


def test_a_writer_who_waited_writes_to_the_file_that_took_the_place(broker: ContainerBroker, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copyfile(broker.path, other)
    writer = ContainerBroker(broker.path, "a", "c", logger=LOGGER)
    raised = while_held(
        broker,
        lambda: os.rename(other, broker.path),
        lambda: writer.update_metadata({"X-Container-Meta-A": ("1", "0000000002.00000")}),
    )
    assert raised == []
    assert ContainerBroker(broker.path, "a", "c", logger=LOGGER).metadata() == {
        "X-Container-Meta-A": ("1", "0000000002.00000")
    }


def test_a_writer_who_waited_hears_that_the_database_is_gone(broker: ContainerBroker, tmp_path: Path) -> None:
    writer = ContainerBroker(broker.path, "a", "c", logger=LOGGER)
    raised = while_held(
        broker,
        lambda: os.rename(broker.directory, tmp_path / "gone"),
        lambda: writer.update_put_timestamp("0000000002.00000"),
    )
    assert [type(error) for error in raised] == [DatabaseMissing]


def test_who_waited_for_the_lock_of_a_directory_that_was_made_anew_locks_the_new_one(
    broker: ContainerBroker, tmp_path: Path
) -> None:
    writer = ContainerBroker(broker.path, "a", "c", logger=LOGGER)
    report = ObjectReport("o", "0000000003.00000", 1, "text/plain", "e")
    thread = threading.Thread(target=lambda: writer.append(report))
    with pending.directory_lock(broker.directory, 1):
        thread.start()
        lock = f"{broker.directory}/.lock"
        wait_until(
            lambda: opened()[lock] == 2, "who appends to wait, too"
        )  # while there is no directory, it would fail
        os.rename(broker.directory, tmp_path / "gone")
        ContainerBroker(broker.path, "a", "c", logger=LOGGER).initialize("0000000002.00000")
        new_lock = pending.directory_lock(broker.directory, 1)
        new_lock.__enter__()
    # The old lock is free now, but it is not the one that keeps appenders out of this directory.
    thread.join(0.5)
    assert thread.is_alive()
    new_lock.__exit__(None, None, None)
    thread.join(60)
    assert pending.size(writer.pending_path) > 0


def test_who_opened_the_old_file_does_not_touch_the_journal_of_the_new_one(
    broker: ContainerBroker, tmp_path: Path
) -> None:
    shutil.copyfile(broker.path, tmp_path / "other")
    stale = sqlite3.connect(broker.path)
    with broker.write_locked():
        os.rename(tmp_path / "other", broker.path)
    journal = Path(broker.path + "-journal")
    writer = sqlite3.connect(broker.path, isolation_level=None)
    writer.execute("PRAGMA synchronous = OFF")  # its journal looks at once as it does otherwise during the commit
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE container_info SET put_timestamp = ?", ("0000000009.00000",))
    assert journal.exists()
    assert stale.execute("SELECT put_timestamp FROM container_info").fetchone() == ("0000000001.00000",)
    assert journal.exists()
    writer.execute("COMMIT")
    for connection in (stale, writer):
        connection.close()
    assert broker.get_info()["put_timestamp"] == "0000000009.00000"


def test_a_file_that_stayed_in_place_can_be_written_to_again(broker: ContainerBroker) -> None:
    with broker.write_locked():
        pass
    broker.update_put_timestamp("0000000009.00000")
    assert broker.get_info()["put_timestamp"] == "0000000009.00000"


@pytest.mark.parametrize(
    ("name", "is_damaged"),
    [
        *(("SQLITE_IOERR_READ", True), ("SQLITE_IOERR_CORRUPTFS", True)),
        *(("SQLITE_IOERR_WRITE", False), ("SQLITE_IOERR_FSYNC", False), ("SQLITE_IOERR_TRUNCATE", False)),
        (None, False),  # as in Python 3.10
    ],
)
def test_a_database_is_quarantined_where_it_cannot_be_read_not_where_the_disk_takes_no_more(
    broker: ContainerBroker, name: str | None, is_damaged: bool
) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    if name:
        error.sqlite_errorname = name
    expected = pytest.raises(DatabaseQuarantined) if is_damaged else nullcontext()
    with expected:
        broker.possibly_quarantine(error)
    assert broker.exists is not is_damaged


@pytest.mark.parametrize("kind, is_damaged", [(sqlite3.DatabaseError, True), (sqlite3.OperationalError, False)])
def test_an_error_that_quotes_what_is_no_unicode_has_no_text_in_python_3_10(
    broker: ContainerBroker, kind: type[sqlite3.DatabaseError], is_damaged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DatabaseQuarantined) if is_damaged else nullcontext():
        broker.possibly_quarantine(kind())
    assert broker.exists is not is_damaged
    assert ("no Unicode" in caplog.text) is is_damaged
