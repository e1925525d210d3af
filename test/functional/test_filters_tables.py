"""Every table of filter_cases, sent to a real cluster over plain sockets; each answer as its table says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakes.dns_server import CNAMES, TABLES, DNSServer
from functional.cluster import Cluster
from functional.filter_cases import all_cases
from functional.filter_cases.settings import SETTINGS, SWIFT_CONF
from functional.object_cases.notation import Case, Table
from functional.object_cases.site import Site, complaints, site_of

CASES = all_cases()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A cluster of its own: one server of each kind over four devices."""
    cluster = Cluster(tmp_path_factory.mktemp("tables") / "cluster", settings=SETTINGS, swift_conf=SWIFT_CONF)
    try:
        with DNSServer(CNAMES, TABLES):
            cluster.start()
            yield site_of(cluster)
    finally:
        cluster.remove()


@pytest.mark.parametrize(("table", "case"), CASES, ids=[f"{table.name}/{case.name}" for table, case in CASES])
def test_case(site: Site, table: Table, case: Case) -> None:
    answers = site.run(table, case)
    found = [f"{step.method} {step.target}: {line}" for step, answer in answers for line in complaints(step, answer)]
    assert not found, "\n".join(found)
