"""Quotas: how much an account or a container may hold, and whether one object more fits (formats.md 7.20)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LEGACY_QUOTA = "meta-quota-bytes"
"""The user metadata that held an account's quota in bytes of old, and sets it still."""


@dataclass(frozen=True)
class Quota:
    """What there may be, and what there is; None: no limit."""

    most_bytes: int | None
    most_objects: int | None
    used_bytes: int
    used_objects: int

    def has_room(self, size: int) -> bool:
        """Whether an object of so many bytes more fits. One that it would replace is not taken off: nobody knows its size."""
        return (self.most_bytes is None or self.used_bytes + size <= self.most_bytes) and (
            self.most_objects is None or self.used_objects + 1 <= self.most_objects
        )


def is_limit(text: str | None) -> bool:
    """Whether a header's value can be a quota: digits, or nothing, which takes the quota away."""
    return not text or (text.isascii() and text.isdigit())


def container_quota(info: Mapping[str, Any]) -> Quota | None:
    """The quota of a container.

    :param info: as the proxy keeps it, with ``meta``, ``bytes`` and ``object_count``
    :returns: None where it has none, as nearly all have
    """
    meta = info["meta"]
    if "quota-bytes" not in meta and "quota-count" not in meta:
        return None
    return Quota(
        _limit(meta.get("quota-bytes")), _limit(meta.get("quota-count")), int(info["bytes"]), int(info["object_count"])
    )


def account_quota(info: Mapping[str, Any]) -> Quota | None:
    """The quota of an account over all storage policies; of old there were bytes in its user metadata."""
    system, user = info["sysmeta"], info["meta"]
    if "quota-bytes" not in system and "quota-bytes" not in user and "quota-count" not in system:
        return None
    most_bytes = _limit(system.get("quota-bytes", user.get("quota-bytes")))
    return Quota(most_bytes, _limit(system.get("quota-count")), int(info["bytes"]), int(info["total_object_count"]))


def policy_quota(info: Mapping[str, Any], policy_index: str) -> Quota | None:
    """The quota of an account in one storage policy.

    :param policy_index: of the container that the object goes to
    """
    system = info["sysmeta"]
    most_bytes = system.get(f"quota-bytes-policy-{policy_index}")
    most_objects = system.get(f"quota-count-policy-{policy_index}")
    if most_bytes is None and most_objects is None:
        return None
    used = info.get("storage_policies", {}).get(policy_index, {})
    return Quota(_limit(most_bytes), _limit(most_objects), used.get("bytes", 0), used.get("object_count", 0))


def has_policy_quotas(info: Mapping[str, Any]) -> bool:
    """Whether an account has a quota in any storage policy: only then the container's matters."""
    return any(name.startswith(("quota-bytes-policy-", "quota-count-policy-")) for name in info["sysmeta"])


def _limit(text: str | None) -> int | None:
    """A stored quota; what is no number limits nothing."""
    try:
        limit = int(text or "")
    except ValueError:
        return None
    return limit if limit >= 0 else None


def new_quotas(sent: Mapping[str, str], policies: Mapping[str, int]) -> list[tuple[str, str]]:
    """The quotas that a change of an account sets, good or not (:func:`is_limit`).

    :param sent: the request's headers, names in lower case
    :param policies: index of each storage policy, by its name in lower case
    :returns: header in which the account server keeps each, and its value; an empty one takes it away
    """
    found = []
    for word in ("quota-bytes", "quota-count"):
        for name, index in [(None, None), *policies.items()]:
            value = _sent_quota(sent, word if name is None else f"{word}-policy-{name}")
            if value is not None:
                found.append((f"x-account-sysmeta-{word}" + ("" if index is None else f"-policy-{index}"), value))
    return found


def _sent_quota(sent: Mapping[str, str], word: str) -> str | None:
    """What a request sets a quota to; its removal counts where both are there."""
    names = [word, LEGACY_QUOTA] if word == "quota-bytes" else [word]
    if any(sent.get(f"x-remove-account-{name}") for name in names):
        return ""
    values = [value for name in names if (value := sent.get(f"x-account-{name}")) is not None]
    return next(filter(None, values), "") if values else None
