"""swiftlite-container-info and -account-info: what they say, and that they leave a database as it is, however bad."""

import logging
import os
import shutil
import sqlite3

import pytest

from swiftlite.account.backend import AccountBroker
from swiftlite.cli import account_info, container_info, database_info
from swiftlite.cli.database_info import (
    Database,
    database_state,
    is_root_container,
    metadata_lines,
    shard_lines,
    sync_lines,
)
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.names import HashPath
from swiftlite.core.rows import ObjectReport
from swiftlite.core.shard_ranges import ShardRange
from swiftlite.db.pending import Patience, directory_lock

T1, T2 = "0000000001.00000", "0000000002.00000"
LOGGER = logging.getLogger("test")


@pytest.fixture
def etc(golden, tmp_path):
    shutil.copytree(golden / "rings", tmp_path / "etc")
    shutil.copy(golden / "swift.conf", tmp_path / "etc")
    return tmp_path / "etc"


@pytest.fixture
def run(etc, capsys):
    """Run a tool: ``run("container", …)`` returns (exit code, lines of standard output, standard error)."""
    mains = {"container": container_info.main, "account": account_info.main}

    def run(kind, *words):
        capsys.readouterr()
        code = mains[kind](["-d", str(etc), *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out.splitlines(), captured.err

    return run


@pytest.fixture
def container(tmp_path):
    """A container of two objects, one of them still pending."""
    directory = tmp_path / "sdb1" / "containers" / "7" / "abc" / ("0" * 29 + "abc")
    broker = ContainerBroker(f"{directory}/{directory.name}.db", "AUTH_test", "c", logger=LOGGER)
    broker.initialize(T1, 1)
    broker.update_metadata(
        {
            "X-Container-Meta-Mood": ("calm", T1),
            "X-Container-Sysmeta-Note": ("n", T1),
            "X-Container-Read": (".r:*", T1),
        }
    )
    for name in "ab":
        broker.put_object(ObjectReport(name, T2, 7, "text/plain", "etag", 0, 1))
        if name == "a":
            broker.commit_pending()
    broker.close()
    return broker


def test_a_container(run, container):
    code, lines, errors = run("container", container.path)
    assert (code, errors) == (0, "")
    name_hash = HashPath(b"labprefix", b"labsuffix").hex("AUTH_test", "c")
    assert lines[:6] == [
        *["Path: /AUTH_test/c", "  Account: AUTH_test", "  Container: c", "  Deleted: False"],
        *[f"  Container Hash: {name_hash}", "Metadata:"],
    ]
    for line in (
        "  Put Timestamp: 1970-01-01T00:00:01.000000 (0000000001.00000)",
        *("  Object Count: 2", "  Bytes Used: 14", "  Storage Policy: silver (1)"),
        "  Reported Put Timestamp: 1970-01-01T00:00:00.000000 (0)",
        *("  X-Container-Sync-Point1: -1", "  X-Container-Read: .r:*"),
        *("    X-Container-Meta-Mood: calm", "    X-Container-Sysmeta-Note: n"),
        *("  Type: root", "  State: unsharded"),
    ):
        assert line in lines
    assert any("/containers/" in line for line in lines if line.startswith("ssh"))


def test_an_account(run, tmp_path):
    directory = tmp_path / "sdb1" / "accounts" / "7" / "abc" / ("0" * 29 + "abc")
    broker = AccountBroker(f"{directory}/{directory.name}.db", "AUTH_test", logger=LOGGER)
    broker.initialize(T1)
    broker.delete(T2)
    code, lines, _ = run("account", "-s", broker.path)
    assert code == 0
    for line in ("  Deleted: True", "  Container Count: 0", "No user metadata found in db file", "Incoming Syncs:"):
        assert line in lines


def test_prefixes_are_dropped(run, container):
    lines = run("container", "--drop-prefixes", container.path)[1]
    assert {"    Mood: calm", "    Note: n", "  X-Container-Read: .r:*"} <= set(lines)


def test_an_unknown_policy_and_no_ring(run, container, etc):
    (etc / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = x\n")
    (etc / "container.ring.gz").unlink()
    lines = run("container", container.path)[1]
    assert "  Storage Policy: Unknown (1)" in lines
    assert lines[-1] == "  State: unsharded"


def test_what_is_locked_is_shown_as_it_is(run, container, monkeypatch):
    monkeypatch.setattr(database_info, "FRESH_READS", Patience(0.01))
    with directory_lock(container.directory, 1):
        code, lines, errors = run("container", container.path)
    assert (code, errors) == (2, "")
    assert lines[0] == "WARNING: Possibly Stale Data"
    assert "  Object Count: 1" in lines


def _scribble(path):
    with open(path, "r+b") as file:
        file.seek(100)
        file.write(b"?" * 8000)


def _empty(path):
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER IF EXISTS container_info_update")
    connection.execute("DELETE FROM container_info")
    connection.commit()
    connection.close()


def _bad_metadata(path):
    connection = sqlite3.connect(path)
    connection.execute("UPDATE container_info SET metadata = '{'")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    "damage, said",
    [
        (lambda path: shutil.copy("/dev/null", path), "Does not appear to be a DB of type"),
        (lambda path: os.truncate(path, 5000), "Container info failed: database disk image is malformed"),
        (_scribble, "Container info failed: "),
        (_empty, "Container info failed: file is not a database: no row in container_stat"),
        (_bad_metadata, "Container info failed: "),
        (os.unlink, "DB file doesn't exist"),
    ],
)
def test_a_damaged_database_gets_one_line_and_stays(run, container, damage, said):
    damage(container.path)
    was_there = os.path.exists(container.path)
    code, lines, errors = run("container", container.path)
    assert (code, lines) == (1, [])
    assert errors.startswith(said) and errors.count("\n") == 1
    assert os.path.exists(container.path) == was_there
    assert os.path.isdir(container.directory)


def test_a_database_of_the_other_kind(run, container):
    code, _, errors = run("account", container.path)
    assert (code, errors) == (1, f'Does not appear to be a DB of type "account": {container.path}\n')


# --- lines ---


def shard(number, state=40, **changes):
    made = ShardRange(f".s/c{number}", T1, "a", "b", 5, 50, T2, 0, state, T1, None)
    return made._replace(**changes)


def test_how_far_a_container_is_sharded():
    own = shard(0, 60, epoch=T2)
    for files, range_, others, state in (
        (["h.db"], None, [], "unsharded"),
        (["h.db"], own, [shard(1)], "unsharded"),
        (["h.db", f"h_{T2}.db"], own, [shard(1)], "sharding"),
        ([f"h_{T2}.db"], own, [shard(1)], "sharded"),
        ([f"h_{T2}.db"], own, [], "collapsed"),
        ([f"h_{T1}.db"], own, [shard(1)], "unsharded"),
        ([], None, [], "unsharded"),
    ):
        assert database_state(files, range_, others) == state


def test_what_is_a_root():
    quoted, plain = database_info.QUOTED_ROOT, database_info.ROOT
    for metadata, own, is_root in (
        ({}, None, True),
        ({}, shard(0), True),
        ({}, shard(0, deleted=1), False),
        ({plain: ("a/c", T1)}, None, True),
        ({quoted: ("a/%63", T1)}, None, True),
        ({quoted: ("a/other", T1), plain: ("a/c", T1)}, None, False),
        ({quoted: ("", T1)}, None, True),
    ):
        assert is_root_container("a/c", metadata, own) == is_root


def test_shard_ranges_are_counted_and_shown():
    found = Database("container", {}, {}, False, False, [shard(1), shard(2, 30), shard(3), shard(4, 99)], "sharded")
    lines = list(shard_lines(found, verbose=False))
    assert lines == [
        *["Sharding Metadata:", "  Type: shard", "  State: sharded", "Shard Ranges (4):", "  States:"],
        *["      cleaved: 1", "       active: 2", "      unknown: 1"],
        "(Use -v/--verbose to show more Shard Ranges details)",
    ]
    assert list(shard_lines(found, verbose=True))[8:13] == [
        *["  Name: .s/c1", "    lower: 'a', upper: 'b'"],
        "    Object Count: 5, Bytes Used: 50, State: active (40)",
        "    Created at: 1970-01-01T00:00:01.000000 (0000000001.00000)",
        "    Meta Timestamp: 1970-01-01T00:00:02.000000 (0000000002.00000)",
    ]


def test_sync_points_stand_in_columns():
    syncs = [{"sync_point": 123456789012, "remote_id": "x", "updated_at": T1}]
    assert list(sync_lines("Outgoing", syncs)) == [
        "Outgoing Syncs:",
        "  Sync Point  \tRemote ID\tUpdated At",
        "  123456789012\tx        \t1970-01-01T00:00:01.000000 (0000000001.00000)",
    ]


def test_metadata_are_shown_kind_by_kind():
    metadata = {"X-Account-Meta-A": ("1", T1), "X-Account-Sysmeta-B": ("2", T1), "X-Other": ("3", T1)}
    assert list(metadata_lines("account", metadata, False)) == [
        *["  X-Other: 3", "  System Metadata:", "    X-Account-Sysmeta-B: 2"],
        *["  User Metadata:", "    X-Account-Meta-A: 1"],
    ]
