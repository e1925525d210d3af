"""What an object server tells container servers, what it spools, and how the updater delivers it (formats.md 3.9)."""

from __future__ import annotations

import errno
import json
import logging
import pickle
import shutil
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.database_servers import PATIENT, SWIFT, BackendServer, container_server
from fakes.http_server import ServerThread
from fakes.object_server import ObjectNode
from swiftlite.common import concurrency
from swiftlite.common.fs import FileSystem
from swiftlite.obj.updater import ObjectUpdater, UpdaterOptions
from swiftlite.ring.format import RingData, dump_v1

NOW = int(time.time()) - 1000
PATH = "/sda/7/a/c/o"
UNREACHABLE = ("127.0.0.1", 1)
MD5_OF_HELLO = "5d41402abc4b2a76b9719d911017c592"


def at(second: float) -> str:
    return f"{NOW + second:.5f}"


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[list[BackendServer]]:
    """Three container servers that have container ``a/c``."""
    threads = [container_server(tmp_path / f"containers{number}") for number in range(3)]
    servers = [BackendServer(thread) for thread in threads]
    for server in servers:
        assert server.request("PUT", "/sda/0/a/c", {"X-Timestamp": at(0)}).status == 201
    yield servers
    for thread in threads:
        thread.__exit__()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ObjectNode]:
    with ObjectNode(tmp_path / "node") as node:
        yield node


def telling(*hosts: str, kind: str = "Container", container: str | None = None) -> dict[str, str]:
    headers = {f"X-{kind}-Host": ",".join(hosts), f"X-{kind}-Device": ",".join("sda" for _ in hosts)}
    return {**headers, f"X-{kind}-Partition": "0"} | ({f"X-{kind}-Container": container} if container else {})


def put(node: ObjectNode, second: float, **headers: str) -> None:
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = node.request("PUT", PATH, {"X-Timestamp": at(second), "Content-Type": "text/plain", **more}, b"hello")
    assert answer.status == 201


def rows(server: BackendServer, container: str = "a/c") -> list[tuple[str, int, str, str]]:
    answer = server.request("GET", f"/sda/0/{container}", query="format=json")
    if answer.status == 404:
        return []
    return [(row["name"], row["bytes"], row["content_type"], row["hash"]) for row in json.loads(answer.body)]


def spooled(node: ObjectNode) -> list[dict[str, object]]:
    return [pickle.loads(path.read_bytes()) for path in sorted(node.device.glob("async_pending*/*/*"))]


HELLO = ("o", 5, "text/plain", MD5_OF_HELLO)


def test_a_put_a_post_and_a_delete_reach_the_listing(node: ObjectNode, containers: list[BackendServer]) -> None:
    tell = telling(*(server.host for server in containers))
    put(node, 1, **tell)
    assert [rows(server) for server in containers] == [[HELLO]] * 3
    posted = node.request("POST", PATH, {"X-Timestamp": at(2), "Content-Type": "x/new", **tell})
    assert posted.status == 202
    assert [rows(server) for server in containers] == [[("o", 5, "x/new", MD5_OF_HELLO)]] * 3
    assert node.request("DELETE", PATH, {"X-Timestamp": at(3), **tell}).status == 204
    assert [rows(server) for server in containers] == [[]] * 3
    assert spooled(node) == []


def test_middleware_says_what_is_listed(node: ObjectNode, containers: list[BackendServer]) -> None:
    override = {"X-Backend-Container-Update-Override-Etag": "backend", "X-Backend-Container-Update-Override-Size": "77"}
    put(node, 1, **telling(containers[0].host), **override, X_Object_Sysmeta_Container_Update_Override_Etag="stored")
    assert rows(containers[0]) == [("o", 77, "text/plain", "stored")]


def test_a_manifest_keeps_its_size_through_a_post(node: ObjectNode, containers: list[BackendServer]) -> None:
    tell = telling(containers[0].host)
    node.request("PUT", PATH, {"X-Timestamp": at(1), "Content-Type": "x/y;swift_bytes=99", **tell}, b"hello")
    node.request("POST", PATH, {"X-Timestamp": at(2), "Content-Type": "x/new", **tell})
    ((_, _, content_type, _),) = rows(containers[0])
    assert content_type.startswith("x/new")
    assert node.request("HEAD", PATH).headers["content-type"] == "x/new"


def test_a_client_cannot_post_the_size_that_is_listed(node: ObjectNode, containers: list[BackendServer]) -> None:
    """Least of all where the container hears of the object by the POST."""
    put(node, 1)
    tell = telling(containers[0].host)
    posted = {"X-Timestamp": at(2), "Content-Type": f"x/new;a=b;swift_bytes={'9' * 100}", **tell}
    assert node.request("POST", PATH, posted).status == 202
    assert rows(containers[0]) == [("o", 5, "x/new;a=b", MD5_OF_HELLO)]


def test_what_nobody_took_is_spooled(node: ObjectNode, containers: list[BackendServer]) -> None:
    put(node, 1, **telling(containers[0].host, "127.0.0.1:1"), X_Trans_Id="tx1", X_Container_Root_Db_State="unsharded")
    assert rows(containers[0]) == [HELLO]
    (update,) = spooled(node)
    name_hash = SWIFT.hash_path.hex("a", "c", "o")
    assert (node.device / f"async_pending/{name_hash[-3:]}/{name_hash}-{at(1)}").exists()
    headers = update.pop("headers")
    assert update.pop("told") == [f"{containers[0].host}/sda"]
    assert update == {"op": "PUT", "account": "a", "container": "c", "obj": "o", "db_state": "unsharded"}
    assert headers["X-Size"] == "5"
    assert headers["X-Timestamp"] == at(1)
    assert headers["X-Trans-Id"] == "tx1"
    assert headers["Referer"].startswith("PUT http://")
    assert headers["User-Agent"].startswith("object-server ")


def test_who_asks_hears_which_containers_have_the_row(node: ObjectNode, containers: list[BackendServer]) -> None:
    host = containers[0].host
    tell = {**telling(host), "X-Backend-Report-Container-Update": "true"}

    def change(method: str, second: float, **headers: str) -> tuple[str | None, dict[str, str] | None]:
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = node.request(
            method, PATH, {"X-Timestamp": at(second), **tell, **more}, b"hello"[: 5 * (method == "PUT")]
        )
        row = answer.headers.get("x-backend-container-row")
        return answer.headers.get("x-backend-container-updated"), row and json.loads(row)

    assert change("PUT", 1, Content_Type="text/plain") == (f"{host}/sda", None)
    tell |= telling(host, "127.0.0.1:1")
    row = {"X-Timestamp": at(1), "X-Backend-Storage-Policy-Index": "0", "X-Size": "5", "X-Etag": MD5_OF_HELLO}
    posted = {**row, "X-Content-Type": "x/new", "X-Content-Type-Timestamp": at(2), "X-Meta-Timestamp": at(2)}
    assert change("POST", 2, Content_Type="x/new") == (f"{host}/sda", posted)
    tell |= telling("127.0.0.1:1")
    deleted = {"X-Timestamp": at(3), "X-Backend-Storage-Policy-Index": "0"}
    assert change("DELETE", 3) == ("", deleted)
    override = {"X_Backend_Container_Update_Override_Etag": "another"}
    _, told = change("PUT", 4, Content_Type="text/plain", **override)
    assert told == {**row, "X-Timestamp": at(4), "X-Content-Type": "text/plain", "X-Etag": "another"}
    del tell["X-Backend-Report-Container-Update"]
    assert change("PUT", 5, Content_Type="text/plain") == (None, None)


def test_a_refused_row_is_spooled(node: ObjectNode, containers: list[BackendServer]) -> None:
    answer = node.request(
        "PUT",
        "/sda/7/a/missing/o",
        {"X-Timestamp": at(1), "Content-Type": "x/y", **telling(containers[0].host)},
        b"hello",
    )
    assert answer.status == 201
    assert [update["container"] for update in spooled(node)] == ["missing"]


@pytest.mark.parametrize("hangs, timeout", [(True, 0.5), (False, 60.0)])
def test_container_servers_that_hang_are_waited_for_at_once_and_not_for_long(
    tmp_path: Path, hangs: bool, timeout: float
) -> None:
    """Twenty requests have their answers when all twenty have come, or never."""
    asked: list[concurrency.Event] = []

    def answer_all_at_once(environ: object, start_response: Callable[..., object]) -> list[bytes]:
        mine = concurrency.Event()
        asked.append(mine)
        if len(asked) == 20 and not hangs:
            for event in asked:
                event.send()
        mine.wait()
        start_response("201 Created", [])
        return []

    with (
        ServerThread(answer_all_at_once) as slow,
        ObjectNode(tmp_path / "node", container_update_timeout=timeout) as node,
    ):
        hosts = ["{}:{}".format(*slow.address)] * 10
        put(node, 1, **telling(*hosts), **telling(*hosts, kind="Delete-At"), X_Delete_At="4000000000")
        left = [".expiring_objects", "a"] if hangs else []
        assert sorted(str(update["account"]) for update in spooled(node)) == left


def test_contradicting_targets_are_logged_and_not_told(node: ObjectNode) -> None:
    headers = {"X-Container-Host": "127.0.0.1:1,127.0.0.1:2", "X-Container-Device": "sda", "X-Container-Partition": "0"}
    put(node, 1, **headers)
    assert spooled(node) == []


def test_a_shard_takes_the_row(node: ObjectNode, containers: list[BackendServer]) -> None:
    containers[0].request("PUT", "/sda/0/.shards_a/c shard", {"X-Timestamp": at(0)})
    put(node, 1, **telling(containers[0].host), X_Backend_Quoted_Container_Path=".shards_a/c%20shard")
    assert rows(containers[0], ".shards_a/c shard") == [HELLO]
    put(node, 2, **telling("127.0.0.1:1"), X_Backend_Container_Path=".shards_a/other")
    assert [update["container_path"] for update in spooled(node)] == [".shards_a/other"]


# The expirer's queue --------------------------------------------------------------------------------------------------


def test_the_queue_follows_the_expiry(node: ObjectNode, containers: list[BackendServer]) -> None:
    first, second = 4000000000, 4000000001
    queue = telling(containers[0].host, kind="Delete-At", container="3999999999")
    put(node, 1, **queue, X_Delete_At=str(first))
    ((name, size, content_type, _),) = rows(containers[0], ".expiring_objects/3999999999")
    assert (name, size, content_type) == (f"{first}-a/c/o", 0, "text/plain;swift_expirer_bytes=5")
    assert spooled(node) == []
    put(node, 2, **queue, X_Delete_At=str(second))
    assert [name for name, *_ in rows(containers[0], ".expiring_objects/3999999999")] == [
        f"{first}-a/c/o",
        f"{second}-a/c/o",
    ]
    (update,) = spooled(node)
    digest = int(SWIFT.hash_path.hex("a", "c", "o"), 16)
    assert update["headers"]["X-Backend-Storage-Policy-Index"] == "0"
    assert {key: value for key, value in update.items() if key != "headers"} == {
        "op": "DELETE",
        "account": ".expiring_objects",
        "container": f"{first // 86400 * 86400 - digest % 100:010d}",
        "obj": f"{first}-a/c/o",
        "db_state": None,
    }


def test_who_leaves_the_queue_alone(node: ObjectNode) -> None:
    put(node, 1, X_Delete_At="4000000000")
    assert spooled(node) == []  # nobody was named, so others were asked
    put(node, 2, X_Backend_Replication="true")
    put(node, 3, X_Delete_At="4000000000")
    put(node, 4, X_Backend_Clean_Expiring_Object_Queue="false")
    assert spooled(node) == []
    put(node, 5, X_Delete_At="4000000000")
    node.request("POST", PATH, {"X-Timestamp": at(6)})
    assert [update["op"] for update in spooled(node)] == ["DELETE"]


# The updater ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def make_updater(tmp_path: Path) -> Callable[..., ObjectUpdater]:
    def make(*addresses: tuple[str, int], **more: object) -> ObjectUpdater:
        role = {"region": 1, "zone": 1, "device": "sda", "weight": 1.0, "meta": ""}
        devices = [
            {"id": number, "ip": ip, "port": port, "replication_ip": ip, "replication_port": port, **role}
            for number, (ip, port) in enumerate(addresses)
        ]
        rings = [array("H", [number]) for number in range(len(addresses))]
        (tmp_path / "container.ring.gz").write_bytes(dump_v1(RingData(devices, 32, rings)))
        values = {"swift_dir": str(tmp_path), "devices": str(tmp_path / "node"), "mount_check": False}
        values |= {"recon_cache_path": str(tmp_path / "recon"), "objects_per_second": 0, **PATIENT}
        options = UpdaterOptions(**{**values, **more})  # type: ignore[arg-type]
        return ObjectUpdater(options, SWIFT, logging.getLogger("test.updater"))

    return make


def addresses(servers: list[BackendServer]) -> list[tuple[str, int]]:
    return [server.thread.address[:2] for server in servers]


def test_the_updater_tells_every_primary(
    node: ObjectNode, containers: list[BackendServer], make_updater: Callable[..., ObjectUpdater]
) -> None:
    put(node, 1, **telling("127.0.0.1:1"))
    put(node, 2, **telling("127.0.0.1:1"))
    counts = make_updater(*addresses(containers)).run_once()
    assert (counts["delivered"], counts["failures"]) == (1, 0)
    assert [rows(server) for server in containers] == [[HELLO]] * 3
    assert spooled(node) == []
    assert list(node.device.glob("async_pending/*")) == []


def test_a_primary_that_is_down_is_told_later(
    node: ObjectNode, containers: list[BackendServer], make_updater: Callable[..., ObjectUpdater]
) -> None:
    put(node, 1, **telling("127.0.0.1:1"))
    up = addresses(containers)[:2]
    assert make_updater(*up, UNREACHABLE).run_once()["left"] == 1
    (update,) = spooled(node)
    assert update["successes"] == [0, 1]
    assert [rows(server) for server in containers] == [[HELLO], [HELLO], []]
    assert make_updater(UNREACHABLE, UNREACHABLE, addresses(containers)[2]).run_once()["delivered"] == 1
    assert [rows(server) for server in containers] == [[HELLO]] * 3
    assert spooled(node) == []


def test_nothing_in_the_spool(make_updater: Callable[..., ObjectUpdater], node: ObjectNode) -> None:
    assert make_updater(UNREACHABLE).run_once()["jobs"] == 0


def test_a_damaged_update_is_put_aside_and_the_rest_goes_on(
    node: ObjectNode, containers: list[BackendServer], make_updater: Callable[..., ObjectUpdater]
) -> None:
    put(node, 1, **telling("127.0.0.1:1"))
    directory = node.device / "async_pending/000"
    directory.mkdir()
    bad = f"{'0' * 32}-{at(1)}"
    (directory / bad).write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    (directory / "junk").write_bytes(b"")
    counts = make_updater(*addresses(containers)).run_once()
    assert (counts["quarantined"], counts["delivered"], counts["failures"]) == (1, 1, 0)
    assert [path.name for path in node.device.glob("quarantined/objects/*")] == [bad]
    assert rows(containers[0]) == [HELLO]


@pytest.mark.parametrize("has_others", [True, False])
def test_an_update_of_another_object_than_its_name_says_is_put_aside(
    node: ObjectNode, containers: list[BackendServer], make_updater: Callable[..., ObjectUpdater], has_others: bool
) -> None:
    """Where all are so, swift.conf is wrong, perhaps, and they stay."""
    put(node, 1, **telling("127.0.0.1:1"))
    (sound,) = node.device.glob("async_pending/*/*")
    bad = node.device / f"async_pending/000/{'0' * 32}-{at(1)}"  # before all others
    bad.parent.mkdir()
    bad.write_bytes(sound.read_bytes())
    if has_others:
        (node.device / f"async_pending/111/{'1' * 32}-{at(2)}").parent.mkdir()
        (node.device / f"async_pending/111/{'1' * 32}-{at(2)}").write_bytes(sound.read_bytes())
    else:
        sound.unlink()
    counts = make_updater(*addresses(containers)).run_once()
    names = sorted(path.name for path in node.device.glob("quarantined/objects/*"))
    if has_others:
        assert (counts["delivered"], counts["failures"]) == (1, 0)
        assert names == [bad.name, f"{'1' * 32}-{at(2)}"], "the second is of another moment, too"
        assert spooled(node) == []
    else:
        assert (counts["delivered"], counts["failures"], names) == (0, 1, [])
        assert bad.exists()


def test_updates_of_swift_are_delivered(
    node: ObjectNode, containers: list[BackendServer], make_updater: Callable[..., ObjectUpdater]
) -> None:
    """As protocol 0 spells OpenStack Swift's header class."""
    name_hash = SWIFT.hash_path.hex("a", "c", "o")
    path = node.device / "async_pending" / name_hash[-3:] / f"{name_hash}-{at(1)}"
    path.parent.mkdir(parents=True)
    headers = {"X-Size": "5", "X-Content-Type": "text/plain", "X-Etag": MD5_OF_HELLO, "X-Timestamp": at(1)}
    pickled = "".join(f"sV{key}\nV{value}\n" for key, value in headers.items()).removeprefix("s")
    path.write_bytes(
        b"(dVop\nVPUT\nsVaccount\nVa\nsVcontainer\nVc\nsVobj\nVo\nsVdb_state\nNsVheaders\n"
        b"ccopy_reg\n_reconstructor\n(cswift.common.header_key_dict\nHeaderKeyDict\nc__builtin__\ndict\n(d"
        + pickled.encode()
        + b"stRs."
    )
    assert make_updater(*addresses(containers)).run_once()["delivered"] == 1
    assert rows(containers[0]) == [HELLO]


def test_a_redirect_leads_to_the_shard(
    node: ObjectNode, containers: list[BackendServer], make_updater: Callable[..., ObjectUpdater]
) -> None:
    asked: list[str] = []

    def redirect(environ: dict[str, str], start_response: Callable[..., object]) -> list[bytes]:
        asked.append(environ["PATH_INFO"])
        if environ["PATH_INFO"].startswith("/sda/0/a/c/"):
            assert environ["HTTP_X_BACKEND_ACCEPT_REDIRECT"] == "true"
            location = ("Location", "/.shards_a/c%20shard/o"), ("X-Backend-Location-Is-Quoted", "true")
            start_response("301 Moved Permanently", list(location))
        else:
            start_response("201 Created", [])
        return [b""]

    put(node, 1, **telling("127.0.0.1:1"))
    with ServerThread(redirect) as server:
        assert make_updater(server.address).run_once()["delivered"] == 1
    assert asked == ["/sda/0/a/c/o", "/sda/0/.shards_a/c shard/o"]
    assert spooled(node) == []


def test_redirects_that_lead_in_circles_end_at_the_root(
    node: ObjectNode, make_updater: Callable[..., ObjectUpdater]
) -> None:
    def redirect(environ: dict[str, str], start_response: Callable[..., object]) -> list[bytes]:
        start_response("301 Moved Permanently", [("Location", "/.shards_a/x/o")])
        return [b""]

    put(node, 1, **telling("127.0.0.1:1"))
    with ServerThread(redirect) as server:
        assert make_updater(server.address).run_once()["left"] == 1
    (update,) = spooled(node)
    assert "container_path" not in update


def test_of_several_redirects_the_newest_is_right(
    node: ObjectNode, containers: list[BackendServer], make_updater: Callable[..., ObjectUpdater]
) -> None:
    """And nobody who took the row for the root has taken it for the shard."""

    def shards(name: str, second: int) -> Callable[..., list[bytes]]:
        def app(environ: dict[str, str], start_response: Callable[..., object]) -> list[bytes]:
            if "/.shards_a/" in environ["PATH_INFO"]:
                told.append((second, environ["PATH_INFO"]))
                start_response("201 Created", [])
            else:
                location = [("Location", f"/.shards_a/{name}/o"), ("X-Backend-Redirect-Timestamp", at(second))]
                start_response("301 Moved Permanently", location)
            return [b""]

        return app

    told: list[tuple[int, str]] = []
    put(node, 1, **telling(containers[0].host, "127.0.0.1:1"))
    with ServerThread(shards("older", 5)) as one, ServerThread(shards("newer", 9)) as other:
        updater = make_updater(addresses(containers)[0], other.address, one.address)
        updater.run_once()
    assert sorted(told) == [(5, "/sda/0/.shards_a/newer/o"), (9, "/sda/0/.shards_a/newer/o")]
    (update,) = spooled(node)  # The first server has no such shard.
    assert (update["container_path"], update["successes"], "told" in update) == (".shards_a/newer", [1, 2], False)


def test_who_was_told_by_the_object_server_is_not_told_again(
    node: ObjectNode, containers: list[BackendServer], make_updater: Callable[..., ObjectUpdater]
) -> None:
    put(node, 1, **telling(containers[0].host, "127.0.0.1:1"))
    (update,) = spooled(node)
    assert update["told"] == [f"{containers[0].host}/sda"]
    asked: list[int] = []

    def counting(number: int) -> Callable[..., list[bytes]]:
        def app(environ: dict[str, str], start_response: Callable[..., object]) -> list[bytes]:
            asked.append(number)
            start_response("201 Created", [])
            return [b""]

        return app

    (update,) = spooled(node)
    with ServerThread(counting(0)) as first, ServerThread(counting(1)) as second:
        path = next(node.device.glob("async_pending/*/*"))
        update["told"] = ["{}:{}/sda".format(*first.address)]
        path.write_bytes(pickle.dumps(update, 0))
        assert make_updater(first.address, second.address).run_once()["delivered"] == 1
    assert asked == [1]


# How much of a spool is worked off ------------------------------------------------------------------------------------


def test_containers_have_a_limit_of_their_own(
    node: ObjectNode, containers: list[BackendServer], make_updater: Callable[..., ObjectUpdater]
) -> None:
    for name in ("o1", "o2", "o3", "o4"):
        headers = {"X-Timestamp": at(1), "Content-Type": "text/plain", **telling("127.0.0.1:1")}
        assert node.request("PUT", f"/sda/7/a/c/{name}", headers, b"hello").status == 201
    busy = {"max_objects_per_container_per_second": 0.001, "max_deferred_updates": 2, "interval": 0.1}
    counts = make_updater(*addresses(containers), **busy).run_once()
    # One is evicted from the queue of two, and the pass is over before the others' time has come.
    assert (counts["delivered"], counts["deferred"], counts["skipped"]) == (1, 3, 3)
    assert len(spooled(node)) == 3
    fast = {"max_objects_per_container_per_second": 100.0, "interval": 30}
    counts = make_updater(*addresses(containers), **fast).run_once()
    assert (counts["delivered"], counts["skipped"]) == (3, 0)
    assert spooled(node) == []


def test_recon_hears_how_many_updates_wait(
    tmp_path: Path, node: ObjectNode, containers: list[BackendServer], make_updater: Callable[..., ObjectUpdater]
) -> None:
    def waiting() -> int | None:
        found: int | None = json.loads((tmp_path / "recon/object.recon").read_text()).get("async_pending")
        return found

    make_updater(*addresses(containers), only_devices=("sda",)).run_once()
    assert waiting() is None  # who looks at some devices only does not know
    for name in ("o1", "o2", "o3"):
        headers = {"X-Timestamp": at(1), "Content-Type": "text/plain", **telling("127.0.0.1:1")}
        assert node.request("PUT", f"/sda/7/a/c/{name}", headers, b"hello").status == 201
    make_updater(*addresses(containers)[:2], UNREACHABLE).run_once()
    assert waiting() == len(spooled(node)) == 3
    make_updater(*addresses(containers)).run_once()
    assert waiting() == 0


def test_only_some_devices(
    node: ObjectNode, containers: list[BackendServer], make_updater: Callable[..., ObjectUpdater]
) -> None:
    put(node, 1, **telling("127.0.0.1:1"))
    assert not make_updater(*addresses(containers), only_devices=("sdb",)).run_once()
    assert make_updater(*addresses(containers), only_devices=("sda", "sdb")).run_once()["delivered"] == 1


def test_several_devices_each_have_a_process(
    node: ObjectNode, containers: list[BackendServer], make_updater: Callable[..., ObjectUpdater], tmp_path: Path
) -> None:
    put(node, 1, **telling("127.0.0.1:1"))
    for name in ("sdb", "sdc"):
        shutil.copytree(node.device, node.device.with_name(name))
    counts = make_updater(*addresses(containers), updater_workers=2).run_once()
    assert (counts["delivered"], counts["failures"]) == (3, 0)
    assert list(node.device.parent.glob("*/async_pending/*/*")) == []
    assert set(statistics(tmp_path)["object_updater_per_device"]) == {"sda", "sdb", "sdc"}


def test_updates_of_other_policies(
    node: ObjectNode,
    containers: list[BackendServer],
    make_updater: Callable[..., ObjectUpdater],
    caplog: pytest.LogCaptureFixture,
) -> None:
    put(node, 1, **telling("127.0.0.1:1"))
    (path,) = node.device.glob("async_pending/*/*")
    unknown = node.device / "async_pending-77" / path.parent.name / path.name
    unknown.parent.mkdir(parents=True)
    unknown.write_bytes(path.read_bytes())
    assert make_updater(*addresses(containers)).run_once()["delivered"] == 1
    assert unknown.exists() and "async_pending-77" in caplog.text


def test_of_several_updates_of_an_object_only_the_newest_is_delivered(
    node: ObjectNode, containers: list[BackendServer], make_updater: Callable[..., ObjectUpdater]
) -> None:
    put(node, 1, **telling("127.0.0.1:1"))
    node.request("DELETE", PATH, {"X-Timestamp": at(2), **telling("127.0.0.1:1")})
    node.request("PUT", PATH, {"X-Timestamp": at(3), "Content-Type": "x/3", **telling("127.0.0.1:1")}, b"hello")
    assert len(spooled(node)) == 3
    updater = make_updater(UNREACHABLE)
    assert updater.run_once()["jobs"] == 1
    assert [update["headers"]["X-Timestamp"] for update in spooled(node)] == [at(3)]
    assert make_updater(*addresses(containers)).run_once()["delivered"] == 1
    assert [rows(server) for server in containers] == [[("o", 5, "x/3", MD5_OF_HELLO)]] * 3


def statistics(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "recon/object.recon").read_text())


def test_statistics_name_who_waits_longest(
    node: ObjectNode, containers: list[BackendServer], make_updater: Callable[..., ObjectUpdater], tmp_path: Path
) -> None:
    put(node, 2, **telling("127.0.0.1:1"))
    for second, container in ((1, "old"), (3, "new")):
        headers = {"X-Timestamp": at(second), "Content-Type": "text/plain", **telling("127.0.0.1:1")}
        assert node.request("PUT", f"/sda/7/a/{container}/o", headers, b"hello").status == 201
    (tmp_path / "recon").mkdir()
    (tmp_path / "recon/object.recon").write_text(
        '{"async_pending": 7, "object_expiration_pass": 8, "object_updater_per_device": {"gone": {"a": 1}}}\n'
    )
    updater = make_updater(UNREACHABLE, async_tracker_max_entries=2, async_tracker_dump_count=1)
    assert updater.run_once()["left"] == 3
    found = statistics(tmp_path)
    assert (found["async_pending"], found["object_expiration_pass"]) == (3, 8)
    assert list(found["object_updater_per_device"]) == ["sda"]
    assert found["object_updater_sweep"] > 0 and found["object_updater_last"] > NOW
    waiting = found["object_updater_stats"]
    assert waiting["failures_oldest_timestamp"] == NOW + 1
    assert waiting["failures_oldest_timestamp_age"] > 900
    assert waiting["failures_account_container_count"] == 2
    assert waiting["failures_oldest_timestamp_account_containers"] == {
        "oldest_count": 1,
        "oldest_entries": [{"account": "a", "container": "old", "timestamp": NOW + 1}],
    }


class FullDisk(FileSystem):
    """A disk that takes no more."""

    def write(self, fd: int, data: bytes | memoryview) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_nothing_is_acknowledged_that_could_be_neither_listed_nor_spooled(node: ObjectNode) -> None:
    node.app.container_updates.spool.fs = FullDisk()
    headers = {"X-Timestamp": at(1), "Content-Type": "text/plain", **telling("127.0.0.1:1")}
    assert node.request("PUT", PATH, headers, b"hello").status == 507
    assert spooled(node) == []


def test_a_full_disk_keeps_what_is_spooled(
    node: ObjectNode, containers: list[BackendServer], make_updater: Callable[..., ObjectUpdater]
) -> None:
    put(node, 1, **telling("127.0.0.1:1"))
    before = spooled(node)
    updater = make_updater(*addresses(containers)[:2], UNREACHABLE)
    updater.spool.fs = FullDisk()
    assert updater.run_once()["failures"] == 1
    assert spooled(node) == before
    assert list(node.device.glob("tmp/*")) == []
    assert make_updater(*addresses(containers)).run_once()["delivered"] == 1
