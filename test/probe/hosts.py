"""Host: one machine of a probe cluster, with an address, devices and daemons of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functional.cluster import AT_FULL_SPEED, PROGRAMS, USERS, Server, merged, wait_until
from probe.namespaces import Namespace
from swiftlite.cli import children, layout
from swiftlite.cli.layout import Layout, Process, StorageNode

PROXY_PORT = 8080
PORTS = (6200, 6201, 6202)
"""Those of the object, container and account server, on every host."""
RSYNC_PORT = 873
# One key for all proxies: a token is good at every one.
_TOKENS = {"active_fernet_key_id": "one", "fernet_key_one": "c3dpZnRsaXRlIHByb2JlIGNsdXN0ZXIgMzIgYnl0ZXM="}
# Whoever is not there refuses at once; who answers late lives on a busy machine.
_PATIENCE = {"node_timeout": "30", "conn_timeout": "10"}
_REPLICATOR = {**_PATIENCE, "databases_per_second": "0", "interval": "1"}
SETTINGS: dict[str, dict[str, dict[str, str]]] = {
    "proxy": {
        # Whoever fails is left alone soon, but asked again soon, too; nothing that was learned before may hide a failure.
        "app:proxy-server": {
            **_PATIENCE,
            "error_suppression_limit": "2",
            "error_suppression_interval": "5",
            "recheck_container_existence": "1",
        },
        "filter:tempauth": _TOKENS,
    },
    "object": {
        "DEFAULT": {"workers": "0"},
        "app:object-server": {**_PATIENCE, "container_update_timeout": "10"},
        "object-updater": dict(_PATIENCE),
        "object-replicator": {
            **_PATIENCE,
            "interval": "1",
            "http_timeout": "30",
            "rsync_io_timeout": "30",
            "ring_check_interval": "1",
        },
    },
    "container": {
        "DEFAULT": {"workers": "0"},
        "app:container-server": dict(_PATIENCE),
        "container-replicator": _REPLICATOR,
        "container-updater": dict(_PATIENCE),
    },
    "account": {"DEFAULT": {"workers": "0"}, "account-replicator": _REPLICATOR},
}
_HURRY = {"node_timeout": "2", "conn_timeout": "0.3"}
IN_A_HURRY: dict[str, dict[str, dict[str, str]]] = {
    "proxy": {"app:proxy-server": _HURRY},
    "object": {
        "app:object-server": {**_HURRY, "container_update_timeout": "0.3"},
        "object-updater": _HURRY,
        "object-replicator": {**_HURRY, "http_timeout": "1", "rsync_io_timeout": "2"},
    },
    "container": {"app:container-server": _HURRY, "container-replicator": _HURRY, "container-updater": _HURRY},
    "account": {"account-replicator": _HURRY},
}
"""Settings of a cluster whose hosts are taken off the net: what is sent to them is lost, and each request waits for it. On a
busy machine any host may seem to be away then."""


@dataclass(frozen=True)
class Place:
    """Where a host stands, and what it has."""

    region: int
    zone: int
    devices: tuple[str, ...] = ("d1", "d2")
    proxy: bool = False


class _InNamespace(Server):
    """A daemon that lives in a host's namespace."""

    def __init__(self, process: Process, log: Path, namespace: Namespace) -> None:
        super().__init__(process, log)
        self.namespace = namespace

    def launch(self) -> None:
        with self.namespace.inside():
            super().launch()

    def wait_up(self) -> None:
        with self.namespace.inside():
            super().wait_up()

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL, with all that it started."""
        if self.running is None:
            return
        if self.is_running:
            os.killpg(self.running.pid, signal.SIGKILL)
        with self.namespace.inside():
            super().kill()


class _RsyncDaemon(_InNamespace):
    """An rsync daemon, started as our own daemons are."""

    def launch(self) -> None:
        command = ["rsync", "--daemon", "--no-detach", f"--config={self.process.conf}"]
        with self.namespace.inside():
            self.running = children.spawn(command, self.log)

    def wait_up(self) -> None:
        with self.namespace.inside():
            wait_until(lambda: children.is_taken(self.address), f"{self.name} listens: {children.last_line(self.log)}")


class Host:
    """One machine: its conf files, rings and swift.conf in a directory of its own, its daemons in its namespace.

    :param layout_: as `make_layout` makes it
    """

    def __init__(self, number: int, place: Place, namespace: Namespace, layout_: Layout) -> None:
        self.number = number
        self.place = place
        self.namespace = namespace
        self.layout = layout_
        log = layout_.directory / "log"
        found = [p for p in layout.processes(layout_) if p.address and (place.proxy or p.name != "proxy-server")]
        self.servers: dict[str, Server] = {p.name: _InNamespace(p, log / f"{p.name}.log", namespace) for p in found}
        rsync = Process("rsync", "rsync", self.swift_dir / "rsyncd.conf", (self.ip, RSYNC_PORT))
        self.servers["rsync"] = _RsyncDaemon(rsync, log / "rsync.log", namespace)
        self.daemons: dict[str, Server] = {}
        """Those that were started to run on, by name."""

    def __repr__(self) -> str:
        return f"host{self.number}"

    @property
    def ip(self) -> str:
        """Its address."""
        return self.layout.nodes[0].ip

    @property
    def swift_dir(self) -> Path:
        """Its copy of swift.conf and the rings, and its conf files."""
        return self.layout.etc

    @property
    def root(self) -> Path:
        """The directory of its devices."""
        return self.layout.nodes[0].root

    def write(self, swift_conf: str) -> None:
        """Write all that it reads, the rings apart; make its devices."""
        for directory in (self.swift_dir, self.layout.directory / "log", *map(self.device, self.place.devices)):
            directory.mkdir(parents=True, exist_ok=True)
        (self.swift_dir / "swift.conf").write_text(swift_conf)
        for path, conf in layout.confs(self.layout):
            layout.write_private(path, layout.render(conf))
        (self.swift_dir / "rsyncd.conf").write_text(self._rsyncd_conf())

    def _rsyncd_conf(self) -> str:
        options = ["uid = root", "gid = root", "use chroot = no", f"address = {self.ip}", f"port = {RSYNC_PORT}"]
        options += [f"log file = {self._log('rsync')}"]
        for module in layout.STORAGE_KINDS:
            lock = self.layout.directory / f"{module}.lock"
            options += [f"[{module}]", f"path = {self.root}", "read only = no", f"lock file = {lock}"]
        return "\n".join(options) + "\n"

    # ---------------------------------------------------------------------------------------------------- life and death

    def launch(self) -> None:
        """Start its servers and return at once."""
        for server in self.servers.values():
            server.launch()

    def wait_up(self) -> None:
        """Return when all its servers answer."""
        for server in self.servers.values():
            server.wait_up()

    def start(self) -> None:
        """Start its servers and return when all answer."""
        self.launch()
        self.wait_up()

    def kill(self) -> None:
        """SIGKILL to everything that runs on it, what daemons started included."""
        for server in (*self.servers.values(), *self.daemons.values()):
            server.kill()
        self.daemons.clear()
        for pid in self._others():
            _kill(pid)
        wait_until(lambda: not self._others(), f"all of {self} has ended")

    def _others(self) -> list[int]:
        return [pid for pid in self.namespace.pids() if pid != os.getpid()]

    def stop_daemons(self) -> None:
        """End what was started with `start_daemon`; the servers go on."""
        for daemon in self.daemons.values():
            daemon.stop()
        self.daemons.clear()

    def reload_proxy(self) -> None:
        """Let its proxy, if it runs, start anew with the conf and rings of now; it refuses nobody meanwhile.

        Returns when the workers that know the old ones have ended.
        """
        proxy = self.servers.get("proxy-server")
        if proxy and proxy.is_running:
            assert proxy.running is not None
            old = _children(proxy.running.pid)
            proxy.running.send_signal(signal.SIGHUP)
            wait_until(lambda: not old & _children(proxy.running.pid), f"{proxy.name} has new workers")

    def start_daemon(self, name: str) -> Server:
        """Start a daemon that makes pass after pass, for example ``object-replicator``."""
        daemon = _InNamespace(self._process(name), self._log(name), self.namespace)
        daemon.start()
        self.daemons[name] = daemon
        return daemon

    def _process(self, name: str) -> Process:
        kind = name.partition("-")[0]
        return Process(name, f"swiftlite-{name}", layout.conf_path(self.layout, kind, self.layout.nodes[0]), None)

    def _log(self, name: str) -> Path:
        return self.layout.directory / "log" / f"{name}.log"

    def launch_pass(self, name: str, *arguments: str) -> Pass:
        """Start one pass of a daemon; `arguments` go to its command line."""
        process = self._process(name)
        command = [sys.executable, str(PROGRAMS / process.program), str(process.conf), "--once", *arguments]
        with self.namespace.inside():
            return Pass(self, name, children.spawn(command, self._log(name)), self._log(name))

    def run(self, program: str, *arguments: str) -> str:
        """Run one of our tools on it, for example ``object-relinker``; return what it prints. It must succeed."""
        return self.namespace.run([sys.executable, str(PROGRAMS / f"swiftlite-{program}"), *arguments])

    def rsync_calls(self, module: str) -> int:
        """How often something was sent to it by rsync, so far."""
        return self._log("rsync").read_text().count(f"rsync to {module}/")

    # ------------------------------------------------------------------------------------------------------------ disks

    def device(self, name: str) -> Path:
        """The directory of a device."""
        return self.root / name

    def devices(self) -> list[str]:
        """The names of the devices that are there."""
        return sorted(path.name for path in self.root.iterdir() if path.is_dir())

    def unmount(self, name: str) -> None:
        """Take a device away, with what is on it: servers answer 507 for it."""
        self.device(name).rename(self._shelf(name))

    def mount(self, name: str) -> None:
        """Bring a device back that was taken away."""
        self._shelf(name).rename(self.device(name))

    def empty(self, name: str) -> None:
        """Put a new, empty disk in the place of a device, whether that is still there or was taken away."""
        if self.device(name).exists():
            # First out of sight, as a whole: nobody shall write into a directory that is being removed.
            self.unmount(name)
        shutil.rmtree(self._shelf(name), ignore_errors=True)
        self.device(name).mkdir()

    def _shelf(self, name: str) -> Path:
        return self.layout.directory / f"unmounted-{name}"


@dataclass
class Pass:
    """One pass of a daemon, under way."""

    host: Host
    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait(self, timeout: float = 300.0) -> None:
        """Return when it has ended well; fail, with the end of its log, when it did not."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise AssertionError(f"{self.name} on {self.host} is not done within {timeout:.0f} s") from None
        assert status in (0, 3), f"{self.name} on {self.host} ended with {status}: {children.last_line(self.log)}"


def make_layout(directory: Path, number: int, ip: str, place: Place, settings: Mapping[str, Any]) -> Layout:
    """The layout of one host: what it would be for a cluster of this one alone, its rings apart.

    :param settings: options by server kind and section, over those that all hosts have
    """
    root = directory / "devices"
    node = StorageNode(0, ip, PORTS, root, place.devices)
    return Layout(
        directory, ip, PROXY_PORT, (node,), USERS, workers="1", settings=merged(AT_FULL_SPEED, SETTINGS, settings)
    )


def _children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
