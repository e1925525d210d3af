"""/recon/facts: what it tells, what it keeps to itself, and what it does not stumble over."""

import json
import logging
import os

import pytest

from fakes.wsgi_calls import request
from swiftlite.common import recon
from swiftlite.common.config import ConfFile
from swiftlite.common.manager import manager_of_this, started_by_init
from swiftlite.middleware import node_facts
from swiftlite.middleware.recon import filter_factory

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
    (tmp_path / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = secret\n")
    write(tmp_path)
    return tmp_path


def write(node, mount_check="false", more=""):
    (node / "object.conf").write_text(CONF.format(devices=node / "devices", mount_check=mount_check) + more)


def facts(node):
    conf = {"__file__": str(node / "object.conf"), "swift_dir": str(node), "devices": str(node / "devices")}
    conf |= {"recon_cache_path": str(node / "cache"), "log_address": ""}
    answer = request(filter_factory(conf)(None), "GET", "/recon/facts")
    assert answer.status == 200
    return json.loads(answer.body)


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
    assert "secret" not in json.dumps(facts(node))


def test_digests_of_another_secret_are_others(node):
    conf = ConfFile.load(str(node / "object.conf"))
    digests = [node_facts.option_digests(conf, secret)["object-replicator"]["interval"] for secret in ("a", "b")]
    assert digests[0] != digests[1]


def test_a_conf_that_is_being_edited(node):
    (node / "object.conf").write_text("[DEFAULT")
    told = facts(node)
    assert (told["kind"], told["options"], told["settings"]) == ("", {}, {})


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
