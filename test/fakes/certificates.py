"""Certificates for tests: an authority, and what it has signed, as files."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import trustme

LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)


class Authority:
    """Signs certificates for addresses and names, and writes them into a directory as PEM files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._authority = trustme.CA()
        self.ca_file = str(directory / "ca.pem")
        self._authority.cert_pem.write_to_path(self.ca_file)

    def issue(self, name: str, *identities: str, expired: bool = False, days: int | None = None) -> str:
        """Write a certificate and its key into one file of this name, in one step; return its path.

        :param days: for how many it is good; None: for long
        """
        until = LONG_AGO if expired else None
        if days is not None:
            until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days, hours=1)
        issued = self._authority.issue_cert(*identities, not_after=until, not_before=LONG_AGO if expired else None)
        path = self.directory / name
        path.with_suffix(".new").write_bytes(
            issued.private_key_pem.bytes() + b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        )
        path.with_suffix(".new").rename(path)
        return str(path)

    def context(self, certificate: str = "") -> ssl.SSLContext:
        """What a client that trusts this authority speaks TLS with, showing a certificate if it has one."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if certificate:
            context.load_cert_chain(certificate)
        return context
