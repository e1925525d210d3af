"""RowQuorum: brings the row of a change to a majority of its container's replicas before the client hears of success."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from swiftlite.common.concurrency import Queue, QueueEmpty, spawn
from swiftlite.core.names import EntityName
from swiftlite.core.placement import Target
from swiftlite.core.quorum import Reply, majority
from swiftlite.proxy.cluster import Cluster
from swiftlite.proxy.headers import HeaderList
from swiftlite.wire.direct import RowRefused, RowUnsent, parse_host, send_row
from swiftlite.wire.messages import ObjectRowUpdate, RowReport, UpdateTargets

OVERRIDES = ("X-Backend-Container-Update-Override-", "X-Object-Sysmeta-Container-Update-Override-")
PATIENCE = 1.0
"""Seconds to wait for container servers that the object servers have not told; as long as those wait for theirs."""


@dataclass(frozen=True, slots=True)
class KnownRow:
    """What the proxy itself knows of a change's row.

    :param operation: ``PUT`` (also after a POST) or ``DELETE`` of the row
    :param update: the row; None where only object servers know it
    :param request: headers of the change
    """

    operation: str
    update: ObjectRowUpdate | None = None
    request: HeaderList = field(default_factory=list)

    def headers(self) -> dict[str, str] | None:
        """Those of the row's PUT or DELETE.

        None also where middleware replaces parts of it: that speaks to object servers, and only they know how to apply it.
        """
        if self.update is None or any(name.startswith(OVERRIDES) for name, _ in self.request):
            return None
        return self.update.to_headers()


class RowQuorum:
    """What the object servers report of a change's row, and what is still to be done for it (doc/consistency.md).

    Object servers tell the containers, and spool what they could not tell. That is enough in the end. What it takes to
    be enough now is done here: the proxy sends the row itself to replicas that no object server has told.

    :param partition: the container's
    :param replicas: of the container
    :param common: who asks, for the logs
    """

    def __init__(
        self, cluster: Cluster, name: EntityName, partition: int, replicas: list[Target], common: HeaderList
    ) -> None:
        self.cluster = cluster
        self.name = name
        self.partition = partition
        self.replicas = replicas
        self.common = common

    def settle(self, replies: Iterable[Reply], row: KnownRow, lost: list[HeaderList]) -> None:
        """See to the row of a change that is about to be acknowledged.

        :param replies: what the object servers answered
        :param row: the row as the proxy knows it
        :param lost: headers of the requests that no object server carried out; they name containers nobody has told
        """
        reports = [found for reply in replies if (found := RowReport.from_headers(reply.headers)) is not None]
        told = {name for report in reports for name in report.told}
        untold = [replica for replica in self.replicas if _name(replica) not in told]
        needed = majority(len(self.replicas)) - (len(self.replicas) - len(untold))
        if needed > 0 and self._waits(reports):
            reported = next((report.row for report in reports if report.row is not None), None)
            self._send_now(row.operation, reported or row.headers(), untold, needed)
        elif lost and (headers := row.headers()) is not None:
            # Best effort, to keep listings exact until container replication comes round: nobody spools what fails here.
            for replica in _replicas_of(lost):
                spawn(self._send, row.operation, headers, replica, None)

    def _waits(self, reports: list[RowReport]) -> bool:
        """Whether success depends on rows; not where all object servers are of a kind that tells nothing of them."""
        if self.cluster.options.listing_consistency != "quorum":
            return False
        if not reports and not self.cluster.has_silent_servers:
            self.cluster.has_silent_servers = True
            self.cluster.log.warning(
                "Object servers do not report who has the row of %s: listings may lag, as with "
                "listing_consistency = eventual (said once)",
                self.name.path,
            )
        return bool(reports)

    def _send_now(self, operation: str, row: dict[str, str] | None, untold: list[Target], needed: int) -> None:
        """Send the row to replicas that have not got it, and wait until enough of them have, or the time is over.

        :param row: None where nobody here knows it
        """
        results: Any = Queue()
        waiting = len(untold) if row is not None else 0
        for replica in untold[:waiting]:
            spawn(self._send, operation, row, replica, results)
        deadline = monotonic() + PATIENCE
        while waiting >= needed > 0:
            try:
                needed -= results.get(timeout=max(0.0, deadline - monotonic()))
            except QueueEmpty:
                break
            waiting -= 1
        if needed > 0:
            self.cluster.late_rows += 1
            self.cluster.log.warning(
                "Listings may lag behind %s: %d of the container's %d replicas have its row, %d should (%d such so far)",
                self.name.path,
                majority(len(self.replicas)) - needed,
                len(self.replicas),
                majority(len(self.replicas)),
                self.cluster.late_rows,
            )

    def _send(self, operation: str, row: dict[str, str], replica: Target, results: Any) -> None:
        try:
            address = parse_host(replica.host)
            message = {**dict(self.common), **row}
            send_row(self.cluster.client, address, replica.device, self.partition, self.name.path, operation, message)
        except (RowRefused, RowUnsent) as error:
            self.cluster.log.error("ERROR container update by the proxy failed: %s", error)
            taken = False
        else:
            taken = True
        if results is not None:
            results.put(taken)


def _name(replica: Target) -> str:
    """The replica as reports name it: without the brackets that an IPv6 address has in headers."""
    return f"{replica.host.replace('[', '').replace(']', '')}/{replica.device}"


def _replicas_of(lost: list[HeaderList]) -> Iterable[Target]:
    for headers in lost:
        targets = UpdateTargets.from_headers("Container", dict(headers))
        if targets is not None:
            yield from (Target(host, device) for host, device in targets.pairs())
