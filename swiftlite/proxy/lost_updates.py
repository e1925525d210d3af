"""Tell containers what an object server was to tell them, when it died with its copy of the object."""

from __future__ import annotations

from swiftlite.common.concurrency import spawn
from swiftlite.core.names import EntityName
from swiftlite.proxy.cluster import Cluster
from swiftlite.proxy.headers import HeaderList
from swiftlite.wire.direct import RowRefused, RowUnsent, parse_host, send_row
from swiftlite.wire.messages import ObjectRowUpdate, UpdateTargets

OVERRIDES = ("X-Backend-Container-Update-Override-", "X-Object-Sysmeta-Container-Update-Override-")


def tell_containers(
    cluster: Cluster, name: EntityName, row: ObjectRowUpdate, lost: list[HeaderList], common: HeaderList
) -> None:
    """Send the row, in the background, to the containers whose object server failed.

    Best effort, to keep listings exact until container replication comes round: nobody spools what fails here.

    :param lost: headers of the requests that no object server carried out; they name the containers
    :param common: who asks, for the logs
    """
    for headers in lost:
        named = dict(headers)
        targets = UpdateTargets.from_headers("Container", named)
        # Middleware that replaces parts of the row speaks to object servers; only they know how to apply it.
        if targets is None or any(key.startswith(OVERRIDES) for key in named):
            continue
        for host, device in targets.pairs():
            spawn(_tell_one, cluster, (host, device, targets.partition), name, row, common)


def _tell_one(
    cluster: Cluster, where: tuple[str, str, str], name: EntityName, row: ObjectRowUpdate, common: HeaderList
) -> None:
    host, device, partition = where
    try:
        headers = dict(common) | row.to_headers()
        send_row(cluster.client, parse_host(host), device, partition, name.path, row.operation, headers)
    except (RowRefused, RowUnsent) as error:
        cluster.log.error("ERROR container update of a lost object server failed: %s", error)
