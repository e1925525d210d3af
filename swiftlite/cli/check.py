"""Check a program's conf, and what it expects of its node, without serving: what ``--check`` of every daemon does."""

from __future__ import annotations

import difflib
import logging
import logging.handlers
import os
from collections.abc import Iterable
from contextlib import suppress

from swiftlite.cli import check_node, pipeline_order
from swiftlite.cli.check_address import check_address
from swiftlite.cli.check_certificates import check_certificates
from swiftlite.cli.findings import ERROR, WARNING, Finding, Report, in_order
from swiftlite.cli.launch import essentials, of_connections
from swiftlite.cli.transport import server_transport
from swiftlite.common import option_tables, swift_options
from swiftlite.common.conf_lines import DEFAULT, PASTE, Outline, read_outline
from swiftlite.common.conf_owner import check_owner
from swiftlite.common.config import ConfFile, ConfigError, ServerOptions, StartError, parse_level, read_options
from swiftlite.common.daemon import Daemon
from swiftlite.common.pipeline import find_faults
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.common.unknown_options import Why, find_unread, pipeline_names, pipeline_sections, section_kind, table_of
from swiftlite.ring.format import RingError

DAEMON_CLASSES = {
    "object-replicator": "swiftlite.obj.replicator:ObjectReplicator",
    "object-updater": "swiftlite.obj.updater:ObjectUpdater",
    "object-auditor": "swiftlite.obj.auditor:ObjectAuditor",
    "object-expirer": "swiftlite.obj.expirer:ObjectExpirer",
    "container-replicator": "swiftlite.container.replicator:ContainerReplicator",
    "container-updater": "swiftlite.container.updater:ContainerUpdater",
    "container-sync": "swiftlite.container.sync:ContainerSync",
    "container-auditor": "swiftlite.container.auditor:ContainerAuditor",
    "container-reconciler": "swiftlite.container.reconciler:ContainerReconciler",
    "account-replicator": "swiftlite.account.replicator:AccountReplicator",
    "account-reaper": "swiftlite.account.reaper:AccountReaper",
    "account-auditor": "swiftlite.account.auditor:AccountAuditor",
}
"""What a daemon is made of, to see whether it can be."""
PASTE_SECTIONS = ("app:", "filter:", "pipeline:", "composite:", "filter-app:", "server:")
SWIFT_SECTIONS = ("swift-hash", "swift-constraints", "swift-tls")


def check_main(program: str, conf: str) -> int:
    """Print what is wrong with a program's conf and with its node, a line each.

    As root it ends as the account of option ``user``: it makes the program's parts as the program would.

    :param program: ``proxy-server``, ``object-updater``…
    :param conf: path of its conf file, or of a directory of such
    :returns: 0 nothing is wrong, or only what is warned of; 1 there are errors
    """
    return tell(program, conf, check(program, conf))


def tell(program: str, conf: str, found: Iterable[Finding]) -> int:
    """Print findings, and how many there are; returns as :func:`check_main`."""
    findings = in_order(found)
    for finding in findings:
        print(finding.text)
    errors = sum(finding.level == ERROR for finding in findings)
    if findings:
        print(f"{conf}: {_count(errors, 'error')}, {_count(len(findings) - errors, 'warning')} for {program}")
    else:
        print(f"{conf}: nothing is wrong for {program}")
    return 1 if errors else 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def check(program: str, path: str) -> list[Finding]:
    """What is wrong; see :func:`check_main`."""
    report = Report(Outline(path))
    try:
        report.outline = read_outline(path)
        conf = ConfFile.load(path)
        check_owner(conf, program)
    except ConfigError as error:
        report.add_error(error)
        return report.findings
    is_server = program in check_node.SERVERS
    sections = pipeline_sections(report.outline) if is_server else own_sections(report.outline, program)
    check_text(report, program, (DEFAULT, *sections))
    if any(near_section(report.outline, name) == DEFAULT for name in report.outline.headers):
        return report.findings  # all that [DEFAULT] says is missing: what else is wrong would be told of defaults
    _check_node(report, program)
    check_made(report, program, conf)
    return report.findings


def obstacles(program: str, path: str) -> list[Finding]:
    """What would keep a program from starting; :func:`check` tells more, with which it starts, say of a disk that is missing.

    As root it ends as the account of option ``user``.
    """
    report = Report(Outline(path))
    try:
        report.outline = read_outline(path)
        if program in check_node.SERVERS:
            _, options, swift = essentials(program, path)
            server_transport(program, options, swift.backend_tls, path)
            of_connections(options, program, path)
            check_address(report, program, options)
        else:
            check_owner(ConfFile.load(path), program)
        check_made(report, program, ConfFile.load(path))
    except ConfigError as error:
        report.add_error(error)
    except (StartError, OSError) as error:
        report.add(ERROR, None, None, str(error), "correct it")
    return [finding for finding in report.findings if finding.level == ERROR]


def check_text(report: Report, program: str, sections: Iterable[str]) -> None:
    """Judge what the conf says, by itself: nothing else is looked at.

    :param sections: those whose options are judged
    """
    check_sections(report)
    check_options(report, sections)
    if program in check_node.SERVERS:
        check_pipeline(report, proxy=program == "proxy-server")
    elif program not in report.outline.headers:
        report.add(WARNING, program, None, "there is no such section, so defaults hold", f"add a section [{program}]")


def own_sections(outline: Outline, program: str) -> list[str]:
    """The sections that a daemon reads: its own, those below it, and, in a conf of its own, its client's pipeline."""
    own = [name for name in outline.headers if name == program or name.startswith(f"{program}:")]
    return own + (pipeline_sections(outline) if program in ("object-expirer", "container-reconciler") else [])


def check_sections(report: Report) -> None:
    """See that each section is one that somebody reads."""
    for section in report.outline.headers:
        if section in swift_options.SECTIONS:
            problem = "is a section of OpenStack Swift that has no effect here"
            report.add(WARNING, section, None, problem, "take it out, or leave it for OpenStack Swift")
        elif not _is_known(section):
            near = near_section(report.outline, section)
            report.add(ERROR, section, None, "unknown section", f"did you mean [{near}]?" if near else "take it out")


def _is_known(section: str) -> bool:
    heads = (*PASTE_SECTIONS, "proxy-server:policy:", "object-auditor:watcher:")
    known = (DEFAULT, *option_tables.DAEMONS, *option_tables.OTHERS, *swift_options.SECTIONS)
    return section in known or section.startswith(heads)


def near_section(outline: Outline, section: str) -> str:
    """The section that was meant by one that nobody reads; empty: nobody knows, or somebody reads it."""
    if _is_known(section):
        return ""
    if section.upper() == DEFAULT:
        return DEFAULT
    names = [DEFAULT, *option_tables.DAEMONS, *option_tables.OTHERS, "pipeline:main", *swift_options.SECTIONS]
    names += [f"{kind}:{name}" for name in pipeline_names(outline) for kind in ("filter", "app")]
    return next(iter(difflib.get_close_matches(section, names, 1)), "")


def check_options(report: Report, sections: Iterable[str]) -> None:
    """See that somebody reads each option, and that its value fits."""
    outline = report.outline
    sections = list(dict.fromkeys(sections))
    for first, second in outline.repeated():
        if second.section in sections:
            remedy = "the last one counts: take one of them out"
            report.add_line(WARNING, second, f"line {first.line} has it, too, with {first.value!r}", remedy)
    for unread in find_unread(outline, sections):
        level = ERROR if unread.why in (Why.UNKNOWN, Why.HIDDEN) else WARNING
        report.add_line(level, unread.assignment, unread.problem, unread.remedy)
    for section in sections:
        if table := table_of(section, outline.value(section, "use")):
            check_values(report, section, table)
        check_log(report, section)


def check_values(report: Report, section: str, table: type) -> None:
    """See that the texts of a section's options are of their types."""
    names = option_tables.names_of(table)
    for name, found in report.outline.texts(section).items():
        if name not in names or "%(" in found.value:  # what Paste puts there is seen when the pipeline is made
            continue
        try:
            read_options(table, {name: found.value}, report.outline.path, section)
        except ConfigError as error:
            report.add_error(error)


def check_log(report: Report, section: str) -> None:
    """See that the names of a level and of a facility are ones."""
    texts = report.outline.texts(section)
    for name in ("log_level", "access_log_level"):
        level = texts[name].value if name in texts else "INFO"
        try:
            parse_level(level)
        except ValueError as error:
            report.add(ERROR, section, name, f"{level!r} does not fit ({error})", "correct it")
    known = logging.handlers.SysLogHandler.facility_names
    for name in ("log_facility", "access_log_facility"):
        facility = texts[name].value.strip() if name in texts else "LOG_LOCAL0"
        if facility.upper().removeprefix("LOG_").lower() not in known:
            report.add(
                ERROR, section, name, f"there is no facility {facility!r}", "name one of syslog's, say LOG_LOCAL0"
            )


def check_pipeline(report: Report, proxy: bool) -> None:
    """See that each name of the pipeline has a section, and that their order makes sense."""
    outline, section = report.outline, "pipeline:main"
    if section not in outline.headers:
        report.add(ERROR, None, None, "says no pipeline", "add a section [pipeline:main]")
        return
    members = pipeline_members(outline)
    for member in members:
        if not member.kind:
            problem = f"{member.name!r} has no section"
            kind = "app" if member is members[-1] else "filter"
            report.add(
                ERROR, section, "pipeline", problem, f"add a section [{kind}:{member.name}], or take the name out"
            )
    for mistake in pipeline_order.mistakes(members) if proxy else ():
        report.add(mistake.level, section, "pipeline", mistake.problem, mistake.remedy)


def pipeline_members(outline: Outline) -> list[pipeline_order.Member]:
    """The members of the pipeline; the kind of one without a section is empty, of another's filter its own name."""
    members = []
    for name in pipeline_names(outline):
        section = next((f"{head}{name}" for head in PASTE if f"{head}{name}" in outline.headers), "")
        kind = section_kind(section, outline.value(section, "use")).partition(":")[2] or name if section else ""
        members.append(pipeline_order.Member(name, kind.replace("-", "_"), section.startswith("app:")))
    return members


def _check_node(report: Report, program: str) -> None:
    """See that the node has what the program needs."""
    report.section = _last_word(report.outline, program)
    texts = {name: found.value for name, found in report.outline.texts(report.section).items()}
    try:
        options = read_options(ServerOptions, texts, report.outline.path, DEFAULT)
    except ConfigError:  # told of already
        return
    account = check_node.check_account(report, options.user)
    check_node.check_readable(report, account, (os.path.join(options.swift_dir, "swift.conf"), report.outline.path))
    swift = check_swift_conf(report, options.swift_dir)
    kind = program.partition("-")[0]
    rings = {}
    if swift:
        paths = [path for _, path in check_node.ring_paths(program, options.swift_dir, swift)]
        check_node.check_readable(report, account, paths)
        rings = check_node.check_rings(report, program, options.swift_dir, swift)
        if kind in check_node.ALL and program != "object-expirer" and program != "container-reconciler":
            check_node.check_devices(report, kind, options, rings, account)
    if program in check_node.SERVERS:
        if not options.bind_port:
            report.add(ERROR, DEFAULT, "bind_port", "is not set", "set it to the TCP port to listen on")
        check_node.check_ports(report, options.swift_dir, options)
        check_address(report, program, options)
        check_certificates(report, program, options, swift.backend_tls if swift else None, rings)
    elif "recon_cache_path" in option_tables.names_of(table_of(program, "")):  # servers' filters only read there
        path = report.outline.value(program, "recon_cache_path", "/var/cache/swift").strip()
        check_node.check_writable(report, program, "recon_cache_path", path, account)


def _last_word(outline: Outline, program: str) -> str:
    """The section that says last what holds for a program: a daemon's own, a storage server's app's."""
    app = next((section for section in pipeline_sections(outline) if section.startswith("app:")), DEFAULT)
    storage = program in check_node.SERVERS and program != "proxy-server"
    return program if program in outline.headers else app if storage else DEFAULT


def check_swift_conf(report: Report, swift_dir: str) -> SwiftConf | None:
    """See that swift.conf can be used, and that somebody reads what it says.

    :returns: what it says; None when it cannot be used
    """
    path = os.path.join(swift_dir, "swift.conf")
    theirs = Report(Outline(path))
    with suppress(ConfigError):  # told below, with what to do
        theirs.outline = read_outline(path)
    for section in theirs.outline.headers:
        if section not in SWIFT_SECTIONS and not section.startswith("storage-policy:"):
            near = difflib.get_close_matches(section, SWIFT_SECTIONS, 1)
            theirs.add(ERROR, section, None, "unknown section", f"did you mean [{near[0]}]?" if near else "take it out")
    # Before it is used: an option may be missing because it is misspelt.
    check_options(theirs, SWIFT_SECTIONS)
    swift = None
    try:
        swift = SwiftConf.load(swift_dir)
    except ConfigError as error:
        if error.option or not any(found.section == error.section for found in theirs.findings):
            theirs.add_error(error)
    report.findings += theirs.findings
    return swift


def check_made(report: Report, program: str, conf: ConfFile) -> None:
    """See that the program's parts can be made of its conf, each of them; what was told of already is not told again."""
    logging.disable()  # what is worth a line is told as a finding
    try:
        faults = find_faults(conf.path) if program in check_node.SERVERS else _faults_of_daemon(program, conf)
    finally:
        logging.disable(logging.NOTSET)
    for error in faults:
        if isinstance(error, ConfigError):
            report.add_error(error)
        elif isinstance(error, RingError):
            if not any(finding.file.endswith(".ring.gz") and finding.level == ERROR for finding in report.findings):
                report.add(ERROR, None, None, str(error), "correct it")
        elif isinstance(error, StartError | OSError):
            report.add(ERROR, None, None, str(error), "correct it")
        else:  # whatever a factory of somebody else does not expect
            report.add(ERROR, None, None, f"cannot be used: {error!r}", "correct what that speaks of")


def _faults_of_daemon(program: str, conf: ConfFile) -> list[Exception]:
    made = option_tables.load(DAEMON_CLASSES.get(program, ""))
    if made is None:
        return []
    assert issubclass(made, Daemon)
    try:
        made.from_conf(conf, conf.section(program))
    except Exception as error:
        # One of the pipeline that this conf has for the daemon's client: there may be more.
        own = isinstance(error, ConfigError) and error.file == conf.path and (error.section or "").startswith(PASTE)
        return [error, *(find_faults(conf.path, allow_modify=False) if own else ())]
    return []
