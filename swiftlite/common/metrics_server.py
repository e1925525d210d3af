"""Answers /metrics for a daemon: a small process beside it, so that neither waits for the other.

A daemon may sleep in a system call for minutes while its children work, and forks them, which a thread would not survive
well. The process reads the numbers that daemon and children write (``metric_memory``), and ends with the daemon. If it
dies before, another takes its place.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import socket
import sys
import traceback
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import NoReturn

from swiftlite.common import metric_text, metrics
from swiftlite.common.config import StartError
from swiftlite.common.forks import Companion, fork_deaf, hold_only
from swiftlite.common.metrics import MEMORY

PR_SET_PDEATHSIG = 1
PLACE = "SWIFTLITE_METRICS_PLACE"
"""Environment variable that tells a trial where the process that made it answers already: its id, the address, the port."""
CLIENT_TIMEOUT = 10.0
"""Seconds that a client may be silent."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = CLIENT_TIMEOUT

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404)
            return
        kind, body = metric_text.exposition(metrics.process_name(), [], self.headers.get("Accept", ""))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass  # whoever asks every few seconds is not worth a line


class _Server(ThreadingMixIn, TCPServer):  # http.server's own would look up the name of the address
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, ip: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        super().__init__((ip, port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # a client that has left
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def start(ip: str, port: int, logger: logging.Logger) -> None:
    """Start the process; a reload ends it with the daemon's other children (``life.py``).

    :func:`metrics.begin` comes first: the memory must be there before the process that shares it.

    :param logger: hears of it when the process dies
    :raises StartError: when the address cannot be listened on
    """
    os.environ[PLACE] = f"{os.getpid()} {ip} {port}"
    Companion("/metrics", lambda: _fork(ip, port), logger)


def _fork(ip: str, port: int) -> int:
    parent = os.getpid()
    server = _listen(ip, port)
    try:
        pid = fork_deaf()  # it ends when it is told to, and leaves reloads to the daemon
        if pid == 0:
            _serve(server, parent)
        return pid
    finally:
        server.server_close()


def check(ip: str, port: int) -> None:
    """In a trial: raise StartError where an address cannot be listened on, if it is another than now."""
    if port and os.environ.get(PLACE) != f"{os.getppid()} {ip} {port}":
        _listen(ip, port).server_close()


def _listen(ip: str, port: int) -> _Server:
    try:
        return _Server(ip, port)
    except OSError as error:
        remedy = "set metrics_ip and metrics_port to an address of this machine that is free"
        raise StartError(f"cannot answer /metrics on {ip} port {port}: {error.strerror or error}; {remedy}") from None


def _serve(server: _Server, parent: int) -> NoReturn:
    status = 1
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # The daemon may be in the midst of its work: what is open belongs to it alone, and nothing of it is to be ended here.
        gc.freeze()
        MEMORY.leave()
        hold_only({server.fileno(), MEMORY.descriptor})
        if os.getppid() == parent:
            server.serve_forever(poll_interval=3600)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:  # never on into the daemon's code
        sys.stderr.flush()
        os._exit(status)
