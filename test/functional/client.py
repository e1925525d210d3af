"""Client: plain HTTP requests as one user of a cluster, with every header and byte in the test's hands."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from functional.cluster import Cluster


@dataclass(frozen=True)
class Heard:
    """An answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """What the body says."""
        return json.loads(self.body)


class Client:
    """One user; None as `user`: somebody without a token."""

    def __init__(self, cluster: Cluster, user: str | None = "test:tester", account: str = "AUTH_test") -> None:
        self.cluster = cluster
        self.account = account
        self.headers = {} if user is None else {"X-Auth-Token": cluster.token(user)}

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] = b"",
        query: str = "",
    ) -> Heard:
        """Make one request. `path`: below the account, native text; a `body` of pieces is sent chunked."""
        connection = http.client.HTTPConnection(*self.cluster.proxy_address, timeout=60)
        url = quote(f"/v1/{self.account}{path}") + (f"?{query}" if query else "")
        try:
            chunked = not isinstance(body, bytes)
            sent = {**self.headers, **(headers or {})}
            sent |= {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}  # type: ignore[arg-type]
            connection.request(method, url, body, sent, encode_chunked=chunked)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Heard(response.status, found, response.read())
        finally:
            connection.close()
