"""What /metrics answers: the numbers in memory, those of the processes, and what else a server looks up, as text."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import swiftlite
from swiftlite.common import metrics
from swiftlite.common.metric_memory import MetricMemory
from swiftlite.common.metrics import FAMILIES, MEMORY, SECONDS, SUM_AT, Family

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Sample(NamedTuple):
    """A number that was just found out, and the values of its family's labels."""

    family: Family
    value: float
    labels: tuple[str, ...] = ()


Source = Callable[[], Iterable[Sample]]
"""Finds numbers out."""


def exposition(
    server: str, sources: Sequence[Source], accept: str, others: Iterable[tuple[str, MetricMemory]] = ()
) -> tuple[str, bytes]:
    """Content type and body of an answer.

    :param server: name of the server or daemon, a label of all series
    :param sources: what to ask besides the memory
    :param accept: the header, by which Prometheus chooses a format
    :param others: programs that are told of, too: their names and memories
    """
    # Here, since it costs 40 ms and some memory, which a server that nobody asks can do without.
    from prometheus_client.exposition import choose_encoder

    encode, content_type = choose_encoder(accept)
    return content_type, encode(_Collected(list(_families(server, sources, others))))  # type: ignore[arg-type]


class _Collected:
    """A registry of prometheus_client's kind, of families that are made already."""

    def __init__(self, families: list[Any]) -> None:
        self._families = families

    def collect(self) -> list[Any]:
        return self._families


def _families(server: str, sources: Sequence[Source], others: Iterable[tuple[str, MetricMemory]]) -> Iterator[Any]:
    found: dict[str, list[tuple[tuple[str, ...], Sequence[float]]]] = {}

    def collect(name: str, samples: Iterable[Sample]) -> None:
        for family, value, labels in samples:
            found.setdefault(family.name, []).append(((name, *labels), [value]))

    for name, memory in ((server, MEMORY), *others):
        for series, numbers in memory.read():
            found.setdefault(series.name, []).append(((name, *series.labels), numbers))
        collect(name, processes(memory))
    for source in sources:
        collect(server, source())
    for name, family in FAMILIES.items():
        if name in found:
            yield _family(family, found[name])


def _family(family: Family, found: list[tuple[tuple[str, ...], Sequence[float]]]) -> Any:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    makers = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}
    made: Any = makers[family.kind](family.name, family.help, labels=("server", *family.labels))
    now = time.time()
    for labels, numbers in found:
        values = [label.encode("utf-8", "replace").decode() for label in labels]
        if family.kind == "histogram":
            made.add_metric(values, _cumulated(numbers), numbers[SUM_AT])
        elif family is metrics.NODE_LIMITED:
            made.add_metric(values, float(numbers[0] > now))
        else:
            made.add_metric(values, numbers[0])
    return made


def _cumulated(numbers: Sequence[float]) -> list[tuple[str, float]]:
    """Buckets as Prometheus has them: each with all that is below its end."""
    total, buckets = 0.0, []
    for place, end in enumerate((*SECONDS, float("inf"))):
        total += numbers[place]
        buckets.append((str(end) if end != float("inf") else "+Inf", total))
    return buckets


# The processes --------------------------------------------------------------------------------------------------------


def processes(memory: MetricMemory) -> Iterator[Sample]:
    """What the kernel says of a server's processes: those that have a page of the memory."""
    yield Sample(metrics.BUILD_INFO, 1, (swiftlite.__version__, platform.python_version()))
    pids = sorted(set(memory.owners().values()))
    stats = {pid: stat for pid in pids if (stat := _stat(pid)) is not None}
    yield Sample(metrics.PROCESSES, len(stats))
    yield Sample(metrics.RESIDENT, sum(stat.resident for stat in stats.values()))
    own = sum(stat.cpu for stat in stats.values())
    yield Sample(metrics.CPU, own + sum(stat.children_cpu for stat in stats.values()))
    yield Sample(metrics.START_TIME, memory.made_at)
    yield Sample(metrics.OPEN_FILES, max((count for pid in stats if (count := _open_files(pid))), default=0))
    yield Sample(metrics.OPEN_FILES_LIMIT, _open_files_limit(stats))
    yield Sample(metrics.MEMORY_FILL, memory.fill)


class _Stat(NamedTuple):
    """Of a process: seconds of CPU time, its own and of the children it has reaped; bytes."""

    cpu: float
    children_cpu: float
    resident: int


def _stat(pid: int) -> _Stat | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None  # it has ended this moment
    user, system, children_user, children_system = map(int, fields[11:15])
    return _Stat(
        (user + system) / TICKS,
        (children_user + children_system) / TICKS,
        int(fields[21]) * PAGE,
    )


def _open_files(pid: int) -> int:
    """How many descriptors a process has; 0 where the kernel tells only root, since it has changed its user."""
    try:
        return len(os.listdir("/proc/self/fd" if pid == os.getpid() else f"/proc/{pid}/fd"))
    except OSError:
        return 0


def _open_files_limit(pids: Collection[int]) -> int:
    """How many descriptors one of these processes may have; where the kernel tells only root, how many we may."""
    for pid in pids:
        with contextlib.suppress(OSError):
            return resource.prlimit(pid, resource.RLIMIT_NOFILE)[0]
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
