"""What the account and container servers do alike with a request: route, check, answer, log."""

from __future__ import annotations

import errno
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple
from urllib.parse import parse_qsl

from swiftlite import __version__
from swiftlite.common import web
from swiftlite.common.concurrency import in_turns
from swiftlite.common.config import ServerOptions, is_true, option
from swiftlite.common.device_rights import is_closed
from swiftlite.common.log import transaction_id
from swiftlite.common.request_log import RequestLog
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.common.web import Answer
from swiftlite.core import listing_formats
from swiftlite.core.constraints import Violation, check_metadata, check_path_text
from swiftlite.core.listing import ListingQuery
from swiftlite.core.metadata import stored_database_headers, title_case
from swiftlite.core.names import reserved_names_problem, str_to_wsgi, wsgi_to_str
from swiftlite.core.timestamp import Timestamp
from swiftlite.db import layout
from swiftlite.db.access import is_disk_error
from swiftlite.db.broker import BadRow, DatabaseBroker, DatabaseExists, DatabaseMissing, DatabaseQuarantined, Misplaced
from swiftlite.db.pending import LockTimeout
from swiftlite.wire.messages import BadMessage

ANSWERS: dict[type[Exception], Callable[[Exception], Answer]] = {
    DatabaseMissing: lambda error: web.HTTPNotFound(),
    DatabaseExists: lambda error: web.HTTPConflict(),
    DatabaseQuarantined: lambda error: web.HTTPInternalServerError("The database was corrupt and is quarantined now."),
    Misplaced: lambda error: web.HTTPConflict(f"What lies here is wrong: {error}.", content_type="text/plain"),
    LockTimeout: lambda error: web.HTTPServiceUnavailable("The database is locked by others."),
    BadRow: lambda error: web.HTTPBadRequest(str(error), content_type="text/plain"),
    BadMessage: lambda error: web.HTTPBadRequest(str(error), content_type="text/plain"),
    Violation: web.from_violation,  # type: ignore[dict-item]
}
"""What the client hears of an error; everything else is a 500, or a 507 where the disk is to blame."""

_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})

FORMAT = ("format",)
LISTING = ("format", "limit", "marker", "end_marker", "prefix", "delimiter", "reverse")
"""The parameters of a listing."""

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class DatabaseServerOptions(ServerOptions):
    """Options of the account and container servers (formats.md 8.2)."""

    log_requests: bool = option(True, "log a line for every request")
    replication_server: bool | None = option(
        None, "false: refuse replication requests on this port", lambda text: is_true(text) if text.strip() else None
    )


@dataclass(slots=True)
class Reply:
    """An answer ready to be sent, without the cost of a response object."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes = b""


class Request(web.Request):
    """A backend request; also the header mapping that ``wire.messages`` reads."""

    get = web.Request.header

    def query(self, names: Iterable[str]) -> dict[str, str]:
        """Those of some parameters that the query has, as native text; of a repeated one the last.

        :raises Answer: 400 when one is no UTF-8; others are none of our business
        """
        # Some clients percent-encode what is beyond ASCII, and some do not: either way these are bytes of UTF-8.
        found = dict(parse_qsl(self.environ.get("QUERY_STRING", ""), keep_blank_values=True, encoding="latin-1"))
        return {name: _utf_8(name, found[name]) for name in names if name in found}


def _utf_8(name: str, value: str) -> str:
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        raise bad_request(f'"{name}" parameter not valid UTF-8') from None


class Place(NamedTuple):
    """Where a request's database is, and whose it is; names are native."""

    device_path: str
    partition: str
    account: str
    container: str | None
    object: str | None


class DatabaseServer:
    """A WSGI application over the databases of one kind; a method of an upper-case name serves that verb.

    :param options: the conf of ``[app:…-server]``
    :param swift: the cluster's swift.conf
    :param clock: seconds since the epoch
    """

    kind: ClassVar[Literal["account", "container"]]
    methods: ClassVar[tuple[str, ...]] = ("DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT")

    def __init__(
        self,
        options: DatabaseServerOptions,
        swift: SwiftConf,
        logger: logging.Logger,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.options = options
        self.swift = swift
        self.logger = logger
        # Of REPLICATE there are some for every database in every pass.
        self.request_log = RequestLog(logger, options.log_requests, ("REPLICATE",))
        self.clock = clock
        refused = ("REPLICATE",) if options.replication_server is False else ()
        self.handlers = {method: getattr(self, method) for method in self.methods if method not in refused}
        self.server_name = f"{self.kind}-server/{__version__}"

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        started = self.clock()
        transaction_id.set(environ.get("HTTP_X_TRANS_ID", ""))
        request = Request(environ)
        reply = self._reply(request)
        self.request_log.note(environ, reply.status, str(len(reply.body)), started, self.clock())
        headers = reply.headers
        if reply.status != 204:
            headers.append(("Content-Length", str(len(reply.body))))
        start_response(web.status_line(reply.status), headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" or not reply.body else [reply.body]

    def _reply(self, request: Request) -> Reply:
        try:
            handler = self.handlers.get(request.environ["REQUEST_METHOD"])
            if handler is None:
                raise web.HTTPMethodNotAllowed(headers={"Allow": ", ".join(self.handlers)})
            check_path_text(request.wsgi_path, allow_reserved=True)
            return handler(request)
        except Answer as answer:
            return _plain(answer)
        except Exception as error:
            return _plain(self._answer_to(error, request))

    def _answer_to(self, error: Exception, request: Request) -> Answer:
        answer = ANSWERS.get(type(error))
        if answer is not None:
            return answer(error)
        what = f"{request.environ['REQUEST_METHOD']} {request.wsgi_path}"
        if is_disk_error(error) or self._is_of_disk(error, request):
            self.logger.error("%s: %s", what, error)
            return web.HTTPInsufficientStorage(drive=request.wsgi_path.split("/", 2)[1])
        self.logger.exception("%s failed", what)
        return web.HTTPInternalServerError()

    def _is_of_disk(self, error: Exception, request: Request) -> bool:
        """Whether an error is its device's, also because we may not write there, of which SQLite tells in its own words."""
        if isinstance(error, PermissionError | sqlite3.OperationalError):
            return is_closed(f"{self.options.devices}/{request.wsgi_path.split('/', 2)[1]}")
        return isinstance(error, OSError) and error.errno in _DISK_ERRORS

    def OPTIONS(self, request: Request) -> Reply:
        """Which verbs there are, and what this server is (tools check its name)."""
        return Reply(200, [("Allow", ", ".join(self.handlers)), ("Server", self.server_name)])

    # For the verbs ------------------------------------------------------------------------------------------

    def place(self, request: Request, minimum: int, maximum: int) -> Place:
        """Where a request's database is.

        :param minimum: fewest segments that the path may have, device and partition included
        :raises Answer: 400 for a bad path, 507 for a device that is not there
        """
        parts = request.path_parts(minimum, maximum, rest_with_last=maximum == 5)
        device, partition, *names = parts + [None] * (5 - maximum)
        account, container, object_name = (name and wsgi_to_str(name) for name in names)
        assert device and partition and account
        if not layout.is_valid_partition(partition):
            raise bad_request(f"Invalid path: {request.wsgi_path}")
        if "\x00" in request.wsgi_path:
            problem = reserved_names_problem(account, container, object_name)
            if problem:
                raise bad_request(problem)
        device_path = layout.usable_device(self.options.devices, device, self.options.mount_check)
        if device_path is None:
            raise web.HTTPInsufficientStorage(drive=device)
        return Place(device_path, partition, account, container, object_name)

    def create(self, broker: DatabaseBroker, timestamp: Timestamp, policy_index: int = 0) -> bool:
        """Make a database; tell whether it was this request that did.

        :param timestamp: of the request
        """
        try:
            broker.initialize(timestamp.internal, policy_index, Timestamp(self.clock()))
        except DatabaseExists:
            self.logger.debug("another request created %s first", broker.path)
            return False
        return True

    def info(self, broker: DatabaseBroker) -> dict[str, Any]:
        """What the broker's ``get_info`` tells; nothing where there is no database."""
        try:
            return broker.get_info()
        except DatabaseMissing:
            return {}

    def checked_metadata(self, request: Request, timestamp: Timestamp) -> dict[str, tuple[str, str]]:
        """The metadata that a request sets: native key -> (native value, internal timestamp).

        :raises Violation: 400 where it breaks a limit even by itself
        """
        metadata = self.metadata_of(request, timestamp)
        self.check_metadata({key: value for key, (value, _) in metadata.items() if value})
        return metadata

    def metadata_of(self, request: Request, timestamp: Timestamp) -> dict[str, tuple[str, str]]:
        """The metadata that a request sets: native key -> (native value, internal timestamp)."""
        stamp = timestamp.internal
        stored = stored_database_headers(self.kind, request.header_items())
        return {wsgi_to_str(key): (wsgi_to_str(value), stamp) for key, value in stored.items()}

    def check_metadata(self, values: dict[str, str]) -> None:
        """Refuse user metadata beyond the limits.

        :raises Violation: 400
        """
        wsgi_items = [(str_to_wsgi(key), str_to_wsgi(value)) for key, value in values.items()]
        check_metadata(self.swift.constraints, wsgi_items, self.kind)

    def listing_query(self, request: Request, query: dict[str, str], limit: int) -> ListingQuery:
        """What a GET asks to be listed.

        :param limit: most entries that one request may ask for
        :raises Answer: 412 for a limit above that
        """
        asked = query.get("limit", "")
        if asked.isdecimal():
            digits = asked.lstrip("0") or "0"
            if len(digits) > 9 or int(digits) > limit:  # Python reads no number of thousands of digits.
                raise web.HTTPPreconditionFailed(f"Maximum limit is {limit}", content_type="text/plain")
            limit = int(digits)
        return ListingQuery(
            limit=limit,
            marker=query.get("marker", ""),
            end_marker=query.get("end_marker", ""),
            prefix=query.get("prefix", ""),
            delimiter=query.get("delimiter", ""),
            path=query.get("path") if self.kind == "container" else None,
            reverse=query.get("reverse", "").lower() in ("true", "1", "yes", "on", "t", "y"),
            allow_reserved=request.is_true("X-Backend-Allow-Reserved-Names"),
        )

    def media_type(self, request: Request, query: dict[str, str]) -> str:
        """In which format a listing is wanted.

        :raises Answer: 400 or 406
        """
        try:
            chosen = listing_formats.choose_format(query.get("format"), request.header("Accept"))
        except ValueError as error:
            raise bad_request(str(error)) from None
        if chosen is None:
            raise web.HTTPNotAcceptable()
        return chosen

    def listing_reply(self, media_type: str, pieces: Iterable[bytes], headers: Headers) -> Reply:
        """The answer to a GET: 200, or 204 where there is no text to send.

        :param pieces: of the text; others may run while it is made
        """
        headers.append(("Content-Type", f"{media_type}; charset=utf-8"))
        body = b"".join(in_turns(pieces))
        return Reply(200 if body else 204, headers, body)


def metadata_headers(kind: Literal["account", "container"], metadata: Mapping[str, tuple[str, str]]) -> Headers:
    """The metadata of a database as headers of its HEAD; deleted keys are left out."""
    shown = {str_to_wsgi(key): str_to_wsgi(value) for key, (value, _) in metadata.items() if value}
    return [(title_case(key), value) for key, value in stored_database_headers(kind, shown.items()).items()]


def http_date(timestamp: Timestamp) -> str:
    """Last-Modified of a timestamp: whole seconds, rounded up."""
    return timestamp.http_date


def accepted(headers: Headers) -> Reply:
    """A 202, with Swift's standard body."""
    return Reply(202, [*headers, ("Content-Type", "text/html; charset=UTF-8")], web.default_body(202))


def bad_request(message: str) -> Answer:
    """A 400 whose body says why."""
    return web.HTTPBadRequest(message, content_type="text/plain")


def _plain(answer: Answer) -> Reply:
    headers = [(name, value) for name, value in answer.headerlist if name.lower() != "content-length"]
    return Reply(answer.status_int, headers, answer.body)
