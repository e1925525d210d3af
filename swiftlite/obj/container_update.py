"""ContainerUpdates: tell the container servers what became of an object, or spool it (formats.md 5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from logging import Logger
from time import monotonic
from urllib.parse import unquote

from swiftlite.common import metrics, statsd
from swiftlite.common.config import is_true
from swiftlite.common.tracing import traced
from swiftlite.core.hosts import spell_address
from swiftlite.core.metadata import title_case
from swiftlite.core.names import EntityName, quote_path, wsgi_to_str
from swiftlite.core.placement import ExpirerQueue
from swiftlite.core.timestamp import Timestamp
from swiftlite.http.client import Client
from swiftlite.http.errors import Address
from swiftlite.http.exchange import Exchange
from swiftlite.obj.async_pending import AsyncPending, RowUpdate, told_name
from swiftlite.obj.disk_threads import DiskThreads
from swiftlite.obj.diskfile import Place
from swiftlite.wire.direct import RowRefused, RowUnsent, finish_row, parse_host, row_target, start_row, user_agent
from swiftlite.wire.messages import BadMessage, ObjectRowUpdate, RowReport, UpdateTargets
from swiftlite.wire.update_hosts import UpdateHosts

OVERRIDE = "x-backend-container-update-override-"
STORED_OVERRIDE = "x-object-sysmeta-container-update-override-"
MD5_OF_NOTHING = "d41d8cd98f00b204e9800998ecf8427e"
MOST_PLACES = 1024
"""Texts of target headers whose meaning is remembered: there are no more than sets of container replicas."""
MOMENT = 0.01
"""Seconds for the answer of a server whose time is over, should it be there already."""

Places = tuple[tuple[Address | None, str], ...]
"""Address and device of each server to tell."""


@dataclass(slots=True)
class Row:
    """A row on its way to the servers that a request names.

    :ivar headers: the message
    :ivar waiting: server, its device and request target, and the exchange whose answer has not come
    :ivar told: names of the devices that have taken it, as spooled updates name them
    :ivar is_lost: whether a server has not
    """

    operation: str
    name: EntityName
    headers: dict[str, str]
    db_state: str | None = None
    container_path: str | None = None
    waiting: list[tuple[Address, str, str, Exchange]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    is_lost: bool = False

    def to_update(self) -> RowUpdate:
        """What is spooled."""
        name = self.name
        assert name.container and name.object
        return RowUpdate(
            self.operation,
            name.account,
            name.container,
            name.object,
            self.headers,
            self.db_state,
            self.container_path,
            told=tuple(self.told),
        )


@dataclass(slots=True)
class Change:
    """A change of one object, whose consequences others must learn of.

    :param request: the headers of the request that made it, by name in any case
    :param referer: ``METHOD url`` of that request
    :ivar rows: those that are on their way
    :ivar deadline: until when they are waited for, ``time.monotonic()``
    """

    place: Place
    timestamp: Timestamp
    request: Mapping[str, str]
    referer: str
    rows: list[Row] = field(default_factory=list)
    deadline: float = 0.0


def overridden(row: dict[str, str], *sources: Mapping[str, str]) -> dict[str, str]:
    """A row's headers, with those that middleware wants to be listed instead.

    :param sources: request headers, stored metadata, by name in title case; the stored form of an override wins
    """
    overrides = {
        name.lower(): value
        for source in sources
        for name, value in source.items()
        if "Container-Update-Override-" in name
    }
    if not overrides:
        return row
    headers = dict(row)
    for prefix in (OVERRIDE, STORED_OVERRIDE):
        for name, value in overrides.items():
            if name.startswith(prefix):
                headers[title_case("x-" + name[len(prefix) :])] = value
    return headers


class ContainerUpdates:
    """Sends rows over kept connections, for a bounded time; what is not acknowledged goes to the spool.

    :param hosts: whom requests may name
    :param patience: seconds that one change waits for container servers, however many they are
    """

    def __init__(
        self,
        client: Client,
        hosts: UpdateHosts,
        spool: AsyncPending,
        threads: DiskThreads,
        queue: ExpirerQueue,
        patience: float,
        logger: Logger,
    ) -> None:
        self.client = client
        self.hosts = hosts
        self.threads = threads
        self.queue = queue
        self.spool = spool
        self.hash_path = spool.hash_path
        self.patience = patience
        self.logger = logger
        self.places = lru_cache(MOST_PLACES)(_places)

    @traced("tell container servers")
    def send(self, change: Change, operation: str, row: dict[str, str]) -> list[tuple[str, str]]:
        """Tell the servers that the request names, and wait for them and those of :meth:`expiry_changed`.

        :param operation: ``PUT`` or ``DELETE`` of the row
        :param row: headers of the message
        :returns: headers of the answer that report who has the row, if the request asks for them
        """
        name = change.place.name
        get = change.request.get
        places = self._targets("Container", change)
        headers = {**row, **self._common_headers(change)}
        message = Row(operation, name, headers, get("X-Container-Root-Db-State"), self._container_path(change))
        if places:
            self._start(change, message, places, get("X-Container-Partition") or "")
        if change.rows:
            self._finish(change)
        if not places or not RowReport.is_wanted(change.request):
            return []
        return RowReport(tuple(message.told), row if message.is_lost else None).to_headers()

    def expiry_changed(self, change: Change, old: int, new: int, data: Mapping[str, str]) -> None:
        """Move an object's row in the expirer's queue; :meth:`send`, which must follow, waits until that is done.

        Replication leaves the queue alone: the server that took the client's request has seen to it.

        :param old: when it was to expire before, in seconds since the epoch; 0 for never
        :param new: when it will
        :param data: metadata of the .data file, whose bytes will be freed
        """
        if not (new or old) or is_true(change.request.get("X-Backend-Replication")):
            return
        if new:
            self._enqueue(change, new, data)
        if old and old != new and is_true(change.request.get("X-Backend-Clean-Expiring-Object-Queue", "t")):
            # Whom to tell of the old row, the proxy could not know: the updater looks it up in the ring.
            row = ObjectRowUpdate("DELETE", change.timestamp)
            headers = {**row.to_headers(), **self._common_headers(change)}
            name = self._queue_row(change, self._queue_container(old, change.place.name), old)
            self._spool(change, Row("DELETE", name, headers))

    def _enqueue(self, change: Change, delete_at: int, data: Mapping[str, str]) -> None:
        places = self._targets("Delete-At", change)
        if not places:
            return  # enough other object servers were asked
        row = ObjectRowUpdate(
            "PUT",
            change.timestamp,
            content_type=f"text/plain;swift_expirer_bytes={data['Content-Length']}",
            etag=MD5_OF_NOTHING,
            content_type_timestamp=Timestamp(data["X-Timestamp"]),
        )
        get = change.request.get
        container = get("X-Delete-At-Container") or self._queue_container(delete_at, change.place.name)
        headers = {**row.to_headers(), **self._common_headers(change)}
        message = Row("PUT", self._queue_row(change, container, delete_at), headers)
        self._start(change, message, places, get("X-Delete-At-Partition") or "")

    def _queue_container(self, delete_at: int, name: EntityName) -> str:
        return self.queue.container(delete_at, self.hash_path.hex(name.account, name.container, name.object))

    def _queue_row(self, change: Change, container: str, delete_at: int) -> EntityName:
        return EntityName(self.queue.account, container, self.queue.object(delete_at, change.place.name.path[1:]))

    def _targets(self, kind: str, change: Change) -> Places:
        """The servers to tell; none where the request names none."""
        get = change.request.get
        if not get(f"X-{kind}-Partition"):
            return ()
        try:
            return self.places(kind, get(f"X-{kind}-Host") or "", get(f"X-{kind}-Device") or "")
        except BadMessage as error:
            self.logger.error("No %s update of %s: %s", kind.lower(), change.place.name.path, error)
            return ()

    def _container_path(self, change: Change) -> str | None:
        quoted = change.request.get("X-Backend-Quoted-Container-Path")
        if quoted:
            return unquote(quoted)
        path = change.request.get("X-Backend-Container-Path")
        return wsgi_to_str(path) if path else None

    def _common_headers(self, change: Change) -> dict[str, str]:
        return {
            "X-Trans-Id": change.request.get("X-Trans-Id") or "-",
            "Referer": change.referer,
            "User-Agent": user_agent("object-server"),
        }

    def _start(self, change: Change, row: Row, places: Places, partition: str) -> None:
        """Send a row to all its servers, one after the other, without waiting for answers."""
        now = monotonic()
        if not change.rows:
            change.deadline = now + self.patience
        change.rows.append(row)
        name = row.name
        path = f"/{row.container_path}/{name.object}" if row.container_path else name.path
        path = quote_path(path)
        for address, device in places:
            target = row_target(device, partition, path)
            if address is None:
                self._lose(row, f"{device} has no address to send {target} to")
                continue
            if not self.hosts.allows(address):
                row.is_lost = True  # logged already, for a forged address once and not at every request
                continue
            # Only connecting takes time here: no other server is tried once the time is over.
            if now >= change.deadline:
                self._lose(row, f"no time is left for {spell_address(*address)} {target}")
                continue
            try:
                exchange = start_row(self.client, address, target, row.operation, row.headers)
            except (RowUnsent, ValueError) as error:
                self._lose(row, error)
                now = monotonic()
                continue
            row.waiting.append((address, device, target, exchange))

    def _finish(self, change: Change) -> None:
        """Take the answers; they come at once, so waiting for one after the other takes no longer than for the last."""
        for row in change.rows:
            for address, device, target, exchange in row.waiting:
                try:
                    finish_row(exchange, target, max(MOMENT, change.deadline - monotonic()))
                except (RowRefused, RowUnsent) as error:
                    self._lose(row, error)
                else:
                    row.told.append(told_name(address, device))
            metrics.ROW_UPDATES.add(1, "left" if row.is_lost else "taken")
            if row.is_lost:
                statsd.note("async_pendings")
            if row.is_lost:
                self._spool(change, row)

    def _lose(self, row: Row, problem: object) -> None:
        row.is_lost = True
        self.logger.error("Container update failed (saving for async update later): %s", problem)

    def _spool(self, change: Change, row: Row) -> None:
        device_root = change.place.device_root
        self.threads.run(device_root, self.spool.save, device_root, change.place.policy, row.to_update())


def _places(kind: str, hosts: str, devices: str) -> Places:
    """The servers that a request's headers name; a host that is no address has None in its place.

    :raises BadMessage: when hosts and devices differ in number
    """
    targets = UpdateTargets.from_headers(
        kind,  # type: ignore[arg-type]
        {f"X-{kind}-Partition": "0", f"X-{kind}-Host": hosts, f"X-{kind}-Device": devices},
    )
    return () if targets is None else tuple((_address(host), device) for host, device in targets.pairs())


def _address(host: str) -> Address | None:
    try:
        return parse_host(host)
    except ValueError:
        return None
