"""Where a conf file says what: every option with the file and line that set it, as the parsers of conf files see them."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from swiftlite.common.config import ConfigError, conf_files
from swiftlite.common.permissions import explain

DEFAULT = "DEFAULT"
SET = "set "
PASTE = ("app:", "filter:")
"""How sections begin that factories get through PasteDeploy."""
_REFERENCE = re.compile(r"%\(([^)]+)\)s")


@dataclass(frozen=True)
class Assignment:
    """One line ``option = value``, and those that continue it.

    :ivar option: as it is written: ``set name`` too
    :ivar line: its number, from 1
    """

    section: str
    option: str
    value: str
    file: str
    line: int

    @property
    def is_set(self) -> bool:
        """Whether it is PasteDeploy's ``set name = value``, which goes before ``[DEFAULT]`` (formats.md 8.1)."""
        return self.option.startswith(SET)

    @property
    def name(self) -> str:
        """The option's name, without ``set``."""
        return self.option.removeprefix(SET).strip()


@dataclass
class Outline:
    """The sections of a conf, in order, each with the file and line of its header; and all that they say.

    Of an option that is given twice the last one counts, as everywhere.
    """

    path: str
    headers: dict[str, tuple[str, int]] = field(default_factory=dict)
    assignments: list[Assignment] = field(default_factory=list)

    def own(self, section: str) -> dict[str, Assignment]:
        """What a section itself says, by option as it is written."""
        return {found.option: found for found in self.assignments if found.section == section}

    def repeated(self) -> list[tuple[Assignment, Assignment]]:
        """The lines, first and last, of each option that one section of one file has more than once."""
        first: dict[tuple[str, str, str], Assignment] = {}
        last: dict[tuple[str, str, str], Assignment] = {}
        for found in self.assignments:
            key = (found.file, found.section, found.option)
            if first.setdefault(key, found) is not found:
                last[key] = found
        return [(first[key], found) for key, found in last.items()]

    def find(self, section: str | None, name: str | None) -> Assignment | None:
        """The line that decides an option: the section's, else that of ``[DEFAULT]``."""
        return self.texts(section or DEFAULT).get(name or "")

    def value(self, section: str, name: str, default: str = "") -> str:
        """What a section says of an option."""
        found = self.find(section, name)
        return found.value if found else default

    def place(self, section: str | None, name: str | None = None) -> tuple[str, int]:
        """File and line of an option, else of its section's header, else the conf and 0."""
        found = self.find(section, name)
        if found:
            return found.file, found.line
        return self.headers.get(section or "", (self.path, 0))

    def texts(self, section: str) -> dict[str, Assignment]:
        """What holds in a section, by name: its own options over those of ``[DEFAULT]``.

        In a section of PasteDeploy's one that ``[DEFAULT]`` has, too, counts only with ``set`` (formats.md 8.1).
        """
        merged = {found.name: found for found in self.own(DEFAULT).values()}
        paste = section.startswith(PASTE)
        own = self.own(section).values() if section != DEFAULT else ()
        merged |= {found.name: found for found in own if not found.is_set and not (paste and found.name in merged)}
        return merged | {found.name: found for found in own if found.is_set}

    def referred(self) -> set[str]:
        """Names that some value uses as ``%(name)s``."""
        return {name for found in self.assignments for name in _REFERENCE.findall(found.value)}


def read_outline(path: str) -> Outline:
    """The outline of a conf file, or of a directory of ``*.conf`` files (formats.md 8.1).

    :raises ConfigError: when it cannot be read
    """
    outline = Outline(path)
    try:
        for file in conf_files(path):
            with open(file, encoding="latin-1") as opened:
                outline_lines(opened, str(file), outline)
    except OSError as error:
        file = str(error.filename or path)
        raise ConfigError(path, None, None, *explain(file, error, "give the path of a conf file")) from None
    return outline


def outline_lines(lines: Iterable[str], file: str, outline: Outline) -> None:
    """Add a file's lines to an outline, by the rules of ``configparser``: its own parsers keep no line numbers.

    A line that stands further to the right than the option above it continues that; ``#`` and ``;`` begin comments.
    Lines that are neither are passed over: the parser proper refuses them.
    """
    section, current, indent, blank = "", False, 0, 0
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text[0] in "#;":
            blank += not text  # those within a value are a part of it
            continue
        depth = len(line) - len(line.lstrip())
        if current and depth > indent:
            last = outline.assignments[-1]
            value = last.value + "\n" * (blank + 1) + text
            outline.assignments[-1] = Assignment(section, last.option, value, file, last.line)
            blank = 0
            continue
        current, indent, blank = False, depth, 0
        if header := configparser.RawConfigParser.SECTCRE.match(text):
            section = header["header"]
            outline.headers.setdefault(section, (file, number))
        elif (found := configparser.RawConfigParser.OPTCRE.match(text)) and section:
            outline.assignments.append(
                Assignment(section, found["option"].rstrip(), (found["value"] or "").strip(), file, number)
            )
            current = True
