"""Which certificates a server shows and believes, and what is said of those of no use."""

from __future__ import annotations

import ssl
from ipaddress import ip_network
from pathlib import Path

import pytest
import trustme

from fakes.certificates import Authority
from swiftlite.cli.transport import server_transport
from swiftlite.common.backend_tls import PLAIN, BackendTLS
from swiftlite.common.config import ConfFile, ConfigError, ServerOptions, read_options
from swiftlite.http.greeting import Transport
from swiftlite.wire.node_client import node_client, node_tls


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> str:
    return authority.issue("server.pem", "127.0.0.1")


def transport(name: str = "proxy-server", backend: BackendTLS = PLAIN, **texts: str) -> Transport:
    options = read_options(ServerOptions, texts, "server.conf", "DEFAULT")
    return server_transport(name, options, backend, "server.conf")


def test_without_options_connections_are_plain() -> None:
    assert not transport()


def test_a_certificate_of_the_servers_own(certificate: str) -> None:
    tls = transport(cert_file=certificate).tls
    assert tls is not None
    assert (tls.verify_mode, tls.minimum_version) == (ssl.CERT_NONE, ssl.TLSVersion.TLSv1_2)
    modern = transport(cert_file=certificate, tls_min_version="1.3").tls
    assert modern is not None
    assert modern.minimum_version == ssl.TLSVersion.TLSv1_3


def test_key_and_certificate_in_files_of_their_own(tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    assert transport(cert_file=str(tmp_path / "cert.pem"), key_file=str(tmp_path / "key.pem"))


def test_storage_servers_take_those_of_swift_conf_and_the_proxy_does_not(
    authority: Authority, certificate: str
) -> None:
    backend = BackendTLS(True, True, authority.ca_file, certificate)
    for name in ("account-server", "container-server", "object-server"):
        made = transport(name, backend)
        assert made.tls is not None
        assert (made.tls.verify_mode, made.tls_optional) == (ssl.CERT_REQUIRED, True)
    assert not transport("proxy-server", backend)
    own = transport("object-server", backend, cert_file=certificate).tls
    assert own is not None
    assert own.verify_mode == ssl.CERT_NONE


def test_networks_of_balancers() -> None:
    made = transport(require_proxy_protocol="yes", proxy_protocol_networks="10.0.0.0/8, 2001:db8::1")
    assert made.proxy_networks == (ip_network("10.0.0.0/8"), ip_network("2001:db8::1/128"))
    asked = [made.expects_proxy_from(ip) for ip in ("10.1.2.3", "11.1.2.3", "2001:db8::1", "fe80::1%eth0")]
    assert asked == [True, False, True, False]


BAD = {
    "missing": (lambda files: {"cert_file": "/nowhere.pem"}, "cert_file: /nowhere.pem cannot be read"),
    "no certificate": (lambda files: {"cert_file": __file__}, "cert_file: .* hold no usable pair"),
    "another's key": (
        lambda files: {"cert_file": files.issue("a.pem", "a"), "key_file": files.issue("b.pem", "b")},
        "key_file: .* is not that of",
    ),
    "no authority": (
        lambda files: {"cert_file": files.issue("a.pem", "a"), "client_ca_file": __file__},
        "client_ca_file: .* holds no usable certificate",
    ),
    "ciphers": (
        lambda files: {"cert_file": files.issue("a.pem", "a"), "tls_ciphers": "ROT13"},
        "tls_ciphers: OpenSSL knows no cipher",
    ),
    "version": (lambda files: {"tls_min_version": "1.1"}, "tls_min_version: '1.1' does not fit"),
    "networks": (lambda files: {"proxy_protocol_networks": "ten"}, "proxy_protocol_networks: 'ten' does not fit"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_of_no_use_is_told_by_option(authority: Authority, name: str) -> None:
    make, said = BAD[name]
    with pytest.raises(ConfigError, match=rf"server.conf \[DEFAULT\] {said}"):
        transport(**make(authority))


def test_an_encrypted_key_asks_nobody(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    issued = trustme.CA().issue_cert("127.0.0.1")
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    kind = serialization.BestAvailableEncryption(b"secret")
    form = serialization.PrivateFormat.PKCS8
    sealed = key.private_bytes(serialization.Encoding.PEM, form, kind)
    (tmp_path / "both.pem").write_bytes(sealed + issued.cert_chain_pems[0].bytes())
    with pytest.raises(ConfigError, match="key_file: the key is encrypted"):
        transport(cert_file=str(tmp_path / "both.pem"))


def read_backend(tmp_path: Path, text: str) -> BackendTLS:
    path = tmp_path / "swift.conf"
    path.write_text(text)
    return BackendTLS.read(ConfFile.load(str(path)))


def test_swift_conf(tmp_path: Path) -> None:
    assert not read_backend(tmp_path, "[swift-hash]\n").is_served
    with pytest.raises(ConfigError, match=r"\[swift-tls\] backend_ca_file: is not set"):
        read_backend(tmp_path, "[swift-tls]\nbackend_tls = yes\n")
    backend = read_backend(tmp_path, "[swift-tls]\nbackend_tls_optional = yes\nbackend_ca_file = /ca.pem\n")
    assert (backend.backend_tls, backend.is_served) == (False, True)
    with pytest.raises(ConfigError, match=r"swift.conf \[swift-tls\] backend_cert_file: is not set"):
        transport("object-server", backend)


def test_clients_of_nodes(authority: Authority, certificate: str) -> None:
    assert node_client(PLAIN, 1, 1).tls is None
    assert node_tls(PLAIN) is None
    # While nodes are changed over, servers take both, and nobody speaks it yet.
    assert node_client(BackendTLS(False, True, authority.ca_file, certificate), 1, 1).tls is None
    context = node_tls(BackendTLS(True, False, authority.ca_file, certificate))
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    with pytest.raises(ConfigError, match=r"\[swift-tls\] backend_ca_file: /nowhere cannot be read"):
        node_client(BackendTLS(True, False, "/nowhere", certificate), 1, 1)
