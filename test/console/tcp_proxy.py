"""A TCP proxy between browser and store that counts what passes, and cuts every connection when told to."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

CHUNK = 65536
# SO_LINGER with no time: a close is a reset, as when a router forgets the connection.
RESET = struct.pack("ii", 1, 0)


class CuttingProxy:
    """Forwards connections to `target`; a context manager.

    `sent`, `received`: bytes that clients have sent and received through it; at `hold_at` received, or `hold_sent_at` sent, it
    stops until `go_on` is set. At `cut_at` sent it cuts all connections, and `refuses` new ones until told otherwise.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.sent = self.received = 0
        self.hold_at: int | None = None
        self.hold_sent_at: int | None = None
        self.cut_at: int | None = None
        self.go_on = threading.Event()
        self.refuses = False
        self.lock = threading.Lock()
        self.connections: set[socket.socket] = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]

    def __enter__(self) -> CuttingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.go_on.set()
        # Only a shutdown wakes a thread that waits in accept().
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()

    def cut(self) -> None:
        """Reset whatever is connected."""
        with self.lock:
            connections, self.connections = self.connections, set()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.refuses:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                client.close()
                continue
            server = socket.create_connection(self.target)
            with self.lock:
                self.connections |= {client, server}
            threading.Thread(target=self._forward, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._forward, args=(server, client, False), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, is_upload: bool) -> None:
        with contextlib.suppress(OSError):  # the other thread, or cut(), has closed one of them
            while data := source.recv(CHUNK):
                if self._count(len(data), is_upload):
                    self.cut()
                hold_at, passed = (self.hold_sent_at, self.sent) if is_upload else (self.hold_at, self.received)
                if hold_at is not None and passed >= hold_at:
                    self.go_on.wait()
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        with self.lock:
            self.connections -= {source, target}

    def _count(self, size: int, is_upload: bool) -> bool:
        """Count what passes; return whether all is to be cut now."""
        with self.lock:
            if not is_upload:
                self.received += size
                return False
            self.sent += size
            if self.cut_at is None or self.sent < self.cut_at:
                return False
            self.cut_at, self.refuses = None, True
            return True
