"""Finding out what a machine is like, for node_checks to judge."""

from __future__ import annotations

import ctypes
import errno
import grp
import importlib.metadata
import os
import pwd
import re
import resource
import socket
import struct
import sys
import tempfile
from collections.abc import Iterator

from swiftlite.cli import children, node_checks
from swiftlite.cli.node_answers import Answers
from swiftlite.cli.node_checks import DeviceFacts, Finding
from swiftlite.common.memcached import parse_server

LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1"}
MEMCACHED_TIMEOUT = 2.0
XATTR = "user.swift.metadata"
_TIME_ERROR = 5
_TIMEX_BYTES = 208
_MAXERROR = struct.Struct("@l")
_MAXERROR_AT = 3 * struct.calcsize("@l")


def check(answers: Answers, root: str, account_is_made: bool) -> Iterator[Finding]:
    """Look at everything that a node with these answers needs, and yield what is wrong.

    :param root: directory that stands for the node's ``/``; empty: this machine itself
    :param account_is_made: the account of the daemons will exist once the files are written
    """
    node = answers.node
    yield from node_checks.judge_user(node.user, user_exists(node.user, root), account_is_made)
    for disk in node.disks if answers.has_storage else ():
        facts = device_facts(f"{node.devices}/{disk}", root)
        yield from node_checks.judge_device(facts, node.mount_check, node.user)
    missing = [name for name in node_checks.program_names(answers) if not _is_program(f"{root}{node.bin_dir}/{name}")]
    yield from node_checks.judge_programs(answers, missing, "" if root else os.path.realpath(sys.executable), root)
    if root:
        yield from node_checks.judge_image(root)
    else:
        yield from _check_machine(answers)


def _check_machine(answers: Answers) -> Iterator[Finding]:
    yield from node_checks.judge_clock(*clock())
    for role, ip, port in answers.listens():
        yield from node_checks.judge_port(role, ip, port, port_problem(ip, port))
    yield from node_checks.judge_limits(open_files(), systemd_runs())
    yield from node_checks.judge_packages(missing_packages(bool(answers.node.memcache_servers)))
    for server in answers.node.memcache_servers:
        yield from node_checks.judge_memcached(server, memcached_problem(server))
    yield from node_checks.judge_systemd(answers, systemd_runs())


def systemd_runs() -> bool:
    """Whether this machine was booted by systemd, as sd_booted(3) finds out."""
    return os.path.isdir("/run/systemd/system")


def user_exists(user: str, root: str) -> bool:
    """Whether the node has this account."""
    if not root:
        return _is_known(user)
    return ids(user, root) is not None


def _is_known(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def ids(user: str, root: str) -> tuple[int, int] | None:
    """User and group id of an account of the node below `root`; None if it has none of this name."""
    try:
        with open(f"{root}/etc/passwd", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                name, _, uid, gid, *_ = [*line.split(":"), "", "", ""]
                if name == user and uid.isdecimal() and gid.isdecimal():
                    return int(uid), int(gid)
    except FileNotFoundError:
        pass
    return None


def group_id(group: str, root: str) -> int:
    """The id of a group of the node; 0 if it has none of this name."""
    if not root:
        try:
            return grp.getgrnam(group).gr_gid
        except KeyError:
            return 0
    try:
        with open(f"{root}/etc/group", encoding="utf-8", errors="surrogateescape") as file:
            found = [line.split(":")[2] for line in file if line.startswith(f"{group}:") and line.count(":") > 2]
    except FileNotFoundError:
        return 0
    return int(found[0]) if found and found[0].isdecimal() else 0


def device_facts(path: str, root: str) -> DeviceFacts:
    """Find out about a device; an unreadable one is a fact, too."""
    place = root + path
    try:
        room = os.statvfs(place)
        owner = os.stat(place).st_uid
    except OSError as error:
        return DeviceFacts(path, problem=error.strerror or str(error))
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
        filesystem, options = mount_of(os.path.realpath(place), file.read())
    return DeviceFacts(
        path,
        is_mount=os.path.ismount(place),
        filesystem=filesystem,
        options=options,
        size=room.f_frsize * room.f_blocks,
        free=room.f_frsize * room.f_bavail,
        inodes=room.f_files,
        free_inodes=room.f_favail,
        xattr_problem=_xattr_problem(place),
        owner=_user_name(owner, root),
    )


def mount_of(path: str, mounts: str) -> tuple[str, tuple[str, ...]]:
    """Type and options of the filesystem that a path lies in.

    :param mounts: text of ``/proc/mounts``; of two mounts at one place the later one is seen
    """
    found: tuple[int, str, tuple[str, ...]] = (-1, "", ())
    for line in mounts.splitlines():
        _, point, kind, options, *_ = [*line.split(" "), "", "", "", ""]
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)
        if (path + "/").startswith(point.rstrip("/") + "/") and len(point) >= found[0]:
            found = (len(point), kind, tuple(options.split(",")))
    return found[1], found[2]


def _xattr_problem(place: str) -> str:
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            os.setxattr(file.fileno(), XATTR, b"probe")
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _user_name(uid: int, root: str) -> str:
    try:
        with open(f"{root}/etc/passwd", encoding="utf-8", errors="surrogateescape") as file:
            names = [line.split(":")[0] for line in file if line.split(":")[2:3] == [str(uid)]]
        return names[0] if names else pwd.getpwuid(uid).pw_name
    except (OSError, KeyError):
        return f"user id {uid}"


def clock() -> tuple[bool | None, float]:
    """Whether the kernel's clock is synchronized, by adjtimex(2), and by how many seconds it may be wrong."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # all zero: changes nothing
    state = ctypes.CDLL(None, use_errno=True).adjtimex(timex)
    if state < 0:
        return None, 0.0
    (error,) = _MAXERROR.unpack_from(timex.raw, _MAXERROR_AT)
    return state != _TIME_ERROR, error / 1e6


def port_problem(ip: str, port: int) -> str:
    """The name of the error that listening there ends with, ``SERVES`` where a server of Swift's does; empty for none."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ip, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and children.is_healthy((LOCAL.get(ip, ip), port)):
                return "SERVES"
            return errno.errorcode.get(error.errno or 0, str(error))
    return ""


def open_files() -> int:
    """How many files a process of the node may open, at most."""
    if not systemd_runs():
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        return sys.maxsize if hard == resource.RLIM_INFINITY else hard
    with open("/proc/sys/fs/nr_open", encoding="ascii") as file:
        return int(file.read())


def missing_packages(with_memcache: bool) -> list[str]:
    """The packages that swiftlite needs and this Python lacks."""
    try:
        needed = importlib.metadata.requires("swiftlite") or []
    except importlib.metadata.PackageNotFoundError:
        return ["swiftlite"]
    names = []
    for requirement in needed:
        if "extra ==" not in requirement or (with_memcache and re.search(r"extra == .memcache.", requirement)):
            names.append(re.split(r"[^\w.-]", requirement, maxsplit=1)[0])
    return sorted(name for name in names if not _is_installed(name))


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def memcached_problem(server: str) -> str:
    """Why a memcached does not answer; empty if it does."""
    try:
        with socket.create_connection(parse_server(server), MEMCACHED_TIMEOUT) as connection:
            connection.sendall(b"version\r\n")
            answer = connection.recv(64)
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return "" if answer.startswith(b"VERSION") else "it does not speak the protocol"


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)
