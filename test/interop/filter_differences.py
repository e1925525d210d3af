"""Where swiftlite's filters answer otherwise than OpenStack Swift's on purpose."""

from __future__ import annotations

from interop.known_differences import Difference

SUBJECTS: dict[str, tuple[Difference, ...]] = {}
