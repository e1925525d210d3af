"""Bulk upload: the files of an archive, each PUT as an object (formats.md 7.19)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from swiftlite.common.subrequest import Environ, Headers, SubResponse, call, make_environ
from swiftlite.common.web import Answer, HTTPBadRequest, HTTPUnauthorized, status_line
from swiftlite.core import bulk_answer
from swiftlite.core.bulk import attribute_headers, destination, is_text
from swiftlite.core.metadata import is_user_metadata
from swiftlite.core.names import quote_wsgi, str_to_wsgi, wsgi_to_str
from swiftlite.core.tar import BadArchive, Member
from swiftlite.middleware.bulk.archive import Archive, Inflater
from swiftlite.middleware.bulk.requests import check_length, target, tokens
from swiftlite.middleware.heartbeat import with_blanks
from swiftlite.middleware.segments import agent
from swiftlite.proxy.headers import header_name

if TYPE_CHECKING:
    from swiftlite.middleware.bulk.filter import Bulk

SOURCE = "EA"
"""Who asks, in the log, for each file."""
FOR_ALL = ("HTTP_X_DELETE_AT", "HTTP_X_DELETE_AFTER")
"""Keys of the request's headers that each object gets, besides metadata."""
TRAILING = 1024 * 1024
"""Bytes behind an archive that are read away: tar fills it up with zeros."""


class Extraction:
    """One archive on its way into an account.

    :param compression: of the archive: ``""``, ``gz`` or ``bz2``
    """

    def __init__(self, bulk: Bulk, environ: Environ, compression: str) -> None:
        self.bulk = bulk
        self.environ = environ
        self.source = Inflater(environ, compression)
        self.tokens = tokens(environ)
        self.created = 0
        self.errors: list[tuple[str, str]] = []
        self._failed = 400
        self._containers: set[str] = set()
        self._made = 0
        self._longest = (
            bulk.constraints.max_container_name_length + bulk.constraints.max_object_name_length + 2
        )  # of a name that an error shows

    def run(self, media_type: str | None) -> Iterable[bytes]:
        """Store every file, with blanks between, then tell the result: the status is long sent.

        :param media_type: to answer in; None: the client takes none of ours
        """
        return with_blanks(lambda: self._all(media_type), media_type, self.bulk.options.yield_frequency)

    def _all(self, media_type: str | None) -> bytes:
        text = ""
        try:
            if media_type is None:
                raise Answer(406, b"")
            check_length(self.environ)
            account, base = target(self.environ)
            self._extract(account, base.rstrip("/"))
            status = status_line(201)
            if self.errors:
                status = status_line(self._failed)
            elif not self.created:
                raise HTTPBadRequest("Invalid Tar File: No Valid Files")
        except BadArchive as error:
            status, text = status_line(400), f"Invalid Tar File: {error}"
        except Answer as answer:
            status, text = answer.status, answer.body.decode("utf-8", "replace")
        except Exception:
            self.bulk.log.exception("Error in the extraction of an archive into %r", self.environ["PATH_INFO"])
            status = status_line(500)
        results: dict[str, Any] = {
            "Response Status": status,
            "Response Body": text,
            "Number Files Created": self.created,
        }
        return bulk_answer.render(media_type, results, self.errors, "extract")

    def _extract(self, account: str, base: str) -> None:
        """Go through the archive.

        :raises BadArchive, Answer: when it cannot go on
        """
        archive = Archive(self.source)
        for member in archive.members():
            if len(self.errors) >= self.bulk.options.max_failed_extractions:
                return
            if member.is_file:
                place = destination(base, str_to_wsgi(member.name))
                if place is not None:
                    self._store(archive, member, account, place)
        self.source.drain(TRAILING)

    def _store(self, archive: Archive, member: Member, account: str, place: str) -> None:
        if not is_text(wsgi_to_str(f"{account}/{place}")):
            return self._fail(place, status_line(412))
        if member.size > self.bulk.constraints.max_file_size:
            return self._fail(place, status_line(413))
        try:
            attributes = attribute_headers(member.attributes)
        except ValueError:
            return self._fail(place, status_line(400))
        container = place.split("/", 1)[0]
        trouble = None
        if container not in self._containers:
            trouble = self._make_container(f"{account}/{container}")
        answer = self._put(f"{account}/{place}", {**self._for_all(), **attributes}, archive, member)
        answer.close()
        self._containers.add(container)
        if answer.is_success:
            self.created += 1
            return None
        if trouble is not None:
            self._fail(*trouble)
        if answer.status == 401:
            self._fail(place, status_line(401))
            raise HTTPUnauthorized(b"")
        if answer.status >= 500:
            self._failed = 502
        return self._fail(place, answer.status_line)

    def _fail(self, place: str, status: str) -> None:
        self.errors.append((quote_wsgi(place[: self._longest]), status))

    def _for_all(self) -> dict[str, str]:
        """Headers of the request that every object gets."""
        found = {
            header_name(key): value for key, value in self.environ.items() if key.startswith("HTTP_X_OBJECT_META_")
        }
        found = {name: value for name, value in found.items() if is_user_metadata("object", name)}
        return found | {header_name(key): self.environ[key] for key in FOR_ALL if key in self.environ}

    def _put(self, path: str, headers: dict[str, str], archive: Archive, member: Member) -> SubResponse:
        always = [
            *self.tokens,
            ("User-Agent", agent(self.environ, "BulkExpand")),
            ("Content-Length", str(member.size)),
        ]
        body = archive.open(member) if member.size else b""
        made = make_environ(self.environ, "PUT", path, headers=[*always, *headers.items()], body=body, source=SOURCE)
        return call(self.bulk.app, made)

    def _make_container(self, path: str) -> tuple[str, str] | None:
        """Make a container, unless it exists; what is wrong with it, which need not keep objects out.

        :raises Answer: 401, or 400 when there are too many
        """
        answer = self._ask("HEAD", path, self.tokens)
        if answer.is_success:
            return None
        if answer.status == 404:
            answer = self._ask("PUT", path, self.tokens)
            if answer.is_success:
                self._made += 1
                most = self.bulk.options.max_containers_per_extraction
                if self._made > most:
                    raise HTTPBadRequest(f"More than {most} containers to create from tar.")
                return None
        if answer.status == 401:
            raise HTTPUnauthorized(b"")
        return path, answer.status_line

    def _ask(self, method: str, path: str, headers: Headers) -> SubResponse:
        answer = call(self.bulk.app, make_environ(self.environ, method, path, headers=headers, source=SOURCE))
        answer.close()
        return answer
