"""Metrics: all that a process counts and measures, each declared once; ``doc/metrics.md`` is made of these tables.

A family with labels has a series for each set of their values. What is counted at every request takes the place of its
series once (:meth:`Family.place`) and writes there; what is rare says ``FAMILY.add(1, label…)``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

from swiftlite.common.metric_memory import COUNTER, MAX, SUM, WORST, MetricMemory

MEMORY = MetricMemory()
"""Of this process and its relatives."""
FAMILIES: dict[str, Family] = {}
"""All families by name, in the order of the document."""

COMPUTED = "computed"
"""Not written down by anybody: found out when somebody asks."""
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper ends of a histogram's buckets; one more has no end."""
SUM_AT = len(SECONDS) + 1
HISTOGRAM_SIZE = SUM_AT + 1
"""Places: buckets, each with what fell into it alone, and the sum."""


@dataclass(frozen=True)
class Family:
    """Series that measure the same.

    :ivar kind: counter, gauge or histogram
    :ivar where: who has it, for the document
    :ivar how: processes' numbers are put together; see ``metric_memory``
    """

    name: str
    help: str
    labels: tuple[str, ...]
    kind: str
    where: str
    how: str

    def __post_init__(self) -> None:
        FAMILIES[self.name] = self

    def place(self, *labels: str) -> int:
        """Where in ``MEMORY.values`` the series of these values is; of a histogram, its first bucket."""
        size = HISTOGRAM_SIZE if self.kind == "histogram" else 1
        return MEMORY.place(self.how, self.name, labels, size)

    def add(self, amount: float, *labels: str) -> None:
        """Count more."""
        place = self.place(*labels)
        MEMORY.values[place] += amount

    def set(self, value: float, *labels: str) -> None:
        """Say what it is now, as far as this process knows."""
        place = self.place(*labels)
        MEMORY.values[place] = value

    def get(self, *labels: str) -> float:
        """What this process has written."""
        place = self.place(*labels)  # First: it may make the memory larger.
        return MEMORY.values[place]


def _counter(name: str, help: str, where: str, *labels: str) -> Family:
    return Family(name, help, labels, "counter", where, COUNTER)


def _histogram(name: str, help: str, where: str, *labels: str) -> Family:
    return Family(name, help, labels, "histogram", where, COUNTER)


def _gauge(name: str, help: str, where: str, *labels: str, how: str = COMPUTED) -> Family:
    return Family(name, help, labels, "gauge", where, how)


# Requests -------------------------------------------------------------------------------------------------------------

SERVERS = "every server"
REQUESTS = _counter(
    "swiftlite_requests_total",
    "Requests answered; status 499: the client left before it had the answer",
    SERVERS,
    *("method", "status"),
)
REQUEST_SECONDS = _histogram(
    "swiftlite_request_seconds", "From a request's head to the end of its answer", SERVERS, "method"
)
RECEIVED = _counter("swiftlite_received_bytes_total", "Bytes of request bodies", SERVERS, "method")
SENT = _counter("swiftlite_sent_bytes_total", "Bytes of answers' bodies", SERVERS, "method")
IN_FLIGHT = _gauge("swiftlite_requests_in_flight", "Requests that are being answered now", SERVERS, how=SUM)
LOOP_LAG = _gauge(
    "swiftlite_event_loop_lag_seconds",
    "How late the event loop of the slowest worker was last: much of it, and something blocks",
    SERVERS,
    how=WORST,
)

# Backends -------------------------------------------------------------------------------------------------------------

PROXY = "proxy server"
BACKEND_REQUESTS = _counter(
    "swiftlite_backend_requests_total",
    "Answers of storage servers of a kind (account, container, object) to this proxy; status 507: a device is away or full",
    PROXY,
    *("kind", "method", "status"),
)
BACKEND_SECONDS = _histogram(
    "swiftlite_backend_request_seconds",
    "From a request to a storage server to the head of its answer",
    PROXY,
    *("kind", "method"),
)
NODE_ERRORS = _counter(
    "swiftlite_node_errors_total",
    "Failures of a device (ip:port/device); reason 507: it is away or full, status: another 5xx, silence: no answer",
    PROXY,
    *("node", "reason"),
)
NODE_LIMITED = _gauge(
    "swiftlite_node_error_limited",
    "1: a worker of this proxy passes over the device (ip:port/device) for its errors",
    PROXY,
    "node",
    how=MAX,
)
"""In the memory it is until when, in seconds since the epoch: so nobody need note that the time is over."""
HANDOFFS = _counter(
    "swiftlite_handoffs_total", "Nodes asked that are none of a partition's primaries, by ring", PROXY, "ring"
)
QUORUM_FAILURES = _counter(
    "swiftlite_quorum_failures_total",
    "Requests answered 503 by the proxy itself: too few storage servers answered, or agreed",
    PROXY,
    "method",
)
MEMCACHE_ERRORS = _counter("swiftlite_memcache_errors_total", "Failures of a memcached", PROXY, "memcached")

# Storage --------------------------------------------------------------------------------------------------------------

OBJECT = "object server"
STORAGE = "storage servers"
ROW_UPDATES = _counter(
    "swiftlite_row_updates_total",
    "Rows sent to the servers of the level above: taken by all, or left for the updater",
    "object and container server",
    "outcome",
)
QUARANTINED_NOW = _counter(
    "swiftlite_quarantined_total",
    "Things put into quarantine by this server or daemon: objects, containers, accounts",
    "storage servers, replicators, auditors",
    "type",
)
QUARANTINED = _gauge("swiftlite_quarantined", "Things that lie in quarantine", STORAGE, "device", "type")
DEVICE_USABLE = _gauge(
    "swiftlite_device_usable",
    "1: the device is mounted, or need not be (mount_check = false), takes writes, and answers within 2 s; "
    "0, too, for one of the rings that is gone",
    STORAGE,
    "device",
)
DEVICE_SIZE = _gauge("swiftlite_device_size_bytes", "Size of the device's filesystem", STORAGE, "device")
DEVICE_FREE = _gauge("swiftlite_device_free_bytes", "Bytes that may still be written", STORAGE, "device")
DEVICE_INODES = _gauge(
    "swiftlite_device_inodes", "Inodes of the device's filesystem; 0: it counts none", STORAGE, "device"
)
DEVICE_INODES_FREE = _gauge("swiftlite_device_free_inodes", "Inodes that are free", STORAGE, "device")
DRIVE_ERRORS = _gauge(
    "swiftlite_drive_errors", "Errors that swiftlite-drive-audit has found in the kernel's log", STORAGE, "device"
)

# What daemons have written into recon caches --------------------------------------------------------------------------

ASYNC_PENDING = _gauge(
    "swiftlite_async_pending", "Container updates that waited after the object updater's last pass", OBJECT
)
ASYNC_OLDEST = _gauge(
    "swiftlite_async_pending_oldest_seconds",
    "Age of the oldest update that the last pass could not deliver; 0: there was none",
    OBJECT,
)
UPDATER_LAST = _gauge(
    "swiftlite_updater_last_timestamp_seconds", "When the object updater has last ended a pass", OBJECT
)
UPDATER_SECONDS = _gauge(
    "swiftlite_updater_pass_seconds", "How long the updater's last pass took", "object and container server"
)
REPLICATION_LAST = _gauge(
    "swiftlite_replication_last_timestamp_seconds",
    "When the replicator has last ended a pass; device: where each has a process of its own",
    STORAGE,
    "device",
)
REPLICATION_SECONDS = _gauge(
    "swiftlite_replication_pass_seconds", "How long the replicator's last pass took", STORAGE, "device"
)
REPLICATION_COUNT = _gauge(
    "swiftlite_replication_last_pass",
    "What the replicator's last pass did, by the names of recon's replication_stats",
    *(STORAGE, "device", "count"),
)
AUDITOR_LAST = _gauge(
    "swiftlite_auditor_report_timestamp_seconds",
    "When what the auditor last reported was begun; pass: ALL reads all, ZBF sizes and metadata only",
    *(STORAGE, "device", "pass"),
)
AUDITOR_COUNT = _gauge(
    "swiftlite_auditor_last_report",
    "What the auditor last reported: passed, failed (databases); passes, errors, quarantined, bytes_processed (objects)",
    *(STORAGE, "device", "pass", "count"),
)
EXPIRER_SECONDS = _gauge("swiftlite_expirer_pass_seconds", "How long the expirer's last pass took", OBJECT)
EXPIRER_COUNT = _gauge("swiftlite_expirer_last_pass_objects", "Objects that the expirer's last pass deleted", OBJECT)
FAILED_PASSES = _gauge(
    "swiftlite_failed_passes",
    "Passes of the daemon that have failed since one did not; absent: the last did not, or was more than a day ago",
    STORAGE,
    "daemon",
)

# Daemons --------------------------------------------------------------------------------------------------------------

DAEMONS = "every daemon (option metrics_port)"
PASSES = _counter("swiftlite_daemon_passes_total", "Passes ended, of a device where each has its own", DAEMONS)
PASS_LAST = _gauge(
    "swiftlite_daemon_last_pass_timestamp_seconds", "When a pass has last ended; 0: none has yet", DAEMONS, how=MAX
)
PASS_SECONDS = _counter("swiftlite_daemon_pass_seconds_total", "How long all passes took", DAEMONS)
WORK = _counter(
    "swiftlite_daemon_work_total", "What the daemon has done, by the words of its log's summaries", DAEMONS, "what"
)
EXPIRER_QUEUE = _gauge(
    "swiftlite_expirer_queue_objects",
    "Rows in those containers of the expirer's queue whose time had come when its pass began",
    "object expirer",
    how=SUM,
)

# The cluster's files --------------------------------------------------------------------------------------------------

RING_INFO = _gauge(
    "swiftlite_ring_info", "1, for each ring file: its MD5, to be the same everywhere", SERVERS, "ring", "md5"
)
RING_VERSION = _gauge("swiftlite_ring_version", "Version that the builder has given the ring", SERVERS, "ring")
RING_MODIFIED = _gauge("swiftlite_ring_modified_timestamp_seconds", "When the ring file was written", SERVERS, "ring")
RING_DEVICES = _gauge("swiftlite_ring_devices", "Devices in the ring that have a weight", SERVERS, "ring")
RING_PARTITIONS = _gauge("swiftlite_ring_partitions", "Partitions of the ring", SERVERS, "ring")
RING_REPLICAS = _gauge("swiftlite_ring_replicas", "Replicas of a partition, on average", SERVERS, "ring")
RING_BALANCE = _gauge(
    "swiftlite_ring_balance_percent",
    "How far the device that is furthest off is from the share of partitions that its weight asks for",
    *(SERVERS, "ring"),
)
CONF_INFO = _gauge(
    "swiftlite_conf_info", "1, for swift.conf: its MD5, to be the same everywhere", SERVERS, "file", "md5"
)
SECRET_INFO = _gauge(
    "swiftlite_hash_secret_info",
    "1, with a fingerprint of the hash secret that the server runs with, to be the same everywhere",
    *(SERVERS, "fingerprint"),
)

# Processes ------------------------------------------------------------------------------------------------------------

ALL = "every server and daemon"
BUILD_INFO = _gauge("swiftlite_build_info", "1, with the versions of swiftlite and Python", ALL, "version", "python")
START_TIME = _gauge("swiftlite_start_timestamp_seconds", "When it was started; a reload is no start", ALL)
LOG_LINES_LOST = _counter(
    "swiftlite_log_lines_lost_total", "Log lines that syslog or the journal did not take, and nobody will see", ALL
)
PROCESSES = _gauge("swiftlite_processes", "Processes: workers, and their master", ALL)
RESIDENT = _gauge("swiftlite_resident_bytes", "Memory of all processes; what they share is counted for each", ALL)
CPU = _counter("swiftlite_cpu_seconds_total", "CPU time of all processes, of those that have ended, too", ALL)
OPEN_FILES = _gauge("swiftlite_open_files", "Open descriptors of the process that has most", ALL)
OPEN_FILES_LIMIT = _gauge("swiftlite_open_files_limit", "How many one process may have", ALL)
MEMORY_FILL = _gauge(
    "swiftlite_metrics_memory_ratio", "How full the memory of these numbers is; at 1 no new series are written", ALL
)

_process_name = "server"


BEGIN_AT_ZERO: dict[str, tuple[tuple[Family, tuple[str, ...]], ...]] = {
    "proxy-server": tuple((QUORUM_FAILURES, (method,)) for method in ("GET", "HEAD", "PUT", "POST", "DELETE")),
    "object-server": ((ROW_UPDATES, ("taken",)), (ROW_UPDATES, ("left",)), (QUARANTINED_NOW, ("objects",))),
    "container-server": ((ROW_UPDATES, ("taken",)), (ROW_UPDATES, ("left",)), (QUARANTINED_NOW, ("containers",))),
    "account-server": ((QUARANTINED_NOW, ("accounts",)),),
}
"""Series that are there before anything has happened: else nobody would see that the first of its kind is one more."""


def begin(name: str) -> None:
    """Begin to count as a server or daemon, which this process and its children are: the label ``server`` of all series."""
    global _process_name
    _process_name = name
    LOG_LINES_LOST.add(0)
    for family, labels in BEGIN_AT_ZERO.get(name, ((PASSES, ()), (PASS_SECONDS, ()), (PASS_LAST, ()))):
        family.add(0, *labels)


def process_name() -> str:
    """What :func:`begin` was told."""
    return _process_name


KNOWN_METHODS = frozenset(
    ("GET", "HEAD", "PUT", "POST", "DELETE", "COPY", "OPTIONS", "REPLICATE", "SSYNC", "UPDATE", "LINK")
)


def method_label(method: str) -> str:
    """A request's method as a label: whatever clients make up is one series."""
    return method if method in KNOWN_METHODS else "other"


class RequestCounter:
    """Counts the requests of an HTTP server: a :class:`swiftlite.http.server.Observer`."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, int], tuple[int, int, int, int]] = {}
        self._in_flight = IN_FLIGHT.place()

    def began(self) -> None:
        """A request has come."""
        MEMORY.values[self._in_flight] += 1

    def ended(self, method: str, status: int, seconds: float, received: int, sent: int) -> None:
        """It is answered, or its client has left; bytes are those of the bodies."""
        try:
            count, histogram, bytes_in, bytes_out = self._places[method, status]
        except KeyError:
            count, histogram, bytes_in, bytes_out = self._find(method, status)
        values = MEMORY.values
        values[self._in_flight] -= 1
        values[count] += 1
        values[histogram + bisect_left(SECONDS, seconds)] += 1
        values[histogram + SUM_AT] += seconds
        if received:
            values[bytes_in] += received
        if sent:
            values[bytes_out] += sent

    def lagged(self, seconds: float) -> None:
        """So much later than it had asked for was a green thread woken."""
        LOOP_LAG.set(seconds)

    def _find(self, method: str, status: int) -> tuple[int, int, int, int]:
        label = method_label(method)
        places = (
            REQUESTS.place(label, str(status)),
            REQUEST_SECONDS.place(label),
            RECEIVED.place(label),
            SENT.place(label),
        )
        if method == label:  # the others are not worth a memory that clients can fill
            self._places[method, status] = places
        return places


class BackendCounter:
    """Counts a proxy's requests to storage servers; told by ``http.client.Client`` of each answer."""

    KINDS = ("account", "container", "object")

    def __init__(self) -> None:
        self._places: dict[tuple[int, str, int], tuple[int, int]] = {}

    def __call__(self, method: str, path: str, status: int, seconds: float) -> None:
        """An answer has begun to come.

        :param path: of the request: ``/device/partition/account[/container[/object]][?query]``
        """
        depth = (path.partition("?")[0] if "?" in path else path).count("/")
        try:
            count, histogram = self._places[depth, method, status]
        except KeyError:
            kind = self.KINDS[min(max(depth, 3), 5) - 3]
            places = BACKEND_REQUESTS.place(kind, method, str(status)), BACKEND_SECONDS.place(kind, method)
            count, histogram = places
            if depth <= 5:
                self._places[depth, method, status] = places
        values = MEMORY.values
        values[count] += 1
        values[histogram + bisect_left(SECONDS, seconds)] += 1
        values[histogram + SUM_AT] += seconds


def count_pass(counts: Mapping[str, int], seconds: float, now: float) -> None:
    """Count what a daemon's pass has done.

    :param counts: by the words of the log's summary
    :param now: seconds since the epoch
    """
    PASSES.add(1)
    PASS_LAST.set(now)
    PASS_SECONDS.add(seconds)
    for what, count in counts.items():
        WORK.add(count, what)
