"""Operators' tools on a cluster that runs: what they say is true of it, and what they print can be run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from functional.cluster import PROGRAMS, Cluster

NAME = 'with space/%41"ö?'


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes, a container with an object, and a dispersion.conf beside the rings."""
    made = Cluster(tmp_path_factory.mktemp("tools") / "cluster", nodes=3, devices=1)
    (made.directory / "etc" / "dispersion.conf").write_text(
        f"[dispersion]\nauth_url = {made.auth_url}\nauth_user = test:tester\nauth_key = testing\n"
        f"swift_dir = {made.directory / 'etc'}\ndispersion_coverage = 2\nretries = 0\n"
    )
    try:
        made.start()
        connection = made.connection()
        connection.put_container("c", headers={"X-Container-Meta-Mood": "calm"})
        connection.put_object("c", NAME, b"body", headers={"X-Object-Meta-Mood": "calm"})
        yield made
    finally:
        made.remove()


def run(cluster: Cluster, tool: str, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a tool that must end with this code, without a traceback."""
    swift_dir = () if tool.startswith("dispersion") else ("-d", cluster.directory / "etc")
    command = [sys.executable, PROGRAMS / f"swiftlite-{tool}", *swift_dir, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def dispersion(cluster: Cluster, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a dispersion tool."""
    return run(cluster, f"dispersion-{tool}", *arguments, cluster.directory / "etc" / "dispersion.conf")


@pytest.mark.parametrize("name", ["AUTH_test", "AUTH_test/c", f"AUTH_test/c/{NAME}"])
def test_the_commands_that_get_nodes_prints_find_it(cluster: Cluster, name: str) -> None:
    ring = ("account", "container", "object")[min(2, name.count("/"))]
    lines = run(cluster, "get-nodes", cluster.directory / "etc" / f"{ring}.ring.gz", name).stdout.splitlines()
    curls = [line for line in lines if line.startswith("curl")]
    assert len(curls) == 3
    for line in curls:
        answer = subprocess.run(["sh", "-c", line + " -s"], capture_output=True, text=True, check=True).stdout
        assert answer.split()[1] in ("200", "204"), answer
    directories = [line for line in lines if line.startswith("ssh")]
    assert len(directories) == 3
    for number, line in enumerate(directories):
        ip, _, command = line.removeprefix("ssh ").partition(" ")
        node = next(node for node in cluster.layout.nodes if node.ip == ip)
        ls = f"DEVICE={node.root}; {command.strip(chr(34))}"
        listed = subprocess.run(["sh", "-c", ls], capture_output=True, text=True, check=True).stdout
        assert (".data" if ring == "object" else ".db") in listed, (number, listed)


def test_object_info_tells_what_the_object_is_and_where(cluster: Cluster) -> None:
    nodes = run(cluster, "get-nodes", "-P", "Policy-0", f"AUTH_test/c/{NAME}").stdout.splitlines()
    (file, *_), wanted = _object_files(cluster), f"Path: /AUTH_test/c/{NAME}"
    lines = run(cluster, "object-info", file).stdout.splitlines()
    assert lines[0] == wanted
    assert "ETag: 841a2d689ad86bd1611447453c22c6fc (valid)" in lines
    assert "  X-Object-Meta-Mood: calm" in lines
    assert (
        lines[lines.index("Use your own device location of servers:") :]
        == nodes[nodes.index("Use your own device location of servers:") :]
    )


def _object_files(cluster: Cluster) -> list[Path]:
    return [path for path in cluster.files("objects/**/*.data") if path.read_bytes() == b"body"]


def test_the_databases_tell_the_same_on_every_node(cluster: Cluster) -> None:
    for kind, told in (("container", "    X-Container-Meta-Mood: calm"), ("account", "  Object Count: ")):
        databases = cluster.files(f"{kind}s/**/*.db")
        shown = [run(cluster, f"{kind}-info", path).stdout for path in databases]
        ours = [text for text in shown if text.startswith(("Path: /AUTH_test/c\n", "Path: /AUTH_test\n"))]
        assert len(ours) == 3
        assert all(told in text for text in ours)


def test_the_dispersion_of_a_whole_cluster(cluster: Cluster) -> None:
    made = dispersion(cluster, "populate").stdout
    assert all(f"Created 20 {kind} for dispersion reporting" in made for kind in ("containers", "objects"))
    done = dispersion(cluster, "report")
    assert done.stderr == ""
    for kind in ("container", "object"):
        assert f"100.00% of {kind} copies found (60 of 60)" in done.stdout
        assert f"Sample represents 1.95% of the {kind} partition space" in done.stdout
    figures = json.loads(dispersion(cluster, "report", "-j").stdout)
    whole = {"retries": 0, "overlapping": 0, "pct_found": 100.0, "copies_found": 60, "copies_expected": 60}
    assert figures == {"container": whole, "object": whole}


def test_a_copy_that_is_lost_is_missed(cluster: Cluster) -> None:
    dispersion(cluster, "populate", "--object-only")
    lost = next(path for path in cluster.files("objects/**/*.data") if path.read_bytes().startswith(b"dispersion_"))
    body = lost.read_bytes().decode()
    lost.rename(lost.with_suffix(".lost"))
    try:
        done = dispersion(cluster, "report", "-p", "--object-only")
        partition = lost.parents[2].name
        assert done.stderr == f"# Object partition {partition} missing 1 copy\n"
        assert "There was 1 partition missing 1 copy." in done.stdout
        assert "98.33% of object copies found (59 of 60)" in done.stdout
        assert "container" not in done.stdout
    finally:
        lost.with_suffix(".lost").rename(lost)
    assert f"Object: {body}" in run(cluster, "object-info", lost).stdout


def test_a_server_that_is_down_is_missed(cluster: Cluster) -> None:
    dispersion(cluster, "populate")
    server = cluster.server("object-server", 2)
    server.kill()
    try:
        done = dispersion(cluster, "report", "-j")
        figures = json.loads(done.stdout)
        assert figures["container"]["copies_found"] == 60
        assert (figures["object"]["copies_found"], figures["object"]["missing_1"]) == (40, 20)
        assert done.stderr.count("Giving up on ") == 20
        assert "ERROR: 127.0.0.2:" in done.stderr and "Connection refused" in done.stderr
    finally:
        server.start()


def test_a_second_run_covers_other_partitions(cluster: Cluster) -> None:
    dispersion(cluster, "populate", "--container-only")
    done = dispersion(cluster, "populate", "--container-only", "--no-overlap")
    assert "Total container coverage is now 3.91%." in done.stdout
    assert "(120 of 120)" in dispersion(cluster, "report", "--container-only").stdout


def test_bad_input_gets_one_line(cluster: Cluster, tmp_path: Path) -> None:
    conf = (cluster.directory / "etc" / "dispersion.conf").read_text()
    for change, said in (
        (("testing", "wrong"), "the answer is 401"),
        (("/auth/v1.0", "/healthcheck"), "gave no X-Storage-Url"),
        ((str(cluster.layout.proxy_port), "1"), "Connection refused"),
        (("auth_url = ", "auth_version = 3\nauth_url = "), "gave no token"),
    ):
        (tmp_path / "d.conf").write_text(conf.replace(*change))
        done = run(cluster, "dispersion-report", tmp_path / "d.conf", code=1)
        assert said in done.stderr and done.stderr.count("\n") == 1
    (tmp_path / "none.db").write_bytes(b"")
    assert run(cluster, "container-info", tmp_path / "none.db", code=1).stderr.count("\n") == 1
    assert run(cluster, "object-info", tmp_path / "none.data", code=1).stderr == "Data file doesn't exist\n"
