"""What a server's connections begin with, from its conf and swift.conf: TLS, a PROXY header, or neither."""

from __future__ import annotations

import ipaddress
import ssl

from swiftlite.common.backend_tls import SECTION, BackendTLS
from swiftlite.common.config import ConfigError, ServerOptions
from swiftlite.http.greeting import Transport
from swiftlite.http.tls_contexts import BadTLSFile, server_context

STORAGE = ("account-server", "container-server", "object-server")


def server_transport(name: str, options: ServerOptions, backend: BackendTLS, path: str) -> Transport:
    """How the server ``name`` is spoken to.

    :param options: ``[DEFAULT]`` of its conf file
    :param path: of that, for errors
    :raises ConfigError: when a file is of no use
    """
    is_backend = name in STORAGE and backend.is_served
    tls = None
    if options.cert_file:
        tls = _own_context(options, path)
    elif is_backend:
        tls = _backend_context(options, backend)
    return Transport(
        tls=tls,
        tls_optional=is_backend and backend.backend_tls_optional,
        expects_proxy=options.require_proxy_protocol,
        proxy_networks=tuple(map(ipaddress.ip_network, options.proxy_protocol_networks)),
    )


def _own_context(options: ServerOptions, path: str) -> ssl.SSLContext:
    try:
        return server_context(
            options.cert_file, options.key_file, options.client_ca_file, options.tls_min_version, options.tls_ciphers
        )
    except BadTLSFile as problem:
        option = "tls_ciphers" if problem.option == "ciphers" else problem.option
        raise ConfigError(path, "DEFAULT", option, str(problem), "correct it") from None


def _backend_context(options: ServerOptions, backend: BackendTLS) -> ssl.SSLContext:
    """For a storage server whose own conf names no certificate: it shows its node's, and asks clients for theirs."""
    if not backend.backend_cert_file:
        remedy = "name this node's certificate there, or in cert_file of the server's own conf"
        raise ConfigError(backend.file, SECTION, "backend_cert_file", "is not set", remedy)
    try:
        return server_context(
            backend.backend_cert_file,
            backend.backend_key_file,
            options.client_ca_file or backend.backend_ca_file,
            options.tls_min_version,
            options.tls_ciphers,
        )
    except BadTLSFile as problem:
        option = "backend_" + problem.option.removeprefix("client_")
        raise ConfigError(backend.file, SECTION, option, str(problem), "correct it") from None
