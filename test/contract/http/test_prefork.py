"""Prefork: real processes, real signals, real ports."""

import contextlib
import errno
import logging
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from fakes.http_server import PATIENCE, RawConnection, wait_until
from fakes.ports import free_port
from swiftlite.http import prefork
from swiftlite.http.listeners import Listeners

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
PROGRAM = CHECKOUT / "test" / "fakes" / "prefork_program.py"


AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.set_inheritable(3, True)
os.execve(sys.argv[2], sys.argv[2:], {**os.environ, "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
"""


def is_alive(pid):
    with contextlib.suppress(OSError):
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"
    return False


class Program:
    """The server program in a process of its own."""

    def __init__(self, directory, workers, port=None):
        self.directory = directory
        self.port = port or free_port()
        self.workers = workers
        self.set_conf("hello")
        self.process = None

    def set_ip(self, ip):
        (self.directory / "ip").write_text(ip)

    def set_conf(self, text):
        (self.directory / "conf").write_text(text)

    def launch(self, given=None):
        """Start it; a socket that is given it gets as from systemd."""
        command = [sys.executable, str(PROGRAM), str(self.port), str(self.workers), str(self.directory)]
        if given is not None:
            command = [sys.executable, "-c", AS_SYSTEMD, str(given.fileno()), *command]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=[given.fileno()] if given else (),
        )
        return self

    def start(self):
        self.launch()
        wait_until(self.answers, "the server to answer")
        wait_until(lambda: len(self.children()) == self.workers, "the last worker")  # the first may have answered
        return self

    def answers(self):
        assert self.process.poll() is None, self.process.stderr.read()
        with contextlib.suppress(OSError):
            return self.ask("/") != ""
        return False

    def connect(self, ip="127.0.0.1"):
        return RawConnection((ip, self.port))

    def ask(self, path, ip="127.0.0.1"):
        with self.connect(ip) as wire:
            wire.send(f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
            return wire.read_response().body.decode()

    def children(self):
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in tasks.read_text().split()]

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self):
        """Reload, and wait until the new workers have replaced the old ones."""
        old = set(self.children())
        self.signal(signal.SIGHUP)
        wait_until(lambda: len(new := set(self.children())) == self.workers and not old & new, "new workers")

    def wait(self):
        return self.process.wait(60)

    def end(self):
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            self.process.stderr.close()


@pytest.fixture
def program(tmp_path):
    programs = []

    def make(workers, port=None):
        programs.append(Program(tmp_path, workers, port))
        return programs[-1]

    yield make
    for one in programs:
        one.end()


@pytest.mark.parametrize("workers", [0, 1, 3])
class TestLife:
    def test_serves_and_stops(self, program, workers):
        server = program(workers).start()
        assert server.ask("/") == "hello"
        assert len(server.children()) == workers
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        with pytest.raises(ConnectionRefusedError):
            server.connect()

    def test_interrupt(self, program, workers):
        server = program(workers).start()
        server.signal(signal.SIGINT)
        assert server.wait() == 0

    def test_requests_in_progress_finish(self, program, workers):
        server = program(workers).start()
        with server.connect() as wire:
            wire.send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
            wait_until((server.directory / "waiting").exists, "the request")
            server.signal(signal.SIGTERM)
            wait_until(lambda: not self.accepts(server), "the listener to close")
            (server.directory / "gate").touch()
            assert wire.read_response().body == b"hello"
        assert server.wait() == 0

    @staticmethod
    def accepts(server):
        try:
            server.connect().close()
        except OSError:
            return False
        return True

    def test_taken_port(self, program, workers):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            server = program(workers, port).launch()
            assert server.wait() == 1
            assert server.process.stderr.read() == f"cannot listen on 127.0.0.1 port {port}: Address already in use\n"

    def test_port_of_another_prefork_server(self, program, workers):
        first = program(2).start()
        second = program(workers, first.port).launch()
        assert second.wait() == 1
        assert first.ask("/") == "hello"

    def test_broken_conf(self, program, workers):
        server = program(workers)
        server.set_conf("broken")
        assert server.launch().wait() == 1
        assert server.process.stderr.read() == "conf: it is broken\n"

    def test_broken_conf_at_reload_changes_nothing(self, program, workers):
        server = program(workers).start()
        old = server.children()
        server.set_conf("broken")
        server.signal(signal.SIGHUP)
        assert "going on as before" in server.process.stderr.readline()
        assert server.ask("/") == "hello"
        wait_until(lambda: server.children() == old, "the trial to end")


class TestWorkers:
    def test_connections_spread_over_workers(self, program):
        server = program(3).start()
        pids = {server.ask("/pid") for _ in range(100)}
        assert pids == {str(pid) for pid in server.children()}

    def test_a_dead_worker_is_replaced(self, program):
        server = program(2).start()
        before = set(server.children())
        victim = int(server.ask("/pid"))
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(set(server.children()) - {victim}) == 2, "a new worker")
        assert len(before & set(server.children())) == 1
        assert f"worker {victim} died with signal 9" in server.process.stderr.readline()
        wait_until(lambda: len({server.ask("/pid") for _ in range(20)}) == 2, "both to serve")

    def test_a_worker_that_exits_is_replaced(self, program):
        server = program(1).start()
        old = server.ask("/pid")
        with server.connect() as wire:
            wire.send(b"GET /die HTTP/1.1\r\nHost: h\r\n\r\n")
            assert wire.is_closed()
        # The socket outlives the worker: this request waits in its backlog.
        assert server.ask("/pid") != old
        assert f"worker {old} died with exit status 3" in server.process.stderr.readline()

    def test_workers_that_cannot_start_are_tried_ever_more_rarely(self, program):
        server = program(1)
        (server.directory / "no-worker").touch()
        server.launch()
        delays = []
        while len(delays) < 4:
            line = server.process.stderr.readline()
            if "starting another in" in line:
                delays.append(float(line.split()[-2]))
        assert delays == [0.1, 0.2, 0.4, 0.8]
        (server.directory / "no-worker").unlink()
        wait_until(server.answers, "the server to answer")

    @pytest.mark.parametrize("other_user", [False, True])
    def test_workers_die_with_their_master(self, program, other_user):
        if other_user and os.geteuid() != 0:
            pytest.skip("only root can change the user")
        server = program(2)
        if other_user:
            (server.directory / "other-user").touch()
        server.start()
        workers = server.children()
        server.process.kill()
        server.process.wait()
        wait_until(lambda: not any(is_alive(pid) for pid in workers), "the workers to die")

    def test_a_second_signal_does_not_wait(self, program):
        server = program(1).start()
        with server.connect() as wire:
            wire.send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
            wait_until((server.directory / "waiting").exists, "the request")
            server.signal(signal.SIGTERM)
            wait_until(lambda: not TestLife.accepts(server), "the drain")
            server.signal(signal.SIGTERM)
            assert wire.is_closed()
        assert server.wait() == 0

    def test_requests_in_progress_survive_a_reload(self, program):
        server = program(1).start()
        with server.connect() as wire:
            wire.send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
            wait_until((server.directory / "waiting").exists, "the request")
            server.set_conf("changed")
            server.signal(signal.SIGHUP)
            wait_until(lambda: server.ask("/") == "changed", "the new configuration")
            (server.directory / "gate").touch()
            assert wire.read_response().body == b"hello"
        wait_until(lambda: len(server.children()) == 1, "the old worker to end")


class Clients:
    """Threads that ask a server all the time, on a new connection each time; each keeps a port of the machine for a minute."""

    def __init__(self, server, count=3):
        self.server, self.answers, self.failures = server, [], []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]

    def _ask(self):
        while not self._stop.wait(0.01):
            try:
                self.answers.append(self.server.ask("/"))
            except Exception as error:
                self.failures.append(repr(error))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("workers", [0, 2])
class TestReloadsWithoutAGap:
    def test_nothing_is_refused_whatever_the_address_becomes(self, program, workers):
        """The same one, one instead of all, and all of IPv6 as well: who asks at that one notices nothing."""
        server = program(workers)
        server.set_ip("0.0.0.0")
        server.start()
        with Clients(server) as clients:
            for number, ip in enumerate(("0.0.0.0", "127.0.0.1", "::")):
                server.set_ip(ip)
                server.set_conf(f"version {number}")
                server.reload()
                wait_until(lambda wanted=f"version {number}": clients.answers[-1:] == [wanted], f"the server at {ip}")
                is_open = ip != "127.0.0.1"
                wait_until(lambda wanted=is_open: self.accepts(server, "127.0.0.2") is wanted, "other addresses")
        assert clients.failures == []
        server.signal(signal.SIGTERM)
        assert server.wait() == 0

    @staticmethod
    def accepts(server, ip):
        try:
            server.connect(ip).close()
        except ConnectionError:  # refused, or reset by one that is just closed
            return False
        return True


def test_nothing_is_refused_between_stop_and_start(program):
    """Where systemd holds the socket: whoever connects meanwhile waits."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as given:
        server = program(2, given.getsockname()[1])
        server.launch(given)
        with Clients(server) as clients:
            wait_until(lambda: clients.answers, "the first answer")
            wait_until(lambda: len(server.children()) == 2, "the last worker")
            server.set_conf("reloaded")
            server.reload()
            wait_until(lambda: clients.answers[-1] == "reloaded", "the new version")
            server.set_ip("127.0.0.3")
            server.signal(signal.SIGHUP)
            refusal = f"systemd listens on 127.0.0.1 port {server.port} for it"
            assert any(refusal in line for line in server.process.stderr), "at the next start it would be refused, too"
            server.set_ip("127.0.0.1")
            server.signal(signal.SIGTERM)
            assert server.wait() == 0
            server.process.stderr.close()
            server.set_conf("started again")
            server.launch(given)
            wait_until(lambda: clients.answers[-1] == "started again", "it has started again")
            wait_until(lambda: len(server.children()) == 2, "the last worker")
        assert clients.failures == []


def test_systemd_is_told(program, tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
        notifications.bind(str(tmp_path / "notify"))
        notifications.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        server = program(1).start()
        assert notifications.recv(1000).startswith(b"READY=1\nSTATUS=")
        server.signal(signal.SIGTERM)
        assert notifications.recv(100) == b"STOPPING=1"
        assert server.wait() == 0


def test_a_worker_that_hangs_is_not_hidden_from_systemd(program, tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
        notifications.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "600000")
        server = program(2).start()
        notifications.settimeout(60)
        while notifications.recv(1000) != b"WATCHDOG=1":
            pass
        with server.connect() as stuck:
            stuck.send(b"GET /hang HTTP/1.1\r\nHost: h\r\n\r\n")
            assert "a worker hangs" in server.process.stderr.readline()
            notifications.settimeout(0.6)  # as long as systemd would wait
            deadline = time.monotonic() + PATIENCE  # a busy machine makes workers look so that get on again
            with pytest.raises(TimeoutError):
                while time.monotonic() < deadline:
                    notifications.recv(1000)


def test_a_trial_that_hangs_is_ended(program):
    server = program(1)
    (server.directory / "hang").touch()
    server.start()
    server.signal(signal.SIGHUP)
    assert select.select([server.process.stderr], [], [], PATIENCE)[0], "nothing is said"
    assert "going on as before: the trial took longer than 0.5 s" in server.process.stderr.readline()
    wait_until(lambda: len(server.children()) == 1, "the trial to end")
    assert server.ask("/") == "hello"


def test_stray_signals_are_no_problem(program):
    server = program(2).start()
    for _ in range(5):
        server.signal(signal.SIGCHLD)
        time.sleep(0)
    assert server.ask("/") == "hello"


def test_a_system_without_room_for_processes_ends_no_master(monkeypatch, caplog):
    """A worker that cannot be forked is tried again; a trial that cannot be made leaves all as it was."""

    def no_room(*_args, **_options):
        raise BlockingIOError(errno.EAGAIN, "no room")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        master = prefork.Master(Listeners([listener]), 2, no_room, prefork.Hooks(), 1.0, logging.getLogger("prefork"))
        monkeypatch.setattr(os, "fork", no_room)
        monkeypatch.setattr(os, "posix_spawn", no_room)
        before = time.monotonic()
        master._fork_due()
        assert sorted(master.due) == [0, 1] and min(master.due.values()) > before
        master._try_to_reload()
        assert master.trial is None and not master._ends_serving_alone(signal.SIGHUP)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "cannot start a worker, trying again in 10 s",
        "cannot start a worker, trying again in 10 s",
        "cannot reload, going on as before",
        "cannot reload, going on as before",
    ]


@pytest.mark.parametrize("workers", [0, 1])
def test_lines_that_are_held_are_written_when_their_process_ends(program, tmp_path, workers):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(str(tmp_path / "log"))
        syslog.settimeout(60)
        server = program(workers).start()
        for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM):
            assert server.ask("/logged") == "hello"
            assert select.select([syslog], [], [], 0)[0] == []
            server.signal(number)
            assert syslog.recv(1000).endswith(b"access: answered\0")
        assert server.wait() == 0
