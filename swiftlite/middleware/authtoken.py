"""keystonemiddleware's ``authtoken``, run where it may wait: it asks Keystone through blocking sockets.

In a worker's event loop every request of the worker would stand still meanwhile. So each request with a token goes through
authtoken in a real thread, with nothing behind it, and down our pipeline afterwards, if authtoken lets it pass. The loader
puts this filter wherever a conf names keystonemiddleware's own factory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import webob

from swiftlite.common.concurrency import ThreadPool
from swiftlite.common.config import ConfigError
from swiftlite.common.log import get_logger
from swiftlite.common.pipeline import WSGIApp, factory_place

THREADS = 16
"""Requests of one worker that may wait for Keystone at once."""
TOKENS = ("HTTP_X_AUTH_TOKEN", "HTTP_X_STORAGE_TOKEN", "HTTP_X_SERVICE_TOKEN")
PASSED = "swiftlite.authtoken.passed"


class AuthToken:
    """The filter.

    :param protocol: keystonemiddleware's WSGI filter, around :func:`end`
    """

    def __init__(self, app: WSGIApp, protocol: WSGIApp, threads: ThreadPool) -> None:
        self.app = app
        self.protocol = protocol
        self.threads = threads
        # What it adds to a 401 from behind it is the same for every request.
        self.challenge = webob.Request.blank("/").get_response(protocol).headers.getall("WWW-Authenticate")

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        needs_keystone = any(key in environ for key in TOKENS)
        status, headers, body = self.threads.run(self._ask, environ) if needs_keystone else self._ask(environ)
        if not environ.pop(PASSED, False):
            start_response(status, headers)
            return body
        # It gives what a token does not have as None, which is no header's value.
        for key in [key for key, value in environ.items() if value is None and key.startswith("HTTP_")]:
            del environ[key]

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if status.startswith("401"):
                headers = [*headers, *(("WWW-Authenticate", value) for value in self.challenge)]
            return start_response(status, headers, exc_info)

        return self.app(environ, start)

    def _ask(self, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], list[bytes]]:
        """Have authtoken set the headers that tell who asks; gives its answer, which counts if it lets nobody pass."""
        status, headers, body = webob.Request(environ).call_application(self.protocol)
        return status, headers, list(body)


def end(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The application behind authtoken: whatever comes here was let through."""
    environ[PASSED] = True
    start_response("401 Unauthorized", [("Content-Length", "0")])
    return []


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options are keystonemiddleware's.

    :raises ConfigError: when keystonemiddleware is not installed
    """
    conf = {**global_conf, **local_conf}
    file, section = factory_place(conf)
    try:
        from keystonemiddleware import auth_token  # oslo and requests, 40 MB a process: only for those who use it
    except ImportError as error:
        problem = f"keystonemiddleware cannot be loaded ({error})"
        raise ConfigError(file, section, None, problem, "pip install .[keystone]") from None
    if conf.pop("cache", None):
        get_logger(conf, "authtoken").warning(
            "%s [%s] cache is ignored: authtoken runs outside of the event loop; give memcached_servers", file, section
        )
    protocol = auth_token.filter_factory(conf)(end)
    threads = ThreadPool(THREADS)
    return lambda app: AuthToken(app, protocol, threads)
