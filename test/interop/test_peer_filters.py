"""The filters as clients see them: every case of their tables sent to OpenStack Swift and to us has the same answers.

What differs on purpose stands in filter_differences, with its reason; anything else fails, and so does a listed
difference that has gone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from fakes.dns_server import CNAMES, TABLES, DNSServer
from functional.filter_cases import all_cases
from functional.filter_cases.settings import SETTINGS, SWIFT_CONF
from functional.object_cases.notation import Case, Table, request
from functional.object_cases.site import Site
from interop.filter_differences import SUBJECTS
from interop.known_differences import all_of, explain
from interop.side_by_side import compare, sites_of, two_clusters
from swiftlite.core.json_text import load_json

CASES = all_cases()


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    """Both clusters, for all cases."""
    directory = tmp_path_factory.mktemp("sites")
    with DNSServer(CNAMES, TABLES), two_clusters(directory, SETTINGS, SWIFT_CONF) as clusters:
        yield sites_of(clusters)


@pytest.fixture(scope="module")
def seen() -> dict[str, list[str]]:
    """The titles of the differences that each case showed."""
    return {}


@pytest.mark.parametrize(("table", "case"), CASES, ids=[f"{table.name}/{case.name}" for table, case in CASES])
def test_answers_agree(sites: dict[str, Site], seen: dict[str, list[str]], table: Table, case: Case) -> None:
    name = f"{table.name}/{case.name}"
    found = [
        (line, explain(SUBJECTS, f"{name}: {line.place}")) for line in compare(table, case, sites, int(time.time()))
    ]
    seen[name] = [known.title for _, known in found if known]
    assert not [str(line) for line, known in found if known is None]


def test_what_is_listed_differs(seen: dict[str, list[str]]) -> None:
    if len(seen) < len(CASES):
        pytest.skip("only some of the cases were run")
    shown = {title for titles in seen.values() for title in titles}
    assert not [one.title for one in all_of(SUBJECTS) if one.shows and one.title not in shown]


def test_info_agrees(sites: dict[str, Site]) -> None:
    """/info of every filter; only the server's own section names a version."""
    ours, theirs = (load_json(site.ask(request("GET", "/info")).body) for site in sites.values())
    assert {name: ours[name] for name in ours if name != "swift"} == {
        name: theirs[name] for name in theirs if name != "swift"
    }
