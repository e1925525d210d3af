"""How daemons are started anew in a remedy: by whom a node's are started, as they tell, or as can be seen here."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from swiftlite.common.manager import INIT, SYSTEMD
from swiftlite.watch.facts import Asked, ClusterView, Server
from swiftlite.watch.findings import shell_on


@dataclass(frozen=True)
class Manager:
    """Who starts the daemons of a node.

    :ivar name: ``systemd`` or ``swiftlite-init``; empty: nobody knows
    :ivar run_dir: of swiftlite-init's pid files; empty: the usual one
    :ivar log_dir: of its daemons' output; empty: the usual one
    """

    name: str = ""
    run_dir: str = ""
    log_dir: str = ""


def manager_of(view: ClusterView, server: Server) -> Manager:
    """Who starts a server: as it tells, or another of its machine; as can be seen here; or as on all other nodes."""
    machine = sorted(view.machines.get(server.ip, ()), key=lambda asked: asked.server != server)
    for manager in filter(None, map(_told, machine)):
        return manager
    if server.is_local:
        return Manager(SYSTEMD if view.has_systemd else INIT)
    everywhere = {manager for manager in map(_told, view.servers) if manager}
    return everywhere.pop() if len(everywhere) == 1 else Manager()


def _told(asked: Asked) -> Manager | None:
    words = {name: asked.word("facts", "manager", name) for name in ("name", "run_dir", "log_dir")}
    return Manager(**words) if words["name"] in (SYSTEMD, INIT) else None


def unit(program: str, conf: str = "") -> str:
    """The unit of a daemon, say ``object-replicator``: that of its conf file, where several have a directory."""
    instance = _instance(conf)[1]
    return f"swiftlite-{program}@{instance}" if instance else f"swiftlite-{program}"


def _instance(conf: str) -> tuple[str, str]:
    """The directory of all confs, and the name of one of several of one kind; empty where it is not known, or alone."""
    directory, _, file = conf.rpartition("/")
    if directory.endswith("-server"):
        return directory.rpartition("/")[0], file.removesuffix(".conf")
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
    if view.has_systemd:
        return "systemctl reload swiftlite-proxy-server"
    return shlex.join((INIT, "proxy-server", "reload", "--swift-dir", view.swift_dir))


def reload_servers(view: ClusterView) -> str:
    """Let all servers of this machine read their confs and certificates anew."""
    if view.has_systemd:
        return shlex.join(("systemctl", "reload", "swiftlite-*-server.service", "swiftlite-*-server@*.service"))
    return shlex.join((INIT, "main", "reload", "--swift-dir", view.swift_dir))


def start_all(view: ClusterView, server: Server) -> str:
    """Start all of a server's machine."""
    if server.is_local and view.all_in_one:
        return shlex.join(("swiftlite-aio", "start", "--dir", view.all_in_one, "--detach"))
    return shell_on(server, _line(view, server, ("systemctl", "start", "swiftlite.target"), ("all", "start")))


def _line(view: ClusterView, server: Server, systemd: Sequence[str], init: Sequence[str], conf: str = "") -> str:
    """The command of who starts a machine's daemons; where nobody knows who that is, the other's is a comment.

    :param init: daemon and command of swiftlite-init
    """
    manager = manager_of(view, server)
    swift_dir = _instance(conf)[0] or (view.swift_dir if server.is_local else "/etc/swift")
    words = [INIT, *init, "--swift-dir", swift_dir]
    words += ["--run-dir", manager.run_dir] if manager.run_dir else []
    words += ["--log-dir", manager.log_dir] if manager.log_dir else []
    if manager.name == INIT:
        return shlex.join(words)
    line = shlex.join(systemd)
    if manager.name == SYSTEMD:
        return line
    # A comment ends where the line does: what a node calls its files must not begin another.
    return f"{line}  # without systemd: {' '.join(shlex.join(words).split())}"


def show_log(view: ClusterView, server: Server, program: str, conf: str, *choice: str) -> str:
    """Show what a daemon has logged.

    :param choice: journalctl's options that leave out the rest
    """
    if server.is_local and view.all_in_one:
        return shlex.join(("tail", "-n", "50", f"{view.all_in_one}/log/{program}.log"))
    manager = manager_of(view, server)
    if manager.name == INIT:
        # Lines that went to syslog are where the machine keeps them; what ended the daemon is here.
        instance = _instance(conf)[1]
        file = f"{program}.{instance}.log" if instance else f"{program}.log"
        return shell_on(server, shlex.join(("tail", "-n", "50", f"{manager.log_dir or '/var/log/swift'}/{file}")))
    return shell_on(server, shlex.join(("journalctl", "-u", unit(program, conf), *choice)))
