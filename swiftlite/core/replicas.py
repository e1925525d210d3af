"""Replicas: whom one tells, what to do about an answer, when a copy may go (formats.md 3.7, 4.8)."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from swiftlite.core.hosts import bracketed
from swiftlite.core.json_text import load_json

T = TypeVar("T")

Info = Mapping[str, Any]
"""What a replica says of itself: the reply to ``sync``, or the broker's ``replication_info``."""

_TIMES = ("put_timestamp", "delete_timestamp")
RSYNC_FIELDS = ("ip", "port", "replication_ip", "replication_port", "region", "zone", "device", "meta")
"""What of a ring's device the template of an rsync module may name."""
_SENT_IN_FULL = 0.5
"""Of the rows that we have had, a peer that has had less than this share gets the whole file."""


class Step(enum.Enum):
    """What is to be done about a peer."""

    UP_TO_DATE = "it has all our rows"
    SAME_ROWS = "its rows and ours are the same"
    SEND_ROWS = "send the rows that it lacks"
    SEND_FILE = "send the whole file, there is much that it lacks"
    RENEW_ID = (
        "our name is, or was, another's too: others hold rows that we have not for ours; we need a name of our own"
    )


def next_step(ours: Info, theirs: Info, per_diff: int) -> Step:
    """Decide what a peer needs; what it says it knows (``point``) counts, not what was once sent to it.

    A point beyond our last row would let rows that are yet to come pass for known. A database that was restored from
    an older copy shows itself by that; one that is the copy of another, put there by hand, by its name. Two rows of one
    name and time, in different policies, leave no trace in the hash, but in the count.

    :param per_diff: rows of one message; fewer than that are always sent as rows
    """
    known, last = theirs["point"], ours["max_row"]
    if known > last or theirs["id"] == ours["id"]:
        return Step.RENEW_ID
    if (theirs["hash"], theirs["count"]) == (ours["hash"], ours["count"]):
        return Step.SAME_ROWS
    if known == last:
        return Step.UP_TO_DATE
    if theirs["max_row"] < last * _SENT_IN_FULL and last - theirs["max_row"] > per_diff:
        return Step.SEND_FILE
    return Step.SEND_ROWS


def in_turn(primaries: Sequence[T], own: int | None) -> list[T]:
    """The other replicas in the order in which one talks to them: the next in the ring first.

    So that no two keep each other busy while a third waits.

    :param own: the place of our own device among the primaries; None for a handoff, which tells all
    """
    return list(primaries) if own is None else [*primaries[own + 1 :], *primaries[:own]]


def differing_suffixes(ours: Mapping[str, str], theirs: Mapping[str, Any]) -> list[str]:
    """The suffixes of a partition in which a peer does not have what we have; what only it has it sends us itself.

    :param ours: suffix -> hash (formats.md 3.7)
    """
    if ours == theirs:
        return []
    return sorted([suffix for suffix, found in ours.items() if theirs.get(suffix) != found])


def all_is_told(now: Info, before: Info, answers: Iterable[Info]) -> bool:
    """Whether what a handoff holds is known elsewhere: it is what was told to all peers, or came from one of them.

    :param now: what the database says while nobody can change it
    :param before: what it said when the peers were told
    :param answers: what the peers said of themselves
    """
    if (now["id"], now["max_row"]) != (before["id"], before["max_row"]):
        return False
    sources = [before, *answers]
    if any(now[name] not in {source[name] for source in sources} for name in _TIMES):
        return False
    return _metadata(now) <= set().union(*map(_metadata, sources))


def _metadata(info: Info) -> set[tuple[str, str, str]]:
    text = info["metadata"]
    return {(key, *pair) for key, pair in load_json(text).items()} if text else set()


def enough_succeeded(successes: Sequence[bool], wanted: int) -> bool:
    """Whether a handoff's rows are where they belong.

    :param wanted: option ``handoff_delete``: so many successes are enough; 0: all are needed
    """
    return sum(successes) >= wanted if wanted else bool(successes) and all(successes)


def parse_handoff_delete(text: str) -> int:
    """Option ``handoff_delete``: ``auto``, here 0: a handoff goes when all have what it has; a number: when so many do."""
    if text.strip().lower() == "auto":
        return 0
    try:
        return int(text)
    except ValueError:
        raise ValueError("it must be a whole number, or auto") from None


def parse_rsync_module(text: str) -> str:
    """Option ``rsync_module``: a template of what a ring tells of a device.

    :raises ValueError: for one with other variables
    """
    rsync_module(text, dict.fromkeys(RSYNC_FIELDS, ""))
    return text.strip()


def rsync_module(template: str, node: Mapping[str, Any]) -> str:
    """A peer's rsync module, from the option of that name (formats.md 5.7).

    :param node: the ring's fields of the peer's device
    :raises ValueError: when the template has other variables
    """
    fields = {name: node[name] for name in RSYNC_FIELDS}
    for name in ("ip", "replication_ip"):
        fields[name] = bracketed(fields[name])
    try:
        return template.format(**fields).rstrip("/")
    except (KeyError, IndexError, AttributeError) as error:
        raise ValueError(f"{template!r} has no such variable: {error}") from None
