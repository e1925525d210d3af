"""Lines reach syslog or standard error as they should, one by one or gathered."""

from __future__ import annotations

import logging
import re
import socket
import sys

import pytest

from swiftlite.common import log


@pytest.fixture
def gathering(at_once: None) -> None:
    """As in a server's worker."""
    log.gather_lines()


def to_syslog(syslog: socket.socket, name: str, **options: str) -> logging.Logger:
    return log.get_logger({"log_address": syslog.getsockname(), **options}, name)


def test_syslog_gets_facility_and_level_with_each_line(syslog: socket.socket, fresh_name: str) -> None:
    logger = to_syslog(syslog, fresh_name, log_facility="LOG_LOCAL2")
    logger.info("fine")
    logger.error("bad")
    local2, info, error = 18 << 3, 6, 3
    assert syslog.recv(1000) == f"<{local2 | info}>{fresh_name}: fine\0".encode()
    assert syslog.recv(1000) == f"<{local2 | error}>{fresh_name}: bad\0".encode()


def test_a_cheap_line_looks_like_any_other(syslog: socket.socket, fresh_name: str) -> None:
    logger = to_syslog(syslog, fresh_name)
    for write in (logger.info, lambda message: log.log_line(logger, message)):
        write("PUT /a%2Fb\nsecond line")
    assert syslog.recv(1000) == syslog.recv(1000)


def test_a_level_above_info_silences_cheap_lines_too(syslog: socket.socket, fresh_name: str) -> None:
    logger = to_syslog(syslog, fresh_name, log_level="WARNING")
    log.log_line(logger, "not wanted")
    logger.warning("wanted")
    assert b"wanted" in syslog.recv(1000)
    syslog.setblocking(False)
    with pytest.raises(BlockingIOError):
        syslog.recv(1000)


def test_other_handlers_get_cheap_lines_as_records(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "somebody-elses"):
        log.log_line(logging.getLogger("somebody-elses"), "100 % fine")
    assert caplog.messages == ["100 % fine"]


def test_gathered_lines_keep_their_order_before_a_warning(
    syslog: socket.socket, fresh_name: str, gathering: None
) -> None:
    logger = to_syslog(syslog, fresh_name)
    log.log_line(logger, "one")
    logger.info("two")
    logger.warning("three")
    assert [syslog.recv(1000).rpartition(b": ")[2] for _ in range(3)] == [b"one\0", b"two\0", b"three\0"]


def test_lines_go_on_after_the_daemon_was_restarted(tmp_path, syslog: socket.socket, fresh_name: str) -> None:
    logger = to_syslog(syslog, fresh_name)
    syslog.close()
    (tmp_path / "log").unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as restarted:
        restarted.bind(str(tmp_path / "log"))
        restarted.settimeout(60)
        log.log_line(logger, "again")
        assert restarted.recv(1000).endswith(f"{fresh_name}: again\0".encode())


def test_standard_error_gets_time_and_level(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, fresh_name: str
) -> None:
    logger = log.get_logger({"log_address": "/nonexistent"}, fresh_name)
    monkeypatch.setattr(logger.handlers[0], "stream", sys.stderr)
    logger.info("fine")
    log.log_line(logger, "cheap")
    first, second = capsys.readouterr().err.splitlines()
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO "
    assert re.fullmatch(f"{stamp}{fresh_name}: fine", first)
    assert re.fullmatch(f"{stamp}{fresh_name}: cheap", second)


def traced(logger: logging.Logger, identity: str) -> bool:
    """Whether a logger takes a DEBUG record of a transaction."""
    token = log.transaction_id.set(identity)
    try:
        return logger.isEnabledFor(logging.DEBUG)
    finally:
        log.transaction_id.reset(token)


def test_a_transaction_with_the_operators_word_is_logged_at_debug_and_no_other(
    syslog: socket.socket, fresh_name: str
) -> None:
    logger = to_syslog(syslog, fresh_name, log_level="WARNING", debug_trans_id_extra="open-sesame, or.this_one")
    ours = "tx0123-0456-open-sesame"
    assert traced(logger, ours)
    assert traced(logger, "tx0123-0456-cluster2-or.this_one")
    for other in (
        "",
        "tx0123-0456",
        "tx0123-0456-open-sesam",
        "tx0123-0456-open-sesame2",
        "tx0123-0456-%2Dopen-sesameX",
    ):
        assert not traced(logger, other), other
    log.transaction_id.set(ours)
    logger.debug("in full")
    log.log_line(logger, "access")
    log.transaction_id.set("tx0123-0456")
    logger.info("not this")
    logger.warning("always")
    debug, info = 16 << 3 | 7, 16 << 3 | 6
    assert syslog.recv(1000) == f"<{debug}>{fresh_name}: in full (txn: {ours})\0".encode()
    assert syslog.recv(1000) == f"<{info}>{fresh_name}: access\0".encode()
    assert b"always" in syslog.recv(1000)


def test_without_the_option_nobody_can_raise_the_level(syslog: socket.socket, fresh_name: str) -> None:
    logger = to_syslog(syslog, fresh_name)
    assert not traced(logger, "tx0123-0456-open-sesame")
    assert "isEnabledFor" not in vars(logger)  # what costs nothing


@pytest.mark.parametrize("word", ["short", "x" * 33, "has space in it", "per%cent%", "fine-word,no"])
def test_a_word_that_could_be_guessed_or_never_match_is_refused(fresh_name: str, word: str) -> None:
    with pytest.raises(ValueError, match="is not 8 to 32 letters"):
        log.get_logger({"debug_trans_id_extra": word}, fresh_name)
