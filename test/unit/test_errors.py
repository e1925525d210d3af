"""doc/errors.md has every message that the source can utter to an operator, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from fakes.messages import messages

ROOT = Path(__file__).resolve().parents[2]
_ROW = re.compile(r"^\| (`+)(?P<message>.*?)\1 \| (?P<meaning>[^|]+) \| (?P<remedy>[^|]+) \|$", re.MULTILINE)


def test_every_message_is_explained_and_none_that_is_not_uttered() -> None:
    page = (ROOT / "doc" / "errors.md").read_text()
    explained = [match["message"].strip() for match in _ROW.finditer(page)]
    uttered = messages(ROOT / "swiftlite")
    missing = [f"{text}   ({', '.join(sorted(uttered[text]))})" for text in sorted(uttered.keys() - set(explained))]
    assert missing == [], "explain these in doc/errors.md"
    assert sorted(set(explained) - uttered.keys()) == [], "these are not uttered any more"
    assert len(explained) == len(set(explained)) == len(page.split("\n| `")) - 1


def test_messages_are_found_in_whatever_way_they_are_spelled(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "module.py").write_text(
        "def go(path, logger):\n"
        "    problem = f'{path} is bad'\n"
        "    logger.warning('%s: %5.1f seconds', path, 2)\n"
        "    logger.error('%s', path)\n"
        "    logger.error('first: ' + 'second')\n"
        "    report.add(ERROR, None, None, 'a finding' if path else 'another', 'a remedy')\n"
        "    raise ConfigError(path, None, None, problem, 'correct it')\n"
    )
    found = {"… is bad", "…: … seconds", "first: second", "a finding", "another"}
    assert messages(package) == {text: {"package/module.py"} for text in found}
