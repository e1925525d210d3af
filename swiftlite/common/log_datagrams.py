"""Log lines as datagrams to a syslog daemon or systemd's journal, which no request waits for when it is busy or gone."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from swiftlite.common import metrics
from swiftlite.common.log_gathering import Gathering, Line, hub
from swiftlite.common.log_styles import PRIORITIES

MOST_WAITING = 10000
"""Lines that wait for the daemon, a few megabytes; what comes when there are so many is lost, and counted."""
MOST_BYTES = 16 << 20
"""Bytes of such: clients choose how long lines are."""
SHORTEST, LONGEST = 0.002, 0.1
"""Seconds until the next try; each pause is twice the last, while the daemon takes nothing."""
LATE = 1.0
"""Seconds after which the next line tries what the event loop should have tried: perhaps it has not heard of it."""
PATIENCE = 1.0
"""Seconds for which a process waits itself that has no event loop to come back later, or ends."""
FULL = (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM)
"""What the kernel says while the daemon's queue is full; any other error is one of the connection."""

Address = str | tuple[str, int]
"""A socket's path, or host and port of UDP."""


class DatagramHandler(Gathering):
    """Sends each line as a datagram of its own, in their order; lines that the daemon does not take yet wait."""

    def __init__(self, address: Address) -> None:
        super().__init__()
        self.address = address
        self.lost = 0
        """Lines since the log was last told of such."""
        self._waiting: deque[bytes] = deque()
        self._socket: socket.socket | None = None
        self._send: Callable[[bytes], int]
        self._size = 0
        """Bytes that wait."""
        self._place: tuple[socket.AddressFamily, Any] | None = None
        """Where UDP goes. It is asked once: later that would hold up an event loop; a name that changes wants a reload."""
        self._next = 0.0
        """When the event loop calls :meth:`_try_again`, by the monotonic clock; 0: it does not."""
        self._has_complained = False

    def datagrams(self, lines: list[Line]) -> list[bytes]:
        """What is sent for lines."""
        return [as_bytes(line) for _, line in lines]

    def write(self, lines: list[Line]) -> None:
        """Send lines, after those that wait."""
        waiting, others_wait = self._waiting, bool(self._waiting)
        if self.lost and len(waiting) <= MOST_WAITING // 2 and self._size <= MOST_BYTES // 2:
            self._tell_of_lost()
        room = 0 if self.lost or self._size > MOST_BYTES else max(0, MOST_WAITING - len(waiting))
        datagrams = self.datagrams(lines[:room])
        waiting += datagrams
        self._size += sum(map(len, datagrams))
        self._lose(len(lines[room:]), "too many lines wait")
        if not self._next or time.monotonic() > self._next + LATE:
            self._deliver(PATIENCE if hub() is None and not others_wait else 0.0)

    def close(self) -> None:
        """Send what waits, if the daemon takes it soon."""
        self.flush()
        with self.lock:  # type: ignore[union-attr]
            self._deliver(PATIENCE)
            if self._waiting or self.lost:
                self._has_complained = False
                _count_lost(len(self._waiting))
                self._complain(f"the last {self.lost + len(self._waiting)} log lines are lost")
            self.forget()
            self._disconnect()
        super().close()

    def forget(self) -> None:
        """Drop what is held or waits: in a forked child, whose parent writes it."""
        super().forget()
        self._waiting.clear()
        self.lost, self._size, self._next = 0, 0, 0.0

    def _deliver(self, patience: float) -> None:
        """Send what waits, or see to it that it is tried again.

        :param patience: seconds to wait here until all is sent
        """
        end, pause = time.monotonic() + patience, SHORTEST
        while not self._send_all():
            if time.monotonic() >= end:
                self._come_back(SHORTEST)
                return
            time.sleep(pause)
            pause = min(2 * pause, LONGEST)

    def _come_back(self, pause: float) -> None:
        loop = hub()
        if loop is not None:  # else the next line tries it
            self._next = time.monotonic() + pause
            loop.schedule_call_global(pause, self._try_again, pause, self._next)

    def _try_again(self, pause: float, moment: float) -> None:
        with self.lock:  # type: ignore[union-attr]
            if moment != self._next:
                return  # it was late, and another will come
            self._next = 0.0
            before = len(self._waiting)
            if not self._send_all():
                self._come_back(SHORTEST if len(self._waiting) < before else min(2 * pause, LONGEST))
            elif self.lost:
                self._tell_of_lost()

    def _send_all(self) -> bool:
        """Send what waits, connecting anew where that is needed; return whether nothing waits any more."""
        waiting = self._waiting
        is_new = False
        while waiting:
            datagram = b""
            try:
                if self._socket is None:
                    is_new = True
                    self.connect()
                send = self._send
                while waiting:
                    datagram = waiting.popleft()  # first, for a signal's handler may log meanwhile
                    sent = send(datagram)
                    self._size -= sent
                    if sent < len(datagram):  # to a stream, which is full
                        waiting.appendleft(datagram[sent:])
                        return False
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    self._size -= len(datagram)
                    self._lose(1, "a line is too long")
                    continue
                if datagram:
                    waiting.appendleft(datagram)
                if error.errno in FULL:
                    return False
                self._disconnect()
                if is_new:  # an old connection may be to a daemon that has been restarted
                    self._complain(f"cannot log to {self.address}: {error.strerror or error}; log lines wait")
                    return False
        self._has_complained = False
        return True

    def connect(self) -> None:
        """Find the daemon.

        :raises OSError: when there is none
        """
        if isinstance(self.address, str):
            try:
                made = _connected(self.address, socket.SOCK_DGRAM)
            except OSError as error:
                if error.errno != errno.EPROTOTYPE:
                    raise
                made = _connected(self.address, socket.SOCK_STREAM)
            self._send = made.send
        else:
            if self._place is None:
                family, _, _, _, where = socket.getaddrinfo(*self.address, type=socket.SOCK_DGRAM)[0]
                self._place = family, where
            family, where = self._place
            made = socket.socket(family, socket.SOCK_DGRAM)
            made.setblocking(False)
            self._send = lambda datagram: made.sendto(datagram, where)
        self._socket = made

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _lose(self, count: int, why: str) -> None:
        if count:
            self.lost += count
            _count_lost(count)
            self._complain(f"log lines are being lost at {self.address}: {why}")

    def _tell_of_lost(self) -> None:
        """Say in the log itself, where they would stand, how many there are."""
        count, self.lost = self.lost, 0
        logging.getLogger(self.name).warning("%d log lines are lost here: the log's daemon did not take them", count)

    def _complain(self, problem: str) -> None:
        """Say what is wrong where it can be said, once until all is well again."""
        if not self._has_complained:
            self._has_complained = True
            with contextlib.suppress(OSError, ValueError):  # standard error is the last place there is
                sys.stderr.write(f"{self.name}: {problem}\n")
                sys.stderr.flush()


class SyslogHandler(DatagramHandler):
    """To a syslog daemon, on a socket of this machine or over UDP.

    :param facility: its number
    :raises OSError: when there is none
    """

    def __init__(self, address: Address, facility: int) -> None:
        super().__init__(address)
        self._prefixes = {level: f"<{facility << 3 | priority}>" for level, priority in PRIORITIES.items()}
        self._other = f"<{facility << 3 | PRIORITIES[logging.WARNING]}>"
        try:
            self.connect()
        except BlockingIOError:  # it is there, but busy
            pass

    def datagrams(self, lines: list[Line]) -> list[bytes]:
        """Each line after its priority."""
        prefixes, other = self._prefixes, self._other
        return [as_bytes(f"{prefixes.get(level, other)}{line}\0") for level, line in lines]


class JournalHandler(DatagramHandler):
    """To systemd's journal, by its native protocol: lines are entries."""


def as_bytes(line: str) -> bytes:
    """A line in UTF-8; bytes of a file's name that are none stay as they are, half a surrogate pair is spelled out."""
    try:
        return line.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return line.encode("utf-8", "backslashreplace")


def _count_lost(count: int) -> None:
    with contextlib.suppress(OSError):  # no memory for metrics is no reason to end a request
        metrics.LOG_LINES_LOST.add(count)


def _connected(path: str, kind: int) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, kind)
    made.setblocking(False)  # first: a daemon that hangs takes no new connection either
    try:
        made.connect(path)
    except OSError:
        made.close()
        raise
    return made
