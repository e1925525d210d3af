"""SyncRealms: the file container-sync-realms.conf, read again whenever it has changed (formats.md 7.21)."""

from __future__ import annotations

import configparser
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping

from swiftlite.core.container_sync import Realm

FILE = "container-sync-realms.conf"
"""Its name in the directory of swift.conf."""
DEFAULT_INTERVAL = 300.0
"""Seconds between looks at the file; ``mtime_check_interval`` in its section DEFAULT says another."""


class SyncRealms(Mapping[str, Realm]):
    """Upper-case name -> realm, as the file says that it has now.

    A file that cannot be read changes nothing; what is wrong with it is logged, without its secrets.

    :param path: the file; it need not exist
    :param clock: seconds that go on steadily
    """

    def __init__(self, path: str, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self.logger = logger
        self.clock = clock
        self._realms: dict[str, Realm] = {}
        self._interval = DEFAULT_INTERVAL
        self._look_at = float("-inf")
        self._read_at: int | None = None
        """When the file had been changed that was read last, in nanoseconds."""

    @classmethod
    def of(cls, swift_dir: str, logger: logging.Logger) -> SyncRealms:
        """The realms of the cluster whose conf files are in a directory."""
        return cls(os.path.join(swift_dir, FILE), logger)

    def __getitem__(self, name: str) -> Realm:
        self._refresh()
        return self._realms[name]

    def __iter__(self) -> Iterator[str]:
        self._refresh()
        return iter(list(self._realms))

    def __len__(self) -> int:
        self._refresh()
        return len(self._realms)

    def _refresh(self) -> None:
        now = self.clock()
        if now < self._look_at:
            return
        try:
            changed_at = os.stat(self.path).st_mtime_ns
            if changed_at != self._read_at:
                self._read_at = changed_at
                with open(self.path, encoding="utf-8", errors="surrogateescape") as file:
                    self._realms, self._interval = parse(file.read())
        except FileNotFoundError:
            self.logger.debug("no realms of container sync: there is no %s", self.path)
        except OSError as error:
            self.logger.error("cannot read the realms of container sync: %s", error)
        except ValueError as error:
            self.logger.error("cannot use %s, going on without what it has changed: %s", self.path, error)
        self._look_at = now + self._interval


def parse(text: str) -> tuple[dict[str, Realm], float]:
    """The realms of a file's text, and the seconds between looks at it.

    :raises ValueError: naming line or option, never a value
    """
    parser = configparser.ConfigParser()
    try:
        parser.read_string(text)
    except configparser.ParsingError as error:  # its own text would show lines that may hold keys
        numbers = [number for number, _ in getattr(error, "errors", ())] or [getattr(error, "lineno", 0)]
        lines = ", ".join(map(str, numbers))
        raise ValueError(f"cannot understand line {lines}") from None
    except configparser.Error as error:
        where = f"[{getattr(error, 'section', '')}] {getattr(error, 'option', '')}".rstrip()
        raise ValueError(f"{type(error).__name__} in {where}") from None
    try:
        interval = parser.getfloat("DEFAULT", "mtime_check_interval", fallback=DEFAULT_INTERVAL)
    except (ValueError, configparser.Error):
        raise ValueError("[DEFAULT] mtime_check_interval is not a number of seconds") from None
    return {name.upper(): _realm(parser, name) for name in parser.sections()}, interval


def _realm(parser: configparser.ConfigParser, section: str) -> Realm:
    try:
        options = dict(parser.items(section))
    except configparser.InterpolationError as error:
        raise ValueError(f"[{section}] {error.option}: a percent sign must be written %%") from None
    clusters = {
        name.removeprefix("cluster_").upper(): url for name, url in options.items() if name.startswith("cluster_")
    }
    return Realm(options.get("key") or None, options.get("key2") or None, clusters)
