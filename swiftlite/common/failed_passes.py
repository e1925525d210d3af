"""FailedPasses: tells the recon cache that a daemon's passes fail, until one does not (extensions.md)."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from swiftlite.common import recon
from swiftlite.common.config import StartError

KEY = "failed_passes"
KINDS = ("object", "container", "account")
"""Of the daemons that have a recon cache."""
FORGOTTEN = 24 * 3600.0
"""Seconds after which passes that failed say nothing of a daemon any more.

No daemon waits so long between two passes: it makes none now, since it was switched off for good, or is only run by hand.
"""
MOST = 300
"""Characters of an error that are told."""


class FailedPasses:
    """The passes of a daemon that have failed one after the other.

    :param directory: option ``recon_cache_path``
    :param program: its name, ``object-updater``, say; it decides the cache
    :param part: what of its work is done apart from the rest, and fails alone
    """

    def __init__(self, directory: str, program: str, logger: logging.Logger, part: str = "") -> None:
        kind = program.partition("-")[0]
        self.directory = directory if kind in KINDS else ""
        self.cache = f"{kind}.recon"
        self.name = f"{program} {part}".strip()
        self.logger = logger

    def failed(self, error: Exception) -> None:
        """One more has."""
        known, now = self._known(), time.time()
        count, since = known.get("count"), known.get("since")
        told = {
            "count": count + 1 if isinstance(count, int) else 1,
            "since": since if isinstance(since, (int, float)) else now,
            "last": now,
            "problem": _described(error),
        }
        self._tell({self.name: told})

    def done(self) -> None:
        """One has not, so those before it do not matter any more."""
        if self._known():
            self._tell({self.name: {}})

    @classmethod
    def forget_others(
        cls, directory: str, program: str, logger: logging.Logger, parts: Collection[str] = ("",)
    ) -> None:
        """Drop what a program has told of parts that it has no more, say since it has fewer workers: none ends well again.

        :param parts: those that it has; an empty one: all of its work
        """
        told = cls(directory, program, logger)
        own = {f"{program} {part}".strip() for part in parts}
        gone = [name for name in told._all() if name.partition(" ")[0] == program and name not in own]
        if gone:
            told._tell({name: {} for name in gone})

    # What is wrong here may be what the passes failed of: whoever tells of that does not end of it, too.

    def _known(self) -> dict[str, Any]:
        known = self._all().get(self.name)
        return known if isinstance(known, dict) else {}

    def _all(self) -> dict[str, Any]:
        found: object = None
        with suppress(Exception):  # who writes it says so
            found = recon.load(os.path.join(self.directory, self.cache)).get(KEY) if self.directory else None
        return found if isinstance(found, dict) else {}

    def _tell(self, told: dict[str, dict[str, Any]]) -> None:
        try:
            if self.directory:
                recon.dump(self.directory, self.cache, {KEY: told}, self.logger)
        except Exception as error:
            self.logger.error("cannot write statistics to %s: %s", os.path.join(self.directory, self.cache), error)


def is_forgotten(facts: Mapping[str, Any], now: float) -> bool:
    """Whether what was told of failed passes is of a daemon that makes none any more.

    :param now: seconds since the epoch
    """
    last = facts.get("last")
    return isinstance(last, (int, float)) and now - last > FORGOTTEN


def _described(error: Exception) -> str:
    """An error on one line that is not too long; what operators are told needs no name of a class."""
    text = " ".join(str(error).split())
    told = text if isinstance(error, (OSError, StartError)) and text else f"{type(error).__name__}: {text}"
    return told[:MOST]
