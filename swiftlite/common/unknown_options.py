"""Options that a conf file sets and nobody reads: a slip of the pen, one of OpenStack Swift's, or in the wrong section."""

from __future__ import annotations

import difflib
import enum
import functools
import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from swiftlite.common import option_tables, swift_options
from swiftlite.common.conf_lines import DEFAULT, Assignment, Outline, read_outline
from swiftlite.common.config import ConfigError
from swiftlite.common.pipeline import ALIASES, OUR_EGGS

Patterns = tuple[str, ...]

PATTERNS: dict[str, Patterns] = {
    "filter:tempauth": (r"user_.+", r"user64_.+", r".*require_group", r"fernet_key_.+"),
    "filter:keystoneauth": (r".*(operator_roles|service_roles|project_reader_roles)",),
    "filter:ratelimit": (r"container_ratelimit_.+", r"container_listing_ratelimit_.+"),
    "object-expirer": (r"delay_reaping_.+",),
    "drive-audit": (r"regex_pattern_.+",),
}
"""Options whose names the operator makes."""
EVERYWHERE: Patterns = (r"statsd_user_label_.+",)
"""The same in any section."""
MORE: dict[str, frozenset[str]] = {
    "filter:proxy_logging": frozenset(f"access_log_{name}" for name in ("name", "facility", "level", "address")),
    "pipeline": frozenset({"pipeline"}),
    "swift-hash": frozenset({"swift_hash_path_prefix", "swift_hash_path_suffix"}),
    "object-auditor:watcher:swift#dark_data": frozenset({"use", "action", "grace_age"}),
}
"""Options that are in no table."""
NOT_JUDGED = {"filter:authtoken", "storage-policy"}
"""Sections of others' options, and one whose reader refuses what it does not know."""


class Why(enum.Enum):
    """Why an option does nothing."""

    UNKNOWN = "unknown"
    FOREIGN = "an option of OpenStack Swift that has no effect here"
    MISPLACED = "misplaced"
    HIDDEN = "hidden by [DEFAULT]"


@dataclass(frozen=True)
class Unread:
    """An option that does nothing.

    :ivar nearest: the known option that was meant, or the section that it belongs in; empty: none
    """

    assignment: Assignment
    why: Why
    nearest: str = ""

    @property
    def place(self) -> str:
        """File, line, section and option."""
        found = self.assignment
        return f"{found.file}:{found.line}: [{found.section}] {found.option}"

    @property
    def problem(self) -> str:
        """What is wrong, in words."""
        if self.why is Why.MISPLACED:
            return "means nothing in this section"
        if self.why is Why.HIDDEN:
            return "is not heeded, for [DEFAULT] has it, too"
        if self.why is Why.FOREIGN:
            return f"is {self.why.value}"
        return "unknown option"

    @property
    def remedy(self) -> str:
        """What to do."""
        if self.why is Why.MISPLACED:
            return f"move it to [{self.nearest}]"
        if self.why is Why.HIDDEN:
            return f"write 'set {self.assignment.name} = ...'"
        if self.why is Why.FOREIGN:
            return "take it out, or leave it for OpenStack Swift"
        return f"did you mean {self.nearest}?" if self.nearest else "take it out"


@dataclass(frozen=True)
class Known:
    """What a section may say: our options, their patterns, and those that OpenStack Swift alone reads."""

    names: frozenset[str]
    patterns: Patterns = ()
    foreign: frozenset[str] = frozenset()

    def has(self, name: str) -> bool:
        """Whether we read an option."""
        return name in self.names or any(re.fullmatch(pattern, name) for pattern in (*EVERYWHERE, *self.patterns))


def section_kind(section: str, use: str) -> str:
    """What a section is for: ``filter:tempurl``, ``app:proxy``, ``object-updater``, ``proxy-server:policy``…; empty: another's.

    :param use: its option ``use``; factories that are not ours make a section another's
    """
    head, _, _ = section.partition(":")
    if head in ("filter", "app"):
        use = use.strip()
        egg = next((egg for egg in OUR_EGGS if use.startswith(egg)), None)
        if egg is None:
            return ""
        name = use.removeprefix(egg)
        return f"{head}:{ALIASES.get(name, name)}"
    if head in ("pipeline", "storage-policy"):
        return head
    if section.startswith("proxy-server:policy:"):
        return "proxy-server:policy"
    return section


def table_of(section: str, use: str) -> type | None:
    """The option table of a section, if it has one.

    :param use: its option ``use``
    """
    kind = section_kind(section, use)
    head, _, name = kind.partition(":")
    references = {"filter": option_tables.FILTERS, "app": option_tables.APPS}
    if head in references:
        return option_tables.load(references[head].get(name, ""))
    if section == DEFAULT:
        return option_tables.load(option_tables.SERVER)
    return option_tables.load({**option_tables.DAEMONS, **option_tables.OTHERS}.get(kind, ""))


@functools.cache
def known_options(kind: str) -> Known | None:
    """What a section of some kind may say; None: nobody can tell."""
    head, _, name = kind.partition(":")
    more, patterns = MORE.get(kind, frozenset()), PATTERNS.get(kind, ())
    if kind in NOT_JUDGED:
        return None
    if head in ("filter", "app"):
        tables, foreign = (
            (option_tables.FILTERS, swift_options.FILTERS)
            if head == "filter"
            else (option_tables.APPS, swift_options.APPS)
        )
        if name not in tables:
            return None
        names = option_tables.names_of(option_tables.load(tables[name]))
        names |= more | swift_options.PASTE | swift_options.LOGGING
        return Known(names, patterns, swift_options.EVERYWHERE | set(foreign.get(name, "").split()))
    if kind in option_tables.DAEMONS:
        names = option_tables.names_of(option_tables.load(option_tables.DAEMONS[kind]))
        foreign_names = swift_options.EVERYWHERE | set(swift_options.DAEMONS[kind].split())
        return Known(names, patterns, foreign_names)
    if kind in option_tables.OTHERS:
        return Known(option_tables.names_of(option_tables.load(option_tables.OTHERS[kind])) | more, patterns)
    return Known(more) if more else None


def find_unread(outline: Outline, sections: Collection[str]) -> list[Unread]:
    """The options of some sections that do nothing, in the order of the file; sections that nobody can judge are left out.

    :param outline: the whole conf
    :param sections: ``DEFAULT`` too, if it is to be looked at
    """
    kinds = {section: section_kind(section, outline.value(section, "use")) for section in outline.headers}
    found: list[Unread] = []
    for section in sections:
        own = outline.own(section)
        if section == DEFAULT:
            found += _unread_default(own, outline, {name: kinds[name] for name in sections if name in kinds}, kinds)
        elif own and (known := known_options(kinds[section])):
            found += _unread_own(own, outline.own(DEFAULT), known, kinds)
    return found


def _unread_default(
    own: Mapping[str, Assignment], outline: Outline, near: Mapping[str, str], kinds: Mapping[str, str]
) -> Iterator[Unread]:
    """Those of ``[DEFAULT]``; tables of sections that nobody has asked about are loaded only if need be."""
    referred = outline.referred()
    left = [found for found in own.values() if found.name not in referred]
    known = known_in_default(near, ())
    left = [found for found in left if not known.has(found.name)]
    if left:
        known = known_in_default(kinds, _relatives(kinds))
        yield from (unread for found in left if (unread := judge(found, known, {})))


def _unread_own(
    own: Mapping[str, Assignment], default: Mapping[str, Assignment], known: Known, kinds: Mapping[str, str]
) -> Iterator[Unread]:
    for found in own.values():
        hidden = default.get(found.name)
        paste = found.section.startswith(("app:", "filter:"))
        if paste and hidden and not found.is_set and found.value != hidden.value:
            yield Unread(found, Why.HIDDEN)
        elif unread := judge(found, known, kinds):
            yield unread


def judge(assignment: Assignment, known: Known, kinds: Mapping[str, str]) -> Unread | None:
    """Why an option does nothing; None: it does something.

    :param kinds: all sections of the conf, and what each is for
    """
    name = assignment.name
    if known.has(name):
        return None
    if home := _home(name, assignment.section, kinds):
        return Unread(assignment, Why.MISPLACED, home)
    if name in known.foreign:
        return Unread(assignment, Why.FOREIGN)
    return Unread(assignment, Why.UNKNOWN, _nearest(name, known.names))


def _nearest(name: str, known: Collection[str]) -> str:
    """The option that was meant: one of the section, or of ``[DEFAULT]`` where that is more like it; empty: none."""
    server = option_tables.names_of(option_tables.load(option_tables.SERVER))
    near = next(iter(difflib.get_close_matches(name, sorted({*known, *server}), 1)), "")
    return f"{near} in [{DEFAULT}]" if near and near not in known else near


def _home(name: str, section: str, kinds: Mapping[str, str]) -> str:
    """The section of the conf where an option means something."""
    if section != DEFAULT and name in option_tables.names_of(option_tables.load(option_tables.SERVER)):
        return DEFAULT
    for other, kind in kinds.items():
        known = known_options(kind) if other not in (section, DEFAULT) else None
        if known and known.has(name):
            return other
    return ""


def known_in_default(kinds: Mapping[str, str], others: Iterable[str]) -> Known:
    """What ``[DEFAULT]`` may say: whatever any section may say, of the file, or of `others` that it might have."""
    names = (
        set(option_tables.names_of(option_tables.load(option_tables.SERVER)))
        | swift_options.LOGGING
        | swift_options.SHARED
    )
    patterns: set[str] = set()
    foreign = set(swift_options.EVERYWHERE)
    for kind in {*kinds.values(), *others}:
        known = known_options(kind)
        if known:
            names |= known.names
            patterns |= set(known.patterns)
            foreign |= known.foreign
    for texts in (swift_options.APPS, swift_options.DAEMONS):
        foreign |= {name for text in texts.values() for name in text.split()}
    return Known(frozenset(names), tuple(patterns), frozenset(foreign))


def _relatives(kinds: Mapping[str, str]) -> list[str]:
    """The daemons of the servers whose conf it is: ``[DEFAULT]`` may speak to them though they have no section."""
    servers = {kind.removeprefix("app:") for kind in kinds.values() if kind.startswith("app:")}
    return [daemon for daemon in option_tables.DAEMONS if daemon.partition("-")[0] in servers]


def warn_of_unknown_options(path: str, sections: Collection[str], logger: logging.Logger) -> None:
    """Log a warning for each option that is a slip of the pen, once, at the start of a server or daemon.

    :param path: of its conf file
    :param sections: those that it reads besides ``[DEFAULT]``; none: those that its pipeline names
    """
    for unread in _slips(path, sections):
        logger.warning("%s: %s; %s", unread.place, unread.problem, unread.remedy)


def slips(path: str, sections: Collection[str] | None = None) -> list[str]:
    """The same as lines.

    :param sections: None: all of the conf
    """
    return [f"{unread.place}: {unread.problem}; {unread.remedy}" for unread in _slips(path, sections)]


def _slips(path: str, sections: Collection[str] | None) -> list[Unread]:
    try:
        outline = read_outline(path)
    except ConfigError:  # whoever starts tells of that
        return []
    looked_at = outline.headers if sections is None else sections or pipeline_sections(outline)
    found = find_unread(outline, list(dict.fromkeys((DEFAULT, *looked_at))))
    return [unread for unread in found if unread.why is not Why.FOREIGN]


def pipeline_names(outline: Outline) -> list[str]:
    """What ``[pipeline:main]`` names, in order."""
    return outline.value("pipeline:main", "pipeline").split()


def pipeline_sections(outline: Outline) -> list[str]:
    """The sections that a server reads: its pipeline's, the pipeline's members', and the overrides for policies."""
    names = set(pipeline_names(outline))
    return [
        section
        for section in outline.headers
        if section == "pipeline:main"
        or section.startswith("proxy-server:policy:")
        or (section.partition(":")[0] in ("app", "filter") and section.partition(":")[2] in names)
    ]
