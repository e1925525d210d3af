"""The options of the filter bulk."""

from __future__ import annotations

from dataclasses import dataclass

from swiftlite.common.config import option


@dataclass(frozen=True)
class BulkOptions:
    """The filter's section."""

    max_containers_per_extraction: int = option(10000, "containers that one archive may make")
    max_failed_extractions: int = option(
        1000, "files of an archive that cannot be stored, after which the rest is left"
    )
    max_deletes_per_request: int = option(10000, "names that one list of what is to be deleted may have")
    max_failed_deletes: int = option(1000, "names that cannot be deleted, after which the rest is left")
    yield_frequency: float = option(10, "seconds between the blanks that keep a waiting client's connection alive")
    delete_container_retry_count: int = option(
        0, "how often a deletion is tried again that found a conflict: a container whose listing is behind"
    )
    delete_concurrency: int = option(2, "deletions that are made at once, 1000 at most")
    swift_dir: str = option("/etc/swift", "directory of swift.conf")
