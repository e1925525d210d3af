"""Servers and daemons as systemd and operators know them: what they tell, how they end, reload and hang, what they may use."""

from __future__ import annotations

import contextlib
import os
import pwd
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fakes.ports import free_port
from functional.cluster import PROGRAMS, Cluster, wait_until
from swiftlite.cli import children, layout
from swiftlite.common.forks import descendants
from swiftlite.common.permissions import ENTER, Account, account_of, allows
from swiftlite.common.privileges import libraries

PATIENCE = 120.0
"""Seconds that a program is waited for at most."""
RELOADS = [signal.SIGHUP, signal.SIGUSR1]


class Systemd:
    """The end of a notification socket that systemd holds.

    A thread takes what comes, at once as systemd does: the kernel keeps a few messages, and who cannot get rid of one for
    a second goes on without it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        path.chmod(0o777)
        self._messages: queue.Queue[str] = queue.Queue()
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def _take(self) -> None:
        while message := self.socket.recv(4096):
            self._messages.put(message.decode())

    def close(self) -> None:
        """Hear no more."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", str(self.path))
        self._thread.join()
        self.socket.close()

    def hear(self, start: str) -> list[str]:
        """Return the lines of the next message one of which begins so; others are passed over."""
        heard: list[str] = []
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                lines = self._messages.get(timeout=PATIENCE).split("\n")
            except queue.Empty:
                break
            if any(line.startswith(start) for line in lines):
                return lines
            heard += lines
        raise AssertionError(f"{start} was not said, but {heard}")

    def silent(self) -> None:
        """Wait until a program says nothing more, for longer than a WATCHDOG_USEC of 1000000 allows."""
        with contextlib.suppress(queue.Empty):
            while self._messages.get(timeout=1.5):
                pass


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    made = Systemd(tmp_path / "notify")
    yield made
    made.close()


class Program:
    """A server or daemon, started by a systemd of ours."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str]) -> None:
        self.log = log
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **environment}
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ends(self) -> int:
        """Its exit status; nothing of it is left."""
        left = descendants(self.pid)
        status = self.process.wait(PATIENCE)
        assert not [pid for pid in left if Path(f"/proc/{pid}").exists()]
        return status

    def says(self, text: str) -> bool:
        return text in self.log.read_text()


Start = Callable[..., Program]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A cluster that is laid out, but not started."""
    return Cluster(tmp_path / "cluster")


@pytest.fixture
def start(cluster: Cluster, systemd: Systemd, tmp_path: Path) -> Iterator[Start]:
    programs = []

    def begin(
        name: str,
        *arguments: str,
        settings: dict[str, dict[str, Any]] | None = None,
        opened: Sequence[str] = (),
        **environment: str,
    ) -> Program:
        conf = conf_of(cluster, name)
        for section, options in (settings or {}).items():
            texts = {option: str(value) for option, value in options.items()}
            conf.write_text(layout.set_options(conf.read_text(), section, texts))
        command = [*opened, sys.executable, str(PROGRAMS / f"swiftlite-{name}"), str(conf), *arguments]
        made = Program(command, tmp_path / f"{name}.log", {"NOTIFY_SOCKET": str(systemd.path), **environment})
        programs.append(made)
        return made

    yield begin
    for program in programs:
        if program.process.poll() is None:
            program.process.kill()
            program.process.wait()


def conf_of(cluster: Cluster, name: str) -> Path:
    if name in cluster.servers:
        return cluster.servers[name].process.conf
    return layout.conf_path(cluster.layout, name.partition("-")[0], cluster.layout.nodes[0])


def options_of(cluster: Cluster, name: str, section: str, **options: Any) -> None:
    conf = conf_of(cluster, name)
    texts = {option: str(value) for option, value in options.items()}
    conf.write_text(layout.set_options(conf.read_text(), section, texts))


def workers(program: Program) -> list[int]:
    return descendants(program.pid)


# Servers ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 2])
def test_a_server_tells_systemd(start: Start, systemd: Systemd, cluster: Cluster, count: int) -> None:
    server = start("object-server", settings={"DEFAULT": {"workers": count}})
    _, status = systemd.hear("READY=1")
    assert (f"2 of 2 workers serve 127.0.0.1 port {cluster.server('object-server').address[1]}" in status) == bool(
        count
    )
    for number in RELOADS:
        server.signal(number)
        told = systemd.hear("RELOADING=1")[1]
        assert int(told.removeprefix("MONOTONIC_USEC=")) > 0
        systemd.hear("READY=1")
    assert children.is_healthy(cluster.server("object-server").address, PATIENCE)
    options_of(cluster, "object-server", "DEFAULT", workers="many")
    server.signal(signal.SIGHUP)
    systemd.hear("RELOADING=1")
    systemd.hear("READY=1")
    assert server.says("cannot reload, going on as before: swiftlite-object-server: ") and server.says(
        "[DEFAULT] workers"
    )
    options_of(cluster, "object-server", "DEFAULT", workers=count)
    conf = cluster.layout.etc / "swift.conf"
    before = conf.read_text()
    conf.write_text(layout.set_options(before, "swift-hash", {"swift_hash_path_suffix": "another"}))
    try:
        server.signal(signal.SIGHUP)
        systemd.hear("RELOADING=1")
        systemd.hear("READY=1")
        assert server.says("[swift-hash]: the secret is another than the running one")
    finally:
        conf.write_text(before)
    server.signal(signal.SIGTERM)
    systemd.hear("STOPPING=1")
    assert server.ends() == 0


def test_a_server_tells_of_a_lost_worker(start: Start, systemd: Systemd) -> None:
    server = start("account-server", settings={"DEFAULT": {"workers": 2}})
    systemd.hear("READY=1")
    os.kill(workers(server)[0], signal.SIGKILL)
    systemd.hear("STATUS=1 of 2")
    systemd.hear("STATUS=2 of 2")


def test_a_reload_takes_up_options_of_the_port_and_the_workers(
    start: Start, systemd: Systemd, cluster: Cluster
) -> None:
    server = start("object-server", settings={"DEFAULT": {"workers": 4}})
    ip, port = cluster.server("object-server").address
    systemd.hear("READY=1")
    for count in (1, 3):  # fewer workers than sockets: all of them are accepted on
        options_of(cluster, "object-server", "DEFAULT", workers=count)
        server.signal(signal.SIGHUP)
        assert f"{count} of {count} workers" in systemd.hear("READY=1")[1]
        wait_until(lambda count=count: len(workers(server)) == count, "the old workers end")
        assert all(children.is_healthy((ip, port), PATIENCE) for _ in range(20))
    with socket.create_server((ip, free_port())) as taken:
        options_of(cluster, "object-server", "DEFAULT", bind_port=taken.getsockname()[1])
        server.signal(signal.SIGUSR1)
        systemd.hear("READY=1")
        assert server.says("going on as before") and children.is_healthy((ip, port), PATIENCE)
        free = taken.getsockname()[1]
    server.signal(signal.SIGUSR1)
    systemd.hear("READY=1")
    assert children.is_healthy((ip, free), PATIENCE)
    wait_until(lambda: not children.is_taken((ip, port)), "the old port is free")


def test_a_server_whose_worker_hangs_lets_the_watchdog_bite(start: Start, systemd: Systemd) -> None:
    """SIGSTOP does to a worker's event loop what an endless loop in it would do."""
    server = start("container-server", settings={"DEFAULT": {"workers": 2}}, WATCHDOG_USEC="1000000")
    for _ in range(3):
        systemd.hear("WATCHDOG=1")
    stuck = workers(server)[0]
    os.kill(stuck, signal.SIGSTOP)
    systemd.silent()
    wait_until(lambda: server.says("a worker hangs"), "the server tells of it")
    os.kill(stuck, signal.SIGCONT)
    systemd.hear("WATCHDOG=1")


# Daemons ----------------------------------------------------------------------------------------------------------------

BOTH_PASSES = {"zero_byte_files_per_second": 50}
FOREVER = [
    ("object-updater", {"updater_workers": 2}),
    ("object-auditor", BOTH_PASSES),
    ("object-replicator", {"replicator_workers": 2}),
    ("container-auditor", {}),
]


@pytest.mark.parametrize(("name", "options"), FOREVER, ids=[name for name, _ in FOREVER])
def test_a_daemon_reloads_and_ends_with_all_its_children(
    start: Start, systemd: Systemd, cluster: Cluster, name: str, options: dict[str, Any]
) -> None:
    daemon = start(name, settings={name: {"interval": 0.2, **options}}, WATCHDOG_USEC="2000000")
    systemd.hear("READY=1")
    systemd.hear("STATUS=")
    forked = name in ("object-auditor", "object-replicator")
    if forked:
        wait_until(lambda: len(workers(daemon)) == 2, "there are two of them")
    for number in RELOADS:
        before = workers(daemon)
        daemon.signal(number)
        systemd.hear("RELOADING=1")
        systemd.hear("READY=1")
        assert not forked or not set(before) & set(workers(daemon))
    options_of(cluster, name, name, interval="often")
    daemon.signal(signal.SIGHUP)
    systemd.hear("RELOADING=1")
    systemd.hear("READY=1")
    assert daemon.log.read_text().count("cannot reload, going on as before") == 1 and daemon.says(f"[{name}] interval")
    systemd.hear("WATCHDOG=1")
    if forked:
        wait_until(lambda: len(workers(daemon)) == 2, "they work on")
    daemon.signal(signal.SIGTERM)
    systemd.hear("STOPPING=1")
    assert daemon.ends() == 0


def test_a_child_that_hangs_lets_the_watchdog_bite(start: Start, systemd: Systemd) -> None:
    daemon = start(
        "object-auditor", settings={"object-auditor": {"interval": 30, **BOTH_PASSES}}, WATCHDOG_USEC="1000000"
    )
    systemd.hear("READY=1")
    wait_until(lambda: len(workers(daemon)) == 2, "both passes are made")
    for _ in range(8):  # longer than the limit: what waits does not hang
        systemd.hear("WATCHDOG=1")
    stuck = workers(daemon)[0]
    os.kill(stuck, signal.SIGSTOP)
    systemd.silent()
    daemon.signal(signal.SIGTERM)
    with contextlib.suppress(ProcessLookupError):  # the daemon kills it after a while
        os.kill(stuck, signal.SIGCONT)
    assert daemon.ends() == 0


def test_a_single_pass_tells_systemd_too(start: Start, systemd: Systemd) -> None:
    daemon = start("container-updater", "--once")
    systemd.hear("READY=1")
    systemd.hear("STOPPING=1")
    assert daemon.ends() == 0


# Bad moments and bad confs -----------------------------------------------------------------------------------------------

UNUSABLE = [
    {"pid_file": "/nowhere/x.pid"},
    {"rlimit_memory": "9" * 30},
    {"rlimit_memory": "1000"},
    {"rlimit_nofile": "9" * 30},
    {"bind_port": "99999"},
    {"backlog": "9" * 20},
    {"max_clients": "-1"},
]
NO_METRICS = {"metrics_ip": "203.0.113.1", "metrics_port": "9"}  # an address of nobody's


@pytest.mark.parametrize(
    ("name", "settings"), [("account-server", UNUSABLE), ("account-auditor", [*UNUSABLE[:5], NO_METRICS])]
)
def test_no_conf_that_cannot_be_started_with_ends_who_runs(
    start: Start, systemd: Systemd, cluster: Cluster, name: str, settings: list[dict[str, str]]
) -> None:
    """All that a start may fail of is seen by the trial already."""
    program = start(name, settings={"DEFAULT": {"workers": 1}})
    systemd.hear("READY=1")
    conf = conf_of(cluster, name)
    text = conf.read_text()
    for count, options in enumerate(settings, 1):
        options_of(cluster, name, "DEFAULT", **options)
        program.signal(signal.SIGHUP)
        systemd.hear("RELOADING=1")
        wait_until(
            lambda count=count: program.log.read_text().count("going on as before") == count or program.process.poll(),
            f"{options} is refused",
        )
        assert program.process.poll() is None, program.log.read_text()
        conf.write_text(text)
    program.signal(signal.SIGTERM)
    assert program.ends() == 0


@pytest.mark.parametrize("name", ["account-server", "account-auditor"])
def test_a_reload_that_is_asked_for_during_the_start_comes_after_it(
    start: Start, systemd: Systemd, cluster: Cluster, tmp_path: Path, name: str
) -> None:
    swift_conf, gate = cluster.directory / "etc" / "swift.conf", tmp_path / "gate"
    os.rename(swift_conf, gate)
    os.mkfifo(swift_conf)  # the start waits for somebody who writes there
    program = start(name)
    with open(swift_conf, "w") as writer:
        program.signal(signal.SIGHUP)
        os.rename(gate, swift_conf)
        writer.write(swift_conf.read_text())
    for start_of in ("READY=1", "RELOADING=1", "READY=1"):
        systemd.hear(start_of)
    program.signal(signal.SIGTERM)
    assert program.ends() == 0


@pytest.mark.parametrize("name", ["account-server", "account-auditor"])
def test_who_fails_as_nobody_foresaw_may_be_started_again(cluster: Cluster, tmp_path: Path, name: str) -> None:
    """Units start nobody again whose conf cannot be used: that has another exit status."""
    (tmp_path / "sitecustomize.py").write_text(
        "import swiftlite.common.swift_conf as module\nmodule.SwiftConf.load = lambda *_: 1 // 0\n"
    )
    command = [sys.executable, str(PROGRAMS / f"swiftlite-{name}"), str(conf_of(cluster, name))]
    path = os.pathsep.join([str(tmp_path), str(PROGRAMS.parent)])
    ended = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ended.returncode == 70 and ended.stderr.splitlines()[-1].startswith("ZeroDivisionError")


# What the kernel and other programs see ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["object-server", "object-replicator"])
def test_pid_file_and_limits(start: Start, systemd: Systemd, cluster: Cluster, tmp_path: Path, name: str) -> None:
    settings = {
        "pid_file": tmp_path / "run-{program}.pid",
        "rlimit_nofile": 700,
        "rlimit_memory": 3 << 30,
        "oom_score_adj": 321,
        "workers": 1,
    }
    program = start(
        name, settings={"DEFAULT": settings, "object-replicator": {"interval": 0.2, "replicator_workers": 1}}
    )
    systemd.hear("READY=1")
    file = tmp_path / f"run-{name}.pid"
    wait_until(lambda: workers(program), "it has a worker")
    for number in (None, signal.SIGHUP):
        if number:
            program.signal(number)
            systemd.hear("READY=1")
            wait_until(lambda: workers(program), "it has a worker")
        assert file.read_text() == f"{program.pid}\n"
        for pid in (program.pid, workers(program)[-1]):
            lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
            limits = {line[:26].strip(): line[26:].split()[0] for line in lines if line[26:].strip()}
            assert int(limits["Max open files"]) >= 700
            assert int(limits["Max data size"]) == 3 << 30
            assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "321\n"
    command = [sys.executable, str(PROGRAMS / f"swiftlite-{name}"), str(conf_of(cluster, name))]
    second = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert second.returncode == 1 and second.stderr.count("\n") == 1
    assert f"held by process {program.pid}" in second.stderr
    program.signal(signal.SIGTERM)
    assert program.ends() == 0
    assert not file.exists()


def readable_python(account: Account, tmp_path: Path) -> list[str]:
    """What stands before a command so that an account can read this Python, which may lie in root's home: a mount
    namespace in which directories that are closed to it are open ones, with what Python needs of them, and no more.
    """
    places = {Path(spelt(path)) for path in libraries() for spelt in (os.path.abspath, os.path.realpath)}
    closed = {above for place in places for above in place.parents if not allows(str(above), account, ENTER)}
    needed = {*places, Path(sys.executable), Path(sys.executable).resolve(), PROGRAMS}
    lines = []
    for number, place in enumerate(sorted(closed, key=lambda place: len(place.parts))):  # the outermost first
        aside = tmp_path / f"aside{number}"
        aside.mkdir()
        lines += [f"mount --rbind {place} {aside}", f"mount -t tmpfs -o mode=755 none {place}"]
        below = {path.relative_to(place).parts[0] for path in needed if place in path.parents}
        lines += [f"mkdir {place}/{name} && mount --rbind {aside}/{name} {place}/{name}" for name in sorted(below)]
    if not lines:
        return []
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", "\n".join([*lines, 'exec "$@"']), "sh"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its user")
def test_a_user_with_its_groups_and_no_others(start: Start, systemd: Systemd, cluster: Cluster, tmp_path: Path) -> None:
    """What needs root is done before it is given up; the pid file too."""
    for place in (cluster.directory, *cluster.directory.rglob("*"), tmp_path, *tmp_path.parents[:3]):
        os.chmod(place, place.stat().st_mode | (0o777 if place.is_dir() else 0o644))
    (tmp_path / "run").mkdir(mode=0o755)
    account = pwd.getpwnam("nobody")
    opened = readable_python(account_of("nobody"), tmp_path)
    file = tmp_path / "run" / "x.pid"
    settings = {"user": "nobody", "pid_file": file, "oom_score_adj": 5, "workers": 1}
    for name in ("container-server", "container-auditor"):
        program = start(name, settings={"DEFAULT": settings}, opened=opened)
        systemd.hear("READY=1")
        pid = (workers(program) or [program.pid])[0]

        def status(pid: int = pid) -> dict[str, set[str]]:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            return {line.partition(":")[0]: set(line.split()[1:]) for line in lines}

        wait_until(lambda: status()["Uid"] == {str(account.pw_uid)}, "root is given up")
        assert status()["Gid"] == {str(account.pw_gid)}
        assert status()["Groups"] == set(map(str, os.getgrouplist("nobody", account.pw_gid)))
        assert file.read_text() == f"{program.pid}\n" and file.stat().st_uid == 0
        assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "5\n"
        program.signal(signal.SIGTERM)
        assert program.ends() == 0
        assert not file.exists() or file.read_text() == ""
