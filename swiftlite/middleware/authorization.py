"""What every auth filter answers and accepts alike: 401 and 403, and container sync's key."""

from __future__ import annotations

import hmac
from typing import Any

from swiftlite.common.web import Answer, HTTPForbidden, HTTPUnauthorized, Request
from swiftlite.core.names import quote_wsgi


def denial(request: Request) -> Answer:
    """403 for a user who is known, else 401."""
    if request.environ.get("REMOTE_USER"):
        return HTTPForbidden(request=request)
    return unauthorized(request.environ["PATH_INFO"], request)


def unauthorized(path: str, request: Request | None = None) -> Answer:
    """401 that names the account as the realm."""
    segments = path.split("/", 3)
    realm = segments[2] if len(segments) > 2 and segments[1] and segments[2] not in ("", "v1.0", "auth") else "unknown"
    return HTTPUnauthorized(request=request, headers={"Www-Authenticate": f'Swift realm="{quote_wsgi(realm)}"'})


def shows_sync_key(environ: dict[str, Any]) -> bool:
    """Whether another cluster's container sync shows the container's key; the proxy gives it to writes of objects.

    It must have gone through the filter container_sync, which believes its timestamp: else it would happen now, however
    old it is, and overwrite what is newer.
    """
    key, shown = environ.get("swift_sync_key"), environ.get("HTTP_X_CONTAINER_SYNC_KEY")
    if not key or shown is None or "HTTP_X_BACKEND_INBOUND_X_TIMESTAMP" in environ:
        return False
    if environ["REQUEST_METHOD"] not in ("PUT", "DELETE"):
        return False
    return hmac.compare_digest(key.encode("latin-1", "replace"), shown.encode("latin-1", "replace"))
