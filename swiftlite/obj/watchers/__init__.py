"""Watchers: are shown every sound object that the auditor comes by, and may ask to have one quarantined or deleted.

A watcher is a class that is made with its options (a mapping of texts) and a logger, and has three methods. ``start``
and ``end`` frame a pass, ``see_object`` is called for every object. All take named arguments, as OpenStack Swift's do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import NamedTuple, Protocol

from swiftlite.common.config import ConfFile, StartError
from swiftlite.obj.watchers.dark_data import DarkDataWatcher

QUARANTINE, DELETE = "quarantine", "delete"
GROUP = "swift.object_audit_watcher"
"""Entry points that others' watchers are found by, as OpenStack Swift finds them."""


class Watcher(Protocol):
    """What the auditor asks of a watcher."""

    def start(self, audit_type: str) -> None:
        """A pass begins: ``ALL`` or ``ZBF``."""

    def see_object(self, object_metadata: Mapping[str, str], data_file_path: str) -> str | None:
        """An object, and its .data file; returns QUARANTINE, DELETE or None, and touches nothing itself."""

    def end(self) -> None:
        """The pass is over."""


class Wish(NamedTuple):
    """What a watcher, by its name, wants done with an object."""

    watcher: str
    action: str


MakeWatcher = Callable[[Mapping[str, str], logging.Logger], Watcher]

KNOWN: dict[str, MakeWatcher] = {"swift#dark_data": DarkDataWatcher, "swiftlite#dark_data": DarkDataWatcher}


class Watchers:
    """The watchers of a pass: one that fails is logged, and harms no other.

    :param watchers: by name
    """

    def __init__(self, watchers: Mapping[str, Watcher], logger: logging.Logger) -> None:
        self.watchers = dict(watchers)
        self.logger = logger

    @classmethod
    def load(cls, confs: Mapping[str, Mapping[str, str]], logger: logging.Logger) -> Watchers:
        """Make the watchers of a conf file; one that cannot be made is logged, and left out.

        :param confs: the options of each, by its name; ``use`` says which it is
        """
        made: dict[str, Watcher] = {}
        for name, conf in confs.items():
            try:
                made[name] = _find(conf["use"])(conf, logger)
            except Exception:
                logger.exception("watcher %s: cannot be made", name)
        return cls(made, logger)

    def __bool__(self) -> bool:
        return bool(self.watchers)

    def start(self, audit_type: str) -> None:
        """A pass begins; a watcher that fails now sees nothing of it."""
        for name in [name for name in self.watchers if not self._call(name, "start", audit_type=audit_type)]:
            del self.watchers[name]

    def see_object(self, object_metadata: Mapping[str, str], data_file_path: str) -> Wish | None:
        """Show an object to all; returns what the first wants done that wants anything."""
        for name, watcher in self.watchers.items():
            try:
                action = watcher.see_object(object_metadata=object_metadata, data_file_path=data_file_path)
            except Exception:
                self.logger.exception("watcher %s: failed on %s", name, data_file_path)
                continue
            if action in (QUARANTINE, DELETE):
                return Wish(name, action)
        return None

    def end(self) -> None:
        """The pass is over."""
        for name in self.watchers:
            self._call(name, "end")

    def _call(self, name: str, method: str, **arguments: str) -> bool:
        try:
            getattr(self.watchers[name], method)(**arguments)
            return True
        except Exception:
            self.logger.exception("watcher %s: failed to %s", name, method)
            return False


def read_confs(conf: ConfFile, names: tuple[str, ...], texts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The options of each watcher: the auditor's, and over them those of its section.

    :param names: option ``watchers``
    :param texts: the auditor's section
    :raises StartError: when there is no such watcher
    """
    confs = {}
    for name in names:
        section = f"object-auditor:watcher:{name}"
        confs[name] = {"use": name, **texts, **(conf.section(section) if conf.has(section) else {})}
        try:
            _find(confs[name]["use"])
        except KeyError:
            raise StartError(f"{conf.path} [object-auditor] watchers: there is no watcher {name!r}") from None
    return confs


def _find(use: str) -> MakeWatcher:
    """The class that ``egg:swift#dark_data``, ``swift#dark_data`` or ``dark_data`` stands for.

    :raises KeyError: when there is none
    """
    use = use.strip().removeprefix("egg:")
    package, _, name = use.rpartition("#")
    use = f"{package or 'swift'}#{name}"
    if use in KNOWN:
        return KNOWN[use]
    for point in metadata.entry_points(group=GROUP, name=name):
        if point.dist is not None and point.dist.name == package:
            found: MakeWatcher = point.load()
            return found
    raise KeyError(use)
