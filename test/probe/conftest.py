"""Clusters of several hosts for the probe tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from probe.cluster import ProbeCluster
from probe.hosts import Place
from probe.namespaces import why_not

PROGRAMS = {"ip": "iproute2", "tc": "iproute2", "nft": "nftables", "rsync": "rsync"}
FOUR_HOSTS = (
    Place(region=1, zone=1, proxy=True),
    Place(region=1, zone=2),
    Place(region=1, zone=3),
    Place(region=1, zone=3, proxy=True),
)
"""Three zones; the third has two hosts."""


@pytest.fixture(scope="session")
def namespaces() -> None:
    """Skip what needs network namespaces where there are none."""
    missing = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program)})
    reason = f"apt-get install {' '.join(missing)}" if missing else why_not()
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def make_probe_cluster(
    namespaces: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., ProbeCluster]]:
    """Call it with the arguments of ProbeCluster, the directory apart; what it makes is started, and gone after the module."""
    made: list[ProbeCluster] = []

    def make(*places: Place, **options: Any) -> ProbeCluster:
        cluster = ProbeCluster(tmp_path_factory.mktemp("probe") / "cluster", places or FOUR_HOSTS, **options)
        made.append(cluster)
        return cluster.start()

    try:
        yield make
    finally:
        for cluster in reversed(made):
            cluster.remove()
