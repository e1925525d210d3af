"""Write the table of doc/metrics.md from the declarations: ``python -m swiftlite.cli.metrics_document doc``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from swiftlite.common.metrics import FAMILIES

FILE = "metrics.md"
BEGIN, END = "<!-- made by swiftlite.cli.metrics_document -->\n", "<!-- end -->\n"


def table() -> str:
    """A line for each family."""
    lines = ["| name | type | labels | told by | |", "|---|---|---|---|---|"]
    for name, family in FAMILIES.items():
        labels = ", ".join(f"`{label}`" for label in family.labels)
        lines.append(f"| `{name}` | {family.kind} | {labels} | {family.where} | {family.help} |")
    return "\n".join(lines) + "\n"


def brought_up_to_date(text: str) -> str:
    """The document with the table as it should be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main(argv: Sequence[str]) -> int:
    """Bring the document in the directory named up to date."""
    path = Path(argv[0]) / FILE
    path.write_text(brought_up_to_date(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
