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


def daemons(names: Iterable[str], conf: str, manager: Mapping[str, str]) -> dict[str, dict[str, bool | None]]:
    """Of daemons that may run with a conf file: whether each is ``running``, and whether it is ``meant`` to.

    :param names: say ``object-updater``
    :param manager: who starts daemons here, as manager_of_this tells
    """
    if manager.get("name") == SYSTEMD:
        # Its units do not see each other's processes.
        units = running_units()
        running = {name: None if units is None else unit_of(name, conf) in units for name in names}
    else:
        seen = running_daemons(conf)
        running = {name: name in seen for name in names}
    return {name: {"running": runs, "meant": meant_to_run(name, conf, manager)} for name, runs in running.items()}


def unit_of(program: str, conf: str) -> str:
    """The unit of a daemon: that of its conf file, where several have a directory."""
    instance = _instance(conf)
    return f"{PREFIX}{program}@{instance}.service" if instance else f"{PREFIX}{program}.service"


def _instance(conf: str) -> str:
    directory, _, file = conf.rpartition("/")
    return file.removesuffix(".conf").removesuffix(".conf.d") if directory.endswith("-server") else ""


def running_units(proc: str = "/proc", cgroups: str = "/sys/fs/cgroup") -> set[str] | None:
    """The services of ours that have processes, as the control groups beside this process's own show; None: they do not."""
    try:
        with open(f"{proc}/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            own = next((line[3:].strip() for line in file if line.startswith("0::")), "")
    except OSError:
        return None
    if not own.endswith(".service") or not os.path.exists(f"{cgroups}{own}/cgroup.events"):
        return None
    above = own.rpartition("/")[0]
    top = above.rpartition("/")[0] if above.rpartition("/")[2].startswith("system-") else above
    place = glob.escape(f"{cgroups}{top}")
    found = set()
    for path in (*glob.iglob(f"{place}/{PREFIX}*.service"), *glob.iglob(f"{place}/*.slice/{PREFIX}*.service")):
        with suppress(OSError):  # it has ended
            with open(f"{path}/cgroup.events", encoding="ascii") as file:
                if "populated 1" in file.read().splitlines():
                    found.add(os.path.basename(path))
    return found


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
    if manager.get("name") == SYSTEMD:
        unit = unit_of(program, conf)
        return any(glob.glob(f"{place}/*.{kind}/{unit}") for place in units for kind in ("wants", "requires"))
    if manager.get("name") == INIT and manager.get("run_dir"):
        instance = _instance(conf)
        path = f"{manager['run_dir']}/{program}/{instance}" if instance else f"{manager['run_dir']}/{program}"
        return True if any(os.path.exists(path + suffix) for suffix in (".pid", ".pid.d")) else None
    return None
