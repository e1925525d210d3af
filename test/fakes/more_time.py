"""Tests in which time alone tells who hangs from who is well: on a busy machine, who is well may take as long."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def with_more_time(attempt: Callable[[float], T], *timeouts: float) -> T:
    """Make an attempt with the first timeout, in seconds; where it fails, with the next one: the last must do."""
    for timeout in timeouts[:-1]:
        try:
            return attempt(timeout)
        except (AssertionError, OSError):
            continue
    return attempt(timeouts[-1])
