"""A lab bench: servers of either side, each with its own port, over device directories that both may share."""

from __future__ import annotations

import functools
import os
import pwd
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import quote

from fakes.ports import free_port
from interop import peer

T = TypeVar("T")

PROGRAMS = Path(__file__).resolve().parents[2] / "bin"
SIDES = ("ours", "theirs")
START_TIMEOUT = 120.0
FILTER = re.compile(r"\[filter:(\w+)\]")
PIPELINE = (
    "catch_errors gatekeeper healthcheck proxy-logging cache listing_formats tempauth {filters} "
    "proxy-logging proxy-server"
)

# Both sides take `egg:swift#...`: ours maps it to its own (formats.md 8.4). Servers of tests have more patience with each
# other than by default: all of them are there, but a busy machine may stand still for seconds.
DEFAULT_SECTION = """\
[DEFAULT]
bind_ip = {ip}
bind_port = {port}
workers = 1
user = {user}
swift_dir = {swift_dir}
devices = {devices}
mount_check = false
log_address = /dev/nonexistent
recon_cache_path = {recon}
conn_timeout = 30
node_timeout = 60
"""
STORAGE_SECTIONS = """
[pipeline:main]
pipeline = {kind}-server

[app:{kind}-server]
use = egg:swift#{kind}
"""
OBJECT_SERVER = "container_update_timeout = 60\n"
"""Of the object server: a change is answered when all rows of it are there."""
POST_QUORUM = "post_quorum_timeout = 60\n"
"""Of the proxy: a change is answered when all replicas have it, not only most."""
PROXY_SECTIONS = """
[pipeline:main]
pipeline = {pipeline}

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
{post_quorum}
[filter:catch_errors]
use = egg:swift#catch_errors

[filter:gatekeeper]
use = egg:swift#gatekeeper

[filter:healthcheck]
use = egg:swift#healthcheck

[filter:proxy-logging]
use = egg:swift#proxy_logging

[filter:cache]
use = egg:swift#memcache
memcache_servers = {memcached}
connect_timeout = 30
pool_timeout = 30
io_timeout = 60

[filter:listing_formats]
use = egg:swift#listing_formats

[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
"""


@dataclass(frozen=True)
class Answer:
    """What a server answered; header names in lower case, values as WSGI strs (one character a byte)."""

    status: int
    headers: dict[str, str]
    body: bytes


def _read_answer(stream: BinaryIO, method: str) -> Answer:
    """Read one HTTP answer to its end."""
    status = int(stream.readline().split()[1])
    headers: dict[str, str] = {}
    while line := stream.readline().decode("latin-1").rstrip("\r\n"):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip(" ")
    if method == "HEAD" or status in (204, 304):
        return Answer(status, headers, b"")
    if headers.get("transfer-encoding") != "chunked":
        length = int(headers["content-length"])
        body = stream.read(length)
        assert len(body) == length, f"{length} bytes promised, {len(body)} came"
        return Answer(status, headers, body)
    chunks = []
    while size := int(stream.readline().split(b";")[0], 16):
        chunks.append(stream.read(size))
        stream.readline()
    return Answer(status, headers, b"".join(chunks))


@dataclass
class Server:
    """A running server process and where it listens."""

    address: tuple[str, int]
    process: subprocess.Popen[bytes]
    output: Path

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        query: str = "",
    ) -> Answer:
        """Make one request on a connection of its own. `path`: a native str, quoted here; headers: WSGI strs.

        Python's http.client cannot send or read header names beyond ASCII, which both sides must pass on.
        """
        lines = [f"{method} {quote(path)}{'?' if query else ''}{query} HTTP/1.1", "Host: %s:%d" % self.address]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        lines += ["Connection: close"] if body is None else ["Connection: close", f"Content-Length: {len(body)}"]
        with socket.create_connection(self.address, 60) as connection:
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b""))
            with connection.makefile("rb") as stream:
                return _read_answer(stream, method)

    def stop(self) -> None:
        """End it and its workers."""
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            peer.kill(self.process)


@dataclass
class Lab:
    """Starts servers of either side on `swift_dir`, and ends them all.

    `filters`: sections of the filters that proxies have besides, in the order of the pipeline; before the first one,
    lines of tempauth's.
    """

    swift_dir: Path
    directory: Path
    memcached: str = "127.0.0.1:1"
    filters: str = ""
    servers: list[Server] = field(default_factory=list)

    def devices(self, name: str = "node", count: int = 4) -> Path:
        """Return a directory with device directories d1, d2… in it, made when missing."""
        for number in range(1, count + 1):
            (self.directory / name / f"d{number}").mkdir(parents=True, exist_ok=True)
        return self.directory / name

    def write_conf(self, kind: str, devices: Path, address: tuple[str, int], extra: str = "") -> Path:
        """Write the conf of a server and return its path; `extra`: more sections."""
        path = self.directory / f"{kind}-{address[0]}-{address[1]}.conf"
        recon = self.directory / "recon"
        recon.mkdir(exist_ok=True)
        pipeline = PIPELINE.format(filters=" ".join(FILTER.findall(self.filters)))
        text = (DEFAULT_SECTION + (PROXY_SECTIONS if kind == "proxy" else STORAGE_SECTIONS)).format(
            kind=kind,
            ip=address[0],
            port=address[1],
            user=pwd.getpwuid(os.getuid()).pw_name,
            swift_dir=self.swift_dir,
            devices=devices,
            recon=recon,
            pipeline=pipeline,
            memcached=self.memcached,
            post_quorum=POST_QUORUM,
        )
        path.write_text(text + {"proxy": self.filters, "object": OBJECT_SERVER}.get(kind, "") + extra)
        return path

    def program(self, side: str, name: str) -> list[str]:
        """Return the start of the command line of a daemon, say ``object-server``, of one side."""
        if side == "ours":
            return [sys.executable, str(PROGRAMS / f"swiftlite-{name}")]
        return peer.command(self.swift_dir, peer.tool(f"swift-{name}"))

    def launch(self, side: str, kind: str, devices: Path, address: tuple[str, int] | None = None) -> Server:
        """Start a server of `kind` (object, container, account, proxy) and return at once."""
        address = address or ("127.0.0.1", free_port())
        conf = self.write_conf(kind, devices, address)
        output = conf.with_suffix(".output")
        with open(output, "wb") as stream:
            process = subprocess.Popen(
                [*self.program(side, f"{kind}-server"), str(conf)],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=environment(side),
            )
        server = Server(address, process, output)
        self.servers.append(server)
        return server

    def wait_up(self, servers: Sequence[Server]) -> None:
        """Return when all servers take connections."""

        def is_up(server: Server) -> bool:
            assert server.process.poll() is None, f"{server.output.name}: {server.output.read_text()[-2000:]}"
            try:
                socket.create_connection(server.address, 1).close()
            except OSError:
                return False
            return True

        for server in servers:
            wait_until(functools.partial(is_up, server), f"{server.output.name} listens", START_TIMEOUT)

    def start(self, side: str, kind: str, devices: Path, address: tuple[str, int] | None = None) -> Server:
        """Start a server and return when it takes connections."""
        server = self.launch(side, kind, devices, address)
        self.wait_up([server])
        return server

    def run_once(self, side: str, daemon: str, conf: Path) -> None:
        """Make one pass of a daemon, say ``object-updater``."""
        command = [*self.program(side, daemon), str(conf), "once" if side == "theirs" else "--once", "-v"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment(side))
        # OpenStack Swift's say 0 whatever came of their jobs; ours say 3 when some have failed.
        assert done.returncode in ((0,) if side == "theirs" else (0, 3)), done.stdout + done.stderr

    def stop(self) -> None:
        """End every server."""
        for server in self.servers:
            server.process.terminate()
        for server in self.servers:
            server.stop()
        self.servers.clear()


def environment(side: str) -> dict[str, str]:
    """Return the environment of a daemon; ours is run from the checkout, installed or not."""
    return peer.environment({"PYTHONPATH": str(PROGRAMS.parent)} if side == "ours" else None)


def wait_until(condition: Callable[[], T], what: str, timeout: float = 60.0) -> T:
    """Poll until `condition` returns something true, and return that; fail, naming `what`, after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {timeout:.0f} s: {what}"
        time.sleep(0.02)
    return result
