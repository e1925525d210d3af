"""Blanks for a client that waits: it and what lies between may not take a long silence for a dead server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from swiftlite.common.concurrency import GreenThread, Timeout, spawn

SHORTEST = 0.05
"""Seconds between two blanks where there were to be none."""


def with_blanks(work: Callable[[], bytes], media_type: str | None, seconds: float) -> Iterator[bytes]:
    """Do something meanwhile, then give what came of it; when nobody wants it any more, break it off.

    :param work: gives the end of the body
    :param media_type: of the body: an XML document begins before the first blank
    :param seconds: between two blanks
    """
    thread = spawn(work)
    blank = b'<?xml version="1.0" encoding="UTF-8"?>\n' if (media_type or "").endswith("/xml") else b" "
    separator = b""
    try:
        while (end := _result(thread, max(seconds, SHORTEST))) is None:
            yield blank
            blank, separator = b" ", b"\r\n\r\n"
        yield separator + end
    finally:
        thread.kill()


def _result(thread: GreenThread, seconds: float) -> bytes | None:
    try:
        with Timeout(seconds) as timeout:
            result: bytes = thread.wait()
            return result
    except Timeout as raised:
        if raised is not timeout:
            raise
        return None
