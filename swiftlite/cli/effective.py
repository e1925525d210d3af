"""What holds in a conf: each option of each section with its value, where that came from, and its default; pure."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from swiftlite.common import option_tables, swift_options
from swiftlite.common.conf_lines import DEFAULT, PASTE, Assignment, Outline
from swiftlite.common.config import SECRET, ConfigError, read_options
from swiftlite.common.unknown_options import find_unread, section_kind, table_of

HIDDEN = "********"
_IN_URL = re.compile(r"(://[^/@:\s]*:)[^/@\s]+@")
_REFERENCE = re.compile(r"%\(([^)]+)\)s")
_NO_USERS = option_tables.names_of(option_tables.filter_table("tempauth")) | swift_options.PASTE | swift_options.LOGGING
SHARED = option_tables.names_of(option_tables.load(option_tables.SERVER))


@dataclass(frozen=True)
class Value:
    """An option that holds in a section.

    :ivar default: what holds where nobody says anything; None: there is no such thing
    :ivar source: ``default``, ``section``, ``set`` (PasteDeploy's) or ``DEFAULT``
    :ivar file: that says so; empty for a default
    :ivar note: what is wrong with it, in words
    """

    section: str
    option: str
    value: str
    default: str | None
    differs: bool
    source: str
    file: str = ""
    line: int = 0
    note: str = ""

    @property
    def origin(self) -> str:
        """Where it came from, for a table."""
        if self.source == "default":
            return "default"
        marks = {"DEFAULT": " [DEFAULT]", "set": " set", "section": ""}
        return f"{self.file}:{self.line}{marks[self.source]}"


def effective(outline: Outline, sections: Iterable[str], *, all_options: bool = False) -> list[Value]:
    """All that holds in some sections, in order; options of a table before those whose names the operator made.

    Outside of ``[DEFAULT]`` its options are shown only where a section says otherwise.

    :param all_options: show them everywhere
    """
    values: list[Value] = []
    for section in sections:
        values += _section(outline, section, all_options)
    return values


def _section(outline: Outline, section: str, all_options: bool) -> Iterator[Value]:
    table = table_of(section, outline.value(section, "use"))
    own = list(dict.fromkeys(found.name for found in outline.own(section).values()))
    unread = {each.assignment.option: each for each in find_unread(outline, [section]) if section in outline.headers}
    texts = outline.texts(section)
    fields = {found.name: found for found in dataclasses.fields(table)} if table else {}  # type: ignore[arg-type]
    unused: frozenset[str] = getattr(table, "not_in_samples", frozenset())
    for name in own:
        if name in swift_options.PASTE and name not in fields:  # which factory: no setting, but good to know
            yield dataclasses.replace(_assigned(outline, section, texts[name], None, None, ""), differs=False)
    for name, field in fields.items():
        silent = section != DEFAULT and (name in SHARED or name in unused) and name not in own
        if not silent or all_options:
            assignment = texts.get(name)
            if assignment is None:
                text = option_tables.default_text(field)
                yield Value(section, name, text, text, False, "default")
            else:
                yield _assigned(outline, section, assignment, table, field, _note(outline, section, assignment, unread))
    for name in own:
        if name not in fields and name not in swift_options.PASTE:
            found = texts[name]
            yield _assigned(outline, section, found, None, None, _note(outline, section, found, unread))


def _note(outline: Outline, section: str, assignment: Assignment, unread: Mapping[str, Any]) -> str:
    """What is wrong with an option: nobody reads it, or the section's own word does not count."""
    if assignment.section != section:
        own = outline.own(section).get(assignment.name)
        return f"line {own.line} is not heeded without 'set'" if own and own.value != assignment.value else ""
    each = unread.get(assignment.option)
    return f"{each.problem}; {each.remedy}" if each else ""


def _assigned(outline: Outline, section: str, found: Assignment, table: type | None, field: Any, note: str) -> Value:
    text = found.value
    if section.startswith(PASTE):
        text = expand(text, {name: each.value for name, each in outline.texts(section).items()}, outline.path)
    default, differs = None, True
    if table is not None:
        default = option_tables.default_text(field)
        try:
            differs = getattr(read_options(table, {field.name: text}, found.file, section), field.name) != field.default
        except ConfigError as error:
            note = error.problem
    source = "set" if found.is_set else "DEFAULT" if found.section != section else "section"
    return Value(section, found.name, text, default, differs, source, found.file, found.line, note)


def expand(text: str, texts: Mapping[str, str], path: str, depth: int = 10) -> str:
    """A value with what its ``%(name)s`` stand for, as PasteDeploy's factories get it; unknown names stay.

    :param path: of the conf: ``%(here)s`` is its directory
    """
    absolute = os.path.abspath(path)
    known = {"here": os.path.dirname(absolute), "__file__": absolute, **texts}
    for _ in range(depth):
        expanded = _REFERENCE.sub(lambda found: known.get(found[1], found[0]), text)
        if expanded == text:
            break
        text = expanded
    return text


def without_secrets(values: Iterable[Value], kinds: Mapping[str, str]) -> list[Value]:
    """The same, with keys, passwords and the cluster's hash secret hidden; one that is empty is seen to be.

    :param kinds: what each section is for, as ``section_kind`` says
    """
    return [
        dataclasses.replace(
            value,
            value=_hidden(value.value, value.option, kinds.get(value.section, "")),
            default=value.default and _hidden(value.default, value.option, kinds.get(value.section, "")),
        )
        for value in values
    ]


def _hidden(text: str, option: str, kind: str) -> str:
    if text and SECRET.fullmatch(option):
        return HIDDEN
    if text and kind == "filter:tempauth" and option not in _NO_USERS:  # "usr_a_b = key" is one, misspelt
        return " ".join([HIDDEN, *text.split()[1:]])
    return _IN_URL.sub(rf"\1{HIDDEN}@", text)


def kinds_of(outline: Outline) -> dict[str, str]:
    """What each section of a conf is for."""
    return {section: section_kind(section, outline.value(section, "use")) for section in outline.headers}
