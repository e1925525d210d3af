"""The filters as clients see them: every case of their tables sent to OpenStack Swift and to us has the same answers.

What differs on purpose stands in filter_differences, with its reason; anything else fails, and so does a listed
difference that has gone.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakes.dns_server import CNAMES, TABLES, DNSServer
from functional.filter_cases import all_cases
from functional.filter_cases.settings import SETTINGS, SWIFT_CONF
from functional.object_cases.notation import Case, Table
from functional.object_cases.site import Site
from interop.agreement import Seen, assert_agree, assert_info_agrees, assert_listed_differ, names_of
from interop.filter_differences import SUBJECTS
from interop.side_by_side import sites_of, two_clusters

CASES = all_cases()


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    """Both clusters, for all cases."""
    directory = tmp_path_factory.mktemp("sites")
    with DNSServer(CNAMES, TABLES), two_clusters(directory, SETTINGS, SWIFT_CONF) as clusters:
        yield sites_of(clusters)


@pytest.mark.parametrize(("table", "case"), CASES, ids=names_of(CASES))
def test_answers_agree(sites: dict[str, Site], seen: Seen, table: Table, case: Case) -> None:
    assert_agree(SUBJECTS, seen, sites, table, case)


def test_what_is_listed_differs(seen: Seen) -> None:
    assert_listed_differ(SUBJECTS, seen, CASES)


def test_info_agrees(sites: dict[str, Site]) -> None:
    assert_info_agrees(sites)
