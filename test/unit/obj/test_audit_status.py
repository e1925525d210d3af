"""What is left of an auditor's pass."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.obj.audit_status import AuditStatus, remaining

NAMES = st.lists(
    st.one_of(st.integers(0, 50).map(str), st.sampled_from(["auditor_status_ALL.json", "x", "", "²", "-1"]))
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.sampled_from(["partitions", "x"]), inner)),
)


def test_without_a_status_all_partitions_are_left() -> None:
    assert remaining(["12", "7", "auditor_status_ALL.json", "x", "2"], None) == ["2", "7", "12"]


def test_a_status_names_what_is_left_in_its_order() -> None:
    assert remaining(["12", "7", "2"], {"partitions": ["7", "99", "2", "7"]}) == ["7", "2"]
    assert remaining(["12", "7", "2"], {"partitions": []}) == []


@given(NAMES, NAMES)
def test_nothing_that_is_not_there_is_left_and_nothing_twice(listed: list[str], stored: list[str]) -> None:
    left = remaining(listed, {"partitions": stored})
    assert len(left) == len(set(left))
    assert set(left) == {name for name in set(listed) & set(stored) if name.isascii() and name.isdigit()}


@given(NAMES, ANYTHING)
def test_any_json_will_do(listed: list[str], stored: object) -> None:
    assert set(remaining(listed, stored)) <= set(listed)


def make(directory: Path) -> AuditStatus:
    return AuditStatus(str(directory), "ALL", logging.getLogger("test.audit_status"))


def test_it_is_saved_before_a_partition_is_given_and_no_more_often_than_need_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "auditor_status_ALL.json"
    for name in ("1", "2", "3"):
        (tmp_path / name).mkdir()
    seen = []
    for partition in make(tmp_path).partitions():
        seen.append((partition, json.loads(path.read_text())))
    assert seen == [(name, {"partitions": ["1", "2", "3"]}) for name in ("1", "2", "3")]
    assert json.loads(path.read_text()) == {"partitions": []}
    assert list(make(tmp_path).partitions()) == []
    make(tmp_path).clear()
    make(tmp_path).clear()
    monkeypatch.setattr("swiftlite.obj.audit_status.SAVE_INTERVAL", 0.0)
    walk = make(tmp_path).partitions()
    assert [next(walk), next(walk)] == ["1", "2"]
    walk.close()
    assert list(make(tmp_path).partitions()) == ["2", "3"]
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_file()) == [path.name]


def test_a_status_that_cannot_be_written_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "auditor_status_ALL.json").mkdir()
    assert list(make(tmp_path).partitions()) == ["1"]
    make(tmp_path).clear()
    assert "cannot write" in caplog.text and "cannot remove" in caplog.text
