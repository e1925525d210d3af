"""AuditStatus: how far an auditor's pass over one device has come, so that an interrupted one goes on (formats.md 1.4)."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator
from time import monotonic

from swiftlite.core.json_text import load_json
from swiftlite.obj import layout

SAVE_INTERVAL = 60.0
"""Seconds between two saves: what is looked at twice after a crash."""


def remaining(listed: Iterable[str], stored: object) -> list[str]:
    """The partitions that are left of a pass.

    :param listed: names in the directory of partitions
    :param stored: what the status file holds, or None; anything that is no status counts as none
    :returns: those of a status in its order, so far as they are still there; without one, all
    """
    there = [name for name in listed if layout.is_partition_number(name)]
    if not is_status(stored):
        return sorted(there, key=int)
    assert isinstance(stored, dict)
    known = set(there)
    return [name for name in dict.fromkeys(stored["partitions"]) if name in known]


def is_status(stored: object) -> bool:
    """Whether it is what an auditor, OpenStack Swift's too, writes: the names of partitions."""
    partitions = stored.get("partitions") if isinstance(stored, dict) else None
    return isinstance(partitions, list) and all(isinstance(name, str) for name in partitions)


class AuditStatus:
    """The status file of one kind of pass over the partitions of one device and policy.

    :param directory: that of the partitions
    :param kind: ``ALL`` or ``ZBF``
    """

    def __init__(self, directory: str, kind: str, logger: logging.Logger) -> None:
        self.directory = directory
        self.path = f"{directory}/auditor_status_{kind}.json"
        self.logger = logger
        self._saved = float("-inf")

    def partitions(self) -> Iterator[str]:
        """The partitions that are left, each saved as such before it is given; at the end, that none is left.

        :raises OSError: when the directory cannot be listed
        """
        left = remaining(os.listdir(self.directory), self._load())
        for place, partition in enumerate(left):
            if monotonic() - self._saved >= SAVE_INTERVAL:
                self._save(left[place:])
            yield partition
        self._save([])

    def clear(self) -> None:
        """Forget it: the next pass begins anew."""
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            pass
        except OSError as error:
            self.logger.warning("cannot remove %s: %s", self.path, error.strerror)

    def _load(self) -> object:
        try:
            with open(self.path, "rb") as file:
                stored = load_json(file.read())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self.logger.warning("%s cannot be read, the pass begins anew: %s", self.path, error)
            return None
        if not is_status(stored):
            self.logger.warning("%s is no auditor's status, the pass begins anew", self.path)
        return stored

    def _save(self, partitions: list[str]) -> None:
        temporary = f"{self.path}.tmp"
        try:
            with open(temporary, "w", encoding="ascii") as file:
                json.dump({"partitions": partitions}, file)
            os.replace(temporary, self.path)
        except OSError as error:
            self.logger.warning("cannot write %s: %s", self.path, error.strerror)
        self._saved = monotonic()
