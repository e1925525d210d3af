"""swiftlite-object-relinker: the command line of the object relinker, in the grammar of OpenStack Swift's."""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import replace
from typing import Any

from swiftlite.common import command_line
from swiftlite.common.config import ConfFile, ConfigError, StartError, read_options
from swiftlite.common.log import get_logger
from swiftlite.common.policies import StoragePolicies, StoragePolicy
from swiftlite.common.privileges import ClosedLibrary, check_user, drop_privileges
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.obj.relinker import FAILED, Relinker, RelinkerOptions

SECTION = "object-relinker"
_OPTIONS = ("swift_dir", "devices", "files_per_second", "stats_interval", "recon_cache_path", "workers")
"""Options of the conf file that the command line may set, too."""


def main(argv: list[str]) -> int:
    """Run one step.

    :param argv: ``relink`` or ``cleanup``, a conf file perhaps, options
    :returns: 0 done, 1 with errors, 2 when no policy's partition power is in the phase for it
    """
    parser = _parser()
    arguments = parser.parse_intermixed_args(argv)
    if arguments.check:
        return _check(parser, arguments)
    try:
        options, logger = _set_up(arguments)
        swift = SwiftConf.load(options.swift_dir)
    except (StartError, OSError) as error:
        print(f"{SECTION}: {error}", file=sys.stderr)
        return FAILED
    policies = _policies(parser, swift.policies, arguments.policies)
    relinker = Relinker(
        options, swift, logger, arguments.action == "cleanup", policies, frozenset(arguments.partitions)
    )
    try:
        return relinker.run(arguments.device_list)
    except OSError as error:
        print(f"{SECTION}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return FAILED


def _check(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    if not arguments.conf_file:
        parser.error("--check needs a conf file")
    return command_line.check(SECTION, arguments.conf_file)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="swiftlite-object-relinker",
        description="Link objects to their places under a greater partition power, or remove the old places.",
        epilog="Exit codes: 0 done, 1 with errors, 2 no policy's ring is in the phase for this step",
    )
    add = parser.add_argument
    add("action", choices=("relink", "cleanup"), help="relink: before the power is increased; cleanup: after that")
    add("conf_file", nargs="?", help=f"conf file with a section [{SECTION}]")
    add("--check", action="store_true", help="look for errors in the conf, the rings and devices; start nothing")
    add("--swift-dir", help="directory of swift.conf and the rings (default: /etc/swift)")
    add("--policy", dest="policies", action="append", default=[], help="name or index of a policy (default: all)")
    add("--devices", help="directory whose entries are the devices (default: /srv/node)")
    add("--user", help="account that root becomes before the work starts (default: that of the conf file, else swift)")
    add("--device", dest="device_list", action="append", default=[], help="name of a device (default: all)")
    add("-p", "--partition", dest="partitions", action="append", default=[], type=_whole, help="default: all")
    add("--skip-mount-check", action="store_true", help="take devices that are not mount points")
    add("--files-per-second", help="objects of one device a second; 0: no limit (default)")
    add("--stats-interval", help="seconds between statistics (default: 300)")
    add("-r", "--recon-cache-path", help="directory of the statistics (default: /var/cache/swift)")
    add("--workers", help="devices worked on at once, each by a process; auto: all (default)")
    # Older releases looked for links of earlier increases; there is nothing left to be limited.
    add("--link-check-limit", type=_whole, help=argparse.SUPPRESS)
    add("--logfile", help="where to log; not with a conf file (default: standard error)")
    add("--debug", "-v", "--verbose", action="store_true", help="log more")
    add(
        "--clobber-hardlink-collisions",
        action="store_true",
        help="settle different files of one moment: relink quarantines the one at the new place, cleanup drops the old",
    )
    return parser


def _whole(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def _set_up(arguments: argparse.Namespace) -> tuple[RelinkerOptions, logging.Logger]:
    """The options, and a logger; a process of root has become another by then.

    :raises StartError: when the conf file or an option cannot be used
    """
    texts: dict[str, Any] = {}
    if arguments.conf_file:
        conf = ConfFile.load(arguments.conf_file)
        texts = conf.section(SECTION) if conf.has(SECTION) else {}
        if not texts:
            raise StartError(f"{arguments.conf_file} has no section [{SECTION}]; add one")
    texts |= {name: value for name in _OPTIONS if (value := getattr(arguments, name)) is not None}
    if arguments.debug:
        texts["log_level"] = "DEBUG"
    options = read_options(RelinkerOptions, texts, arguments.conf_file or "the command line", SECTION)
    _become(arguments.user or options.user, arguments.conf_file)
    if arguments.skip_mount_check:
        options = replace(options, mount_check=False)
    if arguments.clobber_hardlink_collisions:
        options = replace(options, clobber_hardlink_collisions=True)
    return options, get_logger(texts, SECTION) if arguments.conf_file else _plain_logger(arguments)


def _become(user: str, conf_file: str | None) -> None:
    """Give up root, as daemons do: what root makes on a device, no server can write to.

    :raises StartError: when there is no such account
    """
    try:
        check_user(user, conf_file or "")
        drop_privileges(user, conf_file or "")
    except ConfigError as error:
        if conf_file or isinstance(error, ClosedLibrary):
            raise
        raise StartError(f"there is no account {user!r} to work as: name the owner of the devices by --user") from None


def _plain_logger(arguments: argparse.Namespace) -> logging.Logger:
    """A logger for a person who watches."""
    logger = logging.getLogger(f"swiftlite-{SECTION}")
    handler = logging.FileHandler(arguments.logfile) if arguments.logfile else logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers = [handler]
    logger.setLevel(logging.DEBUG if arguments.debug else logging.INFO)
    logger.propagate = False
    return logger


def _policies(parser: argparse.ArgumentParser, known: StoragePolicies, asked: list[str]) -> list[StoragePolicy]:
    found = []
    for text in asked:
        policy = known.by_name(text) or (known.by_index(text) if text.isdigit() else None)
        if policy is None:
            parser.error(f"there is no policy {text}")
        found.append(policy)
    return found or list(known)
