"""How swiftlite-recon writes a section: as a table, or as the lines that swift-recon writes."""

from __future__ import annotations

from collections.abc import Sequence

from swiftlite.cli.recon_checks import Section, Stats

WIDTH = 79
HEADINGS = ("", "low", "high", "avg", "total", "reported", "no result")
NO_DATA = "No hosts returned valid data."


def tables_of(section: Section) -> list[str]:
    """A heading, a table of the figures, and the lines about single hosts."""
    lines = ["", section.title]
    if section.stats:
        rows = [HEADINGS, *(_row(name, stats) for name, stats in section.stats.items())]
        lines += aligned(rows)
    return [*lines, *(f"  {line}" for line in section.lines)]


def _row(name: str, stats: Stats | None) -> tuple[str, ...]:
    if stats is None:
        return (name, "-", "-", "-", "-", "0", "-")
    values = (_figure(value) for value in (stats.low, stats.high, stats.average, stats.total))
    return (name, *values, str(stats.reported), str(stats.missing))


def _figure(value: float) -> str:
    """Whole numbers as they are, others with two digits."""
    return str(int(value)) if value == int(value) else f"{value:.2f}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines, the columns below each other; all but the first to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  " + "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))])
        for row in rows
    ]


def lines_of(section: Section) -> list[str]:
    """As OpenStack Swift's tool writes it."""
    lines = [f"[{section.title}]", *(_line(name, stats) for name, stats in section.stats.items()), *section.lines]
    return [*lines, "=" * WIDTH]


def _line(name: str, stats: Stats | None) -> str:
    if stats is None:
        return f"[{name}] - {NO_DATA}"
    return (
        f"[{name}] low: {int(stats.low)}, high: {int(stats.high)}, avg: {stats.average:.1f}, "
        f"total: {int(stats.total)}, Failed: {stats.percent_missing:.1f}%, no_result: {stats.missing}, "
        f"reported: {stats.reported}"
    )
