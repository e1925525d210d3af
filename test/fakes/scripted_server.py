"""A backend that does on each connection exactly what a test says, badly if asked to."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

PATIENCE = 60.0

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(PATIENCE)
        self.received = b""

    def read_head(self):
        """Return the next request head, ``b""`` if the client has gone."""
        while b"\r\n\r\n" not in self.received:
            data = self.sock.recv(65536)
            if not data:
                return b""
            self.received += data
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        return head

    def read(self, count):
        while len(self.received) < count:
            data = self.sock.recv(65536)
            if not data:
                break
            self.received += data
        data, self.received = self.received[:count], self.received[count:]
        return data

    def send(self, data):
        self.sock.sendall(data)

    def wait_for_end(self):
        """Block until the client closes."""
        while self.sock.recv(65536):
            pass

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class ScriptedServer:
    """Runs ``scripts[n]`` on the n-th connection; the last one on all that follow."""

    def __init__(self, *scripts):
        self.scripts = scripts
        self.accepted = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.failures = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                script = self.scripts[min(self.accepted, len(self.scripts) - 1)]
                self.accepted += 1
                threading.Thread(target=self._run, args=(script, sock), daemon=True).start()

    def _run(self, script, sock):
        with sock:
            try:
                script(Peer(sock))
            except OSError as error:
                self.failures.append(error)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_exc_info):
        self.close()


def answering(*responses):
    """A script: one response for each request, then the end of the connection."""

    def script(peer):
        for response in responses:
            if not peer.read_head():
                return
            peer.send(response)

    return script


def answering_for_ever(peer):
    """A script: OK to every request."""
    while peer.read_head():
        peer.send(OK)
