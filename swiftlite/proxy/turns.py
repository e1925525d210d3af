"""Turns: one call at a time, whose result goes to all who asked for it before it began."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from swiftlite.common.concurrency import Event

T = TypeVar("T")


class TurnLost(Exception):
    """Whoever had the turn was stopped."""


class Turns(Generic[T]):
    """Makes a call at most once at a time.

    Who asks while it is under way may not have its result, for that may be older than the question: all those share the
    call that comes next.
    """

    def __init__(self) -> None:
        self._running: Any = None
        self._next: Any = None

    def take(self, call: Callable[[], T]) -> T:
        """The result of a call that begins from now on, or what it raises.

        :param call: what to do, unless another one's does it for both
        :raises TurnLost: when the green thread that was to call was stopped
        """
        if self._next is not None:
            return self._next.wait()
        turn = Event()
        try:
            if self._running is not None:
                self._next = turn
                self._wait_for_running()
            self._next, self._running = None, turn
            result = call()
        except BaseException as error:
            turn.send_exception(error if isinstance(error, Exception) else TurnLost())
            raise
        else:
            turn.send(result)
            return result
        finally:
            if self._next is turn:
                self._next = None
            if self._running is turn:
                self._running = None

    def _wait_for_running(self) -> None:
        try:
            self._running.wait()
        except Exception:
            pass  # that is for those who waited for its result
