"""Stream: one connected socket with a read buffer, waiting under timeouts on the event hub."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Sequence

from swiftlite.common.concurrency import current_greenlet, sleep
from swiftlite.http.errors import StreamClosed, StreamTimeout
from swiftlite.http.waiter import Waiter

Piece = bytes | bytearray | memoryview
FAIR_SHARE = 2 * 1024 * 1024
"""Bytes that one green thread may move without waiting before the others get a turn."""


class Stream:
    """A non-blocking TCP socket that green threads use as if it blocked.

    At most one green thread may read and one may write at a time. Dropped unclosed, it closes itself.

    Args:
        sock: a connected socket of the standard library; the stream owns it from now on.
    """

    __slots__ = ("_moved", "buffer", "closed", "sock", "wait_readable", "wait_writable", "waiter")

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.buffer = bytearray()
        self.closed = False
        """This end has closed the socket."""
        self.waiter = waiter = Waiter(sock.fileno())
        self.wait_readable = waiter.wait_readable
        self.wait_writable = waiter.wait_writable
        self._moved = 0

    # -- reading ---------------------------------------------------------------------------------------------------

    def recv(self, limit: int, timeout: float | None) -> bytes:
        """Return up to ``limit`` bytes from the socket (not the buffer), ``b""`` at its end.

        Raises:
            StreamTimeout: nothing came for ``timeout`` seconds.
            StreamClosed: the connection was reset.
        """
        while True:
            try:
                data = self.sock.recv(limit)
            except BlockingIOError:
                self.wait_readable(timeout)
                continue
            except OSError as error:
                raise StreamClosed(str(error)) from None
            self._take_turns(len(data))
            return data

    def recv_into(self, view: memoryview, timeout: float | None) -> int:
        """Like ``recv``, into a caller's buffer; return the number of bytes, 0 at the end."""
        while True:
            try:
                count = self.sock.recv_into(view)
            except BlockingIOError:
                self.wait_readable(timeout)
                continue
            except OSError as error:
                raise StreamClosed(str(error)) from None
            self._take_turns(count)
            return count

    def fill(self, timeout: float | None, limit: int = 65536) -> None:
        """Append what comes next to the buffer; raise StreamClosed at the end of the stream."""
        data = self.recv(limit, timeout)
        if not data:
            raise StreamClosed("connection closed by the other end")
        self.buffer += data

    def take(self, count: int) -> bytes:
        """Remove and return the first ``count`` bytes of the buffer (fewer if it holds fewer)."""
        buffer = self.buffer
        if count >= len(buffer):
            data = bytes(buffer)
            buffer.clear()
        else:
            data = bytes(memoryview(buffer)[:count])
            del buffer[:count]
        return data

    def has_arrived(self) -> bool:
        """Tell whether the next read will not wait; what there is to read is taken into the buffer."""
        return bool(self.buffer) or self.fill_now()

    def fill_now(self) -> bool:
        """Append what has come to the buffer, without waiting; tell whether anything has, if only the end."""
        try:
            self.buffer += self.sock.recv(65536)
        except BlockingIOError:
            return False
        except OSError:
            return True  # The next read will meet it again, and tell.
        return True

    def comes_within(self, timeout: float) -> bool:
        """Wait up to so many seconds; tell whether the next read will not wait."""
        if self.buffer:
            return True
        try:
            self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            try:
                self.wait_readable(timeout)
            except StreamTimeout:
                return False
        except OSError:
            pass  # The next read will meet it again, and tell.
        return True

    def is_stale(self) -> bool:
        """Tell whether an idle connection is of no use: closed, reset, or with bytes nobody asked for."""
        if self.buffer:
            return True
        try:
            self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    # -- writing ---------------------------------------------------------------------------------------------------

    def send(self, data: Piece, timeout: float | None) -> None:
        """Send all of ``data``; ``timeout`` bounds each wait for room, in seconds.

        Raises:
            StreamTimeout: the other end took nothing in time.
            StreamClosed: the connection is gone.
        """
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise StreamClosed(str(error)) from None
        if sent < len(data):
            self._send_rest(memoryview(data)[sent:], timeout)
        else:
            self._take_turns(sent)

    def send_parts(self, parts: Sequence[Piece], timeout: float | None) -> None:
        """Send several buffers in one call without joining them first; raise as ``send`` does."""
        try:
            sent = self.sock.sendmsg(parts)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise StreamClosed(str(error)) from None
        self._take_turns(sent)
        for part in parts:
            if sent >= len(part):
                sent -= len(part)
            else:
                self._send_rest(memoryview(part)[sent:], timeout)
                sent = 0

    def send_now(self, parts: Sequence[Piece]) -> list[Piece]:
        """Send what there is room for, without waiting; return what is left. Raises StreamClosed."""
        try:
            sent = self.sock.sendmsg(parts)
        except BlockingIOError:
            return list(parts)
        except OSError as error:
            raise StreamClosed(str(error)) from None
        self._take_turns(sent)
        left: list[Piece] = []
        for part in parts:
            if sent < len(part):
                left.append(memoryview(part)[sent:] if sent else part)
            sent = max(0, sent - len(part))
        return left

    def _send_rest(self, view: memoryview, timeout: float | None) -> None:
        while view:
            try:
                sent = self.sock.send(view)
            except BlockingIOError:
                self.wait_writable(timeout)
                continue
            except OSError as error:
                raise StreamClosed(str(error)) from None
            view = view[sent:]

    def _take_turns(self, count: int) -> None:
        self._moved += count
        if self._moved > FAIR_SHARE:
            self._moved = 0
            sleep(0)

    # -- ending ----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the socket; harmless when repeated."""
        if not self.closed:
            self.closed = True
            self.waiter.close()
            self.sock.close()

    def reset(self) -> None:
        """Close with a TCP reset, so that the other end cannot take what it has got for a complete message."""
        if not self.closed:
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close()

    def hang_up(self, how: int = socket.SHUT_RD) -> None:
        """Make whoever reads this stream (or uses it at all, with SHUT_RDWR) see its end; the owner still closes it."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(how)

    def __del__(self) -> None:
        if not getattr(self, "closed", True):
            self.close()


def wait_any_readable(streams: Sequence[Stream], timeout: float | None) -> None:
    """Let others run until one of several streams has something to read (or its end).

    Raises:
        StreamTimeout: none of them had, for ``timeout`` seconds.
    """
    if any(stream.buffer for stream in streams):
        return
    first, *others = streams
    me = current_greenlet()
    for stream in others:
        stream.waiter.watch_for(me)
    try:
        first.wait_readable(timeout)
    finally:
        for stream in others:
            stream.waiter.watch_for(None)
