"""Options of the database replicators: what they take, and what they refuse with a reason."""

from __future__ import annotations

import pytest

from swiftlite.common.config import ConfigError, read_options
from swiftlite.db.replicator import ReplicatorOptions


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("handoff_delete", "auto", 0),
        ("handoff_delete", "2", 2),
        ("rsync_module", "{replication_ip}::x_{device}", "{replication_ip}::x_{device}"),
        ("sync_method", "rsync", "rsync"),
        ("only_devices", "sda, sdb", ("sda", "sdb")),
        ("reclaim_age", "5", 5.0),
    ],
)
def test_texts_are_read(name: str, text: str, value: object) -> None:
    assert getattr(read_options(ReplicatorOptions, {name: text}, "x.conf", "container-replicator"), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [("handoff_delete", "some"), ("rsync_module", "{nothing}"), ("sync_method", "ssync"), ("per_diff", "many")],
)
def test_what_cannot_be_meant_is_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_options(ReplicatorOptions, {name: text}, "x.conf", "container-replicator")
    assert name in str(refused.value)
