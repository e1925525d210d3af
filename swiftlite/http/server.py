"""HTTPServer: accepts connections on one listening socket and serves a WSGI application to them."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from time import monotonic
from typing import Any, Protocol

from swiftlite.common.concurrency import Event, Semaphore, Timeout, sleep, spawn, trampoline
from swiftlite.http.connection import Connection, base_environ
from swiftlite.http.greeting import Transport
from swiftlite.http.head import HeadLimits
from swiftlite.http.hsts import with_hsts
from swiftlite.http.response import WSGIApp
from swiftlite.http.stream import Stream

ACCEPTS_AT_ONCE = 64
LAG_INTERVAL = 1.0
"""Seconds between two looks at how late the event loop is."""
FRESH_GRACE = 1.0
"""Seconds that a connection without a request yet may stay when the server drains."""
POLL, RELAXED_POLL = 0.005, 0.05
"""Seconds between looks at what is left, when the server drains, and when it has retired."""


class Observer(Protocol):
    """Hears of every request that a server answers."""

    def began(self) -> None:
        """A request's head has come."""

    def ended(self, method: str, status: int, seconds: float, received: int, sent: int) -> None:
        """It has had its answer.

        Args:
            method: as the client spelt it; empty where its head could not be read.
            status: of the answer; 499: the client left before it had all of it.
            seconds: from the end of the head to the end of the answer.
            received, sent: bytes of the bodies, without their framing.
        """

    def lagged(self, seconds: float) -> None:
        """So much later than it had asked for was a green thread woken, told about once a second."""


@dataclass(frozen=True)
class HTTPOptions:
    """Limits of a server: times in seconds, sizes in bytes (formats.md 7.1, 8.2); and who hears of its requests."""

    client_timeout: float = 60.0
    keepalive_timeout: float | None = None
    """How long an idle connection is kept; None: ``client_timeout``."""
    max_header_size: int = 8192
    max_request_line: int = 8192
    max_header_count: int = 126
    max_clients: int = 1024
    network_chunk_size: int = 65536
    drain_grace: float = 30.0
    """How long requests in progress may go on when a worker is told to stop."""
    stale_worker_timeout: float = 86400.0
    """How long they may when others serve already, after a reload."""
    transport: Transport = field(default_factory=Transport)
    hsts_max_age: int = 0
    """Seconds for which browsers shall speak TLS only, as answers over TLS tell them (RFC 6797); 0: they are told nothing."""
    observer: Observer | None = None

    @cached_property
    def head_limits(self) -> HeadLimits:
        """The limits of a request head."""
        return HeadLimits(self.max_request_line, self.max_header_size, self.max_header_count)

    @cached_property
    def idle_timeout(self) -> float:
        """Seconds that a connection may be idle between requests."""
        return self.client_timeout if self.keepalive_timeout is None else self.keepalive_timeout


class HTTPServer:
    """Serves ``app`` to all who connect to ``listener``.

    Args:
        listener: a bound, listening TCP socket of the standard library, or several.
        app: a WSGI application.
        options: limits and timeouts.
        log: where failures of the application go (``debug``, ``error``, ``exception``).
    """

    def __init__(
        self, listener: socket.socket | Sequence[socket.socket], app: WSGIApp, options: HTTPOptions, log: Any
    ) -> None:
        self.listeners = [listener] if isinstance(listener, socket.socket) else list(listener)
        for each in self.listeners:
            each.setblocking(False)
        host, port = self.listeners[0].getsockname()[:2]
        self.app = with_hsts(app, options.hsts_max_age) if options.hsts_max_age else app
        self.options = options
        self.log = log
        self.observer = options.observer
        self.environ = base_environ(host, str(port), True)
        self.draining = False
        """No new connection is accepted, and no request but the next is answered on one."""
        self.crowded = False
        """``max_clients`` are busy, and another waits."""
        self.connections: set[Connection] = set()
        self.idle: dict[Connection, None] = {}
        """Connections that wait for a request, longest wait first."""
        self._slots = Semaphore(options.max_clients)
        self._acceptors: dict[socket.socket, Any] = {}
        """Socket that is listened on -> green thread that accepts there."""
        self._told_to_end = Event()
        self._end = 0.0
        """When whatever is left is cut off, by the monotonic clock."""
        self._hurries_from: float | None = None
        """When idle connections are closed, too; None: not before their time."""

    def serve(self) -> None:
        """Accept and serve until ``drain`` or ``retire`` has been called and all has ended."""
        if not self.draining:
            self._acceptors = {listener: spawn(self._accept_forever, listener) for listener in self.listeners}
            if self.observer is not None:
                spawn(self._measure_lag, self.observer)
        self._told_to_end.wait()
        self._finish()

    def drain(self, grace: float | None = None) -> None:
        """Stop accepting, let the requests in progress finish, then close everything; ``serve`` returns when that is done.

        Args:
            grace: seconds to wait for them; None: ``options.drain_grace``.
        """
        now = monotonic()
        end = now + (self.options.drain_grace if grace is None else grace)
        self._end = min(self._end, end) if self.draining else end
        if self._hurries_from is None:
            self._hurries_from = now + FRESH_GRACE
            self._stop_accepting()
            self._hang_up([connection for connection in self.idle if not connection.fresh])

    def retire(self) -> None:
        """Stop accepting, since another serves already, and end with the last connection; may be hurried up by ``drain``.

        An idle connection is closed only when it would have been without us: at any other moment its client may be
        sending the next request, which would fail. That request is answered, with word that it was the last.
        """
        if not self.draining:
            self._end = monotonic() + self.options.stale_worker_timeout
            self._stop_accepting()

    def leave(self, listeners: Sequence[socket.socket]) -> None:
        """Close some of the sockets; whoever has connected by then gets an answer."""
        for listener in listeners:
            if acceptor := self._acceptors.pop(listener, None):
                acceptor.kill()
        for listener in listeners:
            with contextlib.suppress(OSError):
                self._accept_ready(listener)
            listener.close()

    def _stop_accepting(self) -> None:
        if self.draining:
            return
        self.draining = True
        self.leave(self.listeners)
        self._told_to_end.send()

    def _finish(self) -> None:
        while self.connections and monotonic() < self._end:
            hurries = self._hurries_from is not None
            if self._hurries_from is not None and monotonic() >= self._hurries_from:
                self._hang_up(list(self.idle))
            sleep(POLL if hurries else RELAXED_POLL)
        for connection in list(self.connections):
            connection.stream.hang_up(socket.SHUT_RDWR)
        with Timeout(FRESH_GRACE, False):
            while self.connections:
                sleep(POLL)

    def _measure_lag(self, observer: Observer) -> None:
        while not self.draining:
            due = monotonic() + LAG_INTERVAL
            sleep(LAG_INTERVAL)
            observer.lagged(max(0.0, monotonic() - due))

    def _hang_up(self, connections: list[Connection]) -> None:
        for connection in connections:
            connection.stream.hang_up()

    def _accept_forever(self, listener: socket.socket) -> None:
        while True:
            trampoline(listener, read=True)
            try:
                self._accept_ready(listener)
            except OSError as error:
                # Out of descriptors or memory: the waiting connections stay in the backlog meanwhile.
                self.log.error("cannot accept connections: %s", error)
                sleep(0.1)

    def _accept_ready(self, listener: socket.socket) -> None:
        """Accept what waits in the backlog, if it is not empty."""
        for accepted in range(ACCEPTS_AT_ONCE):
            if self._slots.locked():
                if accepted or self.draining:
                    return
                self._make_room()
            self._slots.acquire()
            self.crowded = False
            try:
                sock, address = listener.accept()
            except OSError as error:
                self._slots.release()
                if error.errno in (errno.EAGAIN, errno.ECONNABORTED, errno.EINTR):
                    return
                raise
            self._start(sock, address)

    def _make_room(self) -> None:
        """Let the longest idle connection go for the one that waits; else the next to become idle will."""
        for connection in self.idle:
            if not connection.fresh:  # A client that has just connected is about to ask.
                connection.stream.hang_up()
                return
        self.crowded = True

    def _start(self, sock: socket.socket, address: tuple[Any, ...]) -> None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if address[0].startswith("::ffff:"):  # IPv4 at a socket for both: nobody writes such addresses into an option.
            address = (address[0][7:], *address[1:])
        connection = Connection(self, Stream(sock), address)
        self.connections.add(connection)
        spawn(self._run, connection)

    def _run(self, connection: Connection) -> None:
        try:
            connection.run()
        except Exception:
            self.log.exception("connection failed")
        finally:
            self.connections.discard(connection)
            self._slots.release()
