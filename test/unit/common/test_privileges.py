"""Whether an account can import what a daemon will want as it."""

from __future__ import annotations

import importlib
import os
import site
from pathlib import Path

import pytest

import swiftlite
from swiftlite.common import privileges
from swiftlite.common.config import ConfigError
from swiftlite.common.permissions import Account, this_account
from swiftlite.common.privileges import ClosedLibrary, check_user, closed_library, libraries

SWIFT = Account("swift", 4242, "swift", frozenset({4242}))


def test_what_is_imported_from() -> None:
    directories = libraries()
    assert os.path.dirname(os.__file__) in directories and os.path.dirname(swiftlite.__file__) in directories
    assert any(path.endswith("-packages") for path in directories)
    assert closed_library(this_account(), directories) is None


def test_what_nothing_was_imported_from_need_not_be_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unused, used = tmp_path / "unused", tmp_path / "used"
    used.mkdir()
    (used / "ours_for_this_test.py").touch()
    monkeypatch.setattr(site, "getsitepackages", lambda: [str(unused), str(used)])
    monkeypatch.syspath_prepend(str(used))
    assert not {str(unused), str(used)} & {*libraries()}
    importlib.import_module("ours_for_this_test")
    assert {str(unused), str(used)} & {*libraries()} == {str(used)}


def test_an_archive_that_is_imported_from_need_only_be_read(tmp_path: Path) -> None:
    archive = tmp_path / "app.pyz"
    archive.touch(mode=0o644)
    for place in (*tmp_path.parents[:3], tmp_path):
        place.chmod(place.stat().st_mode | 0o055)
    inside = {f"{archive}/swiftlite": "the package swiftlite"}
    assert closed_library(SWIFT, inside) is None
    archive.chmod(0o600)
    told = closed_library(SWIFT, inside)
    assert told and told[1].path == str(archive)


def test_a_closed_directory_on_any_way_to_it(tmp_path: Path) -> None:
    """The links' as well as the files' own."""
    library, home = tmp_path / "pyenv" / "lib", tmp_path / "home"
    library.mkdir(parents=True)
    home.mkdir(mode=0o700)
    (home / "lib").symlink_to(library)
    reader = Account("swift", 4242, "swift", frozenset({4242, os.getegid()}))  # pytest's directories are its user's
    for place in (*tmp_path.parents[:3], tmp_path):
        place.chmod(place.stat().st_mode | 0o055)
    assert closed_library(reader, {str(library): "Python's library"}) is None
    told = closed_library(reader, {str(home / "lib"): "Python's library"})
    assert told and (told[0], told[1].path) == (f"Python's library {home}/lib", str(home))
    library.chmod(0o711)
    told = closed_library(SWIFT, {str(library): "the package swiftlite"})
    assert told and (told[0], told[1].path) == (f"the package swiftlite {library}", str(library))
    library.chmod(0o744)
    assert closed_library(SWIFT, {str(library): "Python's library"}), "it has to be entered, too"


def test_only_who_becomes_another_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr(privileges, "libraries", lambda: {str(tmp_path): "Python's library"})
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    check_user("nobody", "a.conf")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    check_user("root", "a.conf")
    with pytest.raises(ClosedLibrary, match=r"a.conf \[DEFAULT\] user: Python's library .*/usr/bin/python3 -m venv"):
        check_user("nobody", "a.conf")
    with pytest.raises(ConfigError, match="there is no account 'no-such-user'"):
        check_user("no-such-user", "a.conf")
