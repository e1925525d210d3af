"""InternalClient: a proxy's pipeline called in this process, for daemons that do what clients do (formats.md 8.4)."""

from __future__ import annotations

import io
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from swiftlite.common.concurrency import sleep
from swiftlite.common.config import ConfFile, ConfigError, StartError
from swiftlite.common.pipeline import WSGIApp, load_app
from swiftlite.common.subrequest import BodyReader, Environ, SubResponse, call, make_environ
from swiftlite.core.json_text import load_json
from swiftlite.core.names import str_to_wsgi

Names = tuple[str, ...]
"""Account, container, object: as many as name what is meant, as native text."""

BUILT_IN = """
[pipeline:main]
pipeline = catch_errors proxy-logging cache symlink proxy-server

[app:proxy-server]
use = egg:swiftlite#proxy
account_autocreate = true

[filter:catch_errors]
use = egg:swiftlite#catch_errors

[filter:proxy-logging]
use = egg:swiftlite#proxy_logging

[filter:cache]
use = egg:swiftlite#memcache

[filter:symlink]
use = egg:swiftlite#symlink
"""

TRUSTED = (("X-Backend-Allow-Reserved-Names", "true"),)
"""On every request: it comes from one of our own."""


class UnexpectedResponse(Exception):
    """The pipeline answered with a status that the caller has no use for.

    :ivar status: what it answered
    """

    def __init__(self, what: str, status_line: str) -> None:
        super().__init__(f"{what} was answered {status_line}")
        self.status = int(status_line[:3])


class InternalClient:
    """Sends requests down a pipeline that has no gatekeeper and asks nobody whether they are allowed.

    Its requests may name hidden accounts and reserved names, and carry ``X-Backend-*`` and ``X-Timestamp``.

    :param user_agent: how the pipeline's log calls it
    :param tries: how often a request is sent that is answered with a server error
    :param pause: waits so many seconds before the next try
    """

    def __init__(
        self,
        app: WSGIApp,
        user_agent: str,
        tries: int,
        logger: logging.Logger,
        pause: Callable[[float], None] = sleep,
    ) -> None:
        self.app = app
        self.user_agent = user_agent
        self.tries = max(1, tries)
        self.logger = logger
        self.pause = pause

    @classmethod
    def from_conf(
        cls, path: str, swift_dir: str, user_agent: str, tries: int, logger: logging.Logger
    ) -> InternalClient:
        """Load the pipeline of a conf file; none of the filters that it does not name is added.

        :param swift_dir: the daemon's; the pipeline goes by its own conf's, and by nothing else, as with OpenStack Swift
        :raises ConfigError: when the file cannot be used
        """
        try:
            app = load_app(path, allow_modify=False)
        except StartError as error:
            own = ConfFile.load(path).section("DEFAULT").get("swift_dir", "/etc/swift")
            is_of_conf = isinstance(error, ConfigError) and error.file == path
            if is_of_conf or os.path.normpath(own) == os.path.normpath(swift_dir):
                raise
            said = f"{error.file}: {error.problem}" if isinstance(error, ConfigError) else error
            problem = f"its pipeline cannot be made, for it looks for files elsewhere than in {swift_dir}: {said}"
            raise ConfigError(path, None, None, problem, f"say swift_dir = {swift_dir} in its [DEFAULT]") from None
        return cls(app, user_agent, tries, logger)

    @classmethod
    def built_in(
        cls, swift_dir: str, texts: Mapping[str, str], user_agent: str, tries: int, logger: logging.Logger
    ) -> InternalClient:
        """Load the usual pipeline (formats.md 8.4), for who has no conf file of it.

        :param texts: the daemon's own conf, of which the pipeline's log takes where to write
        """
        default = {"swift_dir": swift_dir} | {key: value for key, value in texts.items() if key.startswith("log_")}
        lines = ["[DEFAULT]", *(f"{key} = {value}" for key, value in default.items()), BUILT_IN]
        with tempfile.NamedTemporaryFile("w", suffix=".conf", prefix="internal-client-") as file:
            file.write("\n".join(lines))
            file.flush()
            return cls.from_conf(file.name, swift_dir, user_agent, tries, logger)

    def request(
        self,
        method: str,
        names: Names,
        *,
        query: Mapping[str, str | bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        accept: Iterable[int] = (),
    ) -> SubResponse:
        """Send a request without a body.

        :param headers: names in any case, values WSGI strings
        :param accept: statuses that the caller can use besides 2xx; no other is returned
        :raises UnexpectedResponse: for all others, for server errors only after several tries
        """
        path = str_to_wsgi("/v1/" + "/".join(names))
        text, accept = urlencode(query or {}), frozenset(accept)
        for attempt in range(1, self.tries + 1):
            if attempt > 1:
                self.pause(2.0 ** (attempt - 1))
            environ = make_environ(self._base(), method, path, query=text, headers=[*TRUSTED, *(headers or {}).items()])
            response = call(self.app, environ)
            if response.is_success or response.status in accept:
                return response
            response.read()
            if response.status < 500:
                break
            self.logger.warning("%s %s: %s, try %d of %d", method, path, response.status_line, attempt, self.tries)
        raise UnexpectedResponse(f"{method} {path}", response.status_line)

    def upload(self, names: Names, body: Iterable[bytes], headers: Mapping[str, str]) -> int:
        """Store an object; only once, for its body can be read only once.

        :param headers: as for :meth:`request`, with a Content-Length; the Content-Type may say ``swift_bytes``
        :returns: the status, a 2xx
        :raises UnexpectedResponse: for all others
        """
        path = str_to_wsgi("/v1/" + "/".join(names))
        environ = make_environ(self._base(), "PUT", path, headers=[*TRUSTED, *headers.items()], body=BodyReader(body))
        environ["swift.content_type_overridden"] = True
        response = call(self.app, environ)
        response.read()
        if not response.is_success:
            raise UnexpectedResponse(f"PUT {path}", response.status_line)
        return response.status

    def containers(self, account: str, prefix: str = "") -> Iterator[dict[str, Any]]:
        """The listing of an account, entry by entry; nothing for an account that is not there.

        :raises UnexpectedResponse: when it cannot be listed
        """
        return self._listing((account,), prefix)

    def objects(self, account: str, container: str, prefix: str = "") -> Iterator[dict[str, Any]]:
        """The listing of a container, entry by entry; nothing for a container that is not there.

        :raises UnexpectedResponse: when it cannot be listed
        """
        return self._listing((account, container), prefix)

    def delete(self, *names: str, headers: Mapping[str, str] | None = None, accept: Iterable[int] = ()) -> int:
        """Delete an account, a container or an object.

        :param headers, accept: as for :meth:`request`
        :returns: the status
        :raises UnexpectedResponse: as :meth:`request`
        """
        response = self.request("DELETE", names, headers=headers, accept=accept)
        response.read()
        return response.status

    def _listing(self, names: Names, prefix: str) -> Iterator[dict[str, Any]]:
        marker = ""
        while True:
            query: dict[str, str | bytes] = {
                "format": "json",
                "marker": marker.encode("utf-8", "surrogateescape"),
                "prefix": prefix,
            }
            response = self.request("GET", names, query=query, accept=(404,))
            body = response.read()
            page = load_json(body) if response.status == 200 and body else []
            if not page:
                return
            yield from page
            marker = page[-1].get("name", page[-1].get("subdir"))

    def _base(self) -> Environ:
        """What a server would have put into every environ."""
        return {
            "HTTP_HOST": "localhost",
            "HTTP_USER_AGENT": self.user_agent,
            "REMOTE_ADDR": "127.0.0.1",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "swift_owner": True,
            "wsgi.errors": sys.stderr,
            "wsgi.input": io.BytesIO(),
            "wsgi.multiprocess": False,
            "wsgi.multithread": False,
            "wsgi.run_once": False,
            "wsgi.url_scheme": "http",
            "wsgi.version": (1, 0),
        }
