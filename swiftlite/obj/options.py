"""Options of the object server (formats.md 8.2)."""

from __future__ import annotations

from dataclasses import dataclass

from swiftlite.common.config import SHORTEST, ServerOptions, is_true, option
from swiftlite.core.allowed_hosts import AllowedHosts
from swiftlite.core.metadata import ALLOWED_OBJECT_HEADERS
from swiftlite.obj.diskfile import DiskFileOptions
from swiftlite.obj.writer import Reserve


def _parse_percentage(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 100:
        raise ValueError("it must be between 0 and 100")
    return value


@dataclass(frozen=True)
class ObjectOptions(ServerOptions):
    """``[app:object-server]`` over ``[DEFAULT]``."""

    log_requests: bool = option(True, "log a line for every request")
    node_timeout: float = option(3.0, "seconds to wait for a container server's answer", least=SHORTEST)
    conn_timeout: float = option(0.5, "seconds to wait for a connection to a container server", least=SHORTEST)
    container_update_timeout: float = option(
        1.0, "seconds that a client waits at most for container servers; the updater tells those that were slower"
    )
    allowed_update_hosts: AllowedHosts = option(
        AllowedHosts(),
        "servers besides those of the container ring that are told of changes when a request names them:"
        " host, host:port, network/bits; *: any",
        AllowedHosts.parse,
    )
    allowed_headers: tuple[str, ...] = option(
        ALLOWED_OBJECT_HEADERS, "headers that are stored with objects besides their metadata"
    )
    max_upload_time: float = option(86400.0, "seconds that an upload may take")
    disk_chunk_size: int = option(262144, "bytes read from a disk at once", least=1)
    fallocate_reserve: Reserve = option(
        Reserve(), "free space that objects may not use: bytes, or percent of the device", Reserve.parse
    )
    disable_fallocate: bool = option(False, "neither reserve space for big objects, nor hold fallocate_reserve")
    mb_per_sync: int = option(32, "MiB of an upload after which its data are synced, and its pages used anew")
    keep_cache_size: int = option(
        5242880, "bytes up to which an object stays in the page cache after a read or write", least=None
    )
    keep_cache_private: bool = option(
        False, "let bodies of more than 64 KiB stay in the page cache even if their reader had to show a token"
    )
    keep_cache_slo_manifest: bool = option(False, "the same for manifests of large objects alone")
    etag_validate_pct: float = option(100.0, "percent of whole reads that are held against the ETag", _parse_percentage)
    reclaim_age: float = option(604800.0, "seconds after which a tombstone is removed")
    threads_per_disk: int = option(
        4, "real threads of a worker that commit writes to one device; 0: commit in the worker, which waits meanwhile"
    )
    io_uring: bool = option(
        True, "let the kernel sync files by itself where it can, for less CPU than threads take; no: threads do it"
    )
    replication_server: bool | None = option(
        None, "false: refuse replication requests on this port", lambda text: is_true(text) if text.strip() else None
    )
    replication_concurrency: int = option(
        4, "SSYNC requests that all workers together serve at once, others are told to come later; 0: any number"
    )
    replication_concurrency_per_device: int = option(1, "those that one device takes at once; 0: any number")
    replication_lock_timeout: float = option(15.0, "seconds that an SSYNC request waits for its partition and device")
    replication_failure_threshold: int = option(
        100, "failures after which an SSYNC request is broken off, if they are too many for replication_failure_ratio"
    )
    replication_failure_ratio: float = option(1.0, "failures for each success that are still borne with")
    auto_create_account_prefix: str = option(".", "first characters of hidden accounts")
    expiring_objects_account_name: str = option("expiring_objects", "hidden account of the expirer's queue")
    expiring_objects_container_divisor: int = option(
        86400, "seconds of deletions that share a queue container", least=1
    )

    @property
    def disk_file(self) -> DiskFileOptions:
        """Those that concern files."""
        return DiskFileOptions(
            devices=self.devices,
            mount_check=self.mount_check,
            disk_chunk_size=self.disk_chunk_size,
            reserve=self.fallocate_reserve,
            disable_fallocate=self.disable_fallocate,
            bytes_per_sync=self.mb_per_sync << 20,
            keep_cache_size=self.keep_cache_size,
            keep_cache_private=self.keep_cache_private,
            keep_cache_slo_manifest=self.keep_cache_slo_manifest,
            reclaim_age=self.reclaim_age,
            etag_validate_pct=self.etag_validate_pct,
            threads_per_disk=self.threads_per_disk,
            io_uring=self.io_uring,
        )
