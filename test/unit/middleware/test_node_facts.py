"""/recon/facts: what it tells, what it keeps to itself, and what it does not stumble over."""

import grp
import json
import logging
import os
import pwd
import subprocess
import sys
import tempfile
from array import array

import pytest

from fakes.http_server import wait_until
from fakes.wsgi_calls import request
from swiftlite.common import device_rights, hash_secret, metrics, recon
from swiftlite.common.config import ConfFile
from swiftlite.common.manager import manager_of_this, started_by_init
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.middleware import node_facts, node_rights
from swiftlite.middleware.metrics.cluster_files import ClusterFiles
from swiftlite.middleware.recon import filter_factory
from swiftlite.ring.format import RingData, dump_v1

CONF = """
[DEFAULT]
bind_ip = 10.0.0.1
bind_port = 6200
devices = {devices}
mount_check = {mount_check}
workers = 3
max_clients = 7
log_level = DEBUG
[pipeline:main]
pipeline = recon object-server
[app:object-server]
use = egg:swiftlite#object
fallocate_reserve = 2%
reclaim_age = 99
[object-replicator]
interval = 5
"""


@pytest.fixture
def node(tmp_path):
    """Its directory: a conf, a swift.conf and a device ``sda``."""
    (tmp_path / "devices" / "sda").mkdir(parents=True)
    (tmp_path / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = mystery\n")
    write(tmp_path)
    return tmp_path


def write(node, mount_check="false", more=""):
    (node / "object.conf").write_text(CONF.format(devices=node / "devices", mount_check=mount_check) + more)


class Facts:
    """A server that is asked for its facts, again and again."""

    def __init__(self, node):
        conf = {"__file__": str(node / "object.conf"), "swift_dir": str(node), "devices": str(node / "devices")}
        self.app = filter_factory(conf | {"recon_cache_path": str(node / "cache"), "log_address": ""})(None)

    def __call__(self):
        answer = request(self.app, "GET", "/recon/facts")
        assert answer.status == 200
        return json.loads(answer.body)


def facts(node):
    return Facts(node)()


def test_what_it_tells(node):
    told = facts(node)
    assert (told["kind"], told["conf"]) == ("object", str(node / "object.conf"))
    assert told["hash_path"] == {"prefix": False, "suffix": True}
    assert told["settings"] == {
        "mount_check": False,
        "workers": 3,
        "max_clients": 7,
        "fallocate_reserve": "2%",
        "reclaim_age": {"app:object-server": "99", "object-replicator": "604800"},
    }
    [device] = told["devices"]
    disk = os.statvfs(node)
    assert (device["device"], device["size"], device["inodes"]) == ("sda", disk.f_frsize * disk.f_blocks, disk.f_files)
    assert (device["async_pending"], device["async_oldest"]) == (0, None)


def test_updates_that_wait_are_counted_and_dated(node):
    for policy, name in (
        ("", f"{'0' * 32}-1500000000.00000"),
        ("-1", f"{'1' * 32}-1400000000.00000"),
        ("-1", "strange"),
    ):
        directory = node / "devices" / "sda" / f"async_pending{policy}" / "abc"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / name).touch()
    [device] = facts(node)["devices"]
    assert (device["async_pending"], device["async_oldest"]) == (3, 1400000000.0)


def test_what_is_in_quarantine_is_named_by_its_hash(node, monkeypatch):
    hashes = [f"{number:032x}" for number in range(3)]
    names = {
        "objects": [hashes[2], f"{hashes[2]}-{'f' * 32}", hashes[1], "abc", f"{hashes[0]}-1500000000.00000"],
        "objects-1": hashes[:1],
        "containers": hashes[:1],
    }
    for kind, entries in names.items():
        for name in entries:
            (node / "devices" / "sda" / "quarantined" / kind / name).mkdir(parents=True)
    [device] = facts(node)["devices"]
    assert device["quarantined_hashes"] == {"objects": hashes[1:], "objects-1": hashes[:1]}
    monkeypatch.setattr(node_facts, "MOST_NAMED", 1)
    [device] = facts(node)["devices"]
    assert device["quarantined_hashes"] == {"objects": hashes[1:2], "objects-1": hashes[:1]}


def test_a_hole_where_a_device_was_is_not_looked_into(node):
    write(node, mount_check="true")
    assert facts(node)["devices"] == [{"device": "sda", "mounted": False}]


def test_ends_of_passes(node):
    log = logging.getLogger("test-facts")
    recon.dump(str(node / "cache"), "container.recon", {"container_updater_last": 5.0}, log)
    recon.dump(str(node / "cache"), "object.recon", {"replication_stats": {"handoffs_left": 2}}, log)
    recon.dump(str(node / "cache"), "drive.recon", {"/srv/node/sda": 1, "drive_audit_errors": 1}, log)
    passes = facts(node)["passes"]
    assert passes["container_updater_last"] == 5.0
    assert passes["handoffs_left"] == 2
    assert passes["drive_errors"] == {"/srv/node/sda": 1}
    assert passes["account_reaper_last"] is None


def test_an_option_of_another_value_has_another_digest_and_no_value_is_told(node):
    before = facts(node)["options"]
    assert "bind_ip" not in before["DEFAULT"]
    assert "log_level" not in before["DEFAULT"]
    write(node, more="timeout = 7\n")
    after = facts(node)["options"]
    assert after["object-replicator"].keys() - before["object-replicator"].keys() == {"timeout"}
    assert after["app:object-server"] == before["app:object-server"]
    assert after["object-replicator"]["timeout"] != after["object-replicator"]["interval"]
    write(node, more="timeout = 8\n")
    assert facts(node)["options"]["object-replicator"]["timeout"] != after["object-replicator"]["timeout"]
    assert "mystery" not in json.dumps(facts(node))


def test_the_secret_that_a_server_runs_with_can_be_told_from_that_of_its_swift_conf(node, monkeypatch):
    conf = node / "swift.conf"
    monkeypatch.setenv(hash_secret.HELD, "")
    monkeypatch.setattr(hash_secret, "_of_this", [])
    assert facts(node)["hash_secret"]["running"] == ""
    hash_secret.hold(SwiftConf.load(str(node)).hash_path, str(node))
    first = facts(node)["hash_secret"]
    assert first["running"] == first["file"] != ""
    [sample, *_] = ClusterFiles(str(node)).samples()
    assert (sample.family, sample.labels) == (metrics.SECRET_INFO, (first["running"],))
    for text in ("swift_hash_path_suffix = other", "swift_hash_path_prefix = mystery", ""):
        conf.write_text(f"[swift-hash]\n{text}\n")
        told = facts(node)["hash_secret"]
        assert told["running"] == first["running"] != told["file"]
        assert bool(told["file"]) is bool(text)


def test_digests_of_another_secret_are_others(node):
    conf = ConfFile.load(str(node / "object.conf"))
    digests = [node_facts.option_digests(conf, secret)["object-replicator"]["interval"] for secret in ("a", "b")]
    assert digests[0] != digests[1]


def test_a_conf_that_is_being_edited(node):
    (node / "object.conf").write_text("[DEFAULT")
    told = facts(node)
    assert (told["kind"], told["options"], told["settings"]) == ("", {}, {})


def test_whether_the_queue_is_worked_off(node):
    assert facts(node)["dequeues"] is None
    write(node, more="[object-expirer]\ninterval = 9\n")
    assert facts(node)["dequeues"] is False
    write(node, more="[object-expirer]\ndequeue_from_legacy = yes\n")
    assert facts(node)["dequeues"] is True
    write(node, more="[object-expirer]\n")
    (node / "object-expirer.conf").touch()  # an expirer that has this one
    assert facts(node)["dequeues"] is True


def test_a_proxy_has_no_devices(node):
    (node / "devices" / "sda").rmdir()
    (node / "devices").rmdir()
    assert facts(node)["devices"] == []


@pytest.mark.parametrize(
    ("environment", "cgroup", "told"),
    [
        ({}, "0::/user.slice/user-0.slice/session-3.scope\n", {}),
        ({}, "0::/system.slice/ssh.service\n", {}),
        (
            {},
            "0::/system.slice/system-swiftlite\\x2dobject.slice/swiftlite-object-server@2.service\n",
            {"name": "systemd"},
        ),
        ({}, None, {}),
        (started_by_init("/run/s", "/log"), "", {"name": "swiftlite-init", "run_dir": "/run/s", "log_dir": "/log"}),
        ({"SWIFTLITE_MANAGER": "{"}, "", {}),
    ],
)
def test_who_has_started_it(tmp_path, environment, cgroup, told):
    (tmp_path / "self").mkdir()
    if cgroup is not None:
        (tmp_path / "self" / "cgroup").write_text(cgroup)
    assert manager_of_this(environment, str(tmp_path)) == told


# --- what the daemons can do ---


def write_ring(node, part_power, next_part_power=None):
    replicas = [array("H", [0] * (1 << part_power))]
    devices = [{"id": 0, "ip": "10.0.0.1", "port": 6200, "region": 1, "zone": 1, "device": "sda", "weight": 1.0}]
    ring = RingData(devices, 32 - part_power, replicas, version=7, next_part_power=next_part_power)
    (node / "new").write_bytes(dump_v1(ring))
    (node / "new").replace(node / "object.ring.gz")  # as rings are written: one is told from another by its inode, too


def test_rings_tell_their_versions_and_are_read_again_when_they_change(node):
    write_ring(node, 4)
    (node / "container.ring.gz").write_text("damaged")
    asked = Facts(node)
    path = str(node / "object.ring.gz")
    assert asked()["rings"] == {path: {"version": 7, "part_power": 4, "next_part_power": None}}
    write_ring(node, 5)
    assert asked()["rings"][path]["part_power"] == 5


@pytest.mark.parametrize("next_part_power, outside", [(None, {"object": 2}), (5, {}), (4, {})])
def test_partitions_that_the_ring_does_not_have(node, next_part_power, outside):
    write_ring(node, 4, next_part_power)
    for name in ("0", "15", "16", "31", "auditor_status_ALL.json"):
        (node / "devices" / "sda" / "objects" / name).mkdir(parents=True)
    assert facts(node)["devices"][0]["outside"] == outside


def test_who_the_daemons_are_and_which_of_them_run(node):
    told = facts(node)
    assert (told["user"], told["group"]) == (pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name)
    assert told["daemons"] == {"object-replicator": {"running": False, "meant": None}}
    command = [sys.executable, "-c", "import sys; sys.stdin.read()", "swiftlite-object-replicator"]
    with subprocess.Popen([*command, str(node / "object.conf")], stdin=subprocess.PIPE) as process:
        try:
            # Its command line is there a moment after it has been started.
            wait_until(lambda: facts(node)["daemons"]["object-replicator"]["running"], "it to be seen")
        finally:
            process.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="another account has to own the files")
def test_caches_that_another_account_owns_are_closed():
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        for name in ("account.recon", "object.recon", "drive.recon"):
            with open(f"{directory}/{name}", "w"):
                os.chmod(f"{directory}/{name}", 0o644)
        os.chown(f"{directory}/account.recon", 4242, 4242)
        assert as_user(4242, node_rights.closed_caches, directory) == [directory]
        os.chown(directory, 4242, 4242)
        # That of drive-audit is root's to write.
        assert as_user(4242, node_rights.closed_caches, directory) == [f"{directory}/object.recon"]
        assert node_rights.closed_caches(f"{directory}/none") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="another account has to look")
def test_a_cache_that_may_not_be_read_is_no_reason_to_tell_nothing():
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        for name, content in (("object", "{}"), ("container", '{"container_updater_last": 5.0}')):
            with open(f"{directory}/{name}.recon", "w") as file:
                file.write(content)
            os.chmod(file.name, 0o644)
        os.chmod(f"{directory}/object.recon", 0o600)
        told = as_user(4242, node_facts.NodeFacts("", directory, directory)._passes)
        assert told["container_updater_last"] == 5.0


@pytest.mark.skipif(os.geteuid() != 0, reason="another account has to look")
def test_what_is_closed_tells_whose_it_is(node):
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        os.mkdir(device := f"{directory}/sda")
        os.chown(device, 4242, 4242)
        os.chmod(device, 0)
        gathered = as_user(4242, lambda: node_facts.device_facts("sda", device, "object", False))
        assert (gathered["problem"], "filesystem" in gathered) == ("Permission denied", True)
        told = as_user(4242, node_facts.NodeFacts._rights, device, "account", {})
        assert told == {"closed": device, "closed_owner": "4242", "closed_mode": "0000"}
        (node / "object.conf").write_text(CONF.format(devices=directory, mount_check="false"))
        assert facts(node)["closed_root"] == ""
        os.chmod(directory, 0o700)
        assert as_user(4242, device_rights.closed_root, directory) == directory


def as_user(uid, function, *arguments):
    """What a function returns, a JSON value, in a process of another account."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            os.write(writer, json.dumps(function(*arguments)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as answer:
        told = json.loads(answer.read())
    os.waitpid(child, 0)
    return told
