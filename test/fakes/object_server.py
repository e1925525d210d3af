"""A real object server on a real socket, over device directories of its own."""

from __future__ import annotations

import http.client
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from fakes.database_servers import PATIENT, SWIFT
from fakes.http_server import ServerThread
from swiftlite.common.fs import FileSystem
from swiftlite.core.allowed_hosts import AllowedHosts
from swiftlite.obj.options import ObjectOptions
from swiftlite.obj.server import ObjectServer

LOGGER = logging.getLogger("test.object_server")


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class ObjectNode:
    """The server, what is on its disk, and requests to it as a proxy would send them."""

    def __init__(
        self, devices: Path, client_timeout: float = 60.0, fs: FileSystem | None = None, **options: object
    ) -> None:
        self.device = devices / "sda"
        self.device.mkdir(parents=True, exist_ok=True)
        values = {"devices": str(devices), "mount_check": False, "workers": 0, "log_requests": False}
        values |= {**PATIENT, "container_update_timeout": 30.0, **options}
        values.setdefault("allowed_update_hosts", AllowedHosts.parse("*"))  # there are no rings
        self.app = ObjectServer(ObjectOptions(**values), SWIFT, LOGGER, fs)  # type: ignore[arg-type]
        self.thread = ServerThread(self.app, client_timeout=client_timeout)

    def __enter__(self) -> ObjectNode:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.thread.__exit__()

    def request(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | Iterable[bytes] | None = None
    ) -> Answer:
        """Send one request; header values are native text."""
        connection = http.client.HTTPConnection(*self.thread.address[:2], timeout=60)
        try:
            encoded = {name: value.encode() for name, value in (headers or {}).items()}
            connection.request(method, quote(path), body, encoded, encode_chunked="Transfer-Encoding" in encoded)
            response = connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, received, response.read())
        finally:
            connection.close()

    def files(self, suffix: str = "") -> list[str]:
        """The names of all files of objects that end so, temporary ones included, bookkeeping apart."""
        found = []
        for place, _, names in os.walk(self.device):
            if "/async_pending" in place:
                continue
            found += [name for name in names if name.endswith(suffix) and not name.startswith((".lock", "hashes."))]
        return sorted(found)
