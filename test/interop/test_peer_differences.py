"""Objects as clients see them: every case of the tables sent to OpenStack Swift and to us has the same answers.

What differs on purpose stands in object_differences, with its reason; anything else fails, and so does a listed
difference that has gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from functional.object_cases import all_cases
from functional.object_cases.notation import Case, Table
from functional.object_cases.settings import SETTINGS
from functional.object_cases.site import Site
from interop.agreement import Seen, assert_agree, assert_listed_differ, names_of
from interop.differences_document import document
from interop.object_differences import SUBJECTS
from interop.side_by_side import sites_of, two_clusters

CASES = all_cases()
DOCUMENT = Path(__file__).resolve().parents[2] / "doc" / "differences.md"


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    """Both clusters, for all cases."""
    with two_clusters(tmp_path_factory.mktemp("sites"), SETTINGS) as clusters:
        yield sites_of(clusters)


@pytest.mark.parametrize(("table", "case"), CASES, ids=names_of(CASES))
def test_answers_agree(sites: dict[str, Site], seen: Seen, table: Table, case: Case) -> None:
    assert_agree(SUBJECTS, seen, sites, table, case)


def test_what_is_listed_differs(seen: Seen) -> None:
    assert_listed_differ(SUBJECTS, seen, CASES)


def test_the_document_lists_them() -> None:
    remedy = "PYTHONPATH=test python -m interop.differences_document > doc/differences.md"
    assert DOCUMENT.read_text(encoding="utf-8") == document(), remedy
