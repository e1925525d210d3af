"""Whatever bits have rotted in a ring, an object's metadata or a database: the tool that shows it says so in one line."""

from __future__ import annotations

import logging
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from swiftlite.cli import container_info, get_nodes, object_info
from swiftlite.common.fs import FileSystem
from swiftlite.container.backend import ContainerBroker
from swiftlite.obj import xattrs

ROUNDS = 150
METADATA = {"name": "/a/c/o", "X-Timestamp": "1402464677.04188", "ETag": "e", "X-Object-Meta-\xc3\x96": "gr\xc3\xbcn"}
SIGNS = ("not a usable ring file", "Invalid metadata: ", "Container info failed: ", "Does not appear to be a DB")


def rotten(data: bytes, chance: random.Random, first: int) -> bytes:
    """The same with a few bytes changed, or cut short; most often near its start."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 3, 30))):
        changed[chance.randrange(min(first, len(data)) if chance.random() < 0.7 else len(data))] = chance.randrange(256)
    return bytes(changed[: chance.randrange(len(data))] if chance.random() < 0.1 else changed)


@pytest.fixture
def etc(golden: Path, tmp_path: Path) -> Path:
    directory = tmp_path / "etc"
    directory.mkdir()
    shutil.copy(golden / "swift.conf", directory)
    return directory


Check = Callable[[int], None]


@pytest.fixture
def check(capsysbinary: pytest.CaptureFixture[bytes]) -> Check:
    """See that a tool that ended with a code has said what it should have."""

    def check(code: int) -> None:
        said = capsysbinary.readouterr().err.decode(errors="replace")  # names may hold any bytes
        assert code in (0, 1)
        if code:
            assert any(sign in said.splitlines()[-1] for sign in SIGNS), said

    return check


def test_rings(golden: Path, etc: Path, tmp_path: Path, check: Check) -> None:
    chance = random.Random(1)
    whole, ring = (golden / "rings" / "object.ring.gz").read_bytes(), tmp_path / "object.ring.gz"
    for _ in range(ROUNDS):
        ring.write_bytes(rotten(whole, chance, 100))
        check(get_nodes.main(["-d", str(etc), str(ring), "a/c/o"]))


def test_metadata(etc: Path, tmp_path: Path, check: Check) -> None:
    chance = random.Random(2)
    file = tmp_path / "1402464677.04188.data"
    file.write_bytes(b"body")
    with open(file, "rb") as opened:
        xattrs.write(FileSystem(), opened.fileno(), METADATA)
    whole = os.getxattr(file, xattrs.KEY)
    os.removexattr(file, xattrs.CHECKSUM_KEY)  # as old servers wrote them: without it, damage gets far
    for _ in range(ROUNDS * 2):
        os.setxattr(file, xattrs.KEY, rotten(whole, chance, len(whole)))
        check(object_info.main(["-d", str(etc), str(file)]))


def test_databases(etc: Path, tmp_path: Path, check: Check) -> None:
    chance = random.Random(3)
    directory = tmp_path / "d" / "containers" / "7" / "abc" / ("0" * 29 + "abc")
    broker = ContainerBroker(f"{directory}/{directory.name}.db", "a", "c", logger=logging.getLogger("test"))
    broker.initialize("0000000001.00000")
    broker.update_metadata({"X-Container-Meta-A": ("b", "0000000001.00000")})
    broker.close()
    file = Path(broker.path)
    whole = file.read_bytes()
    for _ in range(ROUNDS):
        file.unlink()  # another inode: no connection is kept to it
        file.write_bytes(rotten(whole, chance, 16384))
        check(container_info.main(["-d", str(etc), "-v", "-s", str(file)]))
        assert file.exists()
