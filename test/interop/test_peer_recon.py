"""recon: both filters answer in the same shape, and each side's tool says of either side's servers what the other does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functional.cluster import PROGRAMS, Cluster
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
WAIT = "--timeout=60"
"""For every answer; the five seconds of both tools' default are little on a busy machine."""
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
    with urllib.request.urlopen("http://%s:%d/recon/%s" % (*address, check), timeout=60) as answer:
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
    found = peer.run(etc, "swift-recon", kind, "--all", "--sharding", "--verbose", "--top=1", WAIT, f"--swiftdir={etc}")
    assert found.returncode == 0
    complaints = [line for line in found.stdout.splitlines() if line.startswith("!!") or "HTTPError" in line]
    assert not complaints
    missing = [words for words in EXPECTED if words not in found.stdout]
    assert not missing, found.stdout[-2500:]


# --- the tools ---

PASSING = re.compile(
    r"_load_avg|tcp_in_use|tcp_mem_alloc|time_wait|orphan|tcp6_in_use|space (used|free)|lowest:|% +\d+ \*"
)
"""Lines that tell of the moment: only that they are there is the same."""
AGO = re.compile(r"\(\d+ \w+ ago\)")
TOLD = re.compile(
    r"^(\[\w+\] |Oldest|Most recent|Not mounted|Device errors|\d+/\d+ hosts|Versions|Distribution|Disk usage|!!)"
)


def ours(etc: Path, *arguments: str) -> str:
    """What swiftlite-recon writes."""
    command = [sys.executable, str(PROGRAMS / "swiftlite-recon"), *arguments, WAIT, f"--swiftdir={etc}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def told(text: str) -> list[str]:
    """The lines that say something, without what depends on the moment."""
    lines = [AGO.sub("(ago)", line.strip()) for line in text.splitlines() if TOLD.match(line)]
    # swift-recon calls these figures otherwise where there are none.
    lines = [
        line.replace("[replication_", "[") if "No hosts" in line and "time" not in line else line for line in lines
    ]
    return sorted(re.sub(r"[\d.]+", "N", line) if PASSING.search(line) else line for line in lines)


@pytest.mark.parametrize("side", ["ours", "theirs"])
@pytest.mark.parametrize("kind", ["object", "container", "account"])
def test_both_tools_say_the_same(clusters: dict[str, Cluster], side: str, kind: str) -> None:
    etc = clusters[side].layout.etc
    options = (kind, "--all", "--jitter=2")
    theirs = peer.run(etc, "swift-recon", *options, WAIT, f"--swiftdir={etc}").stdout
    lines = told(ours(etc, *options, "--lines"))
    assert lines == told(theirs)
    assert len(lines) > 15


@pytest.mark.parametrize(
    "options",
    [
        ("object", "-a"),
        ("container", "-a"),
        ("account", "--updater"),
        ("object", "-uz", "3"),
        ("object", "-ar", "-p", "0"),
    ],
    ids=" ".join,
)
def test_both_understand_the_same_options(clusters: dict[str, Cluster], options: tuple[str, ...]) -> None:
    etc = clusters["ours"].layout.etc
    theirs = peer.run(etc, "swift-recon", *options, WAIT, f"--swiftdir={etc}").stdout
    errors = [
        [line for line in text.splitlines() if line.startswith(("Error", "-->"))]
        for text in (theirs, ours(etc, *options, "--lines"))
    ]
    assert errors[0] == errors[1]
    assert told(ours(etc, *options, "--lines")) == told(theirs)


def test_a_figure_is_the_same_in_a_table_and_in_json(clusters: dict[str, Cluster]) -> None:
    etc = clusters["ours"].layout.etc
    found = json.loads(ours(etc, "--json", "--all"))["object"]
    assert found["replication"]["stats"]["replication_failure"] == {
        "low": 0,
        "high": 0,
        "avg": 0.0,
        "total": 0,
        "no_result": 0,
        "reported": 1,
    }
    assert found["md5"] == {"matched": 1, "hosts": 1, "errors": 0, "differing": {}}
    assert re.search(r"^  replication_failure +0 +0 +0 +0 +1 +0$", ours(etc, "-r"), re.MULTILINE)


def test_plain_directories_are_unmounted_only_to_theirs(clusters: dict[str, Cluster]) -> None:
    """Whatever mount_check says, which their servers do not tell; and --lines says what their tool does (see above)."""
    for name, told_of in (("ours", False), ("theirs", True)):
        text = ours(clusters[name].layout.etc, "-u")
        assert ("Not mounted: " in text) is told_of
        assert "recon/facts" not in text


def test_every_option_of_theirs_is_known(clusters: dict[str, Cluster]) -> None:
    etc = clusters["ours"].layout.etc
    names = r"(?:^  |, )(--?[a-zA-Z][a-z0-9-]*)"
    theirs = set(re.findall(names, peer.run(etc, "swift-recon", "--help").stdout, re.MULTILINE))
    assert len(theirs) > 30
    assert theirs - set(re.findall(names, ours(etc, "--help"), re.MULTILINE)) == set()


def test_the_doctor_examines_their_servers_too(clusters: dict[str, Cluster]) -> None:
    etc = clusters["theirs"].layout.etc
    command = [
        sys.executable,
        str(PROGRAMS / "swiftlite-doctor"),
        "--json",
        WAIT,
        "--clock-skew=60",
        f"--swiftdir={etc}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    # They do not tell that mount_check is off, by which directories do for devices here.
    assert {finding["code"] for finding in json.loads(done.stdout)["findings"]} == {"device-unmounted"}
