"""Which daemons run, and which were meant to: by processes, systemd's links, and swiftlite-init's pid files."""

from __future__ import annotations

from pathlib import Path

import pytest

from swiftlite.common.manager import INIT, SYSTEMD
from swiftlite.common.running import meant_to_run, running_daemons, running_units

CONF = "/etc/swift/object-server.conf"


def process(proc: Path, pid: int, *arguments: str) -> None:
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "cmdline").write_bytes("\0".join(arguments).encode() + b"\0")


def test_daemons_are_known_by_program_and_conf(tmp_path: Path) -> None:
    process(tmp_path, 1, "/usr/bin/python3", "-I", "/opt/bin/swiftlite-object-updater", CONF)
    process(tmp_path, 2, "/opt/bin/swiftlite-object-auditor", "-v", CONF)
    process(tmp_path, 3, "/opt/bin/swiftlite-object-replicator", CONF, "--once")  # ends by itself
    process(tmp_path, 4, "/opt/bin/swiftlite-object-expirer", "/etc/swift/object-server/2.conf")
    process(tmp_path, 6, "")
    (tmp_path / "7").mkdir()  # it has ended
    (tmp_path / "sys").mkdir()
    assert running_daemons(CONF, str(tmp_path)) == {"object-updater", "object-auditor"}


@pytest.mark.parametrize(
    "conf, link",
    [
        (CONF, "swiftlite-storage.target.wants/swiftlite-object-updater.service"),
        ("/etc/swift/object-server/2.conf", "swiftlite-storage.target.wants/swiftlite-object-updater@2.service"),
    ],
)
def test_systemd_is_meant_to_start_what_is_enabled(tmp_path: Path, conf: str, link: str) -> None:
    manager = {"name": SYSTEMD}
    assert meant_to_run("object-updater", conf, manager, [str(tmp_path)]) is False
    (tmp_path / link).parent.mkdir()
    (tmp_path / link).symlink_to("/nowhere")
    assert meant_to_run("object-updater", conf, manager, [str(tmp_path)]) is True
    assert meant_to_run("object-auditor", conf, manager, [str(tmp_path)]) is False


@pytest.mark.parametrize(
    "conf, file", [(CONF, "object-updater.pid"), ("/etc/swift/object-server/2.conf", "object-updater/2.pid")]
)
def test_what_swiftlite_init_has_not_stopped_is_meant_to_run(tmp_path: Path, conf: str, file: str) -> None:
    manager = {"name": INIT, "run_dir": str(tmp_path)}
    assert meant_to_run("object-updater", conf, manager) is None
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("1\n")
    assert meant_to_run("object-updater", conf, manager) is True


def test_of_what_was_started_by_hand_nobody_can_tell() -> None:
    assert meant_to_run("object-updater", CONF, {}) is None


@pytest.mark.parametrize(
    "own", ["swiftlite-object-server.service", "system-swiftlite.slice/swiftlite-object-server@1.service"]
)
def test_units_do_not_see_each_others_processes_but_their_control_groups(tmp_path: Path, own: str) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "cgroup").write_text(f"1:name=systemd:/x\n0::/system.slice/{own}\n")
    assert running_units(str(tmp_path), str(tmp_path)) is None, "its own group is not to be seen"
    units = {
        own: 1,
        "swiftlite-object-updater.service": 1,
        "swiftlite-object-auditor.service": 0,  # it has ended
        "system-swiftlite.slice/swiftlite-object-updater@2.service": 1,
        "ssh.service": 1,
    }
    for unit, populated in units.items():
        group = tmp_path / "system.slice" / unit
        group.mkdir(parents=True)
        (group / "cgroup.events").write_text(f"populated {populated}\nfrozen 0\n")
    assert running_units(str(tmp_path), str(tmp_path)) == {
        Path(own).name,
        "swiftlite-object-updater.service",
        "swiftlite-object-updater@2.service",
    }
    (tmp_path / "self" / "cgroup").write_text("0::/user.slice/session.scope\n")
    assert running_units(str(tmp_path), str(tmp_path)) is None
