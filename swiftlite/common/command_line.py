"""The command line that all daemons and servers share: its options, and what their exit statuses say."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import signal
from collections.abc import Iterator, Mapping

DONE, CANNOT_START, JOBS_FAILED, FAILED = 0, 1, 3, 70
"""Exit statuses; argparse ends with 2. To start anew helps perhaps where a program has FAILED, and never where it cannot start."""

SERVER_CODES = """exit codes: 0 ended by a signal, or --check has found no error; 1 cannot start, for the reason in the last line on
standard error, or --check has found errors; 2 the command line is wrong; 70 it has failed as nobody foresaw"""
DAEMON_CODES = SERVER_CODES.replace("0 ended by a signal", "0 done") + "; 3 jobs of the only pass have failed"
SIGNALS = """signals: TERM and INT end it; HUP and USR1 start it anew in the same process, with the conf, the rings and the code of
that moment, unless it could not start with them: then it says why in its log, and goes on as before"""


@contextlib.contextmanager
def reloads_wait() -> Iterator[None]:
    """A signal to reload, which by default would end a program that is still starting, waits until one attends to it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP, signal.SIGUSR1))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def server_parser(name: str) -> argparse.ArgumentParser:
    """The command line of a server: ``CONF [-v | --verbose] [--check]``.

    :param name: say ``object-server``
    """
    parser = _parser(name, f"Run the {name} of a conf file.", SERVER_CODES)
    parser.add_argument("conf", help=f"conf file, say /etc/swift/{name}.conf, or a directory of such")
    parser.add_argument("-v", "--verbose", action="store_true", help="log to standard error")
    _add_check(parser)
    return parser


def daemon_parser(
    name: str, purpose: str, switches: Mapping[str, str], flags: Mapping[str, tuple[str, ...]]
) -> argparse.ArgumentParser:
    """The command line of a daemon: ``CONF [once] [-o | --once] [-v | --verbose] [--check]``.

    :param name: say ``object-updater``
    :param purpose: what it does, in one line
    :param switches: conf options that the command line may set, too, as ``--<option>``, and what it says of them
    :param flags: how it spells those that it calls otherwise
    """
    parser = _parser(name, purpose, DAEMON_CODES)
    parser.add_argument("conf", help="conf file of the server whose devices it works on")
    parser.add_argument("word", nargs="?", choices=("once",), help="the same as --once")
    parser.add_argument("-o", "--once", action="store_true", help="make one pass and exit")
    parser.add_argument("-v", "--verbose", action="store_true", help="log more, and to standard error")
    _add_check(parser)
    for option, reason in switches.items():
        parser.add_argument(*flags.get(option) or ("--" + option.replace("_", "-"),), dest=option, help=reason)
    return parser


def _parser(name: str, purpose: str, codes: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=f"swiftlite-{name}",
        description=purpose,
        epilog=f"{codes}\n\n{SIGNALS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_check(parser: argparse.ArgumentParser) -> None:
    reason = "look for errors in the conf, the rings and devices; start nothing"
    parser.add_argument("--check", action="store_true", help=reason)


def check(program: str, conf: str) -> int:
    """Look for errors in a conf and what it names, and print them.

    :param program: say ``object-updater``
    :returns: the exit status
    """
    # By name: what checks knows all programs, and stands above them.
    status: int = importlib.import_module("swiftlite.cli.check").check_main(program, conf)
    return status
