"""Passwords against what a conf file holds of them: the password itself, or a hash of it by argon2."""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from typing import Any

from swiftlite.common.concurrency import ThreadPool

LABEL = "{argon2}"
"""May stand before a hash."""

REMEMBERED = 1000
"""Right passwords that one process need not hash again; it keeps a fingerprint of each."""


def is_hashed(stored: str) -> bool:
    """Whether a conf file's word is the hash of a password."""
    return stored.startswith((LABEL, "$argon2"))


def hash_password(password: str) -> str:
    """A word for the conf file.

    :raises ImportError: when argon2-cffi is not installed
    """
    import argon2

    return argon2.PasswordHasher().hash(password)


class Passwords:
    """Compares passwords; for a wrong one and for a user that there is not it takes the same time.

    A hash takes tens of milliseconds: it is computed in a thread of its own, one at a time, and only for the first login
    of a user in each process.

    :param stored: what the conf file holds for each user
    :raises ValueError: when a hash is none, or argon2-cffi is missing
    """

    def __init__(self, stored: Iterable[str]) -> None:
        hashes = [word.removeprefix(LABEL) for word in stored if is_hashed(word)]
        self._decoy = hashes[0] if hashes else None
        self._hasher: Any = _load_hasher(hashes) if hashes else None
        self._verified: dict[bytes, None] = {}
        self._secret = os.urandom(32)
        self._pool = ThreadPool(1)

    def match(self, stored: str | None, given: str) -> bool:
        """Whether the given password is the right one.

        :param stored: the user's word in the conf file; None for a user that there is not
        """
        password = given.encode("utf-8", "surrogateescape")
        if stored is not None and is_hashed(stored):
            return self._match_hash(stored.removeprefix(LABEL), password)
        plain = (stored or "").encode("utf-8", "surrogateescape")
        if hmac.compare_digest(plain, password) and stored:
            return True
        if self._decoy is not None:
            self._match_hash(self._decoy, password)
        return False

    def _match_hash(self, stored: str, password: bytes) -> bool:
        known = hmac.digest(self._secret, stored.encode() + b"\0" + password, "sha256")
        if known in self._verified:
            return True
        if not self._pool.run(self._verify, stored, password):
            return False
        if len(self._verified) >= REMEMBERED:
            del self._verified[next(iter(self._verified))]
        self._verified[known] = None
        return True

    def _verify(self, stored: str, password: bytes) -> bool:
        from argon2.exceptions import VerificationError

        try:
            return bool(self._hasher.verify(stored, password))
        except VerificationError:
            return False


def _load_hasher(hashes: Iterable[str]) -> Any:
    try:
        import argon2  # 5 MB a process: only for those who have hashes
        from argon2.exceptions import InvalidHashError
    except ImportError:
        raise ValueError("the argon2-cffi package is not installed (pip install argon2-cffi)") from None
    for word in hashes:
        try:
            argon2.extract_parameters(word)
        except InvalidHashError:
            raise ValueError("it begins like a hash of argon2, but is none") from None
    return argon2.PasswordHasher()
