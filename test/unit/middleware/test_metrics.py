"""The filter metrics: who may ask, and what it finds out when it is asked."""

from __future__ import annotations

import os
import threading

import pytest

from fakes.accounts import as_nobody, public_directory
from fakes.more_time import with_more_time
from fakes.wsgi_calls import call, make_environ
from swiftlite.common import addresses, metrics
from swiftlite.common.failed_passes import FORGOTTEN
from swiftlite.common.metrics import begin
from swiftlite.core import metrics_text
from swiftlite.middleware.metrics import devices, filter_factory
from swiftlite.middleware.metrics.cluster_files import ClusterFiles, balance
from swiftlite.middleware.metrics.devices import Devices, look_at
from swiftlite.middleware.metrics.filter import parse_networks
from swiftlite.middleware.metrics.recon_numbers import numbers
from swiftlite.ring.builder import RingBuilder

NOW = 1_700_000_000.0


def by_name(found):
    return {(sample.family.name.removeprefix("swiftlite_"), *sample.labels): sample.value for sample in found}


def request(app, method, path="/metrics", remote_addr="127.0.0.1"):
    return call(app, {**make_environ(method, path), "REMOTE_ADDR": remote_addr})


@pytest.fixture
def ask(tmp_path):
    """Ask the filter of a proxy."""
    begin("proxy-server")
    app = filter_factory({"swift_dir": str(tmp_path)})(lambda environ, start: start("204 No Content", []) or [])
    yield lambda method="GET", path="/metrics": request(app, method, path)
    begin("server")


@pytest.mark.parametrize(
    "address, networks, status",
    [
        ("127.0.0.1", "loopback", 200),
        ("::1", "loopback", 200),
        ("::ffff:127.0.0.1", "loopback", 200),
        ("10.0.0.1", "loopback", 403),
        ("10.0.0.1", "loopback, private", 200),
        ("fd00::1", "private", 200),
        ("172.32.0.1", "private", 403),
        ("192.0.2.7", "192.0.2.0/29", 200),
        ("192.0.2.8", "192.0.2.0/29", 403),
        ("192.0.2.8", "*", 200),
        ("", "loopback", 403),
        ("127.0.0.1", "", 403),
    ],
)
def test_who_may_ask(tmp_path, address, networks, status):
    options = {"swift_dir": str(tmp_path), "allowed_networks": networks}
    app = filter_factory(options)(None)
    assert request(app, "GET", remote_addr=address).status == status


@pytest.mark.parametrize("header", ["X_FORWARDED_FOR", "X_FORWARDED_PROTO", "X_REAL_IP", "VIA", "FORWARDED"])
def test_what_somebody_has_passed_on_is_from_nobody(tmp_path, header):
    app = filter_factory({"swift_dir": str(tmp_path), "allowed_networks": "*"})(None)
    environ = {**make_environ("GET", "/metrics"), "REMOTE_ADDR": "127.0.0.1", f"HTTP_{header}": "127.0.0.1"}
    assert call(app, environ).status == 403


def test_a_network_that_is_none_is_refused():
    with pytest.raises(ValueError):
        parse_networks("10.0.0.0/99")


def test_all_other_paths_pass(ask):
    for path in ("/metrics/", "/metricsx", "/v1/a/metrics"):
        assert ask(path=path).status == 204


def test_methods(ask):
    whole, head = ask(), ask("HEAD")
    assert whole.body.startswith(b"# HELP")
    assert (head.status, head.body) == (200, b"")
    assert ask("POST").status == 405


# Devices --------------------------------------------------------------------------------------------------------------


def test_a_device_that_hangs_hides_no_other_and_is_asked_once(tmp_path, monkeypatch):
    for name in ("good", "hung"):
        (tmp_path / name).mkdir()
    release: threading.Event
    asked: list[str] = []

    def look(name, path, mount_check):
        asked.append(name)
        if name == "hung":
            release.wait()
        return look_at(name, path, mount_check)

    def attempt(timeout):
        nonlocal release
        release = threading.Event()
        asked.clear()
        monkeypatch.setattr(devices, "PATIENCE", timeout)
        found = Devices(str(tmp_path), mount_check=False)
        try:
            for _ in range(2):
                told = by_name(found.samples())
                assert (told["device_usable", "good"], told["device_usable", "hung"]) == (1, 0)
                assert told["device_size_bytes", "good"] > told["device_free_bytes", "good"] > 0
                assert ("device_size_bytes", "hung") not in told
            assert asked.count("hung") == 1
        finally:
            release.set()
        monkeypatch.setattr(devices, "PATIENCE", 60.0)
        assert by_name(found.samples())["device_usable", "hung"] == 1

    monkeypatch.setattr(devices, "look_at", look)
    with_more_time(attempt, 0.1, 1.0, 5.0)


def test_many_devices_that_hang_hide_no_other(tmp_path, monkeypatch):
    hung = {f"a{number:02}" for number in range(6)}
    for name in (*hung, "good"):
        (tmp_path / name).mkdir()
    release: threading.Event

    def may_be_device(path):
        if os.path.basename(path) in hung:
            release.wait()
        return True

    def attempt(timeout):
        nonlocal release
        release = threading.Event()
        monkeypatch.setattr(devices, "PATIENCE", timeout)
        found = Devices(str(tmp_path), mount_check=False)
        try:
            told = by_name(found.samples())
            assert {name for name in (*hung, "good") if told["device_usable", name] == 1} == {"good"}
        finally:
            release.set()
        monkeypatch.setattr(devices, "PATIENCE", 60.0)
        assert all(by_name(found.samples())["device_usable", name] == 1 for name in (*hung, "good"))

    monkeypatch.setattr(devices, "_may_be_device", may_be_device)  # a stat may take as long as any other look
    monkeypatch.setattr(devices, "TURN", 0.01)
    with_more_time(attempt, 0.3, 2.0, 10.0)


def test_what_is_no_directory_is_no_device(tmp_path):
    (tmp_path / "notes.txt").write_text("no disk")
    (tmp_path / "gone").symlink_to("nowhere")
    assert by_name(Devices(str(tmp_path), mount_check=False).samples()) == {}


def test_what_is_not_mounted_cannot_be_used_where_it_must_be(tmp_path):
    assert by_name(look_at("d", str(tmp_path), True)) == {("device_usable", "d"): 0}
    assert by_name(look_at("d", str(tmp_path), False))["device_usable", "d"] == 1
    assert by_name(look_at("d", "/proc", True))["device_usable", "d"] == 1
    with public_directory() as device:
        assert by_name(look_at("d", str(device), False))["device_usable", "d"] == 1
        device.chmod(0o555)
        with as_nobody():
            assert by_name(look_at("d", str(device), False)) == {("device_usable", "d"): 0}
    (tmp_path / "dead").symlink_to("dead")
    assert by_name(Devices(str(tmp_path), False).samples()) == {("device_usable", "dead"): 0}
    assert by_name(Devices(str(tmp_path / "missing"), False).samples()) == {}


def test_a_device_of_the_ring_that_is_gone_cannot_be_used(ask_of, tmp_path):
    def add(number, ip, port, replication_port, zone=1):
        device = {"region": 1, "zone": zone, "ip": ip, "port": port, "weight": 1, "device": f"d{number}"}
        builder.add_device({**device, "replication_ip": ip, "replication_port": replication_port})

    builder = RingBuilder(6, 1, 0)
    add(1, "127.0.0.1", 6200, 6200)
    add(2, "127.0.0.1", 6200, 6200)
    add(3, "127.0.0.1", 6300, 6200)  # replicators ask this server for it
    add(4, "127.0.0.1", 6300, 6300)
    add(5, "127.0.0.2", 6200, 6200)
    for number in (1, 2, 3, 4):  # nodes call their devices alike
        add(number, "127.0.0.3", 6200, 6200, zone=2)
    builder.rebalance(seed=1)
    builder.write_ring(tmp_path / "object-1.ring.gz")
    for name in ("d1", "not-in-the-ring"):
        (tmp_path / "node" / name).mkdir(parents=True)
    (tmp_path / "node" / "d3").write_text("no directory")
    expected = {"d1": 1, "d2": 0, "d3": 0, "not-in-the-ring": 1}
    assert ask_of(bind_ip="127.0.0.1", bind_port="6200") == expected
    assert ask_of(bind_ip="127.0.0.9", bind_port="6200", ring_ip="127.0.0.1") == expected
    assert ask_of(bind_ip="127.0.0.9", bind_port="6200") == {"d1": 1, "not-in-the-ring": 1}
    (tmp_path / "node").rename(tmp_path / "away")
    assert ask_of(bind_ip="127.0.0.1", bind_port="6200") == dict.fromkeys(("d1", "d2", "d3"), 0)


@pytest.fixture
def ask_of(tmp_path, monkeypatch):
    """What an object server of a conf tells of its devices: usable, or not."""
    monkeypatch.setattr("swiftlite.middleware.metrics.filter.process_name", lambda: "object-server")

    def ask(**conf):
        app = filter_factory({"swift_dir": str(tmp_path), "devices": str(tmp_path / "node"), **conf}, mount_check="no")(
            None
        )
        body = call(app, {**make_environ("GET", "/metrics"), "REMOTE_ADDR": "127.0.0.1"}).body.decode()
        found = metrics_text.parse(body)["swiftlite_device_usable"]
        return {sample.labels["device"]: sample.value for sample in found}

    return ask


def test_what_lies_in_quarantine_is_counted(tmp_path):
    for path in ("objects/a", "objects/b", "objects-1/c", "containers/d"):
        os.makedirs(tmp_path / "quarantined" / path)
    found = by_name(look_at("d", str(tmp_path), False))
    counts = {key[2]: value for key, value in found.items() if key[0] == "quarantined"}
    assert counts == {"objects": 2, "objects-1": 1, "containers": 1, "accounts": 0}


# Recon caches ---------------------------------------------------------------------------------------------------------


def test_object_recon_in_numbers():
    cache = {
        "replication_last": 900.0,
        "replication_time": 2.0,
        "replication_stats": {"success": 3, "failure_nodes": {}, "start": 1.0, "odd": True},
        "async_pending": 4,
        "object_updater_last": 950.0,
        "object_updater_sweep": 1.5,
        "object_updater_stats": {"failures_oldest_timestamp": 400.0},
        "object_auditor_stats_ALL": {"start_time": 10.0, "passes": 5, "errors": 1, "bytes_processed": 7},
        "object_auditor_stats_ZBF": {"sda": {"start_time": 20.0, "quarantined": 1}, "bad": 3},
        "object_expiration_pass": 0.1,
        "expired_last_pass": 6,
    }
    assert by_name(numbers("object", cache, now=1000.0)) == {
        ("replication_last_timestamp_seconds", ""): 900,
        ("replication_pass_seconds", ""): 120,
        ("replication_last_pass", "", "success"): 3,
        ("async_pending",): 4,
        ("async_pending_oldest_seconds",): 600,
        ("updater_last_timestamp_seconds",): 950,
        ("updater_pass_seconds",): 1.5,
        ("auditor_report_timestamp_seconds", "", "ALL"): 10,
        ("auditor_last_report", "", "ALL", "passes"): 5,
        ("auditor_last_report", "", "ALL", "errors"): 1,
        ("auditor_last_report", "", "ALL", "bytes_processed"): 7,
        ("auditor_report_timestamp_seconds", "sda", "ZBF"): 20,
        ("auditor_last_report", "sda", "ZBF", "quarantined"): 1,
        ("expirer_pass_seconds",): 0.1,
        ("expirer_last_pass_objects",): 6,
    }


def test_replicators_with_a_process_for_each_device():
    cache = {"replication_last": 1.0, "object_replication_per_disk": {"d1": {"replication_last": 2.0}, "d2": None}}
    assert by_name(numbers("object", cache)) == {("replication_last_timestamp_seconds", "d1"): 2}


def test_other_recon_in_numbers():
    cache = {
        "replication_last": 9.0,
        "replication_time": 2.0,
        "container_audits_since": 5.0,
        "container_audits_failed": 0,
    }
    assert by_name(numbers("container", {**cache, "container_updater_sweep": 3.0})) == {
        ("replication_last_timestamp_seconds", ""): 9,
        ("replication_pass_seconds", ""): 2,
        ("updater_pass_seconds",): 3,
        ("auditor_report_timestamp_seconds", "", "ALL"): 5,
        ("auditor_last_report", "", "ALL", "failed"): 0,
    }
    assert by_name(numbers("object", {"drive_audit_errors": 3, "sda": 3})) == {("drive_errors", "sda"): 3}


@pytest.mark.parametrize("kind", ["object", "container", "account"])
def test_a_cache_of_nonsense_is_none(kind):
    names = (
        "replication_stats",
        "replication_time",
        "object_updater_stats",
        "object_auditor_stats_ALL",
        "async_pending",
    )
    for nonsense in (None, "text", [1], {"a": None}, True):
        found = list(numbers(kind, dict.fromkeys(names, nonsense)))
        assert {sample.family for sample in found} <= {metrics.ASYNC_OLDEST}


def test_passes_that_fail_are_counted_by_daemon():
    cache = {"failed_passes": {"account-reaper": {"count": 3, "problem": "x"}, "account-auditor": "nonsense"}}
    assert by_name(numbers("account", cache)) == {("failed_passes", "account-reaper"): 3}
    for last, expected in ((NOW - FORGOTTEN + 1, 3), (NOW - FORGOTTEN - 1, None), (NOW + 60, 3), ("x", 3)):
        cache["failed_passes"]["account-reaper"]["last"] = last
        assert by_name(numbers("account", cache, NOW)).get(("failed_passes", "account-reaper")) == expected


# Rings ----------------------------------------------------------------------------------------------------------------


def test_rings_are_looked_at_again_when_they_change(tmp_path):
    def ring(weights):
        builder = RingBuilder(6, 3, 0)
        for number, weight in enumerate(weights):
            builder.add_device(
                {"region": 1, "zone": number, "ip": "127.0.0.1", "port": 6200, "device": f"d{number}", "weight": weight}
            )
        builder.rebalance(seed=1)
        builder.write_ring(tmp_path / "object-1.ring.gz")

    ring([1, 1, 1])
    (tmp_path / "account.ring.gz").write_bytes(b"no ring")
    (tmp_path / "swift.conf").write_bytes(b"")
    files = ClusterFiles(str(tmp_path))
    found = by_name(files.samples())
    assert found["ring_devices", "object-1"] == 3
    assert found["ring_partitions", "object-1"] == 64
    assert found["ring_replicas", "object-1"] == 3
    assert found["ring_balance_percent", "object-1"] == 0
    assert found["conf_info", "swift.conf", "d41d8cd98f00b204e9800998ecf8427e"] == 1
    assert {key[1] for key in found if key[0] == "ring_info"} == {"account", "object-1"}
    assert ("ring_version", "account") not in found
    ring([1, 1, 1, 2])
    again = by_name(files.samples())
    assert again["ring_devices", "object-1"] == 4
    assert again["ring_balance_percent", "object-1"] > 0
    os.remove(tmp_path / "object-1.ring.gz")
    assert ("ring_devices", "object-1") not in by_name(files.samples())


def test_addresses_that_come_later_make_devices_ours(tmp_path, monkeypatch):
    """A server may be started before the network is up, or while nobody answers for a host name."""
    builder = RingBuilder(4, 1, 0)
    for number, ip in enumerate(("192.0.2.7", "node-7.example.com", "192.0.2.8")):
        builder.add_device({"region": 1, "zone": number, "ip": ip, "port": 6200, "device": f"d{number}", "weight": 1})
    builder.rebalance(seed=1)
    builder.write_ring(tmp_path / "object.ring.gz")
    own, names, asked = {"127.0.0.1"}, {}, []

    def interfaces():
        asked.append(frozenset(own))
        if not own:
            raise OSError("no interfaces")
        return asked[-1]

    def resolve(host, _):
        if host not in names:
            raise OSError("no answer")
        return [(0, 0, 0, "", (names[host], 0))]

    monkeypatch.setattr(addresses, "_interface_addresses", interfaces)
    monkeypatch.setattr(addresses.socket, "getaddrinfo", resolve)
    files = ClusterFiles(str(tmp_path), "0.0.0.0", 6200)
    assert files.devices("object") == frozenset()
    own.add("192.0.2.7")
    assert files.devices("object") == {"d0"}
    names["node-7.example.com"] = "192.0.2.7"
    assert files.devices("object") == {"d0", "d1"}
    assert len(asked) == 3
    own.clear()
    assert files.devices("object") == frozenset()
    for known in (files, ClusterFiles(str(tmp_path), "0.0.0.0", 6200)):
        assert ("ring_devices", "object") in by_name(known.samples())


def test_the_balance_is_the_builders(tmp_path):
    builder = RingBuilder(8, 3, 0)
    for number, weight in enumerate([10, 20, 70, 5, 0]):
        builder.add_device(
            {"region": 1, "zone": number, "ip": "127.0.0.1", "port": 6200, "device": f"d{number}", "weight": weight}
        )
    builder.rebalance(seed=1)
    builder.write_ring(tmp_path / "object.ring.gz")
    from swiftlite.ring.format import load

    assert balance(load(tmp_path / "object.ring.gz")) == pytest.approx(builder.balance, abs=0.01)
