"""VersioningRequests: what object versioning asks of the rest of the pipeline, and what becomes of failures."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from swiftlite.common.log import Logger
from swiftlite.common.pipeline import WSGIApp
from swiftlite.common.subrequest import Environ, SubResponse, call, make_environ, trust
from swiftlite.common.web import (
    Answer,
    HTTPBadRequest,
    HTTPInternalServerError,
    HTTPPreconditionFailed,
    HTTPServiceUnavailable,
)
from swiftlite.core.timestamp import Timestamp

SOURCE = "OV"
"""Who asks, in the log."""

RESERVED_NAMES = "HTTP_X_BACKEND_ALLOW_RESERVED_NAMES"
POLICY_INDEX = "HTTP_X_BACKEND_STORAGE_POLICY_INDEX"
TIMESTAMP = "HTTP_X_TIMESTAMP"
NOT_COPIED = (POLICY_INDEX, "HTTP_EXPECT", "HTTP_HOST", "HTTP_TRANSFER_ENCODING")
LOST = "The versions container does not exist. You may want to re-enable object versioning."


class VersioningRequests:
    """Sends requests of our own, which nobody else is asked about."""

    def __init__(self, app: WSGIApp, log: Logger) -> None:
        self.app = app
        self.log = log

    def ask(self, environ: Environ, method: str, path: str, **more: Any) -> SubResponse:
        """Send a request of our own.

        :param path: decoded
        :param more: as for ``make_environ``
        """
        return call(self.app, trust(make_environ(environ, method, path, source=SOURCE, **more)))

    def ask_and_close(self, environ: Environ, method: str, path: str, **more: Any) -> SubResponse:
        """``ask``, for who only wants to know the head of the answer."""
        answer = self.ask(environ, method, path, **more)
        answer.close()
        return answer

    def send_on(self, environ: Environ, path: str | None = None, **changes: Any) -> SubResponse:
        """Send the client's request on, itself unchanged.

        :param path: decoded, of a version instead; then the client, who may not name it, is let through to ask for it
        :param changes: other entries of the environ
        """
        changed = {**environ, **changes}
        changed.pop(POLICY_INDEX, None)  # of a container that another request has looked at
        if path is not None:
            changed["PATH_INFO"] = path
            changed.pop("RAW_PATH_INFO", None)
            changed[RESERVED_NAMES] = "true"
        return call(self.app, changed)

    def check(self, answer: SubResponse) -> SubResponse:
        """The answer, if it is a success.

        :raises Answer: what the client hears of it otherwise
        """
        if answer.is_success:
            return answer
        body = answer.read(65536)
        if answer.status == 404:
            raise HTTPPreconditionFailed()
        if answer.status // 100 == 4:
            raise _copy_of(answer, body)
        self.log.error("ERROR Versioning failed: a request of its own was answered %d", answer.status)
        raise HTTPServiceUnavailable()


def trust_with_path(made: Environ, environ: Environ) -> Environ:
    """Make a request one of our own, as ``trust`` does, but have the client asked about all that it takes elsewhere.

    A static link's target is looked at when the link is made, and what it is like shows in the answer.

    :param environ: of the client's request
    """
    trust(made)
    check, path = environ.get("swift.authorize"), made["PATH_INFO"]
    if check is not None:
        for key in ("REMOTE_USER", "swift.authorize_override", "swift_owner"):
            made.pop(key)
            if key in environ:
                made[key] = environ[key]
        made["swift.authorize"] = lambda request: None if request.environ["PATH_INFO"] == path else check(request)
    return made


def lost_container() -> Answer:
    """What a client hears whose container says that it has versions, where there is none for them."""
    return HTTPInternalServerError(LOST, content_type="text/plain")


def _copy_of(answer: SubResponse, body: bytes) -> Answer:
    copied = Answer(answer.status, body)
    copied.headerlist = [pair for pair in answer.headers if pair[0].lower() != "content-length"]
    copied.headers["Content-Length"] = str(len(body))
    return copied


def stamp(environ: Environ) -> Timestamp:
    """The request's timestamp; one that had none has one afterwards, for all that is done for it.

    :raises Answer: 400 where it came with something else
    """
    given = environ.get(TIMESTAMP)
    try:
        timestamp = Timestamp(time.time() if given is None else given)
    except ValueError:
        text = f"X-Timestamp should be a UNIX timestamp float value; was {given!r}"
        raise HTTPBadRequest(text, content_type="text/plain") from None
    environ[TIMESTAMP] = timestamp.internal
    return timestamp


def copy_headers(environ: Environ, made: Environ, without: Iterable[str] = ()) -> Environ:
    """Give a request of our own the headers of the client's.

    :param without: keys of the environ
    """
    dropped = {*without, *NOT_COPIED}
    for key, value in environ.items():
        if key.startswith("HTTP_") and key not in dropped:
            made[key] = value
    if environ.get("CONTENT_TYPE"):
        made["CONTENT_TYPE"] = environ["CONTENT_TYPE"]
    return made
