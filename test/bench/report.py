"""The printed comparison: a table of rates and CPU per operation, for a terminal or for doc/performance.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from rows import Measure, Row

COLUMNS = ("operation", "stack", "rate", "CPU", "p50 ms", "p99 ms", "rate ×", "CPU ÷", "owed ÷", "failed")
BASE = "OpenStack Swift"
OTHER_BASE = "swiftlite, silent"
"""What ratios are against where OpenStack Swift is not measured."""


def lines_of(row: Row, measures: Mapping[str, Measure]) -> list[tuple[str, ...]]:
    """Return the table's lines about one operation, a line per stack; ratios are against BASE or else OTHER_BASE."""
    found = []
    for name, measure in measures.items():
        base = measures.get(BASE) or measures.get(OTHER_BASE)
        rate_ratio = cpu_ratio = owed = ""
        if not measure.requests:  # a loaded machine, and a row that takes seconds
            found.append((row.title, name, "0/s", "", "", "", "", "", "", str(measure.failed)))
            continue
        if base and base.requests and base is not measure:
            rate_ratio = f"{measure.rate / base.rate:.3g}"
            cpu_ratio = f"{base.cost(row) / measure.cost(row):.3g}" if measure.cpu else "-"
            owed = f"{row.owed:g}" if row.owed and name == "swiftlite" else ""
        rate = f"{measure.megabytes_per_second:.0f} MB/s" if row.per_megabyte else f"{measure.rate:.0f}/s"
        cost = f"{measure.cost(row):.3g}" + (" ms/MB" if row.per_megabyte else " ms")
        percentiles = [f"{1000 * sum(values) / len(values):.1f}" for values in (measure.p50, measure.p99)]
        found.append((row.title, name, rate, cost, *percentiles, rate_ratio, cpu_ratio, owed, str(measure.failed)))
    return found


def cost_of_watching(row: Row, measures: Mapping[str, Measure]) -> str:
    """Return a line about what metrics and access logs cost; empty where that was not measured.

    Of each stack the turn counts in which it used least: whatever else the machine does only adds to it.
    """
    if OTHER_BASE not in measures or "swiftlite" not in measures:
        return ""
    least = {name: min(measure.turns) for name, measure in measures.items()}
    told = [f"{name}: {cost:.4f} ms ({cost / least[OTHER_BASE] - 1:+.1%})" for name, cost in least.items()]
    return f"{row.title}, least CPU a request of {len(measures[OTHER_BASE].turns)} turns: {', '.join(told)}"


def state_lines(start: Mapping[str, float], memory: Mapping[str, int]) -> list[tuple[str, ...]]:
    """Return the lines about start-up (seconds from the first process to the first PUT answered) and memory (PSS)."""
    found = []
    for title, values, unit, owed in (
        ("start to first PUT", start, lambda value: f"{value:.2f} s", ""),
        ("memory, PSS", {name: size / 2**20 for name, size in memory.items()}, lambda value: f"{value:.0f} MiB", "2"),
    ):
        base = values.get(BASE)
        for name, value in values.items():
            other = base and name != BASE
            ratio = f"{base / value:.1f}" if base and other else ""
            mine = owed if other and name == "swiftlite" else ""
            found.append((title, name, unit(value), "", "", "", "", ratio, mine, ""))
    return found


def table(lines: Sequence[Sequence[str]], markdown: bool) -> str:
    """Return lines under `COLUMNS` as Markdown or aligned text; an operation is named once."""
    shown = [list(COLUMNS)]
    for number, line in enumerate(lines):
        again = number > 0 and lines[number - 1][0] == line[0]
        shown.append(["" if again else line[0], *line[1:]])
    widths = [max(len(line[column]) for line in shown) for column in range(len(COLUMNS))]
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in shown]
    if not markdown:
        return "\n".join("  ".join(line).rstrip() for line in padded)
    padded.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(line) + " |" for line in padded)


def machine() -> str:
    """Return one line about where this was measured."""
    model = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{os.cpu_count()} x {model}, Linux {platform.release()}, Python {platform.python_version()}"
