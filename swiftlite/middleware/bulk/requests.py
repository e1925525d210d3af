"""What both kinds of bulk requests ask of a client, and hand on to the requests that come of it."""

from __future__ import annotations

from swiftlite.common.subrequest import Environ, Headers
from swiftlite.common.web import HTTPLengthRequired, HTTPNotFound
from swiftlite.core.names import split_path

TOKENS = (
    ("HTTP_X_AUTH_TOKEN", "X-Auth-Token"),
    ("HTTP_X_STORAGE_TOKEN", "X-Storage-Token"),
    ("HTTP_X_SERVICE_TOKEN", "X-Service-Token"),
)


def tokens(environ: Environ) -> Headers:
    """Who the client says that it is."""
    return [(name, environ[key]) for key, name in TOKENS if key in environ]


def target(environ: Environ) -> tuple[str, str]:
    """``/version/account`` and what the path says below it; WSGI strings.

    :raises Answer: 404 when it names no account
    """
    try:
        version, account, rest = split_path(environ["PATH_INFO"], 2, 3, rest_with_last=True)
    except ValueError:
        raise HTTPNotFound(b"") from None
    return f"/{version}/{account}", rest or ""


def check_length(environ: Environ) -> None:
    """Refuse a request that does not say where its body ends.

    :raises Answer: 411
    """
    if not environ.get("CONTENT_LENGTH") and environ.get("HTTP_TRANSFER_ENCODING", "").lower() != "chunked":
        raise HTTPLengthRequired(b"")
