"""Signatures of requests that bring no token but prove that they know a key (formats.md 7.18, 7.21)."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import NamedTuple

DIGESTS = ("sha1", "sha256", "sha512")
"""The hash functions of temporary URLs and forms."""
DEPRECATED_DIGESTS = ("sha1",)

_BY_LENGTH = {2 * hashlib.new(name, usedforsecurity=False).digest_size: name for name in DIGESTS}
_is_hex = re.compile("[0-9A-Fa-f]+").fullmatch
_is_base64 = re.compile("[0-9A-Za-z+/]+").fullmatch
_LONGEST = 128
"""Characters of the longest signature: a SHA-512 in hex."""


class ShownSignature(NamedTuple):
    """A signature as a client shows it: the name of its hash function, its bytes in hex."""

    digest: str
    hex: str


def read_signature(text: str) -> ShownSignature:
    """The signature in ``<hex>``, whose length tells the hash function, or ``<function>:<base64, either alphabet>``.

    :raises ValueError: when it is neither
    """
    name, colon, encoded = text.partition(":")
    if len(encoded or name) > _LONGEST:
        raise ValueError("A signature is too long.")
    if not colon:
        if not _is_hex(text) or len(text) not in _BY_LENGTH:
            raise ValueError("A signature is no hash in hex.")
        return ShownSignature(_BY_LENGTH[len(text)], text)
    if "+" not in encoded and "/" not in encoded:
        encoded = encoded.replace("-", "+").replace("_", "/")
    encoded = encoded.rstrip("=")
    if not _is_base64(encoded):
        raise ValueError("A signature is no base64.")
    return ShownSignature(name, binascii.a2b_base64(encoded + "=" * (-len(encoded) % 4)).hex())


def temp_url_signature(digest: str, key: str, method: str, expires: int, path: str, ip_range: str | None = None) -> str:
    """The signature of a temporary URL, in hex (formats.md 7.18).

    :param digest: one of DIGESTS
    :param expires: seconds since 1970
    :param path: decoded, as native text: ``/v1/<account>/<container>/<object>``, or ``prefix:`` and so on
    :param ip_range: the addresses that may use it; the signed text begins with them, for a path may hold line ends
    """
    lines = (method, str(expires), path)
    return _signature(digest, key, lines if not ip_range else (f"ip={ip_range}", *lines))


def form_signature(digest: str, key: str, path: str, fields: Iterable[str]) -> str:
    """The signature of a form, in hex (formats.md 7.18).

    :param path: to which it is sent, decoded, as native text
    :param fields: the values of ``redirect``, ``max_file_size``, ``max_file_count`` and ``expires``
    """
    return _signature(digest, key, (path, *fields))


def container_sync_signature(method: str, path: str, timestamp: str, nonce: str, realm_key: str, user_key: str) -> str:
    """The signature of a request of container sync: HMAC-SHA1 in hex (formats.md 7.21).

    :param path: percent-encoded, without the query
    :param timestamp: the ``X-Timestamp`` as it is sent; ``0`` where there is none
    :param nonce: a text that the sender uses only once
    :param realm_key: the secret that the operators of both clusters share
    :param user_key: the secret that the owners of both containers share
    """
    return _signature("sha1", realm_key, (method, path, timestamp, nonce, user_key))


def is_one_of(signature: str, expected: Iterable[str]) -> bool:
    """Whether a signature is one of those expected; how long that takes to find out tells nothing about them."""
    shown = _bytes(signature)
    answers = [hmac.compare_digest(shown, _bytes(right)) for right in expected]  # all of them, whichever matches
    return any(answers)


def _signature(digest: str, key: str, lines: Iterable[str]) -> str:
    return hmac.digest(_bytes(key), _bytes("\n".join(lines)), digest).hex()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
