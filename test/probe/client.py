"""Writer: a client of one proxy that keeps book of what it was told."""

from __future__ import annotations

import http.client
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from functional.client import Client, Heard
from functional.model import Content
from probe.book import Book, Name, Write
from swiftlite.cli import children

ACCOUNT = "AUTH_test"
ACKNOWLEDGED = {"PUT": {201}, "POST": {202}, "DELETE": {204, 404}}
"""A DELETE that finds nothing leaves a tombstone, too. A POST that finds nothing may have found something somewhere."""
DOUBTFUL = {0, 404, 503}
"""Anything may have happened; 0 is no answer."""
PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds that swiftclient waits before it asks again."""


@dataclass(frozen=True)
class Proxy:
    """Where a proxy is and who its users are: what a Client needs to know."""

    proxy_address: tuple[str, int]
    users: Mapping[str, str]

    def token(self, user: str) -> str:
        """Return a token, good at all proxies of the cluster."""
        headers = {"X-Auth-User": user, "X-Auth-Key": self.users[user].split()[0]}
        status, answer = children.request(self.proxy_address, "GET", "/auth/v1.0", headers, 60)
        assert status == 200, f"the proxy answers {status} when asked for a token"
        return answer["x-auth-token"]


class Writer:
    """Writes through one proxy; every write returns the status that was answered, 0 for none."""

    def __init__(self, proxy: Proxy, book: Book) -> None:
        self.client = Client(proxy, account=ACCOUNT)  # type: ignore[arg-type]  # all that it asks of a cluster
        self.book = book

    def put_container(self, container: str) -> None:
        """Make a container; it must be acknowledged."""
        assert patiently(lambda: self.client.ask("PUT", f"/{container}").status) in (201, 202)
        self.book.containers.add(container)

    def put(self, name: Name, content: Content, metadata: Mapping[str, str] | None = None) -> int:
        """PUT an object."""
        return self._write("PUT", name, metadata or {}, content)

    def post(self, name: Name, metadata: Mapping[str, str]) -> int:
        """POST user metadata."""
        return self._write("POST", name, metadata, None)

    def delete(self, name: Name) -> int:
        """DELETE an object."""
        return self._write("DELETE", name, {}, None)

    def get(self, name: Name, newest: bool = False) -> Heard:
        """GET an object, patiently; the newest of all replicas, if told so."""
        return self._read(_path(name), {"X-Newest": "true"} if newest else {})

    def listing(self, container: str) -> dict[str, tuple[int, str]]:
        """What a container lists: size and hash by name."""
        heard = self._read(f"/{container}", query="format=json")
        assert heard.status == 200, f"listing of {container}: {heard.status}"
        return {row["name"]: (row["bytes"], row["hash"]) for row in heard.json()}

    def _read(self, path: str, headers: Mapping[str, str] | None = None, query: str = "") -> Heard:
        heard: list[Heard] = []

        def read() -> int:
            heard.append(self.client.ask("GET", path, headers, query=query))
            return heard[-1].status

        patiently(read)
        return heard[-1]

    def _write(self, method: str, name: Name, metadata: Mapping[str, str], content: Content | None) -> int:
        headers = {f"X-Object-Meta-{key}": value for key, value in metadata.items()}
        if method == "PUT":
            headers["Content-Type"] = "application/octet-stream"
        began = time.time()
        try:
            status = self.client.ask(method, _path(name), headers, content.body if content else b"").status
        except (OSError, http.client.HTTPException):
            status = 0
        acknowledged = status in ACKNOWLEDGED[method]
        assert acknowledged or status in DOUBTFUL, f"{method} {name}: {status}"
        self.book.record(name, Write(method, began, time.time(), acknowledged, content, metadata))
        return status


def patiently(request: Callable[[], int], gone: int = 404) -> int:
    """Make a request, and make it again after a 503, as swiftclient does; return the last status.

    On a busy machine two hosts may seem to be away at once, above all where they have little patience with each other.

    :param gone: what a 404 is that was not the first answer: 204 for a DELETE, which has been carried out before
    """
    status = request()
    for seconds in PAUSES:
        if status != 503:
            return status
        time.sleep(seconds)
        if (status := request()) == 404:
            return gone
    return status


def fill(writer: Writer, container: str, prefix: str, count: int) -> list[Name]:
    """PUT so many objects, one of eight of them big; give every fourth new metadata, delete every fifth; return all names.

    Every write must be acknowledged.
    """
    names = [(container, f"{prefix}{number}") for number in range(count)]
    for number, name in enumerate(names):
        size = 200_000 + number if number % 8 == 0 else 100 * number
        put = partial(writer.put, name, content(name, size), {"Number": str(number)})
        assert patiently(put) == 201
    for name in names[::4]:
        assert patiently(partial(writer.post, name, {"Posted": name[1]})) == 202
    for name in names[::5]:
        assert patiently(partial(writer.delete, name), gone=204) == 204
    return names


def content(name: tuple[str, ...], size: int) -> Content:
    """A body that no other name has."""
    return Content(zlib.crc32(repr(name).encode()), size)


def _path(name: Name) -> str:
    return f"/{name[0]}/{name[1]}"
