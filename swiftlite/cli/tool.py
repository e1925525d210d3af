"""What the operator's tools share: their command line, the rings they ask, and one clear line for bad input."""

from __future__ import annotations

import argparse
import functools
import os
import re
import sys
from collections.abc import Callable, Sequence

from swiftlite.cli.pipes import ends_unread
from swiftlite.common.config import StartError
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core.names import HashPath
from swiftlite.ring.ring import Ring

SUCCESS, FAILURE = 0, 1

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Main = Callable[[Sequence[str]], int]


class ToolError(StartError):
    """A tool cannot do what it was asked; the text is the one line that says why."""


def tool(main: Main) -> Main:
    """Make a tool's main function end with one line on standard error, and exit code 1, where something is wrong.

    Names that are no UTF-8 come out as the bytes that they are.
    """

    @functools.wraps(main)
    def run(argv: Sequence[str]) -> int:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(encoding="utf-8", errors="surrogateescape")
        try:
            return main(argv)
        except BrokenPipeError:
            raise
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return FAILURE
        except (StartError, OSError) as error:
            print(_text(error), file=sys.stderr)
            return FAILURE

    return ends_unread(run)


def _text(error: Exception) -> str:
    """An error as one line; what damaged files hold cannot move the cursor of a terminal."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    return printable(" ".join(part for part in text.split("\n") if part))


def printable(text: str) -> str:
    """A text of others on one line, without what could move the cursor of a terminal."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def parser(program: str, usage: str, description: str) -> argparse.ArgumentParser:
    """A parser of a tool's arguments; it exits with 2 on bad ones.

    :param usage: what follows the program's name
    :param description: sentences, in lines as they are to be shown
    """
    shown = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(
        prog=program, usage=f"%(prog)s {usage}", description=description, formatter_class=shown
    )


def add_swift_dir(arguments: argparse.ArgumentParser) -> None:
    """Let the operator say where swift.conf and the rings are."""
    arguments.add_argument(
        "-d", "--swift-dir", default="/etc/swift", metavar="DIR", help="directory of swift.conf and the rings"
    )


def look_for_swift_dir(directory: str, option: str = "--swiftdir", file: str = "") -> None:
    """See that the directory of swift.conf and the rings is there: it has its usual place on nodes, and not elsewhere.

    :param option: by which the command line names it
    :param file: that must be in it
    :raises ToolError: when it is not
    """
    path = os.path.join(directory, file) if file else directory
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise ToolError(
            f"there is no {path}: name the directory of swift.conf and the rings by {option} (all-in-one: DIR/etc)"
        ) from None


def swift_conf_of(options: argparse.Namespace) -> SwiftConf:
    """swift.conf where :func:`add_swift_dir` lets the operator say that it is.

    :raises ToolError: when there is none
    """
    look_for_swift_dir(options.swift_dir, "-d", "swift.conf")
    return SwiftConf.load(options.swift_dir)


def add_drop_prefixes(arguments: argparse.ArgumentParser) -> None:
    """Let the operator have metadata without what their names have in common."""
    arguments.add_argument(
        "--drop-prefixes",
        action="store_true",
        help="show metadata without the X-…-Meta- and X-…-Sysmeta- of their names",
    )


def ring_if_any(swift_dir: str, ring_name: str, hash_path: HashPath) -> Ring | None:
    """A ring of this machine; None when it has none of that name.

    :raises RingError: when it has one that cannot be used
    """
    if not os.path.exists(os.path.join(swift_dir, f"{ring_name}.ring.gz")):
        return None
    return Ring(swift_dir, ring_name, hash_path=hash_path)
