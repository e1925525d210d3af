"""A server that cannot start says why in one line, and exits non-zero."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes import release
from functional.cluster import PROGRAMS, Cluster
from swiftlite.cli import layout

KINDS = layout.SERVER_KINDS


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A cluster that is laid out, but not started."""
    return Cluster(tmp_path)


def run(cluster: Cluster, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    process = cluster.servers[name].process
    command = [sys.executable, str(PROGRAMS / process.program), str(process.conf), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode not in (0, None)
    lines = [line for line in done.stderr.splitlines() if " WARNING identity: " not in line]
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0]


def edit(cluster: Cluster, name: str, change: Callable[[str], str]) -> str:
    conf = cluster.servers[name].process.conf
    conf.write_text(change(conf.read_text()))
    return str(conf)


@pytest.mark.parametrize("kind", KINDS)
def test_no_such_conf(cluster: Cluster, kind: str) -> None:
    conf = cluster.servers[f"{kind}-server"].process.conf
    conf.unlink()
    assert_refused(run(cluster, f"{kind}-server"), str(conf), "No such file")


@pytest.mark.parametrize("kind", KINDS)
def test_text_that_is_no_conf(cluster: Cluster, kind: str) -> None:
    conf = edit(cluster, f"{kind}-server", lambda text: "bind_port 1\n" + text)
    assert_refused(run(cluster, f"{kind}-server"), conf)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", ["", "many", "-1"])
def test_option_that_does_not_fit(cluster: Cluster, kind: str, value: str) -> None:
    conf = edit(cluster, f"{kind}-server", lambda text: layout.set_options(text, "DEFAULT", {"workers": value}))
    assert_refused(run(cluster, f"{kind}-server"), conf, "[DEFAULT]", "workers")


def test_no_bind_port(cluster: Cluster) -> None:
    conf = edit(cluster, "object-server", lambda text: text.replace("bind_port", "# bind_port"))
    assert_refused(run(cluster, "object-server"), conf, "[DEFAULT]", "bind_port")


@pytest.mark.parametrize("kind", KINDS)
def test_no_pipeline(cluster: Cluster, kind: str) -> None:
    conf = edit(cluster, f"{kind}-server", lambda text: text.replace("[pipeline:main]", "[pipeline:other]"))
    assert_refused(run(cluster, f"{kind}-server"), conf, "pipeline:main")


def test_filter_without_section(cluster: Cluster) -> None:
    conf = edit(cluster, "proxy-server", lambda text: text.replace("[filter:tempauth]", "[filter:other]"))
    assert_refused(run(cluster, "proxy-server"), conf, "tempauth")


def test_filter_that_does_not_exist(cluster: Cluster) -> None:
    conf = edit(cluster, "proxy-server", lambda text: text.replace("egg:swiftlite#tempauth", "egg:swiftlite#nothing"))
    assert_refused(run(cluster, "proxy-server"), conf, "nothing")


@pytest.mark.parametrize("kind", KINDS)
def test_no_hash_secret(cluster: Cluster, kind: str) -> None:
    swift_conf = cluster.layout.etc / "swift.conf"
    swift_conf.write_text("[swift-hash]\n")
    done = run(cluster, f"{kind}-server")
    assert_refused(done, str(swift_conf), "[swift-hash]", "swift_hash_path_prefix", "swift_hash_path_suffix")


def test_no_swift_conf(cluster: Cluster) -> None:
    swift_conf = cluster.layout.etc / "swift.conf"
    swift_conf.unlink()
    assert_refused(run(cluster, "object-server"), str(swift_conf))


@pytest.mark.parametrize("ring", ["object", "container", "account"])
def test_no_ring(cluster: Cluster, ring: str) -> None:
    path = cluster.layout.etc / f"{ring}.ring.gz"
    path.unlink()
    assert_refused(run(cluster, "proxy-server"), str(path))


@pytest.mark.parametrize("damage", [b"", b"no ring", None])
def test_damaged_ring(cluster: Cluster, damage: bytes | None) -> None:
    path = cluster.layout.etc / "object.ring.gz"
    # None: the file as it is, cut in the middle.
    path.write_bytes(path.read_bytes()[:200] if damage is None else damage)
    assert_refused(run(cluster, "proxy-server"), str(path))


@pytest.mark.parametrize("kind", KINDS)
def test_port_in_use(cluster: Cluster, kind: str) -> None:
    server = cluster.servers[f"{kind}-server"]
    with socket.create_server(server.address):
        done = run(cluster, f"{kind}-server")
    assert_refused(done, str(server.address[1]), "bind_port")


def test_address_that_is_not_ours(cluster: Cluster) -> None:
    edit(cluster, "object-server", lambda text: layout.set_options(text, "DEFAULT", {"bind_ip": "192.0.2.1"}))
    assert_refused(run(cluster, "object-server"), "192.0.2.1", "bind_ip")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its user")
def test_user_that_does_not_exist(cluster: Cluster) -> None:
    conf = edit(cluster, "object-server", lambda text: layout.set_options(text, "DEFAULT", {"user": "no-such-user"}))
    assert_refused(run(cluster, "object-server"), conf, "[DEFAULT]", "user", "no-such-user")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its user")
@pytest.mark.parametrize("name", ["object-updater", "object-server"])
def test_user_that_cannot_read_python(cluster: Cluster, tmp_path: Path, name: str) -> None:
    """A virtualenv that is open in itself, below a directory that is its owner's alone."""
    conf = edit(cluster, name, lambda text: layout.set_options(text, "DEFAULT", {"user": "nobody"}))
    (tmp_path / "closed").mkdir(mode=0o700)
    home = tmp_path / "closed" / "release"
    release.install(home, str(home), str(PROGRAMS.parent))
    command = [str(home / "bin" / f"swiftlite-{name}"), conf]
    environment = {variable: text for variable, text in os.environ.items() if variable != "PYTHONPATH"}
    told = (
        f"{conf} [DEFAULT] user: Python's library ",
        "cannot be read by nobody, for ",
        "; make the virtualenv so that",
    )
    assert_refused(subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60), *told)
    checked = subprocess.run([*command, "--check"], env=environment, capture_output=True, text=True, timeout=60)
    (line,) = (line for line in checked.stdout.splitlines() if "cannot be read by nobody, for" in line)
    assert line.startswith("error: ") and "[DEFAULT] user: Python's library " in line and checked.returncode == 1


@pytest.fixture
def no_xattrs(tmp_path: Path) -> Iterator[Path]:
    """A filesystem without extended attributes."""
    place = tmp_path / "ramfs"
    place.mkdir()
    if subprocess.run(["mount", "-t", "ramfs", "none", str(place)], capture_output=True).returncode != 0:
        pytest.skip("cannot mount a filesystem without extended attributes: needs root")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_filesystem_without_xattrs(cluster: Cluster, no_xattrs: Path) -> None:
    (no_xattrs / "d1").mkdir()
    options = {"devices": str(no_xattrs)}
    conf = edit(cluster, "object-server", lambda text: layout.set_options(text, "DEFAULT", options))
    assert_refused(run(cluster, "object-server"), conf, "[DEFAULT]", "devices", str(no_xattrs / "d1"))


@pytest.mark.parametrize("name", ["object-updater", "container-updater"])
def test_updaters_name_what_is_missing(cluster: Cluster, name: str) -> None:
    (cluster.layout.etc / "swift.conf").unlink()
    assert_refused(run(cluster, name, "--once"), str(cluster.layout.etc / "swift.conf"))


@pytest.mark.parametrize("name", ["object-updater", "container-updater"])
def test_updaters_need_the_ring(cluster: Cluster, name: str) -> None:
    ring = cluster.layout.etc / ("container.ring.gz" if name == "object-updater" else "account.ring.gz")
    ring.unlink()
    assert_refused(run(cluster, name, "--once"), str(ring))
