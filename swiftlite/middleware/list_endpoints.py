"""Tell where on the storage nodes an account, container or object lies: for programs that go there themselves
(formats.md 7.21).

Nobody is asked for a token, so a proxy with this filter must not be open to the world.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from swiftlite.common.config import option
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.common.subrequest import Environ, StartResponse
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.common.web import HTTPBadRequest, HTTPMethodNotAllowed, HTTPOk, from_violation
from swiftlite.core.constraints import Violation, check_path_text
from swiftlite.core.hosts import spell_address
from swiftlite.core.names import EntityName, quote_path, split_path, str_to_wsgi, wsgi_to_str
from swiftlite.proxy.info import get_container_info
from swiftlite.ring.ring import Node, Ring

SOURCE = "LE"


@dataclass(frozen=True)
class ListEndpointsOptions:
    """The filter's section."""

    list_endpoints_path: str = option("/endpoints/", "what paths of such requests begin with")
    swift_dir: str = option("/etc/swift", "directory of swift.conf and the rings")


class Question(NamedTuple):
    """What a request asks for: a format of answers, 1 or 2, and a name in native text."""

    version: int
    name: EntityName


class ListEndpoints:
    """The filter."""

    def __init__(self, app: WSGIApp, options: ListEndpointsOptions) -> None:
        self.app = app
        self.path = options.list_endpoints_path.rstrip("/") + "/"
        self.swift_dir = options.swift_dir
        self._rings: dict[str, Ring] = {}

    @functools.cached_property
    def swift(self) -> SwiftConf:
        """swift.conf, which the proxy, that starts first, has found good."""
        return SwiftConf.load(self.swift_dir)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        if not path.startswith(self.path):
            return self.app(environ, start_response)
        if environ["REQUEST_METHOD"] != "GET":
            return HTTPMethodNotAllowed(headers={"Allow": "GET"})(environ, start_response)
        try:
            check_path_text(path, False)
            question = read_question(wsgi_to_str(path[len(self.path) - 1 :]))
        except Violation as violation:
            return from_violation(violation)(environ, start_response)
        except ValueError as error:
            return HTTPBadRequest(str(error))(environ, start_response)
        body = json.dumps(self._answer(environ, question))
        return HTTPOk(body, content_type="application/json")(environ, start_response)

    def _answer(self, environ: Environ, question: Question) -> list[str] | dict[str, object]:
        name, headers = question.name, {}
        if name.object is not None:
            index = self._policy_index(environ, name)
            headers["X-Backend-Storage-Policy-Index"] = index
            policy = self.swift.policies.by_index(index)
            ring = self._ring(policy.ring_name if policy else "object")
        else:
            ring = self._ring("account" if name.container is None else "container")
        partition, nodes = ring.get_nodes(*name)
        scheme = "https" if self.swift.backend_tls.backend_tls else "http"
        endpoints = [endpoint(node, partition, name, scheme) for node in nodes]
        return endpoints if question.version == 1 else {"endpoints": endpoints, "headers": headers}

    def _policy_index(self, environ: Environ, name: EntityName) -> str:
        asked = {**environ, "PATH_INFO": str_to_wsgi(f"/v1/{name.account}/{name.container}")}
        return str(get_container_info(asked, self.app, SOURCE)["storage_policy"])

    def _ring(self, name: str) -> Ring:
        if name not in self._rings:
            self._rings[name] = Ring(self.swift_dir, name, hash_path=self.swift.hash_path)
        return self._rings[name]


def read_question(path: str) -> Question:
    """What a path asks for: ``/[v1/|v2/]account[/container[/object]]``.

    :param path: decoded, native text
    :raises ValueError: when it names no account, or a version of answers that there is not
    """
    first, _, rest = path[1:].partition("/")
    version = _version(first)
    if version is None and first.startswith("v") and "_" not in first:
        # Accounts with a reseller prefix look otherwise.
        raise ValueError(f"Unsupported version {quote(first, errors='surrogateescape')!r}")
    try:
        parts = split_path(path if version is None else "/" + rest, 1, 3, rest_with_last=True)
    except ValueError:
        raise ValueError("No account specified") from None
    return Question(version or 1, EntityName(parts[0] or "", parts[1], parts[2]))


def endpoint(node: Node, partition: int, name: EntityName, scheme: str = "http") -> str:
    """The URL of one replica."""
    return f"{scheme}://{spell_address(*node.address)}/{node.device}/{partition}{quote_path(name.path)}"


def _version(text: str) -> int | None:
    """1 or 2, however a client spells it: ``v1``, ``1.0``; None for anything else."""
    try:
        number = float(text.lstrip("v"))
    except ValueError:
        return None
    return int(number) if number in (1.0, 2.0) else None


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: ListEndpointsOptions. Raises ConfigError."""
    options = factory_options(ListEndpointsOptions, {**global_conf, **local_conf})
    return lambda app: ListEndpoints(app, options)
