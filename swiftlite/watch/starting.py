"""How daemons are started anew in a remedy: by whom a node's are started, as they tell, or as can be seen here."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from swiftlite.common.manager import INIT, SYSTEMD
from swiftlite.watch.facts import Asked, ClusterView, Server
from swiftlite.watch.findings import shell_on

CUSTOMARY = "/etc/swift"
"""The directory of the confs of a node whose other directories are the usual ones, too."""
UNKNOWN = "DIR"
"""Stands for a directory that nobody knows."""


@dataclass(frozen=True)
class Manager:
    """Who starts the daemons of a node.

    :ivar name: ``systemd`` or ``swiftlite-init``; empty: nobody knows
    :ivar swift_dir: of the node's confs; empty: nobody knows
    :ivar run_dir: of swiftlite-init's pid files; empty: nobody knows, or the usual one
    :ivar log_dir: of its daemons' output; empty: likewise
    """

    name: str = ""
    swift_dir: str = ""
    run_dir: str = ""
    log_dir: str = ""

    @property
    def is_placed(self) -> bool:
        """Whether the node's own directories are known, so that swiftlite-init finds its daemons and no other's."""
        return self.swift_dir == CUSTOMARY or bool(self.swift_dir and self.run_dir and self.log_dir)


def manager_of(view: ClusterView, server: Server, conf: str = "") -> Manager:
    """Who starts a server: as it tells, or another of its node; as can be seen here; or as on all other nodes.

    A machine may have several nodes, each with directories of its own: none of them is taken for another's.

    :param conf: its conf file, where that is known
    """
    machine = sorted(view.machines.get(server.ip, ()), key=lambda asked: asked.server != server)
    if machine and machine[0].server == server and (own := _told(machine[0])):
        return own
    place = conf_dir(view, server) or _instance(conf)[0]
    near = [asked for asked in view.servers if asked.server.is_local] if server.is_local and place else machine
    told = {manager for manager in map(_told, near) if manager and place in ("", manager.swift_dir)}
    if told:
        return _common(told, place)
    if server.is_local:
        here = {manager.name for asked in view.servers if asked.server.is_local and (manager := _told(asked))}
        return Manager(INIT if here == {INIT} or not view.has_systemd else SYSTEMD, place)
    everywhere = {(asked.server.ip, manager) for asked in view.servers if (manager := _told(asked))}
    # Of one machine alone nobody can tell whether others have its directories.
    alike = _common({manager for _, manager in everywhere}, place)
    return alike if len(everywhere) > 1 and place in ("", alike.swift_dir) else Manager(alike.name, place)


def _common(managers: Collection[Manager], place: str) -> Manager:
    """What managers have in common."""
    if len(set(managers)) == 1:
        return next(iter(managers))
    names = {manager.name for manager in managers}
    return Manager(names.pop() if len(names) == 1 else "", place)


def _told(asked: Asked) -> Manager | None:
    words = {name: asked.word("facts", "manager", name) for name in ("name", "run_dir", "log_dir")}
    place = _instance(asked.word("facts", "conf"))[0]
    return Manager(swift_dir=place, **words) if words["name"] in (SYSTEMD, INIT) else None


def conf_of(view: ClusterView, server: Server) -> str:
    """A server's conf file: as it tells, or as those here say; empty where nobody knows."""
    told = (asked.word("facts", "conf") for asked in view.machines.get(server.ip, ()) if asked.server == server)
    return next(filter(None, told), "") or view.own_conf(server)


def conf_dir(view: ClusterView, server: Server) -> str:
    """The directory of a server's confs; empty where nobody knows."""
    return _instance(conf_of(view, server))[0]


def unit(program: str, conf: str = "") -> str:
    """The unit of a daemon, say ``object-replicator``: that of its conf file, where several have a directory."""
    instance = _instance(conf)[1]
    return f"swiftlite-{program}@{instance}" if instance else f"swiftlite-{program}"


def _instance(conf: str) -> tuple[str, str]:
    """The directory of all confs, and the name of one of several of one kind; empty where it is not known, or alone."""
    directory, _, file = conf.rpartition("/")
    if directory.endswith("-server"):
        return directory.rpartition("/")[0], file.removesuffix(".d").removesuffix(".conf")
    return directory, ""


def restart(view: ClusterView, server: Server, program: str, conf: str = "") -> str:
    """Start a daemon anew.

    :param conf: its server's conf file, if that is known
    """
    if server.is_local and view.all_in_one:
        return f"{shlex.join(('swiftlite-aio', 'stop', '--dir', view.all_in_one))} && {start_all(view, server)}"
    return shell_on(server, restart_line(view, server, program, conf))


def restart_line(view: ClusterView, server: Server, program: str, conf: str = "") -> str:
    """The shell's line that starts a daemon anew, for a shell on its machine; arguments as of :func:`restart`."""
    instance = _instance(conf)[1]
    name = f"{program}.{instance}" if instance else program
    return _line(view, server, ("systemctl", "restart", unit(program, conf)), (name, "restart"), conf)


def restart_all_line(view: ClusterView, server: Server) -> str:
    """The shell's line that starts all daemons of a machine anew."""
    return _line(view, server, ("systemctl", "restart", "swiftlite-*"), ("all", "restart"))


def reload_proxy(view: ClusterView) -> str:
    """Let this machine's proxy read its conf and certificates anew."""
    return _spelled(_manager_here(view), ("systemctl", "reload", "swiftlite-proxy-server"), ("proxy-server", "reload"))


def reload_servers(view: ClusterView) -> str:
    """Let all servers of this machine read their confs and certificates anew."""
    units = ("swiftlite-*-server.service", "swiftlite-*-server@*.service")
    return _spelled(_manager_here(view), ("systemctl", "reload", *units), ("main", "reload"))


def _manager_here(view: ClusterView) -> Manager:
    """Who starts the daemons whose confs are beside the rings that the doctor looks at."""
    local = map(_told, (asked for asked in view.servers if asked.server.is_local))
    found = {manager for manager in local if manager and manager.swift_dir == view.swift_dir}
    return _common(found, view.swift_dir) if found else Manager(SYSTEMD if view.has_systemd else INIT, view.swift_dir)


def start_all(view: ClusterView, server: Server) -> str:
    """Start all of a server's machine."""
    if server.is_local and view.all_in_one:
        return shlex.join(("swiftlite-aio", "start", "--dir", view.all_in_one, "--detach"))
    return shell_on(server, _line(view, server, ("systemctl", "start", "swiftlite.target"), ("all", "start")))


def _line(view: ClusterView, server: Server, systemd: Sequence[str], init: Sequence[str], conf: str = "") -> str:
    return _spelled(manager_of(view, server, conf), systemd, init)


def _spelled(manager: Manager, systemd: Sequence[str], init: Sequence[str]) -> str:
    """The command of who starts a node's daemons; where nobody knows who that is, the other's is a comment.

    So is one whose directories nobody knows: with another node's it would start that one's daemons twice.

    :param init: daemon and command of swiftlite-init
    """
    words = [INIT, *init, "--swift-dir", manager.swift_dir or UNKNOWN]
    for option, directory in (("--run-dir", manager.run_dir), ("--log-dir", manager.log_dir)):
        if directory or not manager.is_placed:
            words += [option, directory or UNKNOWN]
    # A comment ends where the line does: what a node calls its files must not begin another.
    comment = " ".join(shlex.join(words).split())
    if manager.name == INIT:
        ask = "nobody here knows all directories of this node, so name its own: "
        return shlex.join(words) if manager.is_placed else f"# {ask}{comment}"
    line = shlex.join(systemd)
    return line if manager.name == SYSTEMD else f"{line}  # without systemd: {comment}"


def show_log(view: ClusterView, server: Server, program: str, conf: str, *choice: str) -> str:
    """Show what a daemon has logged.

    :param conf: its server's conf file; empty: nobody has told it
    :param choice: journalctl's options that leave out the rest
    """
    if server.is_local and view.all_in_one:
        return shlex.join(("tail", "-n", "50", f"{view.all_in_one}/log/{program}.log"))
    manager = manager_of(view, server, conf)
    if manager.name == INIT:
        # Lines that went to syslog are where the machine keeps them; what ended the daemon is here.
        instance = _instance(conf)[1]
        file = f"{program}.{instance}.log" if instance else f"{program}.log"
        if not manager.log_dir and not manager.is_placed:
            return f"# see {' '.join(file.split())} in the log directory of this node, which nobody here knows"
        return shell_on(server, shlex.join(("tail", "-n", "50", f"{manager.log_dir or '/var/log/swift'}/{file}")))
    return shell_on(server, shlex.join(("journalctl", "-u", unit(program, conf), *choice)))
