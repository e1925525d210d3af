"""The pending file: its bytes, what a torn or hostile one gives, and its lock (formats.md 4.6, 11)."""

from __future__ import annotations

import base64
import os
import pickle
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.db import pending

RECORD = ("o", "1402464677.04188", 1, "text/plain", "e", 0, 0, None, None)
BYTES = b":gAIoWAEAAABvcQBYEAAAADE0MDI0NjQ2NzcuMDQxODhxAUsBWAoAAAB0ZXh0L3BsYWlucQJYAQAAAGVxA0sASwBOTnRxBC4="

records = st.lists(st.tuples(st.text(), st.text(), st.integers(), st.none() | st.text()), max_size=4)


def test_bytes_of_a_record() -> None:
    assert pending.encode(RECORD) == BYTES
    assert pending.decode(BYTES) == ([RECORD], [])


@given(records)
def test_records_survive(many: list[tuple]) -> None:
    assert pending.decode(b"".join(map(pending.encode, many))) == (many, [])


@given(records, st.integers(1, 60))
def test_a_torn_record_costs_no_other(many: list[tuple], cut: int) -> None:
    torn = BYTES[: -min(cut, len(BYTES) - 2)]
    content = torn + b"".join(map(pending.encode, many))
    good, bad = pending.decode(content)
    assert good == many
    assert bad == [torn[1:]]


class Exploit:
    def __reduce__(self):
        return os.system, ("touch /nonexistent/owned",)


@pytest.mark.parametrize("data", [pickle.dumps(Exploit(), 2), b"", b"\x80\x02K\x01.", b"garbage"])
def test_what_is_no_tuple_of_plain_data_is_refused(data: bytes) -> None:
    content = b":" + base64.b64encode(data) + BYTES
    good, bad = pending.decode(content)
    assert good == [RECORD]
    assert len(bad) == (1 if data else 0)


def test_records_of_older_versions_are_read() -> None:
    for length in (6, 7, 8, 9):
        content = b":" + base64.b64encode(pickle.dumps(RECORD[:length], 2))
        assert pending.decode(content) == ([RECORD[:length]], [])


def test_append_until_it_is_time_to_merge(tmp_path) -> None:
    path = str(tmp_path / "x.db.pending")
    assert pending.size(path) == 0
    assert pending.read(path) == b""
    while pending.append(path, BYTES * 100):
        pass
    size = pending.size(path)
    assert pending.MERGE_ABOVE < size <= pending.MERGE_ABOVE + len(BYTES) * 100
    assert pending.read(path) == BYTES * (size // len(BYTES))
    pending.clear(path)
    assert pending.append(path, BYTES)


def test_a_full_disk_leaves_no_half_record(tmp_path) -> None:
    # A limit on file size is the nearest thing to a full disk that needs no mount.
    path = str(tmp_path / "x.db.pending")
    program = (
        "import resource, signal, sys; from swiftlite.db import pending\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"assert pending.append({path!r}, {BYTES!r})\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(BYTES) + 10}, resource.RLIM_INFINITY))\n"
        f"try: pending.append({path!r}, {BYTES!r})\n"
        "except OSError as error: print(error.errno)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=os.getcwd())
    assert done.stdout.strip().isdigit()
    assert pending.read(path) == BYTES


def test_the_lock_excludes_others_until_it_is_released(tmp_path) -> None:
    directory = str(tmp_path)
    with pending.directory_lock(directory, 1), pytest.raises(pending.LockTimeout):
        with pending.directory_lock(directory, 0.01):
            pytest.fail("two had the lock")
    with pending.directory_lock(directory, 0):
        assert (tmp_path / ".lock").exists()


def test_the_lock_is_waited_for(tmp_path) -> None:
    directory, order = str(tmp_path), []
    held = threading.Event()
    release = threading.Event()

    def hold() -> None:
        with pending.directory_lock(directory, 1):
            held.set()
            release.wait(60)
            order.append("first")

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    threading.Timer(0.02, release.set).start()
    with pending.directory_lock(directory, 60):
        order.append("second")
    holder.join()
    assert order == ["first", "second"]


def test_no_directory_no_lock(tmp_path) -> None:
    with pytest.raises(FileNotFoundError), pending.directory_lock(str(tmp_path / "gone"), 1):
        pass


def test_a_lock_that_root_makes_belongs_to_whom_the_directory_does(tmp_path, monkeypatch) -> None:
    """A tool that root runs on a database that has no lock yet must not keep its server out."""
    given, real = [], os.stat

    def stat(path, **options):
        found = real(path, **options)
        return os.stat_result((*found[:4], 4711, 4712, *found[6:10])) if str(path) == str(tmp_path) else found

    monkeypatch.setattr(os, "stat", stat)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", lambda _, uid, gid: given.append((uid, gid)))
    with pending.directory_lock(str(tmp_path), 1):
        assert given == [(4711, 4712)]
