"""Findings of a check: what is wrong with which option of which line, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from swiftlite.common.conf_lines import DEFAULT, SET, Assignment, Outline
from swiftlite.common.config import ConfigError

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True)
class Finding:
    """One mistake.

    :ivar level: ``error``: it does not work as the conf says; ``warning``: it works, perhaps not as it was meant
    :ivar line: of the file, from 1; 0: of no line
    """

    level: str
    file: str
    line: int
    section: str | None
    option: str | None
    problem: str
    remedy: str

    @property
    def text(self) -> str:
        """The line that an operator reads."""
        where = f"{self.file}:{self.line}:" if self.line else f"{self.file}:"
        where += (f" [{self.section}]" if self.section else "") + (f" {self.option}" if self.option else "")
        return f"{self.level}: {where.removesuffix(':')}: {self.problem}; {self.remedy}".replace("\n", " ")


class Report:
    """The findings about one conf; each option is told of once.

    :param outline: tells the lines
    :ivar section: the one that says last what holds for the program: a daemon's, or a server's app's
    """

    def __init__(self, outline: Outline) -> None:
        self.outline = outline
        self.section = DEFAULT
        self.findings: list[Finding] = []
        self._told: set[tuple[str, str, str | None, str]] = set()

    def add(self, level: str, section: str | None, option: str | None, problem: str, remedy: str) -> None:
        """Add what is wrong with an option or section of the conf; what ``[DEFAULT]`` says is its fault."""
        file, line = self.outline.place(section, option)
        decided = self.outline.find(section, option)
        self._add(Finding(level, file, line, decided.section if decided else section, option, problem, remedy))

    def add_line(self, level: str, found: Assignment, problem: str, remedy: str) -> None:
        """Add what is wrong with a line."""
        self._add(Finding(level, found.file, found.line, found.section, found.option, problem, remedy))

    def add_elsewhere(self, level: str, file: str, problem: str, remedy: str) -> None:
        """Add what is wrong with something else than the conf: a ring, a device."""
        self._add(Finding(level, file, 0, None, None, problem, remedy))

    def add_error(self, error: ConfigError) -> None:
        """Add what somebody raised."""
        if os.path.abspath(error.file) == os.path.abspath(self.outline.path):
            self.add(ERROR, error.section, error.option, error.problem, error.remedy)
        elif not any(found.level == ERROR and found.file == error.file for found in self.findings):
            self._add(Finding(ERROR, error.file, 0, error.section, error.option, error.problem, error.remedy))

    def _add(self, finding: Finding) -> None:
        key = (finding.level, finding.file, finding.section, (finding.option or "").removeprefix(SET))
        if finding.option and key in self._told and finding.option != "pipeline":
            return
        if finding not in self.findings:
            self._told.add(key)
            self.findings.append(finding)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Errors first, then by place."""
    return sorted(findings, key=lambda found: (found.level != ERROR, found.file, found.line))
