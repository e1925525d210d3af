"""The guide's way from OpenStack Swift to swiftlite and back, daemon by daemon, while clients of both proxies work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from interop import peer
from probe.hosts import Place
from probe.machines import Site
from probe.operator import Operator

PLACES = (Place(1, 1, proxy=True), Place(1, 2, proxy=True), Place(1, 3))
DAEMONS = (
    *("account-server", "container-server", "object-server", "account-replicator", "container-replicator"),
    *("object-replicator", "container-updater", "object-updater"),
)
PIPELINE = "catch_errors gatekeeper healthcheck proxy-logging cache listing_formats tempauth copy slo dlo proxy-logging proxy-server"
AS_ROOT = {"DEFAULT": {"user": "root"}}  # as their rsync daemon of tests does
SETTINGS = {
    "account": AS_ROOT,
    "container": AS_ROOT,
    "proxy": {**AS_ROOT, "pipeline:main": {"pipeline": PIPELINE}},
    # Theirs reads this as the pause between passes.
    "object": {**AS_ROOT, "object-replicator": {"run_pause": "15"}},
}


@pytest.fixture(scope="module")
def site(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Three machines on which OpenStack Swift runs."""
    peer.python()
    site = Site(tmp_path_factory.mktemp("guide") / "site", PLACES, part_power=4, settings=SETTINGS)
    site.environment |= {"PATH": f"{site.environment['PATH']}:{peer.DIRECTORY}/bin", "PYTHONWARNINGS": "ignore"}
    try:
        for machine in site.hosts.values():
            for conf in machine.swift_dir.glob("*-server.conf"):
                text = conf.read_text().replace("egg:swiftlite#", "egg:swift#")
                conf.write_text(re.sub(r"(?m)^(pipeline = .*)\bmetrics ", r"\1", text))  # which they do not have
            machine.boot()
            machine.sh("rsync --daemon --config=/etc/swift/rsyncd.conf")
            machine.sh(f"swift-init {' '.join(DAEMONS)} {'proxy-server' if machine.place.proxy else ''} start")
        for machine in site.hosts.values():
            machine.wait_up()
        yield site
    finally:
        site.remove()


@pytest.fixture(scope="module")
def operator(site: Site) -> Operator:
    """Who types at its admin's machine; OpenStack Swift has stored something."""
    return Operator.at(site, "theirs", 16)


def theirs(site: Site) -> int:
    """How many daemons of OpenStack Swift run."""
    return sum(machine.sh("ps -eo args").count("/bin/swift-") for machine in site.hosts.values())


@contextmanager
def off_the_load_balancer(operator: Operator, number: int) -> Iterator[None]:
    """Clients, which work meanwhile, come by the other host's proxy."""
    operator.proxies = (3 - number,)
    with operator.clients_at_work():
        yield
    operator.proxies = (1, 2)


def test_a_cluster_becomes_ours_daemon_by_daemon(site: Site, operator: Operator) -> None:
    assert theirs(site) >= 3 * len(DAEMONS)
    for number in (1, 2):
        with off_the_load_balancer(operator, number):
            operator.types("procedure", "from-swift-proxy", site.hosts[number])
            operator.types("check", "from-swift-proxy", site.hosts[number])
    with operator.clients_at_work():
        for machine in site.hosts.values():
            operator.types("procedure", "from-swift-storage", machine)
            operator.types("check", "from-swift-storage", machine)
    assert theirs(site) == 0
    operator.verify()


def test_and_back(site: Site, operator: Operator) -> None:
    with operator.clients_at_work():
        operator.types("undo", "from-swift-storage", site.hosts[3])
    assert theirs(site) >= len(DAEMONS)
    with off_the_load_balancer(operator, 1):
        operator.types("undo", "from-swift-proxy", site.hosts[1])
    with operator.clients_at_work():
        pass
    operator.verify()
