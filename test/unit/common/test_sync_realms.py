"""container-sync-realms.conf: read, read again when it has changed, and never shown to who reads the log."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

import pytest

from swiftlite.common.sync_realms import SyncRealms, parse

TEXT = """
[DEFAULT]
mtime_check_interval = 60

[us]
key = one%%two
key2 = three
cluster_East = https://east/v1/
CLUSTER_west = http://west/v1/
other = ignored

[nothing]
"""
SAMPLE = Path(__file__).resolve().parents[3] / "etc/container-sync-realms.conf-sample"
LOGGER = logging.getLogger("test.sync_realms")


class Clock:
    """A clock that goes on when told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_file_is_read_as_openstack_swift_reads_it() -> None:
    realms, interval = parse(TEXT)
    assert interval == 60
    assert list(realms) == ["US", "NOTHING"]
    us = realms["US"]
    assert (us.key, us.key2) == ("one%two", "three")
    assert us.clusters == {"EAST": "https://east/v1/", "WEST": "http://west/v1/"}
    assert (realms["NOTHING"].key, realms["NOTHING"].clusters) == (None, {})


def test_the_sample_shows_a_realm() -> None:
    text = SAMPLE.read_text()
    assert parse(text) == ({}, 300)
    options = re.sub(r"^# (?=\[|\w+ = \S+$)", "", text, flags=re.MULTILINE)
    realms, _ = parse(options)
    assert list(realms) == ["US"]
    assert realms["US"].key
    assert list(realms["US"].clusters) == ["EAST", "WEST"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[us]\nkey secret\n", "line 2"),
        ("key = secret\n", "line 1"),
        ("[us]\nkey = %secret\n", r"\[us\] key: a percent sign"),
        ("[us]\nkey = %(secret)s\n", r"\[us\] key"),
        ("[us]\nkey = secret\nkey = secret\n", r"DuplicateOptionError in \[us\] key"),
        ("[us]\nkey = secret\n[us]\n", r"DuplicateSectionError in \[us\]"),
        ("[DEFAULT]\nmtime_check_interval = secret\n", "mtime_check_interval"),
    ],
)
def test_errors_show_no_secrets(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        parse(text)
    assert "secret" not in str(caught.value)


def test_a_change_is_seen_after_the_interval(tmp_path: Path) -> None:
    path, clock = tmp_path / "container-sync-realms.conf", Clock()
    realms = SyncRealms(str(path), LOGGER, clock)
    assert list(realms) == []
    path.write_text(TEXT)
    assert list(realms) == []
    clock.now += 301
    assert list(realms) == ["US", "NOTHING"]
    path.write_text("[eu]\nkey = x\n")
    os.utime(path, (1, 1))
    clock.now += 59
    assert "US" in realms
    clock.now += 2
    assert list(realms) == ["EU"]
    assert realms["EU"].key == "x"
    assert realms.get("US") is None


def test_a_broken_file_changes_nothing_and_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, clock = tmp_path / "container-sync-realms.conf", Clock()
    path.write_text(TEXT)
    realms = SyncRealms(str(path), LOGGER, clock)
    assert "US" in realms
    path.write_text("[us]\nkey secret\n")
    os.utime(path, (1, 1))
    for _ in range(3):
        clock.now += 61
        assert realms["US"].key == "one%two"
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "secret" not in caplog.text
    path.unlink()
    clock.now += 61
    assert "US" in realms
