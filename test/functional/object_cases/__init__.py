"""What an object server's clients may ask and must hear: tables of requests and answers, one module per subject."""

from __future__ import annotations

import importlib
import pkgutil

from functional.object_cases.notation import Case, Table


def tables() -> dict[str, Table]:
    """Return every table by its name, that of its module."""
    found = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        if hasattr(module, "CASES"):
            found[info.name] = Table(info.name, tuple(getattr(module, "SETUP", ())), tuple(module.CASES))
    return found


def all_cases() -> list[tuple[Table, Case]]:
    """Return every case with the table it is of."""
    return [(table, case) for table in tables().values() for case in table.cases]
