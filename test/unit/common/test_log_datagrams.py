"""A log daemon that is busy or gone stops nobody: lines wait in their order, and what must be lost is counted and told."""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from swiftlite.common import log, log_datagrams
from swiftlite.common.concurrency import sleep


@pytest.fixture
def gathering(at_once: None) -> None:
    """As in a server's worker, whose event loop runs while the test sleeps."""
    log.gather_lines()


@pytest.fixture
def logger(syslog: socket.socket, fresh_name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    monkeypatch.setattr(log_datagrams, "PATIENCE", 0.05)
    made = log.get_logger({"log_address": syslog.getsockname()}, fresh_name)
    yield made
    made.handlers[0].close()


def numbers(daemon: socket.socket) -> Iterator[str]:
    """The last word of each line that a daemon gets, while the event loop runs."""
    daemon.setblocking(False)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            yield daemon.recv(1000).decode().rstrip("\0").rpartition(" ")[2]
        except BlockingIOError:
            sleep(0.002)
    raise AssertionError("the expected line has not come")


def until(daemon: socket.socket, last: str) -> list[str]:
    found = []
    for number in numbers(daemon):
        found.append(number)
        if number == last:
            return found
    return found


def test_a_daemon_that_does_not_read_stops_nobody_and_gets_all_in_order_later(
    logger: logging.Logger, syslog: socket.socket, gathering: None
) -> None:
    for number in range(1500):  # more than any queue of the kernel's holds
        log.log_line(logger, f"line {number}")
    logger.error("then an error")
    assert until(syslog, "error") == [*map(str, range(1500)), "error"]


def test_what_waits_is_bounded_and_the_log_says_where_how_much_is_missing(
    logger: logging.Logger,
    syslog: socket.socket,
    gathering: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(log_datagrams, "MOST_WAITING", 400)
    for number in range(2000):
        log.log_line(logger, f"line {number}")
    handler = logger.handlers[0]
    assert isinstance(handler, log_datagrams.SyslogHandler)
    handler.flush()
    lost = handler.lost
    assert 0 < lost < 1600 and len(handler._waiting) <= 400
    assert capsys.readouterr().err.count("log lines are being lost") == 1
    syslog.setblocking(False)
    came: list[bytes] = []
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            came.append(syslog.recv(1000))
        except BlockingIOError:
            if came and b"lost" in came[-1]:
                break
            sleep(0.002)
    assert f": {lost} log lines are lost here" in came[-1].decode()
    assert [int(line.rstrip(b"\0").split()[-1]) for line in came[:-1]] == list(range(2000 - lost))
    logger.info("all is well")
    handler.flush()
    assert until(syslog, "well") == ["well"]


def test_lines_wait_for_a_daemon_that_is_away_and_standard_error_says_so_once(
    logger: logging.Logger, syslog: socket.socket, gathering: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    syslog.close()
    (tmp_path / "log").unlink()
    for number in range(300):
        logger.warning("line %d", number)
    assert re.fullmatch(f"{logger.name}: cannot log to .*; log lines wait\n", capsys.readouterr().err)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as restarted:
        restarted.bind(str(tmp_path / "log"))
        assert until(restarted, "299") == [str(number) for number in range(300)]


def test_a_process_without_an_event_loop_waits_for_a_moment_only(logger: logging.Logger, syslog: socket.socket) -> None:
    reader = threading.Thread(target=lambda: [syslog.recv(1000) for _ in range(1000)])
    reader.start()
    for number in range(1000):  # nothing comes back later, but the daemon reads
        logger.info("line %d", number)
    reader.join(10)
    assert not reader.is_alive()
    for number in range(1000):  # it reads no more
        logger.info("line %d", number)
    assert until_empty(syslog)
    logger.info("the last")
    assert until_empty(syslog)


def until_empty(daemon: socket.socket) -> int:
    daemon.setblocking(False)
    count = 0
    try:
        while daemon.recv(1000):
            count += 1
    except BlockingIOError:
        return count
    return count


def test_the_end_of_a_process_waits_for_the_daemon_and_tells_what_is_lost(
    logger: logging.Logger, syslog: socket.socket, gathering: None, capsys: pytest.CaptureFixture[str]
) -> None:
    log.log_line(logger, "held 1")
    logger.handlers[0].close()
    assert until(syslog, "1") == ["1"]
    for number in range(1000):
        log.log_line(logger, f"line {number}")
    logger.handlers[0].close()
    told = re.search(r"the last (\d+) log lines are lost\n", capsys.readouterr().err)
    assert told and until_empty(syslog) + int(told[1]) == 1000


def test_a_forked_child_leaves_its_parents_lines_to_it(
    logger: logging.Logger, syslog: socket.socket, gathering: None
) -> None:
    log.log_line(logger, "held 1")
    child = os.fork()
    if child == 0:
        logger.handlers[0].flush()
        os._exit(0)
    os.waitpid(child, 0)
    logger.error("last 2")
    assert until(syslog, "2") == ["1", "2"]


def test_a_line_too_long_for_a_datagram_costs_no_other(logger: logging.Logger, syslog: socket.socket) -> None:
    for text in ("before 1", "x" * (1 << 20), "after 2"):
        logger.info(text)
    assert [syslog.recv(1000).decode().split(": ")[1].rstrip("\0") for _ in range(3)] == [
        "before 1",
        "1 log lines are lost here",
        "after 2",
    ]


def test_a_stream_instead_of_datagrams(tmp_path: Path, fresh_name: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon:
        daemon.bind(str(tmp_path / "log"))
        daemon.listen()
        daemon.settimeout(10)
        logger = log.get_logger({"log_address": str(tmp_path / "log")}, fresh_name)
        logger.info("one")
        logger.info("two")
        with daemon.accept()[0] as connection:
            told = b""
            while told.count(b"\0") < 2:
                told += connection.recv(1000)
        assert [line.rpartition(b" ")[2] for line in told.split(b"\0")[:2]] == [b"one", b"two"]
        logger.handlers[0].close()
