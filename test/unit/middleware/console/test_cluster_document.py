"""What the console tells administrators, made of plain values; and of real servers that answer, fail or are silent."""

import json
import socket
from array import array
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.more_time import with_more_time
from swiftlite.common.concurrency import sleep, spawn
from swiftlite.core.metrics_text import Sample
from swiftlite.middleware.console import cluster, cluster_document
from swiftlite.middleware.console.cluster import ClusterWatch, RingFiles
from swiftlite.middleware.console.cluster_document import agreement, balance, requests_document
from swiftlite.middleware.console.options import ConsoleOptions
from swiftlite.ring import format
from swiftlite.watch.facts import Asked, ClusterView, RingFacts, Server, SwiftConfFacts
from swiftlite.watch.findings import Finding

NOW = 1_700_000_000.0
TB = 10**12


def device(number, ip="10.0.0.1", name="sda", **changes):
    place = {"id": number, "region": 1, "zone": number, "ip": ip, "port": 6200, "device": name, "weight": 100.0}
    return {**place, **changes}


def ring(*devices, **changes):
    facts = RingFacts(
        "object", "/etc/swift/object.ring.gz", "abc", devices=devices, replicas=2.0, part_power=4, version=7
    )
    return replace(facts, **changes)


def storage(ip="10.0.0.1", **answers):
    disk = {"device": "sda", "size": TB, "free": TB // 4, "inodes": 100, "inodes_free": 90, "quarantined": 2}
    told = {
        "facts": {"devices": [{**disk, "async_pending": 3, "async_oldest": NOW - 300}], "started": NOW - 60},
        "replication/object": {"replication_last": NOW - 120},
        "devices": {"/srv/node": ["sda"]},
        "quarantined": {"objects": 2, "containers": 0, "accounts": 0},
        "ringmd5": {"/etc/swift/object.ring.gz": "abc"},
    }
    return Asked(Server("object", ip, 6200, {"object": ("sda",)}), told | answers)


def silent(ip="10.0.0.2"):
    return Asked(Server("object", ip, 6200, {"object": ("sda",)}), problem="no connection within 2 s")


def document(*servers, rings=None):
    facts = ring(device(0), device(1, "10.0.0.2"), assigned={0: 16, 1: 16}) if rings is None else rings
    conf = SwiftConfFacts("/etc/swift/swift.conf", secrets=("secret",))
    made = cluster_document.cluster_document(ClusterView(NOW, "/etc/swift", conf, (facts,), servers))
    assert "secret" not in json.dumps(made)
    return made


def devices(made):
    return [dict(zip(made["devices"]["columns"], row)) for row in made["devices"]["rows"]]


def test_a_device_has_what_its_node_and_its_rings_say():
    [first, _] = devices(document(storage(), storage("10.0.0.2")))
    assert (first["ip"], first["device"], first["fill"], first["free"], first["problem"]) == (
        "10.0.0.1",
        "sda",
        75.0,
        TB // 4,
        "",
    )
    assert (first["updates"], first["quarantined"]) == (3, 2)
    assert (first["rings"], first["weight"], first["zone"], first["assigned"]) == (["object"], 100.0, 0, 16)


def test_a_node_that_is_silent_is_shown_with_its_devices():
    made = document(storage(), silent())
    assert [(host["ip"], host["up"], host["servers"]) for host in made["hosts"]] == [
        ("10.0.0.1", 1, 1),
        ("10.0.0.2", 0, 1),
    ]
    lost = devices(made)[1]
    assert (lost["ip"], lost["device"], lost["problem"], lost["style"]) == (
        "10.0.0.2",
        "sda",
        "its node does not answer",
        "bad",
    )
    assert lost["assigned"] == 16
    assert made["status"] == "critical"
    [problem] = [one for one in made["problems"] if one["code"] == "server-unreachable"]
    assert (problem["severity"], problem["count"]) == ("critical", 1)
    assert problem["why"] and problem["first"][0]["fix"]
    assert made["counts"]["critical"] >= 1


def test_a_fault_of_many_nodes_is_one_fault():
    found = [Finding("code", "warning", f"node{number}", "is ill", "it hurts", "heal") for number in range(20)]
    found.append(Finding("code", "warning", "node", "is ill", "it hurts more", "heal"))
    [first, second] = cluster_document.problems(found)
    assert (first["count"], [one["subject"] for one in first["first"]]) == (20, [f"node{n}" for n in range(5)])
    assert (second["count"], second["why"]) == (1, "it hurts more")
    assert len(cluster_document.problems(replace(found[0], why=str(n)) for n in range(1000))) == 100


def test_a_server_tells_of_its_daemons():
    [server] = document(storage())["servers"]
    assert server["passes"] == {
        "object-replicator": NOW - 120,
        "object-updater": None,
        "object-auditor": None,
        "object-expirer": None,
    }
    assert (server["quarantined"], server["updates"], server["oldest_update"]) == (2, 3, NOW - 300)


def test_of_devices_that_are_passed_over_the_proxies_that_do_are_told():
    samples = {"swiftlite_node_error_limited": [Sample({"node": "10.0.0.2:6200/sda"}, 1.0)]}
    proxy = Asked(Server("proxy", "10.0.0.9", 8080), {"metrics": samples})
    assert document(proxy, storage())["limited"] == [{"node": "10.0.0.2:6200/sda", "proxies": ["10.0.0.9:8080"]}]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
CHECKS = sorted(storage().answers)


@given(st.dictionaries(st.sampled_from([*CHECKS, "unmounted", "diskusage", "load"]), JSON, max_size=4))
def test_whatever_a_node_answers_there_is_a_document(answers):
    made = document(storage(), storage("10.0.0.2", **answers))
    assert len(made["hosts"]) == 2
    json.dumps(made)


# --- rings ---


@pytest.mark.parametrize(
    ("assigned", "weights", "worst"),
    [
        ({0: 16, 1: 16}, (100.0, 100.0), 0.0),
        ({0: 24, 1: 8}, (100.0, 100.0), 50.0),
        ({0: 24, 1: 8}, (300.0, 100.0), 0.0),
        ({0: 32}, (100.0, 100.0), 100.0),
        ({0: 32}, (100.0, 0.0), 0.0),
        ({}, (100.0, 100.0), None),
        ({0: 32}, (0.0, 0.0), None),
    ],
)
def test_the_balance_of_a_ring_is_that_of_its_worst_device(assigned, weights, worst):
    facts = ring(*(device(number, weight=weight) for number, weight in enumerate(weights)), assigned=assigned)
    assert balance(facts) == (pytest.approx(worst) if worst is not None else None)


def test_nodes_with_another_ring_are_named_once():
    other = {"ringmd5": {"/etc/swift/object.ring.gz": "other", "/etc/swift/account.ring.gz": "x"}}
    servers = [storage(), storage("10.0.0.2", **other), storage("10.0.0.2", **other), storage("10.0.0.3", ringmd5={})]
    assert agreement(ring(), servers) == {"told": 2, "same": 1, "differing": ["10.0.0.2"]}


def test_rings_are_read_again_when_they_change(tmp_path):
    rows = [array("H", [0, 1, 0, 1])]
    data = format.RingData([device(0), device(1)], 30, rows, version=1)
    path = tmp_path / "object.ring.gz"
    path.write_bytes(format.dump_v1(data))
    files = RingFiles(str(tmp_path))
    [first] = files.read()
    assert (first.version, first.assigned) == (1, {0: 2, 1: 2})
    assert files.read()[0] is first
    newer = tmp_path / "new"  # and in its place, as rings are written: two of one size may have the same time
    newer.write_bytes(format.dump_v1(replace(data, version=2, rows=[array("H", [0, 0, 0, 1])])))
    newer.replace(path)
    [second] = files.read()
    assert (second.version, second.assigned) == (2, {0: 3, 1: 1})
    path.write_bytes(b"junk")
    [third] = files.read()
    assert third.problem


# --- requests ---


def counted(kind, port, count, buckets=None):
    samples = {
        "swiftlite_requests_total": [Sample({"status": "200"}, count - 1), Sample({"status": "503"}, 1)],
        "swiftlite_request_seconds_sum": [Sample({}, 2.5)],
        "swiftlite_request_seconds_bucket": [
            Sample({"le": end}, n) for end, n in (buckets or {"0.1": 3, "+Inf": count}).items()
        ],
    }
    return Asked(Server(kind, "10.0.0.1", port), {"metrics": samples})


def test_requests_are_told_of_each_server():
    made = requests_document(
        NOW, [counted("proxy", 8080, 5), counted("object", 6200, 7, {"0.2": 4, "+Inf": 7}), silent()]
    )
    assert (made["taken"], made["ends"], made["silent"]) == (NOW, [0.1, 0.2], 1)
    assert made["servers"] == [
        ["proxy", "10.0.0.1:8080", 5, 1, [3, 3, 5]],
        ["object", "10.0.0.1:6200", 7, 1, [0.0, 4, 7]],
    ]


# --- real servers ---


def test_a_server_that_hangs_keeps_nobody_waiting(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        place = {"ip": "127.0.0.1", "port": hanging.getsockname()[1]}
        data = format.RingData([device(0, **place)], 31, [array("H", [0, 0])], version=1)
        (tmp_path / "object.ring.gz").write_bytes(format.dump_v1(data))

        def attempt(timeout):
            options = ConsoleOptions(swift_dir=str(tmp_path), cluster_timeout=timeout)
            documents = ClusterWatch(options, ("127.0.0.1", "8080")).documents
            looking = [spawn(documents[name].get) for name in ("cluster.json", "requests.json")]
            turns = 0
            while not all(thread.dead for thread in looking):
                turns += 1
                sleep(0.01)
            found[:] = (json.loads(thread.wait()) for thread in looking)
            assert turns > 10  # others had theirs meanwhile

        found = []
        with_more_time(attempt, 0.3, 2.0, 10.0)
    made, requests = found
    assert [(server["kind"], bool(server["problem"])) for server in made["servers"]] == [
        ("proxy", False),
        ("object", True),
    ]
    assert made["hosts"][0]["up"] == 1
    assert requests["silent"] + len(requests["servers"]) == 2
    assert "object" not in {row[0] for row in requests["servers"]}


# --- the proxy's own place ---


@pytest.mark.parametrize(
    ("bind", "own", "ip"),
    [
        (("10.0.0.7", "8080"), {"10.0.0.1"}, "10.0.0.7"),
        (("0.0.0.0", "8080"), {"10.0.0.1", "192.168.0.1", "127.0.0.1"}, "10.0.0.1"),
        (("::", "8080"), {"10.9.9.9", "127.0.0.1", "fe80::1"}, "10.9.9.9"),
        (("0.0.0.0", ""), {"127.0.0.1"}, "127.0.0.1"),
    ],
)
def test_this_proxy_stands_beside_the_servers_of_its_machine(monkeypatch, bind, own, ip):
    monkeypatch.setattr(cluster, "own_addresses", lambda _: frozenset(own))
    servers = [Server("object", "10.0.0.1", 6200, is_local="10.0.0.1" in own), Server("object", "10.0.0.2", 6200)]
    found = ClusterWatch(ConsoleOptions(), bind)._own(servers)
    assert (found.kind, found.ip, found.port) == ("proxy", ip, 8080 if bind[1] else 0)
