"""One command: swiftlite-aio as an operator meets it, with the Python of the system and a directory of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import swiftclient
from prometheus_client.parser import text_string_to_metric_families

from fakes.certificates import Authority
from fakes.ports import free_ports
from functional.cluster import PROGRAMS, wait_until
from swiftlite.cli import aio_layout, children, layout
from swiftlite.http.proxy_protocol import OF_NOBODY

AIO = PROGRAMS / "swiftlite-aio"
# Not the virtualenv's: an operator has none.
PYTHON = os.path.realpath(sys.executable)
TIMEOUT = 300
PATIENCE = 60.0
PASSES = "swiftlite_daemon_passes_total"
DAEMONS = {*(f"{kind}-{daemon}" for kind, daemon in layout.DAEMONS), "object-expirer"}


class Store:
    """A directory and the commands on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_ports(4)

    def command(self, *words: str) -> list[str]:
        return [PYTHON, str(AIO), *words, "--dir", str(self.directory)]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=TIMEOUT)

    def start(self, *words: str) -> str:
        done = self.run("start", "--detach", "--port", str(self.port), *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stop(self) -> None:
        """Stop it; return when no process of it is left that could hold its ports."""
        self.run("stop")
        wait_gone(self)

    def processes(self) -> dict[int, tuple[int, str]]:
        """Return all processes in whose command line the directory stands: id to parent's id and command line."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:  # it ended meanwhile
                continue
            if str(self.directory) in line and state != "Z":
                found[int(entry.name)] = int(parent), line
        return found

    def passes(self) -> dict[str, float]:
        """How many each daemon has made, by the proxy's /metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=60) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        samples = (sample for family in families for sample in family.samples)
        return {sample.labels["server"]: sample.value for sample in samples if sample.name == PASSES}

    def connection(self, user: str = "test:tester", key: str = "testing") -> swiftclient.Connection:
        url = f"http://127.0.0.1:{self.port}/auth/v1.0"
        # Its servers have the patience of any: a machine that stands still for seconds makes a 503, as clients know it.
        return swiftclient.Connection(authurl=url, user=user, key=key, auth_version="1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "aio")
    yield store
    store.stop()


def wait_gone(store: Store) -> None:
    """Return when no process of the store is left: where a server had to be killed, the kernel ends its workers."""
    wait_until(lambda: not store.processes(), "all its processes have ended")


def wait_healthy(store: Store) -> subprocess.CompletedProcess[str]:
    """Return what ``status`` says when all is well: a server that does not answer within a second is not."""
    return wait_until(lambda: (asked := store.run("status")).returncode == 0 and asked, "the store is healthy")


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode not in (0, None)
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_pasted_lines_work(store: Store) -> None:
    text = store.start()
    lines = [line.strip() for line in text.splitlines() if line.startswith("  ") and (" -H " in line or " -A " in line)]
    assert len(lines) == 3, text
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = "set -e\n" + "\n".join(lines)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    _, listing = store.connection().get_container("demo")
    assert [row["name"] for row in listing] == ["etc/os-release", "os-release"]
    assert {row["bytes"] for row in listing} == {len(Path("/etc/os-release").read_bytes())}


def test_status_and_stop(store: Store) -> None:
    assert store.run("status").returncode == 3
    store.start()
    status = wait_healthy(store)
    for name in ("proxy", "object", "container", "account"):
        assert f"{name}-server" in status.stdout
    command = [sys.executable, str(PROGRAMS / "swiftlite-init"), "all", "status", "-d", str(store.directory / "etc")]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert f"run under swiftlite-aio; ask it: swiftlite-aio status --dir {store.directory}\n" in asked.stdout
    assert store.run("stop").returncode == 0
    wait_gone(store)
    assert store.run("status").returncode == 3
    assert store.run("stop").returncode == 0


def test_the_directory_may_be_spelled_in_any_way(store: Store, tmp_path: Path) -> None:
    store.start()
    (tmp_path / "link").symlink_to(store.directory)
    for spelling in (tmp_path / "link", store.directory / ".." / store.directory.name):
        command = [PYTHON, str(AIO), "status", "--dir", str(spelling)]
        wait_until(lambda: subprocess.run(command, capture_output=True).returncode == 0, f"{spelling} is healthy")  # noqa: B023
    done = subprocess.run([PYTHON, str(AIO), "stop", "--dir", str(tmp_path / "link")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wait_gone(store)


def test_data_survive_a_restart_and_a_change_of_port(store: Store) -> None:
    store.start()
    connection = store.connection()
    connection.put_container("kept")
    connection.put_object("kept", "object", b"body")
    store.stop()
    store.start()
    assert store.connection().get_object("kept", "object")[1] == b"body"
    store.stop()
    store.port = free_ports(4)
    store.start("--workers", "1")
    assert store.connection().get_object("kept", "object")[1] == b"body"
    assert [row["name"] for row in store.connection().get_container("kept")[1]] == ["object"]


def test_what_the_operator_changed_stays(store: Store) -> None:
    store.start()
    store.stop()
    conf = store.directory / "etc" / "proxy-server.conf"
    conf.write_text(conf.read_text().replace("= testing .admin", "= changed .admin\ntoken_lif = 7"))
    done = store.run("start", "--detach", "--port", str(store.port))
    assert done.returncode == 0 and "Key       in " in done.stdout
    warned = r"swiftlite-aio: warning: \S+proxy-server.conf:\d+: \[filter:tempauth\] token_lif: unknown option; did you mean token_life\?\n"
    assert re.fullmatch(warned, done.stderr)
    store.connection(key="changed").head_account()


def test_tls(store: Store, tmp_path: Path) -> None:
    """Of the proxy with its balancer's clients, of the nodes, and of a proxy that asks clients for certificates."""
    authority, nodes = Authority(tmp_path / "public"), Authority(tmp_path / "nodes")
    aio_layout.make_plan(store.directory, store.port, None, 1).carry_out()
    conf, swift_conf = (store.directory / "etc" / name for name in ("proxy-server.conf", "swift.conf"))
    wanted = {"cert_file": authority.issue("p.pem", "storage.example.com"), "require_proxy_protocol": "yes"}
    conf.write_text(layout.set_options(conf.read_text(), "DEFAULT", wanted))
    node = {"backend_tls": "yes", "backend_ca_file": nodes.ca_file, "backend_cert_file": nodes.issue("n", "127.0.0.1")}
    told = "".join(f"{name} = {value}\n" for name, value in node.items())
    swift_conf.write_text(f"{swift_conf.read_text()}\n[swift-tls]\n{told}")
    text = store.start()
    url = f"https://127.0.0.1:{store.port}"
    assert f"  Auth URL  {url}/auth/v1.0\n" in text and f"  Console   {url}/console/\n" in text
    assert f"  Logs      {store.directory}/log/\n" in text and "  Admin     admin:admin, key admin;" in text
    status = wait_healthy(store)
    assert f"auth URL {url}/auth/v1.0\n" in status.stdout
    assert status.stdout.count(" up\n") == 4
    assert f"logs in {store.directory}/log/, administrator admin:admin, key admin\n" in status.stdout
    tls = authority.context()
    tls.check_hostname = False
    address = ("127.0.0.1", store.port)
    assert not children.is_healthy(address, PATIENCE, tls)
    assert children.is_healthy(address, PATIENCE, tls, OF_NOBODY)
    conf.write_text(layout.set_options(conf.read_text(), "DEFAULT", {"client_ca_file": authority.ca_file}))
    supervisor = int((store.directory / "run" / "aio.pid").read_text())
    (proxy,) = (pid for pid, (parent, line) in store.processes().items() if parent == supervisor and str(conf) in line)
    os.kill(proxy, signal.SIGHUP)
    wait_until(lambda: store.run("status").stdout.count(" up\n") == 4, "it asks, so it is up")
    wait_until(
        lambda: not children.is_healthy(address, PATIENCE, tls, OF_NOBODY), "no worker with the old conf is left"
    )


def test_kill_leaves_no_orphan(store: Store) -> None:
    store.start()
    supervisor = int((store.directory / "run" / "aio.pid").read_text())
    assert len(store.processes()) > 6
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: not store.processes(), "every process has died with the supervisor")
    assert store.run("status").returncode == 3
    store.start()


@pytest.mark.parametrize("name", ["proxy-server", "object-server", "object-updater"])
def test_a_child_that_dies_is_started_again(store: Store, name: str) -> None:
    store.start()

    def child() -> int | None:
        # The master is the one whose parent is the supervisor.
        supervisor = int((store.directory / "run" / "aio.pid").read_text())
        for pid, (parent, line) in store.processes().items():
            if f"swiftlite-{name}" in line and parent == supervisor:
                return pid
        return None

    before = child()
    assert before
    made = wait_until(lambda: store.passes().get(name), "a pass is counted") if name in DAEMONS else 0.0
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: child() not in (None, before), f"{name} runs again")
    wait_healthy(store)
    if name != "object-server":
        wait_until(lambda: store.passes().keys() >= DAEMONS, "the proxy tells of all daemons")
        wait_until(lambda: store.passes().get(name, 1) > made, "its counters go on")
    store.connection().put_container("after")
    log = (store.directory / "log" / "aio.log").read_text()
    assert re.search(rf"^\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d {name}\S* ended with -9", log, re.MULTILINE)


def test_second_start_is_refused(store: Store) -> None:
    store.start()
    line = one_line(store.run("start", "--port", str(store.port)))
    assert str(store.directory) in line
    assert "stop" in line


def test_taken_port_is_named(store: Store, tmp_path: Path) -> None:
    store.directory = tmp_path / "var" / "aio"
    with socket.create_server(("127.0.0.1", store.port + 2)):
        line = one_line(store.run("start", "--port", str(store.port)))
    assert str(store.port + 2) in line
    assert "--port" in line
    assert not (tmp_path / "var").exists()


def test_foreground_until_ctrl_c(store: Store) -> None:
    command = store.command("start", "--port", str(store.port))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as foreground:
        assert foreground.stdout is not None
        while "Auth URL" not in foreground.stdout.readline():
            assert foreground.poll() is None
        foreground.send_signal(signal.SIGINT)
        assert foreground.wait(120) == 0
    wait_gone(store)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--port", "0"], "--port"),
        (["--port", "65533"], "--port"),
        (["--port", "x"], "--port"),
        (["stop", "--port", "1"], "--port"),
        (["dance"], "dance"),
        (["--prot", "7000"], "unrecognized arguments: --prot"),
    ],
)
def test_wrong_words_are_refused(store: Store, words: list[str], named: str) -> None:
    done = store.run(*words)
    assert done.returncode == 2
    assert named in done.stderr.splitlines()[-1]
    assert "swiftlite-aio: error:" in done.stderr
    assert not store.directory.exists()


def test_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = one_line(Store(tmp_path / "file" / "aio").run("start"))
    assert "--dir" in line


def test_open_address_gets_random_keys(tmp_path: Path) -> None:
    plan = aio_layout.make_plan(tmp_path, None, "0.0.0.0", None)
    plan.carry_out()
    conf = tmp_path / "etc" / "proxy-server.conf"
    assert conf.stat().st_mode & 0o777 == 0o600
    assert set(plan.new_keys) == set(aio_layout.USERS)
    assert len(set(plan.new_keys.values())) == len(aio_layout.USERS)
    for user, key in plan.new_keys.items():
        assert f"user_{user.replace(':', '_')} = {key}" in conf.read_text()
        assert key in plan.banner()
    again = aio_layout.make_plan(tmp_path, None, None, None)
    assert again.layout == plan.layout
    assert not again.new_keys
    assert plan.key not in again.banner()


def test_keys_become_random_when_the_address_opens(tmp_path: Path) -> None:
    aio_layout.make_plan(tmp_path, None, None, None).carry_out()
    plan = aio_layout.make_plan(tmp_path, None, "0.0.0.0", None)
    plan.carry_out()
    text = (tmp_path / "etc" / "proxy-server.conf").read_text()
    assert "= testing" not in text
    assert "bind_ip = 0.0.0.0" in text
    assert plan.key in text
    assert "bind_ip = 127.0.0.1" in (tmp_path / "etc" / "object-server.conf").read_text()


def old_python(directory: Path) -> Path:
    """Return a python3 that says it is 3.9: this one, with a version that is set before the program runs."""
    program = directory / "python3"
    code = "import sys,runpy; sys.version_info=(3,9,0,'final',0); sys.argv=sys.argv[1:]; runpy.run_path(sys.argv[0],run_name='__main__')"
    program.write_text(f'#!/bin/sh\nexec {PYTHON} -c "{code}" "$@"\n')
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("program", [AIO, PROGRAMS.parent / "test" / "run"])
def test_old_python_is_refused(tmp_path: Path, program: Path) -> None:
    command = [str(old_python(tmp_path)), str(program), "start"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "needs Python 3.10" in one_line(done)


def test_missing_venv_module_is_named(tmp_path: Path) -> None:
    """A checkout without its virtualenv, and a Python whose ensurepip was left out, as in Debian's python3."""
    checkout = tmp_path / "checkout"
    for name in ("bin", "swiftlite"):
        shutil.copytree(PROGRAMS.parent / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROGRAMS.parent / "setup.py", checkout)
    code = "import sys,runpy; sys.modules['ensurepip']=None; sys.argv=sys.argv[1:]; sys.path.insert(0,''); runpy.run_path(sys.argv[0],run_name='__main__')"
    command = [PYTHON, "-c", code, str(checkout / "bin" / "swiftlite-aio"), "--dir", str(tmp_path / "aio")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "apt-get install python" in one_line(done)


def test_fresh_clone(tmp_path: Path) -> None:
    """What is committed is enough: a clone starts, in an empty directory, with nothing but Python."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(PROGRAMS.parent), str(clone)], check=True)
    store = Store(clone / "var" / "aio")
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    command = [PYTHON, "bin/swiftlite-aio", "--detach", "--port", str(store.port)]
    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, timeout=TIMEOUT)
    try:
        assert done.returncode == 0, done.stderr
        assert (clone / "var" / "aio" / "etc").is_dir()
        store.connection().put_container("container")
        unclean = subprocess.run(
            ["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True
        )
        assert unclean.stdout == ""
    finally:
        subprocess.run([PYTHON, "bin/swiftlite-aio", "stop"], cwd=clone, check=True)
    wait_gone(store)
