"""Objects as clients see them: every case of the tables sent to OpenStack Swift and to us has the same answers.

What differs on purpose stands in object_differences, with its reason; anything else fails, and so does a listed
difference that has gone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from functional.object_cases import all_cases
from functional.object_cases.notation import Case, Table
from functional.object_cases.settings import SETTINGS
from functional.object_cases.site import Site
from interop.differences_document import document
from interop.known_differences import all_of, explain
from interop.object_differences import SUBJECTS
from interop.side_by_side import compare, sites_of, two_clusters

CASES = all_cases()
DOCUMENT = Path(__file__).resolve().parents[2] / "doc" / "differences.md"


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    """Both clusters, for all cases."""
    with two_clusters(tmp_path_factory.mktemp("sites"), SETTINGS) as clusters:
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


def test_the_document_lists_them() -> None:
    remedy = "PYTHONPATH=test python -m interop.differences_document > doc/differences.md"
    assert DOCUMENT.read_text(encoding="utf-8") == document(), remedy
