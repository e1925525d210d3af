"""The container server: containers and their object rows over HTTP (formats.md 5.2)."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from swiftlite.common import web
from swiftlite.common.concurrency import Semaphore
from swiftlite.common.config import SHORTEST, is_true, option, read_options
from swiftlite.common.log import get_logger
from swiftlite.common.policies import StoragePolicies
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.common.sync_realms import SyncRealms
from swiftlite.container import catch_up
from swiftlite.container.account_update import AccountUpdates
from swiftlite.container.backend import ContainerBroker, NotDeletable, is_deleted
from swiftlite.container.replication import ContainerReplication
from swiftlite.container.sync_store import SYNC_TO, update_link
from swiftlite.core.allowed_hosts import AllowedHosts
from swiftlite.core.container_sync import BadTarget, read_target
from swiftlite.core.json_text import load_json
from swiftlite.core.listing import ListingQuery
from swiftlite.core.listing_formats import JSON, render_objects
from swiftlite.core.names import str_to_wsgi, wsgi_to_str
from swiftlite.core.rows import ObjectReport, check_report
from swiftlite.core.timestamp import Timestamp
from swiftlite.db import layout
from swiftlite.db.broker import DatabaseMissing, load_metadata
from swiftlite.db.controller import (
    FORMAT,
    LISTING,
    DatabaseServer,
    DatabaseServerOptions,
    Headers,
    Place,
    Reply,
    Request,
    accepted,
    bad_request,
    http_date,
    metadata_headers,
)
from swiftlite.db.listing import Page
from swiftlite.db.pending import FRESH_READS, STALE_READS, LockTimeout, Patience
from swiftlite.wire.catch_up import BUSY, Reach, SameRows, Stretch, asks_only_known, known_header, speaks_of_known
from swiftlite.wire.messages import POLICY_INDEX, ObjectRowUpdate
from swiftlite.wire.node_client import node_client
from swiftlite.wire.update_hosts import UpdateHosts

VERSIONS_LOCATION = "X-Versions-Location"
LONG_PAGE = 1000
"""Entries above which a page counts as long."""
LONG_PAGES_AT_ONCE = 2
"""Long pages that one process makes at the same time: each takes megabytes, and more at once are none the sooner."""
EMPTY: dict[str, Any] = {}
"""What is known of a container that has no database."""


@dataclass(frozen=True)
class ContainerOptions(DatabaseServerOptions):
    """Options of ``[app:container-server]``."""

    node_timeout: float = option(3.0, "seconds to wait for an account server's answer", least=SHORTEST)
    conn_timeout: float = option(0.5, "seconds to wait for a connection to an account server", least=SHORTEST)
    allowed_update_hosts: AllowedHosts = option(
        AllowedHosts(),
        "servers besides those of the account ring that are told of changes when a request names them:"
        " host, host:port, network/bits; *: any",
        AllowedHosts.parse,
    )
    allowed_sync_hosts: tuple[str, ...] = option(("127.0.0.1",), "hosts that containers may be synced to")
    allow_versions: bool = option(
        False, "keep X-Versions-Location of containers; deprecated: the proxies' filter versioned_writes does better"
    )


class ContainerServer(DatabaseServer):
    """Serves the container databases of this node's devices."""

    kind = "container"
    methods = (*DatabaseServer.methods, "REPLICATE", "UPDATE")

    def __init__(self, options: ContainerOptions, swift: SwiftConf, logger: Any, **kwargs: Any) -> None:
        super().__init__(options, swift, logger, **kwargs)
        self.allow_versions = options.allow_versions
        self.allowed_sync_hosts = frozenset(options.allowed_sync_hosts)
        self.sync_realms = SyncRealms.of(options.swift_dir, logger)
        self.update_hosts = UpdateHosts(options.swift_dir, "account", options.allowed_update_hosts, logger)
        self.account_updates = AccountUpdates(
            logger, node_client(swift.backend_tls, options.conn_timeout, options.node_timeout, logger)
        )
        self.replication = ContainerReplication(self, ContainerBroker)
        self.long_pages = Semaphore(LONG_PAGES_AT_ONCE)

    def REPLICATE(self, request: Request) -> Reply:
        """Do to a database what another replica of it asks for."""
        return self.replication.serve(request)

    # Object rows --------------------------------------------------------------------------------------------

    def PUT(self, request: Request) -> Reply:
        """Accept a row of an object, or create or update a container."""
        place = self.place(request, 4, 5)
        if place.object is None:
            return self._put_container(request, place)
        update = ObjectRowUpdate.from_headers("PUT", request)
        content_type, metadata = update.content_type_timestamp, update.metadata_timestamp
        report = ObjectReport(
            place.object,
            update.timestamp.internal,
            update.size,
            _unicode(update.content_type),
            _unicode(update.etag),
            0,
            update.policy_index,
            content_type and content_type.internal,
            metadata and metadata.internal,
        )
        self._append(request, place, report)
        return Reply(201)

    def DELETE(self, request: Request) -> Reply:
        """Accept that an object is gone, or delete a container."""
        place = self.place(request, 4, 5)
        if place.object is None:
            return self._delete_container(request, place)
        update = ObjectRowUpdate.from_headers("DELETE", request)
        stamp = update.timestamp.internal
        report = ObjectReport(place.object, stamp, 0, update.content_type, update.etag, 1, update.policy_index)
        self._append(request, place, report)
        return Reply(204)

    def UPDATE(self, request: Request) -> Reply:
        """Merge many rows of objects at once, or what another replica knows: 202."""
        place = self.place(request, 4, 4)
        same, stretch = SameRows.from_headers(request), Stretch.from_headers(request)
        if same is not None:
            return catch_up.agree(self._broker(place, catch_up.PATIENCE), same)
        if stretch is not None:
            body = request.environ["wsgi.input"].read()
            broker = self._broker(place, catch_up.PATIENCE)
            return catch_up.learn(broker, self.swift.policies, stretch, Reach.from_headers(request), body)
        timestamp = request.timestamp()
        policy_index = self._policy_index(request, POLICY_INDEX)
        try:
            reports = row_reports(load_json(request.environ["wsgi.input"].read()), self.swift.policies)
        except ValueError as error:
            raise bad_request(str(error)) from None
        broker = self._broker(place)
        if not broker.exists and self._creates_by_itself(request, place.account):
            if policy_index is None:
                raise bad_request(f"{POLICY_INDEX} header is required")
            self.create(broker, Timestamp(timestamp.normal), policy_index)
        broker.merge_items(reports)
        return Reply(202)

    def _append(self, request: Request, place: Place, report: ObjectReport) -> None:
        if self.swift.policies.by_index(report.storage_policy_index) is None:
            raise bad_request(f"Invalid {POLICY_INDEX} '{report.storage_policy_index}'")
        broker = self._broker(place)
        try:
            broker.append(report)
        except DatabaseMissing:
            if not self._creates_by_itself(request, place.account):
                raise
            self.create(broker, Timestamp(Timestamp(report.created_at).normal), report.storage_policy_index)
            broker.append(report)

    def _creates_by_itself(self, request: Request, account: str) -> bool:
        """Whether a row may create the container: when told so, and for hidden accounts (formats.md 5.2)."""
        asked = request.header("X-Backend-Auto-Create")
        if asked is not None:
            return is_true(asked)
        prefix = self.swift.constraints.auto_create_account_prefix
        return account.startswith(prefix) and not account.startswith(f"{prefix}shards_")

    # The container ------------------------------------------------------------------------------------------

    def _put_container(self, request: Request, place: Place) -> Reply:
        timestamp = request.timestamp()
        if self._wants_shards(request):
            raise web.HTTPNotImplemented("Shard ranges cannot be stored by this server yet.")
        targets = self.account_updates.targets(request)
        wanted = self._policy_index(request, POLICY_INDEX)
        fallback = self._policy_index(request, "X-Backend-Storage-Policy-Default")
        default = self.swift.policies.default.index if fallback is None else fallback
        broker = self._broker(place)
        metadata = self.checked_metadata(request, timestamp)
        created = self._create_or_touch(broker, timestamp, wanted, default)
        self._update_metadata(broker, metadata)
        info = broker.get_info()
        self._tell_account(request, targets, place, info)
        headers = [(POLICY_INDEX, str(info["storage_policy_index"]))]
        return Reply(201, headers) if created else accepted(headers)

    def _create_or_touch(self, broker: ContainerBroker, timestamp: Timestamp, wanted: int | None, default: int) -> bool:
        """Bring a container into being, or renew it.

        :param wanted: the policy that the request insists on, if any
        :param default: the policy of a new container otherwise
        :returns: whether it is new, or was deleted before
        """
        new_policy = default if wanted is None else wanted
        if not broker.exists and self.create(broker, timestamp, new_policy):
            return True
        info = broker.get_info()
        recreated = is_deleted(info)
        if recreated:
            broker.set_storage_policy_index(new_policy, timestamp.internal)
        elif wanted is not None and wanted != info["storage_policy_index"]:
            raise web.HTTPConflict(headers={POLICY_INDEX: str(info["storage_policy_index"])})
        broker.update_put_timestamp(timestamp.internal)
        if recreated:
            if is_deleted(broker.get_info()):
                raise web.HTTPConflict("The container was deleted after that time.", content_type="text/plain")
            broker.update_status_changed_at(timestamp.internal)
        return recreated

    def checked_metadata(self, request: Request, timestamp: Timestamp) -> dict[str, tuple[str, str]]:
        """The metadata that a request sets, a target of container sync among them.

        :raises Answer, Violation: 400
        """
        metadata = super().checked_metadata(request, timestamp)
        target = metadata.get(SYNC_TO, ("", ""))[0]
        if target:
            try:
                read_target(target, self.allowed_sync_hosts, self.sync_realms)
            except BadTarget as error:
                raise bad_request(str(error)) from None
        return metadata

    def metadata_of(self, request: Request, timestamp: Timestamp) -> dict[str, tuple[str, str]]:
        """The metadata that a request sets: native key -> (native value, internal timestamp)."""
        metadata = super().metadata_of(request, timestamp)
        location = request.header(VERSIONS_LOCATION)
        if self.allow_versions and location is not None:
            metadata[VERSIONS_LOCATION] = (wsgi_to_str(location), timestamp.internal)
        return metadata

    def _update_metadata(self, broker: ContainerBroker, metadata: dict[str, tuple[str, str]]) -> None:
        if SYNC_TO in metadata and metadata[SYNC_TO][0] != broker.metadata().get(SYNC_TO, ("", ""))[0]:
            broker.reset_sync_points()
        broker.update_metadata(metadata, self.check_metadata)
        self._update_sync_link(broker)

    def _update_sync_link(self, broker: ContainerBroker) -> None:
        try:
            update_link(broker)
        except OSError as error:
            self.logger.error("%s: cannot tell container sync, the replicator will: %s", broker.path, error)

    def _policy_index(self, request: Request, header: str) -> int | None:
        text = request.header(header)
        if not text:
            return None
        policy = self.swift.policies.by_index(text)
        if policy is None:
            raise web.HTTPBadRequest(f"Invalid {header} {text!r}", content_type="text/plain")
        return policy.index

    def _delete_container(self, request: Request, place: Place) -> Reply:
        timestamp = request.timestamp()
        targets = self.account_updates.targets(request)
        broker = self._broker(place)
        try:
            before, info = broker.delete_if_empty(timestamp.internal)
        except NotDeletable as error:
            raise web.HTTPConflict(str(error), content_type="text/plain") from None
        self._update_sync_link(broker)
        self._tell_account(request, targets, place, info)
        if is_deleted(before) or not Timestamp(before["put_timestamp"]):
            raise web.HTTPNotFound()
        return Reply(204)

    def _tell_account(self, request: Request, targets: Any, place: Place, info: dict[str, Any]) -> None:
        if targets is not None:
            assert place.container is not None
            if not self.account_updates.send(request, targets, self.update_hosts, place, info):
                raise web.HTTPNotFound("No account server knows the account.", content_type="text/plain")

    def POST(self, request: Request) -> Reply:
        """Change a container's metadata."""
        place = self.place(request, 4, 4)
        timestamp = request.timestamp()
        metadata = self.checked_metadata(request, timestamp)
        broker = self._broker(place)
        if is_deleted(broker.get_info()):
            raise web.HTTPNotFound()
        if not request.is_true("X-Backend-No-Timestamp-Update"):
            broker.update_put_timestamp(timestamp.internal)
        self._update_metadata(broker, metadata)
        return Reply(204)

    # Reading ------------------------------------------------------------------------------------------------

    def HEAD(self, request: Request) -> Reply:
        """Timestamps, counts and metadata of a container."""
        place = self.place(request, 4, 4)
        media_type = self.media_type(request, request.query(FORMAT))
        info, known = self._describe(request, place)
        if info is not None and asks_only_known(request):
            return Reply(404 if is_deleted(info) else 204, known)
        if info is None:
            info = self.info(self._broker(place, STALE_READS))
        headers = self._info_headers(info) + known
        if not info or is_deleted(info):
            raise web.HTTPNotFound(headers=headers)
        headers.append(("Content-Type", f"{media_type}; charset=utf-8"))
        return Reply(204, headers)

    def GET(self, request: Request) -> Reply:
        """A container's listing; or, for a replica that lacks them, its changes."""
        place = self.place(request, 4, 4)
        stretch = Stretch.from_headers(request)
        if stretch is not None:
            return catch_up.tell(self._broker(place, catch_up.PATIENCE), stretch)
        query = request.query((*LISTING, "path", "states", "includes"))
        media_type = self.media_type(request, query)
        asked = self.listing_query(request, query, self.swift.constraints.container_listing_limit)
        info, known = self._describe(request, place)  # before the page: so that shows at least as much
        is_long = info is not None and min(asked.limit, info["object_count"]) > LONG_PAGE
        with self.long_pages if is_long else nullcontext():
            page = self._page(request, place, asked)
            if info is not None and info["id"] != page.info.get("id"):
                known = [BUSY]  # another database has taken its place, of which nothing has been said
            return self._listing(request, place, page, media_type, known)

    def _listing(self, request: Request, place: Place, page: Page, media_type: str, known: Headers) -> Reply:
        policy_index = self._policy_index(request, POLICY_INDEX)
        headers = self._info_headers(page.info) + known
        if not page.info or is_deleted(page.info):
            raise web.HTTPNotFound(headers=headers)
        if self._wants_shards(request):
            # Databases with shard ranges are yet to come; of a whole container there are none.
            headers.append(("X-Backend-Record-Type", "shard"))
            return self.listing_reply(JSON, [b"[]"], headers)
        headers.append(("X-Backend-Record-Type", "object"))
        index = page.info["storage_policy_index"] if policy_index is None else policy_index
        headers.append(("X-Backend-Record-Storage-Policy-Index", str(index)))
        return self.listing_reply(media_type, render_objects(media_type, place.container or "", page.rows), headers)

    def _page(self, request: Request, place: Place, query: ListingQuery) -> Page:
        policy_index = self._policy_index(request, POLICY_INDEX)
        try:
            return self._broker(place, STALE_READS).page(query, policy_index)
        except DatabaseMissing:
            return Page(EMPTY, [])

    def _wants_shards(self, request: Request) -> bool:
        return (request.header("X-Backend-Record-Type") or "").lower() == "shard"

    def _info_headers(self, info: dict[str, Any]) -> Headers:
        headers = info_headers(info)
        if self.allow_versions and info and not is_deleted(info):
            location, _ = load_metadata(info["metadata"]).get(VERSIONS_LOCATION, ("", ""))
            if location:
                headers.append((VERSIONS_LOCATION, str_to_wsgi(location)))
        return headers

    def _describe(self, request: Request, place: Place) -> tuple[dict[str, Any] | None, Headers]:
        """The container's info where all that is known of it is asked for and can be told, and the header that does."""
        if speaks_of_known(request):
            try:
                info, known = catch_up.describe(self._broker(place, catch_up.PATIENCE))
                return info, [known_header(known)]
            except DatabaseMissing:
                return None, [BUSY]
            except LockTimeout as error:
                self.logger.warning("%s may lack its newest rows: others hold the lock: %s", request.wsgi_path, error)
                return None, [BUSY]
        return None, []

    def _broker(self, place: Place, patience: Patience = FRESH_READS) -> ContainerBroker:
        name_hash = self.swift.hash_path.hex(place.account, place.container)
        path = layout.database_path(place.device_path, "container", place.partition, name_hash)
        return ContainerBroker(
            path,
            place.account,
            place.container,
            logger=self.logger,
            patience=patience,
        )


def _unicode(text: str) -> str:
    """A WSGI string as a listing can show it: of an object that exists, what is no UTF-8 is replaced, not refused."""
    return text if text.isascii() else text.encode("latin-1").decode("utf-8", "replace")


def row_reports(rows: Any, policies: StoragePolicies) -> list[ObjectReport]:
    """The rows of an UPDATE.

    :param rows: what its JSON says: dictionaries with the fields of a row
    :param policies: of swift.conf
    :raises ValueError: when it is anything else, or a row is one that no container can keep
    """
    try:
        reports = [
            ObjectReport(
                *(row[field] for field in ("name", "created_at", "size", "content_type", "etag")),
                *(row.get(field, 0) for field in ("deleted", "storage_policy_index")),
                *(row.get(field) for field in ("ctype_timestamp", "meta_timestamp")),
            )
            for row in rows
        ]
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"The body must be a list of rows: {error!r}") from None
    for report in reports:
        try:
            check_report(report)
        except ValueError as error:
            raise ValueError(f"The row of {report.name!r} cannot be kept: {error}") from None
        if policies.by_index(report.storage_policy_index) is None:
            raise ValueError(f"The row of {report.name!r} is of a storage policy that is not in swift.conf")
    return reports


def info_headers(info: dict[str, Any]) -> Headers:
    """What HEAD and GET say of a container; of a deleted or missing one only what other servers need."""
    headers = [
        ("X-Backend-Timestamp", Timestamp(info.get("created_at", 0)).internal),
        ("X-Backend-PUT-Timestamp", Timestamp(info.get("put_timestamp", 0)).internal),
        ("X-Backend-DELETE-Timestamp", Timestamp(info.get("delete_timestamp", 0)).internal),
        ("X-Backend-Status-Changed-At", Timestamp(info.get("status_changed_at", 0)).internal),
        (POLICY_INDEX, str(info.get("storage_policy_index", 0))),
    ]
    if not info or is_deleted(info):
        return headers
    put_timestamp = Timestamp(info["put_timestamp"])
    headers += [
        ("X-Container-Object-Count", str(info["object_count"])),
        ("X-Container-Bytes-Used", str(info["bytes_used"])),
        ("X-Timestamp", Timestamp(info["created_at"]).normal),
        ("X-PUT-Timestamp", put_timestamp.normal),
        ("X-Backend-Sharding-State", info["db_state"]),
        ("Last-Modified", http_date(put_timestamp)),
    ]
    return headers + metadata_headers("container", load_metadata(info["metadata"]))


def app_factory(global_conf: dict[str, str], **local_conf: str) -> ContainerServer:
    """Build the server from a Paste conf.

    :raises ConfigError: when the conf or swift.conf cannot be used
    """
    conf = {**global_conf, **local_conf}
    file, section = conf.get("__file__", "container-server.conf"), "app:container-server"
    options = read_options(ContainerOptions, conf, file, section)
    server = ContainerServer(options, SwiftConf.load(options.swift_dir), get_logger(conf, "container-server"))
    server.request_log.tell_statsd(conf, "container-server", file, section)
    return server
