"""Green threads, queues, timeouts and real threads: the only module that imports eventlet."""

from __future__ import annotations

import contextvars
import functools
import itertools
import os
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from time import monotonic
from typing import Any, TypeVar

# No DNS thread games: rings hold addresses, and the import of dnspython would cost every start.
os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")
with warnings.catch_warnings():
    # eventlet announces its deprecation on import; operators can do nothing about it.
    warnings.simplefilter("ignore")
    import eventlet
    import eventlet.event
    import eventlet.greenpool
    import eventlet.hubs
    import eventlet.patcher
    import eventlet.queue
    import eventlet.semaphore
    import greenlet
    from eventlet.green import select as green_select
    from eventlet.green import socket as green_socket

T = TypeVar("T")

Timeout = eventlet.Timeout
"""Context manager that raises itself in this greenlet after so many seconds (None: never)."""

Queue = eventlet.queue.LightQueue
QueueEmpty = eventlet.queue.Empty
QueueFull = eventlet.queue.Full
Event = eventlet.event.Event
Semaphore = eventlet.semaphore.Semaphore
GreenThread = eventlet.greenthread.GreenThread
GreenSocket = green_socket.socket
socket = green_socket
select = green_select
sleep = eventlet.sleep
trampoline = eventlet.hubs.trampoline
get_hub = eventlet.hubs.get_hub
current_greenlet = greenlet.getcurrent


def spawn(function: Callable[..., Any], *args: Any, **kwargs: Any) -> GreenThread:
    """Start ``function`` in a green thread that sees a copy of the caller's ContextVars.

    ContextVars are per greenlet: without the copy, a log line of the new thread would lose its transaction id.
    """
    return eventlet.spawn(contextvars.copy_context().run, function, *args, **kwargs)


def in_turns(items: Iterable[T]) -> Iterator[T]:
    """Give the items and let other green threads run between any two: for long work that is done in pieces."""
    work = iter(items)
    for item in itertools.islice(work, 1):
        yield item
    for item in work:
        sleep()
        yield item


class GreenPool(eventlet.greenpool.GreenPool):
    """A bounded set of green threads, each started in a copy of the caller's context."""

    def spawn(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> GreenThread:
        """Start a green thread whose result can be waited for; blocks while the pool is full."""
        return super().spawn(contextvars.copy_context().run, function, *args, **kwargs)

    def spawn_n(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Start a green thread whose result nobody wants; blocks while the pool is full."""
        super().spawn_n(contextvars.copy_context().run, function, *args, **kwargs)


def in_order(concurrency: int, function: Callable[..., T], items: Iterable[Any]) -> Iterator[T]:
    """Call ``function`` with every item, several at once; give the results, or raise the first failure, in their order.

    :param concurrency: calls that are under way at the same time
    """
    pending: deque[GreenThread] = deque()
    try:
        for item in items:
            pending.append(spawn(function, item))
            if len(pending) >= concurrency:
                result = pending[0].wait()  # it stays there meanwhile: it is to be killed with the others
                pending.popleft()
                yield result
        while pending:
            result = pending[0].wait()
            pending.popleft()
            yield result
    finally:
        for thread in pending:
            thread.kill()


class ThreadPool:
    """Real threads that green threads hand work to; for what blocks, and would stop every green thread of a process.

    Belongs to the event loop of the first call. Half the price of eventlet's own pool, and each device can have one.

    :param size: most threads; they are started as they are needed, and end with the process
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._work: SimpleQueue[tuple[Event, Callable[[], Any]]] = SimpleQueue()
        self._done: deque[tuple[Event, Any, BaseException | None]] = deque()
        self._since: dict[Event, float] = {}
        """When each call began that is not over, the oldest first."""
        self._threads = 0
        self._pending = 0
        self._wakeup = -1
        self._woken = False

    def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call ``function`` in one of the threads, in a copy of the caller's context; return or raise what it does.

        An exception from outside, a timeout say, is raised once the work is over: until then the thread uses what the
        caller gave it, and would be let go of.
        """
        if self._wakeup < 0:
            self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            hub = get_hub()
            hub.mark_as_reopened(self._wakeup)  # a socket of that number may have been collected without being closed
            hub.add(hub.READ, self._wakeup, self._collect, self._collect, self._collect)
        self._pending += 1
        if self._pending > self._threads < self.size:
            self._threads += 1
            threading.Thread(target=self._serve, daemon=True, name="disk").start()
        done = Event()
        self._since[done] = monotonic()
        self._work.put((done, functools.partial(contextvars.copy_context().run, function, *args, **kwargs)))
        try:
            return done.wait()
        except BaseException:
            while not done.ready():
                try:
                    done.wait()
                except BaseException:  # the first one is raised
                    pass
            raise
        finally:
            del self._since[done]

    def busy_for(self) -> float:
        """Seconds for which the oldest call has been waiting or running; 0 when there is none."""
        return monotonic() - next(iter(self._since.values())) if self._since else 0.0

    def _serve(self) -> None:
        while True:
            done, call = self._work.get()
            try:
                self._done.append((done, call(), None))
            except BaseException as error:
                self._done.append((done, None, error))
            del call
            if not self._woken:
                self._woken = True
                os.eventfd_write(self._wakeup, 1)

    def _collect(self, *_: Any) -> None:
        """Hand results to who waits for them; runs in the event loop."""
        os.eventfd_read(self._wakeup)
        self._woken = False  # Before the queue is emptied: what comes later wakes us again.
        while self._done:
            done, result, error = self._done.popleft()
            self._pending -= 1
            if error is None:
                done.send(result)
            else:
                done.send_exception(error)


def reset_after_fork() -> None:
    """Give a forked child an event hub of its own; an inherited epoll descriptor would be shared with the parent."""
    eventlet.hubs.use_hub()
