"""Where swiftlite's filters answer otherwise than OpenStack Swift's on purpose."""

from __future__ import annotations

from interop.known_differences import Difference

SUBJECTS: dict[str, tuple[Difference, ...]] = {
    "bulk": (
        Difference(
            "an archive that is damaged in its midst",
            "`400 Bad Request`, `Invalid Tar File: …`; what came before the damage is stored and counted",
            "takes the damage for the archive's end, and answers `201 Created`",
            "a client that is told 201 deletes what it has sent",
            ("bulk/upload damaged gz: PUT 200 body", "bulk/upload cut short in a *: PUT 200 body"),
        ),
    ),
}
