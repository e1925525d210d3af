"""A cluster that speaks TLS with its clients and between its nodes, which have addresses of IPv4 and IPv6."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.certificates import Authority
from functional.cluster import PROGRAMS, Cluster, wait_until
from swiftlite.cli import children

IPS = ("127.0.0.1", "::1", "127.0.0.3")
BIG = os.urandom(1 << 20) * 3
PART = 70_000


class SecureCluster(Cluster):
    """With an authority for clients and another for nodes.

    `certificates` are the files that the servers have been given, which a test may exchange.
    """

    def __init__(self, directory: Path) -> None:
        self.public = Authority(directory / "public")
        self.internal = Authority(directory / "internal")
        proxy = self.public.issue("proxy.pem", "127.0.0.1", "::1", "localhost")
        node = self.internal.issue("node.pem", *IPS)
        super().__init__(
            directory,
            nodes=3,
            devices=1,
            workers=2,
            ips=IPS,
            proxy_ip="::",
            settings={"proxy": {"DEFAULT": {"cert_file": proxy, "hsts_max_age": "600"}}},
            swift_conf={
                "swift-tls": {
                    "backend_tls": "yes",
                    "backend_ca_file": self.internal.ca_file,
                    "backend_cert_file": node,
                }
            },
            tls=self.public.context(),
            backend_tls=self.internal.context(node),
        )

    @property
    def proxy_address(self) -> tuple[str, int]:
        """The proxy listens on everything; clients come by IPv6."""
        return "::1", self.layout.proxy_port

    def reload(self, name: str) -> None:
        """Send a server a SIGHUP."""
        running = self.servers[name].running
        assert running is not None
        running.send_signal(signal.SIGHUP)

    def shown(self, address: tuple[str, int]) -> bytes:
        """The certificate that the server shows there."""
        with socket.create_connection(address, timeout=60) as plain:
            with self.tls.wrap_socket(plain, server_hostname=address[0]) as secure:
                return secure.getpeercert(binary_form=True) or b""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureCluster]:
    made = SecureCluster(tmp_path_factory.mktemp("tls"))
    for server in made.servers.values():
        if server.name == "proxy-server":  # which listens on :: but is asked at ::1
            server.process = children.Process(
                "proxy-server", server.process.program, server.process.conf, made.proxy_address
            )
    try:
        yield made.start()
    finally:
        made.remove()


@pytest.fixture(scope="module")
def connection(cluster: SecureCluster):
    made = cluster.connection(cacert=cluster.public.ca_file)
    made.put_container("c")
    return made


def test_small_and_big_objects(cluster: SecureCluster, connection) -> None:
    url, _ = connection.get_auth()
    assert url.startswith(f"https://[::1]:{cluster.layout.proxy_port}/v1/")
    for name, body in (("small", b"x"), ("big", BIG), ("none", b"")):
        connection.put_object("c", name, body)
        headers, got = connection.get_object("c", name)
        assert got == body
        assert headers["strict-transport-security"] == "max-age=600"
    connection.put_object("c", "chunked", iter([BIG[i : i + PART] for i in range(0, len(BIG), PART)]))
    assert connection.head_object("c", "chunked")["etag"] == hashlib.md5(BIG).hexdigest()
    ranged = connection.get_object("c", "big", headers={"Range": "bytes=1000000-2000000"})[1]
    assert ranged == BIG[1_000_000:2_000_001]
    assert {entry["name"] for entry in connection.get_container("c")[1]} >= {"small", "big", "none", "chunked"}


def test_curl_and_the_swift_command(cluster: SecureCluster, connection, tmp_path: Path) -> None:
    url, token = connection.get_auth()
    (tmp_path / "big").write_bytes(BIG)
    ca, port = cluster.public.ca_file, cluster.layout.proxy_port
    for host in ("[::1]", "127.0.0.1", "localhost"):
        target = f"https://{host}:{port}{url[url.index('/v1/') :]}/c/by-curl"
        curl = ["curl", "-sSf", "--cacert", ca, "-H", f"X-Auth-Token: {token}"]
        subprocess.run([*curl, "-T", str(tmp_path / "big"), target], check=True, timeout=300)
        assert subprocess.run([*curl, target], check=True, timeout=300, capture_output=True).stdout == BIG
    untrusting = subprocess.run(["curl", "-sS", cluster.url], capture_output=True, text=True, timeout=60)
    assert "certificate" in untrusting.stderr
    environment = {**os.environ, "OS_CACERT": ca, "ST_AUTH": cluster.auth_url}
    environment |= {"ST_USER": "test:tester", "ST_KEY": "testing"}
    swift = [sys.executable, "-m", "swiftclient.shell"]
    subprocess.run([*swift, "upload", "c", "big"], check=True, timeout=300, env=environment, cwd=tmp_path)
    got = subprocess.run([*swift, "download", "c", "big", "-o", "-"], env=environment, capture_output=True, timeout=300)
    assert got.stdout == BIG, got.stderr


def test_nodes_serve_nodes_alone(cluster: SecureCluster, tmp_path: Path) -> None:
    own = cluster.servers["object-server-1"].tls
    for node in (1, 2, 3):
        address = cluster.server("object-server", node).address
        assert children.is_healthy(address, 60, own)
        assert children.request(address, "GET", "/healthcheck", timeout=60)[0] == 400  # without TLS
        for stranger in (cluster.internal.context(), cluster.public.context()):
            assert not children.is_healthy(address, tls=stranger)
        stranger = cluster.internal.context()
        stranger.load_cert_chain(Authority(tmp_path / str(node)).issue("x.pem", "::1"))
        assert not children.is_healthy(address, tls=stranger)
        stranger.load_cert_chain(cluster.internal.issue("old.pem", "::1", expired=True))
        assert not children.is_healthy(address, tls=stranger)
    wait_until(
        lambda: "TLS handshake failed" in cluster.servers["object-server-3"].log.read_text(), "a line in the log"
    )


def test_tools_show_their_certificate(cluster: SecureCluster) -> None:
    command = [sys.executable, str(PROGRAMS / "swiftlite-recon"), "object", "--md5", "--validate-servers", "-t60"]
    done = subprocess.run(
        [*command, "--swiftdir", str(cluster.layout.etc)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3/3 hosts" in done.stdout, done.stdout


def test_daemons_speak_it_too(cluster: SecureCluster, connection) -> None:
    """Updaters, ssync, and replicators of databases: to nodes of either family, from nodes of either."""
    for node in (1, 2):
        cluster.server("container-server", node).stop()
    connection.put_object("c", "late", BIG)
    for node in (1, 2):
        cluster.server("container-server", node).start()
    cluster.run_updaters()
    assert not cluster.async_pending()
    for node, other in ((1, 2), (2, 1)):
        lost = cluster.layout.nodes[other - 1].root / "d1"
        before = cluster.files("objects/**/*.data"), cluster.files("containers/**/*.db")
        shutil.rmtree(lost / "objects")
        shutil.rmtree(lost / "containers")
        for kind in ("object-replicator", "container-replicator"):
            cluster.run_once(f"{kind}-{node}")
        assert (cluster.files("objects/**/*.data"), cluster.files("containers/**/*.db")) == before
    cluster.server("object-server", 1).stop()
    cluster.server("container-server", 1).stop()
    try:
        assert connection.get_object("c", "late")[1] == BIG
        assert "late" in {entry["name"] for entry in connection.get_container("c")[1]}
    finally:
        cluster.server("object-server", 1).start()
        cluster.server("container-server", 1).start()


class Load(threading.Thread):
    """Asks for objects, on kept connections and new ones, until it is told to stop."""

    def __init__(self, cluster: SecureCluster) -> None:
        super().__init__()
        self.cluster = cluster
        self.token = cluster.token()
        self.done, self.ended = 0, False
        self.failures: list[object] = []
        self.path = cluster.connection(cacert=cluster.public.ca_file).get_auth()[0].split("/", 3)[3]

    def run(self) -> None:
        while not self.ended:
            connection = http.client.HTTPSConnection(*self.cluster.proxy_address, timeout=60, context=self.cluster.tls)
            connection.used = False
            try:
                self._use(connection)
            except Exception as error:
                self.failures.append(error)
            finally:
                connection.close()

    def _use(self, connection: http.client.HTTPSConnection) -> None:
        for name, wanted in (("small", b"x"), ("big", BIG), ("small", b"x")):
            try:
                connection.request("GET", f"/{self.path}/c/{name}", headers={"X-Auth-Token": self.token})
                response = connection.getresponse()
            except (http.client.RemoteDisconnected, ssl.SSLEOFError, BrokenPipeError, ConnectionResetError):
                if connection.used:
                    return  # One that is kept may go at any time: nothing was answered.
                raise
            connection.used = True
            if response.read() != wanted:
                self.failures.append(response.status)
            self.done += 1
            if response.will_close:
                return


def test_certificates_are_exchanged_under_load(cluster: SecureCluster, connection) -> None:
    connection.put_object("c", "small", b"x")
    connection.put_object("c", "big", BIG)
    loads = [Load(cluster) for _ in range(3)]
    for load in loads:
        load.start()
    try:
        for _ in range(2):
            before, done = cluster.shown(cluster.proxy_address), loads[0].done
            cluster.public.issue("proxy.pem", "127.0.0.1", "::1", "localhost")
            cluster.reload("proxy-server")
            wait_until(lambda: cluster.shown(cluster.proxy_address) != before, "the new certificate is shown")  # noqa: B023
            wait_until(lambda: loads[0].done > done, "requests go on")  # noqa: B023
        cluster.internal.issue("node.pem", *IPS)
        for node in (1, 2, 3):
            cluster.reload(f"object-server-{node}")
        done = loads[0].done
        wait_until(lambda: loads[0].done > done + 6, "requests go on")
    finally:
        for load in loads:
            load.ended = True
        for load in loads:
            load.join()
    assert [load.failures for load in loads] == [[], [], []]


def test_a_certificate_of_no_use_changes_nothing(cluster: SecureCluster, connection) -> None:
    before = cluster.shown(cluster.proxy_address)
    path = Path(cluster.public.directory / "proxy.pem")
    good = path.read_bytes()
    path.write_text("-----BEGIN CERTIFICATE-----\nhalf")
    try:
        log = cluster.servers["proxy-server"].log
        cluster.reload("proxy-server")
        wait_until(lambda: "cannot reload, going on as before" in log.read_text(), "it says that it stays as it was")
        assert "cert_file" in children.last_line(log) or "cert_file" in log.read_text()
        assert cluster.shown(cluster.proxy_address) == before
        assert connection.get_object("c", "small")[1] == b"x"
    finally:
        path.write_bytes(good)


def test_certificates_made_as_the_documentation_says(tmp_path: Path) -> None:
    """Its openssl commands, and its curl command, as they stand there."""
    text = (PROGRAMS.parent / "doc" / "tls.md").read_text()
    for script in re.findall(r"<!-- openssl: [a-z]+ -->\n```sh\n(.*?)```", text, re.DOTALL):
        variables = {**os.environ, "NODE": "node", "IP": "127.0.0.1"}
        subprocess.run(["bash", "-euc", script], cwd=tmp_path, env=variables, check=True, timeout=300)
    assert [path.name for path in tmp_path.glob("*.key") if path.stat().st_mode & 0o077] == []
    files = {name: str(tmp_path / file) for name, file in (("ca", "ca.pem"), ("cert", "node.pem"), ("key", "node.key"))}
    secure = {"backend_tls": "yes", **{f"backend_{name}_file": path for name, path in files.items()}}
    context = ssl.create_default_context(cafile=files["ca"])
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does
    context.load_cert_chain(files["cert"], files["key"])
    made = Cluster(tmp_path / "cluster", swift_conf={"swift-tls": secure}, backend_tls=context)
    server = made.server("object-server")
    try:
        server.start()
        (curl,) = re.findall(r"`(curl --cacert .*?healthcheck)`", text)
        words = curl.replace("10.0.0.1:6200", f"127.0.0.1:{server.address[1]}").split()
        said = subprocess.run([*words, "-sSf"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert said.stdout.strip() == "OK", said.stderr
    finally:
        made.remove()


@pytest.fixture(scope="module")
def on_ipv6(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("ipv6"), devices=3, ips=("::1",), proxy_ip="::1")
    try:
        yield made.start()
    finally:
        made.remove()


def test_a_cluster_on_ipv6_alone(on_ipv6: Cluster) -> None:
    connection = on_ipv6.connection()
    url, _ = connection.get_auth()
    assert url.startswith(f"http://[::1]:{on_ipv6.layout.proxy_port}/v1/")
    connection.put_container("c")
    connection.put_object("c", "first", b"")  # so that the proxy knows the container
    on_ipv6.server("container-server").stop()
    connection.put_object("c", "o", BIG)
    assert on_ipv6.async_pending()
    on_ipv6.server("container-server").start()
    on_ipv6.run_updaters()
    assert not on_ipv6.async_pending()
    for directory in (on_ipv6.devices()[0] / "objects", on_ipv6.devices()[0] / "containers"):
        shutil.rmtree(directory, ignore_errors=True)
    for kind in ("object-replicator", "container-replicator"):
        on_ipv6.run_once(kind)
    assert len(on_ipv6.files("objects/**/*.data")) == 6
    assert connection.get_object("c", "o")[1] == BIG
    assert [entry["name"] for entry in connection.get_container("c")[1]] == ["first", "o"]
    assert " ::1 ::1 " in on_ipv6.servers["proxy-server"].log.read_text(), "the access log names the client"
    assert "Traceback" not in on_ipv6.log_text()
