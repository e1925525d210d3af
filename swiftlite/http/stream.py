"""Stream: one connected socket with a read buffer, waiting under timeouts on the event hub."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Sequence
from time import monotonic
from typing import Any

from swiftlite.common.concurrency import current_greenlet, get_hub, sleep
from swiftlite.http.errors import StreamClosed, StreamTimeout

Piece = bytes | bytearray | memoryview
FAIR_SHARE = 2 * 1024 * 1024
"""Bytes that one green thread may move without waiting before the others get a turn."""


class Stream:
    """A non-blocking TCP socket that green threads use as if it blocked.

    Cheaper than a green socket where a connection is used again and again: the read registration with the hub stays in
    place between waits (it goes only when an event finds nobody waiting), and one lazy timer serves all waits.
    At most one green thread may read and one may write at a time.

    Args:
        sock: a connected socket of the standard library; the stream owns it from now on.
    """

    __slots__ = ("_deadline", "_fd", "_hub", "_listener", "_moved", "_reader", "_timer", "_timer_at", "buffer", "sock")

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.buffer = bytearray()
        self._fd = sock.fileno()
        self._hub = get_hub()
        # Whoever had this descriptor number before may have been collected without closing it properly.
        self._hub.mark_as_reopened(self._fd)
        self._reader: Any = None
        self._listener: Any = None
        self._timer: Any = None
        self._timer_at = 0.0
        self._deadline = 0.0
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

    # -- waiting ---------------------------------------------------------------------------------------------------

    def wait_readable(self, timeout: float | None) -> None:
        """Let others run until there is something to read (or the end); raise StreamTimeout after so many seconds."""
        if self._listener is None:
            self._listener = self._hub.add("read", self._fd, self._on_readable, self._on_reused, None)
        self._wait(timeout)

    def watch_for(self, reader: Any) -> None:
        """Switch to the green thread ``reader`` when there is something to read; None ends that."""
        self._reader = reader
        self._deadline = float("inf")
        if reader is not None and self._listener is None:
            self._listener = self._hub.add("read", self._fd, self._on_readable, self._on_reused, None)

    def wait_writable(self, timeout: float | None) -> None:
        """Let others run until there is room to write; raise StreamTimeout after so many seconds."""
        hub, me = self._hub, current_greenlet()
        timer = (
            None if timeout is None else hub.schedule_call_global(timeout, me.throw, StreamTimeout("send timed out"))
        )
        listener = hub.add("write", self._fd, me.switch, me.throw, None)
        try:
            hub.switch()
        finally:
            hub.remove(listener)
            if timer is not None:
                timer.cancel()

    def _wait(self, timeout: float | None) -> None:
        if timeout is not None:
            self._deadline = deadline = monotonic() + timeout
            if self._timer is None or self._timer_at > deadline:
                self._schedule(deadline, timeout)
        else:
            self._deadline = float("inf")
        self._reader = current_greenlet()
        try:
            self._hub.switch()
        finally:
            self._reader = None

    def _schedule(self, deadline: float, timeout: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._hub.schedule_call_global(timeout, self._on_timer)

    def _on_timer(self) -> None:
        # The timer of an early wait; a later wait moved the deadline without touching the hub's heap.
        self._timer = None
        if self._reader is None:
            return
        left = self._deadline - monotonic()
        if left <= 0:
            self._reader.throw(StreamTimeout("nothing came in time"))
        elif left != float("inf"):
            self._schedule(self._deadline, left)

    def _on_readable(self, _fileno: int) -> None:
        if self._reader is not None:
            self._reader.switch()
        elif self._listener is not None:
            # Readable while its owner is busy elsewhere: stop the level-triggered hub from spinning on it.
            listener, self._listener = self._listener, None
            self._hub.remove(listener)

    def _on_reused(self, *exc_info: Any) -> None:
        self._listener = None
        if self._reader is not None:
            self._reader.throw(*exc_info)

    def _take_turns(self, count: int) -> None:
        self._moved += count
        if self._moved > FAIR_SHARE:
            self._moved = 0
            sleep(0)

    # -- ending ----------------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """True once this end has closed the socket."""
        return self._fd < 0

    def close(self) -> None:
        """Close the socket; harmless when repeated."""
        if self._fd < 0:
            return
        self._fd = -1
        if self._listener is not None:
            listener, self._listener = self._listener, None
            self._hub.remove(listener)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.sock.close()

    def reset(self) -> None:
        """Close with a TCP reset, so that the other end cannot take what it has got for a complete message."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close()

    def hang_up(self, how: int = socket.SHUT_RD) -> None:
        """Make whoever reads this stream (or uses it at all, with SHUT_RDWR) see its end; the owner still closes it."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(how)

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            self.close()


def wait_any_readable(streams: Sequence[Stream], timeout: float | None) -> None:
    """Let others run until one of several streams has something to read (or its end).

    Raises:
        StreamTimeout: none of them had, for ``timeout`` seconds.
    """
    first, *others = streams
    me = current_greenlet()
    for stream in others:
        stream.watch_for(me)
    try:
        first.wait_readable(timeout)
    finally:
        for stream in others:
            stream.watch_for(None)
