"""Temporary URLs: let in who brings no token, but a URL that an owner has signed (formats.md 7.18)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from swiftlite.common import statsd, swift_info
from swiftlite.common.config import option
from swiftlite.common.log import get_logger
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.common.subrequest import Environ, Headers, StartResponse, call
from swiftlite.common.web import Answer, HTTPBadRequest, HTTPUnauthorized, Request, environ_key
from swiftlite.core.names import split_path, wsgi_to_str
from swiftlite.core.signature import is_one_of, read_signature, temp_url_signature
from swiftlite.core.temp_url import (
    POINTERS,
    NameRule,
    TempURL,
    admits,
    disposition,
    expires_date,
    expiry,
    methods_that_allow,
    read_query,
    signed_path,
)
from swiftlite.middleware.signing import ALL_DIGESTS, digests_info, keys_for
from swiftlite.middleware.tempauth.filter import unauthorized

SOURCE = "TU"
USER = ".wsgi.tempurl"
"""Who a log says that it was."""
CONTENT_GENERATOR = "x-backend-content-generator"
_POINTER_KEYS = {environ_key(name): name for name in POINTERS}


@dataclass(frozen=True)
class TempURLOptions:
    """The filter's section. Lists have blanks between their words; a name of a header may end with ``*``."""

    methods: str = option("GET HEAD PUT POST DELETE", "methods that a temporary URL may be used with")
    allowed_digests: str = option(ALL_DIGESTS, "hash functions of signatures; sha1 is deprecated")
    incoming_remove_headers: str = option("x-timestamp x-open-expired", "headers of requests that are ignored")
    incoming_allow_headers: str = option("", "exceptions to these")
    outgoing_remove_headers: str = option("x-object-meta-*", "headers of answers that are not shown")
    outgoing_allow_headers: str = option("x-object-meta-public-*", "exceptions to these")

    def info(self) -> dict[str, list[str]]:
        """What /info tells of them, hash functions apart."""
        return {
            "methods": self.methods.split(),
            "incoming_remove_headers": self.incoming_remove_headers.split(),
            "incoming_allow_headers": self.incoming_allow_headers.split(),
            "outgoing_remove_headers": self.outgoing_remove_headers.split(),
            "outgoing_allow_headers": self.outgoing_allow_headers.split(),
        }


class Grant(NamedTuple):
    """A temporary URL that is good for a request.

    :ivar place: account, container and object of the path, WSGI strings; no object: the container itself
    :ivar expires: seconds since 1970
    :ivar signature: in hex
    :ivar of_account: a key of the account has signed it, not only one of the container
    """

    url: TempURL
    place: tuple[str, str, str]
    expires: int
    signature: str
    of_account: bool


class TempURLFilter:
    """The filter.

    :param digests: the hash functions that are allowed
    """

    def __init__(self, app: WSGIApp, options: TempURLOptions, digests: Iterable[str]) -> None:
        self.app = app
        self.digests = frozenset(digests)
        self.methods = frozenset(options.methods.split())
        self._drops = NameRule(
            map(environ_key, options.incoming_remove_headers.split()),
            map(environ_key, options.incoming_allow_headers.split()),
        )
        self._hides = NameRule(
            options.outgoing_remove_headers.lower().split(), options.outgoing_allow_headers.lower().split()
        )

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        query = environ.get("QUERY_STRING")
        if not query or environ["REQUEST_METHOD"] == "OPTIONS":
            return self.app(environ, start_response)
        url = read_query(query)
        if url is None:
            return self.app(environ, start_response)
        grant = self._grant(environ, url, time.time())
        if grant is None:
            return _invalid(environ)(environ, start_response)
        refusal = _pointer_refusal(environ)
        if refusal is not None:
            return refusal(environ, start_response)
        for key in [key for key in environ if self._drops(key)]:
            del environ[key]
        _let_in(environ, grant)
        return self._answer(environ, start_response, grant)

    def _grant(self, environ: Environ, url: TempURL, now: float) -> Grant | None:
        """What a request may do, None when it brings no good signature; the keys are looked up last."""
        if not url.signature or not url.expires:
            return None
        expires = expiry(url.expires)
        place = self._place(environ, url)
        if place is None or expires is None or expires < now:
            return None
        try:
            digest, signature = read_signature(url.signature)
        except ValueError:
            return None
        path = signed_path(*map(wsgi_to_str, place), url.prefix)
        if digest not in self.digests or path is None:
            return None
        if url.ip_range and not admits(url.ip_range, environ.get("REMOTE_ADDR")):
            return None
        methods = methods_that_allow(environ["REQUEST_METHOD"])
        matches = [
            is_one_of(
                signature,
                [temp_url_signature(digest, key, one, expires, path, url.ip_range) for key in keys for one in methods],
            )
            for keys in keys_for(environ, self.app, SOURCE)  # all of them, whichever matches
        ]
        if not any(matches):
            return None
        statsd.note(f"tempurl.digests.{digest}")
        return Grant(url, place, expires, signature, matches[0])

    def _place(self, environ: Environ, url: TempURL) -> tuple[str, str, str] | None:
        """What a temporary URL may lead to: an object; for static web sites also a container's root."""
        method = environ["REQUEST_METHOD"]
        is_root_good = url.prefix == "" and method in ("GET", "HEAD")
        if method not in self.methods:
            return None
        try:
            version, account, container, name = split_path(environ["PATH_INFO"], 3, 4, rest_with_last=True)
        except ValueError:
            return None
        # Signatures say v1: another spelling of the version would be another URL.
        if version != "v1" or not account or not container or not (is_root_good or (name or "").strip("/")):
            return None
        return account, container, name or ""

    def _answer(self, environ: Environ, start_response: StartResponse, grant: Grant) -> Iterable[bytes]:
        response = call(self.app, environ)
        headers = [pair for pair in response.headers if not self._hides(pair[0].lower())]
        if environ["REQUEST_METHOD"] in ("GET", "HEAD") and response.is_success:
            is_page = response.header(CONTENT_GENERATOR) == "staticweb"
            if not grant.place[2] and not is_page:
                response.close()  # a container's listing, which nobody has signed for
                return _invalid(environ)(environ, start_response)
            headers = _as_download(headers, grant, is_page)
        start_response(response.status_line, headers)
        return response.body


def _invalid(environ: Environ) -> Answer:
    """The same, whatever is wrong."""
    return unsigned(b"" if environ["REQUEST_METHOD"] == "HEAD" else b"401 Unauthorized: Temp URL invalid\n")


def unsigned(body: bytes) -> Answer:
    """401 for a request whose signature is not good; whose realm it is, is none of the sender's business."""
    return HTTPUnauthorized(body, headers={"Www-Authenticate": 'Swift realm="unknown"'})


def _pointer_refusal(environ: Environ) -> Answer | None:
    """400 for an upload that would give access to more than its signature does; None for others.

    So a download may be signed of what strangers have uploaded.
    """
    if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
        return None
    for key, name in _POINTER_KEYS.items():
        if key in environ:
            return HTTPBadRequest(f"The header {name!r} is not allowed in this tempurl")
    return None


def _let_in(environ: Environ, grant: Grant) -> None:
    """Answer the proxy's question for the request and for what filters ask on its behalf."""
    environ["swift.authorize"] = _within(grant)
    environ["swift.authorize_override"] = True
    environ["REMOTE_USER"] = USER
    # Nothing else that the query says was signed: not to get or delete a manifest, nor to see a version.
    environ["QUERY_STRING"] = grant.url.query(grant.signature)


def _within(grant: Grant) -> Callable[[Request], Answer | None]:
    """A ``swift.authorize`` that lets a request reach what the key that signed it belongs to: links, segments."""
    names = list(grant.place[:1] if grant.of_account else grant.place[:2])

    def authorize(request: Request) -> Answer | None:
        path = request.environ["PATH_INFO"]
        return None if path.split("/")[2 : 2 + len(names)] == names else unauthorized(path, request)

    return authorize


def _as_download(headers: Headers, grant: Grant, is_page: bool) -> Headers:
    """The head of an object that a browser is to save or to show, and may keep until the URL expires."""
    stored = next((value for name, value in headers if name.lower() == "content-disposition"), None)
    is_inline = grant.url.inline or is_page
    return [
        *(pair for pair in headers if pair[0].lower() != "content-disposition"),
        ("Content-Disposition", disposition(grant.url, is_inline, stored, wsgi_to_str(grant.place[2]))),
        ("Expires", expires_date(grant.expires)),
    ]


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: TempURLOptions. Raises ConfigError."""
    conf = {**global_conf, **local_conf}
    options = factory_options(TempURLOptions, conf)
    digests = digests_info(options.allowed_digests, conf, get_logger(conf, "tempurl"))
    swift_info.register("tempurl", **options.info(), **digests)
    return lambda app: TempURLFilter(app, options, digests["allowed_digests"])
