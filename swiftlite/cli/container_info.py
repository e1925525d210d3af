"""swiftlite-container-info: what a container's database says, and where it belongs."""

from __future__ import annotations

from collections.abc import Sequence

from swiftlite.cli.database_info import add_options, show
from swiftlite.cli.tool import parser, tool

DESCRIPTION = """Show whose database a file is, its counts, metadata, shards and nodes.
Exit codes: 0 success, 1 error, 2 what is shown may be old."""


@tool
def main(argv: Sequence[str]) -> int:
    """Run the tool.

    :returns: 0 done, 1 bad input, 2 done, but what is shown may be old
    """
    arguments = parser("swiftlite-container-info", "[options] <container database file>", DESCRIPTION)
    add_options(arguments, "container")
    arguments.add_argument("-v", "--verbose", action="store_true", help="show every shard range")
    return show("container", arguments.parse_intermixed_args(argv))
