"""Who may read what: modes, owners and groups, and the commands that help."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from swiftlite.common import permissions
from swiftlite.common.config import ConfigError
from swiftlite.common.permissions import ENTER, READ, Account, Closed, closed_to, explain, may, this_account
from swiftlite.common.swift_conf import SwiftConf

SWIFT = Account("swift", 4242, "swift", frozenset({4242}))


@pytest.mark.parametrize(
    "mode, owner, wanted, expected",
    [
        (0o640, (0, 4242), READ, True),
        (0o640, (0, 0), READ, False),
        (0o644, (0, 0), READ, True),
        (0o604, (0, 4242), READ, False),  # the group's own bits decide
        (0o044, (4242, 4242), READ, False),
        (0o750, (0, 0), ENTER, False),
        (0o750, (0, 4242), ENTER, True),
        (0o711, (0, 0), ENTER, True),
    ],
)
def test_the_first_that_fits_decides(mode: int, owner: tuple[int, int], wanted: int, expected: bool) -> None:
    assert may(mode, owner, SWIFT, wanted) is expected
    assert may(mode, owner, Account("root", 0, "root", frozenset({0})), wanted)


def test_what_is_closed_and_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "etc" / "swift.conf"
    path.parent.mkdir()
    path.write_text("")
    reachable = closed_to(str(path.parent), SWIFT)
    if reachable:  # pytest's directories are its user's alone
        assert reachable.is_directory
        assert f"{reachable.path} is " in reachable.problem
        assert reachable.remedy == f"chgrp swift {reachable.path} && chmod 750 {reachable.path}"
    assert closed_to(str(path), this_account()) is None
    assert closed_to(str(tmp_path / "none" / "such"), this_account()) is None
    closed = Closed("/etc/swift/swift.conf", False, "root:root 0640", SWIFT)
    assert closed.problem == "unreadable for swift: it is root:root 0640"
    assert closed.remedy == "chgrp swift /etc/swift/swift.conf && chmod 640 /etc/swift/swift.conf"


VISITOR = Account("ann", 1000, "ann", frozenset({1000}))


@pytest.mark.parametrize(
    "closed, remedy",
    [
        (Closed("/etc/swift", True, "root:root 0750", SWIFT), "chgrp swift /etc/swift && chmod 750 /etc/swift"),
        # Another group keeps what it has.
        (
            Closed("/etc/ssl/private", True, "root:ssl-cert 0710", SWIFT, 0, "ssl-cert"),
            "usermod -a -G ssl-cert swift && chmod g+rx /etc/ssl/private",
        ),
        (
            Closed("/etc/k.pem", False, "root:ssl-cert 0600", SWIFT, 0, "ssl-cert"),
            "usermod -a -G ssl-cert swift && chmod g+r /etc/k.pem",
        ),
        # No home is opened, and nothing of somebody's own.
        (
            Closed("/root", True, "root:root 0700", SWIFT),
            "leave /root closed: move what swift is to read out of it, say to /etc/swift",
        ),
        (
            Closed("/srv/a", True, "ann:ann 0700", SWIFT, 1000, "ann"),
            "leave /srv/a closed: move what swift is to read out of it, say to /etc/swift",
        ),
    ],
)
def test_no_remedy_takes_anything_from_others(closed: Closed, remedy: str) -> None:
    assert closed.remedy == remedy


@pytest.mark.parametrize(
    "owner, remedy",
    [
        ("root:swift 0750", "run it as root, or as a member of group swift: sudo -g swift …"),
        ("root:root 0750", "run it as root"),
        ("nobody:nogroup 0000", "run it as root"),  # neither has a right to it
        ("nobody:nogroup 0700", "run it as root, or as nobody: sudo -u nobody …"),
    ],
)
def test_a_person_is_not_given_what_is_the_daemons(owner: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    user, group = owner.split()[0].split(":")
    closed = Closed(
        "/etc/swift", True, owner, VISITOR, 0 if user == "root" else 65534, "" if group == "root" else group
    )
    monkeypatch.setattr(permissions, "this_account", lambda: VISITOR)
    monkeypatch.setattr(permissions, "closed_to", lambda path, account: closed)
    assert explain("/etc/swift/swift.conf", PermissionError(13, "Permission denied"), "copy it")[1] == remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="the file has to be another's")
def test_the_file_itself_is_closed() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "swift.conf")
        with open(path, "w"):
            os.chmod(path, 0o640)
        inside = closed_to(path, SWIFT)
        assert inside is not None and inside.is_directory and inside.path == directory
        os.chmod(directory, 0o755)
        closed = closed_to(path, SWIFT)
        assert closed == Closed(path, False, "root:root 0640", SWIFT)
        os.chown(path, 0, 4242)
        assert closed_to(path, SWIFT) is None


def test_a_daemon_tells_of_it_in_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As another than root would, who may read it all."""
    path = tmp_path / "swift.conf"
    path.write_text("")
    os.chmod(path, 0o600)
    monkeypatch.setattr(permissions, "this_account", lambda: SWIFT)
    problem, remedy = explain(str(path), PermissionError(13, "Permission denied"), "copy it")
    assert problem.startswith("unreadable for swift: ") and remedy.startswith("chgrp swift /")


def test_other_errors_keep_their_remedy(tmp_path: Path) -> None:
    assert explain(str(tmp_path), FileNotFoundError(2, "No such file"), "make it") == ("No such file", "make it")
    with pytest.raises(ConfigError) as told:
        SwiftConf.load(str(tmp_path))
    assert "copy swift.conf" in told.value.remedy
