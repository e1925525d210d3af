"""Recon caches: what is merged into what, and that no writer loses another's values."""

from __future__ import annotations

import fcntl
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from swiftlite.common import recon

LOGGER = logging.getLogger("test.recon")


@pytest.mark.parametrize(
    "before, changes, after",
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": None}, {"a": None}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}}, {"a": {"x": 1, "y": 3}}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": {}}}, {"a": {"x": 1}}),
        ({"a": {"x": 1}, "b": 1}, {"a": {}}, {"b": 1}),
        ({"a": 1}, {"a": {"x": 1}}, {"a": {"x": 1}}),
        ({}, {"a": {}}, {}),
        ({"a": {"d1": {"old": 1}}}, {"a": {"d1": {"new": 2}}}, {"a": {"d1": {"new": 2}}}),
    ],
)
def test_merging(before: dict[str, object], changes: dict[str, object], after: dict[str, object]) -> None:
    kept = json.dumps(before)
    assert recon.merge(before, changes) == after
    assert json.dumps(before) == kept


def test_a_cache_is_one_line_with_sorted_keys(tmp_path: Path) -> None:
    recon.dump(str(tmp_path / "new/directory"), "object.recon", {"b": 1.5, "a": {"é": None}}, LOGGER)
    path = tmp_path / "new/directory/object.recon"
    assert path.read_text() == '{"a": {"\\u00e9": null}, "b": 1.5}\n'
    recon.dump(str(path.parent), "object.recon", {"b": 2}, LOGGER)
    assert recon.load(str(path)) == {"a": {"é": None}, "b": 2}
    assert [entry.name for entry in path.parent.iterdir()] == ["object.recon"]


@pytest.mark.parametrize("text", ["", "{", "[]\n", '"x"\n'])
def test_what_is_no_cache_is_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / "object.recon").write_text(text)
    recon.dump(str(tmp_path), "object.recon", {"a": 1}, LOGGER)
    assert recon.load(str(tmp_path / "object.recon")) == {"a": 1}


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    program = (
        "import logging, sys\nfrom swiftlite.common import recon\nrecon.LOCK_TIMEOUT = 60.0\n"
        "for n in range(30):\n recon.dump(sys.argv[1], 'object.recon', {sys.argv[2] + str(n): n}, logging.getLogger())"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path), name]) for name in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(recon.load(str(tmp_path / "object.recon"))) == 90


def test_who_cannot_write_says_so_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    recon.dump(str(tmp_path / "file"), "object.recon", {"a": 1}, LOGGER)
    assert "object.recon" in caplog.text
    caplog.clear()
    monkeypatch.setattr(recon, "LOCK_TIMEOUT", 0.0)
    with open(tmp_path / "object.recon", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        recon.dump(str(tmp_path), "object.recon", {"a": 1}, LOGGER)
    assert "another process" in caplog.text
    assert recon.load(str(tmp_path / "object.recon")) == {}
