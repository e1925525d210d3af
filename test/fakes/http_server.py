"""An HTTPServer in a thread of its own, and a raw connection to it that sends exactly what a test says."""

from __future__ import annotations

import errno
import json
import logging
import re
import select
import socket
import threading
import time
from dataclasses import dataclass, field

from swiftlite.common.concurrency import get_hub, spawn, trampoline
from swiftlite.http.errors import BadBody, ClientDisconnected, ClientTimeout
from swiftlite.http.server import HTTPOptions, HTTPServer

PATIENCE = 60.0
"""Seconds after which a test gives up waiting."""


def wait_until(condition, what="condition"):
    """Poll until ``condition()`` is true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"timed out waiting for: {what}"
        time.sleep(0.005)


class EchoApp:
    """Reads the body and answers with what it saw, as JSON; keeps a record of the requests."""

    FAILURES = {ClientDisconnected: "499 Client Disconnect", ClientTimeout: "408 Timeout", BadBody: "400 Bad Request"}

    def __init__(self):
        self.requests = []
        self.failures = []

    def __call__(self, environ, start_response):
        seen = {key: value for key, value in environ.items() if isinstance(value, str)}
        self.requests.append(seen)
        try:
            body = environ["wsgi.input"].read()
        except tuple(self.FAILURES) as error:
            self.failures.append(error)
            start_response(self.FAILURES[type(error)], [])
            return [str(error).encode()]
        seen["body"] = body.decode("latin-1")
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(seen).encode()]

    @property
    def paths(self):
        return [seen["PATH_INFO"] for seen in self.requests]


class _NoPoll:
    """Stands in for the poll object of an event loop that is over."""

    def unregister(self, descriptor):
        """There is nobody to tell."""


class ServerThread:
    """Serves ``app`` on a free port, or several, until ``stop``, ``drain`` or ``retire``; a context manager.

    ``first``: what a client, ``first_client``, has sent before the server looks for clients; so one that does not wait for
    them cannot end the connection before a busy machine has come to send anything.
    """

    def __init__(self, app, listeners=1, *, ip="127.0.0.1", port=0, first=None, **options):
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        listener = [
            socket.create_server((ip, port), backlog=256, family=family, dualstack_ipv6=ip == "::")
            for _ in range(listeners)
        ]
        self.addresses = [each.getsockname()[:2] for each in listener]
        self.address = self.addresses[0]
        self.server = None
        self.app = app
        self.first_client = None
        if first is not None:
            self.first_client = self.connect()
            self.first_client.send(first)
        self._control, control = socket.socketpair()
        control.setblocking(False)
        started = threading.Event()

        def run():
            self.server = HTTPServer(listener, app, HTTPOptions(**options), logging.getLogger("test.http"))

            def obey():
                while True:
                    trampoline(control, read=True)
                    order = control.recv(64)
                    if order == b"retire":
                        self.server.retire()
                    else:
                        return self.server.drain(float(order))

            spawn(obey)
            started.set()
            self.server.serve()
            control.close()
            get_hub().abort(wait=True)  # It has a descriptor, and a test run starts many servers.
            get_hub().poll.close()
            get_hub().poll = _NoPoll()  # connections that are collected later take their leave of it

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert started.wait(PATIENCE)

    def drain(self, grace):
        """Ask the server to drain; returns at once."""
        self._control.send(str(grace).encode())

    def retire(self):
        """Tell the server that another serves in its place; returns at once."""
        self._control.send(b"retire")

    def join(self):
        """Wait until the server has finished."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the server did not finish"
        self._control.close()

    def connect(self, tls=None):
        return RawConnection(self.address, tls)

    def __enter__(self):
        return self

    def __exit__(self, *_exc_info):
        if self._thread.is_alive():
            self.drain(0)
            self.join()


@dataclass
class RawResponse:
    status: int
    reason: str
    headers: dict
    body: bytes = b""
    complete: bool = True
    interim: list = field(default_factory=list)
    spelling: list = field(default_factory=list)
    """Header names as they came."""

    @property
    def json(self):
        return json.loads(self.body)


class RawConnection:
    """A blocking client connection."""

    def __init__(self, address, tls=None):
        self.sock = socket.create_connection(address, timeout=PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        if tls is not None:
            self.secure(tls)

    def secure(self, tls, name="127.0.0.1"):
        """Speak TLS from now on; raises ssl.SSLError."""
        self.sock = tls.wrap_socket(self.sock, server_hostname=name, suppress_ragged_eofs=False)

    def send(self, data):
        """Send all of ``data``; a server that has closed already is no failure here."""
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def send_slowly(self, data):
        """Send byte by byte, each in a packet of its own as far as the kernel allows."""
        for index in range(len(data)):
            self.send(data[index : index + 1])

    def _more(self):
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        self.received += data
        return bool(data)

    def read_head(self):
        """Return the next response head, whatever its status."""
        while b"\r\n\r\n" not in self.received:
            assert self._more(), f"closed instead of a response head: {self.received!r}"
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        version, status, reason = re.fullmatch(r"(HTTP/1\.[01]) (\d{3}) ?(.*)", status_line).groups()
        assert version == "HTTP/1.1"
        headers = {}
        for line in lines:
            name, _, value = line.partition(": ")
            assert name.lower() not in headers, f"{name} sent twice"
            headers[name.lower()] = value
        spelling = [line.partition(":")[0] for line in lines]
        return RawResponse(int(status), reason, headers, spelling=spelling)

    def read_response(self, method="GET"):
        """Return the next final response with its body; ``complete`` is False for one cut short."""
        response, interim = self.read_head(), []
        while response.status < 200:
            interim.append(response)
            response = self.read_head()
        response.interim = interim
        if method == "HEAD" or response.status in (204, 304):
            return response
        if response.headers.get("transfer-encoding") == "chunked":
            response.body, response.complete = self._read_chunks()
        elif "content-length" in response.headers:
            wanted = int(response.headers["content-length"])
            response.body = self.read_bytes(wanted)
            response.complete = len(response.body) == wanted
        else:
            response.body = self.read_to_end()
        return response

    def read_bytes(self, count):
        while len(self.received) < count and self._more():
            pass
        data, self.received = self.received[:count], self.received[count:]
        return data

    def _read_chunks(self):
        body = b""
        while True:
            while b"\r\n" not in self.received:
                if not self._more():
                    return body, False
            line, _, self.received = self.received.partition(b"\r\n")
            size = int(line, 16)
            chunk = self.read_bytes(size)
            body += chunk
            if len(chunk) < size or self.read_bytes(2) != b"\r\n":
                return body, False
            if size == 0:
                return body, True

    def read_to_end(self):
        while self._more():
            pass
        data, self.received = self.received, b""
        return data

    def is_closed(self):
        """Wait for the server to close; True if it does and has sent nothing more."""
        return self.read_to_end() == b""

    def is_open(self):
        """True if the server has neither closed nor sent anything."""
        return not self.received and not select.select([self.sock], [], [], 0)[0]

    def finish_sending(self):
        """Send the end; a server that has closed already is no failure here."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_exc_info):
        self.close()
