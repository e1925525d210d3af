"""What an object server's clients may ask and must hear: tables of requests and answers, one module per subject."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping

from functional.object_cases.notation import Case, Table


def tables() -> dict[str, Table]:
    """Return every table by its name, that of its module."""
    return tables_of(__name__, __path__)


def all_cases() -> list[tuple[Table, Case]]:
    """Return every case with the table it is of."""
    return cases_of(tables())


def tables_of(package: str, path: Iterable[str]) -> dict[str, Table]:
    """Return the tables that the modules of a package hold, by their names."""
    found = {}
    for info in pkgutil.iter_modules(path):
        module = importlib.import_module(f"{package}.{info.name}")
        if hasattr(module, "CASES"):
            found[info.name] = Table(info.name, tuple(getattr(module, "SETUP", ())), tuple(module.CASES))
    return found


def cases_of(tables: Mapping[str, Table]) -> list[tuple[Table, Case]]:
    """Return every case with the table it is of."""
    return [(table, case) for table in tables.values() for case in table.cases]
