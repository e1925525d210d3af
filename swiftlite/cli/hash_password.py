"""swiftlite-hash-password: make of a password the hash that a conf file may hold in its place."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence

from swiftlite.cli.tool import SUCCESS, parser, tool
from swiftlite.common.config import StartError
from swiftlite.common.passwords import hash_password


@tool
def main(argv: Sequence[str]) -> int:
    """Run the tool: the password comes from the terminal, or as the first line of standard input.

    :returns: 0
    :raises StartError: when there is no password, or no library to hash it
    """
    text = "Make the hash of a password, for user_<account>_<user> = <hash> [group...] in the proxy's conf file."
    parser("swiftlite-hash-password", "", text).parse_args(argv)
    password = _ask() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise StartError("there is no password: give it as the first line of standard input")
    try:
        print(hash_password(password))
    except ImportError:
        raise StartError("argon2-cffi is not installed: pip install argon2-cffi") from None
    return SUCCESS


def _ask() -> str:
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise StartError("the two are not the same: try again")
    return password
