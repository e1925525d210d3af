"""What a store for tests needs on disk: confs, rings and devices in a directory, and ports that are its own."""

from __future__ import annotations

import difflib
import os
import socket
import tempfile
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from swiftlite.cli import layout
from swiftlite.cli.layout import Layout, StorageNode
from swiftlite.ring.format import RingData, dump_v1
from swiftlite.testing.running import LOGGER, StoreError

LOOPBACK = "127.0.0.1"
PART_POWER = 4
HIGHEST_PORT = 65535

SWIFT_CONF = ["swift-hash", "swift-constraints"]
_NUMBERED = ("storage-policy:", "proxy-server:policy:", "object-auditor:watcher:")
"""What sections are called of which there may be any number."""

Settings = Mapping[str, Mapping[str, Mapping[str, str]]]


def choose(wanted: str | Path | None) -> str:
    """A directory whose files can have extended attributes, which objects need.

    :param wanted: the only one that will do; None: where temporary files go, or the next best
    :raises StoreError: when there is none
    """
    places = [str(wanted)] if wanted else [tempfile.gettempdir(), "/var/tmp", "/dev/shm", os.getcwd()]
    if wanted and not os.path.isdir(wanted):
        raise StoreError(f"there is no directory {wanted}")
    for place in places:
        try:
            with tempfile.TemporaryFile(dir=place) as probe:
                os.setxattr(probe.fileno(), "user.swift.metadata", b"probe")
            return place
        except OSError:
            continue
    raise StoreError(
        f"files need extended attributes, and can have none in {', '.join(places)}; give another directory"
    )


def listen(port: int) -> dict[str, socket.socket]:
    """Sockets on loopback for each kind of server, the proxy's at `port` (0: any), whose ports nobody else can take.

    :raises StoreError: when the port is taken, or none
    """
    if not 0 <= port <= HIGHEST_PORT:
        raise StoreError(f"port {port} is none: they end with {HIGHEST_PORT}")
    listeners = {}
    for kind in layout.SERVER_KINDS:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port if kind == "proxy" else 0))
        except OSError as error:
            for bound in (listener, *listeners.values()):
                bound.close()
            raise StoreError(f"cannot listen on port {port}: {error.strerror}") from None
        listeners[kind] = listener
    return listeners


def plan(
    directory: Path,
    listeners: Mapping[str, socket.socket],
    users: Mapping[str, str],
    replicas: int,
    swift_conf: Mapping[str, Mapping[str, str]],
) -> Layout:
    """The layout of a store whose servers have these sockets.

    :raises StoreError: when there would be no replica
    """
    if replicas < 1:
        raise StoreError(f"replicas is {replicas}, and must be at least 1")
    ports = {kind: listener.getsockname()[1] for kind, listener in listeners.items()}
    storage_ports = (ports["object"], ports["container"], ports["account"])
    devices = tuple(f"d{number}" for number in range(1, replicas + 1))
    return Layout(
        directory=directory,
        proxy_ip=LOOPBACK,
        proxy_port=ports["proxy"],
        nodes=(StorageNode(0, LOOPBACK, storage_ports, directory / "devices", devices),),
        users=users,
        workers="0",
        replicas=replicas,
        part_power=PART_POWER,
        swift_conf=swift_conf,
    )


def check_settings(plan: Layout, settings: Settings) -> None:
    """Refuse what a test sets and no server would read: a slip there would let it test something else than it says.

    :raises StoreError: naming each, with what may have been meant
    """
    kinds = (*layout.SERVER_KINDS, "expirer")
    strange = [f"there is no server {kind!r}, only {', '.join(kinds)}" for kind in settings if kind not in kinds]
    for kind, sections in settings.items():
        if kind in kinds:
            conf = plan.etc / (f"{kind}-server.conf" if kind in layout.SERVER_KINDS else "object-expirer.conf")
            strange += _unread(conf, sections)
    strange += _unread(plan.etc / "swift.conf", plan.swift_conf)
    if strange:
        raise StoreError("; ".join(strange))


def _unread(conf: Path, sections: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """What of some sections does nothing."""
    if not sections:
        return
    from swiftlite.common.conf_lines import DEFAULT, read_outline
    from swiftlite.common.option_tables import DAEMONS
    from swiftlite.common.unknown_options import find_unread, pipeline_sections

    outline = read_outline(str(conf))
    read = [DEFAULT, *pipeline_sections(outline), *DAEMONS] if conf.name != "swift.conf" else SWIFT_CONF
    for section in sections:
        if section not in read and not section.startswith(_NUMBERED):
            near = difflib.get_close_matches(section, read, 1)
            yield f"{conf.name} has no [{section}] that anything reads" + (f"; did you mean {near[0]}?" if near else "")
    for unread in find_unread(outline, list(sections)):
        meant = f"; did you mean {unread.nearest}?" if unread.nearest else ""
        yield f"[{unread.assignment.section}] {unread.assignment.name}: {unread.problem}{meant}"


def with_settings(plan: Layout, wanted: Settings, in_process: bool) -> Layout:
    """The layout with a test's settings; in this process it also starts no threads, and its log is no other's."""
    settings = {kind: {name: dict(options) for name, options in wanted.get(kind, {}).items()} for kind in wanted}
    if in_process:
        for kind in layout.SERVER_KINDS:
            settings.setdefault(kind, {}).setdefault("DEFAULT", {}).setdefault("log_name", LOGGER)
        settings["object"].setdefault("app:object-server", {}).setdefault("threads_per_disk", "0")
    return replace(plan, settings=settings)


def lay_out(plan: Layout) -> None:
    """Write confs, rings and devices."""
    layout.write(plan, _write_rings)


def _write_rings(plan: Layout) -> None:
    """Write rings whose replicas lie on one device each: that takes no ring builder, which would cost half of the start."""
    for number, kind in enumerate(layout.STORAGE_KINDS):
        for name in layout.ring_names(plan, kind):
            path = plan.etc / f"{name}.ring.gz"
            path.write_bytes(dump_v1(_ring(plan, number)))


def _ring(plan: Layout, number: int) -> RingData:
    (node,) = plan.nodes
    devices = list(_devices(node, number))
    rows = [array("H", [device] * 2**plan.part_power) for device in range(len(devices))]
    return RingData(devices, 32 - plan.part_power, rows, version=1)


def _devices(node: StorageNode, number: int) -> Iterator[dict[str, object]]:
    port = node.ports[number]
    for place, device in enumerate(node.devices):
        address = {"ip": node.ip, "port": port, "replication_ip": node.ip, "replication_port": port}
        yield {"id": place, "region": 1, "zone": place + 1, "device": device, "weight": 100.0, "meta": "", **address}
