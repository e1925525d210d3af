"""Application: the proxy server: routes, authorizes and dispatches the requests of clients."""

from __future__ import annotations

import logging
import mimetypes
import os
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from swiftlite import __version__
from swiftlite.common import metrics, statsd, swift_info
from swiftlite.common.config import is_true, read_options
from swiftlite.common.log import get_logger
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.common.web import (
    Answer,
    HTTPBadRequest,
    HTTPForbidden,
    HTTPInternalServerError,
    HTTPMethodNotAllowed,
    HTTPNotFound,
    HTTPPreconditionFailed,
    from_violation,
)
from swiftlite.core.constraints import Violation, check_path_text
from swiftlite.core.hosts import Host
from swiftlite.core.names import EntityName, split_path, wsgi_to_str
from swiftlite.proxy import cors
from swiftlite.proxy.answers import empty, standard
from swiftlite.proxy.cluster import Cluster
from swiftlite.proxy.controllers.account import AccountController
from swiftlite.proxy.controllers.base import Controller, Denied
from swiftlite.proxy.controllers.container import ContainerController
from swiftlite.proxy.controllers.info import InfoController
from swiftlite.proxy.controllers.obj import ObjectController
from swiftlite.proxy.info import InfoCache
from swiftlite.proxy.options import ProxyOptions, read_policy_options
from swiftlite.proxy.trusted_listing import Trust

Environ = dict[str, Any]
WSGIApp = Callable[..., Iterable[bytes]]


class Application:
    """The WSGI application at the end of a proxy's pipeline.

    :param cluster: the other servers
    """

    def __init__(self, cluster: Cluster, log: logging.Logger) -> None:
        self.cluster = cluster
        self.options: ProxyOptions = cluster.options
        self.log = log
        self.info = InfoCache(cluster)
        self.trust = Trust(log)
        self.owner_headers = frozenset(self.options.swift_owner_headers)
        self._versions = frozenset(cluster.constraints.valid_api_versions)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        try:
            answer = self.handle(environ)
        except Denied as denied:
            answer = denied.answer
        except Answer as error:
            answer = error
            if error.status_code == 503:
                metrics.QUORUM_FAILURES.add(1, metrics.method_label(environ["REQUEST_METHOD"]))
        except Violation as violation:
            answer = from_violation(violation)
        except Exception:
            self.log.exception("ERROR Unhandled exception in request %s", environ.get("PATH_INFO"))
            answer = HTTPInternalServerError()
        if environ.get("HTTP_ORIGIN"):
            start_response = self._sharing(environ, start_response)
        if isinstance(answer, Answer) and environ["REQUEST_METHOD"] == "HEAD":
            answer.body = b""
        return answer(environ, start_response)

    def handle(self, environ: Environ) -> WSGIApp:
        """The answer to a request.

        :raises Answer, Violation, Denied: when it cannot be done
        """
        try:
            self._check_head(environ)
            controller = self.route(environ)
        except (Answer, Violation):
            statsd.note("errors")
            raise
        environ.setdefault("swift.orig_req_method", environ["REQUEST_METHOD"])
        if "swift.trans_id" not in environ:
            environ["swift.trans_id"] = new_transaction_id(self.options.trans_id_suffix, environ)
        method = environ["REQUEST_METHOD"]
        if method not in controller.methods and not _is_private(controller, method, environ):
            raise HTTPMethodNotAllowed(headers={"Allow": ", ".join(controller.methods)})
        if method == "OPTIONS":
            return self._options(environ, controller)
        return getattr(controller, method)()

    def route(self, environ: Environ) -> Controller | InfoController:
        """The controller of what the path names.

        :raises Answer: 400, 404 or 412 when it names nothing
        """
        path = wsgi_to_str(environ.get("PATH_INFO", ""))
        if path == "/info":
            return InfoController(self, environ)
        try:
            version, account, container, object_name = split_path(path, 1, 4, rest_with_last=True)
        except ValueError:
            raise HTTPNotFound() from None
        if account is None:
            raise HTTPPreconditionFailed("Bad URL")
        if version not in self._versions:
            raise HTTPBadRequest()
        name = EntityName(account, container, object_name)
        if object_name is not None:
            return ObjectController(self, environ, name)
        if container is not None:
            return ContainerController(self, environ, name)
        return AccountController(self, environ, name)

    def _check_head(self, environ: Environ) -> None:
        """Refuse what no controller should see."""
        length = environ.get("CONTENT_LENGTH")
        if length and not (length.isascii() and length.isdigit()):
            raise HTTPBadRequest("Invalid Content-Length")
        check_path_text(environ.get("PATH_INFO", ""), is_true(environ.get("HTTP_X_BACKEND_ALLOW_RESERVED_NAMES")))
        if Host.parse(environ.get("HTTP_HOST", "")).name in self.options.deny_host_headers:
            raise HTTPForbidden("Invalid host header")

    def _options(self, environ: Environ, controller: Controller | InfoController) -> WSGIApp:
        """What can be done with a resource, and for a browser whether a script may do it."""
        methods = ", ".join(controller.methods)
        origin = environ.get("HTTP_ORIGIN")
        headers = [("Allow", methods)]
        if not origin or not isinstance(controller, Controller) or controller.name.container is None:
            return empty(200, headers)
        shared = controller.container_info()["cors"]
        if (
            not cors.is_allowed(self.options, shared, origin)
            or environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD") not in controller.methods
        ):
            return standard(401, headers)
        asked = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
        return empty(200, headers + cors.preflight_headers(shared, origin, asked, methods))

    def _sharing(self, environ: Environ, start_response: Callable[..., Any]) -> Callable[..., Any]:
        """Let scripts of other sites read the answer, if the container allows it."""
        if environ["REQUEST_METHOD"] == "OPTIONS":
            return start_response
        parts = [part for part in wsgi_to_str(environ.get("PATH_INFO", "")).split("/", 4) if part]
        if len(parts) < 3:
            return start_response
        try:
            shared = self.info.container(environ, parts[1], parts[2])["cors"]
        except Exception:
            self.log.exception("ERROR No CORS headers for %s", environ.get("PATH_INFO"))
            return start_response
        return cors.sharing(start_response, self.options, shared, environ["HTTP_ORIGIN"])


def _is_private(controller: Controller | InfoController, method: str, environ: Environ) -> bool:
    """Whether it is a method of our own filters and daemons, and the request comes from one of them."""
    allowed = is_true(environ.get("HTTP_X_BACKEND_ALLOW_PRIVATE_METHODS"))
    return allowed and method in getattr(controller, "private_methods", ())


def new_transaction_id(suffix: str, environ: Environ) -> str:
    """A transaction id, where no filter has made one (formats.md 7.3)."""
    extra = environ.get("HTTP_X_TRANS_ID_EXTRA")
    tail = suffix + ("-" + extra[:32] if extra else "")
    return f"tx{uuid.uuid4().hex[:21]}-{int(time.time()):010x}{tail}"


def app_factory(global_conf: dict[str, str], **local_conf: str) -> Application:
    """Make the application from its conf section.

    :raises ConfigError, RingError: one line that says what is wrong
    """
    conf = {**global_conf, **local_conf}
    file, section = conf.get("__file__"), conf.get("__section__", "app:proxy-server")
    options = read_options(ProxyOptions, conf, file or "proxy-server.conf", section)
    log = get_logger(conf, "proxy-server")
    swift = SwiftConf.load(options.swift_dir)
    own_options = read_policy_options(conf, file, section, swift.policies) if file else {}
    mimetypes.init([*mimetypes.knownfiles, os.path.join(options.swift_dir, "mime.types")])
    register_info(options, swift)
    statsd.announce(statsd.make_statsd(conf, "proxy-server", log, file or "proxy-server.conf", section))
    return Application(Cluster(options, swift, log, policy_options=own_options), log)


def register_info(options: ProxyOptions, swift: SwiftConf) -> None:
    """Tell /info what the proxy itself can do."""
    swift_info.register(
        version=__version__,
        strict_cors_mode=options.strict_cors_mode,
        policies=swift.policies.for_info(),
        allow_account_management=options.allow_account_management,
        account_autocreate=options.account_autocreate,
        allow_open_expired=options.allow_open_expired,
        **swift.constraints.for_info(),
    )
