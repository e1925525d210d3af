"""recon: OpenStack Swift's swift-recon understands our servers, and both filters answer in the same shape."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functional.cluster import Cluster
from interop import peer
from interop.side_by_side import two_clusters
from swiftlite.middleware.recon import CACHED

DAEMONS = (
    *("object-replicator", "object-auditor", "object-updater", "container-updater", "container-replicator"),
    "account-replicator",
)
CHECKS = (
    *("devices", "diskusage", "load", "mem", "mounted", "quarantined", "ringmd5", "sockstat", "swiftconfmd5"),
    *("time", "unmounted", "version", "replication"),
    *CACHED,
)
EXPECTED = (
    "1/1 hosts matched, 0 error",
    "1/1 hosts ok, 0 error",
    "[5m_load_avg]",
    "[quarantined_objects]",
    "[tcp_in_use]",
)
OF_DEVICES = ("diskusage", "quarantined", "unmounted")


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Cluster]]:
    """Both clusters."""
    recon = {
        "pipeline:main": {"pipeline": "catch_errors healthcheck recon cache proxy-server"},
        "filter:recon": {"use": "egg:swiftlite#recon"},
    }
    with two_clusters(tmp_path_factory.mktemp("recon"), {"proxy": recon}) as found:
        for daemon in DAEMONS:
            found["ours"].run_once(daemon)
        yield found


def get(cluster: Cluster, server: str, check: str) -> tuple[int, str, Any]:
    """Return status, content type and content of a check."""
    address = cluster.servers[server].address
    with urllib.request.urlopen("http://%s:%d/recon/%s" % (*address, check), timeout=30) as answer:
        return answer.status, answer.headers["Content-Type"], json.load(answer)


def shape(value: Any, root: Path) -> Any:
    """Return a value with types in place of what is each node's own."""
    if isinstance(value, dict):
        return {key.replace(str(root), "<root>"): shape(inner, root) for key, inner in value.items()}
    if isinstance(value, list):
        shapes = [shape(inner, root) for inner in value]
        return [one for number, one in enumerate(shapes) if one not in shapes[:number]]
    return type(value).__name__


@pytest.mark.parametrize("server", ["object-server", "container-server", "account-server", "proxy-server"])
def test_checks_have_the_same_keys_and_types(clusters: dict[str, Cluster], server: str) -> None:
    unlike = {}
    # A proxy has no devices; both answer 500 there.
    for check in CHECKS if server != "proxy-server" else [name for name in CHECKS if name not in OF_DEVICES]:
        answers: list[tuple[int, str, Any]] = []
        for side in ("ours", "theirs"):
            status, kind, content = get(clusters[side], server, check)
            answers.append((status, kind, shape(content, clusters[side].layout.directory)))
        if check in CACHED or check == "replication":  # which daemons have run is each side's own; the keys are not
            answers = [(status, kind, sorted(content)) for status, kind, content in answers]
        if answers[0] != answers[1]:
            unlike[check] = answers
    assert not unlike


@pytest.mark.parametrize("kind", ["object", "container", "account"])
def test_swift_recon_finds_nothing_amiss(clusters: dict[str, Cluster], kind: str) -> None:
    etc = clusters["ours"].layout.etc
    found = peer.run(etc, "swift-recon", kind, "--all", "--sharding", "--verbose", "--top=1", f"--swiftdir={etc}")
    assert found.returncode == 0
    complaints = [line for line in found.stdout.splitlines() if line.startswith("!!") or "HTTPError" in line]
    assert not complaints
    missing = [words for words in EXPECTED if words not in found.stdout]
    assert not missing, found.stdout[-2500:]
