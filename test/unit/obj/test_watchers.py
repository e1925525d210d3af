"""Which watcher a conf names, and what a container server's answer says of an object."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.common.config import ConfFile, StartError, read_options
from swiftlite.core.names import EntityName
from swiftlite.core.quorum import Reply
from swiftlite.obj.audit_options import AuditorOptions, with_replicator
from swiftlite.obj.watchers import Watchers, read_confs
from swiftlite.obj.watchers.dark_data import MAX_SHARDS, Answer, DarkDataWatcher, decide, read_answer

LOGGER = logging.getLogger("test.watchers")


def conf(tmp_path: Path, text: str) -> ConfFile:
    path = tmp_path / "object-server.conf"
    path.write_text(text)
    return ConfFile.load(str(path))


def test_a_watcher_s_section_lies_over_the_auditor_s(tmp_path: Path) -> None:
    file = conf(
        tmp_path,
        "[object-auditor]\nwatchers = swift#dark_data, mine\ninterval = 3\n[object-auditor:watcher:mine]\n"
        "use = egg:swift#dark_data\naction = delete\ninterval = 4\n",
    )
    confs = read_confs(file, ("swift#dark_data", "mine"), file.section("object-auditor"))
    assert confs["swift#dark_data"]["use"] == "swift#dark_data"
    assert (confs["mine"]["use"], confs["mine"]["action"], confs["mine"]["interval"]) == (
        *("egg:swift#dark_data", "delete"),
        "4",
    )


@pytest.mark.parametrize("name", ["nothing", "swift#light_data", "nobody#dark_data", ""])
def test_a_watcher_that_there_is_not(tmp_path: Path, name: str) -> None:
    with pytest.raises(StartError, match="there is no watcher"):
        read_confs(conf(tmp_path, ""), (name,), {})


def test_a_watcher_that_cannot_be_made_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    confs = {"swift#dark_data": {"use": "swift#dark_data", "swift_dir": str(tmp_path)}}
    assert not Watchers.load(confs, LOGGER)
    assert "cannot be made" in caplog.text


def reply(body: bytes, status: int = 200, **headers: str) -> Reply:
    return Reply(status, "", {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("answered", "answer"),
    [
        (None, Answer(None)),
        (reply(b"", 404), Answer(None)),
        (reply(b"", 507), Answer(None)),
        (reply(b"nonsense"), Answer(None)),
        (reply(b"7"), Answer(None)),
        (reply(b'["o"]'), Answer(None)),
        (reply(b"", 204), Answer(False)),
        (reply(b"[]"), Answer(False)),
        (reply(b'[{"name": "oo"}]'), Answer(False)),
        (reply(b'[{"name": "o"}]'), Answer(True)),
        (reply(b"[]", X_Backend_Record_Type="shard"), Answer(None)),
        (reply(b'[{"name": ".shards_a/c-1"}]', X_Backend_Record_Type="shard"), Answer(False, ".shards_a/c-1")),
    ],
)
def test_what_a_server_says(answered: Reply | None, answer: Answer) -> None:
    assert read_answer(answered, "o") == answer


@given(st.lists(st.sampled_from([True, False, None])))
def test_only_if_all_can_tell_is_an_object_unknown(said: list[bool | None]) -> None:
    found = decide(Answer(knows) for knows in said)
    assert found == (True if True in said else None if None in said or not said else False)


class Sharded(DarkDataWatcher):
    """Its servers answer from a table."""

    def __init__(self, table: Mapping[tuple[str, str], list[Answer]]) -> None:
        self.table = table
        self.asked: list[str] = []

    def _ask(self, path: str, object_name: str, headers: Mapping[str, str]) -> list[Answer]:
        self.asked.append(path)
        return self.table.get((path, headers["X-Backend-Record-Type"]), [Answer(None)])

    def said(self) -> Iterator[Answer]:
        return self._answers(EntityName("a", "c", "o"), {})


def test_shards_are_followed() -> None:
    pointing = [Answer(False), Answer(False, "s/1"), Answer(False, "s/1")]
    watcher = Sharded({("a/c", "auto"): pointing, ("s/1", "auto"): [Answer(True)]})
    assert decide(watcher.said()) is True
    assert decide(Sharded({("a/c", "auto"): pointing, ("s/1", "auto"): [Answer(False)] * 3}).said()) is False
    assert decide(Sharded({("a/c", "auto"): pointing}).said()) is None, "the shard's servers are away"


def test_a_shard_that_points_back_is_asked_for_its_own_objects() -> None:
    table = {("a/c", "auto"): [Answer(False, "a/c")], ("a/c", "object"): [Answer(True)]}
    assert decide(Sharded(table).said()) is True


def test_shards_are_not_followed_for_ever() -> None:
    watcher = Sharded({})
    watcher._ask = lambda path, *_: watcher.asked.append(path) or [Answer(False, path + "x")]  # type: ignore[method-assign,func-returns-value]
    assert decide(watcher.said()) is None
    assert len(watcher.asked) == MAX_SHARDS


@pytest.mark.parametrize(
    ("text", "timeout", "reclaim_age"),
    [
        ("", 86400, 604800),
        ("[object-replicator]\n", 1800, 604800),
        ("[object-replicator]\nrsync_timeout = 60\nreclaim_age = 5\n", 960, 5),
        ("[object-replicator]\nreclaim_age = 5\n[object-auditor]\nreclaim_age = 6\nrsync_tempfile_timeout = 7\n", 7, 6),
        ("[object-replicator]\n[object-auditor]\nrsync_tempfile_timeout = auto\n", 1800, 604800),
    ],
)
def test_what_the_replicator_s_section_says_counts(
    tmp_path: Path, text: str, timeout: float, reclaim_age: float
) -> None:
    file = conf(tmp_path, text)
    texts = with_replicator(file, file.section("object-auditor"))
    read = read_options(AuditorOptions, texts, file.path, "object-auditor")
    assert (read.rsync_tempfile_timeout, read.reclaim_age) == (timeout, reclaim_age)
