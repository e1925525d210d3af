"""TLS contexts from files: what a server shows and demands, what a client of our nodes shows and believes."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Sequence
from typing import Any

from swiftlite.common.config import CIPHERS

MIN_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class BadTLSFile(Exception):
    """A certificate, key or cipher list cannot be used.

    :ivar option: which of the arguments it was
    """

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(problem)
        self.option = option


def server_context(
    cert_file: str, key_file: str = "", client_ca_file: str = "", min_version: str = "1.2", ciphers: str = CIPHERS
) -> ssl.SSLContext:
    """What a server speaks TLS with.

    Args:
        cert_file: PEM: its certificate, then those between that and the authority's.
        key_file: PEM: the private key, without a passphrase; empty: it is in ``cert_file``, too.
        client_ca_file: PEM: only clients with a certificate of one of these authorities are served; empty: all are.
        min_version: a key of MIN_VERSIONS.
        ciphers: OpenSSL's list for TLS 1.2.

    Raises:
        BadTLSFile
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _set_up(context, min_version, ciphers)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    _show(context, cert_file, key_file)
    if client_ca_file:
        _believe(context, client_ca_file, "client_ca_file")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(ca_file: str, cert_file: str = "", key_file: str = "") -> ssl.SSLContext:
    """What a client of our own nodes speaks TLS with: it believes the authorities of ``ca_file`` alone.

    The certificate of a server has to name the IP address (or host name) that the ring gives. Arguments otherwise as for
    ``server_context``, ``cert_file`` empty for a client that shows none. Raises BadTLSFile.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # It checks certificates, and the names in them.
    _set_up(context, "1.2", CIPHERS)
    _believe(context, ca_file, "ca_file")
    if cert_file:
        _show(context, cert_file, key_file)
    return context


def _set_up(context: ssl.SSLContext, min_version: str, ciphers: str) -> None:
    context.minimum_version = MIN_VERSIONS[min_version]
    try:
        context.set_ciphers(ciphers)
    except ssl.SSLError:
        raise BadTLSFile("ciphers", f"OpenSSL knows no cipher of {ciphers!r}") from None


def _show(context: ssl.SSLContext, cert_file: str, key_file: str) -> None:
    for option, path in (("cert_file", cert_file), ("key_file", key_file)):
        _check_readable(option, path)
    try:
        context.load_cert_chain(cert_file, key_file or None, _no_passphrase)
    except BadTLSFile:
        raise
    except (OSError, ValueError) as error:
        if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            raise BadTLSFile("key_file", f"the key of {key_file or cert_file} is not that of {cert_file}") from None
        raise BadTLSFile("cert_file", f"{cert_file} and {key_file or 'no key_file'} hold no usable pair") from None


def _no_passphrase() -> bytes:
    raise BadTLSFile("key_file", "the key is encrypted, and there is nobody to ask for the passphrase")


def _believe(context: ssl.SSLContext, ca_file: str, option: str) -> None:
    _check_readable(option, ca_file)
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ValueError):
        raise BadTLSFile(option, f"{ca_file} holds no usable certificate") from None


def _check_readable(option: str, path: str) -> None:
    try:
        if path:
            with open(path, "rb"):
                pass
    except OSError as error:
        raise BadTLSFile(option, f"{path} cannot be read: {error.strerror}") from None


class FollowingContext:
    """A context that is made anew when one of its files has changed: call it for the present one.

    Files that are of no use, say because half of them are exchanged, are told of once; the context stays as it was.

    Args:
        make: makes it; raises BadTLSFile.
        files: what it is made of.
        log: hears of files that cannot be used (``error``); None: nobody does.

    Raises:
        BadTLSFile: the first time.
    """

    def __init__(self, make: Callable[[], ssl.SSLContext], files: Sequence[str], log: Any = None) -> None:
        self._make = make
        self._files = [path for path in files if path]
        self._log = log
        self._stamp = self._look()
        self._context = make()

    def __call__(self) -> ssl.SSLContext:
        """Return the context of the files as they are now."""
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._context = self._make()
            except BadTLSFile as problem:
                if self._log is not None:
                    self._log.error("TLS goes on with the certificates of before: %s", problem)
        return self._context

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(path) for path in self._files]


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
