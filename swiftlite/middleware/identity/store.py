"""Store: the identity's few records, as tiny objects in an account of Swift's own that no client can reach."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from swiftlite.common.pipeline import WSGIApp
from swiftlite.common.subrequest import SubResponse, call, make_environ, trust
from swiftlite.core.json_text import load_json
from swiftlite.core.names import str_to_wsgi

ACCOUNT = ".identity"


class StoreFailed(Exception):
    """The cluster did not store or give a record: too few servers are up.

    :param status: what it answered
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"the store answers {status}")
        self.status = status


class Store:
    """Objects by container and name.

    :param app: the rest of the pipeline
    """

    def __init__(self, app: WSGIApp) -> None:
        self.app = app

    def put(self, environ: dict[str, Any], path: tuple[str, str], body: bytes, delete_at: int | None = None) -> None:
        """Store a record.

        :param path: container and object, ASCII
        :param delete_at: seconds since the epoch after which it is of no use
        :raises StoreFailed: when it is not safe on disk
        """
        headers = [("Content-Type", "application/json")]
        if delete_at is not None:
            headers.append(("X-Delete-At", str(delete_at)))
        status = self._put(environ, path, body, headers)
        if status == 404:
            made = self._request(environ, "PUT", f"/v1/{ACCOUNT}/{path[0]}")
            made.read()
            if not made.is_success:
                raise StoreFailed(made.status)
            status = self._put(environ, path, body, headers)
        if status // 100 != 2:
            raise StoreFailed(status)

    def _put(self, environ: dict[str, Any], path: tuple[str, str], body: bytes, headers: list[tuple[str, str]]) -> int:
        answer = self._request(environ, "PUT", f"/v1/{ACCOUNT}/{path[0]}/{path[1]}", headers=headers, body=body)
        answer.read()
        return answer.status

    def get(self, environ: dict[str, Any], path: tuple[str, str]) -> bytes | None:
        """A record, None when there is none.

        :raises StoreFailed: when nobody can say
        """
        answer = self._request(environ, "GET", f"/v1/{ACCOUNT}/{path[0]}/{path[1]}", headers=[("X-Newest", "true")])
        body = answer.read()
        if answer.status == 404:
            return None
        if not answer.is_success:
            raise StoreFailed(answer.status)
        return body

    def delete(self, environ: dict[str, Any], path: tuple[str, str]) -> bool:
        """Delete a record; return whether it was there.

        :raises StoreFailed: when it may still be there
        """
        answer = self._request(environ, "DELETE", f"/v1/{ACCOUNT}/{path[0]}/{path[1]}")
        answer.read()
        if answer.status != 404 and not answer.is_success:
            raise StoreFailed(answer.status)
        return answer.status != 404

    def names(self, environ: dict[str, Any], container: str, *, prefix: str = "", marker: str = "") -> list[str]:
        """The names of a container's records, in order.

        :param marker: names up to this one are left out
        :raises StoreFailed: when nobody can say
        """
        found: list[str] = []
        while True:
            # Without a limit, since the store may list less at once than we would ask for; the last page is empty.
            query = f"format=json&prefix={quote(prefix)}&marker={quote(marker)}"
            answer = self._request(environ, "GET", f"/v1/{ACCOUNT}/{container}", query=query)
            body = answer.read()
            if answer.status == 404:
                return found
            if not answer.is_success:
                raise StoreFailed(answer.status)
            page = [row["name"] for row in load_json(body)] if body else []
            found += page
            if not page:
                return found
            marker = page[-1]

    def _request(self, environ: dict[str, Any], method: str, path: str, **more: Any) -> SubResponse:
        return call(self.app, trust(make_environ(environ, method, str_to_wsgi(path), source="ID", **more)))
