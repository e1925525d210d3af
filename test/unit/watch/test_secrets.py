"""Whose hash secret is right: of servers that run, and of their files; and what is then done."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.watch.test_rules import RSYNC, answers_of, healthy, local, together, told

from functional.remedies import problem
from swiftlite.core.metrics_text import Sample
from swiftlite.watch import judging
from swiftlite.watch.facts import Asked, Server, SwiftConfFacts
from swiftlite.watch.findings import Limits

FILE = "/etc/swift/swift.conf"
BACKUP = f"{RSYNC} BACKUP/swift.conf"


def runs_with(secret, *numbers, kind="*"):
    return together(*(told(number, kind, "facts", "hash_secret", "running", secret) for number in numbers))


def has(secret, *numbers):
    return together(*(told(number, "*", "facts", "hash_secret", "file", secret) for number in numbers))


def found(*changes):
    findings = judging.findings(together(*changes)(healthy()), Limits())
    assert [wrong for one in findings if (wrong := problem(one.fix))] == []
    return {one.subject: one for one in findings}


def test_who_runs_with_another_secret_is_started_anew_with_that_of_most():
    findings = found(runs_with("0dd", 2))
    assert {subject.partition(" ")[2] for subject in findings} == {"10.0.0.2:6200", "10.0.0.2:6201", "10.0.0.2:6202"}
    assert {one.code for one in findings.values()} == {"hash-secret-differs"}
    assert {one.fix.partition("swiftlite")[0] for one in findings.values()} == {
        "ssh 10.0.0.2 'systemctl restart '\"'\"'"
    }


def test_a_file_from_which_it_has_the_wrong_secret_is_put_right_first():
    [finding] = found(
        runs_with("0dd", 2, kind="object"), told(2, "object", "facts", "hash_secret", "file", "0dd")
    ).values()
    assert finding.fix.startswith(f"{RSYNC} {FILE} 10.0.0.2:{FILE} && ssh 10.0.0.2 ")


def test_a_file_that_was_changed_under_all_that_run_is_told_of_once():
    """Before anything is started anew: which of both is right, only a backup can say."""
    findings = found(has("new", 1, 2, 3))
    assert sorted(findings) == [f"10.0.0.{number}:{FILE}" for number in (1, 2, 3)]
    assert findings[f"10.0.0.1:{FILE}"].fix.startswith(f"{BACKUP} 10.0.0.1:{FILE} && ssh 10.0.0.1 ")


def test_of_as_many_with_one_secret_as_another_the_files_decide():
    [finding] = found(runs_with("0dd", 1), lambda view: replace(view, servers=view.servers[:2])).values()
    assert finding.subject == "object-server 10.0.0.1:6200" and "restart" in finding.fix


def test_where_nobody_can_tell_the_backup_does():
    findings = found(runs_with("0dd", 1), has("0dd", 1), lambda view: replace(view, servers=view.servers[:2]))
    assert {subject: one.fix.partition(" 10.")[0] for subject, one in findings.items()} == {
        "object-server 10.0.0.1:6200": BACKUP,
        "object-server 10.0.0.2:6200": BACKUP,
    }


@pytest.mark.parametrize("secret, subjects", [("5ec1", []), ("0dd", ["proxy-server 10.0.0.9:8080"])])
def test_a_proxy_tells_it_by_its_metrics(secret, subjects):
    samples = {"swiftlite_hash_secret_info": [Sample({"fingerprint": secret}, 1.0)]}
    proxy = Asked(Server("proxy", "10.0.0.9", 8080), {"metrics": samples, "swiftconfmd5": {FILE: "conf"}})
    assert list(found(lambda view: replace(view, servers=(*view.servers, proxy)))) == subjects


# --- files without a secret ---


def without(*numbers):
    return together(
        *(told(number, "*", "facts", "hash_path", {"prefix": False, "suffix": False}) for number in numbers),
        has("", *numbers),
    )


@pytest.mark.parametrize("number, remedy", [(1, f"{BACKUP} {FILE}"), (2, f"{RSYNC} 10.0.0.2:{FILE} {FILE}")])
def test_a_secret_that_is_gone_here_comes_from_a_node_or_a_backup(number, remedy):
    """All servers of this machine read that one file, which is told of once."""
    here = SwiftConfFacts(FILE, "empty")
    servers = [
        Asked(Server(kind, "127.0.0.1", 6200, is_local=True), answers_of(kind)) for kind in ("object", "account")
    ]
    servers = [replace(one, answers={**one.answers, "swiftconfmd5": {FILE: "empty"}}) for one in servers]
    near = together(
        without(1),
        lambda view: replace(view, servers=tuple(one for one in view.servers if one.server.ip != "10.0.0.1")),
    )
    view = near(local(healthy()))
    far = [one for one in view.servers if number == 2]
    view = replace(view, swift_conf=here, servers=(*map(unsecret, servers), *far))
    [finding] = [one for one in judging.findings(view, Limits()) if "swift.conf" in one.subject]
    assert (finding.code, finding.subject, finding.fix) == ("hash-secret-missing", FILE, remedy)


def unsecret(asked):
    facts = {**asked.answers["facts"], "hash_path": {"prefix": False, "suffix": False}}
    facts["hash_secret"] = {"running": "5ec1", "file": ""}
    return replace(asked, answers={**asked.answers, "facts": facts})


def test_a_secret_that_is_gone_elsewhere_is_told_of_once_and_comes_from_here():
    findings = found(without(3), told(3, "*", "swiftconfmd5", FILE, "empty"))
    assert {subject: one.code for subject, one in findings.items()} == {f"10.0.0.3:{FILE}": "hash-secret-missing"}
    assert findings[f"10.0.0.3:{FILE}"].fix.startswith(f"{RSYNC} {FILE} 10.0.0.3:{FILE} && ssh 10.0.0.3 ")
