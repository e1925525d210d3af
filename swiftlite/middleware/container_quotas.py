"""Container quotas: an object that a container has no room for is refused before its body is sent (formats.md 7.20).

A container's owner sets ``X-Container-Meta-Quota-Bytes`` and ``X-Container-Meta-Quota-Count``. Counts follow writes a
little later, and the size of a body in chunks is unknown, so a quota can be exceeded by what is under way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from swiftlite.common import swift_info
from swiftlite.common.pipeline import WSGIApp
from swiftlite.common.subrequest import Environ, StartResponse, object_path
from swiftlite.common.web import Answer, HTTPBadRequest, HTTPRequestEntityTooLarge
from swiftlite.core.quotas import container_quota, is_limit
from swiftlite.middleware.write_access import denial
from swiftlite.proxy.info import get_container_info

SET_BYTES = "HTTP_X_CONTAINER_META_QUOTA_BYTES"
SET_COUNT = "HTTP_X_CONTAINER_META_QUOTA_COUNT"


class ContainerQuotas:
    """The filter."""

    def __init__(self, app: WSGIApp) -> None:
        self.app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        refusal: Answer | None = None
        if method == "PUT" and object_path(environ):
            refusal = self._refusal(environ)
        elif (SET_BYTES in environ or SET_COUNT in environ) and method in ("PUT", "POST"):
            refusal = _bad_quota(environ)
        if refusal is not None:
            answer: Iterable[bytes] = refusal(environ, start_response)
            return answer
        return self.app(environ, start_response)

    def _refusal(self, environ: Environ) -> Answer | None:
        """Why an object cannot be PUT: 413, but to who may not write here at all what the access list says."""
        info = get_container_info(environ, self.app, "CQ")
        if info["status"] // 100 != 2:
            return None  # the proxy will say what is wrong
        quota = container_quota(info)
        if quota is None or quota.has_room(int(environ.get("CONTENT_LENGTH") or 0)):
            return None
        return denial(environ, self.app, "CQ") or HTTPRequestEntityTooLarge("Upload exceeds quota.")


def _bad_quota(environ: Environ) -> Answer | None:
    """400 for a container's quota that is no number."""
    _version, _account, container, name, *_ = [*environ["PATH_INFO"][1:].split("/", 3), "", "", ""]
    if name or not container:
        return None
    for key, word in ((SET_BYTES, "bytes"), (SET_COUNT, "count")):
        if not is_limit(environ.get(key)):
            return HTTPBadRequest(f"Invalid {word} quota.")
    return None


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; there are no options."""
    swift_info.register("container_quotas")
    return ContainerQuotas
