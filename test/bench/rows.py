"""The rows of the comparison: what each prepares, whom it asks, and what one stack's turn at it measured."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import containers
import stacks
from stacks import Stack, StackError

SMALL, MEDIUM, BIG, GIGABYTE = 1024, 65536, 256 << 20, 1 << 30
SEGMENT, SEGMENTS = 65536, 100
OBJECTS = 128
"""Objects that a GET or HEAD row asks for in turn."""
BIG_CONNECTIONS = 4
DRIVER = Path(__file__).with_name("drive.py")
WRK_SCRIPT = Path(__file__).with_name("wrk.lua")
UPDATED = "/d1/7/AUTH_test/updated"
"""A container at a container server, without a partition of its own: nobody looks for it."""
ROW_HEADERS = (
    ("X-Timestamp", "1700000001.00000"),
    ("X-Size", "0"),
    ("X-Content-Type", "text/plain"),
    ("X-Etag", "d41d8cd98f00b204e9800998ecf8427e"),
)


@dataclass(frozen=True)
class Row:
    """One operation.

    `owed`: how many times fewer CPU-seconds than OpenStack Swift it must need, where that was set. `cycle`: ask for the
    same OBJECTS objects again and again. `span`: bytes of the object that ranges are read from. `listing`: container and
    query of a listing. `also`: stacks besides the two stores that take part. `is_direct`: ask a container server, as
    object servers do, instead of the proxy.
    """

    key: str
    title: str
    method: str
    size: int
    owed: float | None = None
    tool: str = "driver"
    also: tuple[str, ...] = ()
    cycle: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    span: int = 0
    listing: tuple[str, str] | None = None
    is_direct: bool = False

    @property
    def big(self) -> bool:
        """Whether bodies are too large to hold."""
        return self.size >= SEGMENT * SEGMENTS

    @property
    def per_megabyte(self) -> bool:
        """Whether the cost is told by the megabyte instead of by the request."""
        return self.size == BIG

    @property
    def writes_anew(self) -> bool:
        """Whether every request is for an object of its own."""
        return self.method in ("PUT", "DELETE") and not self.cycle


ROWS = (
    Row("put1k", "PUT 1 KiB", "PUT", SMALL, 5, also=("eventual", "silent", "full", "nginx")),
    Row("over1k", "overwrite 1 KiB", "PUT", SMALL, cycle=True),
    Row("get1k", "GET 1 KiB", "GET", SMALL, 8, tool="wrk", also=("silent", "logged", "full", "nginx")),
    Row("head1k", "HEAD 1 KiB", "HEAD", SMALL, 6, cycle=True),
    Row("delete1k", "DELETE 1 KiB", "DELETE", SMALL, 4),
    Row("post", "POST", "POST", 0, cycle=True, headers=(("X-Object-Meta-Color", "blue"),)),
    Row("copy1k", "COPY 1 KiB", "COPY", SMALL, cycle=True, headers=(("Destination", "c/copy-{number}"),)),
    Row("put64k", "PUT 64 KiB", "PUT", MEDIUM, 4, also=("nginx",)),
    Row("get64k", "GET 64 KiB", "GET", MEDIUM, 6, tool="wrk", also=("nginx",)),
    Row(
        "listing",
        "list 100 of 10,000",
        "GET",
        0,
        4,
        tool="wrk",
        also=("eventual",),
        listing=("listed", "limit=100&marker=name-04999"),
    ),
    *(
        Row(
            f"page{limit}{key}",
            f"list {limit:,} of 1,000,000{title}",
            "GET",
            0,
            5,
            tool="wrk",
            listing=("million", f"limit={limit}{query}"),
        )
        for limit in (100, 10_000)
        for key, title, query in (
            ("", "", ""),
            ("middle", ", middle", "&marker=10000/24"),
            ("folders", ", delimiter", "&delimiter=/&marker=05000/"),
        )
    ),
    Row("updates", "row of one container", "PUT", 0, headers=ROW_HEADERS, is_direct=True),
    Row("put256m", "PUT 256 MiB", "PUT", BIG, 1.5, also=("nginx",)),
    Row("get256m", "GET 256 MiB", "GET", BIG, 2, also=("nginx",)),
    Row("ranges", "1 MiB ranges of 1 GiB", "GET", GIGABYTE, span=GIGABYTE),
    Row("slo", "GET SLO of 100 x 64 KiB", "GET", SEGMENT * SEGMENTS),
)


@dataclass
class Measure:
    """What one stack did in all its turns at one row. Times are in seconds."""

    requests: int = 0
    seconds: float = 0.0
    bytes: int = 0
    cpu: float = 0.0
    failed: int = 0
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    turns: list[float] = field(default_factory=list)
    """CPU of a thousand requests in each turn."""

    def add(self, requests: int, seconds: float, size: int, failed: int, percentiles: tuple[float, float]) -> None:
        """Add one turn."""
        self.requests += requests
        self.seconds += seconds
        self.bytes += size
        self.failed += failed
        self.p50.append(percentiles[0])
        self.p99.append(percentiles[1])

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def megabytes_per_second(self) -> float:
        return self.bytes / 1e6 / self.seconds

    @property
    def cpu_per_thousand(self) -> float:
        """CPU-seconds a thousand requests, which is CPU-milliseconds a request."""
        return self.cpu / self.requests * 1000

    @property
    def cpu_ms_per_megabyte(self) -> float:
        return self.cpu * 1000 / (self.bytes / 1e6)

    def cost(self, row: Row) -> float:
        """CPU of the unit this row is told in: a thousand requests, or a megabyte."""
        return self.cpu_ms_per_megabyte if row.per_megabyte else self.cpu_per_thousand


class Driver:
    """Prepares rows on a stack and takes turns at them. `seconds`: length of one turn; `body`: a file of random bytes."""

    def __init__(self, body: Path, seconds: float, connections: int, big_requests: int) -> None:
        self.body = body
        self.seconds = seconds
        self.connections = connections
        self.big_requests = big_requests
        self.turns: dict[tuple[str, str], int] = {}
        self.made: dict[tuple[str, str], int] = {}

    def prepare(self, row: Row, stack: Stack) -> None:
        """Put in place what the row reads or deletes; not measured."""
        if row.listing and isinstance(stack, stacks.SwiftStack):
            containers.fill(stack, row.listing[0])
        elif row.is_direct:
            made, _ = stack.ask("PUT", UPDATED, {"X-Timestamp": "1700000000.00000"}, port=stack.ports["container"])
            if made not in (201, 202):
                raise StackError(f"{stack.name}: PUT of a container at its server: {made}")
        elif row.key == "slo":
            self._expect_clean(self._drive(stack, "PUT", "segment-", SEGMENT, first=0, last=SEGMENTS), "prepare")
            for number in range(BIG_CONNECTIONS):
                put_manifest(stack, f"read{row.size}-{number}")
        elif row.cycle or row.method == "GET":
            count = 1 if row.span else BIG_CONNECTIONS if row.big else OBJECTS
            size = row.size or SMALL
            self._expect_clean(self._drive(stack, "PUT", f"read{size}-", size, first=0, last=count), "prepare")

    def turn(self, row: Row, stack: Stack, measure: Measure) -> None:
        """Take one turn and add it to `measure`, with the CPU the stack's processes used meanwhile and just after."""
        number = self.turns.get((row.key, stack.name), 0)
        self.turns[row.key, stack.name] = number + 1
        prefix = f"put{row.size}-{number}-" if row.writes_anew else f"read{row.size or SMALL}-"
        limits: dict[str, Any] = {"seconds": self.seconds, "headers": {**stack.headers(), **dict(row.headers)}}
        if row.method == "DELETE":
            # What the PUT row made, if it ran.
            made = self.made.pop((stack.name, prefix), 0)
            limits = {"last": made or self._drive(stack, "PUT", prefix, row.size, **limits)["requests"]}
        elif row.cycle:
            limits |= {"last": OBJECTS, "cycle": True}
        elif row.span:
            prefix += "0"
            limits["span"] = row.span
        elif row.big and row.method == "GET":
            limits |= {"last": BIG_CONNECTIONS, "cycle": True}
        elif row.big:
            limits = {"last": self.big_requests}
        if row.is_direct:
            limits |= {"port": stack.ports["container"], "path": f"{UPDATED}/{prefix}"}
        done = measure.requests
        before = stack.cpu_seconds()
        if row.tool == "wrk":
            self._wrk(row, stack, prefix, measure)
        else:
            seen = self._drive(stack, row.method, prefix, row.size if row.method == "PUT" else 0, big=row.big, **limits)
            latencies = sorted(seen["latencies"])
            failed = sum(seen["failures"].values())
            measure.add(seen["requests"], seen["seconds"], seen["bytes"], failed, percentiles(latencies))
            if row.method == "PUT" and row.writes_anew:
                self.made[stack.name, prefix] = seen["requests"]
        used = stack.cpu_seconds() - before
        measure.cpu += used
        measure.turns.append(used / max(1, measure.requests - done) * 1000)
        if row.big and row.method == "PUT":
            self._drive(stack, "DELETE", prefix, 0, last=self.big_requests)

    def _wrk(self, row: Row, stack: Stack, prefix: str, measure: Measure) -> None:
        """Take a turn with wrk."""
        path, count = stack.path("c", prefix), OBJECTS
        if row.listing:
            container, query = row.listing
            path, count = f"{stack.path(container, '')[:-1]}?{query}", 1
        token = stack.headers().get("X-Auth-Token", "")
        command = [stacks.need("wrk", "wrk"), "-t", "1", "-c", str(self.connections), "-d", f"{self.seconds:.0f}s"]
        command += ["-s", str(WRK_SCRIPT), f"http://127.0.0.1:{stack.port}", "--", path, str(count), token]
        done = subprocess.run(command, capture_output=True, text=True)
        results = [line[7:] for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        if done.returncode != 0 or not results:
            raise StackError(f"wrk: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
        seen = json.loads(results[0])
        measure.add(seen["requests"], seen["seconds"], seen["bytes"], seen["failed"], (seen["p50"], seen["p99"]))

    def _drive(self, stack: Stack, method: str, prefix: str, size: int, *, big: bool = False, **limits: Any) -> dict:
        """Run drive.py with a job in container ``c`` and return what it saw."""
        job = {
            "port": stack.port,
            "method": method,
            "prefix": limits.pop("path", None) or stack.path("c", prefix),
            "size": size,
            "body_file": str(self.body),
            "headers": stack.headers(),
            "big": big or size >= BIG,
            "connections": BIG_CONNECTIONS if big or size >= BIG else self.connections,
            **limits,
        }
        done = subprocess.run([sys.executable, str(DRIVER)], input=json.dumps(job), capture_output=True, text=True)
        if done.returncode != 0:
            raise stack.complaint(f"{method} {prefix}: {done.stderr.strip().splitlines()[-1]}")
        return json.loads(done.stdout)

    def _expect_clean(self, seen: dict, what: str) -> None:
        """StackError when requests failed that only prepare something."""
        if seen["failures"]:
            raise StackError(f"{what}: statuses {seen['failures']}")


def percentiles(latencies: list[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile of sorted numbers."""
    return statistics.median(latencies), latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))]


def make_body(path: Path, size: int = BIG) -> None:
    """Write a file of random bytes: no filesystem or link may find them easy."""
    with open(path, "wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))


def put_manifest(stack: Stack, name: str) -> None:
    """PUT a static large object whose segments are there already."""
    segments = [{"path": f"/c/segment-{number}", "size_bytes": SEGMENT} for number in range(SEGMENTS)]
    path = stack.path("c", name) + "?multipart-manifest=put"
    status, _ = stack.ask("PUT", path, body=json.dumps(segments).encode())
    if status != 201:
        raise StackError(f"{stack.name}: PUT of a manifest: {status}")
