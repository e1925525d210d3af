"""The operator's guide as data: its blocks of commands by kind and name; pure, nothing here runs them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

GUIDE = Path(__file__).resolve().parents[2] / "doc" / "operators-guide.md"
KINDS = ("procedure", "check", "undo")
_BLOCK = re.compile(r"<!-- (?P<kind>\w+): (?P<name>[a-z0-9-]+) -->\n```sh\n(?P<text>.*?)```\n", re.DOTALL)
_FENCE = re.compile(r"^```sh$", re.MULTILINE)
_HEADING = re.compile(r"^#{2,3} .*$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """Commands that stand together: of a procedure, of the check that it worked, or of its undoing.

    `heading` is that of the section which the block stands in.
    """

    kind: str
    name: str
    text: str
    heading: str


def blocks(guide: str) -> dict[tuple[str, str], Block]:
    """All blocks of the guide's text, by kind and name.

    :raises ValueError: when two have one name, or commands stand there without any
    """
    found: dict[tuple[str, str], Block] = {}
    for match in _BLOCK.finditer(guide):
        key = match["kind"], match["name"]
        if key in found:
            raise ValueError(f"there are two blocks {key}")
        found[key] = Block(*key, match["text"], section(guide, match.start())[0])
    if len(_FENCE.findall(guide)) != len(found):
        raise ValueError("there are commands without a name")
    return found


def section(guide: str, place: int) -> tuple[str, str]:
    """Heading and text of the section around a place in the guide."""
    starts = [match for match in _HEADING.finditer(guide) if match.start() <= place]
    following = _HEADING.search(guide, place)
    begin, heading = (starts[-1].end(), starts[-1].group()) if starts else (0, "")
    return heading, guide[begin : following.start() if following else len(guide)]
