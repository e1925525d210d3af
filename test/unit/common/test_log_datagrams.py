"""A log daemon that is busy or gone stops nobody: lines wait in their order, and what must be lost is counted and told."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from swiftlite.common import log, log_datagrams, metrics
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
    deadline = time.monotonic() + 60
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
    before = metrics.LOG_LINES_LOST.get()
    for number in range(2000):
        log.log_line(logger, f"line {number}")
    handler = logger.handlers[0]
    assert isinstance(handler, log_datagrams.SyslogHandler)
    handler.flush()
    lost = handler.lost
    assert 0 < lost < 1600 and len(handler._waiting) <= 400
    assert metrics.LOG_LINES_LOST.get() - before == lost
    assert capsys.readouterr().err.count("log lines are being lost") == 1
    syslog.setblocking(False)
    came: list[bytes] = []
    deadline = time.monotonic() + 60
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


def test_a_process_without_an_event_loop_waits_for_a_moment_only(
    logger: logging.Logger, syslog: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_datagrams, "PATIENCE", 60.0)  # it may be a while before the other thread reads
    reader = threading.Thread(target=lambda: [syslog.recv(1000) for _ in range(1000)])
    reader.start()
    for number in range(1000):  # nothing comes back later, but the daemon reads
        logger.info("line %d", number)
    reader.join(60)
    assert not reader.is_alive()
    monkeypatch.setattr(log_datagrams, "PATIENCE", 0.05)
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


def test_a_line_of_another_thread_does_not_wait_for_an_event_loop_that_sleeps(
    logger: logging.Logger, syslog: socket.socket, gathering: None
) -> None:
    thread = threading.Thread(target=logger.info, args=("of a thread 1",))
    thread.start()
    thread.join()
    syslog.setblocking(False)
    assert syslog.recv(1000).endswith(b" 1\0")  # the loop has not run
    logger.info("of the loop's own 2")
    with pytest.raises(BlockingIOError):
        syslog.recv(1000)
    assert until(syslog, "2") == ["2"]


def test_what_waits_goes_on_though_the_event_loop_has_forgotten_it(
    logger: logging.Logger, syslog: socket.socket, gathering: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_datagrams, "LATE", -1.0)
    with monkeypatch.context() as patch:  # as may happen to what another thread asks of it
        patch.setattr(log_datagrams.hub(), "schedule_call_global", lambda *_: None)
        for number in range(1000):
            logger.warning("line %d", number)
        assert logger.handlers[0]._waiting  # type: ignore[attr-defined]
    until_empty(syslog)
    logger.warning("last 1000")
    assert until(syslog, "1000")[-1] == "1000"


def test_long_lines_that_wait_are_bounded_too(
    logger: logging.Logger, syslog: socket.socket, gathering: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_datagrams, "MOST_BYTES", 100_000)
    handler = logger.handlers[0]
    assert isinstance(handler, log_datagrams.SyslogHandler)
    for _ in range(1000):
        logger.warning("x" * 10_000)
    assert 100_000 < sum(map(len, handler._waiting)) == handler._size < 120_000
    assert handler.lost > 0
    while handler._waiting:
        until_empty(syslog)
        sleep(0.002)
    assert handler._size == 0


def test_a_signal_may_log_while_a_line_is_being_sent(logger: logging.Logger, syslog: socket.socket) -> None:
    handler = logger.handlers[0]
    assert isinstance(handler, log_datagrams.SyslogHandler)
    send, told = handler._send, iter(["of the signal"])

    def interrupted(datagram: bytes) -> int:
        for text in told:
            logger.warning(text)
        return send(datagram)

    handler._send = interrupted
    logger.warning("first")
    handler._send = send
    assert sorted(syslog.recv(1000).rpartition(b" ")[2] for _ in range(2)) == [b"first\0", b"signal\0"]
    assert until_empty(syslog) == 0


def test_a_host_is_looked_up_once(fresh_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(60)
        options = {"log_udp_host": "localhost", "log_udp_port": str(daemon.getsockname()[1])}
        with monkeypatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", functools.partial(socket.getaddrinfo, family=socket.AF_INET))
            logger = log.get_logger(options, fresh_name)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("this may take half a minute"))
        handler = logger.handlers[0]
        assert isinstance(handler, log_datagrams.SyslogHandler)
        handler._disconnect()  # as after an error of the network
        logger.info("anew")
        assert daemon.recv(1000).endswith(b" anew\0")


def test_a_stream_daemon_that_takes_no_connection_stops_nobody(tmp_path: Path, fresh_name: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon, contextlib.ExitStack() as others:
        daemon.bind(str(tmp_path / "log"))
        daemon.listen(0)
        daemon.settimeout(60)
        with contextlib.suppress(BlockingIOError):
            while True:
                other = others.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                other.setblocking(False)
                other.connect(str(tmp_path / "log"))
        logger = log.get_logger({"log_address": str(tmp_path / "log")}, fresh_name)
        handler = logger.handlers[0]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(log_datagrams, "PATIENCE", 0.0)
            logger.info("one")
        taken: list[socket.socket] = []
        reader = threading.Thread(target=lambda: taken.append(others.enter_context(daemon.accept()[0])))
        reader.start()
        reader.join()
        handler.flush()
        logger.info("two")
        told = b""
        connection = others.enter_context(daemon.accept()[0])
        connection.settimeout(60)
        while told.count(b"\0") < 2:
            told += connection.recv(1000)
        assert [line.rpartition(b" ")[2] for line in told.split(b"\0")[:2]] == [b"one", b"two"]
        handler.close()


def test_what_cannot_be_written_is_not_felt_by_who_logs(fresh_name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(OSError), open("/dev/full", "w", encoding="ascii") as full:  # closing it fails, too
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdout", full)
            logger = log.get_logger({"log_to": "stdout"}, fresh_name)
        logger.warning("one")
        log.log_line(logger, "two")
        logger.warning("%d", "a message that does not fit its arguments")
    told = capsys.readouterr().err
    assert told.count("--- Logging error ---") == 3 and "No space left on device" in told


def test_a_stream_instead_of_datagrams(tmp_path: Path, fresh_name: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon:
        daemon.bind(str(tmp_path / "log"))
        daemon.listen()
        daemon.settimeout(60)
        logger = log.get_logger({"log_address": str(tmp_path / "log")}, fresh_name)
        logger.info("one")
        logger.info("two")
        with daemon.accept()[0] as connection:
            told = b""
            while told.count(b"\0") < 2:
                told += connection.recv(1000)
        assert [line.rpartition(b" ")[2] for line in told.split(b"\0")[:2]] == [b"one", b"two"]
        logger.handlers[0].close()
