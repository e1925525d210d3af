"""Signed tokens: what the built-in identity hands out, readable by every proxy that knows the key, stored nowhere.

``idt.<claims>.<signature>``: claims are JSON in URL-safe base64 without padding, the signature is HMAC-SHA256 of all that
stands before it. Any change to any character makes the token another one, which nobody has signed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from swiftlite.core.json_text import load_json

START = "idt."
"""How every such token begins; no reseller prefix may begin so."""

LONGEST = 4096
"""Characters of the longest token that is looked at."""


@dataclass(frozen=True)
class Claims:
    """What a token says; times in whole seconds since the epoch."""

    user: str
    """``account:user``."""
    project: str
    """The account that it is good for; '' for an unscoped token."""
    issued: int
    expires: int
    audit: str
    """Names this token and no other; what is revoked."""
    parent: str
    """The audit id of the login that the token goes back to: of another one, if it was had for a token."""
    entry: str
    """Fingerprint of the user's line in the conf file, see :func:`fingerprint`."""
    methods: tuple[str, ...] = ("password",)
    credential: str = ""
    """Id of the application credential that it was had for."""
    roles: tuple[str, ...] | None = None
    """The only roles that it gives; None for all that the user has."""


def derive_key(secret: bytes) -> bytes:
    """The key of tokens that comes of a secret which has other uses, too."""
    return hmac.digest(secret, b"swiftlite identity: tokens", hashlib.sha256)


def derive_id(kind: str, name: str) -> str:
    """An id that depends on a name alone: the same at every proxy, and after every restart."""
    return hashlib.sha256(f"{kind} {name}".encode("utf-8", "surrogateescape")).hexdigest()[:32]


def fingerprint(key: bytes, words: Sequence[str]) -> str:
    """A short name for what a user's line says; it tells nothing of the password to who has no key."""
    # The lengths keep ("a", "bc") apart from ("ab", "c").
    text = "".join(f"{len(word)}:{word}" for word in words).encode("utf-8", "surrogateescape")
    return _encode(hmac.digest(key, b"entry " + text, hashlib.sha256)[:12])


def sign(key: bytes, claims: Claims) -> str:
    """The token that says so."""
    text = json.dumps(list(asdict(claims).values()), separators=(",", ":"))
    payload = START + _encode(text.encode("ascii"))
    return f"{payload}.{_signature(key, payload)}"


def verify(key: bytes, token: str) -> Claims | None:
    """What a token says; None when it was not signed under this key. Whether it is still good is for others to say.

    :param token: whatever a client has sent
    """
    if len(token) > LONGEST or not token.isascii() or not token.startswith(START):
        return None
    payload, _, signature = token.rpartition(".")
    # Text is compared, not bytes: base64 has several spellings of the same bytes.
    if not hmac.compare_digest(_signature(key, payload), signature):
        return None
    try:
        user, project, issued, expires, audit, parent, entry, methods, credential, roles = load_json(
            base64.urlsafe_b64decode(payload[len(START) :] + "==")
        )
    except (ValueError, TypeError, binascii.Error):  # signed under our key, by a version with other claims
        return None
    return Claims(
        user=user,
        project=project,
        issued=issued,
        expires=expires,
        audit=audit,
        parent=parent,
        entry=entry,
        methods=tuple(methods),
        credential=credential,
        roles=None if roles is None else tuple(roles),
    )


def _signature(key: bytes, payload: str) -> str:
    return _encode(hmac.digest(key, payload.encode("ascii"), hashlib.sha256))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")
