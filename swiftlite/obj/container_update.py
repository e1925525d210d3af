"""ContainerUpdates: tell the container servers what became of an object, or spool it (formats.md 5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from logging import Logger
from urllib.parse import unquote

from swiftlite.common.concurrency import GreenPool
from swiftlite.common.config import is_true
from swiftlite.core.metadata import title_case
from swiftlite.core.names import EntityName, HashPath, wsgi_to_str
from swiftlite.core.placement import ExpirerQueue
from swiftlite.core.timestamp import Timestamp
from swiftlite.http.client import Client
from swiftlite.obj.async_pending import AsyncPending, RowUpdate
from swiftlite.obj.disk_threads import DiskThreads
from swiftlite.obj.diskfile import Place
from swiftlite.wire.direct import RowRefused, RowUnsent, parse_host, send_row, user_agent
from swiftlite.wire.messages import BadMessage, ObjectRowUpdate, UpdateTargets

OVERRIDE = "x-backend-container-update-override-"
STORED_OVERRIDE = "x-object-sysmeta-container-update-override-"
MD5_OF_NOTHING = "d41d8cd98f00b204e9800998ecf8427e"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one object, whose consequences others must learn of.

    :param request: the headers of the request that made it, by name in any case
    :param referer: ``METHOD url`` of that request
    """

    place: Place
    timestamp: Timestamp
    request: Mapping[str, str]
    referer: str


def overridden(row: Mapping[str, str], *sources: Mapping[str, str]) -> dict[str, str]:
    """A row's headers, with those that middleware wants to be listed instead.

    :param sources: request headers, stored metadata, by name in title case; the stored form of an override wins
    """
    overrides = {
        name.lower(): value
        for source in sources
        for name, value in source.items()
        if "Container-Update-Override-" in name
    }
    headers = dict(row)
    for prefix in (OVERRIDE, STORED_OVERRIDE) if overrides else ():
        for name, value in overrides.items():
            if name.startswith(prefix):
                headers[title_case("x-" + name[len(prefix) :])] = value
    return headers


class ContainerUpdates:
    """Sends rows over kept connections, for a bounded time; what is not acknowledged goes to the spool.

    :param client: gives up on a container server after ``container_update_timeout``
    """

    def __init__(
        self,
        client: Client,
        spool: AsyncPending,
        threads: DiskThreads,
        hash_path: HashPath,
        queue: ExpirerQueue,
        logger: Logger,
    ) -> None:
        self.client = client
        self.threads = threads
        self.queue = queue
        self.spool = spool
        self.hash_path = hash_path
        self.logger = logger

    def send(self, change: Change, operation: str, row: Mapping[str, str]) -> None:
        """Tell the servers that the request names.

        :param operation: ``PUT`` or ``DELETE`` of the row
        :param row: headers of the message
        """
        targets = self._targets("Container", change)
        if targets is None:
            return
        path = self._container_path(change)
        name = change.place.name
        assert name.container and name.object
        update = RowUpdate(
            operation,
            name.account,
            name.container,
            name.object,
            {**row, **self._common_headers(change, change.place.policy.index)},
            change.request.get("X-Container-Root-Db-State"),
            path,
        )
        self._deliver(change, update, targets)

    def expiry_changed(self, change: Change, old: int, new: int, data: Mapping[str, str]) -> None:
        """Move an object's row in the expirer's queue.

        Replication leaves the queue alone: the server that took the client's request has seen to it.

        :param old: when it was to expire before, in seconds since the epoch; 0 for never
        :param new: when it will
        :param data: metadata of the .data file, whose bytes will be freed
        """
        if is_true(change.request.get("X-Backend-Replication")):
            return
        if new:
            self._enqueue(change, new, data)
        if old and old != new and is_true(change.request.get("X-Backend-Clean-Expiring-Object-Queue", "t")):
            # Whom to tell of the old row, the proxy could not know: the updater looks it up in the ring.
            container = self._queue_container(old, change.place.name)
            headers = {"X-Timestamp": change.timestamp.internal, **self._common_headers(change, 0)}
            self._spool(change, self._queue_update(change, "DELETE", container, old, headers))

    def _enqueue(self, change: Change, delete_at: int, data: Mapping[str, str]) -> None:
        targets = self._targets("Delete-At", change)
        if targets is None:
            return  # enough other object servers were asked
        row = ObjectRowUpdate(
            "PUT",
            change.timestamp,
            content_type=f"text/plain;swift_expirer_bytes={data['Content-Length']}",
            etag=MD5_OF_NOTHING,
            content_type_timestamp=Timestamp(data["X-Timestamp"]),
        )
        container = targets.container or self._queue_container(delete_at, change.place.name)
        headers = {**row.to_headers(), **self._common_headers(change, 0)}
        self._deliver(change, self._queue_update(change, "PUT", container, delete_at, headers), targets)

    def _queue_container(self, delete_at: int, name: EntityName) -> str:
        return self.queue.container(delete_at, self.hash_path.hex(name.account, name.container, name.object))

    def _queue_update(
        self, change: Change, operation: str, container: str, delete_at: int, headers: Mapping[str, str]
    ) -> RowUpdate:
        row_name = self.queue.object(delete_at, change.place.name.path[1:])
        return RowUpdate(operation, self.queue.account, container, row_name, headers)

    def _targets(self, kind: str, change: Change) -> UpdateTargets | None:
        try:
            return UpdateTargets.from_headers(kind, change.request)  # type: ignore[arg-type]
        except BadMessage as error:
            self.logger.error("No %s update of %s: %s", kind.lower(), change.place.name.path, error)
            return None

    def _container_path(self, change: Change) -> str | None:
        quoted = change.request.get("X-Backend-Quoted-Container-Path")
        if quoted:
            return unquote(quoted)
        path = change.request.get("X-Backend-Container-Path")
        return wsgi_to_str(path) if path else None

    def _common_headers(self, change: Change, policy_index: int) -> dict[str, str]:
        return {
            "X-Backend-Storage-Policy-Index": str(policy_index),
            "X-Trans-Id": change.request.get("X-Trans-Id") or "-",
            "Referer": change.referer,
            "User-Agent": user_agent("object-server"),
        }

    def _deliver(self, change: Change, update: RowUpdate, targets: UpdateTargets) -> None:
        """Send to every target at once; if any of them fails, the updater will send to all primaries."""
        pairs = targets.pairs()
        if len(pairs) == 1:
            taken = self._send_one(update, *pairs[0], targets.partition)
        else:
            pool = GreenPool(len(pairs))
            calls = [pool.spawn(self._send_one, update, host, device, targets.partition) for host, device in pairs]
            answers = [call.wait() for call in calls]
            taken = all(answers)
        if not taken:
            self._spool(change, update)

    def _send_one(self, update: RowUpdate, host: str, device: str, partition: str) -> bool:
        try:
            send_row(self.client, parse_host(host), device, partition, update.path, update.operation, update.headers)
        except (RowRefused, RowUnsent, ValueError) as error:
            self.logger.error("Container update failed (saving for async update later): %s", error)
            return False
        return True

    def _spool(self, change: Change, update: RowUpdate) -> None:
        device_root = change.place.device_root
        self.threads.run(device_root, self.spool.save, device_root, change.place.policy, update)
