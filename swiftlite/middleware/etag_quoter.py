"""Put object ETags between double quotes, as RFC 9110 8.8.3 has them, for accounts and containers that want it
(formats.md 7.4).

``X-Account-Rfc-Compliant-Etags`` and ``X-Container-Rfc-Compliant-Etags``, ``true`` or ``false``, say so; the container
has the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from swiftlite.common import swift_info
from swiftlite.common.config import is_true, option
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.common.subrequest import Environ, Headers, StartResponse
from swiftlite.core.constraints import API_VERSIONS
from swiftlite.proxy.info import get_account_info, get_container_info

SOURCE = "EQ"
FLAG = "rfc-compliant-etags"


@dataclass(frozen=True)
class EtagQuoterOptions:
    """The filter's section."""

    enable_by_default: bool = option(False, "quote where neither account nor container says anything")


class EtagQuoter:
    """The filter."""

    def __init__(self, app: WSGIApp, options: EtagQuoterOptions) -> None:
        self.app = app
        self.by_default = options.enable_by_default

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        parts = environ["PATH_INFO"].split("/", 4)
        if len(parts) < 3 or parts[0] or parts[1] not in API_VERSIONS or not parts[2]:
            return self.app(environ, start_response)
        if len(parts) == 5 and parts[4]:
            if parts[3] and self._quotes(environ):
                return self.app(environ, _quoting(start_response))
            return self.app(environ, start_response)
        kind = "Container" if len(parts) > 3 and parts[3] else "Account"
        _store_flag(environ, kind.upper())
        return self.app(environ, _showing_flag(start_response, kind))

    def _quotes(self, environ: Environ) -> bool:
        """Whether the object's container, its account or the conf wants it."""
        container = get_container_info(environ, self.app, SOURCE)
        if container["status"] // 100 != 2:
            return False
        flag = container["sysmeta"].get(FLAG)
        if flag is None:
            account = get_account_info(environ, self.app, SOURCE)
            if account["status"] // 100 != 2:
                return False
            flag = account["sysmeta"].get(FLAG)
        return self.by_default if flag is None else is_true(flag)


def quoted(etag: str) -> str:
    """An ETag between quotes; one that has them, be it a weak one, is left alone."""
    return etag if etag.startswith(('"', 'W/"')) and etag.endswith('"') else f'"{etag}"'


def _quoting(start_response: StartResponse) -> StartResponse:
    def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
        changed = [(name, quoted(value) if name.lower() == "etag" else value) for name, value in headers]
        return start_response(status, changed, exc_info)

    return start


def _store_flag(environ: Environ, kind: str) -> None:
    """Move what a client says of an account or container to where it is stored."""
    stored = f"HTTP_X_{kind}_SYSMETA_RFC_COMPLIANT_ETAGS"
    sent = environ.get(f"HTTP_X_{kind}_RFC_COMPLIANT_ETAGS")
    if sent is not None:
        environ[stored] = str(is_true(sent)) if sent else ""
    if environ.get(f"HTTP_X_REMOVE_{kind}_RFC_COMPLIANT_ETAGS"):
        environ[stored] = ""


def _showing_flag(start_response: StartResponse, kind: str) -> StartResponse:
    stored, shown = f"x-{kind.lower()}-sysmeta-{FLAG}", f"X-{kind}-Rfc-Compliant-Etags"

    def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
        changed = [(shown if name.lower() == stored else name, value) for name, value in headers]
        return start_response(status, changed, exc_info)

    return start


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: EtagQuoterOptions. Raises ConfigError."""
    options = factory_options(EtagQuoterOptions, {**global_conf, **local_conf})
    swift_info.register("etag_quoter", enable_by_default=options.enable_by_default)
    return lambda app: EtagQuoter(app, options)
