"""swiftlite-node: makes a storage or proxy node of a machine, from a short answer file, and checks that it is fit for it."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import sys
from argparse import Namespace
from collections.abc import Sequence

from swiftlite.cli import node_checks, node_facts, node_plan
from swiftlite.cli.node_answers import Answers, HashAnswers, read_answers
from swiftlite.cli.node_checks import ERROR, LEVELS, Finding
from swiftlite.cli.node_writing import DIFFERS, REPLACED, SAME, Compared, Site, can_make_account
from swiftlite.cli.tool import FAILURE, SUCCESS, ToolError, parser, tool
from swiftlite.common.config import ConfFile

DESCRIPTION = """Make a storage or proxy node of this machine: write confs, units and what else belongs to a node, make its
account and directories, and tell what is not as it should be. Nothing is started, and no file that differs
is replaced unless --force says so, so it can be run again at any time.

ANSWERS says what the node is; etc/node-answers.conf-sample explains every line of it. Exit status: 0, or 1
when something keeps the node from working."""

_SECRET = ("swift_hash_path_prefix", "swift_hash_path_suffix")


@tool
def main(argv: Sequence[str]) -> int:
    """Run the tool; returns the exit code."""
    arguments = _parse(argv)
    root = os.path.abspath(arguments.root).rstrip("/") if arguments.root else ""
    if root and not os.path.isdir(root):
        raise ToolError(f"{root}: is no directory; make it first")
    is_dry = arguments.dry_run or arguments.check_only
    if not is_dry and not root and os.geteuid() != 0:
        raise ToolError("only root can make this machine a node; try --dry-run, or run it with sudo")
    given = read_answers(arguments.answers)
    if not given.node.bin_dir:
        directory = os.path.dirname(os.path.abspath(sys.argv[0]))
        given = dataclasses.replace(given, node=dataclasses.replace(given.node, bin_dir=directory))
    there = existing_secret(f"{root}{given.node.swift_dir}/swift.conf")
    answers = with_secret(given, there)
    findings = list(node_checks.judge_secret(answers, not given.has_secret and there is None, there))
    site = Site(root)
    files = node_plan.plan(answers, has_rsyslog=os.path.isdir(f"{root}/etc/rsyslog.d"))
    compared = [] if arguments.check_only else site.compare(files, arguments.force)
    if not is_dry and not any(finding.level == ERROR for finding in findings):
        _carry_out(site, answers, compared)
    findings += [finding for entry in compared for finding in entry.finding()]
    findings += [*site.findings, *site.closed(files), *node_facts.check(answers, root, is_dry and can_make_account())]
    findings.sort(key=lambda finding: LEVELS.index(finding.level))
    steps = node_plan.next_steps(answers, bool(root) or node_facts.systemd_runs())
    if arguments.json:
        print(json.dumps(_as_json(compared, findings, steps), indent=2))
    else:
        print(_as_text(compared, findings, steps, arguments))
    return FAILURE if any(finding.level == ERROR for finding in findings) else SUCCESS


def _parse(argv: Sequence[str]) -> Namespace:
    arguments = parser("swiftlite-node", "init ANSWERS [options]", DESCRIPTION)
    arguments.add_argument("command", choices=("init",), help="what to do")
    arguments.add_argument("answers", metavar="ANSWERS", help="file that says what the node is")
    arguments.add_argument(
        "-n", "--dry-run", action="store_true", help="only tell what would be written, and what is wrong"
    )
    arguments.add_argument("--check-only", action="store_true", help="only tell what is wrong with the machine")
    arguments.add_argument(
        "--force", action="store_true", help="replace files that differ, keeping the old ones as .old"
    )
    arguments.add_argument("--root", metavar="DIR", help="write below DIR, say the root directory of an image")
    arguments.add_argument("--json", action="store_true", help="tell all as JSON")
    return arguments.parse_args(argv)


def existing_secret(path: str) -> tuple[str, str] | None:
    """Hash prefix and suffix in the swift.conf at `path`; None where there is none. Raises ConfigError."""
    if not os.path.exists(path):
        return None
    options = ConfFile.load(path).section("swift-hash")
    return options.get(_SECRET[0], ""), options.get(_SECRET[1], "")


def with_secret(answers: Answers, there: tuple[str, str] | None) -> Answers:
    """Return the answers with the cluster's secret: their own, else what the node has, else one made at random."""
    if answers.has_secret:
        return answers
    prefix, suffix = there or (secrets.token_hex(16), secrets.token_hex(16))
    return dataclasses.replace(answers, secret=HashAnswers(prefix, suffix))


def _carry_out(site: Site, answers: Answers, compared: Sequence[Compared]) -> None:
    """In this order: files are given to the account, which is made from a file."""
    is_sysusers = [entry.file.path.startswith("/etc/sysusers.d/") for entry in compared]
    site.write(entry for entry, is_first in zip(compared, is_sysusers) if is_first)
    site.make_account(answers)
    site.write(entry for entry, is_first in zip(compared, is_sysusers) if not is_first)
    site.make_devices(answers)
    site.enable(answers)


def _as_json(compared: Sequence[Compared], findings: Sequence[Finding], steps: Sequence[str]) -> dict[str, object]:
    files = [{"path": entry.file.path, "state": entry.state, "changes": list(entry.changes)} for entry in compared]
    return {"files": files, "findings": [finding.as_json() for finding in findings], "next": list(steps)}


def _as_text(
    compared: Sequence[Compared], findings: Sequence[Finding], steps: Sequence[str], arguments: Namespace
) -> str:
    lines = []
    if arguments.dry_run:
        lines.append("Nothing is written; this would be:")
    for entry in compared:
        if entry.state != SAME:
            lines.append(f"{entry.state:8} {entry.file.path}")
        if entry.state in (DIFFERS, REPLACED):
            lines += [f"{'':8} {change}" for change in entry.changes]
    same = sum(entry.state == SAME for entry in compared)
    if same:
        lines.append(f"{same} files and directories are as they should be already")
    lines += ["", *map(str, findings)] if findings else ["", "Nothing is wrong with this machine."]
    if not arguments.check_only:
        lines += ["", "What to do next:", *steps]
    return "\n".join(lines).lstrip("\n")
