"""Lines of shell that repair and restart, typed with programs that do as if."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from swiftlite.watch.facts import ClusterView, Server, SwiftConfFacts
from swiftlite.watch.findings import repair
from swiftlite.watch.starting import restart_line

DEVICE = "/srv/node/a b; true"


@pytest.mark.parametrize(
    ("fsck", "findmnt", "did"),
    [
        (0, 0, ["umount", "findmnt", "fsck", "mount"]),
        (1, 0, ["umount", "findmnt", "fsck", "mount"]),  # it has repaired something
        (4, 0, ["umount", "findmnt", "fsck"]),  # it could not
        (0, 1, ["umount", "findmnt"]),  # fsck without a name would take all of /etc/fstab
    ],
)
def test_a_device_comes_back_when_it_is_well(tmp_path: Path, fsck: int, findmnt: int, did: list[str]) -> None:
    told = {"umount": 0, "findmnt": findmnt, "fsck": fsck, "mount": 0}
    for name, status in told.items():
        program = tmp_path / name
        says = "echo UUID=1234; " if name == "findmnt" and not status else ""
        program.write_text(
            f'#!/bin/sh\nprintf "%s|" {name} "$@" >>{tmp_path}/done\necho >>{tmp_path}/done\n{says}exit {status}\n'
        )
        program.chmod(0o755)
    done = subprocess.run(["sh", "-c", repair(DEVICE)], env={**os.environ, "PATH": f"{tmp_path}:/bin"}, check=False)
    words = [line.split("|")[:-1] for line in (tmp_path / "done").read_text().splitlines()]
    assert [line[0] for line in words] == did
    assert (done.returncode == 0) == (did[-1] == "mount")
    arguments = {
        "umount": [DEVICE],
        "findmnt": ["-nso", "SOURCE", DEVICE],
        "fsck": ["-y", "UUID=1234"],
        "mount": [DEVICE],
    }
    assert words == [[name, *arguments[name]] for name in did]


def test_a_comment_of_a_remedy_stays_one(tmp_path: Path) -> None:
    conf = f"/etc/a\ntouch {tmp_path}/hit #/object-server.conf"
    view = ClusterView(0.0, "/etc/swift", SwiftConfFacts("/etc/swift/swift.conf"))
    line = restart_line(view, Server("object", "10.0.0.1", 6200), "object-server", conf)
    assert line.startswith("systemctl restart swiftlite-object-server  # without systemd: swiftlite-init")
    (tmp_path / "systemctl").symlink_to("/bin/true")
    subprocess.run(["sh", "-c", line], env={**os.environ, "PATH": f"{tmp_path}:/bin"}, check=True)
    assert not (tmp_path / "hit").exists()
