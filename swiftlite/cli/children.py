"""Start daemons that die with their parent, and learn whether they are well; needs only the standard library."""

from __future__ import annotations

import ctypes
import errno
import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from swiftlite.cli.layout import Process

_PR_SET_PDEATHSIG = 1


def start(
    process: Process,
    log: Path,
    programs: Path,
    variables: Mapping[str, str] = MappingProxyType({}),
    descriptors: Collection[int] = (),
) -> subprocess.Popen[bytes]:
    """Start one daemon, its output appended to the file `log`, its program taken from the directory `programs`.

    It is killed by the kernel when the thread that called this ends, however it ends. `variables` are added to its
    environment, `descriptors` stay open in it.
    """
    command = [sys.executable, str(programs / process.program), str(process.conf)]
    return spawn(command, log, variables, descriptors)


def spawn(
    command: Sequence[str],
    log: Path,
    variables: Mapping[str, str] = MappingProxyType({}),
    descriptors: Collection[int] = (),
) -> subprocess.Popen[bytes]:
    """Start any program in a process group of its own; otherwise as :func:`start`."""
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork: afterwards a lock may be held for ever
    parent = os.getpid()

    def before_exec() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.setpgid(0, 0)  # Ctrl-C goes to the parent alone, which then stops its children in order
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    with open(log, "ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**environment(), **variables},
            pass_fds=tuple(descriptors),
            preexec_fn=before_exec,  # noqa: PLW1509 - one thread calls this
        )


def environment() -> dict[str, str]:
    """Return this process's environment for daemons: compiled modules are kept, they halve the time of a start."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def is_taken(address: tuple[str, int]) -> bool:
    """Tell whether somebody listens on this address already. Raises OSError when it is none of this machine's."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            raise
    return False


def is_healthy(
    address: tuple[str, int], timeout: float = 1.0, tls: ssl.SSLContext | None = None, preamble: bytes = b""
) -> bool:
    """Tell whether the server at this address answers its healthcheck with 200; `tls` and `preamble` as in `request`."""
    return request(address, "GET", "/healthcheck", timeout=timeout, tls=tls, preamble=preamble)[0] == 200


def request(
    address: tuple[str, int],
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    timeout: float = 5.0,
    tls: ssl.SSLContext | None = None,
    preamble: bytes = b"",
) -> tuple[int, dict[str, str]]:
    """Send one request without a body; return the status (0: no answer) and the headers, names in lower case.

    :param timeout: seconds
    :param tls: how to speak TLS; None: not at all
    :param preamble: what the connection begins with, before TLS
    """
    connection = http.client.HTTPConnection(*address, timeout=timeout)
    try:
        connection.sock = socket.create_connection(address, timeout)
        connection.sock.sendall(preamble)
        if tls is not None:
            connection.sock = tls.wrap_socket(connection.sock, server_hostname=address[0])
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        response.read()
        return response.status, {name.lower(): value for name, value in response.getheaders()}
    except (OSError, http.client.HTTPException):
        return 0, {}
    finally:
        connection.close()


def last_line(log: Path) -> str:
    """Return the last line that a daemon wrote, to say why it ended."""
    try:
        lines = log.read_text(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line for line in reversed(lines) if line.strip()), "")
