"""The client for servers beyond the cluster: names, and TLS that is to be trusted."""

from __future__ import annotations

import datetime
import hashlib
import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.http_server import EchoApp, ServerThread
from fakes.ports import free_port
from swiftlite.http.errors import Address, ConnectFailed, ConnectTimeout
from swiftlite.http.remote import RemoteClient
from swiftlite.http.stream import Stream

x509 = pytest.importorskip("cryptography.x509")


class Digester(http.server.BaseHTTPRequestHandler):
    """Answers a PUT with the MD5 of its body, and as many bytes as that had."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("X-Digest", hashlib.md5(body).hexdigest())
        self.send_header("X-Connection", str(self.client_address[1]))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of ``localhost`` that has signed itself, with its key."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    plain = serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture(scope="module")
def secure_port(certificate: Path) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Digester)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def trusting(certificate: Path) -> Iterator[RemoteClient]:
    client = RemoteClient(60, 60, ssl.create_default_context(cafile=str(certificate)))
    yield client
    client.close()


def test_a_server_is_found_by_its_name() -> None:
    client = RemoteClient(60, 60)
    with ServerThread(EchoApp()) as server:
        response = client.request(("localhost", server.address[1]), "GET", "/x", {})
        assert (response.status, b'"HTTP_HOST": "localhost:' in response.read()) == (200, True)
    client.close()


def test_a_name_that_nobody_has() -> None:
    with pytest.raises(ConnectFailed, match="address"):
        RemoteClient(60, 60).request(("nobody.invalid", 80), "GET", "/", {})


@pytest.mark.parametrize("size", [0, 1, 16384, 16385, 3_000_000])
def test_bodies_pass_both_ways_over_tls(trusting: RemoteClient, secure_port: int, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    connections = set()
    for _ in range(2):
        upload = trusting.open(("localhost", secure_port), "PUT", "/", {"Content-Length": str(size)})
        for start in range(0, size, 70_000):
            upload.send(body[start : start + 70_000])
        response = upload.response()
        assert (response.status, response.read()) == (201, body)
        assert response.headers["X-Digest"] == hashlib.md5(body).hexdigest()
        connections.add(response.headers["X-Connection"])
    assert connections


def test_a_server_that_nobody_vouches_for_is_sent_nothing(secure_port: int) -> None:
    client = RemoteClient(60, 60, ssl.create_default_context())
    with pytest.raises(ConnectFailed, match="certificate verify failed"):
        client.request(("localhost", secure_port), "PUT", "/", {}, b"secret")


def test_a_server_of_another_name_is_sent_nothing(trusting: RemoteClient, secure_port: int) -> None:
    with pytest.raises(ConnectFailed, match=r"127\.0\.0\.1"):
        trusting.request(("127.0.0.1", secure_port), "PUT", "/", {}, b"secret")


def test_a_server_that_speaks_no_tls(trusting: RemoteClient) -> None:
    with ServerThread(EchoApp()) as server, pytest.raises(ConnectFailed, match="TLS"):
        trusting.request(("localhost", server.address[1]), "PUT", "/", {}, b"x")


class Hurried(RemoteClient):
    """Has a minute for a connection, and then a moment for the handshake."""

    def secure(self, stream: Stream, address: Address) -> Stream:
        self.conn_timeout = 0.2
        return super().secure(stream, address)


def test_a_server_that_never_shakes_hands(certificate: Path) -> None:
    client = Hurried(60, 60, ssl.create_default_context(cafile=str(certificate)))
    with socket.create_server(("127.0.0.1", free_port())) as listener, pytest.raises(ConnectTimeout, match="TLS"):
        client.request(("localhost", listener.getsockname()[1]), "PUT", "/", {}, b"x")
