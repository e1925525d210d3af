"""Passes that fail are told of, until one does not."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import pytest

from fakes.database_servers import SWIFT
from swiftlite.common import forks, recon
from swiftlite.common.config import StartError
from swiftlite.common.daemon import Daemon, DaemonOptions
from swiftlite.common.failed_passes import KEY, FailedPasses
from swiftlite.obj.audit_options import AuditorOptions
from swiftlite.obj.auditor import ObjectAuditor
from swiftlite.obj.replicator import ObjectReplicator, ReplicatorOptions

LOG = logging.getLogger("test-failed-passes")


def cache(directory: Path, name: str = "object.recon") -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = recon.load(str(directory / name)).get(KEY, {})
    return found


def test_they_are_counted_from_the_first(tmp_path: Path) -> None:
    recon.dump(str(tmp_path), "object.recon", {"async_pending": 5}, LOG)
    FailedPasses(str(tmp_path), "object-updater", LOG).failed(StartError("no ring\nhere"))
    first = cache(tmp_path)["object-updater"]
    assert (first["count"], first["problem"], first["since"]) == (1, "no ring here", first["last"])
    # It was started anew meanwhile.
    FailedPasses(str(tmp_path), "object-updater", LOG).failed(KeyError("x"))
    FailedPasses(str(tmp_path), "object-auditor", LOG, "ZBF").failed(OSError(5, "Input/output error", "/d"))
    told = cache(tmp_path)
    assert told["object-updater"] | {"last": 0.0} == first | {"count": 2, "last": 0.0, "problem": "KeyError: 'x'"}
    assert told["object-auditor ZBF"]["problem"] == "[Errno 5] Input/output error: '/d'"
    FailedPasses(str(tmp_path), "object-updater", LOG).done()
    assert set(cache(tmp_path)) == {"object-auditor ZBF"}
    assert recon.load(str(tmp_path / "object.recon"))["async_pending"] == 5


def test_who_starts_forgets_the_parts_that_it_has_no_more(tmp_path: Path) -> None:
    for name in ("object-replicator", "object-replicator-x", "object-updater"):
        FailedPasses(str(tmp_path), name, LOG).failed(OSError("x"))
    for part in ("0", "1", "2"):
        FailedPasses(str(tmp_path), "object-replicator", LOG, part).failed(OSError("x"))
    FailedPasses.forget_others(str(tmp_path), "object-replicator", LOG, ("0", "1"))
    others = {"object-replicator-x", "object-updater"}
    assert set(cache(tmp_path)) == {"object-replicator 0", "object-replicator 1", *others}
    FailedPasses.forget_others(str(tmp_path), "object-replicator", LOG)
    assert set(cache(tmp_path)) == others
    recon.dump(str(tmp_path), "object.recon", {KEY: {}}, LOG)
    for nonsense in ("text", {"object-updater x": 5}):
        recon.dump(str(tmp_path), "object.recon", {KEY: nonsense}, LOG)
        FailedPasses.forget_others(str(tmp_path), "object-updater", LOG)
        assert cache(tmp_path) == ("text" if nonsense == "text" else {})
    FailedPasses.forget_others(str(tmp_path / "none"), "object-updater", LOG)
    FailedPasses.forget_others("", "walker", LOG)
    assert [path.name for path in tmp_path.iterdir()] == ["object.recon"]


@pytest.mark.parametrize(
    "cls, options, kept",
    [
        (ObjectReplicator, ReplicatorOptions(replicator_workers=2), {"object-replicator 0", "object-replicator 1"}),
        (ObjectReplicator, ReplicatorOptions(), {"object-replicator"}),
        (ObjectAuditor, AuditorOptions(zero_byte_files_per_second=0), {"object-auditor ALL"}),
    ],
)
def test_daemons_know_their_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cls: Any, options: DaemonOptions, kept: set[str]
) -> None:
    """They are asked when it begins, and before it works."""

    class Begun(BaseException):
        """Of the test."""

    def begin(*_: object) -> None:
        raise Begun

    every = [("object-replicator", part) for part in ("", "0", "1", "2")]
    every += [("object-auditor", part) for part in ("ALL", "ZBF")]
    for program, part in every:
        FailedPasses(str(tmp_path), program, LOG, part).failed(OSError("x"))
    monkeypatch.setattr(forks, "keep", begin)
    monkeypatch.setattr(cls, "run_once", begin)
    options = dataclasses.replace(options, recon_cache_path=str(tmp_path))
    with pytest.raises(Begun):
        cls(options, SWIFT, LOG).run_forever()
    assert {name for name in cache(tmp_path) if name.startswith(cls.section)} == kept


def test_who_has_no_cache_tells_nothing(tmp_path: Path) -> None:
    FailedPasses(str(tmp_path), "walker", LOG).failed(OSError("x"))
    FailedPasses(str(tmp_path), "account-reaper", LOG).done()
    assert list(tmp_path.iterdir()) == []


def test_what_another_has_written_there_does_no_harm(tmp_path: Path) -> None:
    for nonsense in ("text", {"object-updater": 5}, {"object-updater": {"count": "x", "since": None}}):
        recon.dump(str(tmp_path), "object.recon", {KEY: nonsense}, LOG)
        FailedPasses(str(tmp_path), "object-updater", LOG).failed(OSError("x"))
        assert cache(tmp_path)["object-updater"]["count"] == 1
        FailedPasses(str(tmp_path), "object-updater", LOG).done()
        recon.dump(str(tmp_path), "object.recon", {KEY: {}}, LOG)


def test_a_cache_that_cannot_be_used_ends_no_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Who may not read a file of the interpreter fails here, too."""

    def broken(*_: object) -> None:
        raise LookupError("unknown encoding")

    monkeypatch.setattr(recon, "dump", broken)
    monkeypatch.setattr(recon, "load", broken)
    told = FailedPasses(str(tmp_path), "object-updater", LOG)
    told.failed(OSError("x"))
    told.done()
    assert "unknown encoding" in caplog.text


def test_a_daemon_tells_of_its_own(tmp_path: Path) -> None:
    class Ended(BaseException):
        """Of the test."""

    class Unlucky(Daemon):
        section = "container-updater"
        passes = 0

        def run_once(self):  # type: ignore[no-untyped-def]
            self.passes += 1
            if self.passes in (1, 2):
                raise FileNotFoundError("no devices")
            told.append(cache(tmp_path, "container.recon"))
            if self.passes == 4:
                raise Ended
            return self.counts

    told: list[dict[str, dict[str, object]]] = []
    options = DaemonOptions(interval=0, recon_cache_path=str(tmp_path))
    with pytest.raises(Ended):
        Unlucky(options, None, LOG).run_forever()  # type: ignore[arg-type]
    assert [[facts["count"] for facts in one.values()] for one in told] == [[2], []]
