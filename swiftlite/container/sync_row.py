"""RowSender: brings one row of a synced container to the other cluster, as a PUT or a DELETE there (formats.md 7.21)."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from swiftlite.common.subrequest import SubResponse
from swiftlite.core.container_sync import HeaderList, Target, object_headers
from swiftlite.core.names import quote_path, str_to_wsgi
from swiftlite.core.signature import container_sync_signature
from swiftlite.core.timestamp import ZERO, Timestamp, decode_timestamps
from swiftlite.http.errors import PeerClosed
from swiftlite.http.remote import RemoteClient
from swiftlite.http.reply import Response
from swiftlite.wire.direct import user_agent
from swiftlite.wire.internal_client import InternalClient
from swiftlite.wire.messages import POLICY_INDEX

VERSIONS_LINK = "X-Object-Sysmeta-Versions-Symlink"
"""Marks the links that object versioning makes."""


class NotHereYet(Exception):
    """Our own cluster has not got what a row tells of; the text says what it has."""


class Refused(Exception):
    """The other cluster has not taken a change.

    :ivar status: what it answered
    """

    def __init__(self, method: str, target: Target, status: int) -> None:
        super().__init__(f"{target.url} answered a {method} with {status}")
        self.status = status


@dataclass(frozen=True)
class Link:
    """A container and what it is synced to.

    :ivar policy_index: of our container
    :ivar user_key: the secret that both containers' owners have set
    """

    account: str
    container: str
    policy_index: int
    target: Target
    user_key: str = field(repr=False)


class RowSender:
    """Sends rows.

    :param local: reads our own objects
    :param conn_timeout: seconds to wait for a connection to the other cluster
    :param node_timeout: seconds to wait for its answers, and for it to take more bytes
    """

    def __init__(self, local: InternalClient, conn_timeout: float, node_timeout: float) -> None:
        self.local = local
        self.timeouts = conn_timeout, node_timeout
        self._clients: dict[str, RemoteClient] = {}
        """URL scheme -> client."""

    def send(self, link: Link, row: Mapping[str, Any]) -> str:
        """Make the other container have what a row tells of, or something newer.

        :param row: of the container's table, ROWID included
        :returns: what was done: ``puts`` or ``deletes``; ``present`` or ``skipped`` where there was nothing to do, or is
            for another row
        :raises NotHereYet: when our own cluster cannot give the object
        :raises Refused: when the other cluster does not want it
        :raises BackendError: when it cannot be asked
        """
        data, _, newest = decode_timestamps(row["created_at"])
        if row["deleted"]:
            return self._delete(link, row["name"], data)
        assert newest is not None
        if self._has(link, row["name"], newest):
            return "present"
        answer = self._read(link, row["name"])
        try:
            if answer.header(VERSIONS_LINK):
                return "skipped"
            return self._put(link, row["name"], newest, answer)
        finally:
            answer.close()

    def _delete(self, link: Link, name: str, moment: Timestamp) -> str:
        response = self._ask(link, "DELETE", name, moment.internal)
        # 404: it never had it; 409: it has something newer.
        if not 200 <= response.status < 300 and response.status not in (404, 409):
            raise Refused("DELETE", link.target, response.status)
        return "deletes"

    def _has(self, link: Link, name: str, newest: Timestamp) -> bool:
        """Whether the other container has the object, as old as ours or newer."""
        # Of a link and of a manifest we want to know how old they are themselves, not what they lead to.
        response = self._ask(link, "HEAD", name, newest.internal, "?symlink=get&multipart-manifest=get")
        if 200 <= response.status < 300:
            theirs = _timestamp(response.headers.get("X-Timestamp"))
            # An offset is not shown: what has one might be there without, older than the row of its old place's tombstone.
            return theirs > newest or (theirs == newest and not newest.offset)
        # With the container's key alone one may write, not read.
        if response.status == 404 or (link.target.realm is None and response.status in (401, 403)):
            return False
        raise Refused("HEAD", link.target, response.status)

    def _read(self, link: Link, name: str) -> SubResponse:
        headers = {"X-Newest": "true", POLICY_INDEX: str(link.policy_index)}
        names = (link.account, link.container, name)
        return self.local.request("GET", names, query={"symlink": "get"}, headers=headers, accept=(404,))

    def _put(self, link: Link, name: str, newest: Timestamp, answer: SubResponse) -> str:
        """Send on what our own cluster answers."""
        moment = answer.header("X-Backend-Timestamp") or answer.header("X-Timestamp")
        if (
            answer.status == 404 and _timestamp(moment).normal > newest.normal
        ):  # not by an offset: so the reconciler moves
            return "skipped"  # it was deleted since, which has a row of its own
        if answer.status != 200 or _timestamp(moment) < newest:
            raise NotHereYet(f"{answer.status_line} of {moment or 'no time'}, when {newest.internal} was due")
        assert moment is not None
        length = int(answer.header("Content-Length") or 0)
        target, path = link.target, _path(link, name)
        headers = [*object_headers(answer.headers), *_credentials(link, "PUT", path, moment)]
        upload = self._client(target).open(target.address, "PUT", path, headers)
        try:
            for chunk in answer:
                length -= len(chunk)
                try:
                    upload.send(chunk)
                except PeerClosed:  # it may have said why before
                    break
            else:
                if length:
                    raise NotHereYet(f"{length} bytes of the object are missing")
            response = upload.response()
        except BaseException:
            upload.close()
            raise
        response.drain()
        if not 200 <= response.status < 300 or length:
            raise Refused("PUT", target, response.status)
        return "puts"

    def _ask(self, link: Link, method: str, name: str, moment: str, query: str = "") -> Response:
        """Make a request that has no body, and read the answer to its end."""
        path = _path(link, name)
        headers = _credentials(link, method, path, moment)
        response = self._client(link.target).request(link.target.address, method, path + query, headers)
        response.drain()
        return response

    def _client(self, target: Target) -> RemoteClient:
        client = self._clients.get(target.scheme)
        if client is None:
            tls = ssl.create_default_context() if target.scheme == "https" else None
            client = self._clients[target.scheme] = RemoteClient(*self.timeouts, tls)
        return client


def _path(link: Link, name: str) -> str:
    return f"{link.target.path}/{quote_path(name)}"


def _credentials(link: Link, method: str, path: str, moment: str) -> HeaderList:
    """What lets a request in that is dated to ``moment``."""
    headers = [("X-Timestamp", moment), ("User-Agent", user_agent("container-sync"))]
    target = link.target
    if target.realm is None or target.realm_key is None:
        return [*headers, ("X-Container-Sync-Key", str_to_wsgi(link.user_key))]
    nonce = uuid.uuid4().hex
    signature = container_sync_signature(method, path, moment, nonce, target.realm_key, link.user_key)
    return [*headers, ("X-Container-Sync-Auth", f"{str_to_wsgi(target.realm)} {nonce} {signature}")]


def _timestamp(text: str | None) -> Timestamp:
    """A timestamp of a header; zero where there is none that can be read."""
    try:
        return Timestamp(text or ZERO)
    except ValueError:
        return ZERO
