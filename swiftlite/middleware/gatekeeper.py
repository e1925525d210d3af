"""Keep internal headers inside: none comes in from a client, none goes out to one (formats.md 5.4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from swiftlite.common.config import option
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.common.web import environ_key

INTERNAL_PREFIXES = (
    "x-account-sysmeta-",
    "x-container-sysmeta-",
    "x-object-sysmeta-",
    "x-object-transient-sysmeta-",
    "x-backend",
)
INTERNAL_HEADERS = frozenset(
    [f"x-account-{word}" for word in ("host", "device", "partition")]
    + [f"x-container-{word}" for word in ("host", "device", "partition", "root-db-state")]
    + [f"x-delete-at-{word}" for word in ("host", "device", "partition", "container")]
)


_KEY_PREFIXES = tuple(map(environ_key, INTERNAL_PREFIXES))
_KEYS = frozenset(map(environ_key, INTERNAL_HEADERS))
# One search over all names together is quicker than a look at each; few requests have any to be looked at.
_suspicious_keys = re.compile("|".join([*_KEY_PREFIXES, *_KEYS])).search


@dataclass(frozen=True)
class GatekeeperOptions:
    """The filter's section."""

    shunt_inbound_x_timestamp: bool = option(True, "set a client's X-Timestamp aside instead of believing it")
    allow_reserved_names_header: bool = option(
        False, "let clients that send X-Allow-Reserved-Names reach names that only middleware makes"
    )


class Gatekeeper:
    """Removes internal headers from requests and answers."""

    def __init__(self, app: WSGIApp, options: GatekeeperOptions) -> None:
        self.app = app
        self.options = options

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if _suspicious_keys("\n".join(environ)):
            for key in [key for key in environ if key.startswith(_KEY_PREFIXES) or key in _KEYS]:
                del environ[key]
        if self.options.shunt_inbound_x_timestamp and "HTTP_X_TIMESTAMP" in environ:
            environ["HTTP_X_BACKEND_INBOUND_X_TIMESTAMP"] = environ.pop("HTTP_X_TIMESTAMP")
        if self.options.allow_reserved_names_header and "HTTP_X_ALLOW_RESERVED_NAMES" in environ:
            environ["HTTP_X_BACKEND_ALLOW_RESERVED_NAMES"] = environ.pop("HTTP_X_ALLOW_RESERVED_NAMES")

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            kept = [pair for pair in headers if not _is_internal(pair[0])]
            if status.startswith(("201", "3")):
                kept = [
                    (name, _location(value, environ) if name.lower() == "location" else value) for name, value in kept
                ]
            return start_response(status, kept, exc_info)

        return self.app(environ, start)


@lru_cache(maxsize=2048)  # the same few names come with every answer
def _is_internal(name: str) -> bool:
    lower = name.lower()
    return lower.startswith(INTERNAL_PREFIXES) or lower in INTERNAL_HEADERS


def _location(value: str, environ: dict[str, Any]) -> str:
    """A redirect's target: absolute, unless whoever made it asked to leave it relative."""
    try:
        parts = urlsplit(value)
    except ValueError:  # what a form wants after an upload, it says itself
        return value
    if environ.get("swift.leave_relative_location"):
        return urlunsplit(("", "", *parts[2:]))
    if parts.scheme or parts.netloc or not value.startswith("/"):
        return value
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    return f"{environ['wsgi.url_scheme']}://{host}{value}"


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: GatekeeperOptions. Raises ConfigError."""
    options = factory_options(GatekeeperOptions, {**global_conf, **local_conf})
    return lambda app: Gatekeeper(app, options)
