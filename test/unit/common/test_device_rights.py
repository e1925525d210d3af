"""Which directories of a device a server may not write to."""

from __future__ import annotations

import os

from fakes.accounts import as_nobody, public_directory
from swiftlite.common.device_rights import LOOKED_AT, closed_directory, is_closed, is_open
from swiftlite.common.permissions import Account

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
