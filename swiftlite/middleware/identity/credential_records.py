"""Application credentials as records in the store: what a program logs in with instead of its user's password.

The secret is kept as a hash. The id begins with a part of the user's id, so a listing by that prefix gives a user's own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
from dataclasses import asdict, dataclass
from typing import Any

from swiftlite.common.concurrency import ThreadPool
from swiftlite.core.identity_request import Named
from swiftlite.core.json_text import load_json
from swiftlite.middleware.identity.directory import user_id
from swiftlite.middleware.identity.store import Store
from swiftlite.middleware.tempauth.users import User

CONTAINER = "application_credentials"
MOST = 100
"""Application credentials that one user may have."""
LATEST = 9999999999
"""Seconds since the epoch of the last moment at which one may expire: that of any object."""
_IS_ID = re.compile(r"[0-9a-f]{32}").fullmatch
_OWNER_DIGITS = 16
REMEMBERED = 1000
"""Right secrets that one process need not hash again."""


@dataclass(frozen=True)
class CredentialRecord:
    """An application credential."""

    id: str
    name: str
    description: str
    user: str
    """``account:user``."""
    project: str
    """The account."""
    roles: tuple[str, ...] | None
    """None for all that the user has."""
    expires: int
    """Seconds since the epoch; 0 for never."""
    unrestricted: bool
    """Whether its tokens may make and delete application credentials."""
    hash: str
    """Of the secret."""

    def to_json(self) -> bytes:
        """How it is stored."""
        return json.dumps(asdict(self)).encode("ascii")

    @classmethod
    def from_json(cls, body: bytes) -> CredentialRecord | None:
        """Read what is stored; None for what cannot be used."""
        try:
            fields: dict[str, Any] = load_json(body)
            roles = fields["roles"]
            return cls(**{**fields, "roles": None if roles is None else tuple(roles)})
        except (ValueError, TypeError, KeyError):
            return None


def new_id(user: User) -> str:
    """An id for a credential of this user."""
    return user_id(user)[:_OWNER_DIGITS] + os.urandom(_OWNER_DIGITS // 2).hex()


def hash_secret(secret: str, salt: bytes) -> str:
    """The hash that is stored: scrypt, for a user may have chosen a weak secret."""
    data = secret.encode("utf-8", "surrogateescape")
    digest = hashlib.scrypt(data, salt=salt, n=16384, r=8, p=1, dklen=32)
    return base64.b64encode(salt + digest).decode("ascii")


_DECOY = hash_secret("", bytes(16))


class CredentialRecords:
    """Finds, stores and compares them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._secret = os.urandom(32)
        self._verified: dict[bytes, None] = {}
        self._pool = ThreadPool(1)

    def find(self, environ: dict[str, Any], wanted: Named, owner: User | None, now: float) -> CredentialRecord | None:
        """The credential of this id, or of this name and owner; None when there is none or it has expired.

        :raises StoreFailed: when nobody can say
        """
        if wanted.id:
            found = self.get(environ, wanted.id)
        elif owner is not None:
            found = next((record for record in self.list(environ, owner) if record.name == wanted.name), None)
        else:
            found = None
        return found if found and not 0 < found.expires <= now else None

    def get(self, environ: dict[str, Any], identity: str) -> CredentialRecord | None:
        """The credential of this id, expired or not."""
        if not _IS_ID(identity):
            return None
        body = self.store.get(environ, (CONTAINER, identity))
        return CredentialRecord.from_json(body) if body is not None else None

    def list(self, environ: dict[str, Any], owner: User) -> list[CredentialRecord]:
        """All of a user's, in order of id."""
        names = self.store.names(environ, CONTAINER, prefix=user_id(owner)[:_OWNER_DIGITS])
        found = [self.get(environ, name) for name in names]
        return [record for record in found if record is not None and record.user == owner.identity]

    def put(self, environ: dict[str, Any], record: CredentialRecord) -> None:
        """Store one.

        :raises StoreFailed: when it is not safe on disk
        """
        self.store.put(environ, (CONTAINER, record.id), record.to_json(), record.expires or None)

    def hash(self, secret: str) -> str:
        """The hash to store, computed off the event loop."""
        return self._pool.run(hash_secret, secret, os.urandom(16))

    def match(self, record: CredentialRecord | None, secret: str) -> bool:
        """Whether it is the secret of a credential, of none as slowly as of one."""
        stored = record.hash if record else _DECOY
        known = hmac.digest(self._secret, f"{stored} {secret}".encode("utf-8", "surrogateescape"), "sha256")
        if record is not None and known in self._verified:
            return True
        salt = base64.b64decode(stored)[:16]
        is_right = hmac.compare_digest(self._pool.run(hash_secret, secret, salt), stored)
        if record is None or not is_right:
            return False
        if len(self._verified) >= REMEMBERED:
            del self._verified[next(iter(self._verified))]
        self._verified[known] = None
        return True
