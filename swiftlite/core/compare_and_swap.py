"""If-Match and If-None-Match of changes: compare-and-swap (doc/compare-and-swap.md)."""

from __future__ import annotations

from swiftlite.core.preconditions import matches
from swiftlite.core.quorum import majority


def refuses_change(match: str | None, none_match: str | None, etag: str | None) -> bool:
    """Whether a change's conditions forbid it (RFC 9110 13.1.1 and 13.1.2).

    :param match: the If-Match header, if there is one
    :param none_match: the If-None-Match header, if there is one
    :param etag: of the object as its clients know it, without quotes; None where there is no object
    """
    if match and (etag is None or not matches(match, etag)):
        return True
    return bool(none_match) and etag is not None and matches(none_match or "", etag)


class Ballot:
    """The votes of an object's replicas on a conditional change: is what the client has seen still there?

    :param voters: how many replicas there are
    """

    def __init__(self, voters: int) -> None:
        self.needed = majority(voters)
        self.voters = voters
        self.yes = 0
        self.no = 0

    @property
    def is_carried(self) -> bool:
        """Whether more than half agree."""
        return self.yes >= self.needed

    @property
    def is_rejected(self) -> bool:
        """Whether so many disagree that more than half cannot agree, whatever those would say that are silent."""
        return self.voters - self.no < self.needed
