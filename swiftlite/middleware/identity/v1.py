"""Logins of version 1.0, answered as tempauth does, with a token that no cache need hold."""

from __future__ import annotations

from typing import Any

from swiftlite.common.web import Answer
from swiftlite.middleware.identity.authentication import Authentication
from swiftlite.middleware.identity.call import base_url
from swiftlite.middleware.identity.logins import TooManyLogins
from swiftlite.middleware.tempauth.login import Login
from swiftlite.middleware.tempauth.users import User


class V1Login(Login):
    """tempauth's door with our tokens behind it, and a limit on wrong keys."""

    def __init__(self, authentication: Authentication) -> None:
        self.conf = authentication.directory.conf
        self.authentication = authentication

    def match(self, environ: dict[str, Any], user: User | None, identity: str, key: str) -> bool:
        """Whether it is the user's key.

        :raises Answer: 429 when there were too many wrong ones
        """
        try:
            return self.authentication.logins.match(environ, user, identity, key)
        except TooManyLogins as error:
            headers = {"Retry-After": str(error.seconds)}
            raise Answer(429, f"{error}\n", headers=headers, content_type="text/plain") from None

    def issue(self, environ: dict[str, Any], user: User, now: float) -> tuple[str, float]:
        """A token for the user, and when it expires."""
        claims = self.authentication.new_claims(user, user.account, ("password",), now)
        return self.authentication.tokens.issue(claims), claims.expires

    def base(self, environ: dict[str, Any]) -> str:
        """Scheme and host that the client reaches us at."""
        return base_url(environ, self.authentication.options)
