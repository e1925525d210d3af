"""The expirer's queue: what either proxy puts there, the expirers of both sides work off (formats.md 9, recipe 13)."""

from __future__ import annotations

import json
import pwd
import time
from collections.abc import Iterator
from os import getuid
from pathlib import Path

import pytest

from interop import lab as labs
from interop.cloud import Cloud, running, token
from interop.lab import SIDES, wait_until
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core.placement import ExpirerQueue
from swiftlite.ring.ring import Ring

QUEUE = ".expiring_objects"
LATER = 4000000000
CONF = """
[object-expirer]
interval = 5
delay_reaping_AUTH_test/slow-{mark} = 1000000

[pipeline:main]
pipeline = catch_errors proxy-logging cache symlink proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
{post_quorum}
[filter:catch_errors]
use = egg:swift#catch_errors

[filter:proxy-logging]
use = egg:swift#proxy_logging

[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1

[filter:symlink]
use = egg:swift#symlink
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Storage nodes of both sides, and a proxy of each."""
    with running(tmp_path_factory.mktemp("expirer"), ("ours", "theirs", "ours")) as cloud:
        cloud.token = token(cloud, "ours")
        yield cloud


def expirer_conf(cloud: Cloud, side: str, mark: str) -> Path:
    path = cloud.lab.directory / f"object-expirer-{side}.conf"
    default = labs.DEFAULT_SECTION.format(
        ip="127.0.0.1",
        port=1,
        user=pwd.getpwuid(getuid()).pw_name,
        swift_dir=cloud.lab.swift_dir,
        devices=cloud.devices[0],
        recon=cloud.lab.directory / f"recon-{side}",
    )
    (cloud.lab.directory / f"recon-{side}").mkdir(exist_ok=True)
    path.write_text(default + CONF.format(mark=mark, post_quorum=labs.POST_QUORUM))
    return path


def queue_rows(cloud: Cloud, marker: str) -> list[str]:
    """The rows of the queue that name something with this marker, of every replica."""
    addresses = {
        kind: [server.address for server in cloud.lab.servers if server.output.name.startswith(f"{kind}-")]
        for kind in ("account", "container")
    }
    swift = SwiftConf.load(str(cloud.lab.swift_dir))
    rings = {kind: Ring(str(cloud.lab.swift_dir), kind, hash_path=swift.hash_path) for kind in addresses}
    found = []
    servers = {server.address: server for server in cloud.lab.servers}
    part, nodes = rings["account"].get_nodes(QUEUE)
    containers = set()
    for node in nodes:
        answer = servers[node.address].ask("GET", f"/{node.device}/{part}/{QUEUE}", query="format=json")
        containers |= {entry["name"] for entry in json.loads(answer.body or b"[]")} if answer.status == 200 else set()
    for container in sorted(containers):
        part, nodes = rings["container"].get_nodes(QUEUE, container)
        for node in nodes:
            path = f"/{node.device}/{part}/{QUEUE}/{container}"
            answer = servers[node.address].ask("GET", path, query="format=json")
            if answer.status == 200:
                found += [row["name"] for row in json.loads(answer.body or b"[]") if marker in row["name"]]
    return sorted(found)


def names_of(cloud: Cloud, pattern: str) -> list[str]:
    """The names of all files on any node that match a glob."""
    return [path.name for root in cloud.devices for path in root.glob(pattern)]


def add_asynchronous_delete(cloud: Cloud, path: str) -> None:
    """Queue a row as OpenStack Swift's container deleter does."""
    swift = SwiftConf.load(str(cloud.lab.swift_dir))
    moment = time.time()
    container = ExpirerQueue().container(int(moment), swift.hash_path.hex(*path.split("/", 2)))
    ring = Ring(str(cloud.lab.swift_dir), "container", hash_path=swift.hash_path)
    part, nodes = ring.get_nodes(QUEUE, container)
    row = {"X-Size": "0", "X-Content-Type": "application/async-deleted", "X-Etag": "0" * 32}
    servers = {server.address: server for server in cloud.lab.servers}
    for node in nodes:
        target = f"/{node.device}/{part}/{QUEUE}/{container}/{moment:016.5f}-{path}"
        answer = servers[node.address].ask("PUT", target, {**row, "X-Timestamp": f"{moment:.5f}"})
        assert answer.status == 201


def queue_up(cloud: Cloud, mark: str, delete_at: int) -> list[tuple[str, int]]:
    """Let both sides' proxies queue objects in containers of this mark; what one has queued, the other changes.

    Returns the requests with another answer than expected: none, where all are made before the objects' end.
    """
    soon, name = {"X-Delete-At": str(delete_at)}, f"é-{mark}"
    others: list[tuple[str, int]] = []

    def ask(proxy: str, method: str, path: str, headers: dict[str, str], body: bytes | None, status: int) -> None:
        answer = cloud.ask(proxy, method, path, headers, body)
        if answer.status != status:
            others.append((f"{method} {path} by {proxy}", answer.status))

    for container in (f"/c-{mark}", f"/slow-{mark}"):
        ask("ours", "PUT", container, {}, None, 201)
    for proxy, other in (SIDES, SIDES[::-1]):
        place = f"/c-{mark}/{proxy}"
        for kind in ("put", "overwritten", "prolonged", "reposted"):
            ask(proxy, "PUT", f"{place}/{kind}/{name}", soon, b"x", 201)
        ask(proxy, "PUT", f"/slow-{mark}/{proxy}/{name}", soon, b"x", 201)
        ask(proxy, "PUT", f"{place}/posted/{name}", {}, b"x", 201)
        ask(proxy, "PUT", f"{place}/async/{name}", {}, b"x", 201)
        ask(other, "POST", f"{place}/posted/{name}", soon, None, 202)
        ask(other, "PUT", f"{place}/overwritten/{name}", {}, b"new", 201)
        ask(other, "POST", f"{place}/prolonged/{name}", {"X-Delete-At": str(LATER)}, None, 202)
        ask(other, "POST", f"{place}/reposted/{name}", {}, None, 202)
        add_asynchronous_delete(cloud, f"AUTH_test/c-{mark}/{proxy}/async/{name}")
    return others


def queue_up_in_time(cloud: Cloud, side: str) -> tuple[str, int]:
    """Return the mark of objects that were queued and changed before their end, and that end."""
    for seconds in (8, 30, 120):  # on a busy machine it takes long
        mark, delete_at = f"{side}-{seconds}", int(time.time()) + seconds
        others = queue_up(cloud, mark, delete_at)
        if time.time() < delete_at:
            assert not others
            return mark, delete_at
    raise AssertionError("too slow a machine: nothing has been changed before its end")


@pytest.mark.parametrize("side", SIDES)
def test_the_expirer_of_one_deletes_what_both_have_queued(cloud: Cloud, side: str) -> None:
    ask = cloud.ask
    mark, delete_at = queue_up_in_time(cloud, side)
    name = f"é-{mark}"
    for proxy in SIDES:
        path = f"/c-{mark}/{proxy}/put/{name}"
        wait_until(lambda: ask(proxy, "HEAD", path).status == 404, f"{path} expires", 180)  # noqa: B023
    cloud.run_updaters()
    cloud.lab.run_once(side, "object-expirer", expirer_conf(cloud, side, mark))

    def left(container: str) -> list[str]:
        return ask("ours", "GET", container).body.decode().split()

    survivors = [f"{proxy}/{kind}/{name}" for proxy in SIDES for kind in ("overwritten", "prolonged", "reposted")]
    wait_until(lambda: left(f"/c-{mark}") == sorted(survivors), f"only these are left: {survivors}")
    for survivor in survivors:
        assert ask("theirs", "GET", f"/c-{mark}/{survivor}").status == 200
    assert left(f"/slow-{mark}") == sorted(f"{proxy}/{name}" for proxy in SIDES)
    # Every replica has a tombstone of just the moment at which the object ended.
    swift = SwiftConf.load(str(cloud.lab.swift_dir))
    for proxy in SIDES:
        for kind in ("put", "posted"):
            digest = swift.hash_path.hex("AUTH_test", f"c-{mark}", f"{proxy}/{kind}/{name}")
            directory, tombstones = f"*/objects/*/*/{digest}/*", [f"{delete_at}.00000.ts"] * 3
            wait_until(lambda: names_of(cloud, directory) == tombstones, f"three tombstones of {kind}")  # noqa: B023
    kept = [f"{LATER}-AUTH_test/c-{mark}/{proxy}/prolonged/{name}" for proxy in SIDES]
    kept += [f"{delete_at}-AUTH_test/slow-{mark}/{proxy}/{name}" for proxy in SIDES]
    wait_until(lambda: queue_rows(cloud, name) == sorted(kept * 3), f"only these are queued: {kept}")
