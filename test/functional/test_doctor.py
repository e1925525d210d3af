"""swiftlite-doctor on a real cluster: silent when all is well; each planted fault is found, with the right remedy.

Where the remedy can be carried out here, it is: the same line of shell, and the finding has to go.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import shutil
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any

import pytest
import trustme

from fakes.ports import free_ports
from functional.cluster import PROGRAMS, Cluster
from functional.remedies import problem
from swiftlite.cli import doctor
from swiftlite.cli.layout import set_options
from swiftlite.common import recon
from swiftlite.common.fs import FileSystem
from swiftlite.common.log import get_logger
from swiftlite.common.permissions import Account
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.obj.async_pending import AsyncPending, RowUpdate
from swiftlite.ring.builder import RingBuilder

DAY = 86400.0
BESIDE_OTHERS = ("--time-wait", "1000000", "--timeout", "60")
"""Other tests leave their connections on this machine, too, and let it be slow."""
RINGS = ("account", "container", "object")
Findings = list[dict[str, str]]


class Ward:
    """The cluster, of which the third node has its own rings and swift.conf, and each node its recon caches."""

    def __init__(self, directory: Path) -> None:
        self.cluster = Cluster(directory, nodes=3, devices=2)
        self.etc = self.cluster.layout.etc
        self.third_etc = directory / "etc-3"
        self.third_etc.mkdir()
        for name in ("swift.conf", "account.ring.gz", "container.ring.gz", "object.ring.gz"):
            shutil.copy(self.etc / name, self.third_etc)
        for number in (1, 2, 3):
            for kind in ("object", "container", "account"):
                options = {"recon_cache_path": str(directory / f"recon-{number}")}
                if number == 3:
                    options["swift_dir"] = str(self.third_etc)
                self.change(self.conf(kind, number), "DEFAULT", options)

    def conf(self, kind: str, number: int) -> Path:
        """A server's conf file."""
        return self.etc / f"{kind}-server" / f"{number}.conf"

    @staticmethod
    def change(path: Path, section: str, options: dict[str, str]) -> None:
        """Set options of a conf file."""
        path.write_text(set_options(path.read_text(), section, options))

    def device(self, number: int, name: str) -> Path:
        """A device's directory."""
        return self.cluster.layout.nodes[number - 1].root / name

    def tell(self, number: int, cache: str, values: dict[str, Any]) -> None:
        """Write into a node's recon cache, as a daemon there does."""
        directory = self.cluster.directory / f"recon-{number}"
        recon.dump(str(directory), f"{cache}.recon", values, get_logger({"log_address": ""}, "test-doctor"))

    def examine(self, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, Findings]:
        """Let the doctor look; return exit code and findings. Every remedy must be a command that exists."""
        capsys.readouterr()
        code = doctor.main(["--swiftdir", str(self.etc), "--json", *BESIDE_OTHERS, *options])
        found: Findings = json.loads(capsys.readouterr().out)["findings"]
        for finding in found:
            assert not problem(finding["fix"])
        return code, found

    def repair(self, finding: dict[str, str]) -> None:
        """Do what the doctor says."""
        path = f"{PROGRAMS}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", finding["fix"]], env={**os.environ, "PATH": path}, capture_output=True, text=True
        )
        # The ring builder's 1 is a warning, say that some partitions have to wait.
        assert done.returncode in (0, 1), done.stderr

    @contextlib.contextmanager
    def changed(self, *paths: Path) -> Iterator[None]:
        """Put files back as they were."""
        before = {path: path.read_bytes() for path in paths}
        try:
            yield
        finally:
            for path, content in before.items():
                path.write_bytes(content)


@pytest.fixture(autouse=True)
def systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine has it, to the doctor; the servers were started by hand, so that they know no better."""
    monkeypatch.setattr(doctor, "systemd_runs", lambda: True)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    """A healthy cluster with an object in it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else 65536, hard))
    made = Ward(tmp_path_factory.mktemp("doctor"))
    try:
        made.cluster.start()
        connection = made.cluster.connection()
        connection.put_container("c")
        connection.put_object("c", "o", b"in good health")
        yield made
    finally:
        made.cluster.remove()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def only(found: Findings, code: str) -> dict[str, str]:
    """The finding of a code, which must be there once."""
    matching = [finding for finding in found if finding["code"] == code]
    assert len(matching) == 1, found
    return matching[0]


def codes(found: Findings) -> set[str]:
    """What kinds of things were found."""
    return {finding["code"] for finding in found}


# --- a healthy cluster ---


def test_a_healthy_cluster_is_left_in_peace(ward: Ward) -> None:
    for program in ("object-replicator-1", "object-updater-1", "container-updater-1", "account-reaper-1"):
        ward.cluster.run_once(program)
    command = [sys.executable, str(PROGRAMS / "swiftlite-doctor"), "--swiftdir", str(ward.etc), *BESIDE_OTHERS]
    done = subprocess.run([*command, "--quiet"], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "10 servers and 3 rings: healthy\n")


def test_who_cannot_look_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--swiftdir", str(tmp_path)]) == doctor.UNKNOWN
    assert "there is no ring" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        doctor.main(["--no-such-option"])
    assert ended.value.code == doctor.UNKNOWN


def test_who_may_not_read_the_files_is_told_so_once(
    ward: Ward, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """He would take what he cannot see for a fault, and be told to take files away from the daemons' group."""
    (ward.etc / "swift.conf").chmod(0o640)
    monkeypatch.setattr(doctor, "this_account", lambda: Account("visitor", 4242, "visitor", frozenset({4242})))
    assert doctor.main(["--swiftdir", str(ward.etc)]) == doctor.UNKNOWN
    told = capsys.readouterr().out
    assert told.startswith(f"UNKNOWN {ward.etc}/swift.conf: unreadable for visitor: ") and told.count("\n") == 1
    assert "run it as root" in told and "chgrp" not in told


def test_a_machine_without_certificates_cannot_ask_over_tls(
    ward: Ward, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As the admin host, which is no node."""
    for ring in ward.etc.glob("*.ring.gz"):
        shutil.copy(ring, tmp_path)
    files = "\n".join(f"backend_{name}_file = {tmp_path}/{name}.pem" for name in ("ca", "cert", "key"))
    conf = (ward.etc / "swift.conf").read_text()
    (tmp_path / "swift.conf").write_text(f"{conf}\n[swift-tls]\nbackend_tls = yes\n{files}\n")
    assert doctor.main(["--swiftdir", str(tmp_path)]) == doctor.UNKNOWN
    told = capsys.readouterr().out
    assert f"{tmp_path}/ca.pem" in told and "a certificate of its own" in told


# --- what differs ---


def test_another_ring_on_one_node(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    ring = ward.third_etc / "object.ring.gz"
    with ward.changed(ring):
        shutil.copy(ward.etc / "container.ring.gz", ring)
        code, found = ward.examine(capsys)
        assert (code, codes(found)) == (2, {"ring-differs"})
        finding = only(found, "ring-differs")
        assert finding["subject"] == f"127.0.0.3:{ring}"
        ward.repair(finding)
        assert ward.examine(capsys) == (0, [])


def test_a_ring_is_missing(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    ring = ward.third_etc / "account.ring.gz"
    ring.unlink()
    code, found = ward.examine(capsys)
    assert (code, codes(found)) == (2, {"ring-missing"})
    ward.repair(only(found, "ring-missing"))
    assert ward.examine(capsys) == (0, [])


def test_another_swift_conf_on_one_node(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    path = ward.third_etc / "swift.conf"
    with ward.changed(path):
        path.write_text(path.read_text().replace("swift_hash_path_prefix = ", "swift_hash_path_prefix = x"))
        code, found = ward.examine(capsys)
        assert (code, codes(found)) == (2, {"swift-conf-differs"})
        fix = only(found, "swift-conf-differs")["fix"]
        # These servers run as root.
        rsync = "rsync -a --chown=root:root --chmod=F640"
        assert fix.startswith(f"{rsync} {ward.etc}/swift.conf {path} && systemctl restart")
        ward.repair({"fix": fix.partition(" && ")[0]})  # there is no systemd here
        assert ward.examine(capsys) == (0, [])


def test_the_hash_secret_of_the_sample(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    path = ward.etc / "swift.conf"
    with ward.changed(path):
        ward.change(path, "swift-hash", {"swift_hash_path_suffix": "changeme"})
        _, found = ward.examine(capsys)
        finding = only(found, "hash-secret-known")
        before = path.read_bytes()
        ward.repair(finding)
        # There are objects in this cluster: with another secret nobody would find them.
        assert path.read_bytes() == before


def test_a_server_that_runs_with_another_hash_secret(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    """What it stores is lost once the file is right again: that is told while it runs so, whatever the file has."""
    path, server = ward.third_etc / "swift.conf", ward.cluster.server("object-server", 3)
    with ward.changed(path):
        ward.change(path, "swift-hash", {"swift_hash_path_suffix": "another"})
        server.stop()
        server.start()
        _, found = ward.examine(capsys)
        assert codes(found) == {"swift-conf-differs", "hash-secret-differs"}
    code, found = ward.examine(capsys)
    assert (code, codes(found)) == (2, {"hash-secret-differs"})
    finding = only(found, "hash-secret-differs")
    port = ward.cluster.layout.nodes[2].ports[0]
    assert finding["subject"] == f"object-server 127.0.0.3:{port}"
    assert finding["fix"].startswith("systemctl restart 'swiftlite-*'")
    server.stop()  # there is no systemd here
    server.start()
    assert ward.examine(capsys) == (0, [])


def test_an_option_that_differs(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    path = ward.conf("container", 2)
    with ward.changed(path):
        ward.change(path, "container-replicator", {"per_diff": "7"})
        code, found = ward.examine(capsys)
        assert (code, codes(found)) == (1, {"conf-differs"})
        finding = only(found, "conf-differs")
        port = ward.cluster.layout.nodes[1].ports[1]
        assert finding["what"] == f"[container-replicator] per_diff is another on 127.0.0.2:{port}"
        assert str(path) in finding["fix"]


def test_an_option_that_nobody_reads(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    path = ward.etc / "proxy-server.conf"
    with ward.changed(path):
        ward.change(path, "app:proxy-server", {"acount_autocreate": "true"})
        code, found = ward.examine(capsys)
    assert (code, codes(found)) == (1, {"conf-errors"})
    finding = only(found, "conf-errors")
    assert "account_autocreate" in finding["what"]
    assert finding["fix"] == f"swiftlite-proxy-server {path} --check"


def test_deletions_that_are_forgotten_at_different_ages(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    path = ward.conf("object", 1)
    with ward.changed(path):
        ward.change(path, "app:object-server", {"reclaim_age": "3600"})
        code, found = ward.examine(capsys)
        assert (code, codes(found)) == (1, {"reclaim-age-differs"})
        assert "3600 s" in only(found, "reclaim-age-differs")["what"]


class ReconOfAnotherTime(BaseHTTPRequestHandler):
    """A peer whose clock is half a minute ahead."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Tell the time, and that it can."""
        told = {"/info": {"recon": {}}, "/recon/time": time.time() + 30}
        body = json.dumps(told[self.path]).encode() if self.path in told else b""
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not to standard error."""


@contextlib.contextmanager
def serving(server: Any) -> Iterator[str]:
    """Run a server in a thread; gives its address."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield "%s:%d" % server.server_address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_clock_that_is_wrong(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    peer = HTTPServer(("127.0.0.9", 0), ReconOfAnotherTime)
    with serving(peer) as address:
        code, found = ward.examine(capsys, "--proxy", address)
    assert code == 2
    finding = only(found, "clock-skew")
    # An answer that was late may have told the time as late as that.
    assert re.fullmatch(r"its clock is (1\d|2\d|30) seconds ahead", finding["what"]), finding
    assert finding["subject"] == "127.0.0.9"
    assert finding["fix"] == "chronyc makestep"


# --- devices ---


def test_a_device_is_missing(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    device = ward.device(2, "d1")
    device.rename(device.with_name("away"))
    try:
        code, found = ward.examine(capsys)
    finally:
        device.with_name("away").rename(device)
    assert (code, codes(found)) == (2, {"device-missing"})
    finding = only(found, "device-missing")
    assert finding["subject"] == f"127.0.0.2:{device}"
    now, _, for_good = finding["fix"].partition("  # gone for good: ")
    assert now == f"install -d -o root -g root {device}"
    assert for_good.startswith("swiftlite-ring-builder") and not problem(for_good)
    assert len(finding["why"]) < 100


def test_a_device_is_not_mounted(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [ward.conf(kind, 2) for kind in ("object", "container", "account")]
    with ward.changed(*paths):
        for path in paths:
            ward.change(path, "DEFAULT", {"mount_check": "true"})
        code, found = ward.examine(capsys)
    unmounted = {finding["subject"]: finding for finding in found if finding["code"] == "device-unmounted"}
    assert code == 2
    assert set(unmounted) == {f"127.0.0.2:{ward.device(2, name)}" for name in ("d1", "d2")}
    assert unmounted[f"127.0.0.2:{ward.device(2, 'd1')}"]["fix"] == f"mount {ward.device(2, 'd1')}"


def test_a_device_is_dead(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    device = ward.device(3, "d2")
    device.rename(device.with_name("away"))
    device.symlink_to(device.name)  # whoever looks at it gets an OSError
    try:
        code, found = ward.examine(capsys)
    finally:
        device.unlink()
        device.with_name("away").rename(device)
    assert code == 2
    assert only(found, "device-broken")["fix"].partition("  #")[0] == f"umount -l {device}"


def test_no_space_is_left(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    path = ward.conf("object", 1)
    rings = [ward.etc / f"{ring}.{kind}" for ring in RINGS for kind in ("builder", "ring.gz")]
    with ward.changed(path, *rings, *(ward.third_etc / f"{ring}.ring.gz" for ring in RINGS)):
        ward.change(path, "app:object-server", {"fallocate_reserve": str(1 << 60)})
        code, found = ward.examine(capsys)
        full = [finding for finding in found if finding["code"] == "device-full"]
        assert code == 2
        assert [finding["subject"] for finding in full] == [
            f"127.0.0.1:{ward.device(1, name)}" for name in ("d1", "d2")
        ]
        ward.repair(full[0])
        for ring in RINGS:
            present = RingBuilder.load(ward.etc / f"{ring}.builder").present
            weights = {one["device"]: one["weight"] for one in present if one["ip"] == "127.0.0.1"}
            assert weights == {"d1": 90.0, "d2": 100.0}
            pushed = (ward.third_etc / f"{ring}.ring.gz").read_bytes()
            assert pushed == (ward.etc / f"{ring}.ring.gz").read_bytes()


def test_devices_fill(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    disk = os.statvfs(ward.device(1, "d1"))
    used = 100 * (1 - disk.f_bavail / disk.f_blocks)
    code, found = ward.examine(capsys, f"--fill-warning={used / 2}", "--fill-critical=99.9")
    assert (code, len([finding for finding in found if finding["code"] == "device-full"])) == (1, 6)
    assert " add --region 1 " in next(finding["fix"] for finding in found if finding["code"] == "device-full")


def test_disks_with_errors(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    ward.tell(2, "drive", {"/srv/node/d1": 3, "drive_audit_errors": 3})
    try:
        code, found = ward.examine(capsys)
    finally:
        (ward.cluster.directory / "recon-2" / "drive.recon").unlink()
    assert (code, codes(found)) == (1, {"drive-errors"})
    assert "smartctl -a" in only(found, "drive-errors")["fix"]


def test_a_damaged_object_in_quarantine(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    data, *others = ward.cluster.files("objects/**/*.data")
    node = next(node for node in ward.cluster.layout.nodes if data.is_relative_to(node.root))
    data.write_bytes(b"in poor health")
    ward.cluster.run_once(f"object-auditor-{node.number}")
    code, found = ward.examine(capsys)
    assert (code, codes(found)) == (1, {"quarantined"})
    finding = only(found, "quarantined")
    assert finding["what"] == "in quarantine: 1 objects"
    assert finding["subject"] == f"{node.ip}:{node.root}"
    shown = subprocess.run(["bash", "-c", finding["fix"]], capture_output=True, text=True)
    assert data.parent.name in shown.stdout
    try:
        _all_replicas_are_damaged(ward, capsys, others)
    finally:
        for node in ward.cluster.layout.nodes:
            for device in node.devices:
                shutil.rmtree(node.root / device / "quarantined", ignore_errors=True)
    assert ward.examine(capsys) == (0, [])


def _all_replicas_are_damaged(ward: Ward, capsys: pytest.CaptureFixture[str], others: list[Path]) -> None:
    for data in others:
        data.write_bytes(b"in poor health")
    for node in ward.cluster.layout.nodes:
        ward.cluster.run_once(f"object-auditor-{node.number}")
    code, found = ward.examine(capsys)
    assert (code, codes(found)) == (2, {"quarantined", "quarantined-everywhere"})
    finding = only(found, "quarantined-everywhere")
    assert others[0].parent.name in finding["what"]
    shown = subprocess.run(["bash", "-c", finding["fix"]], capture_output=True, text=True)
    assert shown.stdout.count(".data\n") == 3 and "remove nothing" in finding["why"]


# --- daemons ---


def test_updates_that_wait(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    swift = SwiftConf.load(str(ward.etc))
    spool = AsyncPending(FileSystem(), swift.hash_path)
    stamp = f"{time.time() - 2 * DAY:.5f}"
    headers = {"X-Timestamp": stamp, "X-Size": "1", "X-Content-Type": "a/b", "X-Etag": "0" * 32}
    update = RowUpdate("PUT", "AUTH_test", "c", "late", headers)
    spool.save(str(ward.device(1, "d1")), next(iter(swift.policies)), update)
    code, found = ward.examine(capsys)
    assert (code, codes(found)) == (2, {"async-old"})
    finding = only(found, "async-old")
    assert finding["what"] == "1 updates wait, the oldest for 2 days"
    ward.repair(finding)
    assert ward.examine(capsys) == (0, [])


@pytest.mark.parametrize(
    "cache, values, program",
    [
        ("object", {"replication_last": 2.0, "object_replication_last": 2.0}, "object-replicator"),
        ("object", {"object_updater_last": 2.0}, "object-updater"),
        ("object", {"object_auditor_stats_ALL": {"start_time": 2.0}}, "object-auditor"),
        ("object", {"object_expiration_last": 2.0}, "object-expirer"),
        ("container", {"replication_last": 2.0}, "container-replicator"),
        ("container", {"container_updater_last": 2.0}, "container-updater"),
        ("container", {"container_audits_since": 2.0}, "container-auditor"),
        ("account", {"replication_last": 2.0}, "account-replicator"),
        ("account", {"account_reaper_last": 2.0}, "account-reaper"),
        ("account", {"account_audits_since": 2.0}, "account-auditor"),
    ],
)
def test_a_daemon_that_makes_no_passes(
    ward: Ward, capsys: pytest.CaptureFixture[str], cache: str, values: dict[str, Any], program: str
) -> None:
    path = ward.cluster.directory / "recon-1" / f"{cache}.recon"
    before = path.read_bytes() if path.exists() else b"{}\n"
    two_days_ago = time.time() - 2 * DAY
    old = {name: two_days_ago if value == 2.0 else {"start_time": two_days_ago} for name, value in values.items()}
    try:
        ward.tell(1, cache, old)
        code, found = ward.examine(capsys)
    finally:
        path.write_bytes(before)
    assert (code, codes(found)) == (1, {"pass-stale"})
    finding = only(found, "pass-stale")
    assert finding["subject"] == f"{program} 127.0.0.1"
    instance = "" if program == "object-expirer" else "@1"
    assert finding["fix"] == f"systemctl restart swiftlite-{program}{instance}"


def test_an_expirer_that_nobody_told_to_work(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    """As whoever comes from OpenStack Swift may have it: a section in each object server's conf."""
    conf, own = ward.conf("object", 1), ward.etc / "object-expirer.conf"
    with ward.changed(conf, own):
        ward.change(conf, "object-expirer", {"dequeue_from_legacy": "false"})
        assert ward.examine(capsys) == (0, [])  # there is that one
        own.unlink()
        code, found = ward.examine(capsys)
        assert (code, codes(found)) == (1, {"expirers-idle"})
        ward.repair({"fix": only(found, "expirers-idle")["fix"].partition(" && ")[0]})  # there is no systemd here
        assert ward.examine(capsys) == (0, [])


# --- rings ---


def test_a_builder_that_was_changed(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    path = ward.etc / "container.builder"
    with ward.changed(path, ward.etc / "container.ring.gz"):
        builder = RingBuilder.load(path)
        builder.set_weight(0, 50)
        builder.save(path)
        code, found = ward.examine(capsys)
        assert (code, codes(found)) == (1, {"rebalance-due"})
        builder.pretend_min_part_hours_passed()
        builder.save(path)
        ward.repair(only(found, "rebalance-due"))
        assert "rebalance-due" not in codes(ward.examine(capsys)[1])


def test_a_ring_that_is_not_its_builders(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    path = ward.etc / "container.builder"
    with ward.changed(path, ward.etc / "container.ring.gz", ward.third_etc / "container.ring.gz"):
        builder = RingBuilder.load(path)
        builder.set_info(0, {"meta": "upper shelf"})
        builder.save(path)
        code, found = ward.examine(capsys)
        assert (code, codes(found)) == (1, {"ring-not-written"})
        ward.repair(only(found, "ring-not-written"))
        # And now it has to be distributed.
        code, found = ward.examine(capsys)
        assert (code, codes(found)) == (2, {"ring-differs"})
        ward.repair(only(found, "ring-differs"))
        assert ward.examine(capsys) == (0, [])


def test_a_partition_power_that_is_being_increased(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    path = ward.etc / "object.builder"
    with ward.changed(path, ward.etc / "object.ring.gz"):
        for command in ("prepare_increase_partition_power", "write_ring"):
            ward.repair({"fix": f"swiftlite-ring-builder {path} {command}"})
        _, found = ward.examine(capsys)
        assert "part-power" in codes(found)
        assert only(found, "part-power")["fix"] == f"swiftlite-object-relinker relink {ward.conf('object', 1)}"


# --- servers ---


def test_a_server_that_is_down(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    server = ward.cluster.server("container-server", 2)
    server.stop()
    try:
        code, found = ward.examine(capsys)
    finally:
        server.start()
    assert (code, codes(found)) == (2, {"server-unreachable"})
    assert only(found, "server-unreachable")["fix"] == "systemctl restart swiftlite-container-server@2"


def test_a_proxy_that_is_down_is_noticed_where_its_conf_is(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    proxy = ward.cluster.server("proxy-server")
    proxy.stop()
    try:
        code, found = ward.examine(capsys)
    finally:
        proxy.start()
    assert (code, codes(found)) == (2, {"server-unreachable"})
    finding = only(found, "server-unreachable")
    assert finding["subject"].startswith("proxy-server 127.0.0.1:")
    assert finding["fix"] == "systemctl restart swiftlite-proxy-server"
    assert ward.examine(capsys) == (0, [])


def test_a_proxy_with_other_files(ward: Ward, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    conf = ward.etc / "proxy-server.conf"
    for file in (ward.etc / "swift.conf", *ward.etc.glob("*.ring.gz")):
        shutil.copy(file, tmp_path)
    with ward.changed(conf):
        ward.change(conf, "DEFAULT", {"swift_dir": str(tmp_path)})
        assert ward.examine(capsys) == (0, [])
        shutil.copy(tmp_path / "account.ring.gz", tmp_path / "object.ring.gz")
        (tmp_path / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = x\n")
        code, found = ward.examine(capsys)
    assert (code, codes(found)) == (2, {"ring-differs", "swift-conf-differs"})
    assert only(found, "ring-differs")["subject"] == f"127.0.0.1:{tmp_path}/object.ring.gz"


def test_looking_at_proxies_leaves_no_bad_requests_in_their_logs(
    ward: Ward, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    proxy = ward.cluster.server("proxy-server")
    for file in (ward.etc / "swift.conf", *ward.etc.glob("*.ring.gz")):
        shutil.copy(file, tmp_path)  # of a machine without the proxy's conf
    before = len(proxy.log.read_text())
    address = "%s:%d" % ward.cluster.proxy_address
    for options in (["--swiftdir", str(ward.etc)], ["--swiftdir", str(tmp_path), "--proxy", address]):
        assert doctor.main([*options, *BESIDE_OTHERS]) == 0
        assert capsys.readouterr().out == "10 servers and 3 rings: healthy\n"
    ward.cluster.connection().get_account()  # so that all before it is in the log, too
    logged = proxy.log.read_text()[before:]
    assert " 400 " not in logged and "/recon" not in logged


def test_a_server_that_may_open_too_few_files(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    master = ward.cluster.server("object-server", 3).running
    assert master is not None
    worker = next(pid for pid in _children_of(master.pid))
    before = resource.prlimit(worker, resource.RLIMIT_NOFILE)
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (1024, before[1]))
    try:
        code, found = ward.examine(capsys)
    finally:
        resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
    assert (code, codes(found)) == (1, {"open-files"})
    with ward.changed(ward.conf("object", 3)):
        ward.repair({"fix": only(found, "open-files")["fix"].partition(" && ")[0]})
        assert "[DEFAULT]\nrlimit_nofile = 65536\n" in ward.conf("object", 3).read_text()


def _children_of(pid: int) -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = entry.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid:
                yield int(entry.parent.name)


def test_a_certificate_that_has_expired(ward: Ward, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    authority = trustme.CA()
    now = datetime.now(timezone.utc)
    expired = authority.issue_cert("127.0.0.1", not_after=now - timedelta(days=3, hours=1))
    soon = authority.issue_cert("127.0.0.1", not_after=now + timedelta(days=20, hours=1))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    expired.configure_cert(context)
    soon.cert_chain_pems[0].write_to_path(tmp_path / "soon.pem")

    class Server(ThreadingTCPServer):
        daemon_threads = True

        def get_request(self) -> Any:
            connection, address = super().get_request()
            connection.settimeout(60)
            return context.wrap_socket(connection, server_side=True), address

    class Nothing(BaseHTTPRequestHandler):
        def handle(self) -> None:
            """Show the certificate, and no more."""

    with serving(Server(("127.0.0.1", 0), Nothing)) as address:
        code, found = ward.examine(capsys, "--tls", address, "--certificate", str(tmp_path / "soon.pem"))
    assert (code, codes(found)) == (2, {"certificate-expires"})
    seen = {finding["subject"]: (finding["severity"], finding["what"]) for finding in found}
    assert seen == {
        address: ("critical", "its certificate expired 3 days ago"),
        str(tmp_path / "soon.pem"): ("warning", "its certificate is good for 20 days more"),
    }


def test_memcached_that_does_not_answer(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    path = ward.etc / "proxy-server.conf"
    with ward.changed(path):
        address = f"127.0.0.1:{free_ports(1)}"
        ward.change(path, "filter:cache", {"memcache_servers": address})
        code, found = ward.examine(capsys)
    assert (code, codes(found)) == (1, {"memcached"})
    finding = only(found, "memcached")
    assert (finding["subject"], finding["fix"]) == (address, "systemctl restart memcached")


def test_a_machine_that_is_down(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    servers = [ward.cluster.server(f"{kind}-server", 3) for kind in ("object", "container", "account")]
    for server in servers:
        server.kill()
    code, found = ward.examine(capsys)
    assert (code, codes(found)) == (2, {"host-unreachable"})
    assert only(found, "host-unreachable")["subject"] == "127.0.0.3"
    ward.cluster.stop()
    assert doctor.main(["--swiftdir", str(ward.etc)]) == doctor.CRITICALS
