"""swiftlite-oldies: daemons that have run for long, perhaps with a program that has since been replaced."""

from __future__ import annotations

from collections.abc import Sequence

from swiftlite.cli.processes import old, read_processes, table
from swiftlite.cli.tool import SUCCESS, parser, tool

MONTH = 720


@tool
def main(argv: Sequence[str]) -> int:
    """Run the tool.

    :returns: 0, whether there are any or not
    """
    arguments = parser("swiftlite-oldies", "[options]", "List the processes of swiftlite's programs that are old.")
    arguments.add_argument(
        "-a", "--age", type=int, default=MONTH, metavar="HOURS", help="at least so old; default: 720 (30 days)"
    )
    arguments.add_argument("-p", "--pids", action="store_true", help="only the pids, for example for xargs kill")
    options = arguments.parse_args(argv)
    found = old(read_processes().values(), options.age)
    if found:
        print("\n".join(str(process.pid) for process in found) if options.pids else "\n".join(table(found)))
    return SUCCESS
