"""Accounts deleted while servers die: nothing goes before all know, and in the end nothing is left anywhere."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator

import pytest

from functional.cluster import Cluster, wait_until
from functional.test_account_reaper import Site, request

SETTINGS = {"proxy": {"app:proxy-server": {"allow_account_management": "true"}}}
NODES = (1, 2, 3)


@pytest.fixture(scope="module")
def site(make_session_cluster: Callable[..., Cluster]) -> Site:
    return Site(make_session_cluster(nodes=3, devices=1, settings=SETTINGS))


@pytest.fixture
def made(site: Site) -> Iterator[Victim]:
    victim = Victim(site)
    yield victim
    for kind in ("account", "container", "object"):
        for node in NODES:
            server = site.cluster.server(f"{kind}-server", node)
            if not server.is_running:
                server.start()


class Victim:
    """An account with a few objects, spread over three nodes."""

    numbers = iter(range(99))

    def __init__(self, site: Site, containers: int = 4, objects: int = 3) -> None:
        self.site = site
        self.cluster = site.cluster
        self.name = f"AUTH_victim{next(self.numbers)}"
        self.containers = [f"{self.name}/c{number}" for number in range(containers)]
        self.objects = [f"{path}/o{number}" for path in self.containers for number in range(objects)]
        for path in self.containers:
            assert site.ask("PUT", path) == 201
        for path in self.objects:
            assert site.ask("PUT", path, body=b"x") == 201
        self.partition, self.nodes = site.rings["account"].get_nodes(self.name)
        wait_until(lambda: self.data_files() == 3 * len(self.objects), f"all replicas of {self.name}")

    def data_files(self) -> int:
        """How many files there are of its objects' data."""
        hashes = {self.site.swift.hash_path.hex(*path.split("/")) for path in self.objects}
        return sum(file.parent.name in hashes for file in self.cluster.files("objects/**/*.data"))

    def database_state(self) -> list[tuple[int, bool]]:
        """Of each database: how many containers it has, and whether it has the deletion."""
        name_hash = self.site.swift.hash_path.hex(self.name)
        found = []
        for file in self.cluster.files(f"accounts/*/*/{name_hash}/{name_hash}.db"):
            connection = sqlite3.connect(file)
            found.append(
                connection.execute(
                    "SELECT container_count, delete_timestamp > put_timestamp FROM account_stat"
                ).fetchone()
            )
            connection.close()
        return [(count, bool(deleted)) for count, deleted in found]

    def reap(self) -> None:
        """Make a pass of each node's reaper."""
        for node in self.cluster.layout.nodes:
            self.site.reaper(node).run_once()

    def replicate(self, kind: str, *nodes: int) -> None:
        """Make a pass of some nodes' replicators, which tell all others."""
        for node in nodes:
            self.cluster.run_once(f"{kind}-replicator-{node}")

    def is_gone(self) -> bool:
        """Whether no object, no row and no way in is left."""
        status = {
            request(node.address, "HEAD", f"/{node.device}/{self.partition}/{self.name}", None)[0]
            for node in self.nodes
        }
        return self.data_files() == 0 and status == {404} and {count for count, _ in self.database_state()} == {0}


def test_an_account_deleted_while_one_server_is_down_goes_when_that_one_has_heard(site: Site, made: Victim) -> None:
    absent = site.cluster.server("account-server", 3)
    absent.kill()
    assert site.ask("DELETE", made.name) == 204
    made.reap()  # It cannot be asked.
    assert made.data_files() == 3 * len(made.objects)
    absent.start()
    assert sorted(made.database_state()) == [(4, False), (4, True), (4, True)]
    made.reap()  # It says that the account lives.
    assert made.data_files() == 3 * len(made.objects)
    assert site.ask("PUT", f"{made.containers[0]}/late", body=b"x") in (201, 404)
    made.replicate("account", 1)
    assert made.database_state() == [(4, True)] * 3
    made.reap()
    assert made.is_gone()


def test_an_account_that_only_one_server_deleted_and_another_created_anew_lives(site: Site, made: Victim) -> None:
    """The deletion had no majority, so its client was told that it failed; the newer PUT wins everywhere."""
    for node in (2, 3):
        site.cluster.server("account-server", node).kill()
    assert site.ask("DELETE", made.name) == 503
    for node in (2, 3):
        site.cluster.server("account-server", node).start()
    assert sum(deleted for _, deleted in made.database_state()) == 1
    made.reap()
    assert made.data_files() == 3 * len(made.objects)
    assert site.ask("PUT", made.name) in (201, 202)
    made.reap()
    made.replicate("account", 1, 2)
    made.reap()
    assert [deleted for _, deleted in made.database_state()] == [False] * 3
    assert made.data_files() == 3 * len(made.objects)


def test_a_reaper_that_is_killed_goes_on_where_it_was(site: Site) -> None:
    victim = Victim(site, containers=9, objects=8)
    total = victim.data_files()
    assert site.ask("DELETE", victim.name) == 204
    daemons = [site.cluster.servers[f"account-reaper-{node}"] for node in NODES]
    for daemon in daemons:
        daemon.launch()
    wait_until(lambda: victim.data_files() < total, "the reapers have begun")
    for daemon in daemons:
        daemon.kill()
    victim.reap()
    assert victim.is_gone()


@pytest.mark.parametrize("kind", ["container", "object"])
def test_one_server_that_is_down_holds_up_nothing_but_its_own_share(site: Site, made: Victim, kind: str) -> None:
    assert site.ask("DELETE", made.name) == 204
    absent = site.cluster.server(f"{kind}-server", 2)
    absent.kill()
    made.reap()
    # What the absent one has cannot go; all else has.
    assert made.data_files() <= (len(made.objects) if kind == "object" else 0)
    absent.start()
    if kind == "container":
        made.replicate("container", 1)  # What the others have deleted
        site.cluster.run_once("container-updater-2")  # is told to the replica of the account that was its to tell.
        assert made.is_gone()
