"""Login: the requests below /auth/, which trade a user's key for a token and a storage URL (formats.md 7.9)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from swiftlite.common.web import Answer, HTTPBadRequest, HTTPMethodNotAllowed, HTTPNotFound, HTTPOk, HTTPUnauthorized
from swiftlite.core.names import quote_wsgi, split_path, str_to_wsgi, wsgi_to_str
from swiftlite.middleware.tempauth.tokens import Tokens
from swiftlite.middleware.tempauth.users import TempAuthConf, User

NOBODY = User("", "", "no key is this long, so none is equal", (), "")


class Login:
    """Answers ``GET /auth/v1.0``, ``/auth/auth`` and ``/auth/v1/<account>/auth``."""

    def __init__(self, conf: TempAuthConf, tokens: Tokens) -> None:
        self.conf = conf
        self.tokens = tokens

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer: Iterable[bytes] = self._answer(environ)(environ, start_response)
        return answer

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
        user = self.conf.users.get(wsgi_to_str(f"{account}:{name}"))
        # One comparison either way: the time must not tell whether there is such a user.
        if not (user or NOBODY).has_key(wsgi_to_str(key)) or user is None:
            return _refusal(account)
        environ.setdefault("swift.access_logging", {})["user_id"] = user.identity
        now = time.time()
        token, expires = self.tokens.issue(user, environ.get("swift.cache"), now)
        return HTTPOk(
            b"",
            headers={
                "X-Auth-Token": token,
                "X-Storage-Token": token,
                "X-Auth-Token-Expires": str(int(expires - now)),
                "X-Storage-Url": self._storage_url(user, environ),
            },
        )

    def _storage_url(self, user: User, environ: dict[str, Any]) -> str:
        host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
        url = user.url.replace("$HOST", f"{environ['wsgi.url_scheme']}://{host}")
        scheme = self.conf.options.storage_url_scheme
        if scheme != "default":
            url = f"{scheme}:{url.partition(':')[2]}"
        return str_to_wsgi(url)


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
    return HTTPUnauthorized(headers={"Www-Authenticate": f'Swift realm="{realm}"'})
