"""The account server: accounts and their container rows over HTTP (formats.md 5.1)."""

from __future__ import annotations

from typing import Any

from swiftlite.account.backend import AccountBroker, is_deleted, is_marked_deleted
from swiftlite.common import web
from swiftlite.common.config import read_options
from swiftlite.common.log import get_logger
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.common.web import Answer
from swiftlite.core.constraints import is_auto_create
from swiftlite.core.listing import ListingQuery
from swiftlite.core.listing_formats import render_containers
from swiftlite.core.rows import ContainerRow
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
    metadata_headers,
)
from swiftlite.db.listing import Page
from swiftlite.db.pending import FRESH_READS, STALE_READS, Patience
from swiftlite.db.replication import Replication
from swiftlite.wire.messages import AccountUpdate, database_text

STATUS_DELETED = {"X-Account-Status": "Deleted"}


class AccountServer(DatabaseServer):
    """Serves the account databases of this node's devices."""

    kind = "account"

    methods = (*DatabaseServer.methods, "REPLICATE")

    def __init__(self, options: DatabaseServerOptions, swift: SwiftConf, logger: Any, **kwargs: Any) -> None:
        super().__init__(options, swift, logger, **kwargs)
        self.replication = Replication(self, AccountBroker)

    def REPLICATE(self, request: Request) -> Reply:
        """Do to a database what another replica of it asks for."""
        return self.replication.serve(request)

    # Writing ------------------------------------------------------------------------------------------------

    def PUT(self, request: Request) -> Reply:
        """Accept a row of a container, or create or update an account."""
        place = self.place(request, 3, 4)
        return self._put_account(request, place) if place.container is None else self._put_row(request, place)

    def _put_row(self, request: Request, place: Place) -> Reply:
        update = AccountUpdate.from_headers(request)
        broker = self._broker(place)
        if is_auto_create(self.swift.constraints, place.account) and not broker.exists:
            timestamp = request.timestamp() if request.header("X-Timestamp") else Timestamp(self.clock())
            self.create(broker, timestamp)
        if not update.override_deleted and is_deleted(broker.get_info()):
            raise web.HTTPNotFound()
        assert place.container is not None
        broker.put_container(
            ContainerRow(
                place.container,
                database_text(update.put_timestamp),
                database_text(update.delete_timestamp),
                update.object_count,
                update.bytes_used,
                storage_policy_index=update.policy_index,
            )
        )
        return Reply(204 if update.delete_timestamp > update.put_timestamp else 201)

    def _put_account(self, request: Request, place: Place) -> Reply:
        timestamp = request.timestamp()
        broker = self._broker(place)
        metadata = self.checked_metadata(request, timestamp)
        created = not broker.exists and self.create(broker, timestamp)
        if not created:
            if is_marked_deleted(broker.get_info()):
                raise web.HTTPForbidden("Recently deleted", headers=STATUS_DELETED)
            broker.update_put_timestamp(timestamp.internal)
        broker.update_metadata(metadata, self.check_metadata)
        return Reply(201) if created else accepted([])

    def POST(self, request: Request) -> Reply:
        """Change an account's metadata."""
        place = self.place(request, 3, 3)
        timestamp = request.timestamp()
        broker = self._broker(place)
        info = self.info(broker)
        if not info or is_deleted(info):
            raise _not_found(info)
        metadata = self.checked_metadata(request, timestamp)
        broker.update_metadata(metadata, self.check_metadata)
        return Reply(204)

    def DELETE(self, request: Request) -> Reply:
        """Mark an account deleted; the reaper empties it later."""
        place = self.place(request, 3, 3)
        timestamp = request.timestamp()
        broker = self._broker(place)
        info = self.info(broker)
        if not info or is_deleted(info):
            raise _not_found(info)
        broker.delete(timestamp.internal)
        info = broker.get_info()
        return Reply(204, list(STATUS_DELETED.items()) if is_marked_deleted(info) else [])

    # Reading ------------------------------------------------------------------------------------------------

    def HEAD(self, request: Request) -> Reply:
        """Counts and metadata of an account."""
        place = self.place(request, 3, 3)
        media_type = self.media_type(request, request.query(FORMAT))
        broker = self._broker(place, STALE_READS)
        info = self.info(broker)
        if not info or is_deleted(info):
            raise _not_found(info)
        headers = self._info_headers(broker, info)
        headers.append(("Content-Type", f"{media_type}; charset=utf-8"))
        return Reply(204, headers)

    def GET(self, request: Request) -> Reply:
        """An account's listing."""
        place = self.place(request, 3, 3)
        query = request.query(LISTING)
        media_type = self.media_type(request, query)
        asked = self.listing_query(request, query, self.swift.constraints.account_listing_limit)
        broker = self._broker(place, STALE_READS)
        page = self._page(broker, asked)
        if page is None or is_deleted(page.info):
            raise _not_found(page.info if page else {})
        policies = {policy.index: policy.name for policy in self.swift.policies}
        pieces = render_containers(media_type, place.account, page.rows, policies)
        return self.listing_reply(media_type, pieces, self._info_headers(broker, page.info))

    def _page(self, broker: AccountBroker, query: ListingQuery) -> Page | None:
        try:
            return broker.page(query)
        except DatabaseMissing:
            return None

    def _info_headers(self, broker: AccountBroker, info: dict[str, Any]) -> Headers:
        headers = [
            ("X-Account-Container-Count", str(info["container_count"])),
            ("X-Account-Object-Count", str(info["object_count"])),
            ("X-Account-Bytes-Used", str(info["bytes_used"])),
            ("X-Timestamp", Timestamp(info["created_at"]).normal),
            ("X-PUT-Timestamp", Timestamp(info["put_timestamp"]).normal),
        ]
        for index, stats in broker.policy_stats().items():
            policy = self.swift.policies.by_index(index)
            if policy is not None:
                prefix = f"X-Account-Storage-Policy-{policy.name}-"
                headers += [(prefix + name.replace("_", "-").title(), str(value)) for name, value in stats.items()]
        return headers + metadata_headers("account", load_metadata(info["metadata"]))

    def _broker(self, place: Place, patience: Patience = FRESH_READS) -> AccountBroker:
        name_hash = self.swift.hash_path.hex(place.account)
        path = layout.database_path(place.device_path, "account", place.partition, name_hash)
        return AccountBroker(path, place.account, logger=self.logger, patience=patience)


def _not_found(info: dict[str, Any]) -> Answer:
    """404, of a deleted account with what its replica knows: the status stays when a newer PUT has come by replication."""
    if not info or not is_marked_deleted(info):
        return web.HTTPNotFound()
    times = {
        "X-Backend-PUT-Timestamp": Timestamp(info["put_timestamp"]).internal,
        "X-Backend-DELETE-Timestamp": Timestamp(info["delete_timestamp"]).internal,
    }
    return web.HTTPNotFound(headers=STATUS_DELETED | times)


def app_factory(global_conf: dict[str, str], **local_conf: str) -> AccountServer:
    """Build the server from a Paste conf.

    :raises ConfigError: when the conf or swift.conf cannot be used
    """
    conf = {**global_conf, **local_conf}
    file, section = conf.get("__file__", "account-server.conf"), "app:account-server"
    options = read_options(DatabaseServerOptions, conf, file, section)
    server = AccountServer(options, SwiftConf.load(options.swift_dir), get_logger(conf, "account-server"))
    server.request_log.tell_statsd(conf, "account-server", file, section)
    return server
