"""Filters whose options are not left at their defaults: OpenStack Swift and we give the same answers.

What differs on purpose stands in filter_differences, with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from functional.filter_conf_cases import all_cases
from functional.filter_conf_cases.settings import SETTINGS, prepare
from functional.object_cases.notation import Case, Table
from functional.object_cases.site import Site
from interop.agreement import Seen, assert_agree, assert_info_agrees, assert_listed_differ, names_of
from interop.filter_differences import CONFS
from interop.side_by_side import sites_of, two_clusters

CASES = all_cases()


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    """Both clusters, for all cases."""
    with two_clusters(tmp_path_factory.mktemp("confs"), SETTINGS) as clusters:
        for cluster in clusters.values():
            prepare(cluster)
        yield sites_of(clusters)


@pytest.mark.parametrize(("table", "case"), CASES, ids=names_of(CASES))
def test_answers_agree(sites: dict[str, Site], seen: Seen, table: Table, case: Case) -> None:
    assert_agree(CONFS, seen, sites, table, case)


def test_what_is_listed_differs(seen: Seen) -> None:
    assert_listed_differ(CONFS, seen, CASES)


def test_info_agrees(sites: dict[str, Site]) -> None:
    assert_info_agrees(sites)
