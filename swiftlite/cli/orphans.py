"""swiftlite-orphans: daemons that nobody looks after any more; lists them, and sends them a signal if asked to."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from swiftlite.cli.processes import Process, old, orphans, read_pids, read_processes, table
from swiftlite.cli.tool import FAILURE, SUCCESS, ToolError, parser, tool

RUN_DIR = "/var/run/swift"
DAY = 24

DESCRIPTION = """List the processes of swiftlite's programs whose supervisor or master is gone: they are in no pid file
of the run directory, in no systemd service of ours, and who started them does not live any more. Programs that
were asked for a single pass (--once) are left alone.

Example, SIGTERM to all orphans that are two hours old: swiftlite-orphans -a 2 -k TERM"""


def signal_number(text: str) -> int:
    """The signal that a number or a name, with or without SIG, stands for.

    :raises ToolError: when there is no such signal
    """
    if text.isdecimal() and int(text) in signal.valid_signals():
        return int(text)
    name = text.upper()
    for spelling in (name, f"SIG{name}"):
        if spelling in signal.Signals.__members__:
            return signal.Signals[spelling].value
    raise ToolError(f"Could not translate {text!r} to a signal number.")


def send(found: Sequence[Process], number: int) -> int:
    """Send a signal to processes that are still the ones that were found.

    :returns: 0 done, 1 when one may not be signalled
    """
    code = SUCCESS
    now = read_processes()
    for process in found:
        if process.pid not in now or now[process.pid].started != process.started:
            continue
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            pass
        except PermissionError as error:
            print(f"{process.pid}: {error.strerror}", file=sys.stderr)
            code = FAILURE
    return code


@tool
def main(argv: Sequence[str]) -> int:
    """Run the tool.

    :returns: 0, whether there are any or not; 1 bad input, or a process that may not be signalled
    """
    arguments = parser("swiftlite-orphans", "[options]", DESCRIPTION)
    arguments.add_argument(
        "-a", "--age", type=int, default=DAY, metavar="HOURS", help="at least so old; default: %(default)s"
    )
    arguments.add_argument("-k", "--kill", metavar="SIGNAL", help="send them this signal; default: only list them")
    arguments.add_argument("-w", "--wide", action="store_true", help="do not clip the listing at 80 characters")
    arguments.add_argument(
        "-r", "--run-dir", default=RUN_DIR, metavar="DIR", help="directory of the pid files; default: %(default)s"
    )
    options = arguments.parse_args(argv)
    number = signal_number(options.kill) if options.kill else None
    found = old(orphans(read_processes(), read_pids(options.run_dir)), options.age)
    found = [process for process in found if process.pid != os.getpid()]
    if not found:
        return SUCCESS
    print("\n".join(table(found, options.wide)))
    if number is None:
        return SUCCESS
    print(f"Sending processes {options.kill} ({number}) signal...", end="", flush=True)
    code = send(found, number)
    print("Done.")
    return code
