"""Whether the nodes of a cluster speak TLS with each other, and with which files: section ``[swift-tls]`` of swift.conf."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from swiftlite.common.config import ConfFile, ConfigError, option, read_options

SECTION = "swift-tls"


@dataclass(frozen=True)
class BackendTLS:
    """``[swift-tls]``: the same on every node; what is in the files is each node's own, but for the authority."""

    backend_tls: bool = option(False, "proxies and daemons speak TLS with storage servers, and these with each other")
    backend_tls_optional: bool = option(
        False, "storage servers take requests with and without TLS: for the time in which nodes are changed over"
    )
    backend_ca_file: str = option("", "PEM file of the authority that has signed the nodes' certificates")
    backend_cert_file: str = option(
        "", "PEM file of this node's certificate, which names its addresses in the ring; servers ask others for theirs"
    )
    backend_key_file: str = option("", "PEM file of its private key; none: the key is in backend_cert_file")

    file: str = option("swift.conf", "where this was read, for errors: no option")
    not_in_samples: ClassVar[frozenset[str]] = frozenset({"file"})

    @classmethod
    def read(cls, conf: ConfFile) -> BackendTLS:
        """Read the section of swift.conf.

        :raises ConfigError: when something is missing
        """
        options = read_options(cls, conf.section(SECTION), conf.path, SECTION)
        if options.is_served and not options.backend_ca_file:
            remedy = "name the file of the authority that has signed the nodes' certificates"
            raise ConfigError(conf.path, SECTION, "backend_ca_file", "is not set", remedy)
        return replace(options, file=conf.path)

    @property
    def is_served(self) -> bool:
        """Whether storage servers speak TLS."""
        return self.backend_tls or self.backend_tls_optional


PLAIN = BackendTLS()
"""Nodes speak without TLS."""
