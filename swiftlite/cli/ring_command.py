"""One run of the ring builder: the files and arguments of a command, and the devices it selects."""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
import time
from collections.abc import Iterable
from functools import cached_property
from typing import Any, TypeVar

from swiftlite.cli import ring_devices
from swiftlite.cli.ring_devices import device_text
from swiftlite.cli.ring_view import Look
from swiftlite.ring.builder import RingBuilder
from swiftlite.ring.format import Device

Number = TypeVar("Number", int, float)

SUCCESS, WARNING, ERROR = 0, 1, 2
"""Exit codes."""


class CommandError(Exception):
    """Ends the command with exit code 2; its text says why."""


class Command:
    """One run of a command: the builder file, the ring file beside it, and the arguments after the command's name."""

    def __init__(self, name: str, usage: str, builder_file: str, arguments: list[str]) -> None:
        self.name = name
        self.usage = usage
        self.builder_file = builder_file
        self.ring_file = builder_file.removesuffix(".builder") + ".ring.gz"
        self.arguments = arguments

    @cached_property
    def builder(self) -> RingBuilder:
        """The builder, loaded when first asked for."""
        return RingBuilder.load(self.builder_file)

    @property
    def look(self) -> Look:
        """How standard output is read: on a terminal of some width, or by a program."""
        if not sys.stdout.isatty():
            return Look()
        is_plain = "utf" not in (sys.stdout.encoding or "").lower()
        return Look(shutil.get_terminal_size().columns, is_plain)

    def save(self) -> None:
        """Write the builder file."""
        self.builder.save(self.builder_file)

    @property
    def backup_folder(self) -> str:
        """``backups/`` beside the builder file."""
        return os.path.join(os.path.dirname(self.builder_file), "backups")

    @cached_property
    def _moment(self) -> int:
        return self._unused_moment(int(time.time()))

    def _unused_moment(self, moment: int) -> int:
        """The first second from this one on of which there is no backup yet."""
        names = [os.path.basename(path) for path in (self.builder_file, self.ring_file)]
        while any(os.path.exists(os.path.join(self.backup_folder, f"{moment}.{name}")) for name in names):
            moment += 1
        return moment

    def backup_path(self, path: str) -> str:
        """Where a dated copy of a file belongs, all of a run at the same date; the directory is made."""
        os.makedirs(self.backup_folder, exist_ok=True)
        return os.path.join(self.backup_folder, f"{self._moment}.{os.path.basename(path)}")

    def keep_former(self) -> None:
        """Copy a builder that is going to be replaced, whatever it is like, to ``backups/``, and say so."""
        if not os.path.exists(self.builder_file):
            return
        os.makedirs(self.backup_folder, exist_ok=True)
        moment = self._unused_moment(int(os.stat(self.builder_file).st_mtime))
        kept = os.path.join(self.backup_folder, f"{moment}.{os.path.basename(self.builder_file)}")
        shutil.copy2(self.builder_file, kept)
        print(f"Warning: {self.builder_file} was there; it is kept as {kept}", file=sys.stderr)

    def parser(self) -> argparse.ArgumentParser:
        """A parser of this command's arguments; it exits with 2 on bad ones."""
        usage = f"swiftlite-ring-builder <builder file> {self.name} {self.usage}"
        raw = argparse.RawDescriptionHelpFormatter
        return argparse.ArgumentParser(usage=usage, epilog=ring_devices.SYNTAX, formatter_class=raw, allow_abbrev=False)

    def plain(self, count: int) -> list[str]:
        """The arguments, which must be so many, none of them an option."""
        parser = self.parser()
        parser.add_argument("values", nargs="*")
        values: list[str] = parser.parse_args(self.arguments).values
        if len(values) != count:
            parser.error(f"{self.name} takes {count} arguments, not {len(values)}")
        return values

    def number(self, kind: type[Number], text: str, name: str) -> Number:
        """A number among the arguments."""
        try:
            value = kind(text)
        except ValueError:
            raise CommandError(f"{name} {text!r} is not a number") from None
        if not math.isfinite(value):
            raise CommandError(f"{name} {text!r} is not a number that means anything")
        return value


def selections(
    command: Command, *, values: int, question: str | None = None, by_options: bool = False
) -> list[tuple[Any, list[Device]]]:
    """The devices that the arguments select, with the value that follows each search value.

    :param values: how many values follow a search value: 0 or 1
    :param question: what is going to happen to them: asked when a search value selects several
    :param by_options: with device options, the value is given by change options too
    """
    parser = command.parser()
    ring_devices.add_device_options(parser)
    parser.add_argument("-y", "--yes", action="store_true")
    if by_options:
        ring_devices.add_change_options(parser)
    parser.add_argument("words", nargs="*")
    options = parser.parse_intermixed_args(command.arguments)
    criteria, words = ring_devices.criteria_of(options), options.words
    searches: list[tuple[Any, dict[str, Any]]]
    if criteria and len(words) == (0 if by_options else values):
        value = ring_devices.changes_of(options) if by_options else "".join(words)
        if by_options and not value:
            parser.error("no --change option says what to change")
        searches = [(value, criteria)]
    elif words and not criteria and len(words) % (values + 1) == 0:
        wanted = pairs(words) if values else ((word, "") for word in words)
        searches = [(value, ring_devices.parse_search(text)) for text, value in wanted]
    else:
        parser.error("give search values, or options that describe devices, and not both")
    selections = [(value, _find(command.builder, criteria)) for value, criteria in searches]
    for _, devices in selections:
        if question and len(devices) > 1 and not options.yes:
            _confirm(devices, question)
    return selections


def _find(builder: RingBuilder, criteria: dict[str, Any]) -> list[Device]:
    found = [device for device in builder.present if ring_devices.matches(device, criteria)]
    if not found:
        asked = ", ".join(f"{key} {value}" for key, value in criteria.items())
        raise CommandError(f"No matching devices found for {asked}")
    return found


def _confirm(devices: list[Device], question: str) -> None:
    print("More than one device matches:")
    for device in devices:
        print(f"    {device_text(device)}")
    try:
        answer = input(f"Really {question} these {len(devices)} devices? (y/N) ")
    except (EOFError, KeyboardInterrupt):
        answer = ""
    if answer != "y":
        raise CommandError("Nothing is changed")


def pairs(words: list[str]) -> Iterable[tuple[str, str]]:
    """Words two by two."""
    return zip(words[::2], words[1::2], strict=True)
