"""What a proxy and container servers say to each other so that a listing can be trusted (doc/consistency.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from swiftlite.core.json_text import load_json
from swiftlite.core.rows import is_storable
from swiftlite.core.trusted_listing import Known
from swiftlite.wire.messages import BadMessage

Headers = Mapping[str, str]
HeaderList = list[tuple[str, str]]

_KNOWN = "X-Backend-Container-Known"
_OF = "X-Backend-Container-Changes-Of"
_SINCE = "X-Backend-Container-Changes-Since"
_UNTIL = "X-Backend-Container-Changes-Until"
_MORE = "X-Backend-Container-Changes-More"
_SAME = "X-Backend-Container-Same-Rows"
_SAME_AS = "X-Backend-Container-Same-Rows-As"

ASK_KNOWN = (_KNOWN, "?")
"""The proxy's header of a GET or HEAD whose answer is to say what the replica knows."""

ASK_ONLY_KNOWN = (_KNOWN, "only")
"""The same of a HEAD whose answer need not say anything else."""


def asks_only_known(headers: Headers) -> bool:
    """Whether a request asks what the replica knows and nothing else."""
    return headers.get(_KNOWN) == ASK_ONLY_KNOWN[1]


def known_header(known: Known) -> tuple[str, str]:
    """The header of an answer that says what the replica knows."""
    return _KNOWN, json.dumps(known)


BUSY = (_KNOWN, "busy")
"""The header of an answer whose replica cannot say it now."""


def speaks_of_known(headers: Headers) -> bool:
    """Whether a request asks what the replica knows, or an answer comes from a server that understood the question."""
    return headers.get(_KNOWN) is not None


def known_of(headers: Headers) -> Known | None:
    """What an answer says that its replica knows; None where it does not say.

    :raises BadMessage: when it cannot be read
    """
    text = headers.get(_KNOWN)
    if text is None or text == BUSY[1]:
        return None
    try:
        known = Known._make(load_json(text))
        if not (isinstance(known.max_row, int) and all(isinstance(row, int) for row in known.points.values())):
            raise ValueError
    except (ValueError, TypeError, AttributeError):
        raise BadMessage(f"Invalid {_KNOWN} header") from None
    return known


class Stretch(NamedTuple):
    """Which rows of a replica are asked for, with a GET, or handed over, with an UPDATE.

    :param of: identity of that replica's database
    :param since: number of the last row that is known already
    """

    of: str
    since: int

    def to_headers(self) -> HeaderList:
        """The headers that carry it."""
        return [(_OF, self.of), (_SINCE, str(self.since))]

    @classmethod
    def from_headers(cls, headers: Headers) -> Stretch | None:
        """Read it from a request; None where there is none.

        :raises BadMessage: when it cannot be read
        """
        of = headers.get(_OF)
        return None if of is None else cls(of, _row(headers, _SINCE))


class Reach(NamedTuple):
    """How far an answer with changes goes.

    :param until: number of its last row
    :param more: whether there are further rows
    """

    until: int
    more: bool

    def to_headers(self) -> HeaderList:
        """The headers that carry it."""
        return [(_UNTIL, str(self.until)), (_MORE, "yes" if self.more else "no")]

    @classmethod
    def from_headers(cls, headers: Headers) -> Reach:
        """Read it from an answer, or from the request that hands the answer on.

        :raises BadMessage: when it cannot be read
        """
        return cls(_row(headers, _UNTIL), headers.get(_MORE) == "yes")


class SameRows(NamedTuple):
    """The proxy's word to one replica that another one has the same rows.

    :param of: identity of the other one's database
    :param rows: hash of these rows
    :param until: number of the other one's newest row then
    """

    of: str
    rows: str
    until: int

    def to_headers(self) -> HeaderList:
        """The headers that carry it."""
        return [(_SAME, self.rows), (_SAME_AS, self.of), (_UNTIL, str(self.until))]

    @classmethod
    def from_headers(cls, headers: Headers) -> SameRows | None:
        """Read it from a request; None where there is none.

        :raises BadMessage: when it cannot be read
        """
        rows = headers.get(_SAME)
        return None if rows is None else cls(headers.get(_SAME_AS, ""), rows, _row(headers, _UNTIL))


def _row(headers: Headers, name: str) -> int:
    try:
        row = int(headers.get(name, ""))
    except ValueError:
        raise BadMessage(f"Invalid {name} header") from None
    if not is_storable([row]):
        raise BadMessage(f"Invalid {name} header: no database has so many rows")
    return row
