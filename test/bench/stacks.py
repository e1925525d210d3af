"""The measured stacks: OpenStack Swift, swiftlite and nginx, each started, watched and stopped by its process ids."""

from __future__ import annotations

import http.client
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import accounting
import confs
import peer

CHECKOUT = Path(__file__).resolve().parents[2]


class StackError(Exception):
    """A stack cannot run; the text is one line for a person."""


def free_port() -> int:
    """Return a port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def need(program: str, package: str) -> str:
    """Return the path of a program; StackError names the Debian package when it is missing."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if path is None:
        raise StackError(f"{program} is missing: apt-get install {package}")
    return path


class Stack:
    """A set of server processes that serve one address; a subclass says which."""

    name = ""
    key = ""
    """How the command line calls it."""

    def __init__(self, directory: Path, workers: int) -> None:
        self.directory = directory
        self.workers = workers
        self.mark = f"{os.getpid()}-{self.name}"
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.children: list[subprocess.Popen[bytes]] = []
        self.port = 0
        self.start_seconds = 0.0
        self.token = ""
        self.ports: Mapping[str, int] = {}
        directory.mkdir(parents=True)

    def prepare(self) -> None:
        """Write everything the servers read; not counted as start-up."""
        raise NotImplementedError

    def commands(self) -> list[list[str]]:
        """Return the command line of each process to start."""
        raise NotImplementedError

    def wait(self, deadline: float) -> None:
        """Return when the stack has answered a first real request; StackError when it does not before `deadline`."""
        raise NotImplementedError

    def start(self) -> None:
        """Start all processes and wait until they serve; `start_seconds` says how long that took."""
        began = time.monotonic()
        environment = peer.environment({accounting.MARK: self.mark})
        for number, command in enumerate(self.commands()):
            with open(self.directory / f"output-{number}", "wb") as output:
                self.children.append(
                    subprocess.Popen(
                        command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=CHECKOUT
                    )
                )
        self.wait(began + 60)
        self.start_seconds = time.monotonic() - began

    def stop(self) -> None:
        """End every process this stack started, gently and then not."""
        for pid in self.pids():
            _signal(pid, signal.SIGTERM)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and any(child.poll() is None for child in self.children):
            time.sleep(0.05)
        for pid in self.pids():
            _signal(pid, signal.SIGKILL)
        for child in self.children:
            child.wait()
        self.children.clear()

    def pids(self) -> list[int]:
        """Return the ids of all its living processes."""
        return accounting.processes(self.mark, [child.pid for child in self.children if child.poll() is None])

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its processes so far, once they have gone quiet."""
        return accounting.settled_cpu_seconds(self.pids())

    def memory_bytes(self) -> int:
        """Return the proportional set size of all its processes."""
        return accounting.memory_bytes(self.pids())

    def path(self, container: str, name: str) -> str:
        """Return the request path of an object."""
        raise NotImplementedError

    def headers(self) -> dict[str, str]:
        """Return what every request of a client must carry."""
        return {"X-Auth-Token": self.token} if self.token else {}

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"", port: int = 0
    ) -> tuple[int, dict]:
        """Make one request and return its status and headers (lower case names). `port`: not the usual one."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=30)
        try:
            connection.request(method, path, body=body or None, headers={**self.headers(), **(headers or {})})
            answer = connection.getresponse()
            answer.read()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def complaint(self, problem: str) -> StackError:
        """Return an error that ends with the last line a server of this stack printed."""
        lines = [line for path in sorted(self.directory.glob("output-*")) for line in path.read_text().splitlines()]
        return StackError(f"{self.name}: {problem}: {lines[-1] if lines else 'its servers printed nothing'}")


class SwiftStack(Stack):
    """Account, container, object and proxy servers over four device directories; the base of both contestants."""

    use_memcached = False
    listing_consistency = "quorum"
    pipeline = "objects"
    off: tuple[str, ...] = ()

    def __init__(self, directory: Path, workers: int, log_address: Path) -> None:
        super().__init__(directory, workers)
        kinds = confs.SERVERS + (("memcached",) if self.use_memcached else ())
        ports = {kind: free_port() for kind in kinds}
        self.port, self.ports = ports["proxy"], ports
        self.surroundings = confs.Surroundings(
            directory, ports, workers, self.user, log_address, self.listing_consistency, self.pipeline, self.off
        )

    def prepare(self) -> None:
        confs.write(self.surroundings)
        self.write_rings()

    def server_command(self, kind: str, conf: Path) -> list[str]:
        """Return the command line of the server of `kind`."""
        raise NotImplementedError

    def write_rings(self) -> None:
        """Write a ring per kind of storage server into the swift_dir."""
        raise NotImplementedError

    def commands(self) -> list[list[str]]:
        where = self.surroundings.swift_dir
        found = [self.server_command(kind, where / f"{kind}-server.conf") for kind in confs.SERVERS]
        memcached = self.surroundings.ports.get("memcached")
        if memcached:
            program = need("memcached", "memcached")
            found.append([program, "-u", self.user, "-l", "127.0.0.1", "-p", str(memcached), "-m", "64"])
        return found

    def wait(self, deadline: float) -> None:
        status: object = "no answer"
        while time.monotonic() < deadline:
            if any(child.poll() is not None for child in self.children):
                raise self.complaint("a server has ended")
            try:
                if not self.token:
                    asked = {"X-Auth-User": confs.USER, "X-Auth-Key": confs.KEY}
                    status, headers = self.ask("GET", "/auth/v1.0", asked)
                    self.token = headers.get("x-auth-token", "")
                if self.token:
                    status, _ = self.ask("PUT", self.container_path("c"))
                    if status in (201, 202):
                        status, _ = self.ask("PUT", self.path("c", "first"), body=b"first")
                        if status == 201:
                            return
            except OSError as error:
                status = error
            time.sleep(0.02)
        raise self.complaint(f"no successful PUT within a minute, last {status}")

    def container_path(self, container: str) -> str:
        """Return the request path of a container."""
        return f"/v1/{confs.ACCOUNT}/{container}"

    def path(self, container: str, name: str) -> str:
        return f"{self.container_path(container)}/{name}"


class PeerStack(SwiftStack):
    """OpenStack Swift from PyPI, with the memcached it cannot do without."""

    name = "OpenStack Swift"
    use_memcached = True

    def server_command(self, kind: str, conf: Path) -> list[str]:
        return peer.command(self.surroundings.swift_dir, peer.tool(f"swift-{kind}-server"), conf)

    def write_rings(self) -> None:
        program = str(peer.tool("swift-ring-builder"))
        build_rings([str(peer.python()), program], self.surroundings)


class SwiftliteStack(SwiftStack):
    """swiftlite, from this checkout."""

    name = "swiftlite"
    interpreter = sys.executable

    def server_command(self, kind: str, conf: Path) -> list[str]:
        return [self.interpreter, str(CHECKOUT / "bin" / f"swiftlite-{kind}-server"), str(conf)]

    def write_rings(self) -> None:
        build_rings([self.interpreter, str(CHECKOUT / "bin" / "swiftlite-ring-builder")], self.surroundings)


class EventualStack(SwiftliteStack):
    """swiftlite whose listings may lag, as OpenStack Swift's do: what trusted ones cost is the difference."""

    name = "swiftlite, eventual"
    listing_consistency = "eventual"


class FullStack(SwiftliteStack):
    """swiftlite with every filter there is in the pipeline, beside one whose pipeline is shorter."""

    name = "swiftlite, full"
    pipeline = "full"


class SilentStack(SwiftliteStack):
    """swiftlite without metrics and access logs: what those cost is the difference."""

    name = "swiftlite, silent"
    off = ("metrics", "logs")


class LoggedStack(SwiftliteStack):
    """swiftlite without metrics, but with access logs."""

    name = "swiftlite, logs only"
    off = ("metrics",)


class NginxStack(Stack):
    """nginx with WebDAV PUT into a directory: no replicas, no fsync, no listings; the limit of the machine."""

    name = "nginx"

    def prepare(self) -> None:
        self.port = free_port()
        (self.directory / "root" / "c").mkdir(parents=True)
        text = confs.NGINX.format(directory=self.directory, port=self.port, workers=self.workers, user=self.user)
        (self.directory / "nginx.conf").write_text(text)

    def commands(self) -> list[list[str]]:
        log = self.directory / "nginx.log"
        return [[need("nginx", "nginx-light"), "-c", str(self.directory / "nginx.conf"), "-e", str(log)]]

    def wait(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            if self.children[0].poll() is not None:
                break
            try:
                if self.ask("PUT", self.path("c", "first"), body=b"first")[0] in (201, 204):
                    return
            except OSError:
                time.sleep(0.02)
        raise self.complaint("it does not serve")

    def path(self, container: str, name: str) -> str:
        return f"/{container}/{name}"


def build_rings(builder: list[str], surroundings: confs.Surroundings) -> None:
    """Write the three rings with a ring builder, the same commands for either stack.

    `builder`: the command line of a ring builder with OpenStack Swift's grammar.
    """
    for kind in ("account", "container", "object"):
        file = str(surroundings.swift_dir / f"{kind}.builder")
        steps = [["create", str(confs.PART_POWER), str(confs.REPLICAS), "1"]]
        for device in confs.DEVICES:
            steps.append(["add", f"r1z1-127.0.0.1:{surroundings.ports[kind]}/{device}", "100"])
        steps.append(["rebalance", "--seed", "1"])
        for step in steps:
            done = subprocess.run([*builder, file, *step], capture_output=True, text=True)
            # The builder exits with 1 for a warning.
            if done.returncode > 1:
                said = (done.stdout + done.stderr).strip().splitlines()[-1:]
                raise StackError(f"ring builder: {' '.join(step)}: exit {done.returncode}: {said}")


def _signal(pid: int, number: int) -> None:
    """Send a signal to a process that may have ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
