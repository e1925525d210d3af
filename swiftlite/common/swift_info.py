"""What /info tells of a process: every filter registers its capabilities here (formats.md 7.10)."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

_public: dict[str, dict[str, Any]] = {}
_admin: dict[str, dict[str, Any]] = {}


def register(section: str = "swift", admin: bool = False, **details: Any) -> None:
    """Add details to a section of /info.

    :param section: ``swift`` for the proxy itself, else the filter's name
    :param admin: show them only to who knows the admin key
    :param details: plain JSON data, must not change later
    """
    (_admin if admin else _public).setdefault(section, {}).update(details)


def registered(admin: bool = False, disallowed: Iterable[str] = ()) -> dict[str, dict[str, Any]]:
    """All that was registered, as a copy.

    :param admin: include what only the admin view shows, and name the disallowed sections
    :param disallowed: sections to hide, or ``section.key`` for one detail
    """
    disallowed = list(disallowed)
    shown = deepcopy(_public)
    for name in disallowed:
        section, _, key = name.partition(".")
        if not key:
            shown.pop(section, None)
        elif section in shown:
            shown[section].pop(key, None)
    if admin:
        shown["admin"] = {**deepcopy(_admin), "disallowed_sections": disallowed}
    return shown


def forget() -> None:
    """Empty the registry, for tests and for a pipeline that is loaded again."""
    _public.clear()
    _admin.clear()
