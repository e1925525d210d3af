"""Whether the nodes of a cluster speak TLS with each other, and with which files: section ``[swift-tls]`` of swift.conf."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from swiftlite.common.config import ConfFile, ConfigError, option, read_options

SECTION = "swift-tls"


@dataclass(frozen=True)
class BackendTLSOptions:
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


@dataclass(frozen=True)
class BackendTLS(BackendTLSOptions):
    """What the section says.

    :ivar file: where it was read, for errors
    """

    file: str = "swift.conf"

    @classmethod
    def read(cls, conf: ConfFile) -> BackendTLS:
        """Read the section of swift.conf.

        :raises ConfigError: when something is missing
        """
        options = cls(
            **asdict(read_options(BackendTLSOptions, conf.section(SECTION), conf.path, SECTION)), file=conf.path
        )
        if options.is_served and not options.backend_ca_file:
            remedy = "name the file of the authority that has signed the nodes' certificates"
            raise ConfigError(conf.path, SECTION, "backend_ca_file", "is not set", remedy)
        return options

    @property
    def is_served(self) -> bool:
        """Whether storage servers speak TLS."""
        return self.backend_tls or self.backend_tls_optional


PLAIN = BackendTLS()
"""Nodes speak without TLS."""
