"""What it means that both stores answer a table's cases alike: all that differs is listed, and all that is listed differs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import pytest

from functional.object_cases.notation import Case, Table, request
from functional.object_cases.site import Site
from interop.known_differences import Subjects, all_of, explain
from interop.side_by_side import compare
from swiftlite.core.json_text import load_json

Sites = Mapping[str, Site]
Seen = dict[str, list[str]]
"""The titles of the listed differences that each case showed, by its name."""


def names_of(cases: Sequence[tuple[Table, Case]]) -> list[str]:
    """Return what pytest calls each case."""
    return [f"{table.name}/{case.name}" for table, case in cases]


def assert_agree(subjects: Subjects, seen: Seen, sites: Sites, table: Table, case: Case) -> None:
    """Send a case to both stores; what differs must be listed. Note in `seen` what was."""
    name = f"{table.name}/{case.name}"
    found = [
        (line, explain(subjects, f"{name}: {line.place}")) for line in compare(table, case, sites, int(time.time()))
    ]
    seen[name] = [known.title for _, known in found if known]
    unlisted = [str(line) for line, known in found if known is None]
    assert not unlisted, "\n".join(unlisted)


def assert_listed_differ(subjects: Subjects, seen: Seen, cases: Sequence[tuple[Table, Case]]) -> None:
    """Every listed difference that a request can show must have been seen; skips where only some cases were run."""
    if len(seen) < len(cases):
        pytest.skip("only some of the cases were run")
    shown = {title for titles in seen.values() for title in titles}
    gone = [one.title for one in all_of(subjects) if one.shows and one.title not in shown]
    assert not gone, f"these differ no more: {gone}"


def assert_info_agrees(sites: Sites) -> None:
    """/info of every filter must be the same; only the server's own section names a version, and recon only ours."""
    ours, theirs = (load_json(site.ask(request("GET", "/info")).body) for site in sites.values())
    names = sorted({*ours, *theirs} - {"swift", "recon"})
    unlike = [f"{name}: {ours.get(name)} | {theirs.get(name)}" for name in names if ours.get(name) != theirs.get(name)]
    assert not unlike, "\n".join(unlike)
