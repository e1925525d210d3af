"""Where a container may be synced to: only to hosts that the operator allows (formats.md 5.2)."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from swiftlite.core.names import split_path


def sync_target_problem(url: str, allowed_hosts: Collection[str]) -> str | None:
    """Say what is wrong with an X-Container-Sync-To, or None; nothing at all switches syncing off.

    :param url: ``http://host/v1/account/container``
    :param allowed_hosts: the option ``allowed_sync_hosts``
    """
    if not url:
        return None
    if url.startswith("//"):
        return "X-Container-Sync-To names a realm, and no realms are configured"
    try:
        parts = urlsplit(url)
        host = parts.hostname
        split_path(parts.path, 3, 3)
    except ValueError:
        return "X-Container-Sync-To must be of the form http://host/v1/account/container"
    if parts.scheme not in ("http", "https"):
        return f"X-Container-Sync-To must begin with http:// or https://, not {parts.scheme!r}"
    if parts.query or parts.fragment:
        return "X-Container-Sync-To must have neither query nor fragment"
    if host not in allowed_hosts:
        return f"X-Container-Sync-To: syncing to host {host!r} is not allowed"
    return None
