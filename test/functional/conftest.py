"""Clusters for the functional tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from functional.cluster import Cluster


@pytest.fixture(scope="session")
def make_session_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Cluster]]:
    yield from _factory(tmp_path_factory.mktemp("clusters"))


@pytest.fixture
def make_cluster(tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    """Call it with the arguments of Cluster, the directory apart; what it makes is started, and stopped after the test."""
    yield from _factory(tmp_path)


def _factory(directory: Path) -> Iterator[Callable[..., Cluster]]:
    made: list[Cluster] = []

    def make(**options: Any) -> Cluster:
        cluster = Cluster(directory / f"cluster{len(made)}", **options)
        made.append(cluster)
        return cluster.start()

    try:
        yield make
    finally:
        for cluster in made:
            cluster.remove()


@pytest.fixture(scope="session")
def cluster(make_session_cluster: Callable[..., Cluster]) -> Cluster:
    """One node with four devices, shared by all tests that do it no harm: each uses containers of its own."""
    return make_session_cluster()
