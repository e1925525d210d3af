"""What a request for a large object asks for, besides its method and path."""

from __future__ import annotations

from swiftlite.common.config import is_true
from swiftlite.common.subrequest import Environ, Headers

MARK = "x-static-large-object"
"""The header by which the manifest of a static large object is known."""
ETAG = "X-Object-Sysmeta-Slo-Etag"
"""Where the large object's ETag is stored; the manifest's own is another."""
ETAG_IS_AT = "HTTP_X_BACKEND_ETAG_IS_AT"


def append_name(environ: Environ, key: str, name: str) -> None:
    """Add a name to a header that lists names; what filters further out have asked for goes first."""
    before = environ.get(key)
    environ[key] = f"{before},{name}" if before else name


def mean_large_etag(environ: Environ) -> None:
    """Let the object servers hold a request's conditions against the large object's ETag, which is what clients see."""
    if "HTTP_IF_MATCH" in environ or "HTTP_IF_NONE_MATCH" in environ:
        append_name(environ, ETAG_IS_AT, ETAG)


def is_large(headers: Headers) -> bool:
    """Whether an answer's headers are those of a static large object."""
    for name, value in headers:
        if len(name) == len(MARK) and name.lower() == MARK:
            return is_true(value)
    return False
