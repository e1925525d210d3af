"""Reapers: ours over the servers of OpenStack Swift, and both sides' sharing the work on one account over both sides' servers."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from interop.cloud import Cloud, running
from swiftlite.account.backend import AccountBroker
from swiftlite.core.names import HashPath
from swiftlite.core.timestamp import Timestamp
from swiftlite.ring.ring import Ring

# Servers of one side, and the reaper of each node.
STORES = {
    "our reaper, their servers": (("theirs",) * 3, ("ours",) * 3),
    "mixed": (("ours", "theirs", "ours"), ("ours", "theirs", "theirs")),
}
ACCOUNT = "AUTH_test"
CONTAINERS = [f"c{number} é%" for number in range(6)]
NAMES = ["a", "dir/b", "é漢😀", "%2F & co?#"]


@pytest.fixture(params=STORES.values(), ids=list(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Cloud, tuple[str, ...]]]:
    servers, reapers = request.param
    with running(tmp_path, servers) as cloud:
        log_in = {"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}
        cloud.token = cloud.proxies["ours"].ask("GET", "/auth/v1.0", log_in).headers["x-auth-token"]
        yield cloud, reapers


def test_a_deleted_account_is_emptied(store: tuple[Cloud, tuple[str, ...]]) -> None:
    cloud, reapers = store
    for number, container in enumerate(CONTAINERS):
        policy = {"X-Storage-Policy": ("gold", "silver")[number % 2]}
        assert cloud.ask("ours", "PUT", f"/{container}", policy).status == 201
        for name in NAMES:
            assert cloud.ask("ours", "PUT", f"/{container}/{name}", body=b"x").status == 201
    cloud.run_updaters()
    assert len(data_files(cloud)) == 3 * len(CONTAINERS) * len(NAMES)
    delete_account(cloud)
    confs = [conf for _, kind, conf in cloud.confs if kind == "account"]
    for side, conf in zip(reapers, confs, strict=True):
        conf.write_text(conf.read_text() + "\n[account-reaper]\n")
        cloud.lab.run_once(side, "account-reaper", conf)
    assert data_files(cloud) == []
    cloud.run_updaters()
    ring = Ring(str(cloud.lab.swift_dir), "container", hash_path=HashPath(b"pre", b"suf"))
    for container in CONTAINERS:
        partition, nodes = ring.get_nodes(ACCOUNT, container)
        for node in nodes:
            server = next(found for found in cloud.lab.servers if found.address == node.address)
            assert server.ask("HEAD", f"/{node.device}/{partition}/{ACCOUNT}/{container}").status == 404
    assert row_counts(cloud) == [0, 0, 0]


def delete_account(cloud: Cloud) -> None:
    """Delete the account at all its replicas, as a proxy does that may."""
    ring = Ring(str(cloud.lab.swift_dir), "account", hash_path=HashPath(b"pre", b"suf"))
    partition, nodes = ring.get_nodes(ACCOUNT)
    stamp = {"X-Timestamp": Timestamp(time.time()).internal}
    for node in nodes:
        server = next(found for found in cloud.lab.servers if found.address == node.address)
        assert server.ask("DELETE", f"/{node.device}/{partition}/{ACCOUNT}", stamp).status == 204
        assert server.ask("HEAD", f"/{node.device}/{partition}/{ACCOUNT}").headers["x-account-status"] == "Deleted"


def data_files(cloud: Cloud) -> list[Path]:
    return [path for root in cloud.devices for path in root.glob("*/objects*/**/*.data")]


def row_counts(cloud: Cloud) -> list[int]:
    """How many containers each replica of the account still has."""
    files = [file for root in cloud.devices for file in root.glob("*/accounts/*/*/*/*.db")]
    logger = logging.getLogger("test.reaper")
    return [AccountBroker(str(file), ACCOUNT, logger=logger).get_info()["container_count"] for file in files]
