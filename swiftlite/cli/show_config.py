"""swiftlite-config: the configuration that holds, each value with the file and line that it came from."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence

from swiftlite.cli.check import own_sections, pipeline_members
from swiftlite.cli.check_node import SERVERS
from swiftlite.cli.effective import Value, effective, kinds_of, without_secrets
from swiftlite.cli.tool import FAILURE, SUCCESS, ToolError, parser, tool
from swiftlite.common.conf_lines import DEFAULT, Outline, read_outline
from swiftlite.common.config import ConfFile
from swiftlite.common.option_tables import APPS, DAEMONS
from swiftlite.common.pipeline import completed
from swiftlite.common.policies import read_policies
from swiftlite.common.unknown_options import pipeline_sections

INTERNAL = ("object-expirer", "container-reconciler", "container-sync")
"""Sections of daemons whose pipeline is taken as it is (formats.md 8.4)."""
WIDEST = 44
"""Columns that values are aligned in; longer ones push their origin to the right."""

DESCRIPTION = """Show the configuration that holds: each option of each section with its value and the file and line
that it came from. An asterisk marks what differs from the default; '!' what does not work as it is written.
An origin with [DEFAULT] or 'set' tells which of two rules of PasteDeploy decided. Keys and passwords are hidden.

Examples:
  swiftlite-config /etc/swift/proxy-server.conf --diff
  swiftlite-config /etc/swift/object-server/1.conf.d --program object-updater
  swiftlite-config /etc/swift/swift.conf"""


@tool
def main(argv: Sequence[str]) -> int:
    """Run the tool.

    :returns: 0; 1 when the conf cannot be read, or has no such section
    """
    arguments = parser("swiftlite-config", "CONF [options]", DESCRIPTION)
    add = arguments.add_argument
    add("conf", metavar="CONF", help="conf file, or directory of *.conf files; swift.conf, too")
    add("--section", metavar="NAME", help="only this section, with all that it takes from [DEFAULT]")
    add("--program", metavar="NAME", help="only what this program reads: proxy-server, object-updater...")
    add("--diff", action="store_true", help="only what differs from the defaults")
    add("--json", action="store_true", help="the same as JSON")
    add("--show-secrets", action="store_true", help="keys and passwords as they are")
    add("others", nargs="*", help=argparse.SUPPRESS)
    options = arguments.parse_intermixed_args(argv)
    if options.others:
        word = options.others[0]
        arguments.error(f"one CONF at a time, not {word!r}, too; for what one program reads of it: --program NAME")
    ConfFile.load(options.conf)  # what no parser understands is told here
    outline = read_outline(options.conf)
    sections = _sections(outline, options.section, options.program)
    values = effective(outline, sections, all_options=bool(options.section))
    values += _built_in_policies(outline, options.conf) if not options.section else []
    values = sorted([*values, *_added_filters(outline, sections)], key=lambda value: place(sections, value))
    if not options.show_secrets:
        values = without_secrets(values, kinds_of(outline))
    if options.diff:
        values = [value for value in values if value.differs]
    if options.json:
        print(as_json(values))
    elif values:
        print("\n".join(table(values)))
    return FAILURE if any(value.note and "does not fit" in value.note for value in values) else SUCCESS


def _sections(outline: Outline, section: str | None, program: str | None) -> list[str]:
    """The sections to show, in the order of the file, ``[DEFAULT]`` first.

    :raises ToolError: when there is no such one
    """
    if section:
        if section not in (DEFAULT, *outline.headers):
            raise ToolError(f"{outline.path} has no section [{section}]; it has {', '.join(outline.headers)}")
        return [section]
    if not program:
        others = [name for name in outline.headers if name != DEFAULT]
        if "swift-hash" in others:
            return list(dict.fromkeys((*others, "swift-constraints")))
        return [DEFAULT, *others]
    if program in SERVERS:
        return [DEFAULT, *pipeline_sections(outline)]
    if program not in DAEMONS:
        known = ", ".join((*(f"{name}-server" for name in APPS), *DAEMONS))
        raise ToolError(f"there is no program {program!r}, only {known}")
    return [DEFAULT, *(own_sections(outline, program) or [program])]


def _added_filters(outline: Outline, sections: Sequence[str]) -> list[Value]:
    """What a proxy's pipeline becomes, where it does not name all that a proxy must have."""
    if "pipeline:main" not in sections or "app:proxy-server" not in sections:
        return []
    kinds = [member.kind for member in pipeline_members(outline) if not member.is_app]
    loaded = completed(kinds)
    if loaded == kinds or any(name in INTERNAL for name in outline.headers):
        return []
    text = " ".join([*loaded, "proxy-server"])
    return [Value("pipeline:main", "pipeline, as it is loaded", text, None, False, "default")]


def _built_in_policies(outline: Outline, path: str) -> list[Value]:
    """The storage policy of a swift.conf that names none."""
    policies = [name for name in outline.headers if name.startswith("storage-policy:")]
    if policies or "swift-hash" not in outline.headers:
        return []
    return [
        Value(f"storage-policy:{policy.index}", "name", policy.name, policy.name, False, "default")
        for policy in read_policies(ConfFile.load(path))
    ]


def place(sections: Sequence[str], value: Value) -> int:
    """Where a value's section stands among those that are shown."""
    return sections.index(value.section) if value.section in sections else len(sections)


def table(values: Sequence[Value]) -> list[str]:
    """Lines that show values by section, aligned."""
    lines: list[str] = []
    section = None
    name_width = max(len(value.option) for value in values)
    texts = [_one_line(value.value) for value in values]
    width = max((len(text) for text in texts if len(text) <= WIDEST), default=0)
    for value, text in zip(values, texts):
        if value.section != section:
            lines += [""] * bool(lines) + [f"[{value.section}]"]
            section = value.section
        mark = "!" if value.note else "*" if value.differs else " "
        line = f"{mark} {value.option:<{name_width}} = {text:<{width}}  {value.origin}"
        if value.differs and value.default:
            line += f", default {_one_line(value.default)}"
        lines.append(line + (f": {value.note}" if value.note else ""))
    return lines


def _one_line(text: str) -> str:
    return " ".join(text.split())


def as_json(values: Sequence[Value]) -> str:
    """Values by section and option."""
    found: dict[str, dict[str, object]] = {}
    for value in values:
        fields = dataclasses.asdict(value)
        del fields["section"], fields["option"]
        found.setdefault(value.section, {})[value.option] = fields
    return json.dumps(found, indent=2)
