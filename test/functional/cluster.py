"""A cluster of real daemons for tests: laid out in a directory, on free loopback ports, each to be killed and restarted."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import swiftclient

from fakes.ports import free_ports
from swiftlite.cli import children, layout
from swiftlite.cli.layout import Layout, Process, StorageNode
from swiftlite.common.command_line import DONE, JOBS_FAILED
from swiftlite.core.hosts import spell_address

T = TypeVar("T")

PROGRAMS = Path(__file__).resolve().parents[2] / "bin"
USERS = {
    "test:tester": "testing .admin",
    "test:tester3": "testing3",
    "test2:tester2": "testing2 .admin",
    "admin:admin": "admin .admin .reseller_admin",
}
# Daemons of tests have nothing else to be considerate of.
AT_FULL_SPEED = {
    "object": {
        "object-updater": {"objects_per_second": "0"},
        "object-auditor": {"files_per_second": "0", "bytes_per_second": "0", "zero_byte_files_per_second": "0"},
    },
    "container": {"container-updater": {"containers_per_second": "0"}},
    "expirer": {"object-expirer": {"tasks_per_second": "0"}},
}
_ANSWERS = {"conn_timeout": "30", "node_timeout": "60"}
PATIENT = {
    "proxy": {"app:proxy-server": {**_ANSWERS, "post_quorum_timeout": "30"}},
    "expirer": {"app:proxy-server": {**_ANSWERS, "post_quorum_timeout": "30"}, "object-expirer": _ANSWERS},
    "object": {
        "app:object-server": {**_ANSWERS, "container_update_timeout": "30"},
        "object-updater": _ANSWERS,
        "object-replicator": _ANSWERS,
    },
    "container": dict.fromkeys(("app:container-server", "container-updater", "container-replicator"), _ANSWERS),
    "account": dict.fromkeys(("account-replicator", "account-reaper"), _ANSWERS),
}
"""Who answers late, on a machine that stands still for seconds, is not taken for dead, and so a change that was answered
has come to all servers that run, to replicas as to listings; a server that was killed refuses connections at once."""
START_TIMEOUT = 120.0
STOP_TIMEOUT = 15.0


def merged(*several: Mapping[str, Mapping[str, Mapping[str, str]]]) -> dict[str, dict[str, dict[str, str]]]:
    """Return settings by kind of server, section and option, of which the later ones count."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for settings in several:
        for kind, sections in settings.items():
            for section, options in sections.items():
                found.setdefault(kind, {}).setdefault(section, {}).update(options)
    return found


def wait_until(condition: Callable[[], T], what: str, timeout: float = 120.0) -> T:
    """Poll until `condition` returns something true, and return that; fail, naming `what`, after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:.0f} s: {what}")
        time.sleep(0.01)


class Server:
    """One daemon of a cluster."""

    def __init__(self, process: Process, log: Path) -> None:
        self.process = process
        self.log = log
        self.running: subprocess.Popen[bytes] | None = None
        self.tls: ssl.SSLContext | None = None
        """How to speak TLS with it."""

    @property
    def name(self) -> str:
        """For example ``object-server-2``."""
        return self.process.name

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self.process.address is not None, f"{self.name} does not listen"
        return self.process.address

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return self.running is not None and self.running.poll() is None

    def launch(self) -> None:
        """Start it and return at once."""
        assert not self.is_running, f"{self.name} runs already"
        self.running = children.start(self.process, self.log, PROGRAMS)

    def wait_up(self) -> None:
        """Return when it answers; fail with its log's end when it does not."""

        def is_up() -> bool:
            assert self.is_running, f"{self.name} ended: {children.last_line(self.log)}"
            return self.process.address is None or children.is_healthy(self.process.address, tls=self.tls)

        wait_until(is_up, f"{self.name} answers: {children.last_line(self.log)}", START_TIMEOUT)

    def start(self) -> None:
        """Start it and return when it answers."""
        self.launch()
        self.wait_up()

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL, workers and all."""
        if self.running is None:
            return
        self.running.kill()
        self.running.wait()
        if self.process.address:
            # Its workers are killed by the kernel a moment later.
            wait_until(lambda: not children.is_taken(self.address), f"{self.name} lets go of its port")

    def stop(self) -> None:
        """Ask it to end, and wait until it has; kill it when it will not."""
        if self.running is None:
            return
        self.running.terminate()
        try:
            self.running.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()


class Cluster:
    """Real servers over real directories.

    With one node, one server of each kind serves `devices` devices; with more, each node has servers of its own on
    127.0.0.N and its own devices, in a zone of its own. `settings` and `swift_conf` are those of layout.Layout.
    Updaters do not run unless asked: `run_updaters` makes one pass, so that tests decide when. `ips` gives the nodes other
    addresses, `proxy_ip` the proxy; `tls` is how to speak TLS with the proxy, `backend_tls` with the others.
    """

    def __init__(
        self,
        directory: Path,
        *,
        nodes: int = 1,
        devices: int = 4,
        workers: int = 1,
        settings: Mapping[str, Mapping[str, Mapping[str, str]]] | None = None,
        swift_conf: Mapping[str, Mapping[str, str]] | None = None,
        ips: Sequence[str] = (),
        proxy_ip: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
        backend_tls: ssl.SSLContext | None = None,
    ) -> None:
        self.directory = directory
        self.tls = tls
        ips = ips or ["127.0.0.1"] if nodes == 1 else ips or [f"127.0.0.{n}" for n in range(1, nodes + 1)]
        port = free_ports(1 + 3 * nodes)
        names = tuple(f"d{number}" for number in range(1, devices + 1))
        ports = [(first, first + 1, first + 2) for first in range(port + 1, port + 1 + 3 * nodes, 3)]
        self.layout = Layout(
            directory=directory,
            proxy_ip=proxy_ip,
            proxy_port=port,
            nodes=(StorageNode(0, ips[0], ports[0], directory / "devices", names),)
            if nodes == 1
            else tuple(
                StorageNode(n, ips[n - 1], ports[n - 1], directory / "nodes" / str(n), names)
                for n in range(1, nodes + 1)
            ),
            users=USERS,
            workers=str(workers),
            settings=merged(AT_FULL_SPEED, PATIENT, settings or {}),
            swift_conf=swift_conf or {},
        )
        layout.write(self.layout)
        log = directory / "log"
        self.servers = {
            process.name: Server(process, log / f"{process.name}.log") for process in layout.processes(self.layout)
        }
        for name, server in self.servers.items():
            server.tls = tls if name == "proxy-server" else backend_tls

    # ------------------------------------------------------------------------------------------------- life and death

    def start(self) -> Cluster:
        """Start every server, not the updaters, and return when all answer."""
        servers = [server for server in self.servers.values() if server.process.address]
        for server in servers:
            server.launch()
        for server in servers:
            server.wait_up()
        return self

    def stop(self) -> None:
        """End every daemon that runs."""
        running = [server for server in self.servers.values() if server.is_running]
        for server in running:
            assert server.running is not None
            server.running.terminate()
        for server in running:
            server.stop()

    def server(self, kind: str, node: int = 0) -> Server:
        """Return one server, for example ``server("object-server", 2)``; node 0 is the only one."""
        return self.servers[f"{kind}-{node}" if node else kind]

    def remove(self) -> None:
        """Stop, and give the disk space back."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    # -------------------------------------------------------------------------------------------------------- clients

    @property
    def proxy_address(self) -> tuple[str, int]:
        """Where the proxy listens."""
        return self.layout.proxy_ip, self.layout.proxy_port

    @property
    def url(self) -> str:
        """The proxy's URL, without a path."""
        return f"{'http' if self.tls is None else 'https'}://{spell_address(*self.proxy_address)}"

    @property
    def auth_url(self) -> str:
        """Where to get a token."""
        return f"{self.url}/auth/v1.0"

    def connection(self, user: str = "test:tester", **options: Any) -> swiftclient.Connection:
        """Return a python-swiftclient connection of this user, that does not retry unless told to."""
        key = self.layout.users[user].split()[0]
        options.setdefault("retries", 0)
        return swiftclient.Connection(authurl=self.auth_url, user=user, key=key, auth_version="1", **options)

    def token(self, user: str = "test:tester") -> str:
        """Return a fresh token of this user."""
        headers = {"X-Auth-User": user, "X-Auth-Key": self.layout.users[user].split()[0]}
        status, answer = children.request(self.proxy_address, "GET", "/auth/v1.0", headers, 60, self.tls)
        assert status == 200, f"the proxy answers {status} when asked for a token"
        return answer["x-auth-token"]

    # ----------------------------------------------------------------------------------------------- updaters and disks

    def run_once(self, name: str, *arguments: str) -> int:
        """Make one pass of a daemon, for example ``object-updater-2``; `arguments` go to its command line.

        Returns its exit status: 0, or 3 when jobs failed, say because a node is away.
        """
        process = self.servers[name].process
        with open(self.servers[name].log, "ab") as log:
            command = [sys.executable, str(PROGRAMS / process.program), str(process.conf), "--once", *arguments]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=300)
        assert done.returncode in (DONE, JOBS_FAILED), (
            f"{name} ended with {done.returncode}: {children.last_line(self.servers[name].log)}"
        )
        return done.returncode

    def run_updaters(self, kinds: Sequence[str] = ("object-updater", "container-updater")) -> None:
        """Make one pass of every updater: first what objects owe to containers, then what those owe to accounts."""
        for kind in kinds:
            for name in self.servers:
                if name.startswith(kind):
                    self.run_once(name)

    def devices(self) -> list[Path]:
        """Return every device directory."""
        return [node.root / device for node in self.layout.nodes for device in node.devices]

    def files(self, pattern: str) -> list[Path]:
        """Return the files below all devices that match a glob, for example ``objects/**/*.data``."""
        return sorted(path for device in self.devices() for path in device.glob(pattern) if path.is_file())

    def async_pending(self) -> list[Path]:
        """Return the container updates that wait to be delivered, of every policy."""
        return self.files("async_pending*/*/*")

    def log_text(self) -> str:
        """Return what all daemons logged."""
        return "".join(
            server.log.read_text(errors="replace") for server in self.servers.values() if server.log.exists()
        )
