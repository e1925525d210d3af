"""Login: the requests below /auth/, which trade a user's key for a token and a storage URL (formats.md 7.9)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from swiftlite.common.passwords import Passwords
from swiftlite.common.statsd import Statsd
from swiftlite.common.web import Answer, HTTPBadRequest, HTTPMethodNotAllowed, HTTPNotFound, HTTPOk, HTTPUnauthorized
from swiftlite.core.names import quote_wsgi, split_path, str_to_wsgi, wsgi_to_str
from swiftlite.middleware.tempauth.tokens import Tokens
from swiftlite.middleware.tempauth.users import TempAuthConf, User

WRONG_KEY = "The user or the key is wrong: X-Auth-User says account:user, X-Auth-Key that user's key."
"""Told for all that may be wrong with them, so that nobody learns which users there are."""


class Login:
    """Answers ``GET /auth/v1.0``, ``/auth/auth`` and ``/auth/v1/<account>/auth``.

    :param statsd: hears of those who are turned away; None: nobody does
    """

    statsd: Statsd | None = None

    def __init__(self, conf: TempAuthConf, tokens: Tokens, passwords: Passwords, statsd: Statsd | None = None) -> None:
        self.conf = conf
        self.tokens = tokens
        self.passwords = passwords
        self.statsd = statsd

    def note(self, name: str) -> None:
        """Count something."""
        if self.statsd is not None:
            self.statsd.increment(name)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            answer = self._answer(environ)
        except Answer as refusal:
            answer = refusal
        if answer.status_code == 401:
            self.note("token_denied")
        elif answer.status_code >= 400:
            self.note("errors")
        body: Iterable[bytes] = answer(environ, start_response)
        return body

    def _answer(self, environ: dict[str, Any]) -> Answer:
        if environ["REQUEST_METHOD"] != "GET":
            return HTTPMethodNotAllowed(headers={"Allow": "GET"})
        try:
            rest = environ["PATH_INFO"][len(self.conf.options.auth_prefix) - 1 :]
            version, account, word = split_path(rest, 1, 3, rest_with_last=True)
        except ValueError:
            return HTTPNotFound()
        if version == "v1" and account and word == "auth":
            return self._login(environ, *_account_login(environ, account))
        if version in ("v1.0", "auth"):
            return self._login(environ, *_plain_login(environ))
        return HTTPBadRequest()

    def _login(self, environ: dict[str, Any], account: str, name: str, key: str) -> Answer:
        """Trade a key for a token; the three are WSGI strings, empty where missing."""
        if not (account and name and key):
            return _refusal(account)
        identity = wsgi_to_str(f"{account}:{name}")
        user = self.conf.users.get(identity)
        if not self.match(environ, user, identity, wsgi_to_str(key)) or user is None:
            return _refusal(account)
        environ.setdefault("swift.access_logging", {})["user_id"] = user.identity
        now = time.time()
        token, expires = self.issue(environ, user, now)
        return HTTPOk(
            b"",
            headers={
                "X-Auth-Token": token,
                "X-Storage-Token": token,
                "X-Auth-Token-Expires": str(int(expires - now)),
                "X-Storage-Url": str_to_wsgi(self.conf.storage_url(user, self.base(environ))),
            },
        )

    def match(self, environ: dict[str, Any], user: User | None, identity: str, key: str) -> bool:
        """Whether it is the user's key.

        :param identity: ``account:user`` as sent; ``user`` is None when there is none
        """
        return self.passwords.match(user.key if user else None, key)

    def issue(self, environ: dict[str, Any], user: User, now: float) -> tuple[str, float]:
        """A token for the user, and when it expires."""
        return self.tokens.issue(user, environ.get("swift.cache"), now)

    def base(self, environ: dict[str, Any]) -> str:
        """Scheme and host that the client reaches us at."""
        host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
        return f"{environ['wsgi.url_scheme']}://{host}"


def _account_login(environ: dict[str, Any], account: str) -> tuple[str, str, str]:
    """Account, user and key of a request whose path names the account."""
    key = environ.get("HTTP_X_STORAGE_PASS") or environ.get("HTTP_X_AUTH_KEY") or ""
    name = environ.get("HTTP_X_STORAGE_USER")
    if not name:
        other, colon, name = environ.get("HTTP_X_AUTH_USER", "").partition(":")
        if not colon or other != account:
            return account, "", ""
    return account, name, key


def _plain_login(environ: dict[str, Any]) -> tuple[str, str, str]:
    """Account, user and key of a request whose header names both."""
    key = environ.get("HTTP_X_AUTH_KEY") or environ.get("HTTP_X_STORAGE_PASS") or ""
    user = environ.get("HTTP_X_AUTH_USER") or environ.get("HTTP_X_STORAGE_USER") or ""
    account, colon, name = user.partition(":")
    return (account, name, key) if colon else ("", "", "")


def _refusal(account: str) -> Answer:
    realm = quote_wsgi(account) if account else "unknown"
    body = f"<html><h1>Unauthorized</h1><p>{WRONG_KEY}</p></html>"
    return HTTPUnauthorized(body, headers={"Www-Authenticate": f'Swift realm="{realm}"'})
