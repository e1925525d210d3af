"""Whether a client may write to a container: asked before anything is done on the client's behalf."""

from __future__ import annotations

from typing import Any

from swiftlite.common.pipeline import WSGIApp
from swiftlite.common.subrequest import Environ
from swiftlite.common.web import Request
from swiftlite.core.names import wsgi_to_str
from swiftlite.proxy.info import get_container_info


def denial(environ: Environ, app: WSGIApp, source: str) -> Any:
    """The answer to who may not do it; None where nothing forbids it.

    :param environ: of the request; its path names the container
    :param app: the rest of the pipeline
    :param source: who asks, for the log
    """
    check = environ.get("swift.authorize")
    if check is None:
        return None
    info = get_container_info(environ, app, source)
    environ["swift_sync_key"] = info["sync_key"]
    request = Request(environ)
    request.acl = None if info["write_acl"] is None else wsgi_to_str(info["write_acl"])
    return check(request)
