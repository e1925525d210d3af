"""Operators' tools: on the same rings, files and clusters either side's print the same lines and end with the same code.

The differences that are meant are DIFFERENCES; each has a test that shows it, and the comparison knows nothing else.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from functional.cluster import PROGRAMS, Cluster
from interop import peer
from swiftlite.cli import account_info, container_info, get_nodes, object_info
from swiftlite.cli.kernel_log import backward, count_errors, error_patterns

DIFFERENCES = {
    "errors": "Errors go to standard error, where scripts that read the output do not take them for it.",
    "help": "Help texts are our own; the line ERROR: … after them is the same.",
    "nothing to ask for": "For a partition alone there are no curl lines: theirs ask for an account that is called None.",
    "invalid metadata": "The line says what is wrong with the metadata; theirs ends with a traceback for most damage.",
    "left in place": "A damaged database is left where it is: theirs moves its directory, whatever else is in there.",
    "no arguments": "Without a file the exit code is 2, not 0: a script that lost its argument should hear of it.",
    "none missing": "Objects of which no copy is missing are not reported as missing 0 copies; theirs does that.",
    "nothing but JSON": "With -j there is nothing else on standard output; theirs clears lines when -p is given.",
    "unknown policy": "object-info refuses a policy that there is not; theirs goes on without a word.",
}

CHECKOUT = Path(__file__).resolve().parents[2]
OURS = {
    "get-nodes": get_nodes.main,
    "object-info": object_info.main,
    "container-info": container_info.main,
    "account-info": account_info.main,
}
# One interpreter for all cases: to start one takes longer than any of them.
THEIRS = """
import io, sys
from swift.cli import get_nodes, info
mains = {"get-nodes": get_nodes.main, "object-info": info.obj_main, "container-info": info.container_main,
         "account-info": info.account_main}
kept = sys.stdout, sys.stderr, sys.argv
answer = []
for tool, *arguments in argument:
    out, errors = io.BytesIO(), io.StringIO()
    sys.stdout, sys.stderr = io.TextIOWrapper(out, "utf-8", "surrogateescape"), errors
    sys.argv = ["swift-" + tool, *arguments]
    code = 0
    try:
        mains[tool]()
    except SystemExit as stop:
        code = stop.code or 0
        if isinstance(code, str):
            errors.write(code + "\\n")
            code = 1
    except Exception as error:
        code = repr(error)
    sys.stdout.flush()
    answer.append([code, out.getvalue().decode("utf-8", "replace"), errors.getvalue()])
sys.stdout, sys.stderr, sys.argv = kept
"""

Case = list[str]
Said = tuple[Any, str, str]
"""Exit code (or the exception, where there was a traceback), standard output, standard error."""


def ours(cases: list[Case]) -> list[Said]:
    """What our tools say."""
    said = []
    for tool, *arguments in cases:
        out, errors = io.BytesIO(), io.StringIO()
        code: Any
        with io.TextIOWrapper(out, "utf-8") as text:
            with contextlib.redirect_stdout(text), contextlib.redirect_stderr(errors):
                try:
                    code = OURS[tool](arguments)
                except SystemExit as stop:
                    code = stop.code
            text.flush()
            said.append((code, out.getvalue().decode("utf-8", "replace"), errors.getvalue()))
    return said


def theirs(etc: Path, cases: list[Case]) -> list[Said]:
    """What OpenStack Swift's tools say."""
    return [tuple(said) for said in peer.evaluate(etc, THEIRS, cases)]


def assert_alike(etc: Path, cases: list[Case], roots: tuple[Path, Path] | None = None) -> None:
    """Both sides print the same and end with the same code.

    :param roots: directories of the files for our tools and for theirs, which both find in ``{root}``
    """
    mine, other = ([[word.format(root=root) for word in case] for case in cases] for root in (roots or (etc, etc)))
    for case, got, expected in zip(cases, ours(mine), theirs(etc, other), strict=True):
        assert got == expected, case


@pytest.fixture(scope="module")
def etc(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """swift.conf and rings."""
    directory = tmp_path_factory.mktemp("tools") / "etc"
    shutil.copytree(golden / "rings", directory)
    shutil.copy(golden / "swift.conf", directory)
    return directory


@pytest.fixture(scope="module")
def devices(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two copies of devices that OpenStack Swift filled: tools merge what databases have pending."""
    copies = tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("theirs")
    for place in copies:
        command = ["tar", "--xattrs", "--xattrs-include=user.*", "-xJf", golden / "devices.tar.xz", "-C", place]
        subprocess.run(command, check=True)
    return copies


NAMES = ["a", "a/c", "a/c/o", "AUTH_test/c1/with/slashes/", "ä/ö ?/%41\t", "a/c/o//x", "a/c/o-q"]


def test_get_nodes(etc: Path) -> None:
    cases = [["get-nodes", "-d", str(etc), *words] for words in _questions(etc)]
    assert len(cases) > 40
    assert_alike(etc, cases)


def _questions(etc: Path) -> Iterator[Case]:
    rings = [str(etc / f"{name}.ring.gz") for name in ("account", "container", "object", "object-1", "object-2")]
    for name in NAMES:
        yield from ([ring, name] for ring in rings)
        yield from (["-P", policy, name] for policy in ("gold", "silver", "EC42"))
        yield ["-a", "-P", "gold", *name.split("/", 2)]
        yield ["-Q", rings[2], name]
        yield ["-P", "silver", "-p", "3", name]


def test_object_info(etc: Path, devices: tuple[Path, Path]) -> None:
    files = [path.relative_to(devices[0]) for path in sorted(devices[0].rglob("objects*/*/*/*/*")) if path.is_file()]
    assert {path.suffix for path in files} == {".data", ".meta", ".ts"}
    cases = [["object-info", "-d", str(etc), f"{{root}}/{path}"] for path in files]
    options = [["-n"], ["--drop-prefixes"], ["-P", "silver"], ["-P", "gold", "-n"]]
    cases += [[*case, *more] for case, more in zip(cases, options * len(cases), strict=False)]
    assert_alike(etc, cases, devices)


def test_object_info_of_damaged_bodies(etc: Path, devices: tuple[Path, Path]) -> None:
    files = [path.relative_to(devices[0]) for path in sorted(devices[0].rglob("*.data"))][:6]
    cases = []
    for number, path in enumerate(files):
        for root in devices:
            with open(root / path, "r+b") as file:
                file.write(b"?" * (number % 3))
                file.truncate(max(0, (root / path).stat().st_size - number % 2))
        cases.append(["object-info", "-d", str(etc), f"{{root}}/{path}"])
    assert_alike(etc, cases, devices)


def test_info_of_databases(etc: Path, devices: tuple[Path, Path]) -> None:
    cases = []
    for kind in ("account", "container"):
        for path in sorted(devices[0].rglob(f"{kind}s/*/*/*/*.db")):
            file = f"{{root}}/{path.relative_to(devices[0])}"
            cases += [[f"{kind}-info", "-d", str(etc), *more, file] for more in ([], ["-s"], ["--drop-prefixes"])]
    assert len(cases) > 60
    assert_alike(etc, cases, devices)


SHARDED = """
import os
from swift.common.utils import ShardRange, Timestamp
from swift.container.backend import ContainerBroker
def make(part):
    broker, _ = ContainerBroker.create_broker(argument, part, "AUTH_test", "c", put_timestamp="0000000001.00000")
    broker.update_metadata({"X-Container-Meta-Mood": ("calm", "0000000001.00000"),
                            "X-Container-Sysmeta-Other": ("x", "0000000001.00000"),
                            "X-Container-Read": (".r:*", "0000000001.00000")})
    broker.put_object("o", "0000000002.00000", 7, "text/plain", "etag")
    broker.get_info()
    bounds = ["", "d", "m", ""]
    ranges = [ShardRange(".shards_AUTH_test/c-%d" % n, Timestamp(3), bounds[n], bounds[n + 1], 10 + n, 100 + n,
                         state=ShardRange.ACTIVE if n else ShardRange.CLEAVED) for n in range(3)]
    return broker, ranges
answer = []
for step in range(4):
    broker, ranges = make(step)
    if step:
        broker.merge_shard_ranges(ranges)
        broker.enable_sharding(Timestamp(4))
    if step > 1:
        broker.set_sharding_state()
    if step > 2:
        broker.set_sharded_state()
    answer += [os.path.join(broker.db_dir, name) for name in sorted(os.listdir(broker.db_dir)) if name.endswith(".db")]
shard, _ = ContainerBroker.create_broker(argument, 9, ".shards_AUTH_test", "c-0", put_timestamp="0000000001.00000")
shard.set_sharding_sysmeta("Quoted-Root", "AUTH_test/c")
answer.append(shard.db_file)
"""


def test_info_of_a_container_that_is_sharded(etc: Path, tmp_path: Path) -> None:
    files = peer.evaluate(etc, SHARDED, str(tmp_path))
    cases = [["container-info", "-d", str(etc), *more, file] for file in files for more in ([], ["-v"])]
    assert_alike(etc, cases)
    states = {re.search(r"State: (\w+)\n", out)[1] for _, out, _ in ours(cases)}  # type: ignore[index]
    assert states == {"unsharded", "sharding", "sharded"}
    assert any("  Type: shard\n" in out for _, out, _ in ours(cases))


# --- the differences ---


def test_errors_are_the_same_on_standard_error(etc: Path, devices: tuple[Path, Path], tmp_path: Path) -> None:
    account = next(devices[0].rglob("accounts/*/*/*/*.db"))
    cases = [
        ["object-info", "-d", str(etc), "/no/such/file"],
        ["account-info", "-d", str(etc), "/no/such/file.db"],
        ["account-info", "-d", str(etc), str(etc / "swift.conf")],
        ["container-info", "-d", str(etc), str(account)],
        ["get-nodes", "-d", str(etc), str(etc / "account.ring.gz"), "a//o"],
    ]
    for case, mine, other in zip(cases, ours(cases), theirs(etc, cases), strict=True):
        assert mine == (1, "", other[1]), case
        assert other[::2] == (1, ""), case


def test_after_the_help_comes_the_same_line(etc: Path) -> None:
    ring = str(etc / "account.ring.gz")
    cases = [["get-nodes", *words] for words in ([], ["a"], [ring], ["/no.ring.gz", "a"], [ring, *"abcd"])]
    cases = [[case[0], "-d", str(etc), *case[1:]] for case in cases]
    for case, mine, other in zip(cases, ours(cases), theirs(etc, cases), strict=True):
        assert (mine[0], mine[2]) == (other[0], other[2]), case
        assert mine[1] != other[1]


def test_a_partition_alone_has_nothing_to_ask_for(etc: Path) -> None:
    cases = [
        ["get-nodes", "-d", str(etc), *words, "-p", "7"] for words in (["-P", "gold"], [str(etc / "account.ring.gz")])
    ]
    for mine, other in zip(ours(cases), theirs(etc, cases), strict=True):
        left = [line for line in other[1].split("\n") if not line.startswith("curl") or "/None" not in line]
        assert mine[1].split("\n") == left != other[1].split("\n")


def test_invalid_metadata_are_explained(etc: Path, tmp_path: Path) -> None:
    (tmp_path / "x.data").write_bytes(b"")
    cases = [["object-info", "-d", str(etc), str(tmp_path / "x.data")]]
    assert ours(cases) == [(1, "", "Invalid metadata: there is no metadata\n")]
    assert theirs(etc, cases) == [(1, "Invalid metadata\n", "")]


def test_a_damaged_database_is_left_in_place(etc: Path, tmp_path: Path) -> None:
    directory = tmp_path / "device" / "accounts" / "1" / "abc" / "0abc"
    directory.mkdir(parents=True)
    (directory / "0abc.db").write_bytes(b"no database" * 1000)
    cases = [["account-info", "-d", str(etc), str(directory / "0abc.db")]]
    assert ours(cases) == [(1, "", "Account info failed: file is not a database\n")]
    assert directory.exists()
    assert "Quarantined" in theirs(etc, cases)[0][0]
    assert not directory.exists()


def test_no_arguments_and_unknown_policies_are_refused(etc: Path, devices: tuple[Path, Path]) -> None:
    file = next(devices[0].rglob("*.ts"))
    cases = [["account-info"], ["object-info"], ["object-info", "-d", str(etc), "-P", "nope", str(file)]]
    assert [said[0] for said in ours(cases)] == [2, 2, 1]
    assert [said[0] for said in theirs(etc, cases)] == [0, 0, 0]


# --- dispersion ---


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes of ours, with a dispersion.conf beside the rings."""
    made = Cluster(tmp_path_factory.mktemp("dispersion") / "cluster", nodes=3, devices=1)
    (made.directory / "etc" / "dispersion.conf").write_text(
        f"[dispersion]\nauth_url = {made.auth_url}\nauth_user = test:tester\nauth_key = testing\n"
        f"swift_dir = {made.directory / 'etc'}\ndispersion_coverage = 2\nretries = 0\nconcurrency = 4\n"
    )
    try:
        yield made.start()
    finally:
        made.remove()


# Their tools get a token through python-swiftclient, which the peer's virtualenv lacks, or else through code that fails
# on Python 3: this much of the library is all they use of it.
SWIFTCLIENT = """
import http.client
from urllib.parse import urlsplit
def get_auth(url, user, key, **options):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    connection.request("GET", parts.path, headers={"X-Auth-User": user, "X-Auth-Key": key})
    headers = connection.getresponse().headers
    return headers["X-Storage-Url"], headers["X-Auth-Token"]
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a dispersion tool of one side: ``run("ours", "report", "-j")``."""
    etc = cluster.directory / "etc"
    (tmp_path / "swiftclient.py").write_text(SWIFTCLIENT)
    path = f"{tmp_path}:{CHECKOUT}"
    monkeypatch.setenv("PYTHONPATH", path)

    def run(side: str, tool: str, *options: str) -> subprocess.CompletedProcess[str]:
        if side == "theirs":
            return peer.run(etc, f"swift-dispersion-{tool}", *options, etc / "dispersion.conf")
        command = [sys.executable, PROGRAMS / f"swiftlite-dispersion-{tool}", *options, etc / "dispersion.conf"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)

    return run


def name_of(database: Path) -> str:
    """A container's name, as its database says."""
    with sqlite3.connect(database) as connection:
        return connection.execute("SELECT container FROM container_info").fetchone()[0]


PROGRESS = re.compile(r"(Creating|Querying) \w+: \d+ of \d+, ")
"""Of a line that is written over; a tool that takes less than two seconds shows none."""


def told(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines that stay, without how long it took."""
    lines = [
        line.removeprefix("\x1b[K") for line in done.stdout.split("\n")
    ]  # as text, a carriage return ends one, too
    return [re.sub(r", \d+[smh], ", ", 0s, ", line) for line in lines if not PROGRESS.match(line)]


def test_both_cover_the_same_partitions(cluster: Cluster, run: Run) -> None:
    first = told(run("ours", "populate"))
    connection = cluster.connection()
    made = [
        [container["name"] for container in connection.get_account()[1]],
        [found["name"] for found in connection.get_container("dispersion_objects_0")[1]],
    ]
    assert len(made[1]) == 20
    assert told(run("theirs", "populate")) == first
    assert made == [
        [container["name"] for container in connection.get_account()[1]],
        [found["name"] for found in connection.get_container("dispersion_objects_0")[1]],
    ]


def test_both_report_the_same(cluster: Cluster, run: Run) -> None:
    run("ours", "populate", "--no-overlap")
    cluster.files("objects/**/*.data")[0].unlink()
    databases = cluster.files("containers/**/*.db")
    next(path for path in databases if name_of(path) != "dispersion_objects_0").unlink()  # of that nobody reports
    mine, other = (told(run(side, "report")) for side in ("ours", "theirs"))
    none_missing = [line for line in other if "missing 0 copies" in line]
    assert mine == [line for line in other if line not in none_missing]
    assert sum("missing 1 copy" in line for line in mine) == 2
    as_json = [run(side, "report", "-j", "-p") for side in ("ours", "theirs")]
    assert "\x1b" not in as_json[0].stdout and "\x1b" in as_json[1].stdout
    figures = [json.loads(done.stdout.rpartition("\x1b[K")[2]) for done in as_json]
    assert figures[0] == {kind: {k: v for k, v in of.items() if k != "missing_0"} for kind, of in figures[1].items()}
    assert figures[0]["object"]["missing_1"] == 1
    assert len(none_missing) == sum("missing_0" in of for of in figures[1].values()) == 1
    lacking = [sorted(done.stderr.split("\n")) for done in as_json]
    assert lacking[0] == lacking[1]
    assert sum(line.startswith("# ") for line in lacking[0]) == 2


# --- drive-audit ---

THEIR_ERRORS = """
import datetime, logging, re, types
from swift.cli import drive_audit

class Then(datetime.datetime):
    @classmethod
    def now(cls):
        return cls.fromisoformat(argument["now"])

drive_audit.datetime = types.SimpleNamespace(datetime=Then, timedelta=datetime.timedelta)
patterns = [re.compile(text) for text in argument["patterns"]]
answer = drive_audit.get_errors(patterns, argument["files"], argument["minutes"], logging.getLogger(), "utf-8")
"""


@pytest.mark.parametrize("time_format", ["%b %d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.000001+00:00"])
@pytest.mark.parametrize("minutes", [30, 90, 100000])
def test_both_count_the_same_errors(etc: Path, tmp_path: Path, time_format: str, minutes: int) -> None:
    now = datetime.now().replace(microsecond=0)
    said = [
        "blk_update_request: I/O error, dev sdb, sector 1",
        "sdc1: rw=1, error=5",
        "usb 1-1: new device",
        "error sdq error",
    ]
    lines = []
    for ago in range(120, 0, -1):
        text = "[    0.000000] Linux version" if ago == 110 else said[ago % 4]
        lines.append(f"{(now - timedelta(minutes=ago, seconds=30)).strftime(time_format)} host kernel: {text}")
    lines[60:60] = ["", "no time at all, error on sdz"] if time_format.startswith("%Y") else []
    (tmp_path / "kern.log").write_text("\n".join(lines) + "\n")
    patterns = error_patterns({})
    argument = {"patterns": [p.pattern for p in patterns], "files": str(tmp_path / "kern.*"), "minutes": minutes}
    argument["now"] = now.isoformat()
    with open(tmp_path / "kern.log", "rb") as file:
        counted = count_errors((line.decode() for line in backward(file)), patterns, now, minutes)
    assert dict(counted) == peer.evaluate(etc, THEIR_ERRORS, argument)
    assert counted["sdb"] > 0
