"""What filters do whose options are not left at their defaults: tables of requests and answers, one module per filter."""

from __future__ import annotations

from functional.object_cases import cases_of, tables_of
from functional.object_cases.notation import Case, Table


def all_cases() -> list[tuple[Table, Case]]:
    """Return every case with the table it is of."""
    return cases_of(tables_of(__name__, __path__))
