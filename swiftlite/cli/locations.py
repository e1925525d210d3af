"""Where a name or a partition is on the cluster, as lines for operators: its nodes, and commands that ask them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from swiftlite.cli.tool import printable
from swiftlite.core.hosts import spell_address
from swiftlite.core.names import EntityName, quote_path
from swiftlite.ring.ring import Node, Ring

HANDOFF = " # [Handoff]"
NOTE = (
    "note: `/srv/node*` is used as default value of `devices`, the real value is set in the config file on each "
    "storage node."
)


@dataclass(frozen=True)
class Place:
    """What is looked for.

    :ivar directory: of a device: ``accounts``, ``containers``, ``objects`` or ``objects-N``
    :ivar name: account, container or object; None when only a partition is asked for
    :ivar name_hash: of the name; None to be shown whole partitions
    :ivar policy_index: for the header of requests to object servers; None: without it
    """

    directory: str
    partition: int
    name: EntityName | None
    name_hash: str | None
    policy_index: int | None = None


def locate(ring: Ring, directory: str, name: EntityName, policy_index: int | None = None) -> Place:
    """The place of a name; arguments as in :class:`Place`."""
    return Place(directory, ring.partition(*name), name, ring.hash_path.hex(*name), policy_index)


def location_lines(ring: Ring, place: Place, all_handoffs: bool = False) -> list[str]:
    """Lines that say where a place is, in the order and spelling of OpenStack Swift's tools.

    :param all_handoffs: name every handoff, not just as many as there are primaries
    :raises ValueError: when the ring has no such partition
    """
    primaries = ring.primaries(place.partition)
    handoffs = list(islice(ring.handoffs(place.partition), None if all_handoffs else len(primaries)))
    lines = [f"Partition\t{place.partition}", f"Hash     \t{place.name_hash}", ""]
    lines += [_server_line(node) for node in primaries]
    lines += [f"{_server_line(node)}\t [Handoff]" for node in handoffs]
    lines += ["", ""]
    if place.name is not None:
        lines += _marked([curl_line(node, place) for node in primaries], [curl_line(node, place) for node in handoffs])
    lines += ["", "", "Use your own device location of servers:", 'such as "export DEVICE=/srv/node"']
    lines += _marked([_ssh_line(node, place) for node in primaries], [_ssh_line(node, place) for node in handoffs])
    return [*lines, "", NOTE]


def _marked(primaries: Sequence[str], handoffs: Sequence[str]) -> Iterator[str]:
    yield from primaries
    yield from (line + HANDOFF for line in handoffs)


def _server_line(node: Node) -> str:
    return f"Server:Port Device\t{node.ip}:{node.port} {printable(node.device)}"


def curl_line(node: Node, place: Place) -> str:
    """A command that asks a node for the name, as a shell takes it."""
    assert place.name is not None
    url = f"http://{spell_address(*node.address)}/{quote_path(node.device)}/{place.partition}{quote_path(place.name.path)}"
    policy = "" if place.policy_index is None else f' -H "X-Backend-Storage-Policy-Index: {place.policy_index}"'
    return f'curl -g -I -XHEAD "{url}"{policy} --path-as-is'


def _ssh_line(node: Node, place: Place) -> str:
    path = f"{place.directory}/{place.partition}"
    if place.name_hash is not None:
        path += f"/{place.name_hash[-3:]}/{place.name_hash}"
    # Two shells read the device's name: that of this machine, in double quotes, and that of the node.
    device = re.sub(r'([\\$`"])', r"\\\1", shlex.quote(node.device))
    return f'ssh {shlex.quote(node.ip)} "ls -lah ${{DEVICE:-/srv/node*}}/{device}/{path}"'
