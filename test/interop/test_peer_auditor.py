"""Object auditors: both sides' find the same damage, in the same tree, and put it in the same place (formats.md 9, 17)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.ports import free_port
from interop.lab import SIDES, Lab, environment, wait_until
from swiftlite.common.fs import FileSystem
from swiftlite.core.names import HashPath
from swiftlite.obj import xattrs

FS = FileSystem()
HASH_PATH = HashPath(b"pre", b"suf")
NOW = int(time.time()) - 1000
AT_FULL_SPEED = """
[object-auditor]
files_per_second = 0
bytes_per_second = 0
zero_byte_files_per_second = {}
reclaim_age = 4000000000
"""
BIG = bytes(range(256)) * 1000


def flip(path: Path, attribute: str | None = None, place: int = 3) -> None:
    found = bytearray(path.read_bytes() if attribute is None else os.getxattr(path, attribute))
    found[place] ^= 1
    if attribute is None:
        path.write_bytes(found)
    else:
        os.setxattr(path, attribute, bytes(found))


def describe(path: Path, **changes: str | None) -> None:
    """Store other metadata, checksum and all."""
    fd = FS.open_read(str(path))
    metadata = xattrs.read(FS, fd) | {key.replace("_", "-"): value for key, value in changes.items()}
    xattrs.write(FS, fd, {key: value for key, value in metadata.items() if value is not None})
    FS.close(fd)


def replace_directory(path: Path) -> None:
    shutil.rmtree(path.parent)
    path.parent.write_bytes(b"hm")


def misplace(path: Path) -> None:
    path.parent.rename(path.parent.with_name(f"{path.parent.name[:3]}{'0' * 26}{path.parent.name[-3:]}"))


def forget_checksum(path: Path) -> None:
    os.removexattr(path, xattrs.CHECKSUM_KEY)


DAMAGE: dict[str, Callable[[Path], None]] = {
    "flipped": flip,
    "big-flipped": lambda path: flip(path, place=-1),
    "short": lambda path: os.truncate(path, 2),
    "empty": lambda path: os.truncate(path, 0),
    "no-metadata": lambda path: os.removexattr(path, xattrs.KEY),
    "metadata": lambda path: flip(path, xattrs.KEY, 50),
    "checksum": lambda path: flip(path, xattrs.CHECKSUM_KEY),
    "no-length": lambda path: describe(path, Content_Length=None),
    "bad-length": lambda path: describe(path, Content_Length="five"),
    "bad-delete-at": lambda path: describe(path, X_Delete_At="soon"),
    "etag": lambda path: describe(path, ETag="0" * 32),
    "name": lambda path: describe(path, name="/AUTH_t/c/another"),
    "file": replace_directory,
    "place": misplace,
    "meta": lambda path: flip(path, xattrs.KEY, 50),
    "meta-delete-at": lambda path: describe(path, X_Delete_At="soon"),
    "tombstone": lambda path: flip(path, xattrs.KEY, 20),
}
HARMLESS: dict[str, Callable[[Path], None]] = {
    "sound": lambda path: None,
    "big-sound": lambda path: None,
    "posted": lambda path: None,
    "deleted": lambda path: None,
    "old-checksum": forget_checksum,
    "big-fingerprint": lambda path: os.setxattr(path, xattrs.FINGERPRINT_KEY, b"0" * 32),
    "rsync": lambda path: path.with_name(f".{path.name}.abcDEF").write_bytes(b"") and None,
}


def fill(lab: Lab, side: str, devices: Path) -> None:
    """Have one side's object server write a tree, and damage it."""
    server = lab.start(side, "object", devices)
    for name, harm in {**DAMAGE, **HARMLESS}.items():
        name_hash = HASH_PATH.hex("AUTH_t", "c", name)
        partition = int(name_hash[:2], 16)
        path = f"/d1/{partition}/AUTH_t/c/{name}"
        directory = devices / f"d1/objects/{partition}/{name_hash[-3:]}/{name_hash}"
        headers = {"X-Timestamp": f"{NOW}.00000", "Content-Type": "text/plain"}
        body = BIG if name.startswith("big") else b"hello"
        assert server.ask("PUT", path, headers, body).status == 201
        changed = {"X-Timestamp": f"{NOW + 1}.00000"}
        if name.startswith("meta-") or name in ("meta", "posted"):
            assert server.ask("POST", path, {**changed, "X-Object-Meta-Color": "blue"}).status == 202
        if name in ("tombstone", "deleted"):
            assert server.ask("DELETE", path, changed).status == 204
        harm(max(directory.iterdir(), key=lambda file: file.name.split("-")[0]))
    server.stop()


def copy(source: Path, target: Path) -> Path:
    subprocess.run(["cp", "--archive", source, target], check=True)
    return target


def state(devices: Path) -> dict[str, list[str]]:
    """The names that lie in quarantine, and those of all hash directories that do not; without random endings."""
    left = [str(path.relative_to(devices)) for path in devices.glob("*/objects*/*/*/*")]
    moved = [str(path.relative_to(devices)) for path in devices.glob("*/quarantined/*/*")]
    return {"left": sorted(left), "quarantined": sorted(moved)}


def invalidated(devices: Path) -> list[tuple[str, list[str]]]:
    """Which suffixes of which partitions are to be hashed anew."""
    return [
        (str(path.relative_to(devices)), sorted(set(path.read_text().split())))
        for path in sorted(devices.glob("*/objects/*/hashes.invalid"))
    ]


def audit(lab: Lab, side: str, devices: Path, brief: int = 0) -> None:
    """One pass, and besides it the one without bodies where `brief` is its rate."""
    conf = lab.write_conf("object", devices, ("127.0.0.1", free_port()), AT_FULL_SPEED.format(brief))
    lab.run_once(side, "object-auditor", conf)


@pytest.mark.parametrize("writer", SIDES)
def test_both_find_the_same_damage(lab: Lab, writer: str, tmp_path: Path) -> None:
    devices = lab.devices(count=1)
    fill(lab, writer, devices)
    copies = {side: copy(devices, tmp_path / side) for side in SIDES}
    for side in SIDES:
        audit(lab, side, copies[side])
    ours, theirs = (state(copies[side]) for side in SIDES)
    assert ours == theirs
    assert len(ours["quarantined"]) == len(DAMAGE)
    assert len(ours["left"]) == len(HARMLESS)
    assert invalidated(copies["ours"]) == invalidated(copies["theirs"])
    # What one has left, the other finds nothing in.
    for side, other in (SIDES, reversed(SIDES)):
        before = state(copies[side])
        audit(lab, other, copies[side], brief=1000)
        assert state(copies[side]) == before


def interrupt(lab: Lab, side: str, devices: Path, status: Path) -> None:
    """Begin a pass, and end it, with all its processes, as a power cut would once it has said what there is to do."""
    slow = "\n[object-auditor]\nfiles_per_second = 0.01\n"  # it is not at its end when we look
    conf = lab.write_conf("object", devices, ("127.0.0.1", free_port()), slow)
    process = subprocess.Popen(
        [*lab.program(side, "object-auditor"), str(conf), "once" if side == "theirs" else "--once"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(side),
        start_new_session=True,
    )
    try:
        wait_until(lambda: status.exists() and status.stat().st_size, f"{status} is there")  # theirs is empty at first
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize(("first", "second"), [SIDES, tuple(reversed(SIDES))])
def test_one_goes_on_where_the_other_was_interrupted(lab: Lab, first: str, second: str) -> None:
    """Their status files are the same: what came after one was written is for the next pass."""
    devices = lab.devices(count=1)
    server = lab.start("ours", "object", devices)

    def put(name: str) -> str:
        name_hash = HASH_PATH.hex("AUTH_t", "c", name)
        partition = int(name_hash[:2], 16)
        headers = {"X-Timestamp": f"{NOW}.00000", "Content-Type": "text/plain"}
        assert server.ask("PUT", f"/d1/{partition}/AUTH_t/c/{name}", headers, b"hello").status == 201
        return f"{partition}/{name_hash[-3:]}/{name_hash}"

    names = [f"o{number}" for number in range(4)]
    early = [put(name) for name in names]
    status = devices / "d1/objects/auditor_status_ALL.json"
    interrupt(lab, first, devices, status)
    late = put("late")
    assert late.partition("/")[0] not in {place.partition("/")[0] for place in early}
    for place in (early[-1], late):
        flip(devices / f"d1/objects/{place}/{NOW}.00000.data")
    expected = json.loads(status.read_text())["partitions"]
    assert set(expected) >= {place.partition("/")[0] for place in early}
    audit(lab, second, devices)
    assert [path.name for path in devices.glob("d1/quarantined/objects/*")] == [early[-1].rpartition("/")[2]]
    assert not status.exists()
    audit(lab, second, devices)
    assert len(list(devices.glob("d1/quarantined/objects/*"))) == 2


def test_nothing_is_wrong_with_what_openstack_swift_wrote(golden: Path, tmp_path: Path) -> None:
    """Nor does the auditor change any file of it."""
    devices = tmp_path / "devices"
    devices.mkdir()
    command = ["tar", "--xattrs", "--xattrs-include=user.*", "-xJf", golden / "devices.tar.xz", "-C", devices]
    subprocess.run(command, check=True)
    lab = Lab(golden, tmp_path)
    for node in sorted(devices.glob("*/node")):
        before = {path: path.read_bytes() for path in node.rglob("*") if path.is_file()}
        assert any(path.suffix == ".data" for path in before)
        audit(lab, "ours", node, brief=1000)
        assert {path: path.read_bytes() for path in node.rglob("*") if path.is_file()} == before
    told = json.loads((tmp_path / "recon/object.recon").read_text())
    assert told["object_auditor_stats_ALL"]["passes"] > 0
    assert told["object_auditor_stats_ALL"]["errors"] == 0
