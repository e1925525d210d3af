"""Account quotas: resellers say how much an account may hold, in all or by storage policy (formats.md 7.20).

``X-Account-Quota-Bytes``, ``X-Account-Quota-Count``, and both with ``-Policy-<Name>``. Users see them, and get 413 for
an object that does not fit. Counts follow writes later, so a quota can be exceeded by what is under way.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from swiftlite.common import swift_info
from swiftlite.common.config import option
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.common.subrequest import Environ, Headers, StartResponse, object_path
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.common.web import Answer, HTTPBadRequest, HTTPForbidden, HTTPRequestEntityTooLarge, Request, environ_key
from swiftlite.core.quotas import Quota, account_quota, has_policy_quotas, is_limit, new_quotas, policy_quota
from swiftlite.proxy.info import get_account_info, get_container_info

STORED_PREFIX = "x-account-sysmeta-quota-"


@dataclass(frozen=True)
class AccountQuotasOptions:
    """The filter's section."""

    swift_dir: str = option("/etc/swift", "directory of swift.conf")


class AccountQuotas:
    """The filter."""

    def __init__(self, app: WSGIApp, options: AccountQuotasOptions) -> None:
        self.app = app
        self.options = options

    @functools.cached_property
    def policies(self) -> Mapping[str, int]:
        """Index of each storage policy by its name in lower case. The proxy, which starts first, has found swift.conf good."""
        return {policy.name.lower(): policy.index for policy in SwiftConf.load(self.options.swift_dir).policies}

    @functools.cached_property
    def shown(self) -> Mapping[str, str]:
        """What clients see of each header in which an account server keeps a quota, by its name in lower case."""
        names = {}
        for word in ("Bytes", "Count"):
            names[f"{STORED_PREFIX}{word.lower()}"] = f"X-Account-Quota-{word}"
            for policy in SwiftConf.load(self.options.swift_dir).policies:
                stored = f"{STORED_PREFIX}{word.lower()}-policy-{policy.index}"
                names[stored] = f"X-Account-Quota-{word}-Policy-{policy.name}"
        return names

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if method == "PUT" and object_path(environ):
            if environ.get("reseller_request") is not True:  # no quota holds for who sets them
                self._limit(environ)
        elif is_account(environ["PATH_INFO"]):
            return self._account(environ, start_response)
        return self.app(environ, start_response)

    def _limit(self, environ: Environ) -> None:
        """See that an object is refused that exceeds a quota, once it is known that its client may write there."""
        problem = self._exceeded(environ, int(environ.get("CONTENT_LENGTH") or 0))
        if not problem:
            return
        refusal = HTTPRequestEntityTooLarge(problem)
        allowed: Callable[[Request], Any] = environ.get("swift.authorize") or (lambda _request: None)
        environ["swift.authorize"] = lambda request: allowed(request) or refusal

    def _exceeded(self, environ: Environ, size: int) -> str | None:
        """What is said of a quota that so many bytes more exceed."""
        info = get_account_info(environ, self.app, "AQ")
        quota: Quota | None = account_quota(info)
        if quota and not quota.has_room(size):
            return "Upload exceeds quota."
        if not has_policy_quotas(info):
            return None
        quota = policy_quota(info, str(get_container_info(environ, self.app, "AQ")["storage_policy"]))
        return "Upload exceeds policy quota." if quota and not quota.has_room(size) else None

    def _account(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in ("PUT", "POST"):
            refusal = self._set(environ)
            if refusal is not None:
                answer: Iterable[bytes] = refusal(environ, start_response)
                return answer

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            quotas = [
                (self.shown[name.lower()], value)
                for name, value in headers
                if value and name[: len(STORED_PREFIX)].lower() == STORED_PREFIX and name.lower() in self.shown
            ]
            return start_response(status, headers + quotas, exc_info)

        return self.app(environ, start)

    def _set(self, environ: Environ) -> Answer | None:
        """Turn quotas in a request's headers into those that the account server keeps, or refuse them."""
        sent = {
            key[5:].replace("_", "-").lower(): value
            for key, value in environ.items()
            if key.startswith(("HTTP_X_ACCOUNT_", "HTTP_X_REMOVE_ACCOUNT_"))
        }
        quotas = new_quotas(sent, self.policies)
        if quotas and environ.get("reseller_request") is not True:
            return HTTPForbidden()
        if not all(is_limit(value) for _, value in quotas):
            return HTTPBadRequest()
        for name, value in quotas:
            environ[environ_key(name)] = value
        return None


def is_account(path: str) -> bool:
    """Whether a path names an account alone."""
    parts = path.split("/", 3)
    return len(parts) > 2 and bool(parts[1] and parts[2]) and not (len(parts) > 3 and parts[3])


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: AccountQuotasOptions. Raises ConfigError."""
    options = factory_options(AccountQuotasOptions, {**global_conf, **local_conf})
    swift_info.register("account_quotas")
    return lambda app: AccountQuotas(app, options)
