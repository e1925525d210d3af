"""The operator's guide says of each procedure what it must, and a test runs each block of commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from probe import guide
from swiftlite.cli import init, init_names, unit_files

TEST = Path(__file__).resolve().parents[1]
RUNNERS = [*TEST.glob("probe/test_guide*.py"), *TEST.glob("interop/test_peer_guide.py"), TEST / "probe" / "operator.py"]
TEXT = guide.GUIDE.read_text()
BLOCKS = guide.blocks(TEXT)
PROCEDURES = [name for kind, name in BLOCKS if kind == "procedure"]
SAID_IN_PASSING = {
    "admin-host",
    "remove-node",
    "restore-rings",
    "restore-container",
    "look-at-quarantined",
    "cluster-secret",
    "wrong-hash-leftovers",
    "start-cluster",
}
"""Further procedures of a section, whose first one says what must be true before; or what all others need."""


def test_there_are_procedures() -> None:
    assert len(PROCEDURES) > 25


@pytest.mark.parametrize("name", PROCEDURES)
def test_a_procedure_says_what_must_be_true_before_and_how_it_is_undone(name: str) -> None:
    place = TEXT.index(f"<!-- procedure: {name} -->")
    _, text = guide.section(TEXT, place)
    assert ("procedure", name) in BLOCKS
    if name not in SAID_IN_PASSING:
        assert "**Before:**" in text
        assert ("check", name) in BLOCKS, "how does one see that it worked?"
        assert re.search(r"\bundo\b", text, re.IGNORECASE)


@pytest.mark.parametrize("block", BLOCKS.values(), ids=lambda block: f"{block.kind}-{block.name}")
def test_every_block_is_run_by_a_test(block: guide.Block) -> None:
    verb = {"procedure": "follows|types", "check": "follows|types", "undo": "undoes|types"}[block.kind]
    calls = rf"(?:{verb})\(\s*(?:\"{block.kind}\",\s*)?\"{block.name}\""
    assert any(re.search(calls, path.read_text()) for path in RUNNERS), f"no test runs {block.kind} {block.name}"


def test_a_release_is_installed_as_the_readme_says() -> None:
    """An upgrade moves the link that both make; in place of a directory it could not."""
    readme = (guide.GUIDE.parents[1] / "README.md").read_text()
    for command in (r"python3 -m venv /opt/.*? install \.", r"ln -s \S+ /opt/swiftlite\b"):
        (line,) = re.findall(command, readme)
        assert line in TEXT
    assert re.findall(r"ln -sf?n? \S+ /opt/swiftlite &&", TEXT) == [], "-T: never into a directory of that name"


TRANSLATED = re.findall(
    r"^\| `systemctl (?P<verb>\S+) (?P<units>.*?)` \| `swiftlite-init (?P<words>[^`]+)`.*\|$", TEXT, re.MULTILINE
)


def programs_of(unit: str) -> set[str]:
    """The daemons that a unit, target or pattern means, without ``swiftlite-``."""
    unit = unit.strip("'").removesuffix(".service")
    name = unit.removeprefix("swiftlite").removeprefix("-").removesuffix(".target")
    roles = {"": None, "*": None, "storage": unit_files.STORAGE_ROLES}.get(name, (name,))
    if "target" not in unit and "*" not in unit:
        return {name}
    return {program.name for program in unit_files.PROGRAMS if roles is None or program.role in roles}


@pytest.mark.parametrize(("verb", "units", "words"), TRANSLATED)
def test_what_swiftlite_init_does_is_what_systemctl_does(verb: str, units: str, words: str) -> None:
    *names, command = words.split()
    assert command == {"is-active": "status", "--failed": "status"}.get(verb, verb)
    assert command in init.COMMANDS
    meant = {wanted.program for wanted in init_names.resolve(names)}
    assert meant == set().union(*map(programs_of, units.split()))


def test_every_verb_that_the_guide_uses_is_translated() -> None:
    used = {verb for block in BLOCKS.values() for verb in re.findall(r"systemctl (\S+) [^|;&\n]*swiftlite", block.text)}
    assert used and used <= {verb for verb, _, _ in TRANSLATED}
    assert f"`tail {init.LOG_DIR}/object-server.log`" in TEXT


def test_commands_without_a_name_are_refused() -> None:
    with pytest.raises(ValueError, match="without a name"):
        guide.blocks("```sh\nls\n```\n")


def test_two_blocks_of_one_name_are_refused() -> None:
    block = "<!-- check: a -->\n```sh\nls\n```\n"
    with pytest.raises(ValueError, match="two blocks"):
        guide.blocks(block + block)
    assert guide.blocks("## H\n" + block)["check", "a"] == guide.Block("check", "a", "ls\n", "## H")


def test_every_alert_rule_has_its_row() -> None:
    rules = (guide.GUIDE.parents[1] / "etc" / "prometheus" / "swiftlite-alerts.yml").read_text()
    names = re.findall(r"alert: (\w+)", rules)
    assert names
    assert [name for name in names if f"`{name}`" not in TEXT] == []
