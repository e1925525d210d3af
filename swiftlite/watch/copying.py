"""How files of a cluster are copied from machine to machine in a remedy, so that the daemons there can read them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable

from swiftlite.watch.facts import ClusterView, Server
from swiftlite.watch.findings import builder, chain, shell_on

GROUP = "swift"
"""Of the daemons, where nobody tells it."""


def user_of(view: ClusterView, server: Server) -> str:
    """The account that the daemons of a server's machine run as."""
    return _told(view, server, "user")


def group_of(view: ClusterView, server: Server) -> str:
    """The group that the daemons of a server's machine read their files by."""
    return _told(view, server, "group")


def _told(view: ClusterView, server: Server, name: str) -> str:
    machine = sorted(view.machines.get(server.ip, ()), key=lambda asked: asked.server != server)
    return next(filter(None, (asked.word("facts", name) for asked in machine)), GROUP)


def copy_to(view: ClusterView, server: Server, source: str, target: str) -> str:
    """Put one of our files in its place on a server's machine; rsync replaces it in one step."""
    place = target if server.is_local else f"{_rsync_host(server)}:{target}"
    return shlex.join((*_rsync(view, server), source, place))


def copy_from(view: ClusterView, server: Server, source: str, target: str) -> str:
    """Put a file of a server's machine in its place here."""
    place = source if server.is_local else f"{_rsync_host(server)}:{source}"
    return shlex.join((*_rsync(view, here(view)), place, target))


def from_backup(view: ClusterView, file: str, target: str) -> str:
    """Put a file in its place that only a backup has, wherever that is."""
    return copy_here(view, f"BACKUP/{file}", target)


def copy_here(view: ClusterView, source: str, target: str) -> str:
    """Put a file in its place on this machine."""
    return shlex.join((*_rsync(view, here(view)), source, target))


def here(view: ClusterView) -> Server:
    """A server of this machine, or something that stands for it."""
    return next((asked.server for asked in view.servers if asked.server.is_local), Server("", "", 0, is_local=True))


def _rsync(view: ClusterView, server: Server) -> tuple[str, ...]:
    """The command that makes what it copies readable for the daemons there, as the operator's guide's ./push does."""
    if server.is_local and view.all_in_one:
        return "rsync", "-t"  # all there belongs to whoever runs it
    return "rsync", "-a", f"--chown=root:{group_of(view, server)}", "--chmod=F640"


def _rsync_host(server: Server) -> str:
    return f"[{server.ip}]" if ":" in server.ip else server.ip


def open_to_daemons(view: ClusterView, server: Server, path: str, *more: str) -> str:
    """Let the daemons of a server's machine read a file; `more` follows when that is done."""
    opened = shlex.join(("chgrp", group_of(view, server), path)), shlex.join(("chmod", "640", path))
    return shell_on(server, chain(*opened, *more))


# --- new rings ---


def new_rings(view: ClusterView, names: Iterable[str]) -> str:
    """What follows a change of builders: new rings, which are brought to all nodes.

    Where the operator's guide's ``./push`` is beside the builders, it knows the nodes. The ring builder's 1 is a warning.
    """
    rings = list(dict.fromkeys(names))
    lines = [f"{{ {builder(view, ring, 'rebalance')} || test $? = 1; }}" for ring in rings]
    if view.has_push:
        return " && ".join([*lines, f"cd {shlex.quote(view.swift_dir)}", "./push"])
    for ring in rings:
        file = f"{view.swift_dir}/{ring}.ring.gz"
        lines += [copy_to(view, server, file, path) for server, path in _places(view, ring, file)]
    has_builders = any(ring.builder for ring in view.rings) or view.builders
    return " && ".join(lines) + ("" if has_builders else "  # on the machine that has the builders")


def _places(view: ClusterView, ring: str, ours: str) -> list[tuple[Server, str]]:
    """Where servers have their own copies of a ring of ours, each once."""
    found: dict[tuple[str, str], tuple[Server, str]] = {}
    for asked in view.reached():
        for path in asked.table("ringmd5"):
            is_ours = asked.server.is_local and os.path.normpath(path) == os.path.normpath(ours)
            if os.path.basename(path) == f"{ring}.ring.gz" and not is_ours:
                found.setdefault(("" if asked.server.is_local else asked.server.ip, path), (asked.server, path))
    return list(found.values())
