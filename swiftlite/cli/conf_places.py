"""Where a node's conf files are: ``<server>.conf``, ``<server>.conf.d``, or several, ``<server>/1.conf`` (formats.md 8.1)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

SUFFIXES = (".conf", ".conf.d")
SERVERS = (
    "account-server",
    "container-server",
    "object-server",
    "proxy-server",
    "object-expirer",
    "container-reconciler",
)
"""What has confs."""


@dataclass(frozen=True)
class ConfPlace:
    """A conf of a server.

    :ivar server: what it is for: ``object-server``, ``object-expirer``…
    :ivar name: tells several of one server apart: ``1``; empty: the only one
    :ivar number: its place among the server's confs, from 1
    """

    server: str
    name: str
    path: str
    number: int = 1


def find_confs(swift_dir: str, server: str) -> list[ConfPlace]:
    """A server's confs in order: the one of its own name, then those of its directory, numbers by their value."""
    names = [(name, os.path.join(swift_dir, server, entry)) for name, entry in _entries(swift_dir, server)]
    alone = [("", path) for suffix in SUFFIXES if os.path.exists(path := os.path.join(swift_dir, server + suffix))]
    found = alone + sorted(names, key=lambda pair: (not pair[0].isdecimal(), len(pair[0]), pair[0]))
    return [ConfPlace(server, name, path, number) for number, (name, path) in enumerate(found, 1)]


def place_of(path: str) -> tuple[str, ConfPlace]:
    """The directory of confs that a conf is in, and which it is there: what :func:`find_confs` had been asked for.

    :param path: absolute
    """
    directory, entry = os.path.split(os.path.normpath(path))
    name = next((entry.removesuffix(suffix) for suffix in SUFFIXES if entry.endswith(suffix)), entry)
    above, server = os.path.split(directory)
    return (above, ConfPlace(server, name, path)) if server in SERVERS else (directory, ConfPlace(name, "", path))


def _entries(swift_dir: str, server: str) -> Iterator[tuple[str, str]]:
    directory = os.path.join(swift_dir, server)
    for entry in os.listdir(directory) if os.path.isdir(directory) else ():
        for suffix in SUFFIXES:
            if entry.endswith(suffix) and not entry.startswith("."):
                yield entry.removesuffix(suffix), entry
