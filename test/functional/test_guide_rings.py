"""Taking back a ring as the operator's guide says: only what the last rebalance changed, and never to a ring that was none."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from functional.cluster import PROGRAMS
from probe import guide
from swiftlite.ring.builder import RingBuilder

BLOCKS = guide.blocks(guide.GUIDE.read_text())
KINDS = ("account", "container", "object")


def shell(directory: Path, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run commands as on the admin host."""
    environment = {**os.environ, "PATH": f"{directory}/bin:{os.environ['PATH']}", **variables}
    command = ["bash", "-eu", "-o", "pipefail", "-c", script]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=300)


def rings(directory: Path) -> dict[str, bytes]:
    """What is in the builders and rings; a ring that was a dated copy has its name in the file's header."""
    found = {path.name: path.read_bytes() for path in directory.iterdir() if path.suffix in (".gz", ".builder")}
    return {name: gzip.decompress(content) if name.endswith(".gz") else content for name, content in found.items()}


@pytest.fixture(scope="module")
def balanced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The admin host's directory, with rings that were balanced long ago, and nobody to push them to."""
    tmp_path = tmp_path_factory.mktemp("rings") / "admin"
    tmp_path.mkdir()
    (tmp_path / "bin").mkdir()
    for name, line in (
        ("swiftlite-ring-builder", f'exec {sys.executable} {PROGRAMS}/swiftlite-ring-builder "$@"'),
        ("rsync", "exit 0"),
    ):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "nodes").write_text("node1\n")
    made = shell(
        tmp_path,
        BLOCKS["procedure", "admin-host"].text
        + "./rings create 4 3 0; ./rings add r1z1-10.0.0.1:PORT/d1 100 r1z1-10.0.0.1:PORT/d2 100 r1z1-10.0.0.1:PORT/d3 100 "
        "r1z1-10.0.0.1:PORT/d4 100; ./rings rebalance",
    )
    assert made.returncode == 0, made.stderr
    age(tmp_path)
    return tmp_path


@pytest.fixture
def admin(balanced: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(balanced, tmp_path / "admin"))


def age(directory: Path) -> None:
    """Let an hour pass for the dated copies, which are of one second each."""
    for path in [*(directory / "backups").iterdir()]:
        if path.name == "rebalanced":
            path.write_text(f"{int(path.read_text()) - 3600}\n")
        else:
            date, _, name = path.name.partition(".")
            path.rename(path.with_name(f"{int(date) - 3600}.{name}"))


def take_back(directory: Path) -> subprocess.CompletedProcess[str]:
    return shell(directory, BLOCKS["procedure", "take-back-rings"].text)


def test_only_what_the_last_rebalance_changed_is_taken_back_and_again_undoes_it(admin: Path) -> None:
    before = rings(admin)
    changed = shell(admin, "swiftlite-ring-builder object.builder set_weight /d4 0; ./rings rebalance || test $? = 1")
    assert changed.stdout.count("No partition was reassigned") == 2, changed.stdout
    mistake = rings(admin)
    assert {name for name in before if mistake[name] != before[name]} == {"object.builder", "object.ring.gz"}
    age(admin)
    done = take_back(admin)
    assert done.returncode == 0, done.stderr
    back = rings(admin)
    assert {name for name in before if back[name] != before[name]} <= {"object.builder"}, "it rests no more, or again"
    builder = RingBuilder.load(admin / "object.builder")
    assert [device["weight"] for device in builder.present] == [100.0] * 4


def test_more_partitions_are_never_taken_back(admin: Path) -> None:
    """The ring of before would have every object looked for where it is not."""
    for step in ("prepare_increase", "increase", "finish_increase"):
        grown = shell(
            admin,
            f"builder='swiftlite-ring-builder object.builder'; $builder {step}_partition_power; $builder write_ring",
        )
        assert grown.returncode == 0, grown.stderr
    before = rings(admin)
    assert shell(admin, "swiftlite-ring-builder object.builder set_weight /d4 0; ./rings rebalance").returncode == 0
    assert rings(admin) != before
    done = take_back(admin)
    assert done.returncode == 0, done.stderr
    assert rings(admin) == before


def test_an_empty_builder_is_never_put_back(admin: Path) -> None:
    """The first rebalance of a cluster cannot be taken back: before it there was no ring."""
    before = rings(admin)
    assert take_back(admin).returncode != 0
    assert rings(admin) == before


def test_twice_is_as_if_never(admin: Path) -> None:
    assert shell(admin, "./rings set_weight /d4 0; ./rings rebalance").returncode == 0
    mistake = rings(admin)
    age(admin)
    assert take_back(admin).returncode == 0
    assert rings(admin) != mistake
    assert take_back(admin).returncode == 0
    assert rings(admin) == mistake
