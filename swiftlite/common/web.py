"""Requests and answers as Swift's clients know them: WSGI strings, reasons, bodies that say why (formats.md 7.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any

import webob

from swiftlite.common.config import is_true
from swiftlite.core.constraints import Violation
from swiftlite.core.metadata import title_case
from swiftlite.core.names import split_path
from swiftlite.core.timestamp import Timestamp

REASONS: dict[int, tuple[str, str]] = {
    100: ("Continue", ""),
    200: ("OK", ""),
    201: ("Created", ""),
    202: ("Accepted", "The change was taken in, and its result will show."),
    204: ("No Content", ""),
    206: ("Partial Content", ""),
    300: ("Multiple Choices", ""),
    301: ("Moved Permanently", "Please use the address in the Location header from now on."),
    302: ("Found", "Please use the address in the Location header this time."),
    303: ("See Other", "The result stands at the address in the Location header."),
    304: ("Not Modified", ""),
    307: ("Temporary Redirect", "Please repeat the request at the address in the Location header."),
    400: ("Bad Request", "The request is malformed or breaks a rule."),
    401: ("Unauthorized", "A valid token is needed to reach this."),
    402: ("Payment Required", "Access is withheld until the account is settled."),
    403: ("Forbidden", "You may not do this here."),
    404: ("Not Found", "There is nothing of this name here."),
    405: ("Method Not Allowed", "This cannot be done to this kind of resource."),
    406: ("Not Acceptable", "None of the formats that the request accepts can be given."),
    408: ("Request Timeout", "The request's next bytes did not come in time."),
    409: ("Conflict", "The stored state does not allow this change."),
    410: ("Gone", "This existed and was deleted."),
    411: ("Length Required", "The request must give its Content-Length."),
    412: ("Precondition Failed", "A condition of the request does not hold."),
    413: ("Request Entity Too Large", "The body is larger than allowed."),
    414: ("Request URI Too Long", "The request line is longer than allowed."),
    415: ("Unsupported Media Type", "The body's media type is not one that can be used."),
    416: ("Requested Range Not Satisfiable", "The resource has none of the bytes asked for."),
    417: ("Expectation Failed", "The request's Expect header cannot be met."),
    422: ("Unprocessable Entity", "The body does not match what the request says of it."),
    429: ("Too Many Requests", "Too many requests; please slow down."),
    497: ("Blacklisted", "This account may send no requests."),
    498: ("Rate Limited", "Too many requests; please slow down."),
    499: ("Client Disconnect", "The connection ended before the request did."),
    500: ("Internal Error", "Something went wrong inside the server; its log tells more."),
    501: ("Not Implemented", "This server cannot do that."),
    502: ("Bad Gateway", "A server behind this one gave an unusable answer."),
    503: ("Service Unavailable", "Too few servers could take the request; please try again."),
    504: ("Gateway Timeout", "A server behind this one did not answer in time."),
    507: ("Insufficient Storage", "The device cannot store this. Drive: %(drive)s"),
    529: ("Too Many Backend Requests", "This storage server has more requests than it takes; please try again."),
}

_STANDARD = frozenset(HTTPStatus)
NO_BODY = frozenset({200, 201, 204, 206, 304})


def status_line(status: int) -> str:
    """``404 Not Found``; a status that Swift does not know has the reason that HTTP gives it."""
    if status in REASONS:
        return f"{status} {REASONS[status][0]}"
    return f"{status} {HTTPStatus(status).phrase if status in _STANDARD else 'Unknown'}"


def default_body(status: int, drive: str = "unknown") -> bytes:
    """The body of an answer whose code gives none; nothing for successes."""
    if status in NO_BODY or status not in REASONS:
        return b""
    reason, text = REASONS[status]
    return f"<html><h1>{reason}</h1><p>{text % {'drive': drive} if '%(' in text else text}</p></html>".encode()


@lru_cache(maxsize=2048)
def _header_name(environ_key: str) -> str:
    """``HTTP_X_FOO`` -> ``X-Foo``; letters beyond ASCII are bytes of UTF-8, which have no case."""
    return title_case(environ_key[5:].replace("_", "-"))


@lru_cache(maxsize=2048)
def environ_key(name: str) -> str:
    """``X-Foo``, in any case -> ``HTTP_X_FOO``: where a WSGI environ holds a header.

    Only ASCII letters change, others are bytes of UTF-8.
    """
    upper = name.upper() if name.isascii() else name.encode("latin-1").upper().decode("latin-1")
    key = upper.replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key


class Request(webob.Request):
    """A request, read through WSGI strings (one character a byte) so that any bytes survive."""

    @property
    def wsgi_path(self) -> str:
        """The decoded path as a WSGI string; no UTF-8 is assumed."""
        return self.environ.get("PATH_INFO", "")

    def header(self, name: str, default: str | None = None) -> str | None:
        """A header as a WSGI string; ``name`` in any case."""
        return self.environ.get(environ_key(name), default)

    def header_items(self) -> list[tuple[str, str]]:
        """All headers as (name in title case, WSGI string)."""
        found = []
        for key, value in self.environ.items():
            if key.startswith("HTTP_"):
                found.append((_header_name(key), value))
            elif key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value != "":
                found.append((key.replace("_", "-").title(), value))
        return found

    def is_true(self, name: str) -> bool:
        """Whether a header's word means yes."""
        return is_true(self.header(name))

    def path_parts(self, minimum: int, maximum: int, rest_with_last: bool = False) -> list[str | None]:
        """The path split as :func:`swiftlite.core.names.split_path` does.

        :raises Answer: 400 naming the path
        """
        try:
            return split_path(self.wsgi_path, minimum, maximum, rest_with_last)
        except ValueError as error:
            raise HTTPBadRequest(f"{error}", request=self, content_type="text/plain") from None

    def timestamp(self, name: str = "X-Timestamp") -> Timestamp:
        """The timestamp in a header.

        :raises Answer: 400 when it is missing or no timestamp
        """
        value = self.header(name)
        if value is None:
            raise HTTPBadRequest(f"Missing {name} header", request=self, content_type="text/plain")
        try:
            return Timestamp(value)
        except ValueError:
            raise HTTPBadRequest(f"Invalid {name} header", request=self, content_type="text/plain") from None


class Response(webob.Response):
    """A webob response that leaves conditions and relative redirects to us."""

    default_conditional_response = False

    def _make_location_absolute(self, environ: dict[str, Any], value: str) -> str:
        return value


class Answer(Response, Exception):
    """An answer that code may return or raise.

    :param status: HTTP status
    :param body: says what happened; None takes Swift's default text
    :param request: the request it answers, kept for whoever logs it
    :param headers: extra headers
    :param drive: the device that a 507 names
    """

    def __init__(
        self,
        status: int,
        body: str | bytes | None = None,
        request: webob.Request | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        drive: str = "unknown",
        content_type: str = "text/html",
        **kwargs: Any,
    ) -> None:
        if body is None:
            body = default_body(status, drive)
        if isinstance(body, str):
            body = body.encode("utf-8", "surrogateescape")
        # Swift's plain texts name no charset.
        charset = None if content_type == "text/plain" else "UTF-8"
        Response.__init__(
            self, body=body, status=status_line(status), content_type=content_type, charset=charset, **kwargs
        )
        Exception.__init__(self, self.status)
        if headers:
            self.headers.update(dict(headers))
        self.answered_request = request


def from_violation(violation: Violation, request: webob.Request | None = None) -> Answer:
    """The answer to a request that breaks a limit: its status, its reason as the body."""
    content_type = "text/html" if violation.status == 412 else "text/plain"
    return Answer(violation.status, violation.message, request, content_type=content_type)


HTTPOk = partial(Answer, 200)
HTTPCreated = partial(Answer, 201)
HTTPAccepted = partial(Answer, 202)
HTTPNoContent = partial(Answer, 204)
HTTPPartialContent = partial(Answer, 206)
HTTPMovedPermanently = partial(Answer, 301)
HTTPNotModified = partial(Answer, 304)
HTTPBadRequest = partial(Answer, 400)
HTTPUnauthorized = partial(Answer, 401)
HTTPForbidden = partial(Answer, 403)
HTTPNotFound = partial(Answer, 404)
HTTPMethodNotAllowed = partial(Answer, 405)
HTTPNotAcceptable = partial(Answer, 406)
HTTPRequestTimeout = partial(Answer, 408)
HTTPConflict = partial(Answer, 409)
HTTPGone = partial(Answer, 410)
HTTPLengthRequired = partial(Answer, 411)
HTTPPreconditionFailed = partial(Answer, 412)
HTTPRequestEntityTooLarge = partial(Answer, 413)
HTTPRequestedRangeNotSatisfiable = partial(Answer, 416)
HTTPUnprocessableEntity = partial(Answer, 422)
HTTPClientDisconnect = partial(Answer, 499)
HTTPInternalServerError = partial(Answer, 500)
HTTPNotImplemented = partial(Answer, 501)
HTTPServiceUnavailable = partial(Answer, 503)
HTTPInsufficientStorage = partial(Answer, 507)
