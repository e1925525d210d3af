"""Judging whether a machine is fit to be a node: each fact about it that is wrong, with its remedy. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from swiftlite.cli.node_answers import Answers
from swiftlite.cli.node_plan import init_options, programs

ERROR, WARNING, NOTE = "error", "warning", "note"
LEVELS = (ERROR, WARNING, NOTE)
GOOD_FILESYSTEMS = ("xfs", "ext4")
LOST_ON_REBOOT = ("tmpfs", "ramfs", "overlay")
UNSAFE_OPTIONS = ("nobarrier", "barrier=0", "data=writeback")
RESERVE = 1.0
"""Percent of a device that object servers leave free (their option ``fallocate_reserve``)."""
NEARLY_FULL = 10.0
LARGEST_CLOCK_ERROR = 1.0
"""Seconds: the newest write wins, so clocks that differ by more can hide one behind an older one."""
FILES_NEEDED = 65536
"""LimitNOFILE of the units."""
HOMES = ("/home/", "/root/", "/run/user/")
"""What ProtectHome of the units hides."""


@dataclass(frozen=True)
class Finding:
    """Something that an operator should know; an error keeps the node from working.

    :ivar about: the thing that it is about, say a device's path
    """

    level: str
    about: str
    problem: str
    remedy: str

    def as_json(self) -> dict[str, str]:
        """For ``--json``."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.level:8} {self.about}: {self.problem}\n{'':8} > {self.remedy}"


@dataclass(frozen=True)
class DeviceFacts:
    """What is known of a device of the node; sizes in bytes.

    :ivar problem: why nothing else could be found out; empty if it could
    :ivar xattr_problem: why it takes no extended attributes; empty if it does
    :ivar owner: whose its top directory is
    """

    path: str
    problem: str = ""
    is_mount: bool = True
    filesystem: str = ""
    options: tuple[str, ...] = ()
    size: int = 0
    free: int = 0
    inodes: int = 0
    free_inodes: int = 0
    xattr_problem: str = ""
    owner: str = ""


def judge_device(facts: DeviceFacts, mount_check: bool, user: str) -> Iterator[Finding]:
    """Yield what is wrong with a device."""
    path = facts.path
    if facts.problem:
        remedy = f"make a filesystem (mkfs.xfs), enter it into /etc/fstab, then: mkdir -p {path} && mount {path}"
        yield Finding(ERROR, path, facts.problem, remedy)
        return
    if not facts.is_mount:
        level, more = (ERROR, "") if mount_check else (NOTE, "; mount_check = false allows it")
        yield Finding(
            level, path, f"nothing is mounted there{more}", f"mount its disk: mount {path}, and see /etc/fstab"
        )
        if mount_check:
            return  # the rest would be said of the system's disk
    if facts.filesystem in LOST_ON_REBOOT:
        yield Finding(WARNING, path, f"{facts.filesystem} does not outlive a reboot", "use XFS or ext4 on a disk")
    elif facts.filesystem not in GOOD_FILESYSTEMS:
        problem = f"{facts.filesystem or 'its filesystem'} is not one that this store is tested on"
        yield Finding(WARNING, path, problem, "use XFS or ext4")
    for option in [option for option in facts.options if option in UNSAFE_OPTIONS]:
        problem = f"is mounted with {option}: a power cut could lose acknowledged writes"
        yield Finding(ERROR, path, problem, f"take {option} out of /etc/fstab: mount -o remount {path}")
    if "ro" in facts.options:
        yield Finding(
            ERROR, path, "is mounted read-only", f"see dmesg for the disk's errors; mount -o remount,rw {path}"
        )
    elif facts.xattr_problem:
        problem = f"takes no extended attributes, where objects' metadata lie: {facts.xattr_problem}"
        yield Finding(ERROR, path, problem, "use XFS, or ext4 mounted with user_xattr")
    if facts.owner != user and "ro" not in facts.options:
        yield Finding(ERROR, path, f"belongs to {facts.owner}, not to {user}", f"chown {user}: {path}")
    yield from _judge_room(facts)


def _judge_room(facts: DeviceFacts) -> Iterator[Finding]:
    # Filesystems that make inodes as they need them (btrfs) tell of none.
    for what, free, total in (("space", facts.free, facts.size), ("inodes", facts.free_inodes, facts.inodes)):
        percent = 100 * free / total if total else 100.0
        if percent < NEARLY_FULL:
            level = ERROR if percent < RESERVE else WARNING
            remedy = "add devices, lower its weight in the rings and rebalance, or remove what is no part of the store"
            yield Finding(level, facts.path, f"only {percent:.1f} % of its {what} are free", remedy)


def judge_clock(is_synchronized: bool | None, error: float) -> Iterator[Finding]:
    """Yield what is wrong with the clock.

    :param is_synchronized: what the kernel says; None: it does not
    :param error: seconds that it may be wrong by, at most
    """
    remedy = "install and start chrony (or systemd-timesyncd); then: timedatectl"
    if is_synchronized is None:
        yield Finding(WARNING, "clock", "the kernel does not tell whether it is synchronized", remedy)
    elif not is_synchronized:
        problem = (
            "is not synchronized: of two writes the one with the later timestamp wins, on whatever node it was made"
        )
        yield Finding(WARNING, "clock", problem, remedy)
    elif error > LARGEST_CLOCK_ERROR:
        yield Finding(WARNING, "clock", f"may be wrong by {error:.1f} s", remedy)


def judge_port(role: str, ip: str, port: int, problem: str) -> Iterator[Finding]:
    """Yield what is wrong with a server's address.

    :param problem: name of the error that listening there has ended with (``EADDRINUSE``…; ``SERVES`` where a
        server like ours does); empty for none
    """
    remedies = {
        "EADDRINUSE": (
            "another process listens there",
            f"see who: ss -ltnp 'sport = :{port}'; stop it, or change [ports]",
        ),
        "EADDRNOTAVAIL": (f"{ip} is no address of this machine", "see: ip address; correct ip (or proxy_ip)"),
        "SERVES": ("a server answers there already", "nothing is to be done, if it is this node's own"),
        "EACCES": ("the port is a privileged one", "run swiftlite-node as root, or choose a port from 1024 on"),
    }
    if problem:
        what, remedy = remedies.get(problem, (problem, "see: ip address; ss -ltn"))
        yield Finding(NOTE if problem == "SERVES" else ERROR, f"{role} server, {ip} port {port}", what, remedy)


def judge_limits(open_files: int, has_systemd: bool) -> Iterator[Finding]:
    """Yield what is wrong with the limits.

    :param open_files: that a process may open, at most: under systemd the kernel's ``fs.nr_open``, else the hard limit
    """
    if open_files < FILES_NEEDED:
        where = "sysctl fs.nr_open" if has_systemd else "ulimit -Hn"
        remedy = "sysctl -w fs.nr_open=1048576" if has_systemd else "raise nofile in /etc/security/limits.conf"
        yield Finding(WARNING, where, f"a process may open {open_files} files; {FILES_NEEDED} are wanted", remedy)


def judge_programs(answers: Answers, missing: Sequence[str], interpreter: str, root: str = "") -> Iterator[Finding]:
    """Yield what is wrong with the programs.

    :param missing: of the node's, without the directory
    :param interpreter: the Python that runs them
    :param root: directory that stands for the node's ``/``
    """
    directory = answers.node.bin_dir
    if missing:
        remedy = "install swiftlite there, or set bin_dir to where it is"
        yield Finding(ERROR, f"{root}{directory}", f"has no {', '.join(missing)}", remedy)
    for path in sorted({f"{directory}/", interpreter}):
        if path.startswith(HOMES):
            remedy = "install into a virtualenv outside, of a Python outside: /usr/bin/python3 -m venv /opt/swiftlite-1; or ProtectHome=no in drop-ins"
            yield Finding(ERROR, path, "lies in a home directory, which the units hide from daemons", remedy)


def judge_packages(missing: Iterable[str]) -> Iterator[Finding]:
    """Yield the Python packages that are not installed."""
    for name in missing:
        yield Finding(ERROR, f"Python package {name}", "is not installed", f"{_pip()} install {name}")


def _pip() -> str:
    return "python3 -m pip"


def judge_memcached(server: str, problem: str) -> Iterator[Finding]:
    """Yield what is wrong with a memcached.

    :param problem: why it did not answer; empty if it did
    """
    if problem:
        remedy = "start it, open its port to this node, or correct memcache_servers; without it proxies are slower, not wrong"
        yield Finding(WARNING, f"memcached {server}", f"does not answer: {problem}", remedy)


def judge_user(user: str, exists: bool, will_be_made: bool) -> Iterator[Finding]:
    """Yield what is wrong with the account of the daemons."""
    if not exists and not will_be_made:
        remedy = f"useradd --system --home-dir /var/lib/swift --shell /usr/sbin/nologin {user}"
        yield Finding(ERROR, f"account {user}", "does not exist, and there is no systemd-sysusers to make it", remedy)


def judge_secret(answers: Answers, is_new: bool, there: tuple[str, str] | None) -> Iterator[Finding]:
    """Yield what is to be said of the cluster's secret.

    :param is_new: it was made just now
    :param there: prefix and suffix in the swift.conf that the node has
    """
    conf = f"{answers.node.swift_dir}/swift.conf"
    wanted = (answers.secret.swift_hash_path_prefix, answers.secret.swift_hash_path_suffix)
    if is_new:
        problem = "the hash prefix and suffix were made at random: ALL nodes of a cluster MUST have the same, for ever"
        remedy = "copy this file to every other node before running swiftlite-node there; keep a backup of it"
        yield Finding(WARNING, conf, problem, remedy)
    elif there is not None and there != wanted:
        problem = "its hash prefix or suffix is not that of the answers: with another one, no data of the node are found again"
        remedy = "correct the answers; only where the node holds no data yet, remove the file and run this again"
        yield Finding(ERROR, conf, problem, remedy)


def judge_image(root: str) -> Iterator[Finding]:
    """Say what cannot be found out from the files of a node alone."""
    problem = (
        "only its files were looked at: neither its clock nor its addresses, limits, Python packages and memcached"
    )
    yield Finding(NOTE, root, problem, "on the node itself, run: swiftlite-node init ANSWERS --check-only")


def judge_systemd(answers: Answers, runs: bool) -> Iterator[Finding]:
    """Say what becomes of units where systemd does not run."""
    if not runs:
        remedy = f"start the daemons with: swiftlite-init all start{init_options(answers)}"
        yield Finding(NOTE, "systemd", "does not run here: units are written, but not enabled", remedy)


def program_names(answers: Answers) -> list[str]:
    """The programs that the node needs."""
    return [f"swiftlite-{program.name}" for program in programs(answers)]
