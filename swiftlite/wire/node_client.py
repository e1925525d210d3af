"""The client by which our processes ask storage servers: plain, or over TLS where swift.conf says so."""

from __future__ import annotations

import ssl
from logging import Logger

from swiftlite.common.backend_tls import SECTION, BackendTLS
from swiftlite.common.config import ConfigError
from swiftlite.http.client import Client
from swiftlite.http.tls_contexts import BadTLSFile, FollowingContext, client_context


def node_client(
    backend: BackendTLS, conn_timeout: float, node_timeout: float, log: Logger | None = None, *, debug: bool = False
) -> Client:
    """Make the client of a process.

    :param backend: ``[swift-tls]`` of swift.conf
    :param conn_timeout: seconds to establish a connection
    :param node_timeout: seconds for every wait on one
    :param log: hears of certificates that were exchanged for others of no use
    :param debug: it hears of every request, too, at level DEBUG
    :raises ConfigError: when a certificate is of no use
    """
    return Client(
        conn_timeout,
        node_timeout,
        log=log if debug else None,
        tls=_following(backend, log) if backend.backend_tls else None,
    )


def node_tls(backend: BackendTLS) -> ssl.SSLContext | None:
    """For tools that ask storage servers by other means: what to speak TLS with, or None. Raises ConfigError."""
    return _following(backend, None)() if backend.backend_tls else None


def _following(backend: BackendTLS, log: Logger | None) -> FollowingContext:
    files = (backend.backend_ca_file, backend.backend_cert_file, backend.backend_key_file)
    try:
        return FollowingContext(lambda: client_context(*files), files, log)
    except BadTLSFile as problem:
        raise ConfigError(backend.file, SECTION, f"backend_{problem.option}", str(problem), "correct it") from None
