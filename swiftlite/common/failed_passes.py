"""FailedPasses: tells the recon cache that a daemon's passes fail, until one does not (extensions.md)."""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from typing import Any

from swiftlite.common import recon
from swiftlite.common.config import StartError

KEY = "failed_passes"
KINDS = ("object", "container", "account")
"""Of the daemons that have a recon cache."""
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
        self._tell(told)

    def done(self) -> None:
        """One has not, so those before it do not matter any more."""
        if self._known():
            self._tell({})

    # What is wrong here may be what the passes failed of: whoever tells of that does not end of it, too.

    def _known(self) -> dict[str, Any]:
        found: object = None
        with suppress(Exception):  # who writes it says so
            found = recon.load(os.path.join(self.directory, self.cache)).get(KEY) if self.directory else None
        known = found.get(self.name) if isinstance(found, dict) else None
        return known if isinstance(known, dict) else {}

    def _tell(self, told: dict[str, Any]) -> None:
        try:
            if self.directory:
                recon.dump(self.directory, self.cache, {KEY: {self.name: told}}, self.logger)
        except Exception as error:
            self.logger.error("cannot write statistics to %s: %s", os.path.join(self.directory, self.cache), error)


def _described(error: Exception) -> str:
    """An error on one line that is not too long; what operators are told needs no name of a class."""
    text = " ".join(str(error).split())
    told = text if isinstance(error, (OSError, StartError)) and text else f"{type(error).__name__}: {text}"
    return told[:MOST]
