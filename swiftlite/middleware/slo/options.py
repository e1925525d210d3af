"""The options of the filter slo."""

from __future__ import annotations

from dataclasses import dataclass

from swiftlite.common.config import at_least, option


def _optional_count(text: str) -> int | None:
    return int(text) if text.strip() else None


@dataclass(frozen=True)
class SLOOptions:
    """The filter's section."""

    max_manifest_segments: int = option(1000, "objects that a new manifest may list")
    max_manifest_size: int = option(8 * 1024 * 1024, "bytes that a new manifest may have")
    rate_limit_under_size: int = option(1024 * 1024, "bytes below which a segment counts as small; 0: none does")
    rate_limit_after_segment: int = option(10, "small segments that a download gets without waiting")
    rate_limit_segments_per_sec: float = option(
        1.0, "small segments a second that it gets then; 0: no limit", least=None
    )
    max_get_time: int = option(86400, "seconds that a download may take")
    concurrency: int = option(2, "segments that are looked at at once when a manifest is made")
    delete_concurrency: int | None = option(
        None, "segments that are deleted at once; default: concurrency", at_least(0, _optional_count)
    )
    yield_frequency: int = option(10, "seconds between the blanks that keep a client with heartbeat=on waiting")
    allow_async_delete: bool = option(True, "let clients leave the deletion of segments to the expirer (async=on)")
    swift_dir: str = option("/etc/swift", "directory of swift.conf")
    auto_create_account_prefix: str = option(".", "first character of Swift's own accounts")
    expiring_objects_account_name: str = option("expiring_objects", "the expirer's account, without that character")
    expiring_objects_container_divisor: int = option(86400, "seconds that share a container of the expirer", least=1)
