"""Check drive-audit.conf, and what swiftlite-drive-audit expects of its node, without unmounting anything."""

from __future__ import annotations

import logging
import os
import pwd
import shutil

from swiftlite.cli import check, check_node
from swiftlite.cli.drive_audit import SECTION, DriveAudit, Machine, load
from swiftlite.cli.findings import ERROR, WARNING, Report
from swiftlite.cli.kernel_log import PATTERN_OPTION
from swiftlite.cli.tool import ToolError
from swiftlite.common.conf_lines import DEFAULT, Outline, read_outline
from swiftlite.common.config import ConfigError


def check_main(path: str, machine: Machine) -> int:
    """Print what is wrong with the conf and its node, a line each.

    :param path: of drive-audit.conf
    :param machine: where to look
    :returns: 0 nothing is wrong, or only what is warned of; 1 there are errors
    """
    report = Report(Outline(path))
    try:
        report.outline = read_outline(path)
        if SECTION in report.outline.headers:  # else it does not even start, which is told below
            check.check_text(report, SECTION, (DEFAULT, SECTION))
        audit = DriveAudit(*load(path), machine)
    except ConfigError as error:
        report.add_error(error)
    else:
        report.section = SECTION
        _check_patterns(report, audit)
        _check_node(report, audit)
    return check.tell(SECTION, path, report.findings)


def _check_patterns(report: Report, audit: DriveAudit) -> None:
    names = [name for name in report.outline.texts(SECTION) if name.startswith(PATTERN_OPTION)]
    for name, pattern in zip(names, audit.patterns):
        if not pattern.groups:
            problem = "it has no group, so the whole match would have to be the name of a device"
            report.add(WARNING, SECTION, name, problem, "put the part that is the device into parentheses")


def _check_node(report: Report, audit: DriveAudit) -> None:
    options = audit.options
    logging.disable()  # what is worth a line is told as a finding
    try:
        if not os.path.isdir(options.device_dir):
            problem = f"there is no directory {options.device_dir}"
            report.add(ERROR, SECTION, "device_dir", problem, "make it, and mount devices below")
        elif not audit.devices():
            remedy = "name the directory of the devices; where they are plain directories, leave drive-audit out"
            report.add(WARNING, SECTION, "device_dir", f"nothing is mounted below {options.device_dir}", remedy)
        audit.errors()
    except ToolError as error:
        report.add(ERROR, SECTION, "log_file_pattern", str(error), "name the kernel's log files, or run it as root")
    except OSError as error:
        problem = f"{error.filename or options.log_file_pattern} cannot be read: {error.strerror}"
        report.add(ERROR, SECTION, "log_file_pattern", problem, "name the kernel's log files, or run it as root")
    finally:
        logging.disable(logging.NOTSET)
    check_node.check_account(report, options.user, imports=False)
    own = pwd.getpwuid(os.geteuid())  # it gives the file away, and writes it itself
    check_node.check_writable(report, SECTION, "recon_cache_path", options.recon_cache_path, own)
    if options.unmount_failed_device and shutil.which("umount") is None:
        report.add(ERROR, SECTION, "unmount_failed_device", "there is no program umount", "install it (util-linux)")
    elif options.unmount_failed_device and os.geteuid() != 0:
        problem = "only root may unmount devices"
        report.add(WARNING, SECTION, "unmount_failed_device", problem, "run it as root, as its unit does")
