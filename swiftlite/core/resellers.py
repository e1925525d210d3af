"""Reseller prefixes: how the names of accounts tell which auth system and which rules they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def parse_prefixes(text: str) -> tuple[str, ...]:
    """Reseller prefixes, each with its underscore; ``''`` is the empty one."""
    words = ["" if word.strip() == "''" else word.strip() for word in text.split(",") if word.strip()]
    prefixes = [word if not word or word.endswith("_") else f"{word}_" for word in words]
    return tuple(dict.fromkeys(prefixes)) or ("",)


def prefix_of(account: str, prefixes: Sequence[str]) -> str | None:
    """The prefix of an account's name: the empty one only where no other fits; None when the account is not ours."""
    for prefix in prefixes:
        if prefix and account.startswith(prefix):
            return prefix
    return "" if "" in prefixes else None


def prefixed_option(conf: Mapping[str, str], prefix: str, name: str) -> str:
    """An option that may be given for one prefix alone, as ``<PREFIX>_<name>``; ``''<name>`` for the empty one.

    :returns: the prefix's own text, else the one for all; '' where neither says anything
    """
    return conf.get(f"{prefix or _EMPTY}{name}") or conf.get(name) or ""


_EMPTY = "''"
