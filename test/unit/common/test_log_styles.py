"""Log records as JSON, in the journal's fields, shortened; and where conf options send them."""

from __future__ import annotations

import io
import json
import logging
import socket
import sys

import pytest

from swiftlite.common import log, log_targets
from swiftlite.common.log_styles import LineFormatter, one_line
from swiftlite.common.request_log import RequestLog


@pytest.mark.parametrize("target", ["stdout", "stderr"])
def test_json_lines_have_all_fields(capsys: pytest.CaptureFixture[str], fresh_name: str, target: str) -> None:
    logger = log.get_logger({"log_to": target, "log_style": "json"}, fresh_name)
    log.transaction_id.set("tx1")
    logger.warning('two\nlines and "quotes"')
    log.log_line(logger, '{"method": "GET"}', True)
    log.log_line(logger, "plain")
    lines = [json.loads(line) for line in getattr(capsys.readouterr(), target[3:]).splitlines()]
    assert [sorted(line) for line in lines] == [
        ["level", "logger", "message", "pid", "time", "transaction"],
        ["level", "logger", "pid", "request", "time", "transaction"],
        ["level", "logger", "message", "pid", "time", "transaction"],
    ]
    assert lines[0]["message"] == 'two\nlines and "quotes"'
    assert (lines[0]["level"], lines[0]["transaction"], lines[0]["logger"]) == ("WARNING", "tx1", fresh_name)
    assert lines[1]["request"] == {"method": "GET"}


def test_requests_of_level_debug_are_objects_too(capsys: pytest.CaptureFixture[str], fresh_name: str) -> None:
    logger = log.get_logger({"log_to": "stderr", "log_style": "json", "log_level": "DEBUG"}, fresh_name)
    RequestLog(logger, True, quiet=["REPLICATE"]).note({"REQUEST_METHOD": "REPLICATE"}, 200, "7", 1.0, 2.0)
    line = json.loads(capsys.readouterr().err)
    assert line["level"] == "DEBUG" and line["request"]["bytes_sent"] == 7


ODD = "a name of \udcff bytes, half of a pair \ud800"


def test_an_odd_name_costs_no_lines(monkeypatch: pytest.MonkeyPatch, fresh_name: str) -> None:
    written = io.TextIOWrapper(io.BytesIO(), "utf-8")  # refuses surrogates, as standard output does
    monkeypatch.setattr(sys, "stdout", written)
    logger = log.get_logger({"log_to": "stdout"}, fresh_name)
    handler = logger.handlers[0]
    assert isinstance(handler, log_targets.Gathering)
    handler.write([(logging.INFO, "fine"), (logging.INFO, ODD)])
    lines = written.buffer.getvalue().decode().splitlines()  # type: ignore[attr-defined]
    assert lines == ["fine", r"a name of \udcff bytes, half of a pair \ud800"]


@pytest.mark.parametrize("target", ["syslog", "journal"])
def test_an_odd_name_ends_no_request(syslog: socket.socket, fresh_name: str, target: str) -> None:
    log.get_logger({"log_to": target, "log_address": syslog.getsockname()}, fresh_name).warning("%s", ODD)
    assert rb"half of a pair \ud800" in syslog.recv(1000)


def test_a_traceback_is_in_the_json_too(capsys: pytest.CaptureFixture[str], fresh_name: str) -> None:
    logger = log.get_logger({"log_to": "stderr", "log_style": "json"}, fresh_name)
    try:
        raise KeyError("surrogate \udcff")
    except KeyError:
        logger.exception("failed")
    line = json.loads(capsys.readouterr().err)
    assert "failed Traceback" in line["message"] and "transaction" not in line


def test_syslog_carries_json(syslog: socket.socket, fresh_name: str) -> None:
    logger = log.get_logger({"log_address": syslog.getsockname(), "log_style": "json"}, fresh_name)
    logger.info("fine")
    assert json.loads(syslog.recv(1000).partition(b">")[2].rstrip(b"\0"))["message"] == "fine"


def test_the_journal_gets_fields(syslog: socket.socket, fresh_name: str) -> None:
    logger = log.get_logger({"log_to": "journal", "log_address": syslog.getsockname()}, fresh_name)
    log.transaction_id.set("tx7")
    logger.error("first\nsecond")
    log.log_line(logger, "access")
    fields = dict(line.split("=", 1) for line in syslog.recv(1000).decode().splitlines())
    assert fields == {
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": fresh_name,
        "SWIFT_TRANSACTION": "tx7",
        "MESSAGE": "first#012second",
    }
    assert b"PRIORITY=6\n" in syslog.recv(1000)


def test_syslog_over_udp(fresh_name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(60)
        options = {"log_udp_host": "127.0.0.1", "log_udp_port": str(receiver.getsockname()[1])}
        logger = log.get_logger(options, fresh_name)
        logger.info("fine")
        assert receiver.recv(1000).rstrip(b"\0").endswith(f"{fresh_name}: fine".encode())


@pytest.mark.parametrize(
    "most, line", [(0, "x: abcdefghijkl"), (15, "x: abcdefghijkl"), (11, "x:  ...  kl"), (10, "x: ... kl"), (3, "x: ")]
)
def test_long_lines_lose_their_middle(most: int, line: str) -> None:
    shown = LineFormatter(most).spell("x", "INFO", "abcdefghijkl", 0.0)
    assert len(shown) <= (most or 99)
    if most in (0, 15, 3):
        assert shown == line
    else:
        assert " ... " in shown and shown.startswith("x:") and shown.endswith("kl")


@pytest.mark.parametrize(
    "options, word",
    [
        ({"log_to": "printer"}, "log_to"),
        ({"log_style": "xml"}, "log_style"),
        ({"log_udp_host": "no.such.invalid"}, "no.such.invalid"),
    ],
)
def test_a_target_that_is_none_is_refused(fresh_name: str, options: dict[str, str], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        log.get_logger(options, fresh_name)


def test_one_line_is_one_line() -> None:
    assert one_line("a\r\nb") == "a#015#012b"


@pytest.mark.parametrize("style", ["plain", "json"])
def test_a_daemon_that_begins_with_its_name_is_named_once(
    capsys: pytest.CaptureFixture[str], fresh_name: str, style: str
) -> None:
    logger = log.get_logger({"log_to": "stderr", "log_style": style}, fresh_name)
    logger.warning("%s: a pass", fresh_name)
    logger.warning("another: a pass")
    first, second = capsys.readouterr().err.splitlines()
    assert (first.count(fresh_name), second.count(fresh_name)) == (1, 1)
    assert ": a pass" in second and "another: a pass" in second
