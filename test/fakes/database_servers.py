"""Real account and container servers on real sockets, over a device directory of their own."""

from __future__ import annotations

import http.client
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from fakes.http_server import ServerThread
from swiftlite.account.server import AccountServer
from swiftlite.common.policies import StoragePolicies, StoragePolicy
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.container.server import ContainerOptions, ContainerServer
from swiftlite.core.allowed_hosts import AllowedHosts
from swiftlite.core.constraints import Constraints
from swiftlite.core.names import HashPath
from swiftlite.db.controller import DatabaseServerOptions

POLICIES = StoragePolicies([StoragePolicy(0, "gold", is_default=True), StoragePolicy(1, "silver")])
SWIFT = SwiftConf(HashPath(b"pre", b"suf"), Constraints(), POLICIES)
LOGGER = logging.getLogger("test.database_servers")


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class BackendServer:
    """One server over HTTP; ``request`` speaks to it as another server would."""

    def __init__(self, thread: ServerThread) -> None:
        self.thread = thread
        self.host = "{}:{}".format(*thread.address[:2])

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str | bytes] | None = None,
        query: str = "",
        body: bytes | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection(*self.thread.address[:2], timeout=60)
        try:
            target = quote(path) + (f"?{query}" if query else "")
            encoded = {
                name: value if isinstance(value, bytes) else value.encode() for name, value in (headers or {}).items()
            }
            connection.request(method, target, body, encoded)
            response = connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, received, response.read())
        finally:
            connection.close()


PATIENT = {"conn_timeout": 30.0, "node_timeout": 60.0}
"""Who answers late is not taken for dead."""


def options(devices: Path) -> dict[str, object]:
    (devices / "sda").mkdir(parents=True, exist_ok=True)
    return {"devices": str(devices), "mount_check": False, "workers": 0}


def account_server(devices: Path) -> ServerThread:
    return ServerThread(AccountServer(DatabaseServerOptions(**options(devices)), SWIFT, LOGGER))


def container_server(devices: Path) -> ServerThread:
    return ServerThread(
        ContainerServer(
            ContainerOptions(**{**options(devices), **PATIENT, "allowed_update_hosts": AllowedHosts.parse("*")}),
            SWIFT,
            LOGGER,
        )
    )
