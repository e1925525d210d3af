"""The certificates that a server shows: whether they can be read, for how long, and whether other nodes believe them."""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping

from swiftlite.cli.cluster_files import certificate_of_file
from swiftlite.cli.findings import ERROR, WARNING, Report
from swiftlite.cli.transport import STORAGE, server_transport
from swiftlite.common import addresses
from swiftlite.common.backend_tls import PLAIN, BackendTLS
from swiftlite.common.config import ConfigError, ServerOptions
from swiftlite.http.tls import spell
from swiftlite.http.tls_contexts import BadTLSFile, client_context
from swiftlite.ring.format import RingData

DAY = 86400.0
DAYS_LEFT = 14
"""A certificate that is good for less is told of; the doctor, who is asked more often, tells sooner."""
NOT_NAMED = (62, 64)
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""


def check_certificates(
    report: Report, program: str, options: ServerOptions, backend: BackendTLS | None, rings: Mapping[str, RingData]
) -> None:
    """Read the certificates that a server shows and believes, and see that other nodes will believe this one's.

    :param program: say ``object-server``
    :param backend: what swift.conf says; None when it cannot be used
    :param rings: those of the data that the server keeps
    """
    backend = backend or PLAIN
    try:
        transport = server_transport(program, options, backend, report.outline.path)
    except ConfigError as error:
        report.add_error(error)
        return
    backend_file = backend.backend_cert_file if backend.is_served else ""
    good = [_check_end(report, path) for path in dict.fromkeys((options.cert_file, backend_file)) if path]
    if transport.tls and program in STORAGE and backend_file and all(good):
        ring_ip = report.outline.value(report.section, "ring_ip") or options.bind_ip
        shown = options.cert_file or backend_file
        for host in ring_hosts(rings.values(), ring_ip, options.bind_port):
            _check_believed(report, shown, transport.tls, backend, host)


def _check_end(report: Report, path: str) -> bool:
    """Tell of a certificate that ends soon, or of one of those above it; whether it has not yet."""
    end = certificate_of_file(path).not_after
    left = (end or 0.0) - time.time()
    if end is None or left > DAYS_LEFT * DAY:
        return True
    date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(end))
    if left <= 0:
        report.add_elsewhere(ERROR, path, f"the certificate has expired, {date}", "put a new one there, and reload")
    else:
        problem = f"the certificate expires in {int(left / DAY)} days, {date}"
        report.add_elsewhere(WARNING, path, problem, "put a new one there, and reload")
    return left > 0


def ring_hosts(rings: Iterable[RingData], ip: str, port: int) -> list[str]:
    """The addresses, or host names, under which rings name the server that listens here: others ask for them.

    :param ip: option ``ring_ip`` or ``bind_ip``
    :raises OSError: when the system does not tell its interfaces
    """
    own = addresses.own_addresses(ip)
    return sorted({host for host, its_port in _places(rings) if its_port == port and addresses.is_own(host, own)})


def _places(rings: Iterable[RingData]) -> Iterator[tuple[str, int]]:
    for ring in rings:
        for device in filter(None, ring.devices):
            yield str(device["ip"]), device["port"]
            yield str(device["replication_ip"]), device["replication_port"]


def _check_believed(report: Report, path: str, server: ssl.SSLContext, backend: BackendTLS, host: str) -> None:
    try:
        client = client_context(backend.backend_ca_file, backend.backend_cert_file, backend.backend_key_file)
        shake_hands(server, client, host)
    except BadTLSFile:  # told of by who would use it
        return
    except ssl.SSLError as error:
        if getattr(error, "verify_code", None) in NOT_NAMED:
            problem = f"the certificate does not name {host}, under which the rings know this node"
            remedy = f"make one with subjectAltName = {_spell(host)}, as doc/tls.md shows"
        else:
            problem = f"other nodes would not believe the certificate for {host}: {spell(error)}"
            remedy = f"make one with the authority of {backend.backend_ca_file}, as doc/tls.md shows"
        report.add_elsewhere(ERROR, path, problem, remedy)


def _spell(host: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(host)}"
    except ValueError:
        return f"DNS:{host}"


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> None:
    """Let a client speak TLS with a server, in memory.

    :param host: whom the client wants to speak with
    :raises ssl.SSLError: when one does not believe the other
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while ends:
        for end in tuple(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                continue
