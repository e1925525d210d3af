"""RsyncSender: objects to a peer by rsync, whole suffix directories at a time (formats.md 5.7)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from swiftlite.core import replicas
from swiftlite.http.client import Client
from swiftlite.obj.diskfile import DiskFileManager
from swiftlite.obj.shipment import Sent, Shipment, objects_of
from swiftlite.ring.ring import Node
from swiftlite.wire import rsync, suffix_hashes

TEMPORARY_FILES = ".*." + "[0-9a-zA-Z]" * 6
"""What rsync itself writes into while it receives: never sent on."""


@dataclasses.dataclass(frozen=True)
class RsyncOptions:
    """How rsync is called.

    :param module: template of the peers' modules
    :param timeout: seconds that one call may take
    :param io_timeout: seconds without progress, and to connect
    :param bwlimit: KiB per second, as rsync spells it; 0: no limit
    :param compress: for peers in other regions
    """

    module: str = "{replication_ip}::object"
    timeout: float = 900.0
    io_timeout: int = 30
    bwlimit: str = "0"
    compress: bool = False


class RsyncSender:
    """Sends whole suffixes; rsync finds out itself which of their files the peer has.

    :param client: tells the peer's server what has come behind its back
    :param run: runs what blocks in a real thread
    :param regions: of our own devices, by their directories
    """

    def __init__(
        self,
        client: Client,
        files: DiskFileManager,
        options: RsyncOptions,
        run: Callable[..., Any],
        regions: Mapping[str, int],
    ) -> None:
        self.client = client
        self.files = files
        self.options = options
        self.run = run
        self.regions = regions

    def send(self, node: Node, shipment: Shipment) -> Sent:
        """Send suffixes whole; arguments and errors: :class:`~swiftlite.obj.shipment.Sender`'s."""
        is_there = self.files.fs.is_directory
        suffixes = [suffix for suffix in shipment.suffixes if is_there(f"{shipment.directory}/{suffix}")]
        shipment = shipment._replace(suffixes=suffixes)
        offered = dict(objects_of(self.files, shipment))  # Before rsync looks: what comes later may not have been sent.
        if suffixes:
            other_region = node.region != self.regions[shipment.device_root]
            call = arguments(self.options, node, shipment, other_region)
            self.run(rsync.run, call, suffix_hashes.spell(node), self.options.timeout)
            suffix_hashes.tell_changed(self.client, node, shipment.policy, shipment.partition, suffixes)
        return Sent(offered, len(offered))


def arguments(options: RsyncOptions, node: Node, shipment: Shipment, other_region: bool) -> list[str]:
    """The words of rsync's command line after its name, the target last."""
    module = replicas.rsync_module(options.module, dataclasses.asdict(node))
    return [
        *("--recursive", "--whole-file", "--xattrs", "--ignore-existing", "--no-motd", "--quiet"),
        *(f"--timeout={options.io_timeout}", f"--contimeout={options.io_timeout}", f"--bwlimit={options.bwlimit}"),
        f"--exclude={TEMPORARY_FILES}",
        *(["--compress"] if options.compress and other_region else []),
        *(f"{shipment.directory}/{suffix}" for suffix in shipment.suffixes),
        f"{module}/{node.device}/{shipment.policy.objects_dir}/{shipment.partition}",
    ]
