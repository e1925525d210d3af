"""The address that a server's conf names: whether it is this machine's, and whether somebody else listens there."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress

from swiftlite.cli.findings import ERROR, WARNING, Report
from swiftlite.cli.processes import Process, read_processes
from swiftlite.common.conf_lines import DEFAULT
from swiftlite.common.config import ServerOptions
from swiftlite.http import listeners

_LISTENS = "0A"
"""The state of a listening socket in ``/proc/net/tcp``."""
INIT = 1
"""systemd listens for a server that has a ``.socket`` unit."""


def check_address(report: Report, program: str, options: ServerOptions) -> None:
    """See that a server could listen where its conf says.

    :param program: say ``object-server``
    """
    try:
        listeners.check_address(options.bind_ip, options.bind_port)
    except listeners.ListenError as error:
        if error.number == errno.EADDRINUSE:
            _tell_who_listens(report, program, options.bind_port)
        elif error.number != errno.EACCES:  # a privileged port: who starts it may be root
            report.add(ERROR, DEFAULT, "bind_ip", str(error), error.remedy)


def _tell_who_listens(report: Report, program: str, port: int) -> None:
    """Warn of another process that listens on a port, if it is not the server of this conf."""
    processes = read_processes()
    found = [processes[pid] for pid in holders(port, processes) if pid in processes]
    # Only root sees whose a socket is; then a server of this conf that runs is believed to hold it.
    suspects = found or list(processes.values())
    if any(one.pid == INIT or is_of_conf(one, program, report.outline.path) for one in suspects):
        return
    who = f"process {found[0].pid} ({found[0].command or found[0].name})" if found else "another process"
    remedy = f"see: ss -ltnp 'sport = :{port}'; end it, or choose another port"
    report.add(WARNING, DEFAULT, "bind_port", f"{who} listens on port {port}", remedy)


def is_of_conf(process: Process, program: str, conf: str) -> bool:
    """Whether a process is a program of ours that was started with a conf."""
    name, *arguments = process.command.split(" ")
    return name == program and os.path.realpath(conf) in map(os.path.realpath, arguments)


def holders(port: int, pids: Iterable[int], proc: str = "/proc") -> Iterator[int]:
    """Those of some processes, as far as we may look at them, that have a socket which listens on a port."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port, proc)}
    for pid in pids:
        with suppress(OSError):  # another user's, or it has ended
            for descriptor in os.listdir(f"{proc}/{pid}/fd"):
                with suppress(OSError):
                    if os.readlink(f"{proc}/{pid}/fd/{descriptor}") in sockets:
                        yield pid
                        break


def _listening(port: int, proc: str) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        with suppress(OSError), open(f"{proc}/net/{name}", encoding="ascii") as file:
            for line in list(file)[1:]:
                words = line.split()
                if words[3] == _LISTENS and int(words[1].rpartition(":")[2], 16) == port:
                    yield words[9]
