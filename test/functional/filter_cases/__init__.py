"""What the filters of the pipeline add to the API: tables of requests and answers, one module per filter."""

from __future__ import annotations

from functional.object_cases import cases_of, tables_of
from functional.object_cases.notation import Case, Table


def tables() -> dict[str, Table]:
    """Return every table by its name, that of its module."""
    return tables_of(__name__, __path__)


def all_cases() -> list[tuple[Table, Case]]:
    """Return every case with the table it is of."""
    return cases_of(tables())
