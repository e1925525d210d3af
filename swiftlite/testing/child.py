"""The child process that a store runs in: ``python -m swiftlite.testing.child DIRECTORY KIND:DESCRIPTOR…``."""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from swiftlite.common.config import StartError
from swiftlite.testing.running import READY
from swiftlite.testing.serving import serve


def main(arguments: Sequence[str]) -> int:
    """Serve on inherited sockets until standard input ends, then remove the directory; return the exit status.

    The child removes it and not only who started it, for the latter may have been killed.
    """
    directory = Path(arguments[0])
    listeners = {}
    for argument in arguments[1:]:
        kind, _, number = argument.partition(":")
        listeners[kind] = socket.socket(fileno=int(number))
    try:
        serve(directory, listeners, sys.stdin, _say_ready)  # what it raises goes to the log, which is to be read still
    except StartError as error:
        sys.exit(str(error))
    shutil.rmtree(directory, ignore_errors=True)
    return 0


def _say_ready() -> None:
    sys.stdout.buffer.write(READY)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
