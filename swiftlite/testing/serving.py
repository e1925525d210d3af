"""All servers of a store in one event loop."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from swiftlite.common import swift_info, tracing
from swiftlite.common.concurrency import spawn, trampoline
from swiftlite.common.log import get_logger
from swiftlite.common.pipeline import load_app
from swiftlite.db.access import close_idle
from swiftlite.http.server import HTTPOptions, HTTPServer
from swiftlite.testing.running import LOGGER

DRAIN_SECONDS = 1.0
"""How long a request that is still under way holds up the end of a store."""


def serve(directory: Path, listeners: Mapping[str, socket.socket], ender: Any, on_ready: Callable[[], None]) -> None:
    """Serve until the other end of `ender` is closed.

    :param listeners: bound sockets, by kind of server
    :param ender: a socket or pipe, of which nothing is read
    :param on_ready: called once all servers listen
    :raises Exception: whatever keeps a conf file from being loaded
    """
    swift_info.forget()
    log = get_logger({"log_address": ""}, LOGGER)
    servers = []
    for kind, listener in listeners.items():
        app = load_app(str(directory / "etc" / f"{kind}-server.conf"))
        listener.listen(1024)
        servers.append(HTTPServer(listener, app, HTTPOptions(drain_grace=DRAIN_SECONDS), log))
    threads = [spawn(server.serve) for server in servers]
    on_ready()
    trampoline(ender, read=True)
    # The proxy first: nobody asks the others any more.
    for server, thread in zip(servers, threads):
        server.drain()
        thread.wait()
    close_idle()
    tracing.flush()
