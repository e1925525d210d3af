"""ObjectVersioning: containers that keep every version of their objects in a hidden one (formats.md 7.14)."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote

from swiftlite.common.config import is_true
from swiftlite.common.log import Logger
from swiftlite.common.pipeline import WSGIApp
from swiftlite.common.subrequest import Environ, StartResponse, may_have
from swiftlite.common.web import Answer
from swiftlite.core.constraints import API_VERSIONS, Violation
from swiftlite.core.names import RESERVED
from swiftlite.middleware.versioned_writes.container_versions import ContainerVersions
from swiftlite.middleware.versioned_writes.object_versions import ObjectVersions, VersionedObject
from swiftlite.middleware.versioned_writes.versioning_requests import SOURCE
from swiftlite.proxy.controllers.base import Denied
from swiftlite.proxy.info import get_container_info


class ObjectVersioning:
    """Tells requests that concern versions from all others, which it only passes on."""

    def __init__(self, app: WSGIApp, log: Logger) -> None:
        self.app = app
        self.objects = ObjectVersions(app, log)
        self.containers = ContainerVersions(app, log)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        parts = environ["PATH_INFO"].split("/", 4)
        if len(parts) < 3 or parts[1] not in API_VERSIONS or not parts[2] or RESERVED in environ["PATH_INFO"]:
            return self.app(environ, start_response)
        try:
            if len(parts) == 5 and parts[4] and parts[3]:
                return self._object_request(environ, start_response, parts)
            if len(parts) > 3 and parts[3]:
                return self.containers(environ, start_response, parts[2], parts[3])
            if environ["REQUEST_METHOD"] == "GET":
                return self.containers.list_account(environ, start_response)
        except Violation as violation:
            return Answer(violation.status, violation.message)(environ, start_response)
        except Denied as denied:
            return denied.answer(environ, start_response)
        except Answer as answer:
            return answer(environ, start_response)
        return self.app(environ, start_response)

    def _object_request(self, environ: Environ, start_response: StartResponse, parts: list[str]) -> Iterable[bytes]:
        identity = _version_id(environ.get("QUERY_STRING", ""))
        system = get_container_info(environ, self.app, SOURCE)["sysmeta"]
        hidden = system.get("versions-container")
        if not identity and not hidden:
            return self.app(environ, start_response)
        if hidden:
            hidden = unquote(hidden, "latin-1").split("/")[0]
        _, version, account, container, name = parts
        target = VersionedObject(version, account, container, name, hidden or "")
        if identity:
            answer = self.objects.of_version(environ, target, identity)
        else:
            answer = self.objects.of_latest(environ, target, is_true(system.get("versions-enabled")))
        if answer is None:
            return self.app(environ, start_response)
        return answer.forward(start_response)


def _version_id(query: str) -> str:
    if not may_have(query, "version-id"):
        return ""
    return dict(parse_qsl(query, encoding="latin-1")).get("version-id", "")
