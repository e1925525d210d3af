"""Reading JSON that others have written: a client, another server, a disk."""

from __future__ import annotations

import json
from typing import Any


def load_json(text: str | bytes) -> Any:
    """The value that a text spells.

    :raises ValueError: when it is no JSON; lists in lists in lists, deeper than anybody can read them, are none either
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
