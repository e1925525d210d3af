"""swiftlite-init runs a whole node: started, looked at, reloaded, stopped, found dead; only by pid, nobody else's."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes import release
from functional.cluster import PROGRAMS, Cluster, wait_until
from swiftlite.cli import children, init, layout
from swiftlite.cli.processes import read_process

DAEMONS = {"account-server", "container-server", "object-server", "proxy-server", "object-expirer"} | {
    f"{kind}-{daemon}" for kind, daemon in layout.DAEMONS
}


class Node:
    """A laid-out store, and its swiftlite-init."""

    def __init__(self, directory: Path) -> None:
        self.cluster = Cluster(directory)
        self.run_dir = directory / "run"
        self.command = [sys.executable, str(PROGRAMS / "swiftlite-init")]

    def init(self, *words: str, status: int = 0) -> list[str]:
        """Run swiftlite-init; returns the lines that it printed on both channels."""
        places = {
            "--swift-dir": self.cluster.layout.etc,
            "--run-dir": self.run_dir,
            "--log-dir": self.cluster.directory / "log",
        }
        command = [*self.command, *words]
        command += [str(word) for pair in places.items() for word in pair]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == status, done.stdout + done.stderr
        return (done.stdout + done.stderr).splitlines()

    def repair(self, code: str) -> None:
        """Do what the doctor says, who hears from the servers that swiftlite-init has started them."""
        command = [
            sys.executable,
            str(PROGRAMS / "swiftlite-doctor"),
            "--json",
            "--timeout=60",
            f"--swiftdir={self.cluster.layout.etc}",
        ]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=300).stdout)["findings"]
        (fix,) = (finding["fix"] for finding in found if finding["code"] == code)
        path = f"{PROGRAMS}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        subprocess.run(["sh", "-c", fix], env={**os.environ, "PATH": path}, check=True, timeout=300)

    def states(self, *words: str, status: int = 0) -> dict[str, list[str]]:
        """The words of each line of ``status``, by daemon."""
        return {line.split()[0]: line.split()[1:] for line in self.init(*words, "status", status=status)}

    def pid(self, name: str) -> int:
        """Of a daemon, as its pid file says."""
        return int((self.run_dir / f"{name}.pid").read_text())

    def edit(self, server: str, section: str, **options: str) -> None:
        """Set options of a conf."""
        path = self.cluster.servers[server].process.conf
        path.write_text(layout.set_options(path.read_text(), section, options))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node that is laid out; whatever of it runs in the end is stopped."""
    made = Node(tmp_path)
    yield made
    if list(made.run_dir.glob("*.pid")):
        made.init("all", "stop", "--kill-wait", "10", "--kill-after-timeout")
    made.cluster.remove()


def test_a_whole_node(node: Node) -> None:
    lines = node.init("all", "start")
    assert {line.split()[1].partition("...")[0] for line in lines} == DAEMONS
    # Ready means ready: the first request is served.
    connection = node.cluster.connection()
    connection.put_container("c")
    connection.put_object("c", "o", b"body")
    assert connection.get_object("c", "o")[1] == b"body"

    states = node.states("all")
    assert set(states) == DAEMONS
    assert all(words[0] == "running" and words[2] == "since" for words in states.values())
    assert "runs already" in node.init("object-updater", "once", status=1)[0]
    assert all("nothing is wrong" in line for line in node.init("object-server", "check")), "it is not in its own way"
    assert states["object-updater"][-1] == str(node.cluster.servers["object-updater"].process.conf)
    assert {name: int(words[1]) for name, words in states.items()} == {name: node.pid(name) for name in DAEMONS}

    # Who runs is not started again.
    assert all("runs already" in line for line in node.init("all", "start"))
    assert node.states("all") == states

    # A conf that has changed is read anew by the same process.
    assert children.request(node.cluster.proxy_address, "GET", "/healthcheck", timeout=60)[0] == 200
    disabled = node.cluster.directory / "disabled"
    disabled.touch()
    node.edit("proxy-server", "filter:healthcheck", disable_path=str(disabled))
    node.init("proxy", "reload")
    wait_until(
        lambda: children.request(node.cluster.proxy_address, "GET", "/healthcheck", timeout=60)[0] == 503,
        "no worker with the old conf is left",
    )
    assert node.states("proxy")["proxy-server"][1] == states["proxy-server"][1]
    # One that cannot be used is told of, and all stays as it is.
    node.edit("proxy-server", "filter:slo", yield_frequency="never")
    lines = node.init("proxy", "reload", status=1)
    assert any("cannot reload" in line and "yield_frequency" in line for line in lines), lines
    lines = node.init("proxy", "restart", status=1)
    assert "[filter:slo] yield_frequency: 'never' does not fit" in lines[0] and len(lines) == 2
    assert lines[1].endswith("or stop all the same: swiftlite-init proxy stop")
    assert node.states("proxy")["proxy-server"][1] == states["proxy-server"][1]
    assert children.request(node.cluster.proxy_address, "GET", "/healthcheck", timeout=60)[0] == 503
    node.init("object-server", "object-updater", "reload-seamless")
    assert node.states("object") == {name: words for name, words in states.items() if name.startswith("object-")}

    # One dies without a word: that is seen, and put right.
    victim = node.pid("object-server")
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: read_process(victim) is None, "it is dead")
    assert node.states("object", status=1)["object-server"][0] == "dead"
    wait_until(lambda: not children.is_taken(node.cluster.servers["object-server"].address), "its workers are gone")
    node.repair("server-unreachable")
    assert node.states("main")["object-server"][0] == "running"
    assert node.cluster.connection().get_object("c", "o")[1] == b"body"

    pids = [node.pid(name) for name in DAEMONS]
    node.init("all", "stop", "--kill-wait", "100")
    assert [read_process(pid) for pid in pids if read_process(pid)] == []
    assert not list(node.run_dir.glob("*.pid"))
    assert {words[0] for words in node.states("all", status=1).values()} == {"stopped"}
    assert node.init("all", "stop") == []


def test_who_cannot_start_says_why(node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(node.cluster.servers["account-server"].address):
        lines = node.init("account-server", "container-server", "start", status=1)
    assert any("account-server ended with 1: " in line and "Address already in use" in line for line in lines), lines
    assert node.states("main", status=1)["container-server"][0] == "running"
    assert not (node.run_dir / "account-server.pid").exists()

    # Who gives another directory of confs is told so; the daemon runs on, and keeps its pid file.
    etc, pid = node.cluster.layout.etc, node.pid("container-server")
    shutil.copytree(etc, tmp_path / "etc2")
    for directory in (tmp_path / "etc2", tmp_path):  # the second has no confs
        places = ["-d", str(directory), "-r", str(node.run_dir), "--log-dir", str(tmp_path)]
        for command in ("stop", "status", "reload", "restart", *(("start",) if directory != tmp_path else ())):
            assert init.main(["container-server", command, *places]) == 1
            told = capsys.readouterr().err.splitlines()
            own = "give this one a run directory of its own: -r DIR, or " if command == "start" else ""
            remedy = f"not with one of {directory}; {own}name its directory: -d {etc}"
            assert told == [f"container-server ({pid}) runs with {etc}/container-server.conf, {remedy}"]
    assert node.states("container-server")["container-server"][1] == str(pid)


def test_who_cannot_be_found_again_does_not_run(node: Node) -> None:
    (node.run_dir / "object-server.pid").mkdir(parents=True)
    node.init("object-server", "start", status=1)
    (node.run_dir / "object-server.pid").rmdir()
    assert not list(node.run_dir.glob("*.pid*"))
    conf = str(node.cluster.servers["object-server"].process.conf).encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            assert conf not in (process / "cmdline").read_bytes().split(b"\0"), process


def test_nobody_else_is_stopped(node: Node) -> None:
    """A pid file whose daemon is gone, and whose pid the kernel has given to another process."""
    other = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        node.run_dir.mkdir(exist_ok=True)
        (node.run_dir / "object-updater.pid").write_text(f"{other.pid}\n")
        assert node.states("object-updater", status=1)["object-updater"][:2] == ["dead", str(other.pid)]
        node.init("object-updater", "reload", status=1)
        assert "has ended already" in node.init("object-updater", "stop")[0]
        assert other.poll() is None
        assert not (node.run_dir / "object-updater.pid").exists()
    finally:
        other.kill()
        other.communicate()


def test_what_is_another_users_is_told_of_once(
    node: Node, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kernel lets nobody signal others' daemons, which these only seem to be."""

    def refuse(*_: object) -> None:
        raise PermissionError

    node.run_dir.mkdir(exist_ok=True)
    with contextlib.ExitStack() as running:
        for name in ("object-updater", "object-auditor"):
            words = [f"/opt/bin/swiftlite-{name}", str(node.cluster.servers[name].process.conf)]
            command = [sys.executable, "-c", "import sys; sys.stdin.read()", *words]
            process = running.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE))
            running.callback(process.communicate)
            (node.run_dir / f"{name}.pid").write_text(str(process.pid))
            wait_until(lambda pid=process.pid: read_process(pid), f"the kernel shows the words of {name}")
        places = ["--swift-dir", str(node.cluster.layout.etc), "--run-dir", str(node.run_dir)]
        with monkeypatch.context() as patch:
            patch.setattr(signal, "pidfd_send_signal", refuse)
            assert init.main(["object-updater", "object-auditor", "stop", *places]) == 1
    names = "object-updater, object-auditor"
    told = f"not ours, so nothing was done to: {names}; do it as root, or as the user whose they are\n"
    assert capsys.readouterr() == ("", told)


def test_once_and_check(node: Node) -> None:
    node.edit("object-updater", "DEFAULT", mount_chek="no")  # which does no harm, and nothing else
    lines = node.init("object-updater", "account-replicator", "once")
    assert [line.split()[0] for line in lines] == ["Starting", "Starting", "warning:"]
    conf = node.cluster.servers["object-updater"].process.conf
    assert re.fullmatch(
        rf"warning: {conf}:\d+: \[DEFAULT\] mount_chek: unknown option; did you mean mount_check\?", lines[2]
    )
    conf.write_text(conf.read_text().replace("mount_chek = no\n", ""))
    assert not list(node.run_dir.glob("*.pid"))
    assert all("nothing is wrong" in line for line in node.init("main", "check"))
    node.edit("object-updater", "object-updater", intervall="1")
    assert any("did you mean interval?" in line for line in node.init("object-updater", "check", status=1))


def test_a_reload_changes_the_release(node: Node, tmp_path: Path) -> None:
    """Of daemons and servers; the old release may be removed then."""
    names, releases = ("object-updater", "container-server"), [tmp_path / f"swiftlite-{number}" for number in (1, 2)]
    for home in releases:
        release.install(home, str(home), str(PROGRAMS.parent))
    current = tmp_path / "swiftlite"
    node.command = [str(current / "bin" / "swiftlite-init")]

    def reload_to(home: Path, command: str) -> None:
        current.unlink(missing_ok=True)
        current.symlink_to(home.name)
        node.init(*names, command)
        processes = [read_process(node.pid(name)) for name in names]
        assert {process.arguments[0] for process in processes if process} == {str(home / "bin" / "python")}

    reload_to(releases[0], "start")
    pids = [node.pid(name) for name in names]
    reload_to(releases[1], "reload")
    shutil.rmtree(releases[0])
    node.init(*names, "reload")
    assert [node.pid(name) for name in names] == pids
