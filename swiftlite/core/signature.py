"""Signatures of requests that bring no token but prove that they know a key (formats.md 7.21)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable


def container_sync_signature(method: str, path: str, timestamp: str, nonce: str, realm_key: str, user_key: str) -> str:
    """The signature of a request of container sync: HMAC-SHA1 in hex (formats.md 7.21).

    :param path: percent-encoded, without the query
    :param timestamp: the ``X-Timestamp`` as it is sent; ``0`` where there is none
    :param nonce: a text that the sender uses only once
    :param realm_key: the secret that the operators of both clusters share
    :param user_key: the secret that the owners of both containers share
    """
    text = "\n".join((method, path, timestamp, nonce, user_key))
    return hmac.new(_bytes(realm_key), _bytes(text), hashlib.sha1).hexdigest()


def is_one_of(signature: str, expected: Iterable[str]) -> bool:
    """Whether a signature is one of those expected; how long that takes to find out tells nothing about them."""
    shown = _bytes(signature)
    answers = [hmac.compare_digest(shown, _bytes(right)) for right in expected]  # all of them, whichever matches
    return any(answers)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
