"""A client's body as filters read it: what goes wrong with it is told to the client."""

from __future__ import annotations

from collections.abc import Callable

from swiftlite.common.subrequest import Environ
from swiftlite.common.web import HTTPBadRequest, HTTPClientDisconnect, HTTPRequestTimeout
from swiftlite.http.errors import BadBody, ClientDisconnected, ClientTimeout


def read_body(environ: Environ, size: int) -> bytes:
    """At most ``size`` bytes of a request's body, fewer only at its end.

    :raises Answer: 400, 408 or 499 where it does not come as it should
    """
    return _checked(environ["wsgi.input"].read, size)


def read_some(environ: Environ, size: int) -> bytes:
    """What has come of a request's body, at least one and at most ``size`` bytes, ``b""`` at its end. Raises likewise."""
    source = environ["wsgi.input"]
    return _checked(getattr(source, "read1", source.read), size)


def _checked(read: Callable[[int], bytes], size: int) -> bytes:
    try:
        return read(size)
    except ClientTimeout:
        raise HTTPRequestTimeout() from None
    except ClientDisconnected:
        raise HTTPClientDisconnect() from None
    except BadBody as error:
        raise HTTPBadRequest(str(error), content_type="text/plain") from None
