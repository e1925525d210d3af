"""TempAuth: recognises a token, then answers the proxy's question whether its user may do this (formats.md 7.9)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from swiftlite.common.pipeline import WSGIApp
from swiftlite.common.web import Answer, HTTPBadRequest, HTTPNotFound, Request
from swiftlite.core.acl import AccountACL, clean_acl, parse_account_acl, parse_acl, read_account_acl
from swiftlite.core.names import split_path, wsgi_to_str
from swiftlite.core.resellers import prefix_of
from swiftlite.middleware.authorization import denial, shows_sync_key, unauthorized
from swiftlite.middleware.tempauth.login import Login
from swiftlite.middleware.tempauth.users import TempAuthConf
from swiftlite.proxy.info import get_account_info

ACCOUNT_ACL = "HTTP_X_ACCOUNT_ACCESS_CONTROL"
IDENTIFIED = "swift.identity"
"""Set by the filter identity where it has read the token, and REMOTE_USER says whose it is."""
STORED_ACCOUNT_ACL = "HTTP_X_ACCOUNT_SYSMETA_CORE_ACCESS_CONTROL"


class TempAuth:
    """The filter. It decides alone about tokens and accounts that bear one of its reseller prefixes."""

    def __init__(self, app: WSGIApp, conf: TempAuthConf, login: Login) -> None:
        self.app = app
        self.conf = conf
        self.prefix = conf.prefix
        self.prefixes = conf.options.reseller_prefix
        self.tokens = login.tokens
        self.login = login

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        options = self.conf.options
        if options.allow_overrides and environ.get("swift.authorize_override"):
            return self.app(environ, start_response)
        path: str = environ["PATH_INFO"]
        if path.startswith(options.auth_prefix):
            return self.login(environ, start_response)
        token = environ.get("HTTP_X_AUTH_TOKEN") or environ.get("HTTP_X_STORAGE_TOKEN")
        if token and token.startswith(self.prefix) and IDENTIFIED not in environ:
            groups = self._groups(environ, token)
            if groups:
                self._admit(environ, groups)
            elif self.prefix:
                self.login.note("unauthorized")
                return unauthorized(path)(environ, start_response)
            else:
                environ.setdefault("swift.authorize", self._deny)
        elif self._decides_about(path):
            environ["swift.authorize"] = self.authorize
            environ["swift.clean_acl"] = clean_acl
        elif not self.prefix:
            if "swift.authorize" not in environ:
                environ["swift.authorize"] = self.authorize
                environ["swift.clean_acl"] = clean_acl
        else:
            environ.setdefault("swift.authorize", self._deny)
        return self.app(environ, start_response)

    def _groups(self, environ: dict[str, Any], token: str) -> str | None:
        """The groups of the token, and those of a service's token beside it."""
        cache, now = environ.get("swift.cache"), time.time()
        groups = self.tokens.groups(token, cache, now)
        service_token = environ.get("HTTP_X_SERVICE_TOKEN")
        if groups and service_token and service_token.startswith(self.prefix):
            service_groups = self.tokens.groups(service_token, cache, now)
            if service_groups:
                return f"{groups},{service_groups}"
        return groups

    def _admit(self, environ: dict[str, Any], groups: str) -> None:
        names = groups.split(",", 2)
        environ["REMOTE_USER"] = groups
        environ["swift.authorize"] = self.authorize
        environ["swift.clean_acl"] = clean_acl
        environ.setdefault("swift.access_logging", {})["user_id"] = names[min(1, len(names) - 1)]
        if ".reseller_admin" in groups.split(","):
            environ["reseller_request"] = True

    def _decides_about(self, path: str) -> bool:
        """Whether the path is of an account with one of our prefixes, other than the empty one."""
        segments = path.split("/", 3)
        return len(segments) > 2 and bool(prefix_of(segments[2], self.prefixes))

    def authorize(self, request: Request) -> Answer | None:
        """Whether the request may go on: the proxy's ``swift.authorize``.

        :param request: its ``acl``, if it has one, is the container's access list for this method
        :returns: None for yes, else the answer that says no
        """
        environ = request.environ
        try:
            _version, account, container, name = split_path(environ["PATH_INFO"], 1, 4, rest_with_last=True)
        except ValueError:
            self.login.note("errors")
            return HTTPNotFound(request=request)
        prefix = prefix_of(account, self.prefixes) if account else None
        if account is None or prefix is None:
            return self._deny(request)
        problem = _take_account_acl(environ)
        if problem:
            return problem
        method = environ["REQUEST_METHOD"]
        groups = _user_groups(environ)
        reads = method in ("GET", "HEAD")
        if self._is_plain(prefix, account):
            if ".reseller_admin" in groups:
                environ["swift_owner"] = True
                return None
            if ".reseller_reader" in groups and reads:
                return None
        if self._administers(groups, (prefix, account), method, container):
            environ["swift_owner"] = True
            return None
        if method == "OPTIONS" or shows_sync_key(environ):
            return None
        acl = parse_acl(getattr(request, "acl", None))
        if acl.allows_referrer(environ.get("HTTP_REFERER")) and (name or acl.allows_listings):
            return None
        if acl.allows_group(groups):
            return None
        if groups and self._account_acl_allows(environ, groups, reads, container):
            return None
        return self._deny(request)

    def _deny(self, request: Request) -> Answer:
        self.login.note("forbidden" if request.environ.get("REMOTE_USER") else "unauthorized")
        return denial(request)

    def _administers(self, groups: list[str], target: tuple[str, str], method: str, container: str | None) -> bool:
        """Whether the account is the user's own; even so, only resellers make and delete accounts."""
        prefix, account = target
        if wsgi_to_str(account) not in groups or (method in ("PUT", "DELETE") and not container):
            return False
        required = self.conf.required_groups[prefix]
        return not required or required in groups

    def _is_plain(self, prefix: str, account: str) -> bool:
        """Whether it is a user's account, not one of Swift's own."""
        return account not in self.prefixes and not account.startswith(f"{prefix}.")

    def _account_acl_allows(
        self, environ: dict[str, Any], groups: list[str], reads: bool, container: str | None
    ) -> bool:
        level = self._account_acl(environ).level(groups)
        if level == "admin":
            environ["swift_owner"] = True
            return True
        return level is not None and (reads or (level == "read-write" and container is not None))

    def _account_acl(self, environ: dict[str, Any]) -> AccountACL:
        """The account's access list, from a cache or from the proxy to the right of us."""
        info = get_account_info(environ, self.app, "TA")
        stored = info["sysmeta"].get("core-access-control")
        return parse_account_acl(wsgi_to_str(stored) if stored else None)


def _user_groups(environ: dict[str, Any]) -> list[str]:
    user: str | None = environ.get("REMOTE_USER")
    return user.split(",") if user else []


def _take_account_acl(environ: dict[str, Any]) -> Answer | None:
    """Move a valid account list to the header in which the account server stores it; answer 400 for another."""
    sent = environ.get(ACCOUNT_ACL)
    if sent is None:
        return None
    try:
        read_account_acl(wsgi_to_str(sent))
    except ValueError as error:
        body = f"X-Account-Access-Control invalid: {error}\n\nInput: {wsgi_to_str(sent)}\n"
        refusal = HTTPBadRequest(body, content_type="text/plain")
        refusal.charset = "UTF-8"
        return refusal
    environ[STORED_ACCOUNT_ACL] = environ.pop(ACCOUNT_ACL)
    return None
