"""LegacyVersioning: what a write replaces is first copied to another container (formats.md 7.13)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from swiftlite.common.log import Logger
from swiftlite.common.pipeline import WSGIApp
from swiftlite.common.subrequest import (
    POST_AS_COPY,
    Environ,
    StartResponse,
    SubResponse,
    call,
    make_environ,
    trust,
)
from swiftlite.common.web import Answer, HTTPPreconditionFailed, HTTPServiceUnavailable, from_violation
from swiftlite.core import versions
from swiftlite.core.constraints import Violation
from swiftlite.core.copies import exact_headers
from swiftlite.core.json_text import load_json
from swiftlite.core.names import quote_wsgi, str_to_wsgi
from swiftlite.core.timestamp import Timestamp
from swiftlite.middleware.copy import SourceBody
from swiftlite.middleware.symlink import AS_IT_IS, LINK_BYTES
from swiftlite.middleware.write_access import denial
from swiftlite.proxy.controllers.base import Denied
from swiftlite.proxy.info import Info, get_container_info

SOURCE = "VW"
"""Who asks, in the log."""

PAGE = 100
"""Versions that are listed at once: mostly the first is the one wanted."""

VERSIONS_HEADER = "HTTP_X_VERSIONS_LOCATION"
HISTORY_HEADER = "HTTP_X_HISTORY_LOCATION"
REMOVE_HEADERS = ("HTTP_X_REMOVE_VERSIONS_LOCATION", "HTTP_X_REMOVE_HISTORY_LOCATION")
STORED_LOCATION = "HTTP_X_CONTAINER_SYSMETA_VERSIONS_LOCATION"
STORED_MODE = "HTTP_X_CONTAINER_SYSMETA_VERSIONS_MODE"
LOCATION = "x-container-sysmeta-versions-location"
MODE = "x-container-sysmeta-versions-mode"
WRITES = ("PUT", "DELETE")
NEWEST = [("X-Newest", "true")]
CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_X_BACKEND_ETAG_IS_AT")
NO_CONDITIONS: Mapping[str, str] = {}
CLIENT_NAMES = {"stack": "X-Versions-Location", "history": "X-History-Location"}


@dataclass(frozen=True)
class Versioned:
    """An object of a versioned container, in WSGI strings.

    :param current: its decoded path
    :param archive: the decoded path of the container for versions, with a slash at the end
    :param name: of the object alone
    """

    current: str
    archive: str
    name: str

    def version_path(self, written: Timestamp) -> str:
        """The decoded path of its version of that time."""
        return self.archive + versions.version_name(self.name, written)


class LegacyVersioning:
    """Containers with ``X-Versions-Location`` or ``X-History-Location``.

    :param allowed: None: only containers whose location a container server keeps have it
    """

    def __init__(self, app: WSGIApp, allowed: bool | None, log: Logger) -> None:
        self.app = app
        self.allowed = allowed
        self.log = log

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if self.allowed is None and environ["REQUEST_METHOD"] not in WRITES:
            return self.app(environ, start_response)
        parts = environ["PATH_INFO"].split("/", 4)
        if len(parts) < 4 or not (parts[1] and parts[2] and parts[3]):
            return self.app(environ, start_response)
        try:
            if len(parts) == 5 and parts[4]:
                return self._object_request(environ, start_response, parts)
            if self.allowed is not None:
                return self._container_request(environ, start_response)
        except Violation as violation:
            return from_violation(violation)(environ, start_response)
        except Denied as denied:
            return denied.answer(environ, start_response)
        except Answer as answer:
            return answer(environ, start_response)
        return self.app(environ, start_response)

    # --- containers ---

    def _container_request(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Store the location as system metadata, and show it again."""
        if environ["REQUEST_METHOD"] in ("PUT", "POST"):
            self._store_location(environ)
        answer = call(self.app, environ)
        location = answer.header(LOCATION)
        if location:
            mode = answer.header(MODE) or "stack"
            answer.headers = [*answer.headers, (CLIENT_NAMES.get(mode, CLIENT_NAMES["stack"]), location)]
        return answer.forward(start_response)

    def _store_location(self, environ: Environ) -> None:
        removes = any(environ.get(header) for header in REMOVE_HEADERS)
        wanted = versions.requested_location(
            environ.get(VERSIONS_HEADER), environ.get(HISTORY_HEADER), removes, bool(self.allowed)
        )
        if wanted is None:
            return
        for header in (HISTORY_HEADER, *REMOVE_HEADERS):
            environ.pop(header, None)
        environ[VERSIONS_HEADER] = ""  # A container server may have kept one from before there was this filter.
        environ[STORED_LOCATION], environ[STORED_MODE] = wanted.container, wanted.mode

    # --- objects ---

    def _object_request(self, environ: Environ, start_response: StartResponse, parts: list[str]) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if method not in WRITES or self.allowed is False or POST_AS_COPY in environ:
            return self.app(environ, start_response)
        container, mode = self._location(get_container_info(environ, self.app, SOURCE))
        if not container:
            return self.app(environ, start_response)
        _, version, account, _, name = parts
        container = unquote(str_to_wsgi(container), "latin-1").split("/")[0]
        versioned = Versioned(environ["PATH_INFO"], f"/{version}/{account}/{container}/", name)
        if method == "DELETE" and mode != "history":
            return self._restore(environ, versioned).forward(start_response)
        self._archive(environ, versioned)
        if method == "DELETE":
            self._mark_deleted(environ, versioned)
        return self.app(environ, start_response)

    def _location(self, info: Info) -> tuple[str | None, str]:
        """Where a container's versions go, percent-encoded, and how; nowhere where that is not allowed."""
        location = info["sysmeta"].get("versions-location")
        if location:
            return (location if self.allowed else None), info["sysmeta"].get("versions-mode") or "stack"
        return info["versions"], "stack"

    # --- keeping ---

    def _archive(self, environ: Environ, versioned: Versioned) -> None:
        """Copy what is there now to the container for versions.

        :raises Answer, Denied: when that cannot be done; then nothing may be overwritten
        """
        self._check_may_write(environ)
        source = self._read(environ, versioned.current)
        if source is not None:
            written = Timestamp(source.header("x-timestamp") or "")
            self._write(environ, versioned.version_path(written), source)

    def _mark_deleted(self, environ: Environ, versioned: Versioned) -> None:
        path = versioned.version_path(Timestamp(time.time()))
        marker = make_environ(environ, "PUT", path, headers=[("Content-Type", versions.DELETE_MARKER)], source=SOURCE)
        marker["swift.content_type_overridden"] = True
        self._ask(marker).close()

    # --- bringing back ---

    def _restore(self, environ: Environ, versioned: Versioned) -> SubResponse:
        """Put the newest version in the place of what is deleted, and delete that version.

        :returns: the answer to the DELETE of what goes away for good
        """
        may_write = False
        found = self._versions(environ, versioned)
        for version in found:
            if not may_write:
                self._check_may_write(environ)
                may_write = True
            path = versioned.archive + str_to_wsgi(version["name"])
            if version["content_type"] == versions.DELETE_MARKER:
                return self._undo_deletion(environ, versioned, path, found)
            if self._bring_back(environ, versioned, path):
                return self._delete(environ, path)
        return call(self.app, environ)

    def _undo_deletion(
        self, environ: Environ, versioned: Versioned, marker: str, older: Iterator[dict[str, Any]]
    ) -> SubResponse:
        """A DELETE whose newest version says that the object was deleted: by then nothing may be there."""
        head = make_environ(environ, "HEAD", versioned.current, query="symlink=get", headers=NEWEST, source=SOURCE)
        current = call(self.app, trust(head))
        current.close()
        if current.status != 404:
            self._check(head, current)
            return call(self.app, environ)  # written after that deletion: back to being deleted
        for version in older:
            path = versioned.archive + str_to_wsgi(version["name"])
            if version["content_type"] == versions.DELETE_MARKER:
                break
            if self._bring_back(environ, versioned, path):
                deleted = self._delete(environ, path)
                deleted.close()
                if deleted.status != 404:
                    self._check(environ, deleted)
                break
        return self._delete(environ, marker)

    def _versions(self, environ: Environ, versioned: Versioned) -> Iterator[dict[str, Any]]:
        """The versions' entries in listings, from the newest to the oldest."""
        prefix, marker = quote_wsgi(versions.version_prefix(versioned.name)), ""
        while True:
            query = f"prefix={prefix}&limit={PAGE}&reverse=on" + (f"&marker={quote_wsgi(marker)}" if marker else "")
            listing = make_environ(environ, "GET", versioned.archive.rstrip("/"), query=query, source=SOURCE)
            answer = call(self.app, trust(listing))
            if answer.status == 404:
                answer.close()
                return
            self._check(listing, answer)
            page = load_json(answer.read() or b"[]")
            if not page:
                return
            yield from page
            marker = str_to_wsgi(page[-1]["name"])

    def _bring_back(self, environ: Environ, versioned: Versioned, path: str) -> bool:
        """Copy a version to where it came from; False if it is gone already, though listed."""
        source = self._read(environ, path)
        if source is None:
            return False
        # The client's conditions are about what is there now, which the version replaces.
        conditions = {key: environ[key] for key in CONDITIONS if key in environ}
        self._write(environ, versioned.current, source, conditions)
        return True

    def _delete(self, environ: Environ, path: str) -> SubResponse:
        return call(self.app, trust(make_environ(environ, "DELETE", path, source=SOURCE)))

    # --- asking the rest of the pipeline ---

    def _check_may_write(self, environ: Environ) -> None:
        refusal = denial(environ, self.app, SOURCE)
        if refusal is not None:
            raise Denied(refusal)

    def _read(self, environ: Environ, path: str) -> SubResponse | None:
        """An object as it is, be it a link or a manifest; None where there is none."""
        get = make_environ(environ, "GET", path, query="symlink=get", headers=NEWEST, source=SOURCE)
        answer = call(self.app, trust(get))
        if answer.status == 404:
            answer.close()
            return None
        return self._check(get, answer)

    def _write(
        self, environ: Environ, path: str, source: SubResponse, conditions: Mapping[str, str] = NO_CONDITIONS
    ) -> None:
        with SourceBody(source, self.log) as body:
            put = make_environ(environ, "PUT", path, headers=exact_headers(source.headers), body=body, source=SOURCE)
            put.update(conditions)
            put["swift.content_type_overridden"] = True
            put[AS_IT_IS] = LINK_BYTES in put  # a link is kept even if its target is another one by now
            self._ask(put).close()

    def _ask(self, environ: Environ) -> SubResponse:
        return self._check(environ, call(self.app, trust(environ)))

    def _check(self, environ: Environ, answer: SubResponse) -> SubResponse:
        """The answer, if it is a success.

        :raises Answer: 412 where the container for versions cannot take part, 503 where its servers cannot
        """
        if answer.is_success:
            return answer
        answer.close()
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.log.warning("Versioning needs %s %s, which was answered %d", method, quote_wsgi(path), answer.status)
        raise HTTPPreconditionFailed() if answer.status // 100 == 4 else HTTPServiceUnavailable()
