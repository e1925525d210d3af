"""RsyncSender: objects to a peer by rsync, whole suffix directories at a time (formats.md 5.7)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

from swiftlite.common.policies import StoragePolicy
from swiftlite.core import replicas
from swiftlite.http.client import Client
from swiftlite.obj import layout
from swiftlite.obj.diskfile import DiskFileManager
from swiftlite.obj.shipment import Sent, objects_of
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

    def send(
        self,
        node: Node,
        device_root: str,
        policy: StoragePolicy,
        partition: str,
        suffixes: Iterable[str],
        only: Container[str] | None = None,
    ) -> Sent:
        """Send suffixes whole, ``only`` or not; arguments and errors: :class:`~swiftlite.obj.shipment.Sender`'s."""
        root = layout.partition_directory(device_root, policy, partition)
        suffixes = [suffix for suffix in suffixes if self.files.fs.is_directory(f"{root}/{suffix}")]
        # Before rsync looks: what comes later may not have been sent.
        offered = {
            name_hash: found for name_hash, _, found in objects_of(self.files, device_root, policy, partition, suffixes)
        }
        if suffixes:
            call = arguments(self.options, node, policy, root, suffixes, node.region != self.regions[device_root])
            self.run(rsync.run, call, suffix_hashes.spell(node), self.options.timeout)
            suffix_hashes.tell_changed(self.client, node, policy, int(partition), suffixes)
        return Sent(offered, len(offered))


def arguments(
    options: RsyncOptions, node: Node, policy: StoragePolicy, root: str, suffixes: Iterable[str], other_region: bool
) -> list[str]:
    """The words of rsync's command line after its name, the target last.

    :param root: partition directory
    """
    module = replicas.rsync_module(options.module, dataclasses.asdict(node))
    partition = root.rpartition("/")[2]
    return [
        *("--recursive", "--whole-file", "--xattrs", "--ignore-existing", "--no-motd", "--quiet"),
        *(f"--timeout={options.io_timeout}", f"--contimeout={options.io_timeout}", f"--bwlimit={options.bwlimit}"),
        f"--exclude={TEMPORARY_FILES}",
        *(["--compress"] if options.compress and other_region else []),
        *(f"{root}/{suffix}" for suffix in suffixes),
        f"{module}/{node.device}/{policy.objects_dir}/{partition}",
    ]
