"""Prefork: a master that binds the port, forks workers, keeps them alive and passes signals on."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, NoReturn

from swiftlite.common.concurrency import reset_after_fork, sleep, spawn, trampoline
from swiftlite.common.forks import MAX_DELAY, describe_exit, die_with_parent, end_process, next_delay
from swiftlite.common.notify import be_silent, cannot_reload, notify, reloading
from swiftlite.common.restart import Trial, start_anew
from swiftlite.common.watchdog import watchdog
from swiftlite.http.listeners import Listeners, inherited, listen
from swiftlite.http.response import WSGIApp
from swiftlite.http.server import HTTPOptions, HTTPServer

STOPS, RELOADS, RETIRE = (signal.SIGTERM, signal.SIGINT), (signal.SIGHUP, signal.SIGUSR1), signal.SIGUSR2
"""What ends a server, what starts it anew, and what tells a worker that a reload has brought others."""
SIGNALS = {*STOPS, *RELOADS, RETIRE, signal.SIGCHLD}
TRIAL_PERIOD = 1.0
"""Seconds between two looks at whether a trial takes too long."""
SETTLE = 1.0
"""Seconds for which an address is served still that a reload has left: connections may be on their way."""
KILL_AFTER = 5.0
"""Seconds beyond the drain grace after which workers are killed."""


def _nothing(*_: Any) -> None:
    """Do nothing: what a hook does that is not used; or a signal handler that leaves all to the wakeup descriptor."""


@dataclass(frozen=True)
class Hooks:
    """What a server's program has to do at turns of its life."""

    listening: Callable[[], None] = _nothing
    """In the master, once the port is bound."""
    worker: Callable[[], None] = _nothing
    """In each worker before it serves, say to drop privileges."""
    reload: Callable[[], None] = _nothing
    """In the master, before it starts anew."""
    served: Callable[[], None] = _nothing
    """In each worker that has served its last request."""


def serve(
    load_app: Callable[[], WSGIApp],
    *,
    address: tuple[str, int],
    workers: int,
    backlog: int,
    http_options: HTTPOptions,
    log: Any,
    hooks: Hooks,
) -> int:
    """Serve until a signal ends it.

    SIGTERM and SIGINT: requests in progress finish, then exit status 0 (a second one: at once). SIGHUP and SIGUSR1: start anew
    on the same sockets, with the conf, rings and code of that moment, with no connection refused and none closed that
    might be in use (but idle ones without workers); where the conf names another address, whoever has connected to the old one
    is served still. If a trial shows that the program could not start, all stays as it is.

    Args:
        load_app: makes the WSGI application; called once, before any fork. Its errors go to the caller.
        address: (IP address, port) to listen on; an empty IP address means all.
        workers: how many processes; 0: serve in this one.
        backlog: connections that may wait to be accepted, per worker.
        http_options: limits and timeouts.
        log: gets ``info``, ``warning``, ``error``.
        hooks: what else is to be done, and when.

    Returns:
        Exit status: 0.

    Raises:
        ListenError: the port cannot be bound.
    """
    found = inherited()
    app = load_app()
    listeners = listen(*address, max(1, workers), backlog, found)
    hooks.listening()
    watchdog.start()
    gc.collect()
    gc.freeze()  # Workers share these pages as long as no collection touches them.

    def work(share: Listeners, ends: Callable[[int], bool]) -> int:
        hooks.worker()
        if workers:
            die_with_parent(master.pid)  # Again: the kernel forgets it when a process changes its user.
        server = HTTPServer([*share.kept, *share.leaving], app, http_options, log)
        if share.leaving:
            spawn(leave_later, server, share.leaving)
        last = work_until_signal(server, ends)
        hooks.served()
        return last

    master = Master(listeners, workers, work, hooks, http_options.drain_grace, log)
    master.retire(found.old_workers)
    if workers == 0:
        return master.serve_alone()
    return master.run()


def leave_later(server: HTTPServer, listeners: list[socket.socket]) -> None:
    """Give up sockets of a server once nobody is sent there any more."""
    sleep(SETTLE)
    server.leave(listeners)


def work_until_signal(server: HTTPServer, ends: Callable[[int], bool]) -> int:
    """Serve in this process until a signal for which ``ends`` is true, then drain; return the signal.

    RETIRE lets the server finish in its own time; another signal may hurry it up.
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
            for number in wake_end.recv(64):
                if number == RETIRE:
                    server.retire()
                elif not last and ends(number):
                    last = number
        server.drain()

    spawn(watch)
    server.serve()
    signal.set_wakeup_fd(-1)
    return last


def _is_stop(number: int) -> bool:
    return number in STOPS


class Master:
    """Keeps the workers alive, each with its share of the listening sockets.

    Args:
        listeners: of the server.
        workers: how many processes.
        work: serves a share of them until a signal that its second argument says ends it, and returns that; runs in the worker.
        hooks: of these, ``reload``.
        grace: seconds that workers have to finish requests.
        log: gets what happens to workers.
    """

    def __init__(
        self,
        listeners: Listeners,
        workers: int,
        work: Callable[[Listeners, Callable[[int], bool]], int],
        hooks: Hooks,
        grace: float,
        log: Any,
    ) -> None:
        self.listeners = listeners
        self.work = work
        self.hooks = hooks
        self.grace = grace
        self.log = log
        self.pid = os.getpid()
        self.workers: dict[int, int] = {}
        """pid -> which of them."""
        self.retired: set[int] = set()
        """Workers of before a reload that finish their last requests."""
        self.untold: list[int] = []
        """Those that serve still."""
        self.started = [0.0] * workers
        self.delays = [0.0] * workers
        self.due: dict[int, float] = dict.fromkeys(range(workers), 0.0)
        """worker -> when to fork it."""
        self.trial: Trial | None = None
        self.try_again = False
        """Another signal has asked for a reload while the trial ran: it may have read what was old already."""
        self._told = ""

    def run(self) -> int:
        """Fork workers and attend to them and to signals until told to stop; return the exit status."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self._fork_due()
        notify("READY=1", self._status())
        while True:
            number = self._next_signal()
            if number in STOPS:
                return self._stop()
            if number in RELOADS:
                self._try_to_reload()
            self._reap()
            self._tell_status()  # of those that have died, before others are there
            self._fork_due()
            self._attend_trial()
            self._attend_watchdog()
            self._tell_status()

    def serve_alone(self) -> int:
        """Serve in this process, without workers; return the exit status."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self._dismiss_retired()
        notify("READY=1", "STATUS=serving in one process")
        watchdog.keep_beating()
        # Copies, because draining closes them: what connects during a reload waits in the backlog of the sockets.
        copies = Listeners([listener.dup() for listener in self.listeners.kept], self.listeners.leaving)
        last = self.work(copies, self._ends_serving_alone)
        if last in RELOADS:
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            self._reload()
        return 0

    def _ends_serving_alone(self, number: int) -> bool:
        if number in STOPS:
            notify("STOPPING=1")
            self.listeners.close()
            return True
        if number not in RELOADS:
            return False
        reloading()
        trial = self._make_trial()
        if trial is None:
            return False
        while (status := trial.poll()) is None:
            sleep(0.01)
        return self._judge(trial, status)

    def retire(self, pids: list[int]) -> None:
        """Tell the workers of before a reload to finish; called once the new ones are about to start."""
        self.retired.update(pids)
        self.untold += pids

    def _next_signal(self) -> int | None:
        wait = watchdog.period if self.trial is None else min(watchdog.period, TRIAL_PERIOD)
        if self.due:
            wait = max(0.0, min(wait, min(self.due.values()) - monotonic()))
        caught = signal.sigtimedwait(SIGNALS, wait)
        return None if caught is None else caught.si_signo

    def _fork_due(self) -> None:
        now = monotonic()
        for slot in [slot for slot, when in self.due.items() if when <= now]:
            del self.due[slot]
            self.started[slot] = now
            cell = watchdog.new_child(slot)
            try:
                pid = os.fork()
            except OSError as error:  # too many processes, or no memory
                self.due[slot] = now + MAX_DELAY
                self.log.error("cannot start a worker, trying again in %g s: %s", MAX_DELAY, error.strerror)
                continue
            if pid == 0:
                self._become_worker(slot, cell)
            self.workers[pid] = slot
        if not self.due:  # Only now: somebody accepts on every socket.
            self._dismiss_retired()
            self.listeners.leave()

    def _dismiss_retired(self) -> None:
        while self.untold:
            _kill(self.untold.pop(), RETIRE)

    def _become_worker(self, slot: int, cell: Any) -> NoReturn:
        status = 1
        try:
            die_with_parent(self.pid)
            share = self.listeners.share(slot, len(self.started))
            self.listeners.close_but(share)
            be_silent()
            reset_after_fork()
            watchdog.become(cell)
            self.work(share, _is_stop)
            status = 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        except BaseException:
            self.log.exception("worker failed")
        finally:
            with contextlib.suppress(OSError, ValueError):  # a full disk, or nobody who reads
                sys.stdout.flush()
            end_process(status)

    def _reap(self) -> None:
        """Note which workers have died and when to replace them, and how a trial has ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.trial is not None and pid == self.trial.pid:
                self._end_trial(self.trial, status)
                continue
            self.retired.discard(pid)
            slot = self.workers.pop(pid, None)
            if slot is None:
                continue
            now = monotonic()
            self.delays[slot] = next_delay(self.delays[slot], now - self.started[slot])
            self.due[slot] = now + self.delays[slot]
            self.log.error(
                "worker %d died with %s; starting another in %.1f s", pid, describe_exit(status), self.delays[slot]
            )

    def _tell_status(self) -> None:
        if (status := self._status()) != self._told:
            self._told = status
            notify(status)

    def _status(self) -> str:
        """What systemd shows of us."""
        status = f"{len(self.workers)} of {len(self.started)} workers serve {self.listeners.place}"
        if self.retired:
            status += f"; {len(self.retired)} from before a reload finish their requests"
        return "STATUS=" + status

    def _attend_watchdog(self) -> None:
        was_silent = watchdog.is_silent
        watchdog.beat()
        if watchdog.is_silent and not was_silent:
            self.log.error("a worker hangs, or cannot be started: leaving the watchdog to itself")

    def _stop(self) -> int:
        """Let the workers drain; kill those that take too long, or all on a second signal."""
        notify("STOPPING=1")
        self.listeners.close()
        self.due.clear()
        living = {*self.workers, *self.retired}
        if self.trial is not None:
            living.add(self.trial.pid)
        for pid in living:
            _kill(pid, signal.SIGTERM)
        deadline = monotonic() + self.grace + KILL_AFTER
        while living:
            caught = signal.sigtimedwait(SIGNALS, max(0.0, deadline - monotonic()))
            if caught is None or caught.si_signo in STOPS:
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

    # Reloading --------------------------------------------------------------------------------------------------------

    def _try_to_reload(self) -> None:
        """Begin a trial; workers are attended to while it runs."""
        reloading()
        if self.trial is None:
            self.trial = self._make_trial()
        else:
            self.try_again = True

    def _make_trial(self) -> Trial | None:
        try:
            return Trial(self.listeners.place)
        except OSError as error:  # too many processes, no memory, or an interpreter that is being replaced
            self._stay(f"a trial cannot be made: {error.strerror}")
            return None

    def _attend_trial(self) -> None:
        """End one that takes too long, and wait no longer for one that cannot even be killed."""
        if self.trial is not None and (status := self.trial.end_if_late()) is not None:
            self._end_trial(self.trial, status)

    def _end_trial(self, trial: Trial, status: int) -> None:
        self.trial = None
        if self.try_again:
            self.try_again = False
            trial.verdict(status)
            self._try_to_reload()
        elif self._judge(trial, status):
            self._reload()

    def _judge(self, trial: Trial, status: int) -> bool:
        """Whether a trial has ended well; if not, say so, and stay as we are."""
        problem = trial.verdict(status)
        if problem:
            self._stay(problem)
        return not problem

    def _stay(self, problem: str) -> None:
        self.log.error("cannot reload, going on as before: %s", problem)
        cannot_reload(problem)

    def _reload(self) -> NoReturn:
        """Start the program anew in this very process, handing on the sockets."""
        self.log.info("reloading")
        self.listeners.hand_on([*self.workers, *self.retired])
        self.hooks.reload()
        start_anew()


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
