"""Symbolic links: objects that stand for another one (formats.md 7.17)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from swiftlite.common import swift_info
from swiftlite.common.config import is_true, option
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.common.subrequest import Environ, StartResponse, SubResponse, call, make_environ, may_have, trust
from swiftlite.common.web import Answer, HTTPBadRequest, HTTPConflict, from_violation
from swiftlite.core import links
from swiftlite.core.constraints import Violation
from swiftlite.core.links import Link
from swiftlite.core.listing_formats import JSON
from swiftlite.core.names import quote_wsgi
from swiftlite.middleware.client_body import read_body
from swiftlite.middleware.listed import change_entries

DEFAULT_SYMLOOP_MAX = 2
LISTED_ETAG = "HTTP_X_OBJECT_SYSMETA_CONTAINER_UPDATE_OVERRIDE_ETAG"
IGNORE_RANGE = "HTTP_X_BACKEND_IGNORE_RANGE_IF_METADATA_PRESENT"
RESERVED_NAMES = "HTTP_X_BACKEND_ALLOW_RESERVED_NAMES"
POLICY_INDEX = "HTTP_X_BACKEND_STORAGE_POLICY_INDEX"
ASKED = "HTTP_X_SYMLINK_TARGET"
TARGET = "HTTP_X_OBJECT_SYSMETA_SYMLINK_TARGET"
TARGET_ACCOUNT = TARGET + "_ACCOUNT"
TARGET_ETAG = TARGET + "_ETAG"
TARGET_BYTES = TARGET + "_BYTES"
GRANTED = ("HTTP_X_OBJECT_SYSMETA_ALLOW_RESERVED_NAMES", "HTTP_X_OBJECT_SYSMETA_SYMLOOP_EXTEND")
"""What only versioning's links may have: with the first, whoever may read the link may read its target."""
SOURCE = "SYM"
LINK_BYTES = "HTTP_X_SYMLINK_TARGET_BYTES"
AS_IT_IS = "swift.symlink_override"
"""Makes a static link whatever its target is; the request says itself how many bytes that has."""


def _at_least_one(text: str) -> int:
    count = int(text)
    return count if count > 0 else DEFAULT_SYMLOOP_MAX


@dataclass(frozen=True)
class SymlinkOptions:
    """The filter's section."""

    symloop_max: int = option(
        DEFAULT_SYMLOOP_MAX,
        "links that a request follows at most, one after another; below 1: the default",
        _at_least_one,
    )


@dataclass(frozen=True, slots=True)
class Reached:
    """Where following links has led.

    :param answer: what the last request was answered
    :param path: what it was for, percent-encoded; None where the first request was the last
    """

    answer: SubResponse
    path: str | None


class Symlink:
    """The filter."""

    def __init__(self, app: WSGIApp, options: SymlinkOptions) -> None:
        self.app = app
        self.symloop_max = options.symloop_max

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        handler = self.handlers.get(method)
        if handler is None or (method == "PUT" and ASKED not in environ):
            return self.app(environ, start_response)
        parts = environ["PATH_INFO"].split("/", 4)
        if len(parts) < 4 or not (parts[1] and parts[2] and parts[3]):
            return self.app(environ, start_response)
        try:
            if len(parts) == 5 and parts[4]:
                return handler(self, environ, start_response)
            if method == "GET":
                return self._list(environ, start_response)
        except Violation as violation:
            return from_violation(violation)(environ, start_response)
        except Answer as answer:
            return answer(environ, start_response)
        return self.app(environ, start_response)

    # --- the verbs ---

    def get(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """The target of a link, or the link itself for ``?symlink=get``."""
        query = environ.get("QUERY_STRING", "")
        if may_have(query, "symlink") and parse_qs(query).get("symlink", [""])[-1] == "get":
            answer = call(self.app, environ)
            answer.headers = [(links.CLIENT_NAMES.get(name.lower(), name), value) for name, value in answer.headers]
            return answer.forward(start_response)
        if "HTTP_RANGE" in environ:  # a link has no bytes, but its target may
            ignored = environ.get(IGNORE_RANGE)
            environ[IGNORE_RANGE] = f"{ignored},{links.TARGET}" if ignored else links.TARGET
        answer = call(self.app, environ)
        link = links.stored_link(answer.headers)
        if link is None:
            return answer.forward(start_response)
        reached = self._follow(environ, Reached(answer, None), None)
        assert reached.path is not None
        reached.answer.headers.append(("Content-Location", reached.path))
        return reached.answer.forward(start_response)

    def put(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Make a link; of a static one the target must be there, and as the client says."""
        length = environ.get("CONTENT_LENGTH")
        if int(length) if length and length.isdecimal() else read_body(environ, 1):
            raise HTTPBadRequest("Symlink requests require a zero byte body", content_type="text/plain")
        _, _, *own = environ["PATH_INFO"].split("/", 4)
        target, account = environ.pop(ASKED), environ.pop("HTTP_X_SYMLINK_TARGET_ACCOUNT", None)
        etag = environ.pop("HTTP_X_SYMLINK_TARGET_ETAG", None)
        link = links.requested_link((own[0], own[1], own[2]), target, account, etag)
        if link.etag:
            self._check_target(environ, link)
        elif not environ.get("CONTENT_TYPE"):
            environ["CONTENT_TYPE"] = links.CONTENT_TYPE
        if not is_true(environ.get(RESERVED_NAMES)):  # the client's own link, though it may be a copy of versioning's
            for key in GRANTED:
                environ.pop(key, None)
        environ[TARGET] = link.target
        if link.account is not None:
            environ[TARGET_ACCOUNT] = link.account
        # Versioning knows its target, and has said itself what that is like.
        static = Link(link.target, link.account, environ.get(TARGET_ETAG), environ.get(TARGET_BYTES))
        environ[LISTED_ETAG] = static.listed_etag(environ.get(LISTED_ETAG))
        return self.app(environ, start_response)

    def post(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """New metadata for an object; of a link the client is told, for it might have meant the target."""
        if ASKED in environ:
            raise HTTPBadRequest("A PUT request is required to set a symlink target", content_type="text/plain")
        answer = call(self.app, environ)
        link = links.stored_link(answer.headers) if answer.is_success else None
        if link is None:
            return answer.forward(start_response)
        answer.close()
        _, version, account, _ = environ["PATH_INFO"].split("/", 3)
        headers = [("Location", link.path(version, account))]
        if link.etag:
            headers.append(("X-Symlink-Target-Etag", link.etag))
        headers += [pair for pair in answer.headers if pair[0].lower().startswith("x-object-sysmeta-")]
        environ["swift.leave_relative_location"] = True
        text = "The requested POST was applied to a symlink. POST directly to the target to apply requested metadata."
        return Answer(307, text, headers=headers)(environ, start_response)

    handlers = {"GET": get, "HEAD": get, "PUT": put, "POST": post}

    def _list(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """A container's listing with what its links point to."""
        answer = call(self.app, environ)
        if not answer.is_success:
            return answer.forward(start_response)
        body = answer.read()
        if links.MARK in body and (answer.header("content-type") or "").startswith(JSON):
            _, version, account, _ = environ["PATH_INFO"].split("/", 3)
            body = change_entries(body, lambda entry: links.show_link(entry, version, quote_wsgi(account)))
        kept = [pair for pair in answer.headers if pair[0].lower() != "content-length"]
        start_response(answer.status_line, [*kept, ("Content-Length", str(len(body)))])
        return [body]

    # --- following ---

    def _follow(self, environ: Environ, reached: Reached, wanted: str | None, only_static: bool = False) -> Reached:
        """Follow links to what is none.

        :param reached: what the first request was answered; its path if it was itself for a link's target
        :param wanted: the ETag that the first object must have
        :param only_static: if the first object is a dynamic link, take it for the target
        :raises Answer: 409 where there are too many, or something is not what a static link promises
        """
        original, count = environ, 0
        while (link := links.stored_link(reached.answer.headers)) is not None and (link.etag or not only_static):
            reached.answer.read()
            if wanted and wanted != (link.etag or reached.answer.header("etag")):
                raise _conflict("X-Symlink-Target-Etag headers do not match", reached.path)
            if count >= self.symloop_max:
                raise _conflict(f"Too many levels of symbolic links, maximum allowed is {self.symloop_max}")
            count += not link.extends_loop
            _, version, account, _ = environ["PATH_INFO"].split("/", 3)
            path = link.path(version, account)
            environ = _read_target(original, environ, path, link.reaches_reserved)
            reached = Reached(call(self.app, environ), path)
            wanted, only_static = link.etag, False
        found = reached.answer.header("etag")
        if found and wanted and wanted != found:
            reached.answer.close()
            text = f"Object Etag {found!r} does not match X-Symlink-Target-Etag header {wanted!r}"
            raise _conflict(text, reached.path)
        return reached

    def _check_target(self, environ: Environ, link: Link) -> None:
        """Hold what a static link promises against its target, and take over what listings show of that.

        :raises Answer: 409 when the target is not there or another one, or as its server says
        """
        environ[TARGET_ETAG] = link.etag
        if environ.get(AS_IT_IS):  # container sync may bring a link before its target
            if not environ.get(LINK_BYTES, "").isdecimal():
                raise HTTPBadRequest("X-Symlink-Target-Bytes is missing, or no number", content_type="text/plain")
            environ[TARGET_BYTES] = environ[LINK_BYTES]
            return
        path = link.path("v1", environ["PATH_INFO"].split("/", 3)[2])
        reserved = [("X-Backend-Allow-Reserved-Names", "true")] if is_true(environ.get(RESERVED_NAMES)) else []
        head = make_environ(environ, "HEAD", unquote(path, "latin-1"), headers=reserved, source=SOURCE)
        target = self._follow(head, Reached(call(self.app, head), path), link.etag, only_static=True)
        target.answer.close()
        if target.answer.status == 404:
            raise _conflict("X-Symlink-Target does not exist", target.path)
        if not target.answer.is_success:
            challenge = target.answer.header("www-authenticate")
            raise Answer(target.answer.status, headers={"Www-Authenticate": challenge} if challenge else None)
        headers = {name.lower(): value for name, value in target.answer.headers}
        environ[TARGET_BYTES] = headers.get("x-object-sysmeta-slo-size") or headers["content-length"]
        if not environ.get("CONTENT_TYPE"):
            environ["CONTENT_TYPE"] = headers["content-type"]
        if LISTED_ETAG not in environ:
            listed = links.inherited_etag(headers)
            if listed is not None:
                environ[LISTED_ETAG] = listed


def _read_target(original: Environ, environ: Environ, path: str, reaches_reserved: bool) -> Environ:
    """The request for a link's target.

    :param original: the client's request
    :param environ: the request that was answered with the link
    :param path: of the target, percent-encoded
    """
    method, query = environ["REQUEST_METHOD"], environ.get("QUERY_STRING", "")
    made = make_environ(original, method, unquote(path, "latin-1"), query=query, source=SOURCE)
    for key, value in environ.items():
        if key.startswith("HTTP_") and key != POLICY_INDEX:  # the target may lie in another policy
            made[key] = value
    return trust(made) if reaches_reserved else made


def _conflict(text: str, path: str | None = None) -> Answer:
    return HTTPConflict(text, headers={"Content-Location": path} if path else None, content_type="text/plain")


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: SymlinkOptions. Raises ConfigError."""
    options = factory_options(SymlinkOptions, {**global_conf, **local_conf})
    swift_info.register("symlink", symloop_max=options.symloop_max, static_links=True)
    return lambda app: Symlink(app, options)
