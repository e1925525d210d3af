"""ContainerVersions: containers that keep versions: switched on and off, listed, counted, deleted (formats.md 7.14)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlencode

from swiftlite.common.config import is_true
from swiftlite.common.subrequest import Environ, StartResponse, SubResponse, call, query_of
from swiftlite.common.web import HTTPBadRequest, HTTPConflict, HTTPInternalServerError, HTTPNotAcceptable, Request
from swiftlite.core import object_versions
from swiftlite.core.json_text import load_json
from swiftlite.core.listing_formats import JSON
from swiftlite.core.names import quote_wsgi, wsgi_to_str
from swiftlite.middleware.listed import change_entries
from swiftlite.middleware.versioned_writes.versioning_requests import SOURCE, VersioningRequests
from swiftlite.proxy.controllers.base import Denied
from swiftlite.proxy.info import get_container_info

ASKED = "HTTP_X_VERSIONS_ENABLED"
STORED_ENABLED = "HTTP_X_CONTAINER_SYSMETA_VERSIONS_ENABLED"
STORED_CONTAINER = "HTTP_X_CONTAINER_SYSMETA_VERSIONS_CONTAINER"
ENABLED = "x-container-sysmeta-versions-enabled"
HIDDEN = "x-container-sysmeta-versions-container"
BYTES_USED = "x-container-bytes-used"
LONGEST_LISTING = 10000
MOST_WORDS = 4096
JSON_RANGES = frozenset({"*/*", "application/*", "application/json"})


class ContainerVersions(VersioningRequests):
    """Answers the requests for containers and accounts."""

    def __call__(
        self, environ: Environ, start_response: StartResponse, account: str, container: str
    ) -> Iterable[bytes]:
        """Answer a request for a container; names are WSGI strings."""
        method = environ["REQUEST_METHOD"]
        if method in ("PUT", "POST") and ASKED in environ:
            return self._switch(environ, container).forward(start_response)
        if method == "DELETE":
            self._delete_hidden(environ, account)
            return self.app(environ, start_response)
        answer = call(self.app, environ)
        if method not in ("GET", "HEAD") or not answer.is_success:
            return answer.forward(start_response)
        return self._shown(environ, answer, account, container).forward(start_response)

    # --- switching ---

    def _switch(self, environ: Environ, container: str) -> SubResponse:
        """Switch versioning on or off; before it is on, there is a place for the versions.

        :raises Answer, Denied: when that cannot be
        """
        self._authorize(environ)
        now = self.ask_and_close(environ, "HEAD", environ["PATH_INFO"].rstrip("/"))
        if now.header("x-container-sysmeta-versions-location") or now.header("x-versions-location"):
            raise HTTPBadRequest(
                "Cannot enable object versioning on a container that is already using the legacy versioned writes feature."
            )
        if now.header("x-container-sync-to"):
            raise HTTPBadRequest(
                "Cannot enable object versioning on a container configured as source of container syncing."
            )
        enabled = is_true(environ[ASKED])
        environ[STORED_ENABLED] = str(enabled)
        if not enabled:
            return call(self.app, environ)
        _, version, account, _ = environ["PATH_INFO"].split("/", 3)
        hidden = object_versions.hidden_container(container)
        path = f"/{version}/{account}/{hidden}"
        self._make_hidden(environ, path, now)
        environ[STORED_CONTAINER] = quote_wsgi(hidden)
        answer = call(self.app, environ)
        if not answer.is_success:
            self.ask_and_close(environ, "DELETE", path)
        return answer

    def _make_hidden(self, environ: Environ, path: str, now: SubResponse) -> None:
        """Make the container of versions, in the storage policy of the one that it serves.

        :param now: what that one is like
        """
        if now.is_success:
            policy = now.header("x-storage-policy")
        else:
            policy = environ.get("HTTP_X_STORAGE_POLICY") if environ["REQUEST_METHOD"] == "PUT" else None
        made = self.ask(environ, "PUT", path, headers=[("X-Storage-Policy", policy)] if policy else [])
        words = made.read(MOST_WORDS)
        if made.is_success or made.status == 409:
            return
        if made.status == 400 and now.is_success and b"deprecated" in words:
            raise HTTPBadRequest(
                "Cannot enable object versioning on a container that uses a deprecated storage policy."
            )
        if made.status == 400:  # a name that is too long for the hidden container, or no such policy
            raise HTTPBadRequest(words, content_type="text/plain")
        self.log.error("ERROR No container for versions: PUT of %r was answered %d", path, made.status)
        raise HTTPInternalServerError("Error enabling object versioning")

    def _delete_hidden(self, environ: Environ, account: str) -> None:
        """Delete the container of versions, which must be empty, before the one that it serves.

        :raises Answer, Denied: when that cannot be
        """
        hidden = get_container_info(environ, self.app, SOURCE)["sysmeta"].get("versions-container")
        if not hidden:
            return
        self._authorize(environ)
        path = f"/v1/{account}/{unquote(hidden, 'latin-1')}"
        now = self.ask_and_close(environ, "HEAD", path)
        if now.is_success and int(now.header("x-container-object-count") or 0) > 0:
            raise HTTPConflict("Delete all versions before deleting container.")
        if now.status == 404:
            return
        deleted = self.ask_and_close(environ, "DELETE", path) if now.is_success else now
        if not deleted.is_success and deleted.status != 404:
            raise HTTPInternalServerError("Error deleting versioned container")

    def _authorize(self, environ: Environ) -> None:
        """Nothing is done for who may not change the container."""
        check = environ.get("swift.authorize")
        if check is None:
            return
        request = Request(environ)
        request.acl = None
        refusal = check(request)
        if refusal is not None:
            raise Denied(refusal)

    # --- showing ---

    def _shown(self, environ: Environ, answer: SubResponse, account: str, container: str) -> SubResponse:
        """A container's GET or HEAD as its versions make it."""
        hidden = unquote(answer.header(HIDDEN) or "", "latin-1")
        enabled = answer.header(ENABLED)
        if enabled is not None:
            answer.headers = [*answer.headers, ("X-Versions-Enabled", enabled)]
        if hidden:
            self._add_bytes(environ, answer, f"/v1/{account}/{hidden}")
        if environ["REQUEST_METHOD"] == "HEAD":
            return answer
        query = query_of(environ)
        if not hidden:
            # The replica that has answered may not have heard yet that there are versions.
            hidden = object_versions.hidden_container(container)
        body = answer.read()

        def show(entry: dict[str, Any]) -> None:
            object_versions.show_target(entry, wsgi_to_str(container), wsgi_to_str(hidden), "versions" in query)

        if "versions" in query:
            listing = load_json(body or b"[]")
            for entry in listing:
                show(entry)
            return self._versions(environ, (answer, listing), f"/v1/{account}/{hidden}", query)
        is_json = (answer.header("content-type") or "").startswith(JSON)
        return _with_body(answer, change_entries(body, show) if is_json and b'"symlink_bytes"' in body else body)

    def _add_bytes(self, environ: Environ, answer: SubResponse, path: str) -> None:
        versions = self.ask_and_close(environ, "HEAD", path)
        if versions.is_success:
            more = int(versions.header(BYTES_USED) or 0)
            answer.headers = [
                (name, str(int(value) + more)) if name.lower() == BYTES_USED else (name, value)
                for name, value in answer.headers
            ]

    def _versions(
        self, environ: Environ, current: tuple[SubResponse, list[dict[str, Any]]], path: str, query: dict[str, str]
    ) -> SubResponse:
        """The listing for ``?versions``.

        :param current: the container's own answer and listing
        :param path: of the container of versions
        """
        environ["swift.format_listing"] = False
        if not _accepts_json(environ.get("HTTP_ACCEPT")):
            raise HTTPNotAcceptable()
        answer, listing = current
        asked = object_versions.versions_query(query)
        merged = object_versions.VersionListing(listing)
        parameters = {name: getattr(asked, name) for name in asked.__slots__ if getattr(asked, name)}
        versions = self.ask(environ, "GET", path, query=urlencode(parameters, encoding="latin-1"))
        if versions.status == 404:
            versions.close()
            merged.add_links()
        elif not versions.is_success:
            return versions
        else:
            _, _, account, hidden = wsgi_to_str(path).split("/", 3)
            merged.add_versions(load_json(versions.read() or b"[]"), account, hidden)
        entries = merged.entries(is_true(asked.reverse), _limit(query))
        return _with_body(answer, json.dumps(entries).encode("ascii"))

    def list_account(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """An account's listing, whose containers count the bytes of their versions."""
        answer = call(self.app, environ)
        if not answer.is_success:
            return answer.forward(start_response)
        query = query_of(environ)
        hidden = self.ask(
            environ,
            "GET",
            environ["PATH_INFO"].rstrip("/"),
            query=urlencode(object_versions.hidden_listing_query(query), encoding="latin-1"),
        )
        found = hidden.read() if hidden.is_success else b""
        entries = load_json(found) if found.startswith(b"[{") else []
        if not entries:
            hidden.close()
            return answer.forward(start_response)
        listing = object_versions.with_hidden_bytes(load_json(answer.read() or b"[]"), entries)
        listing = object_versions.in_order(listing, is_true(query.get("reverse")), _limit(query))
        return _with_body(answer, json.dumps(listing).encode("ascii")).forward(start_response)


def _limit(query: dict[str, str]) -> int:
    text = query.get("limit", "")
    return min(int(text), LONGEST_LISTING) if text.isascii() and text.isdecimal() else LONGEST_LISTING


def _accepts_json(accept: str | None) -> bool:
    ranges = (part.partition(";")[0].strip() for part in (accept or "").split(","))
    return not accept or any(part in JSON_RANGES for part in ranges)


def _with_body(answer: SubResponse, body: bytes) -> SubResponse:
    headers = [pair for pair in answer.headers if pair[0].lower() != "content-length"]
    return SubResponse(answer.status_line, [*headers, ("Content-Length", str(len(body)))], [body])
