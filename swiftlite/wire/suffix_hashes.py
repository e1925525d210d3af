"""REPLICATE of object servers: the hashes of a partition's suffixes, asked for and answered (formats.md 5.3)."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence

from swiftlite.common import pickles
from swiftlite.common.policies import StoragePolicy
from swiftlite.core.hosts import spell_address
from swiftlite.http.client import Client
from swiftlite.http.errors import BackendError
from swiftlite.http.exchange import Exchange
from swiftlite.ring.ring import Node
from swiftlite.wire.messages import POLICY_INDEX
from swiftlite.wire.peers import PeerFailed, PeerSilent

MOST_SUFFIXES = 1000
"""Suffixes that one request names: servers refuse a line of more than 8192 bytes."""
SuffixHashes = dict[str, str]
"""Suffix -> hash of all objects in it."""


def encode(hashes: SuffixHashes | None) -> bytes:
    """The body of an answer; None where suffixes were only to be invalidated.

    In order: so that the same hashes are the same bytes, and who has the same need not read them.
    """
    return pickles.dumps(hashes and dict(sorted(hashes.items())), 2)


def decode(body: bytes) -> SuffixHashes:
    """Read an answer.

    :raises ValueError: when it is none
    """
    try:
        hashes = pickles.loads(body, encoding="utf8")
    except pickle.UnpicklingError as error:
        raise ValueError(str(error)) from None
    if not isinstance(hashes, dict):
        raise ValueError(f"{type(hashes).__name__} in place of hashes")
    return hashes


class Question:
    """Asks a peer for its hashes of a partition, and lets one ask others before one waits for the answer."""

    def __init__(self, client: Client, node: Node, policy: StoragePolicy, partition: int) -> None:
        self._node = node
        self._exchange: Exchange | None = None
        self._answer: bytes | PeerFailed | None = None
        try:
            self._exchange = _start(client, node, policy, str(partition))
        except PeerFailed as error:
            self._answer = error

    def wait(self) -> None:
        """Wait for the answer, or until it is clear that there is none."""
        if self._exchange is not None and self._answer is None:
            try:
                self._answer = _finish(self._exchange, self._node)
            except PeerFailed as error:
                self._answer = error

    def is_answered_with(self, encoded: bytes) -> bool:
        """Whether the peer has these very hashes; False may mean that it spells them in another order.

        :param encoded: as :func:`encode` makes it
        :raises PeerFailed: when it does not tell its own
        """
        return self._body() == encoded

    def answer(self) -> SuffixHashes:
        """The peer's hashes; none where it has no such partition.

        :raises PeerFailed: when it does not tell them
        """
        try:
            return decode(self._body())
        except ValueError as error:
            raise PeerFailed(f"{spell(self._node)} answered no hashes: {error}") from None

    def _body(self) -> bytes:
        self.wait()
        assert self._answer is not None
        if isinstance(self._answer, PeerFailed):
            raise self._answer
        return self._answer


def tell_changed(client: Client, node: Node, policy: StoragePolicy, partition: int, suffixes: Sequence[str]) -> None:
    """Tell a peer that files have come into some suffixes behind its server's back.

    :raises PeerFailed: when it does not take notice
    """
    for start in range(0, len(suffixes), MOST_SUFFIXES):
        path = f"{partition}/{'-'.join(suffixes[start : start + MOST_SUFFIXES])}"
        _finish(_start(client, node, policy, path), node)


def spell(node: Node) -> str:
    """``10.0.0.1:6200/sda``, for log lines."""
    return f"{spell_address(*node.replication_address)}/{node.device}"


def _start(client: Client, node: Node, policy: StoragePolicy, path: str) -> Exchange:
    headers = {POLICY_INDEX: str(policy.index), "User-Agent": f"object-replicator {os.getpid()}"}
    try:
        return client.start(node.replication_address, "REPLICATE", f"/{node.device}/{path}", headers)
    except BackendError as error:
        raise PeerSilent(str(error)) from None


def _finish(exchange: Exchange, node: Node) -> bytes:
    try:
        response = exchange.response()
        try:
            body = response.read()
        finally:
            response.close()
    except BackendError as error:
        raise PeerSilent(str(error)) from None
    if response.status != 200:
        raise PeerFailed(f"{spell(node)} answered {response.status} to REPLICATE", response.status)
    return body
