"""How an all-in-one asks the servers that it has started itself whether they are well: as their confs want it."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from swiftlite.cli import children
from swiftlite.cli.layout import Process
from swiftlite.common.backend_tls import PLAIN, BackendTLS
from swiftlite.common.conf_lines import DEFAULT
from swiftlite.common.config import ConfFile, ConfigError, ServerOptions, StartError, read_options
from swiftlite.http.proxy_protocol import OF_NOBODY, is_expected_from

TIMEOUT = 1.0
PROXY = "swiftlite-proxy-server"
REFUSALS = ("CERTIFICATE_REQUIRED", "ALERT_HANDSHAKE_FAILURE")
"""What a server says to who shows no certificate, by TLS 1.3 and 1.2."""


@dataclass(frozen=True)
class Way:
    """How one speaks with a server.

    :ivar tls: what TLS is spoken with; None: none is
    :ivar asks_certificate: it serves only who shows a certificate of its clients' authority, and we have none of those
    :ivar preamble: what a connection begins with, before TLS
    """

    tls: ssl.SSLContext | None = None
    asks_certificate: bool = False
    preamble: bytes = b""


def speaks_tls(default: Mapping[str, str]) -> bool:
    """Whether a server speaks TLS with everybody.

    :param default: ``[DEFAULT]`` of its conf
    """
    return bool(default.get("cert_file", "").strip())


def way_to(process: Process) -> Way:
    """How one speaks with a server of this directory.

    :raises StartError: when its conf cannot be read
    """
    conf = ConfFile.load(str(process.conf))
    default = conf.section(DEFAULT)
    preamble = _preamble(conf, process)
    backend = PLAIN if process.program == PROXY else _backend_tls(process.conf.parent)
    if not speaks_tls(default) and not backend.is_served:
        return Way(preamble=preamble)
    # Nothing is verified: the certificate has the name by which clients know the store, and not the address of this
    # machine that the probe goes to. We have started the server there ourselves, and nobody else can be in its place:
    # the port was free before, and its death would have been seen.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if backend.backend_cert_file:  # storage servers ask for one
        with suppress(OSError, ssl.SSLError):  # the server says what is wrong with it
            context.load_cert_chain(backend.backend_cert_file, backend.backend_key_file or None, lambda: b"")
    return Way(context, process.program == PROXY and bool(default.get("client_ca_file", "").strip()), preamble)


def _preamble(conf: ConfFile, process: Process) -> bytes:
    """What a load balancer says that speaks for itself, where a server wants to hear that from this machine."""
    assert process.address
    try:
        options = read_options(ServerOptions, conf.section(DEFAULT), conf.path, DEFAULT)
    except ConfigError:  # the server, which reads the same, tells of it
        return b""
    networks = tuple(map(ipaddress.ip_network, options.proxy_protocol_networks))
    # From an address of this machine to itself one comes from that address.
    is_wanted = options.require_proxy_protocol and is_expected_from(reachable(process.address)[0], networks)
    return OF_NOBODY if is_wanted else b""


def _backend_tls(directory: Path) -> BackendTLS:
    try:
        return BackendTLS.read(ConfFile.load(str(directory / "swift.conf")))
    except StartError:  # the server, which reads the same, tells of it
        return PLAIN


def is_up(process: Process, way: Way) -> bool:
    """Whether a server answers its healthcheck; one that asks for a certificate need only do that."""
    assert process.address
    address = reachable(process.address)
    if way.tls and way.asks_certificate:
        return _asks_certificate(address, way.tls, way.preamble)
    return children.is_healthy(address, TIMEOUT, way.tls, way.preamble)


def _asks_certificate(address: tuple[str, int], tls: ssl.SSLContext, preamble: bytes) -> bool:
    """Whether somebody refuses us for want of a certificate; nothing is said before he does, lest his word be lost."""
    try:
        with socket.create_connection(address, TIMEOUT) as plain:
            plain.sendall(preamble)
            with tls.wrap_socket(plain) as secure:
                secure.recv(1)
    except ssl.SSLError as error:
        return any(alert in (error.reason or "") for alert in REFUSALS)
    except OSError:
        pass
    return False


def reachable(address: tuple[str, int]) -> tuple[str, int]:
    """An address to connect to, for one to listen on."""
    return ({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address[0], address[0]), address[1])
