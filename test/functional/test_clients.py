"""Clients that people have: the ``swift`` command line, and curl as the Swift API guide shows it."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from functional.cluster import Cluster

GUIDE = Path(__file__).parent / "api_guide"
SWIFT = Path(sys.executable).parent / "swift"
SEGMENT = 1 << 20


@pytest.fixture(scope="module")
def cluster(make_session_cluster: Callable[..., Cluster]) -> Cluster:
    # Segments of the guide's large objects are small.
    return make_session_cluster(settings={"proxy": {"filter:slo": {"min_segment_size": "1"}}})


@pytest.fixture
def swift(cluster: Cluster, tmp_path: Path) -> Callable[..., str]:
    """Runs the swift command in a directory of its own and returns what it prints."""

    def run(*arguments: str, fails: bool = False) -> str:
        account = {"ST_AUTH": cluster.auth_url, "ST_USER": "test:tester", "ST_KEY": "testing"}
        done = subprocess.run(
            [SWIFT, *arguments],
            cwd=tmp_path,
            env={**os.environ, **account},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.returncode != 0) == fails, f"swift {arguments}: {done.stdout} {done.stderr}"
        return done.stdout + (done.stderr if fails else "")

    return run


@pytest.fixture
def big(tmp_path: Path) -> bytes:
    """The content of a file ``big`` of three segments and a bit."""
    content = random.Random(3).randbytes(3 * SEGMENT + 5)
    (tmp_path / "big").write_bytes(content)
    return content


def facts(stat: str) -> dict[str, str]:
    """Return what ``swift stat`` prints, by name."""
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in stat.splitlines())}


def test_files(swift: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "tree/sub").mkdir(parents=True)
    for name in ("tree/one.txt", "tree/sub/two.txt", "tree/sub/ünï çødé.txt"):
        (tmp_path / name).write_text(name)
    swift("post", "files", "-m", "Colour:blue", "-r", ".r:*,.rlistings")
    assert facts(swift("stat", "files"))["Meta Colour"] == "blue"
    uploaded = swift("upload", "files", "tree").splitlines()
    assert sorted(uploaded) == sorted(swift("list", "files").splitlines())
    assert swift("list", "files", "-p", "tree/", "-d", "/").splitlines() == ["tree/one.txt", "tree/sub/"]
    swift("post", "files", "tree/one.txt", "-m", "Mood:fine", "-H", "Content-Type: text/x-new")
    stat = facts(swift("stat", "files", "tree/one.txt"))
    assert (stat["Meta Mood"], stat["Content Type"], stat["Content Length"]) == ("fine", "text/x-new", "12")
    swift("copy", "files", "tree/one.txt", "-d", "/copies/one", "-m", "Taste:sweet")
    stat = facts(swift("stat", "copies", "one"))
    assert (stat["Meta Mood"], stat["Meta Taste"], stat["Content Type"]) == ("fine", "sweet", "text/x-new")
    swift("copy", "--fresh-metadata", "files", "tree/one.txt", "-d", "/copies/fresh")
    assert "Meta Mood" not in facts(swift("stat", "copies", "fresh"))
    swift("download", "files", "-D", "down")
    assert (tmp_path / "down/tree/sub/ünï çødé.txt").read_text() == "tree/sub/ünï çødé.txt"
    assert swift("download", "copies", "one", "-o", "-") == "tree/one.txt"
    swift("delete", "files", "tree/one.txt")
    assert "tree/one.txt" not in swift("list", "files")
    swift("stat", "files", "tree/one.txt", fails=True)
    swift("delete", "files")
    swift("delete", "copies")
    assert "files" not in swift("list").split()


def when(swift: Callable[..., str], container: str, name: str) -> str:
    """Return when an object was last written: a client that skips a file names it all the same."""
    return facts(swift("stat", container, name))["X-Timestamp"]


def test_only_what_changed_is_uploaded(swift: Callable[..., str], tmp_path: Path) -> None:
    for name in ("same", "other"):
        (tmp_path / name).write_text(name)
    swift("upload", "changes", "same", "other")
    same, other = when(swift, "changes", "same"), when(swift, "changes", "other")
    swift("upload", "--changed", "changes", "same", "other")
    assert (when(swift, "changes", "same"), when(swift, "changes", "other")) == (same, other)
    (tmp_path / "other").write_text("changed")
    swift("upload", "--changed", "changes", "same", "other")
    assert when(swift, "changes", "same") == same
    assert swift("download", "changes", "other", "-o", "-") == "changed"
    (tmp_path / "same").touch()
    swift("upload", "--skip-identical", "changes", "same")
    assert when(swift, "changes", "same") == same
    swift("delete", "changes")


@pytest.mark.parametrize("kind", ["slo", "dlo"])
def test_large_objects(swift: Callable[..., str], tmp_path: Path, big: bytes, kind: str) -> None:
    container = f"large-{kind}"
    upload = ("upload", f"--use-{kind}", "--segment-size", str(SEGMENT), container)
    lines = swift(*upload, "big").splitlines()
    assert len(lines) == 5 and lines[-1] == "big"
    assert len(swift("list", f"{container}_segments").splitlines()) == 4
    stat = facts(swift("stat", container, "big"))
    assert stat["Content Length"] == str(len(big))
    assert "Manifest" in stat if kind == "dlo" else stat["X-Static-Large-Object"] == "True"
    swift("download", container, "big", "-o", "down")
    assert (tmp_path / "down").read_bytes() == big
    before = when(swift, container, "big")
    swift(*upload, "--changed", "big")
    swift(*upload, "--skip-identical", "big")
    assert when(swift, container, "big") == before
    (tmp_path / "big").write_bytes(big[::-1])
    os.utime(tmp_path / "big", (1, time.time() + 10))
    swift(*upload, "--changed", "big")
    assert len(swift("list", f"{container}_segments").splitlines()) == 4, "the old segments are gone"
    swift("download", container, "big", "-o", "down")
    assert (tmp_path / "down").read_bytes() == big[::-1]
    if kind == "slo":  # A POST takes X-Object-Manifest away, as all that it does not say again.
        swift("post", container, "big", "-m", "Mood:fine")
        assert facts(swift("stat", container, "big"))["Meta Mood"] == "fine"
    swift("delete", container, "big")
    assert swift("list", f"{container}_segments") == ""


def test_legacy_versions(swift: Callable[..., str], tmp_path: Path) -> None:
    swift("post", "archive")
    swift("post", "stack", "-H", "X-Versions-Location: archive")
    for content in ("first", "second", "third"):
        (tmp_path / "file").write_text(content)
        swift("upload", "stack", "file")
    assert len(swift("list", "archive").splitlines()) == 2
    for content in ("third", "second", "first"):
        assert swift("download", "stack", "file", "-o", "-") == content
        swift("delete", "stack", "file")
    assert swift("list", "stack") == swift("list", "archive") == ""


def test_object_versions(swift: Callable[..., str], tmp_path: Path) -> None:
    swift("post", "versions", "-H", "X-Versions-Enabled: true")
    for content in ("first", "second"):
        (tmp_path / "file").write_text(content)
        swift("upload", "versions", "file")
    swift("delete", "versions", "file")
    assert swift("list", "versions") == ""
    versions = json.loads(swift("list", "--versions", "--json", "versions"))
    assert [(v["is_latest"], v["bytes"]) for v in versions] == [(True, 0), (False, 6), (False, 5)]
    oldest = versions[-1]["version_id"]
    assert swift("download", "versions", "file", "--version-id", oldest, "-o", "-") == "first"
    assert facts(swift("stat", "versions", "file", "--version-id", oldest))["Content Length"] == "5"
    (tmp_path / "file").write_text("third")
    swift("upload", "versions", "file")
    assert swift("download", "versions", "file", "-o", "-") == "third"
    swift("delete", "versions", "file", "--version-id", oldest)
    assert len(json.loads(swift("list", "--versions", "--json", "versions"))) == 3
    swift("delete", "--versions", "versions")
    assert "versions" not in swift("list").split()


@pytest.mark.parametrize("script", sorted(GUIDE.glob("[0-9]*.sh")), ids=lambda script: script.stem)
def test_the_api_guide(cluster: Cluster, tmp_path: Path, script: Path) -> None:
    """Each script is a chapter: it says of every request which status it expects, and fails where another comes."""
    assert shutil.which("curl"), "apt-get install curl"
    settings = {"AUTH_URL": cluster.auth_url, "AUTH_USER": "test:tester", "AUTH_KEY": "testing", "GUIDE": str(GUIDE)}
    done = subprocess.run(
        ["bash", str(script)],
        cwd=tmp_path,
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-3000:]}"
