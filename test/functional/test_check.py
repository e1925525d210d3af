"""--check finds what is planted in the confs of a real node, each with its file and line; a laid-out store has nothing."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fakes.certificates import Authority
from functional.cluster import PROGRAMS, Cluster
from interop.lab import Lab
from swiftlite.cli import check, check_node, layout
from swiftlite.cli.findings import Report
from swiftlite.common.conf_lines import Outline, read_outline

Fault = Callable[[Cluster], None]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster that is laid out, but not started."""
    yield Cluster(tmp_path)


def checked(cluster: Cluster, name: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    process = cluster.servers[name].process
    status = check.check_main(process.program.removeprefix("swiftlite-"), str(process.conf))
    return status, capsys.readouterr().out.splitlines()


def test_a_new_store_is_clean(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    for name, server in cluster.servers.items():
        status, lines = checked(cluster, name, capsys)
        program = server.process.program.removeprefix("swiftlite-")
        assert (status, lines) == (0, [f"{server.process.conf}: nothing is wrong for {program}"])


def conf(server: str, section: str, **options: str) -> Fault:
    """Set options of a section."""

    def plant(cluster: Cluster) -> None:
        path = cluster.servers[server].process.conf
        path.write_text(layout.set_options(path.read_text(), section.replace("_", "-"), options))

    return plant


def text(server: str, old: str, new: str) -> Fault:
    """Replace a part of a conf's text."""

    def plant(cluster: Cluster) -> None:
        path = cluster.servers[server].process.conf
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    return plant


def file(name: str, content: bytes | None) -> Fault:
    """Give a file of the node another content, or none."""

    def plant(cluster: Cluster) -> None:
        path = cluster.layout.etc / name
        path.unlink() if content is None else path.write_bytes(content)

    return plant


def text_of_swift_conf(more: str) -> Fault:
    """Add to swift.conf."""

    def plant(cluster: Cluster) -> None:
        path = cluster.layout.etc / "swift.conf"
        path.write_text(path.read_text() + more)

    return plant


def certificate(*identities: str, days: int | None = None) -> Fault:
    """Let nodes speak TLS with each other, and this one show a certificate."""

    def plant(cluster: Cluster) -> None:
        authority = Authority(cluster.directory / "tls")
        path = authority.issue("node.pem", *identities, days=days)
        text = f"backend_tls = yes\nbackend_ca_file = {authority.ca_file}\nbackend_cert_file = {path}\n"
        text_of_swift_conf(f"[swift-tls]\n{text}")(cluster)

    return plant


def no_device(cluster: Cluster) -> None:
    node = cluster.layout.nodes[0]
    (node.root / node.devices[0]).rmdir()


def same_port(cluster: Cluster) -> None:
    port = cluster.servers["account-server"].address[1]
    conf("object-server", "DEFAULT", bind_port=str(port))(cluster)


def old_ring(cluster: Cluster) -> None:
    (cluster.layout.etc / "container.ring.gz").touch()
    builder = cluster.layout.etc / "container.builder"
    os.utime(builder, (builder.stat().st_atime, builder.stat().st_mtime + 100))


@dataclass(frozen=True)
class Planted:
    """A fault, the daemon that is asked, what its finding says, and whether that is an error."""

    fault: Fault
    server: str
    words: tuple[str, ...]
    status: int = 1


PLANTED = {
    "unknown option": Planted(
        conf("object-updater", "object-updater", intervall="1"), "object-updater",
        ("object-server.conf:", "[object-updater] intervall: unknown option; did you mean interval?"),
    ),
    "option of Swift": Planted(
        conf("object-updater", "object-updater", slowdown="0.1"), "object-updater", ("warning: ", "no effect here"), 0
    ),
    "hidden option": Planted(
        conf("proxy-server", "app:proxy-server", log_address="/dev/log"), "proxy-server", ("is not heeded", "'set log_address")
    ),
    "bad value": Planted(
        conf("proxy-server", "app:proxy-server", node_timeout="soon"), "proxy-server", ("[app:proxy-server] node_timeout", "'soon'")
    ),
    "bad value of a factory": Planted(
        conf("proxy-server", "filter:tempauth", user_test="x"), "proxy-server", ("[filter:tempauth]", "user_test")
    ),
    "filter without a section": Planted(
        text("proxy-server", "[filter:dlo]", "[filter:dle]"), "proxy-server", ("pipeline: 'dlo' has no section",)
    ),
    "unknown factory": Planted(
        text("proxy-server", "swiftlite#slo", "swiftlite#sol"), "proxy-server", ("[filter:slo]", "no filter 'sol'")
    ),
    "order": Planted(
        text("proxy-server", "slo dlo", "dlo slo"), "proxy-server", ("[pipeline:main] pipeline: slo stands right of dlo",)
    ),
    "no swift.conf": Planted(file("swift.conf", None), "object-server", ("swift.conf: No such file", "copy swift.conf")),
    "no hash secret": Planted(
        file("swift.conf", b"[swift-hash]\n"), "object-server", ("swift_hash_path_prefix are missing", "in swift.conf")
    ),
    "slip in swift.conf": Planted(
        file("swift.conf", b"[swift-hash]\nswift_hash_path_sufix = x\nswift_hash_path_prefix = y\n"), "object-server",
        ("swift.conf:2: [swift-hash] swift_hash_path_sufix: unknown option; did you mean swift_hash_path_suffix?",),
    ),
    "no ring": Planted(file("container.ring.gz", None), "object-updater", ("container.ring.gz: cannot read",)),
    "damaged ring": Planted(file("object.ring.gz", b"no ring"), "proxy-server", ("object.ring.gz: ",)),
    "ring older than its builder": Planted(
        old_ring, "container-server", ("warning: ", "container.ring.gz: is older than container.builder"), 0
    ),
    "unmounted": Planted(
        conf("object-server", "DEFAULT", mount_check="true"), "object-server", ("is not mounted; mount ",)
    ),
    "missing device": Planted(no_device, "object-server", ("is in the ring, but missing; install -d -o ", ", or take it out of the ring")),
    "no devices": Planted(
        conf("object-server", "DEFAULT", devices="/nowhere"), "object-server", ("[DEFAULT] devices: there is no directory",)
    ),
    "no devices of a daemon": Planted(
        conf("object-updater", "object-updater", devices="/nowhere"),
        "object-updater",
        ("[object-updater] devices: there is no directory",),
    ),
    "no devices of an app": Planted(
        conf("object-server", "app:object-server", **{"set devices": "/nowhere"}),
        "object-server",
        ("[app:object-server] devices: there is no directory",),
    ),
    "port of another": Planted(same_port, "object-server", ("[DEFAULT] bind_port: ", "account-server.conf has port")),
    "metrics on one port": Planted(
        text("object-server", "[object-updater]", "[object-updater]\nmetrics_port = 7\n[object-auditor]\nmetrics_port = 7\n[object-x]"),
        "object-server", ("metrics_port: [object-updater] has port 7, too",),
    ),
    "another account": Planted(
        conf("object-server", "DEFAULT", user="nobody-of-this-name"), "object-server", ("[DEFAULT] user: there is no account",)
    ),
    "unwritable cache": Planted(
        conf("object-updater", "object-updater", recon_cache_path="/proc/version"), "object-updater", ("is no directory",)
    ),
    "level": Planted(conf("object-updater", "DEFAULT", log_level="LOUD"), "object-updater", ("'LOUD' does not fit",)),
    "certificate": Planted(
        conf("proxy-server", "DEFAULT", cert_file="/nowhere.pem"), "proxy-server", ("[DEFAULT] cert_file: /nowhere.pem cannot",)
    ),
    "nodes without a certificate": Planted(
        text_of_swift_conf("[swift-tls]\nbackend_tls = yes\nbackend_ca_file = /nowhere.pem\n"), "object-server",
        ("[swift-tls] backend_cert_file: is not set",),
    ),
    "certificate of another node": Planted(
        certificate("127.0.0.9"), "object-server", ("node.pem: the certificate does not name 127.0.0.1",)
    ),
    "certificate that ends soon": Planted(
        certificate("127.0.0.1", days=3), "object-server", ("warning: ", "node.pem: the certificate expires in 3 days"), 0
    ),
    "slip in what nodes need for TLS": Planted(
        text_of_swift_conf("[swift-tls]\nbackend_tls = yes\nbackend_ca_fil = /nowhere.pem\n"), "object-server",
        ("backend_ca_fil: unknown option; did you mean backend_ca_file?",),
    ),
    "negative": Planted(
        conf("object-updater", "object-updater", interval="-5"), "object-updater", ("interval: '-5' does not fit (it must be at least 0)",)
    ),
    "address of another machine": Planted(
        conf("proxy-server", "DEFAULT", bind_ip="192.0.2.1"), "proxy-server", ("[DEFAULT] bind_ip: cannot listen on 192.0.2.1",)
    ),
    "expired certificate": Planted(
        certificate("127.0.0.1", days=-1), "object-server", ("error: ", "node.pem: the certificate has expired")
    ),
    "workers": Planted(conf("object-server", "DEFAULT", workers="many"), "object-server", ("[DEFAULT] workers: 'many'",)),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_planted_faults_are_found(cluster: Cluster, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    planted = PLANTED[name]
    planted.fault(cluster)
    status, lines = checked(cluster, planted.server, capsys)
    assert any(all(word in line for word in planted.words) for line in lines[:-1]), lines
    assert status == planted.status
    assert "for " + cluster.servers[planted.server].process.program.removeprefix("swiftlite-") in lines[-1]


def test_servers_write_nothing_of_what_daemons_tell(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    conf("object-server", "DEFAULT", recon_cache_path="/proc/version")(cluster)
    assert checked(cluster, "object-server", capsys)[0] == 0


def test_a_clients_pipeline_is_checked_as_a_whole(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    text("object-expirer", "swiftlite#proxy_logging", "swift#s3api")(cluster)
    text("object-expirer", "swiftlite#memcache", "swift#memcach")(cluster)
    _, lines = checked(cluster, "object-expirer", capsys)
    assert [bool(re.search(r"use: swiftlite has no filter '(s3api|memcach)';", line)) for line in lines] == [
        True,
        True,
        False,
    ]


def test_a_start_warns_of_unknown_options(cluster: Cluster) -> None:
    conf("object-updater", "object-updater", intervall="1")(cluster)
    process = cluster.servers["object-updater"].process
    command = [sys.executable, str(PROGRAMS / process.program), str(process.conf), "--once"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    warnings = [line for line in done.stderr.splitlines() if "WARNING" in line and "intervall" in line]
    assert len(warnings) == 1 and "did you mean interval?" in warnings[0], done.stderr


def test_the_daemon_itself_checks(cluster: Cluster) -> None:
    conf("proxy-server", "app:proxy-server", node_timeot="3")(cluster)
    process = cluster.servers["proxy-server"].process
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / process.program), str(process.conf), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "node_timeot: unknown option; did you mean node_timeout?" in done.stdout
    assert done.stdout.endswith("1 error, 0 warnings for proxy-server\n") and not done.stderr


@pytest.mark.parametrize("kind", layout.SERVER_KINDS)
def test_confs_that_openstack_swift_runs_with_pass(tmp_path: Path, kind: str) -> None:
    """Those of the tests in which both work on the same disks."""
    lab = Lab(tmp_path, tmp_path)
    outline = read_outline(str(lab.write_conf(kind, lab.devices(), ("127.0.0.1", 1))))
    report = Report(outline)
    check.check_text(report, f"{kind}-server", list(outline.headers))
    assert [finding.text for finding in report.findings] == []


def test_another_account_must_be_able_to_write(cluster: Cluster) -> None:
    """Root looks with the eyes of the account that the daemon becomes."""
    cache = cluster.directory / "closed"
    cache.mkdir(mode=0o700)
    node = cluster.layout.nodes[0]
    (device := node.root / node.devices[0]).chmod(0o755)
    conf("object-updater", "DEFAULT", user="nobody", recon_cache_path=str(cache))(cluster)
    process = cluster.servers["object-updater"].process
    command = [sys.executable, str(PROGRAMS / process.program), str(process.conf), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    told = f"[DEFAULT] recon_cache_path: nobody may not write to {cache}" in done.stdout
    assert told is (os.geteuid() == 0), done.stdout + done.stderr
    told = (
        f"{device}: nobody may not write there, so requests are answered with 507; chown nobody: {device}"
        in done.stdout
    )
    assert told is (os.geteuid() == 0), done.stdout + done.stderr


def test_a_recon_cache_that_root_has_left(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for name, mode in (("account.recon", 0o644), ("object.recon", 0o666), ("notes.txt", 0o600)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    report = Report(Outline("conf"))
    nobody = pwd.getpwnam("nobody")
    check_node.check_writable(report, "account-auditor", "recon_cache_path", str(tmp_path), nobody)
    cache = tmp_path / "account.recon"
    assert [finding.text for finding in report.findings] == [
        f"error: {cache}: nobody may not write it, so nobody learns of its daemons' passes; chown nobody: {cache}"
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another")
@pytest.mark.parametrize("name", ["proxy-server", "object-server"])
def test_another_account_must_be_able_to_read(cluster: Cluster, name: str) -> None:
    """Root can read it all; the workers, which become another, cannot."""
    conf(name, "DEFAULT", user="nobody")(cluster)
    process = cluster.servers[name].process
    command = [sys.executable, str(PROGRAMS / process.program), str(process.conf), "--check"]
    cluster.directory.chmod(0o700)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    found = [line for line in done.stdout.splitlines() if ": unreadable for nobody: " in line]
    assert len(found) == 1 and found[0].startswith(f"error: {cluster.layout.etc}/swift.conf: "), (
        done.stdout + done.stderr
    )
    assert "; chgrp " in found[0] and done.returncode == 1
