"""Which directories of a device a server may not write to."""

from __future__ import annotations

import os
import subprocess

import pytest

from fakes.accounts import as_nobody, public_directory
from swiftlite.common.device_rights import (
    LOOKED_AT,
    closed_directory,
    closed_root,
    entering,
    is_closed,
    is_open,
    opening,
    top_of,
)
from swiftlite.common.permissions import Account, owner_and_mode

SWIFT = Account("swift", 4242, "swift", frozenset({4242}))


def test_a_directory_of_a_device_that_is_closed() -> None:
    with public_directory() as device:
        for name in ("objects-1", "tmp", "lost+found", "accounts"):
            (device / name).mkdir(mode=0o755)
        (device / "lost+found").chmod(0o700)
        everything = {str(device), *map(str, device.iterdir())}
        assert closed_directory(str(device)) == ""
        for name in ("", "accounts", "objects-1", "tmp"):
            place = str(device / name) if name else str(device)
            assert closed_directory(str(device), (everything - {place}).__contains__) == place
        assert closed_directory(str(device), (everything - {f"{device}/lost+found"}).__contains__) == ""
        assert closed_directory(str(device), lambda place: is_open(place, SWIFT)) == str(device)
        device.chmod(0o777)
        assert closed_directory(str(device), lambda place: is_open(place, SWIFT)) == f"{device}/accounts"
        (device / "objects-1" / "5").mkdir()
        sound = {str(device), *map(str, device.iterdir())}
        assert closed_directory(str(device), sound.__contains__) == ""
        assert closed_directory(str(device), sound.__contains__, LOOKED_AT) == f"{device}/objects-1/5"
        with as_nobody():
            assert is_closed(str(device)) is (os.getuid() == 0)
    assert is_closed(str(device)), "it is gone"


@pytest.mark.parametrize(
    "place, owner, mode, top, line",
    [
        # A full disk has many inodes, and lost+found stays root's.
        ("/d", "root", 0o755, "", "chown swift: /d"),
        ("/d", "", 0o700, "", "chown swift: /d"),  # nobody has told
        ("/d", "root", 0o500, "", "chown swift: /d && chmod u+rwx /d"),
        ("/d/objects", "root", 0o755, "/d/objects", "chown -R swift: /d/objects"),
        ("/d/objects/7", "root", 0o755, "/d/objects", "chown -R swift: /d/objects"),
        ("/d", "swift", 0o000, "", "chmod u+rwx /d"),
        ("/d/a b", "swift", 0o555, "/d/a b", "chmod u+rwx '/d/a b'"),
        ("/d/objects/7", "swift", 0o000, "/d/objects", "chmod -R u+rwX /d/objects"),
        ("/d", "swift", 0o755, "", "ls -ld /d && findmnt -T /d"),  # neither is the reason
    ],
)
def test_the_remedy_fits_the_cause(place: str, owner: str, mode: int, top: str, line: str) -> None:
    assert opening(place, "swift", owner, mode, top) == line


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives directories away")
@pytest.mark.parametrize("inside", ["", "containers", "containers/77"])
@pytest.mark.parametrize("mode, uid", [(0o000, 65534), (0o755, 0), (0o000, 0)])
def test_the_remedy_opens_it(inside: str, mode: int, uid: int) -> None:
    with public_directory() as device:
        (device / "containers" / "77").mkdir(parents=True)
        for path in (device, device / "containers", device / "containers" / "77"):
            os.chown(path, 65534, 65534)
            path.chmod(0o755)
        os.chown(device / inside, uid, 0)
        (device / inside).chmod(mode)
        with as_nobody():
            closed = closed_directory(str(device), partitions=LOOKED_AT)
        assert closed == str(device / inside)
        (device / "lost+found").mkdir()
        line = opening(closed, "nobody", *owner_and_mode(closed), top_of(str(device), closed))
        subprocess.run(["sh", "-c", line], check=True)
        assert owner_and_mode(str(device / "lost+found"))[0] == "root"
        with as_nobody():
            assert closed_directory(str(device), partitions=LOOKED_AT) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="nothing is closed to who owns it")
def test_what_is_above_the_devices_lets_servers_in() -> None:
    with public_directory() as place:
        root = place / "node" / "srv"
        root.mkdir(parents=True)
        for closed in (root, place / "node"):
            closed.chmod(0o700)
            with as_nobody():
                assert closed_root(str(root)) == str(closed)
            subprocess.run(["sh", "-c", entering(str(closed), f"{root}/")], check=True)
            with as_nobody():
                assert closed_root(str(root)) == ""
        assert (place / "node").stat().st_mode & 0o777 == 0o711, "nobody needs to list it"
        root.chmod(0o711)  # it can be entered, and not listed
        with as_nobody():
            assert closed_root(str(root)) == str(root)
            assert closed_root(str(root / "missing")) == ""
    assert entering("/root", "/root/node").startswith("# leave /root closed")
