"""HTTPServer: accepts connections on one listening socket and serves a WSGI application to them."""

from __future__ import annotations

import contextlib
import errno
import socket
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from swiftlite.common.concurrency import Event, Semaphore, Timeout, sleep, spawn, trampoline
from swiftlite.http.connection import Connection, base_environ
from swiftlite.http.head import HeadLimits
from swiftlite.http.response import WSGIApp
from swiftlite.http.stream import Stream

ACCEPTS_AT_ONCE = 64
FRESH_GRACE = 1.0
"""Seconds that a connection without a request yet may stay when the server drains."""


@dataclass(frozen=True)
class HTTPOptions:
    """Limits of a server: times in seconds, sizes in bytes (formats.md 7.1, 8.2)."""

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
        listener: a bound, listening TCP socket of the standard library.
        app: a WSGI application.
        options: limits and timeouts.
        log: where failures of the application go (``debug``, ``error``, ``exception``).
    """

    def __init__(self, listener: socket.socket, app: WSGIApp, options: HTTPOptions, log: Any) -> None:
        listener.setblocking(False)
        host, port = listener.getsockname()[:2]
        self.listener = listener
        self.app = app
        self.options = options
        self.log = log
        self.environ = base_environ(host, str(port), True)
        self.draining = False
        self.crowded = False
        """``max_clients`` are busy, and another waits."""
        self.connections: set[Connection] = set()
        self.idle: dict[Connection, None] = {}
        """Connections that wait for a request, longest wait first."""
        self._slots = Semaphore(options.max_clients)
        self._acceptor: Any = None
        self._drained = Event()

    def serve(self) -> None:
        """Accept and serve until ``drain`` has been called and has finished."""
        self._acceptor = spawn(self._accept_forever)
        self._drained.wait()

    def drain(self, grace: float | None = None) -> None:
        """Stop accepting, let the requests in progress finish, then close everything.

        Args:
            grace: seconds to wait for them; None: ``options.drain_grace``.
        """
        if self.draining:
            return
        self.draining = True
        if self._acceptor is not None:
            self._acceptor.kill()
        with contextlib.suppress(OSError):
            self._accept_ready()  # Whoever has connected by now gets an answer.
        self.listener.close()
        self._hang_up([connection for connection in self.idle if not connection.fresh])
        with Timeout(self.options.drain_grace if grace is None else grace, False):
            with Timeout(FRESH_GRACE, False):
                self._wait_until_empty()
            self._hang_up(list(self.idle))
            self._wait_until_empty()
        for connection in list(self.connections):
            connection.stream.hang_up(socket.SHUT_RDWR)
        with Timeout(FRESH_GRACE, False):
            self._wait_until_empty()
        self._drained.send()

    def _wait_until_empty(self) -> None:
        while self.connections:
            sleep(0.005)

    def _hang_up(self, connections: list[Connection]) -> None:
        for connection in connections:
            connection.stream.hang_up()

    def _accept_forever(self) -> None:
        while True:
            trampoline(self.listener, read=True)
            try:
                self._accept_ready()
            except OSError as error:
                # Out of descriptors or memory: the waiting connections stay in the backlog meanwhile.
                self.log.error("cannot accept connections: %s", error)
                sleep(0.1)

    def _accept_ready(self) -> None:
        """Accept what waits in the backlog, if it is not empty."""
        for accepted in range(ACCEPTS_AT_ONCE):
            if self._slots.locked():
                if accepted or self.draining:
                    return
                self._make_room()
            self._slots.acquire()
            self.crowded = False
            try:
                sock, address = self.listener.accept()
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
