"""Nodes of one machine, each with directories of its own: no remedy for one names those of another."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.watch.test_rules import KINDS, PORTS, healthy, managed, together, told

from functional.remedies import problem
from swiftlite.watch import judging
from swiftlite.watch.facts import Asked, OwnConf
from swiftlite.watch.findings import Limits, chain

OWN = "--swift-dir /n3/etc --run-dir /n3/run --log-dir /n3/log"
UNKNOWN = "--swift-dir DIR --run-dir DIR --log-dir DIR"
ASK = "# nobody here knows all directories of this node, so name its own: "


def three_nodes(view):
    """They are all on this machine, and the doctor looks at the files of the first."""
    for number in (1, 2, 3):
        manager = {"name": "swiftlite-init", "run_dir": f"/n{number}/run", "log_dir": f"/n{number}/log"}
        view = managed(number, **manager)(view)
        for kind in KINDS:
            view = told(number, kind, "facts", "conf", f"/n{number}/etc/{kind}-server.conf")(view)
    servers = tuple(
        replace(asked, server=replace(asked.server, ip=f"127.0.0.1{asked.server.ip[-1]}", is_local=True))
        for asked in view.servers
    )
    own = tuple(OwnConf(kind, "127.0.0.11", PORTS[kind], f"/n1/etc/{kind}-server.conf") for kind in KINDS)
    return replace(view, swift_dir="/n1/etc", servers=servers, own_confs=own, has_systemd=False)


def silent(number, *kinds):
    def change(view):
        servers = tuple(
            Asked(asked.server, problem="Connection refused")
            if asked.server.ip == f"127.0.0.1{number}" and asked.server.kind in (kinds or KINDS)
            else asked
            for asked in view.servers
        )
        return replace(view, servers=servers)

    return change


def fixes(*changes):
    found = judging.findings(together(*changes)(three_nodes(healthy())), Limits())
    assert [wrong for finding in found if (wrong := problem(finding.fix))] == []
    return {finding.code: finding.fix for finding in found if not finding.code.startswith("ring-")}


def another_conf(view):
    """Node 3 has another swift.conf."""
    return replace(
        view,
        servers=tuple(
            replace(asked, answers={**asked.answers, "swiftconfmd5": {"/n3/etc/swift.conf": "other"}})
            if asked.server.ip == "127.0.0.13"
            else asked
            for asked in view.servers
        ),
    )


def test_another_swift_conf_restarts_the_node_that_had_it():
    rsync = "rsync -a --chown=root:swift --chmod=F640 /etc/swift/swift.conf /n3/etc/swift.conf"
    assert fixes(another_conf) == {"swift-conf-differs": f"{rsync} && swiftlite-init all restart {OWN}"}


def test_a_server_that_is_down_is_started_with_the_directories_of_those_beside_it():
    assert fixes(silent(3, "container")) == {
        "server-unreachable": f"swiftlite-init container-server restart {OWN}",
    }


@pytest.mark.parametrize("has_systemd", [True, False])
def test_of_a_node_that_is_down_nobody_knows_its_directories(has_systemd):
    changes = (silent(3), lambda view: replace(view, has_systemd=has_systemd))
    assert fixes(*changes) == {"host-unreachable": f"{ASK}swiftlite-init all start {UNKNOWN}"}
    # Nor where only one other is left to be taken for it.
    only_first = lambda view: replace(view, servers=tuple(s for s in view.servers if s.server.ip != "127.0.0.12"))  # noqa: E731
    assert fixes(*changes, only_first) == {"host-unreachable": f"{ASK}swiftlite-init all start {UNKNOWN}"}


def test_of_the_node_whose_confs_these_are_the_directory_is_known_and_the_others_are_not():
    assert fixes(silent(1)) == {
        "host-unreachable": f"{ASK}swiftlite-init all start --swift-dir /n1/etc --run-dir DIR --log-dir DIR"
    }


def test_nodes_of_one_address_are_told_apart_by_their_confs():
    def one_address(view):
        servers = tuple(
            replace(asked, server=replace(asked.server, ip="127.0.0.1", port=asked.server.port + 10 * number // 3))
            for number, asked in enumerate(view.servers)
        )
        return replace(view, servers=servers)

    def down(view):
        gone = next(asked for asked in view.servers if asked.answers["facts"]["conf"] == "/n3/etc/account-server.conf")
        servers = tuple(Asked(one.server, problem="refused") if one is gone else one for one in view.servers)
        return replace(view, servers=servers)

    assert fixes(one_address, down)["server-unreachable"] == f"{ASK}swiftlite-init account-server restart {UNKNOWN}"


@pytest.mark.parametrize("has_systemd", [True, False])
def test_a_node_elsewhere_says_nothing_of_this_machine(has_systemd):
    """All have their confs in the usual place; those that answer are started by another than this machine's are."""
    others = {"name": "swiftlite-init", "run_dir": "/run/other", "log_dir": "/log/other"}
    if not has_systemd:
        others = {"name": "systemd"}
    view = together(managed(2, **others), managed(3, **others))(healthy())
    servers = tuple(
        Asked(replace(asked.server, is_local=True), problem="Connection refused")
        if asked.server.ip == "10.0.0.1"
        else asked
        for asked in view.servers
    )
    own = tuple(OwnConf(kind, "10.0.0.1", PORTS[kind], f"/etc/swift/{kind}-server.conf") for kind in KINDS)
    view = replace(view, servers=servers, own_confs=own, has_systemd=has_systemd)
    [fix] = [finding.fix for finding in judging.findings(view, Limits()) if finding.code == "host-unreachable"]
    ours = "systemctl start swiftlite.target" if has_systemd else "swiftlite-init all start --swift-dir /etc/swift"
    assert fix == ours


def test_certificates_are_read_anew_by_the_node_whose_files_these_are():
    from swiftlite.watch.starting import reload_proxy

    view = three_nodes(healthy())
    directories = "--swift-dir /n1/etc --run-dir /n1/run --log-dir /n1/log"
    assert reload_proxy(view) == f"swiftlite-init proxy-server reload {directories}"


def test_comments_of_a_remedy_come_last():
    assert chain("a", "# b", "c") == "a && c  # b"
    assert chain("# b") == "# b"
