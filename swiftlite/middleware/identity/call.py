"""Call: one request to the identity's API."""

from __future__ import annotations

from typing import Any

from swiftlite.middleware.identity.options import IdentityOptions


def base_url(environ: dict[str, Any], options: IdentityOptions) -> str:
    """Scheme and host at which the client reaches us, without a slash at the end."""
    if options.public_url:
        return options.public_url.rstrip("/")
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    return f"{environ['wsgi.url_scheme']}://{host}"


class Call:
    """A request, what its path names, and where the client found us.

    :param words: the segments of the path, behind the prefix
    :param below: the prefix, without a slash at its end
    :param now: seconds since the epoch
    """

    def __init__(
        self, environ: dict[str, Any], words: tuple[str, ...], below: str, options: IdentityOptions, now: float
    ) -> None:
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.words = words
        self.names: list[str] = []
        """Those segments that are the ids of something."""
        self.base = base_url(environ, options)
        self.root = self.base + below
        """URL below which the versions are."""
        self.v3 = f"{self.root}/v3"
        self.now = now

    @property
    def url(self) -> str:
        """The request's own URL."""
        return "/".join([self.root, *self.words])
