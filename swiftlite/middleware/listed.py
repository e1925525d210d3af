"""Changes the entries of a listing that passes by, and lets other requests run meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from swiftlite.common.concurrency import in_turns
from swiftlite.core.listing_formats import read_entries


def change_entries(body: bytes, change: Callable[[Any], None]) -> bytes:
    """A JSON list after something has been done to every entry of it.

    :param change: changes the entry that it is given
    :raises ValueError: when the body is no JSON list
    """
    pieces = []
    for entries in in_turns(read_entries(body)):
        for entry in entries:
            change(entry)
        pieces.append(json.dumps(entries)[1:-1])
    return f"[{', '.join(filter(None, pieces))}]".encode("ascii")
