"""swiftlite-drive-audit: unmounts devices of which the kernel's log tells errors, before they are used any further."""

from __future__ import annotations

import argparse
import glob
import locale
import logging
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from swiftlite.cli.kernel_log import BadPattern, backward, count_errors, error_patterns
from swiftlite.cli.mounts import Numbers, commented_out, parse_block_links, parse_mounts, parse_partitions
from swiftlite.cli.tool import FAILURE, SUCCESS, ToolError, parser, tool
from swiftlite.common import recon
from swiftlite.common.config import ConfFile, ConfigError, option, read_options
from swiftlite.common.log import get_logger

SECTION = "drive-audit"
CACHE = "drive.recon"

DESCRIPTION = """Look for errors of devices in the kernel's log, and unmount those that have too many; for cron.
An unmounted device answers 507, and its replicas are made elsewhere."""


@dataclass(frozen=True)
class DriveAuditOptions:
    """``[drive-audit]`` of drive-audit.conf."""

    device_dir: str = option("/srv/node", "directory below which the devices are mounted")
    minutes: int = option(60, "how far to look back in the log", least=1)
    error_limit: int = option(1, "errors in that time from which on a device is unmounted")
    log_file_pattern: str = option(
        "/var/log/kern.*[!.][!g][!z]", "the kernel's log files, older ones too; where there are none, journald is asked"
    )
    log_file_encoding: str = option("auto", "of these files; auto: that of the locale")
    unmount_failed_device: bool = option(True, "unmount and take out of fstab; otherwise only tell")
    recon_cache_path: str = option(recon.DEFAULT_PATH, "directory of drive.recon, which monitoring reads")
    user: str = option("swift", "account that drive.recon belongs to")
    log_to_console: bool = option(False, "log to standard error too")
    log_name: str = option(SECTION, "name at the start of log lines")
    log_facility: str = option("LOG_LOCAL0", "syslog facility")
    log_level: str = option("INFO", "lowest level that is logged")
    log_address: str = option("/dev/log", "syslog socket; standard error where it does not exist")


@dataclass(frozen=True)
class Machine:
    """Where this machine tells of its devices, and how programs are run on it."""

    proc: str = "/proc"
    dev_block: str = "/dev/block"
    fstab: str = "/etc/fstab"
    systemd: str = "/run/systemd/system"
    run: Callable[[Sequence[str]], subprocess.CompletedProcess[str]] = lambda command: subprocess.run(
        command, capture_output=True, text=True, errors="surrogateescape"
    )
    now: Callable[[], datetime] = datetime.now


class DriveAudit:
    """One look at the log, and what follows from it."""

    def __init__(
        self, options: DriveAuditOptions, patterns: Sequence[re.Pattern[str]], logger: logging.Logger, machine: Machine
    ) -> None:
        self.options, self.patterns, self.logger, self.machine = options, patterns, logger, machine

    def run(self) -> int:
        """Do all of it.

        :returns: 0 done, 1 when a device could not be unmounted
        :raises ToolError: when there is no log to be read
        """
        mounted = self.devices()
        self.logger.debug("Devices found: %s", mounted)
        if not mounted:
            self.logger.error("Error: No devices found!")
        errors = self.errors()
        self.logger.debug("Errors found: %s", dict(errors))
        reported = dict.fromkeys(mounted.values(), 0)
        unmounted, failed = 0, 0
        for kernel_device, mount_point in mounted.items():
            count = errors[kernel_device]
            if count < max(1, self.options.error_limit):
                continue
            reported[mount_point] = count
            if not self.options.unmount_failed_device:
                self.logger.info("Detected %s with %d errors (Device not unmounted)", mount_point, count)
            elif self.unmount(mount_point, count):
                unmounted += 1
            else:
                failed += 1
        self.report(reported)
        if unmounted == 0:
            self.logger.info("No drives were unmounted")
        elif os.path.isdir(self.machine.systemd):
            self.logger.debug("fstab updated, calling systemctl daemon-reload")
            self._run("systemctl", "daemon-reload")
        return FAILURE if failed else SUCCESS

    def devices(self) -> dict[str, str]:
        """The kernel's name of every device below ``device_dir`` -> where it is mounted."""
        proc = self.machine.proc
        names = parse_partitions(_text(f"{proc}/partitions"))
        found = {}
        for mount in parse_mounts(_text(f"{proc}/mounts"), self.options.device_dir):
            numbers = self._numbers(mount.block_device)
            if numbers is None or numbers not in names:
                self.logger.error(
                    "Could not determine major:minor numbers for %s (mounted at %s)! Skipping...",
                    mount.block_device,
                    mount.mount_point,
                )
            else:
                found[names[numbers]] = mount.mount_point
        return found

    def _numbers(self, block_device: str) -> Numbers | None:
        try:
            with os.scandir(self.machine.dev_block) as entries:
                links = {entry.name: os.readlink(entry.path) for entry in entries if entry.is_symlink()}
        except OSError:  # a container may have no such directory
            links = {}
        known = parse_block_links(links).get(os.path.basename(block_device))
        if known:
            return known
        try:
            number = os.stat(block_device).st_rdev
        except OSError:
            return None
        return (os.major(number), os.minor(number)) if number else None

    def errors(self) -> Counter[str]:
        """Kernel name of a device -> errors in the last minutes.

        :raises ToolError: when there is no log to be read
        """
        files = glob.glob(self.options.log_file_pattern)
        lines = self._file_lines(files) if files else self._journal_lines()
        return count_errors(lines, self.patterns, self.machine.now(), self.options.minutes)

    def _file_lines(self, files: list[str]) -> Iterator[str]:
        """Lines of all files, the newest first: the log may just have been rotated."""
        encoding = self.options.log_file_encoding
        encoding = locale.getpreferredencoding() if encoding == "auto" else encoding
        for path in sorted(files, key=lambda path: os.stat(path).st_mtime, reverse=True):
            with open(path, "rb") as file:
                for line in backward(file):
                    yield line.decode(encoding, "surrogateescape")

    def _journal_lines(self) -> list[str]:
        since = f"--since=-{self.options.minutes}min"
        done = self._run("journalctl", "--dmesg", since, "--output=short-iso", "--reverse", "--no-pager", "--quiet")
        if done is None or done.returncode:
            raise ToolError(f"no log file matches {self.options.log_file_pattern}, and there is no journal to read")
        return done.stdout.splitlines()

    def unmount(self, mount_point: str, errors: int) -> bool:
        """Unmount a device, even a busy one, and keep it from being mounted at the next boot; whether that worked."""
        self.logger.info("Unmounting %s with %d errors", mount_point, errors)
        done = self._run("umount", "-fl", mount_point)
        if done is None or done.returncode:
            self.logger.error("%s is not unmounted: %s", mount_point, done.stderr.strip() if done else "no umount")
            return False
        self.logger.info("Commenting out %s from %s", mount_point, self.machine.fstab)
        try:
            comment_out(self.machine.fstab, mount_point)
        except OSError as error:
            self.logger.error("%s still names %s: %s", self.machine.fstab, mount_point, error.strerror)
        return True

    def report(self, errors: dict[str, int]) -> None:
        """Tell monitoring how many errors each device has."""
        directory, user = self.options.recon_cache_path, self.options.user
        is_there = os.path.isdir(directory)
        recon.dump(directory, CACHE, {**errors, "drive_audit_errors": sum(errors.values())}, self.logger)
        try:
            if os.geteuid() == 0:
                shutil.chown(f"{directory}/{CACHE}", user)
                if not is_there:  # a directory that root has made is of no use to the daemons
                    shutil.chown(directory, user)
        except (OSError, LookupError) as error:
            self.logger.error("cannot give %s/%s to %s: %s", directory, CACHE, user, error)

    def _run(self, *command: str) -> subprocess.CompletedProcess[str] | None:
        try:
            return self.machine.run(command)
        except OSError as error:
            self.logger.error("cannot run %s: %s", command[0], error.strerror)
            return None


def comment_out(fstab: str, mount_point: str) -> None:
    """Make the lines of a mount point in fstab comments; a crash leaves the file as it was, or as it should be.

    :raises OSError: when it cannot be written
    """
    text = _text(fstab)
    changed = commented_out(text, mount_point)
    if changed == text:
        return
    new = f"{fstab}.new"
    with open(new, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(changed)
        file.flush()
        os.fsync(file.fileno())
    shutil.copystat(fstab, new)
    os.replace(new, fstab)


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()


def load(path: str) -> tuple[DriveAuditOptions, list[re.Pattern[str]], logging.Logger]:
    """Read drive-audit.conf: the options, the patterns of errors, and the logger.

    :raises ConfigError: when it cannot be used
    """
    conf = ConfFile.load(path)
    if not conf.has(SECTION):
        raise ConfigError(path, SECTION, None, "there is no such section", "see drive-audit.conf-sample")
    section = conf.section(SECTION)
    options = read_options(DriveAuditOptions, section, path, SECTION)
    try:
        patterns = error_patterns(section)
        logger = get_logger({"log_name": options.log_name, **section}, SECTION)
        "".encode("ascii" if options.log_file_encoding == "auto" else options.log_file_encoding)
    except BadPattern as error:
        raise ConfigError(path, SECTION, "regex_pattern_…", str(error), "correct it") from None
    except (ValueError, LookupError) as error:
        raise ConfigError(path, SECTION, None, str(error), "correct it") from None
    if options.log_to_console and not isinstance(logger.handlers[0], logging.StreamHandler):
        logger.addHandler(logging.StreamHandler(sys.stderr))
    return options, patterns, logger


@tool
def main(argv: Sequence[str]) -> int:
    """Run the tool.

    :returns: 0 done, or no error found, 1 bad input, a device that could not be unmounted, or errors found
    """
    arguments = parser("swiftlite-drive-audit", "CONF_FILE [--check]", DESCRIPTION)
    arguments.add_argument("conf_file", nargs="?", help=argparse.SUPPRESS)
    reason = "look for errors in the conf, and for what it needs; unmount nothing"
    arguments.add_argument("--check", action="store_true", help=reason)
    options = arguments.parse_args(argv)
    if options.conf_file is None:
        raise ToolError("Usage: swiftlite-drive-audit CONF_FILE")
    if options.check:
        from swiftlite.cli.check_drive_audit import check_main  # here: cron need not load what knows all options

        return check_main(options.conf_file, Machine())
    return DriveAudit(*load(options.conf_file), Machine()).run()
