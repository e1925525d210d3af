"""The load driver, a process of its own so that its CPU is not a server's: reads a job, drives it, prints what it saw.

Small bodies: one thread, many kept connections, epoll. Big bodies: one thread a connection, sendfile and discarded reads.
"""

from __future__ import annotations

import json
import os
import random
import selectors
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

RANGE = 1 << 20


@dataclass
class Job:
    """What to ask for: `method` on `prefix` + number for the numbers `first` up to `last`, or until `seconds` are over.

    Body: `size` bytes, those of `body_file` over and over. `cycle`: start over at `first` instead of ending at `last`.
    `span`: ask for a random range of RANGE bytes of an object of so many bytes, whose path is `prefix`. A header's
    ``{number}`` stands for the number.
    """

    port: int
    method: str
    prefix: str
    first: int = 0
    last: int = 1_000_000_000
    cycle: bool = False
    seconds: float = 3600.0
    size: int = 0
    body_file: str = ""
    span: int = 0
    connections: int = 16
    headers: dict[str, str] = field(default_factory=dict)

    def head(self, number: int) -> bytes:
        """Return the head of the request with that number."""
        path = self.prefix if self.span else f"{self.prefix}{number}"
        lines = [f"{self.method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        lines += [f"{name}: {value}".replace("{number}", str(number)) for name, value in self.headers.items()]
        if self.span:
            first = random.Random(number).randrange(self.span - RANGE)
            lines.append(f"Range: bytes={first}-{first + RANGE - 1}")
        if self.method in ("PUT", "POST"):
            lines.append(f"Content-Length: {self.size}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def numbers(self) -> Iterator[int]:
        """Yield the numbers to ask for, until they or the seconds are used up."""
        deadline = time.monotonic() + self.seconds
        while True:
            for number in range(self.first, self.last):
                if time.monotonic() >= deadline:
                    return
                yield number
            if not self.cycle:
                return


@dataclass
class Seen:
    """What came of a job: how many answers, how long it took, statuses above 299, the waits (seconds)."""

    requests: int = 0
    seconds: float = 0.0
    bytes: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)

    def answer(self, status: int, waited: float, size: int) -> None:
        """Count one answer."""
        self.requests += 1
        self.bytes += size
        self.latencies.append(waited)
        if status > 299:
            self.failures[str(status)] = self.failures.get(str(status), 0) + 1


class Connection:
    """One kept connection of the small-body driver and the request under way on it."""

    def __init__(self, job: Job, body: bytes) -> None:
        self.job = job
        self.body = body
        self.open()

    def open(self) -> None:
        """Connect (again)."""
        self.socket = socket.create_connection(("127.0.0.1", self.job.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = 0.0
        self.inbox = b""
        self.wanted = -1

    def send(self, number: int) -> None:
        """Send a whole request; small enough for the kernel to take at once, more or less."""
        self.began = time.monotonic()
        self.inbox, self.wanted = b"", -1
        self.socket.sendall(self.job.head(number) + self.body)

    def receive(self) -> tuple[int, int, bool] | None:
        """Read what is there; return status, body bytes and whether to reconnect once the answer is whole."""
        data = self.socket.recv(262144)
        if not data:
            raise ConnectionError("the server closed a connection in the middle of an answer")
        self.inbox += data
        if self.wanted < 0:
            end = self.inbox.find(b"\r\n\r\n")
            if end < 0:
                return None
            self.status, self.length, self.close = parse_head(self.inbox[:end], self.job.method)
            self.wanted = end + 4 + self.length
        if len(self.inbox) < self.wanted:
            return None
        return self.status, self.length, self.close


def parse_head(head: bytes, method: str) -> tuple[int, int, bool]:
    """Return status, length of the body that follows and whether the server will close; ValueError for chunked ones."""
    lines = head.split(b"\r\n")
    status = int(lines[0].split(b" ", 2)[1])
    length, close = 0, lines[0].startswith(b"HTTP/1.0")
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip().lower()
        if name == b"content-length":
            length = int(value)
        elif name == b"transfer-encoding":
            raise ValueError("this driver expects a Content-Length")
        elif name == b"connection":
            close = value == b"close"
    return status, 0 if method == "HEAD" or status in (204, 304) else length, close


def drive_small(job: Job) -> Seen:
    """Run a job whose bodies fit in memory."""
    body = b""
    if job.size:
        with open(job.body_file, "rb") as file:
            body = file.read(job.size)
    seen, numbers = Seen(), job.numbers()
    selector = selectors.DefaultSelector()
    began = time.monotonic()
    busy = 0
    for _ in range(job.connections):
        number = next(numbers, None)
        if number is not None:
            connection = Connection(job, body)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(number)
            busy += 1
    while busy:
        for key, _ in selector.select():
            connection = key.data
            answer = connection.receive()
            if answer is None:
                continue
            status, size, close = answer
            seen.answer(status, time.monotonic() - connection.began, max(size, job.size))
            number = next(numbers, None)
            if close or number is None:
                selector.unregister(connection.socket)
                connection.socket.close()
            if number is None:
                busy -= 1
                continue
            if close:
                connection.open()
                selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(number)
    seen.seconds = time.monotonic() - began
    return seen


def drive_big(job: Job) -> Seen:
    """Run a job of big bodies: they go out by sendfile, and what comes in is thrown away unread."""
    seen, numbers, lock = Seen(), job.numbers(), threading.Lock()
    problems: list[BaseException] = []

    def work() -> None:
        try:
            with socket.create_connection(("127.0.0.1", job.port)) as connection:
                while True:
                    with lock:
                        number = next(numbers, None)
                    if number is None:
                        return
                    began = time.monotonic()
                    status, size = exchange_big(connection, job, number)
                    with lock:
                        seen.answer(status, time.monotonic() - began, max(size, job.size))
        except BaseException as error:
            problems.append(error)

    began = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(job.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    seen.seconds = time.monotonic() - began
    return seen


def exchange_big(connection: socket.socket, job: Job, number: int) -> tuple[int, int]:
    """Make one request; return its status and the size of the answer's body."""
    connection.sendall(job.head(number))
    if job.size:
        with open(job.body_file, "rb") as file:
            length, left = os.fstat(file.fileno()).st_size, job.size
            while left:
                offset = (job.size - left) % length
                left -= os.sendfile(connection.fileno(), file.fileno(), offset, min(left, length - offset))
    inbox = b""
    while (end := inbox.find(b"\r\n\r\n")) < 0:
        data = connection.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection before it answered")
        inbox += data
    status, length, _ = parse_head(inbox[:end], job.method)
    left = length - (len(inbox) - end - 4)
    waste = bytearray(1 << 20)
    while left > 0:
        # MSG_TRUNC on a TCP socket throws the bytes away in the kernel: the driver must not be what is measured.
        got = connection.recv_into(waste, min(left, len(waste)), socket.MSG_TRUNC)
        if not got:
            raise ConnectionError(f"the body of an answer is {left} bytes short")
        left -= got
    return status, length


def main() -> int:
    """Run the job on standard input (a Job's fields in JSON, and ``big``) and print a Seen in JSON."""
    fields: dict[str, Any] = json.load(sys.stdin)
    run = drive_big if fields.pop("big") else drive_small
    json.dump(asdict(run(Job(**fields))), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
