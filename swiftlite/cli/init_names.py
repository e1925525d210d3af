"""Which programs the words of swiftlite-init's command line mean, and which confs each of them has."""

from __future__ import annotations

import difflib
import fnmatch
import os
from collections.abc import Iterable
from dataclasses import dataclass

from swiftlite.cli.conf_places import ConfPlace, find_confs
from swiftlite.cli.tool import ToolError
from swiftlite.common.conf_lines import read_outline
from swiftlite.common.option_tables import DAEMONS

MAIN = ("account-server", "container-server", "object-server", "proxy-server")
REST = tuple(name for name in DAEMONS if name != "object-relinker")  # which is run by hand
GROUPS = {"all": (*MAIN, *REST), "main": MAIN, "rest": REST}
KINDS = ("account", "container", "object", "proxy")
OWN_CONFS = {"object-expirer": ("object-expirer", "object-server"), "container-reconciler": ("container-reconciler",)}
"""Daemons that have a conf of their own; of several that exist the first counts."""


@dataclass(frozen=True)
class Wanted:
    """A program that was asked for.

    :ivar conf_name: the only one of its confs that is meant, ``1`` for ``object-server/1.conf``; None: all
    :ivar named: whether the operator named it, so that he must hear when it has no conf
    """

    program: str
    conf_name: str | None = None
    named: bool = True


@dataclass(frozen=True)
class Instance:
    """One daemon: a program with one of its confs."""

    program: str
    place: ConfPlace

    @property
    def name(self) -> str:
        """What messages call it: ``object-server``, ``object-server.1``."""
        return f"{self.program}.{self.place.name}" if self.place.name else self.program

    def pid_path(self, run_dir: str) -> str:
        """Where its pid file is: as its conf is, below another directory (as OpenStack Swift's)."""
        suffix = ".pid.d" if self.place.path.endswith(".conf.d") else ".pid"
        parts = (self.program, self.place.name) if self.place.name else (self.program,)
        return os.path.join(run_dir, *parts) + suffix


def resolve(words: Iterable[str]) -> list[Wanted]:
    """The programs that some words mean, each once.

    A word is a program's name, with or without ``-server``; ``object`` and its like, a server and its daemons; a
    pattern, ``object-*``; ``all``, ``main``, ``rest``. ``.NAME`` after a name means one of its confs.

    :raises ToolError: when a word means nothing
    """
    found: dict[tuple[str, str | None], Wanted] = {}
    for word in words:
        for wanted in _resolve(word):
            known = found.get((wanted.program, wanted.conf_name))
            if known is None or wanted.named:
                found[wanted.program, wanted.conf_name] = wanted
    return list(found.values())


def _resolve(word: str) -> Iterable[Wanted]:
    if word in GROUPS:
        return [Wanted(program, None, False) for program in GROUPS[word]]
    name, dot, conf = word.partition(".")
    conf_name = conf if dot else None
    if name in GROUPS["all"]:
        return [Wanted(name, conf_name)]
    if name in KINDS:
        daemons = [Wanted(program, conf_name, False) for program in REST if program.startswith(f"{name}-")]
        return [Wanted(f"{name}-server", conf_name), *daemons]
    programs = fnmatch.filter(GROUPS["all"], name) if "*" in name or "?" in name else []
    if not programs:
        near = difflib.get_close_matches(name, (*GROUPS["all"], *GROUPS, *KINDS), 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join((*GROUPS, *KINDS, *GROUPS['all']))}"
        raise ToolError(f"there is no program {word!r}; {hint}")
    return [Wanted(program, conf_name, False) for program in programs]


def confs_of(program: str, swift_dir: str) -> list[ConfPlace]:
    """A program's confs in order; a daemon's are its server's, those that have its section."""
    places = next((found for server in _servers_of(program) if (found := find_confs(swift_dir, server))), [])
    return [place for place in places if program in MAIN or program in read_outline(place.path).headers]


def instances(wanted: Wanted, swift_dir: str, number: int | None = None) -> list[Instance]:
    """The daemons that a program is, by its confs.

    :param number: the only one of its confs that is meant, from 1
    """
    found = [Instance(wanted.program, place) for place in confs_of(wanted.program, swift_dir)]
    if wanted.conf_name is not None:
        found = [each for each in found if each.place.name == wanted.conf_name]
    return [each for each in found if number is None or each.place.number == number]


def left_over(wanted: Wanted, run_dir: str, swift_dir: str) -> list[Instance]:
    """Daemons that have a pid file and no conf any more: they can be seen and stopped still.

    Their place is the one where the conf would be.
    """
    known = instances(Wanted(wanted.program), swift_dir)
    taken = {each.pid_path(run_dir) for each in known}
    directory = os.path.join(run_dir, wanted.program)
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    files = [("", f"{directory}{suffix}") for suffix in (".pid", ".pid.d")]
    files += [(name.partition(".pid")[0], os.path.join(directory, name)) for name in names if ".pid" in name]
    found = [(name, path) for name, path in files if os.path.exists(path) and path not in taken]
    server = _servers_of(wanted.program)[0]
    return [
        Instance(wanted.program, ConfPlace(server, name, _missing_conf(swift_dir, server, name, path), number))
        for number, (name, path) in enumerate(found, len(known) + 1)
        if wanted.conf_name in (None, name)
    ]


def _missing_conf(swift_dir: str, server: str, name: str, pid_path: str) -> str:
    suffix = ".conf.d" if pid_path.endswith(".d") else ".conf"
    return os.path.join(swift_dir, *((server, name) if name else (server,))) + suffix


def _servers_of(program: str) -> tuple[str, ...]:
    """Whose confs a program's may be."""
    return OWN_CONFS.get(program, (f"{program.partition('-')[0]}-server",))
