"""What a conf expects of its node: rings, devices, an account, directories and ports; looked at, and told of."""

from __future__ import annotations

import os
import pwd
import shlex
import stat
from collections.abc import Iterable, Iterator, Mapping

from swiftlite.cli.conf_places import find_confs
from swiftlite.cli.findings import ERROR, WARNING, Report
from swiftlite.cli.launch import check_xattrs
from swiftlite.common import addresses
from swiftlite.common.conf_lines import DEFAULT, Outline, read_outline
from swiftlite.common.config import ConfigError, ServerOptions
from swiftlite.common.device_rights import LOOKED_AT, WRITE, closed_directory, entering, is_open, opening, top_of
from swiftlite.common.option_tables import DAEMONS
from swiftlite.common.permissions import READ, Account, account_of, allows, barrier, closed_to, owner_and_mode
from swiftlite.common.privileges import ClosedLibrary, check_user
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.ring.format import RingData, RingError, load
from swiftlite.ring.own import own_devices, places
from swiftlite.watch.findings import repair

SERVERS = ("proxy-server", "object-server", "container-server", "account-server")
OBJECTS = "object"
"""Stands for the rings of all policies."""
ALL = ("account", "container", OBJECTS)
NEEDED: dict[str, tuple[str, ...]] = {
    "proxy-server": ALL,
    "object-replicator": (OBJECTS,),
    "object-updater": ("container",),
    "object-expirer": ALL,
    "container-replicator": ("container",),
    "container-updater": ("account",),
    "container-sync": ("container",),
    "container-reconciler": ALL,
    "account-replicator": ("account",),
    "account-reaper": ALL,
}
"""The rings that a program cannot do without."""


def check_rings(report: Report, program: str, swift_dir: str, swift: SwiftConf) -> dict[str, RingData]:
    """Read the rings that a program needs, and those that tell which devices are this node's.

    :returns: those of the kind of data that the program keeps, by name
    """
    found = {}
    for name, path in ring_paths(program, swift_dir, swift):
        group = name.partition("-")[0]
        if group not in NEEDED.get(program, ()) and not os.path.exists(path):
            problem = "there is no ring, so nobody can tell which devices are this machine's"
            report.add_elsewhere(WARNING, path, problem, "copy it from the node where rings are built")
        elif (ring := _read_ring(report, path)) and group == program.partition("-")[0]:
            found[name] = ring
    return found


def ring_paths(program: str, swift_dir: str, swift: SwiftConf) -> Iterator[tuple[str, str]]:
    """Name and path of each ring that a program reads."""
    kind = program.partition("-")[0]
    for group in dict.fromkeys((*NEEDED.get(program, ()), *((kind,) if kind in ALL else ()))):
        for name in [policy.ring_name for policy in swift.policies] if group == OBJECTS else [group]:
            yield name, os.path.join(swift_dir, f"{name}.ring.gz")


def check_readable(report: Report, account: pwd.struct_passwd | None, paths: Iterable[str]) -> None:
    """See that the account that the program runs as can read files: root has read them, and will not be there then.

    A directory that is closed is told of once.
    """
    for path in paths if account else ():
        closed = closed_to(path, account_of(account.pw_name)) if account else None
        if closed and not any(found.remedy == closed.remedy for found in report.findings):
            report.add_elsewhere(ERROR, path, closed.problem, closed.remedy)


def _read_ring(report: Report, path: str) -> RingData | None:
    try:
        ring = load(path)
    except RingError as error:
        problem, _, remedy = str(error).removeprefix(f"{path}: ").rpartition("; ")
        report.add_elsewhere(ERROR, path, problem or remedy, remedy if problem else "copy it from another node")
        return None
    if not any(device and device["weight"] > 0 for device in ring.devices):
        remedy = "add devices with swiftlite-ring-builder, rebalance, and copy the ring to all nodes"
        report.add_elsewhere(ERROR, path, "no device of the ring has any weight", remedy)
    builder = path.removesuffix(".ring.gz") + ".builder"
    if os.path.exists(builder) and os.path.getmtime(builder) > os.path.getmtime(path) + 1:
        problem = f"is older than {os.path.basename(builder)}, which has changed since"
        report.add_elsewhere(WARNING, path, problem, f"run: swiftlite-ring-builder {builder} rebalance")
    return ring


def check_devices(
    report: Report,
    kind: str,
    options: ServerOptions,
    rings: Mapping[str, RingData],
    account: pwd.struct_passwd | None,
) -> None:
    """See that the ring's devices of this node are there, are mounted, take writes, and can hold metadata.

    :param account: that the server will run as
    """
    if not os.path.isdir(options.devices):
        report.add(
            ERROR,
            report.section,
            "devices",
            f"there is no directory {options.devices}",
            "make it, and mount devices below",
        )
        return
    server = account_of(account.pw_name) if account else None
    if server and (closed := barrier(options.devices, lambda place, wanted: allows(place, server, wanted))):
        problem = f"{server.name} may not enter it, and the devices are below"
        report.add_elsewhere(ERROR, closed, problem, entering(closed, options.devices).removeprefix("# "))
    ring_ip = report.outline.value(report.section, "ring_ip") or options.bind_ip
    known: set[str] = set()
    for name, ring in rings.items():
        own = own_devices(places(ring.devices), ring_ip, options.bind_port)
        known.update(own)
        if not own:
            problem = f"no device of {name}.ring.gz has an address of this machine with port {options.bind_port}"
            report.add(WARNING, report.section, "bind_port", problem, "correct bind_ip and bind_port, or the ring")
    for device in sorted(known):
        path = os.path.join(options.devices, device)
        if not os.path.isdir(path):
            making = f"mount the device {device} there"
            if not options.mount_check:
                making = _making(path, server)
            report.add_elsewhere(ERROR, path, "is in the ring, but missing", f"{making}, or take it out of the ring")
        elif options.mount_check and not os.path.ismount(path):
            remedy = f"mount {path}, or set mount_check = false where devices are mere directories"
            report.add_elsewhere(ERROR, path, "is not mounted", remedy)
        else:
            _check_writes(report, path, account)
    if kind == "object":
        try:
            check_xattrs(options.devices, report.outline.path)
        except ConfigError as error:
            report.add_error(error)


def _making(path: str, owner: Account | None) -> str:
    """The line of shell, for root, that makes a directory for the account of a program."""
    given = ("-o", owner.name, "-g", owner.group) if owner else ()
    return shlex.join(("install", "-d", *given, path))


def _check_writes(report: Report, path: str, account: pwd.struct_passwd | None) -> None:
    """See that a device takes writes: Linux mounts a damaged filesystem read-only, and a new one belongs to root."""
    try:
        is_read_only = os.statvfs(path).f_flag & os.ST_RDONLY
        server = account_of(account.pw_name) if account else None
        closed = closed_directory(path, lambda place: is_open(place, server), LOOKED_AT) if server else ""
    except OSError as error:
        report.add_elsewhere(ERROR, path, f"nobody can look at it: {error.strerror}", "see dmesg, and replace its disk")
        return
    if is_read_only:
        remedy = f"see dmesg, then: {repair(path)}"
        report.add_elsewhere(ERROR, path, "is mounted read-only", remedy)
    elif closed and server:
        problem = f"{server.name} may not write there, so requests are answered with 507"
        owner, mode = owner_and_mode(closed)
        report.add_elsewhere(ERROR, closed, problem, opening(closed, server.name, owner, mode, top_of(path, closed)))


def check_account(report: Report, user: str, imports: bool = True) -> pwd.struct_passwd | None:
    """See that the account exists that root would become, and can read Python's library.

    :param imports: whether the program becomes it; else it only gives files to it
    :returns: the account that the program will run as; None when there is none
    """
    try:
        if os.geteuid() != 0:
            return pwd.getpwuid(os.geteuid())
        check_user(user, report.outline.path)
    except KeyError:
        return None
    except ClosedLibrary as error:
        if imports:
            report.add(ERROR, report.section, "user", error.problem, error.remedy)
    except ConfigError as error:
        report.add(ERROR, report.section, "user", error.problem, error.remedy)
        return None
    return pwd.getpwnam(user)


def check_writable(report: Report, section: str, option: str, path: str, account: pwd.struct_passwd | None) -> None:
    """See that a directory can be written to, or made, by the account that the program runs as."""
    if not path or account is None:
        return
    place = os.path.abspath(path)
    while not os.path.exists(place) and place != "/":
        place = os.path.dirname(place)
    found = os.stat(place)
    groups = os.getgrouplist(account.pw_name, account.pw_gid)
    if not stat.S_ISDIR(found.st_mode):
        report.add(ERROR, section, option, f"{place} is no directory", "name a directory")
    elif not may_write(found.st_mode, (found.st_uid, found.st_gid), account.pw_uid, groups):
        problem = f"{account.pw_name} may not write to {place}"
        remedy = _making(path, account_of(account.pw_name))
        if place == os.path.abspath(path):
            remedy = opening(place, account.pw_name, *owner_and_mode(place))
        report.add(ERROR, section, option, problem, remedy)
    elif place == os.path.abspath(path):
        _check_caches(report, place, account)


def _check_caches(report: Report, directory: str, account: pwd.struct_passwd) -> None:
    """See that the recon caches that are there already, perhaps since root made a pass, can be changed."""
    writer = account_of(account.pw_name)
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        if name.endswith(".recon") and os.path.isfile(path) and not allows(path, writer, READ | WRITE):
            problem = f"{writer.name} may not write it, so nobody learns of its daemons' passes"
            report.add_elsewhere(ERROR, path, problem, f"chown {writer.name}: {path}")


def may_write(mode: int, owner: tuple[int, int], uid: int, groups: Iterable[int]) -> bool:
    """Whether somebody may make files in a directory.

    :param owner: its user and group
    """
    if uid == 0:
        return True
    shift = 6 if uid == owner[0] else 3 if owner[1] in set(groups) else 0
    return mode >> shift & 0o3 == 0o3


def check_ports(report: Report, swift_dir: str, options: ServerOptions) -> None:
    """See that no other server's conf of this node, and no section of this one, claims the same port."""
    claims = list(_metrics_ports(report.outline))
    for section, ip, port in claims:
        if port == options.bind_port and overlap(ip, options.bind_ip):
            report.add(ERROR, section, "metrics_port", f"port {port} is bind_port already", "choose another")
    for number, (section, ip, port) in enumerate(claims):
        others = [other for other, its_ip, its_port in claims[:number] if its_port == port and overlap(ip, its_ip)]
        if others:
            report.add(ERROR, section, "metrics_port", f"[{others[0]}] has port {port}, too", "choose another")
    for server in SERVERS:
        for place in find_confs(swift_dir, server):
            if os.path.realpath(place.path) == os.path.realpath(report.outline.path):
                continue
            ip, port_text = _listens(place.path)
            if port_text == str(options.bind_port) and overlap(ip, options.bind_ip):
                problem = f"{place.path} has port {port_text}, too"
                report.add(ERROR, DEFAULT, "bind_port", problem, "choose another")


def _metrics_ports(outline: Outline) -> Iterator[tuple[str, str, int]]:
    for section in outline.headers:
        text = outline.value(section, "metrics_port").strip()
        if section in DAEMONS and text.isdecimal() and int(text):
            yield section, outline.value(section, "metrics_ip", "127.0.0.1").strip(), int(text)


def _listens(path: str) -> tuple[str, str]:
    try:
        outline = read_outline(path)
    except ConfigError:
        return "", ""
    return outline.value(DEFAULT, "bind_ip", "0.0.0.0").strip(), outline.value(DEFAULT, "bind_port").strip()


def overlap(ip: str, other: str) -> bool:
    """Whether two servers that listen on these addresses and one port are in each other's way."""
    wild = ("", *addresses.WILDCARDS)
    return ip == other or ip in wild or other in wild
