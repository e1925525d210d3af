"""Peer: another replica of a database, as its server's REPLICATE shows it (formats.md 4.8)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from swiftlite.core.hosts import spell_address
from swiftlite.core.json_text import load_json
from swiftlite.core.names import quote_path
from swiftlite.http.client import Client
from swiftlite.http.errors import BackendError
from swiftlite.http.reply import Response
from swiftlite.ring.ring import Node
from swiftlite.wire.peers import PeerFailed, PeerSilent

FILE_TYPE = "application/vnd.sqlite3"
_CHUNK = 262144


class Answer(NamedTuple):
    """What a peer answered."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The value that the body spells.

        :raises PeerFailed: when it spells none
        """
        try:
            return load_json(self.body)
        except ValueError as error:
            raise PeerFailed(f"an answer that is no JSON: {error}") from None


class Peer:
    """One database on another node.

    :param partition: where the database belongs
    :param name_hash: the database's
    """

    def __init__(self, client: Client, node: Node, partition: int, name_hash: str) -> None:
        self._client = client
        self.node = node
        self._target = f"/{node.device}/{partition}/{name_hash}"

    def __str__(self) -> str:
        return f"{spell_address(*self.node.replication_address)}/{self.node.device}"

    def ask(self, operation: str, *arguments: Any, timeout: float | None = None) -> Answer:
        """Ask for an operation.

        :param timeout: seconds to wait for the answer; None: the client's
        :returns: the answer, whatever its status
        :raises PeerSilent: when there is none
        """
        body = json.dumps([operation, *arguments]).encode("ascii")
        headers = {"Content-Type": "application/json", "User-Agent": f"replicator {os.getpid()}"}
        try:
            response = self._client.request(
                self.node.replication_address, "REPLICATE", self._target, headers, body, node_timeout=timeout
            )
            return _read(response)
        except BackendError as error:
            raise PeerSilent(str(error)) from None

    def tell(self, operation: str, *arguments: Any, timeout: float | None = None) -> Answer:
        """Ask for an operation that is to succeed.

        :raises PeerFailed: when it does not
        """
        answer = self.ask(operation, *arguments, timeout=timeout)
        if not 200 <= answer.status < 300:
            text = answer.body[:200].decode("utf-8", "replace")
            raise PeerFailed(f"{self} answered {answer.status} to {operation}: {text}", answer.status)
        return answer

    def send_file(self, path: str, name: str) -> bool:
        """Send a file to the peer's ``tmp`` directory.

        :param name: what it is to be called there
        :returns: False when the peer does not know how to take files, as OpenStack Swift's do not
        :raises PeerFailed: when it cannot take this one
        """
        headers: Mapping[str, str] = {
            "Content-Type": FILE_TYPE,
            "Content-Length": str(os.path.getsize(path)),
            "Expect": "100-continue",
            "User-Agent": f"replicator {os.getpid()}",
        }
        try:
            upload = self._client.open(
                self.node.replication_address, "REPLICATE", f"{self._target}/{quote_path(name)}", headers
            )
            response = upload.expect_continue()
            if response is None:
                with open(path, "rb", buffering=0) as file:
                    while piece := file.read(_CHUNK):
                        upload.send(piece)
                response = upload.response()
            answer = _read(response)
        except BackendError as error:
            raise PeerSilent(str(error)) from None
        if answer.status in (400, 405, 501):
            return False
        if answer.status >= 300:
            raise PeerFailed(f"{self} answered {answer.status} to a database file", answer.status)
        return True


def _read(response: Response) -> Answer:
    try:
        return Answer(response.status, response.read())
    finally:
        response.close()
