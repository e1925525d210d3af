"""Identity: lets its own tokens in as whom they are of, and answers what Keystone would be asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from swiftlite.common.pipeline import WSGIApp
from swiftlite.common.web import Answer, HTTPServiceUnavailable
from swiftlite.core.signed_token import START
from swiftlite.middleware.identity.api import API
from swiftlite.middleware.identity.revocations import RevocationsUnknown
from swiftlite.middleware.identity.tokens import Tokens
from swiftlite.middleware.tempauth.filter import IDENTIFIED, unauthorized


class Identity:
    """The filter; tempauth to the right of it goes on to say what the token's user may do.

    :param allow_overrides: leave alone what filters in front have allowed, as tempauth does
    """

    def __init__(self, app: WSGIApp, api: API, tokens: Tokens, allow_overrides: bool) -> None:
        self.app = app
        self.api = api
        self.doors = api.doors
        self.tokens = tokens
        self.allow_overrides = allow_overrides

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        if path.startswith(self.doors) or path in ("", "/"):
            application = self.api.application(environ)
            if application is not None:
                answered: Iterable[bytes] = application(environ, start_response)
                return answered
        token = environ.get("HTTP_X_AUTH_TOKEN") or environ.get("HTTP_X_STORAGE_TOKEN")
        if token and token.startswith(START):
            if self.allow_overrides and environ.get("swift.authorize_override"):
                return self.app(environ, start_response)
            refusal = self._admit(environ, token)
            if refusal is not None:
                refused: Iterable[bytes] = refusal(environ, start_response)
                return refused
        return self.app(environ, start_response)

    def _admit(self, environ: dict[str, Any], token: str) -> Answer | None:
        """Say in the environment whose token it is; return the answer to one that is not good."""
        now = time.time()
        try:
            known = self.tokens.check(token, environ, now)
            if known is None or not known.claims.project:
                return unauthorized(environ["PATH_INFO"])
            groups = known.groups
            service_token = environ.get("HTTP_X_SERVICE_TOKEN")
            if service_token and service_token.startswith(START):
                service = self.tokens.check(service_token, environ, now)
                if service is not None and service.claims.project:
                    groups = f"{groups},{service.groups}"
        except RevocationsUnknown:
            return HTTPServiceUnavailable("Nobody can say now whether this token was revoked.\n")
        environ["REMOTE_USER"] = groups
        environ[IDENTIFIED] = True
        environ.setdefault("swift.access_logging", {})["user_id"] = known.user.identity
        if ".reseller_admin" in groups.split(","):
            environ["reseller_request"] = True
        return None
