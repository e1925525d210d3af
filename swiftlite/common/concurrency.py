"""Green threads, queues, timeouts and real threads: the only module that imports eventlet."""

from __future__ import annotations

import contextvars
import os
import warnings
from collections.abc import Callable
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
    import eventlet.tpool
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


class GreenPool(eventlet.greenpool.GreenPool):
    """A bounded set of green threads, each started in a copy of the caller's context."""

    def spawn(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> GreenThread:
        """Start a green thread whose result can be waited for; blocks while the pool is full."""
        return super().spawn(contextvars.copy_context().run, function, *args, **kwargs)

    def spawn_n(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Start a green thread whose result nobody wants; blocks while the pool is full."""
        super().spawn_n(contextvars.copy_context().run, function, *args, **kwargs)


def in_thread(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Run ``function`` in a real thread while other green threads go on; return or raise what it did."""
    return eventlet.tpool.execute(contextvars.copy_context().run, function, *args, **kwargs)


def reset_after_fork() -> None:
    """Give a forked child an event hub of its own; an inherited epoll descriptor would be shared with the parent."""
    eventlet.hubs.use_hub()
