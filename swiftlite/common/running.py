"""Which daemons of a conf file run on this machine, and which of them were meant to, as far as can be seen."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress

from swiftlite.common.manager import INIT, SYSTEMD

PREFIX = "swiftlite-"
UNITS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/run/systemd/system")
"""Where systemd keeps what is enabled."""


def running_daemons(conf: str, proc: str = "/proc") -> set[str]:
    """The programs that run with a conf file, without their prefix; those that make one pass and end are left out."""
    found = set()
    wanted = os.path.realpath(conf)
    for name in os.listdir(proc):
        if name.isdecimal():
            with suppress(OSError):  # it has ended
                with open(f"{proc}/{name}/cmdline", "rb") as file:
                    found |= _program(file.read().decode("utf-8", "surrogateescape").rstrip("\0").split("\0"), wanted)
    return found


def _program(arguments: list[str], conf: str) -> set[str]:
    for index, argument in enumerate(arguments[:4]):
        program = os.path.basename(argument)
        if program.startswith(PREFIX):
            rest = arguments[index + 1 :]
            is_ours = any(os.path.isabs(word) and os.path.realpath(word) == conf for word in rest)
            return {program.removeprefix(PREFIX)} if is_ours and not {"once", "-o", "--once"} & set(rest) else set()
    return set()


def meant_to_run(program: str, conf: str, manager: Mapping[str, str], units: Iterable[str] = UNITS) -> bool | None:
    """Whether a daemon that does not run should: systemd starts it at boot, or swiftlite-init has started it and not
    stopped it. None: nobody can tell.

    :param manager: who starts daemons here, as manager_of_this tells
    """
    directory, _, file = conf.rpartition("/")
    instance = file.removesuffix(".conf").removesuffix(".d") if directory.endswith("-server") else ""
    if manager.get("name") == SYSTEMD:
        unit = f"{PREFIX}{program}@{instance}.service" if instance else f"{PREFIX}{program}.service"
        return any(glob.glob(f"{place}/*.{kind}/{unit}") for place in units for kind in ("wants", "requires"))
    if manager.get("name") == INIT and manager.get("run_dir"):
        path = f"{manager['run_dir']}/{program}/{instance}" if instance else f"{manager['run_dir']}/{program}"
        return True if any(os.path.exists(path + suffix) for suffix in (".pid", ".pid.d")) else None
    return None
