"""Tokens: made for who has logged in, read when they come back (see ``core/signed_token``)."""

from __future__ import annotations

import base64
import os
from typing import Any, NamedTuple

from swiftlite.core.signed_token import Claims, fingerprint, sign, verify
from swiftlite.middleware.identity.directory import Directory
from swiftlite.middleware.identity.revocations import Revocations
from swiftlite.middleware.tempauth.users import User

REMEMBERED = 10000
"""Tokens that one process need not verify again."""


class Known(NamedTuple):
    """A token that is signed, and whose user is as the conf file has him; maybe expired or revoked."""

    claims: Claims
    user: User
    groups: str
    """Comma-separated, as tempauth authorises them."""
    names: frozenset[str]
    """By which it may be revoked."""


def credential_name(identity: str) -> str:
    """The name by which all tokens had for an application credential are revoked."""
    return f"credential-{identity}"


def entry_of(user: User, key: bytes) -> str:
    """A fingerprint of all that the conf file says of a user: tokens end when it changes.

    :param key: that signs the token
    """
    return fingerprint(key, [user.identity, user.key, *user.groups, user.url])


def new_audit_id() -> str:
    """A name for a token."""
    return base64.urlsafe_b64encode(os.urandom(16)).decode("ascii").rstrip("=")


class Tokens:
    """Makes tokens and reads them.

    :param keys: the first one signs, each verifies
    """

    def __init__(self, directory: Directory, keys: list[bytes], revocations: Revocations) -> None:
        self.directory = directory
        self.keys = keys
        self.revocations = revocations
        self._known: dict[str, Known] = {}

    def issue(self, claims: Claims) -> str:
        """The token that makes these claims."""
        return sign(self.keys[0], claims)

    def entry(self, user: User) -> str:
        """The fingerprint for a new token."""
        return entry_of(user, self.keys[0])

    def check(self, token: str | None, environ: dict[str, Any], now: float) -> Known | None:
        """Whose token it is; None when it is not ours, has expired, was revoked, or its user has changed.

        :raises RevocationsUnknown: when nobody can say which tokens are revoked
        """
        if not token:
            return None
        known = self._known.get(token) or self._read(token)
        if known is None or known.claims.expires <= now:
            return None
        if not self.revocations.revoked(environ, now).isdisjoint(known.names):
            return None
        return known

    def _read(self, token: str) -> Known | None:
        for key in self.keys:
            claims = verify(key, token)
            if claims is not None:
                return self._known_user(token, claims, key)
        return None

    def _known_user(self, token: str, claims: Claims, key: bytes) -> Known | None:
        user = self.directory.conf.users.get(claims.user)
        if user is None or claims.entry != entry_of(user, key):
            return None
        if claims.project and claims.project not in self.directory.accounts_of(user):
            return None
        names = {claims.audit} | ({credential_name(claims.credential)} if claims.credential else set())
        groups = self.directory.groups_of(user, claims.roles, claims.project)
        known = Known(claims, user, groups, frozenset(names))
        if len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[token] = known
        return known
