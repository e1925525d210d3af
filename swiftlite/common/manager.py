"""Who starts a daemon, and so would start it anew: systemd or swiftlite-init; nobody, where it was started by hand."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping

from swiftlite.core.json_text import load_json

MANAGER = "SWIFTLITE_MANAGER"
"""Environment variable by which swiftlite-init says that it has started a daemon, and with which directories."""
SYSTEMD, INIT = "systemd", "swiftlite-init"
_UNIT = re.compile(r"/[^/\n]*swift[^/\n]*\.service$", re.MULTILINE)


def started_by_init(run_dir: str, log_dir: str) -> dict[str, str]:
    """What swiftlite-init adds to the environment of a daemon.

    :param run_dir: directory of its pid file
    :param log_dir: directory of its output
    """
    return {MANAGER: json.dumps({"name": INIT, "run_dir": run_dir, "log_dir": log_dir})}


def manager_of_this(environment: Mapping[str, str] = os.environ, proc: str = "/proc") -> dict[str, str]:
    """Who has started this process: its ``name``, and swiftlite-init's ``run_dir`` and ``log_dir``; empty where nobody knows."""
    told = _told(environment)
    if told:
        return told
    try:
        with open(f"{proc}/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            return {"name": SYSTEMD} if _UNIT.search(file.read()) else {}
    except OSError:
        return {}


def manager_of(pid: int, proc: str = "/proc") -> dict[str, str]:
    """What swiftlite-init has told another process of itself; empty where it has not, or it is another user's."""
    try:
        with open(f"{proc}/{pid}/environ", "rb") as file:
            pairs = (text.partition("=") for text in file.read().decode("utf-8", "surrogateescape").split("\0"))
            return _told({name: value for name, _, value in pairs})
    except OSError:
        return {}


def _told(environment: Mapping[str, str]) -> dict[str, str]:
    try:
        told = load_json(environment.get(MANAGER, "null"))
    except ValueError:
        return {}
    return {name: str(told.get(name, "")) for name in ("name", "run_dir", "log_dir")} if isinstance(told, dict) else {}
