"""Bulk delete: a list of names in a body, each deleted (formats.md 7.19)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from swiftlite.common.subrequest import Environ
from swiftlite.common.web import HTTPNotAcceptable, from_violation, status_line
from swiftlite.core.bulk import NameList, is_object, is_text
from swiftlite.core.constraints import Violation
from swiftlite.core.names import quote_path
from swiftlite.middleware.bulk.requests import check_length, target, tokens
from swiftlite.middleware.client_body import read_body
from swiftlite.middleware.deletions import Deletions, Manner, Target

if TYPE_CHECKING:
    from swiftlite.middleware.bulk.filter import Bulk

AT_ONCE = 65536
MOST_AT_ONCE = 1000


def delete(bulk: Bulk, environ: Environ, media_type: str | None, wants_each: bool) -> Iterable[bytes]:
    """Delete what the body lists.

    :param media_type: to answer in; None: the client takes none of ours
    :param wants_each: the client asks what became of each name
    """
    options = bulk.options
    manner = Manner(
        "BD",
        "BulkDelete",
        min(MOST_AT_ONCE, options.delete_concurrency),
        options.max_failed_deletes,
        options.yield_frequency,
        options.delete_container_retry_count,
        tokens(environ),
    )
    deletions = Deletions(bulk.app, environ, manner, bulk.log)

    def targets() -> Iterator[Target]:
        target(environ)
        if not environ.get("CONTENT_TYPE", "text/plain").startswith("text/plain"):
            raise HTTPNotAcceptable(b"")
        names = [name for name in _names(bulk, environ) if name]
        if wants_each:
            deletions.outcome.each = [(quote_path(name), None) for name in names]
        return in_turn(names)

    return deletions.run(targets, media_type)


def _names(bulk: Bulk, environ: Environ) -> list[str]:
    """The names that a body lists, empty ones among them.

    :raises Answer: when there are too many, one is too long, or the body does not come as it should
    """
    check_length(environ)
    listed = NameList(bulk.constraints, bulk.options.max_deletes_per_request)
    try:
        while data := read_body(environ, AT_ONCE):
            listed.feed(data)
        listed.end()
    except Violation as violation:
        raise from_violation(violation) from None
    return listed.names


def in_turn(names: list[str]) -> Iterator[Target]:
    """Objects first, then containers, which they may have emptied; names that cannot be deleted in their turn."""
    for wants_objects in (True, False):
        for place, name in enumerate(names):
            if is_object(name) is wants_objects:
                yield Target(name, None, _problem(name), place)


def _problem(name: str) -> tuple[int, str] | None:
    if not is_text(name):
        return 412, status_line(412)
    if not name.strip("/"):  # nobody means the account
        return 405, status_line(405)
    return None
