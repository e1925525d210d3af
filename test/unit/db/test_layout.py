"""Paths of databases on a device, and which devices may be used (formats.md 1.4, 3.10)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from swiftlite.db import layout

HASH = "277013d51b0186f9d602edcbebdf6668"


def test_the_path_of_a_database() -> None:
    path = layout.database_path("/srv/node/sda", "container", "417", HASH)
    assert path == f"/srv/node/sda/containers/417/668/{HASH}/{HASH}.db"
    assert layout.device_of(path, "container") == "/srv/node/sda"


def test_the_newest_form_of_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / f"{HASH}.db")
    assert layout.newest_file(path) == path
    for name in (f"{HASH}.db", f"{HASH}_1402464677.04188.db", f"{HASH}.db.pending", "x.tmp", ".lock"):
        (tmp_path / name).touch()
    assert layout.newest_file(path) == str(tmp_path / f"{HASH}_1402464677.04188.db")


def test_quarantine_never_overwrites(tmp_path: Path) -> None:
    path = Path(layout.database_path(str(tmp_path / "sda"), "account", "1", HASH))
    targets = set()
    for content in ("first", "second"):
        path.parent.mkdir(parents=True)
        path.write_text(content)
        targets.add(layout.quarantine_directory(str(path), "account"))
        assert not path.parent.exists()
    assert str(tmp_path / f"sda/quarantined/accounts/{HASH}") in targets
    assert {Path(target, f"{HASH}.db").read_text() for target in targets} == {"first", "second"}


def test_walking_finds_databases_and_nothing_else(tmp_path: Path) -> None:
    good = [layout.database_path(str(tmp_path), "container", part, HASH) for part in ("12", "7")]
    for path in good:
        os.makedirs(os.path.dirname(path))
        Path(path).touch()
    epoch = Path(layout.database_path(str(tmp_path), "container", "8", HASH))
    epoch.parent.mkdir(parents=True)
    (epoch.parent / f"{HASH}_1402464677.04188.db").touch()
    for stray in ("containers/tmp/668/x/x.db", f"containers/9/668/{HASH}/{HASH}.db.pending", "containers/12/stray"):
        (tmp_path / stray).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / stray).touch()
    assert sorted(layout.databases(str(tmp_path), "container")) == sorted([*good, str(epoch)])
    assert list(layout.databases(str(tmp_path), "account")) == []


def test_a_directory_that_cannot_be_read_ends_no_walk(tmp_path: Path) -> None:
    for name_hash in ("1" * 32, "3" * 32):
        path = Path(layout.database_path(str(tmp_path), "container", "7", name_hash))
        path.parent.mkdir(parents=True)
        path.touch()
    loop = tmp_path / "containers/7/222"
    loop.symlink_to(loop)
    told: list[OSError] = []
    found = list(layout.databases(str(tmp_path), "container", failed=told.append))
    assert [os.path.basename(path)[0] for path in found] == ["1", "3"]
    assert [error.filename for error in told] == [str(loop)]
    with pytest.raises(OSError, match="symbolic links"):
        list(layout.databases(str(tmp_path), "container"))


@pytest.mark.parametrize("device", ["..", ".", "", "a b", "a%2f", "a/b", "sdz"])
def test_devices_that_cannot_be_used(tmp_path: Path, device: str) -> None:
    assert layout.usable_device(str(tmp_path), device, mount_check=False) is None


def test_a_device_is_a_directory_or_a_mount(tmp_path: Path) -> None:
    (tmp_path / "sda").mkdir()
    assert layout.usable_device(str(tmp_path), "sda", mount_check=False) == str(tmp_path / "sda")
    assert layout.usable_device(str(tmp_path), "sda", mount_check=True) is None
    assert layout.usable_device("/", "proc", mount_check=True) == "//proc"


@pytest.mark.parametrize(
    ("partition", "valid"), [("0", True), ("abc", True), ("..", False), ("", False), ("a\x00", False)]
)
def test_partitions(partition: str, valid: bool) -> None:
    assert layout.is_valid_partition(partition) is valid
