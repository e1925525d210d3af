"""Options of the object auditor (formats.md 8.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swiftlite.common.config import ConfFile, at_least, option
from swiftlite.common.daemon import DaemonOptions
from swiftlite.obj.diskfile import DiskFileOptions

LONGEST_RSYNC = 86400.0
"""Seconds after which a temporary file of rsync is litter, where no section says how long the replicator's rsync may run."""
RSYNC_TIMEOUT = 900.0
RSYNC_GRACE = 900.0
"""Seconds that the other side's replicator has to give its rsync up."""


def _parse_sizes(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(part) for part in text.split(",") if part.strip()))


def _parse_timeout(text: str) -> float:
    if text.strip().lower() == "auto":
        return LONGEST_RSYNC
    try:
        return float(text)
    except ValueError:
        raise ValueError("it must be a number, or auto") from None


@dataclass(frozen=True)
class AuditorOptions(DaemonOptions):
    """``[object-auditor]`` over ``[DEFAULT]``."""

    not_in_samples: ClassVar[frozenset[str]] = frozenset({"report_interval"})
    """Options of all daemons that have no meaning here: ``log_time`` says when to report."""

    interval: float = option(30.0, "seconds from the end of one pass to the start of the next")
    concurrency: int = option(
        1, "devices that are read at once, each by a process of its own; 1: all by one process", least=1
    )
    files_per_second: float = option(20.0, "objects that one process looks at in a second; 0: no limit", least=None)
    bytes_per_second: float = option(
        10_000_000.0, "bytes of bodies that one process reads in a second; 0: no limit", least=None
    )
    zero_byte_files_per_second: float = option(
        50.0,
        "objects that are looked at in a second by the pass that reads no bodies; 0: there is no such pass",
        least=None,
    )
    log_time: float = option(3600.0, "seconds between reports in the log and to the recon cache")
    disk_chunk_size: int = option(1 << 20, "bytes read from a disk at once", least=1)
    rsync_tempfile_timeout: float = option(
        LONGEST_RSYNC,
        "seconds after which a temporary file of rsync is removed; auto: 900 more than [object-replicator]'s"
        " rsync_timeout, 86400 where there is no such section",
        at_least(0, _parse_timeout),
    )
    reclaim_age: float = option(604800.0, "seconds after which a tombstone is removed; default: [object-replicator]'s")
    object_size_stats: tuple[int, ...] = option((), "sizes; the log tells how many objects are no bigger", _parse_sizes)
    watchers: tuple[str, ...] = option(
        (), "what is shown every object: names of [object-auditor:watcher:NAME] sections; swift#dark_data is one"
    )
    zero_byte_fps: float = option(
        0.0, "make no other pass than the one that reads no bodies, at so many objects a second"
    )
    only_devices: tuple[str, ...] = option((), "devices to work on; empty: all")

    @property
    def disk_file(self) -> DiskFileOptions:
        """Those that concern files."""
        return DiskFileOptions(
            devices=self.devices,
            mount_check=self.mount_check,
            disk_chunk_size=self.disk_chunk_size,
            reclaim_age=self.reclaim_age,
        )


def with_replicator(conf: ConfFile, texts: dict[str, str]) -> dict[str, str]:
    """The auditor's option texts, completed by what the replicator's section of the same file says.

    :raises ValueError: when its rsync_timeout is no number
    """
    completed = dict(texts)
    replicator = conf.section("object-replicator") if conf.has("object-replicator") else None
    if texts.get("rsync_tempfile_timeout", "auto").strip().lower() == "auto":
        allowed = LONGEST_RSYNC
        if replicator is not None:
            allowed = float(replicator.get("rsync_timeout", RSYNC_TIMEOUT)) + RSYNC_GRACE
        completed["rsync_tempfile_timeout"] = str(allowed)
    if replicator and "reclaim_age" in replicator:
        completed.setdefault("reclaim_age", replicator["reclaim_age"])
    return completed
