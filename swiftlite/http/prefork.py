"""Prefork: a master that binds the port, forks workers, keeps them alive and passes signals on."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any, NoReturn

from swiftlite.common.concurrency import reset_after_fork, spawn, trampoline
from swiftlite.http.response import WSGIApp
from swiftlite.http.server import HTTPOptions, HTTPServer

PR_SET_PDEATHSIG = 1
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
LISTENERS = "SWIFTLITE_LISTENERS"
"""Environment variable through which a reload hands on the sockets: ``pid:fd,fd,…;old worker pid,…``."""
QUICK_DEATH = 2.0
"""A worker that lived no longer than so many seconds is started again with growing delay."""
MAX_DELAY = 10.0
KILL_AFTER = 5.0
"""Seconds beyond the drain grace after which workers are killed."""


class ListenError(Exception):
    """The address cannot be listened on; the text says which and why."""


def serve(
    load_app: Callable[[], WSGIApp],
    *,
    address: tuple[str, int],
    workers: int,
    backlog: int,
    http_options: HTTPOptions,
    log: Any,
    setup_worker: Callable[[], None] | None = None,
) -> int:
    """Serve until a signal ends it.

    SIGTERM and SIGINT: requests in progress finish, then exit status 0 (a second one: at once). SIGHUP: start anew on the same
    sockets, with no connection refused; if the configuration cannot be loaded, all stays as it is.

    Args:
        load_app: makes the WSGI application; called once, before any fork. Its errors go to the caller.
        address: (IP address, port) to listen on; an empty IP address means all.
        workers: how many processes; 0: serve in this one.
        backlog: connections that may wait to be accepted, per worker.
        http_options: limits and timeouts.
        log: gets ``info``, ``warning``, ``error``.
        setup_worker: called in each worker before it serves, say to drop privileges.

    Returns:
        Exit status: 0.

    Raises:
        ListenError: the port cannot be bound.
    """
    inherited, old_workers = _inherited()
    app = load_app()
    try:
        listeners = bind(*address, max(1, workers), backlog, inherited)
    except OSError as error:
        raise ListenError(f"cannot listen on {address[0]} port {address[1]}: {error.strerror or error}") from None
    gc.collect()
    gc.freeze()  # Workers share these pages as long as no collection touches them.

    def work(listener: socket.socket, ends: Callable[[int], bool]) -> int:
        if setup_worker is not None:
            setup_worker()
            if workers:
                die_with_parent(master.pid)  # Again: the kernel forgets it when a process changes its user.
        return work_until_signal(HTTPServer(listener, app, http_options, log), ends)

    master = Master(load_app, listeners, work, http_options.drain_grace, log)
    master.retire(old_workers)
    if workers == 0:
        return master.serve_alone()
    return master.run()


def bind(ip: str, port: int, count: int, backlog: int, inherited: list[socket.socket]) -> list[socket.socket]:
    """Return ``count`` sockets listening on one address, inherited ones first; raise OSError if it is taken."""
    family, _, _, _, address = socket.getaddrinfo(
        ip or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICHOST
    )[0]
    kept: list[socket.socket] = []
    for listener in inherited:
        if listener.family == family and listener.getsockname()[:2] == address[:2] and len(kept) < count:
            kept.append(listener)
        else:
            listener.close()
    if not kept:
        # SO_REUSEPORT would let two servers share a port by mistake.
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    listeners = kept
    while len(listeners) < count:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(listeners[0].getsockname() if listeners else address)
        listeners.append(listener)
    for listener in listeners:
        listener.listen(backlog)
    return listeners


def work_until_signal(server: HTTPServer, ends: Callable[[int], bool]) -> int:
    """Serve in this process until a signal for which ``ends`` is true, then drain; return the signal.

    A signal handler cannot wake the event hub; the byte that Python writes to the wakeup descriptor can.
    """
    wake_end, signal_end = socket.socketpair()
    wake_end.setblocking(False)
    signal_end.setblocking(False)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL if number == signal.SIGCHLD else _nothing)
    signal.set_wakeup_fd(signal_end.fileno(), warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    last = 0

    def watch() -> None:
        nonlocal last
        while not last:
            trampoline(wake_end, read=True)
            last = next((number for number in wake_end.recv(64) if ends(number)), 0)
        server.drain()

    spawn(watch)
    server.serve()
    signal.set_wakeup_fd(-1)
    return last


def _is_stop(number: int) -> bool:
    return number in (signal.SIGTERM, signal.SIGINT)


def _nothing(_number: int, _frame: Any) -> None:
    """A handler that leaves all to the wakeup descriptor."""


class Master:
    """Keeps one worker per listening socket alive.

    Args:
        load_app: tried again before a reload.
        listeners: one per worker.
        work: serves one listener until a signal that its second argument says ends it, and returns that; runs in the worker.
        grace: seconds that workers have to finish requests.
        log: gets what happens to workers.
    """

    def __init__(
        self,
        load_app: Callable[[], WSGIApp],
        listeners: list[socket.socket],
        work: Callable[[socket.socket, Callable[[int], bool]], int],
        grace: float,
        log: Any,
    ) -> None:
        self.load_app = load_app
        self.listeners = listeners
        self.work = work
        self.grace = grace
        self.log = log
        self.pid = os.getpid()
        self.workers: dict[int, int] = {}
        """pid -> which listener."""
        self.retired: set[int] = set()
        """Workers of before a reload that finish their last requests."""
        self.started = [0.0] * len(listeners)
        self.delays = [0.0] * len(listeners)
        self.due: dict[int, float] = dict.fromkeys(range(len(listeners)), 0.0)
        """listener -> when to fork its worker."""

    def run(self) -> int:
        """Fork workers and attend to them and to signals until told to stop; return the exit status."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self._fork_due()
        notify("READY=1")
        while True:
            number = self._next_signal()
            if number is not None and _is_stop(number):
                return self._stop()
            if number == signal.SIGHUP and self._can_reload():
                self._reload()
            self._reap()
            self._fork_due()

    def serve_alone(self) -> int:
        """Serve in this process, without workers; return the exit status."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        notify("READY=1")
        # A copy, because draining closes it: what connects during a reload waits in the backlog of the socket.
        last = self.work(self.listeners[0].dup(), self._ends_serving_alone)
        if last == signal.SIGHUP:
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            self._reload()
        return 0

    def _ends_serving_alone(self, number: int) -> bool:
        if _is_stop(number):
            notify("STOPPING=1")
            self.listeners[0].close()
            return True
        return number == signal.SIGHUP and self._can_reload()

    def retire(self, pids: list[int]) -> None:
        """Tell the workers of before a reload to finish; called once the new ones are about to start."""
        self.retired.update(pids)

    def _next_signal(self) -> int | None:
        wait = 3600.0
        if self.due:
            wait = max(0.0, min(self.due.values()) - monotonic())
        caught = signal.sigtimedwait(SIGNALS, wait)
        return None if caught is None else caught.si_signo

    def _fork_due(self) -> None:
        now = monotonic()
        for slot in [slot for slot, when in self.due.items() if when <= now]:
            del self.due[slot]
            self.started[slot] = now
            pid = os.fork()
            if pid == 0:
                self._become_worker(slot)
            self.workers[pid] = slot
        if self.retired and not self.due:
            # Only now: somebody accepts on every socket.
            for pid in self.retired:
                _kill(pid, signal.SIGTERM)

    def _become_worker(self, slot: int) -> NoReturn:
        status = 1
        try:
            die_with_parent(self.pid)
            for other, listener in enumerate(self.listeners):
                if other != slot:
                    listener.close()
            reset_after_fork()
            self.work(self.listeners[slot], _is_stop)
            status = 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        except BaseException:
            self.log.exception("worker failed")
        finally:
            logging.shutdown()  # writes what handlers hold back
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _reap(self) -> None:
        """Note which workers have died and when to replace them."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.retired.discard(pid)
            slot = self.workers.pop(pid, None)
            if slot is None:
                continue
            now = monotonic()
            quick = now - self.started[slot] < QUICK_DEATH
            self.delays[slot] = min(MAX_DELAY, max(0.1, self.delays[slot] * 2)) if quick else 0.0
            self.due[slot] = now + self.delays[slot]
            self.log.error(
                "worker %d died with %s; starting another in %.1f s", pid, describe_exit(status), self.delays[slot]
            )

    def _stop(self) -> int:
        """Let the workers drain; kill those that take too long, or all on a second signal."""
        notify("STOPPING=1")
        for listener in self.listeners:
            listener.close()
        self.due.clear()
        living = {*self.workers, *self.retired}
        for pid in living:
            _kill(pid, signal.SIGTERM)
        deadline = monotonic() + self.grace + KILL_AFTER
        while living:
            caught = signal.sigtimedwait(SIGNALS, max(0.0, deadline - monotonic()))
            if caught is None or caught.si_signo in (signal.SIGTERM, signal.SIGINT):
                for pid in living:
                    _kill(pid, signal.SIGKILL)
                deadline = monotonic() + KILL_AFTER
            while living:
                try:
                    pid, _ = os.waitpid(-1, os.WNOHANG)
                except ChildProcessError:
                    return 0
                if pid == 0:
                    break
                living.discard(pid)
        return 0

    def _can_reload(self) -> bool:
        """Try the configuration in a child; if it is wrong, say so and stay as we are."""
        trial = os.fork()
        if trial == 0:
            try:
                self.load_app()
            except BaseException as error:
                self.log.error("cannot reload, going on as before: %s", error)
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(trial, 0)
        return status == 0

    def _reload(self) -> NoReturn:
        """Start the program anew in this very process, handing on the sockets."""
        self.log.info("reloading")
        notify("RELOADING=1")
        for listener in self.listeners:
            listener.set_inheritable(True)
        numbers = ",".join(str(listener.fileno()) for listener in self.listeners)
        old = ",".join(str(pid) for pid in [*self.workers, *self.retired])
        os.environ[LISTENERS] = f"{self.pid}:{numbers};{old}"
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _inherited() -> tuple[list[socket.socket], list[int]]:
    """Return the sockets and the pids of old workers that a reload has left us."""
    owner, _, rest = os.environ.pop(LISTENERS, "").partition(":")
    if owner != str(os.getpid()):
        return [], []
    numbers, _, old = rest.partition(";")
    listeners = [socket.socket(fileno=int(number)) for number in numbers.split(",")]
    for listener in listeners:
        listener.set_inheritable(False)
    return listeners, [int(pid) for pid in old.split(",") if pid]


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when ``parent`` dies; exit at once if it has died already."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def describe_exit(status: int) -> str:
    """Return a wait status in words."""
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"exit status {os.waitstatus_to_exitcode(status)}"


def notify(state: str) -> None:
    """Tell systemd (sd_notify) about a change, if it asked to be told."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(state.encode(), "\0" + path[1:] if path.startswith("@") else path)


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
