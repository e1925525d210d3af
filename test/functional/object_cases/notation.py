"""How a case is written down: requests in order, each with the answer it must get; plain data.

Placeholders in targets, headers, bodies and expectations: ``{o}`` the case's own object, ``{c}`` the container its
table shares, ``{own}`` a container of the case's own, ``{v1}`` the account (all as paths on the wire); ``{name}`` is
``{o}`` below the account, ``{now+5}`` the seconds since 1970 in five seconds, ``{date-5}`` the same as an HTTP date;
``{guest}``, ``{stranger}`` and ``{admin}`` tokens of others; ``{fresh}`` an account of the case's own; and what earlier answers said, kept by `saves`. What is in no such list stays as it is. `hmac_of` makes
a placeholder for a signature of a text that may hold others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from hashlib import md5
from typing import Any

HTML = re.compile(rb"<html><h1>[^<]*</h1><p>[^<]*</p></html>")
"""Swift's standard body of an answer without words of its own; the words are every implementation's."""
WORDS = re.compile(rb"[^<]+")
"""Some text: what a server says of malformed HTTP is its own."""
ANY_BODY = re.compile(rb".*", re.DOTALL)
ANY = re.compile(r".+", re.DOTALL)
DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d GMT")
TIMESTAMP = re.compile(r"\d{10}\.\d{5}")
EMPTY_ETAG = "d41d8cd98f00b204e9800998ecf8427e"

Value = str | re.Pattern[str] | None
"""What a header must be: this, something that matches, or absent."""


@dataclass(frozen=True)
class Step:
    """A request, and what must come back.

    `framing`: "length" sends a Content-Length, "chunked" chunks, "none" nothing that tells the body's end. `status`
    None: any success. `answer` None: for errors and 202 the standard body, for GET of 200 and 206 anything, else none.
    `expected` headers apart, no answer may show an internal one.
    """

    method: str
    target: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    framing: str = "none"
    closes: bool = False
    status: int | None = None
    answer: bytes | re.Pattern[bytes] | None = None
    expected: tuple[tuple[str, Value], ...] = ()
    saved: tuple[tuple[str, str], ...] = ()
    eventually: bool = False

    def gives(self, status: int, body: str | bytes | re.Pattern[bytes] | None = None, **headers: Value) -> Step:
        """Return this request with the answer it must get; header names with ``_`` for ``-``."""
        answer = body.encode() if isinstance(body, str) else body
        return replace(self, status=status, answer=answer, expected=_headers(headers))

    def saves(self, **variables: str) -> Step:
        """Return this request, that keeps headers of its answer: ``saves(when="Last-Modified")`` gives ``{when}``."""
        return replace(self, saved=tuple(variables.items()))


@dataclass(frozen=True)
class Case:
    """Requests in order, one after the other."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Table:
    """The cases of one subject, and what must be there for them."""

    name: str
    setup: tuple[Step, ...]
    cases: tuple[Case, ...]


def by(who: dict[str, str], step: Step) -> Step:
    """Return the request as somebody else's: of the `who` below."""
    return replace(step, headers=(*step.headers, *who.items()))


OWNER: dict[str, str] = {}
GUEST, STRANGER, ADMIN, NOBODY = ({"X-Auth-Token": token} for token in ("{guest}", "{stranger}", "{admin}", ""))


def eventually(step: Step) -> Step:
    """Return a request that is repeated until its status is the one it must get; for what time brings about."""
    return replace(step, eventually=True)


def case(name: str, *steps: Step) -> Case:
    """Return a case."""
    return Case(name, steps)


def request(
    method: str,
    target: str = "{o}",
    body: str | bytes | None = None,
    more: dict[str, str] | None = None,
    framing: str | None = None,
    closes: bool = False,
    **headers: str,
) -> Step:
    """Return a request; `more`: headers whose names Python cannot spell; `closes`: stop sending after the body."""
    sent = body.encode() if isinstance(body, str) else body or b""
    framing = framing or ("length" if body is not None or method in ("PUT", "POST") else "none")
    return Step(method, target, sent, _headers(headers) + tuple((more or {}).items()), framing, closes)


def _headers(headers: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((name.replace("_", "-"), value) for name, value in headers.items())


def GET(target: str = "{o}", **options: Any) -> Step:
    """Return a GET."""
    return request("GET", target, **options)


def HEAD(target: str = "{o}", **options: Any) -> Step:
    """Return a HEAD."""
    return request("HEAD", target, **options)


def PUT(target: str = "{o}", body: str | bytes = b"", **options: Any) -> Step:
    """Return a PUT."""
    return request("PUT", target, body, **options)


def POST(target: str = "{o}", **options: Any) -> Step:
    """Return a POST."""
    return request("POST", target, **options)


def DELETE(target: str = "{o}", **options: Any) -> Step:
    """Return a DELETE."""
    return request("DELETE", target, **options)


def COPY(target: str = "{o}", **options: Any) -> Step:
    """Return a COPY."""
    return request("COPY", target, **options)


def hmac_of(text: str, key: str, digest: str = "sha256", form: str = "hex") -> str:
    """Return a placeholder for the HMAC of a text; `form`: hex, base64, urlsafe, or query: base64 as in a URL."""
    return f"{{hmac {digest} {form} {key} {text}}}"


def etag(body: str | bytes) -> str:
    """Return the ETag of a body."""
    return md5(body.encode() if isinstance(body, str) else body, usedforsecurity=False).hexdigest()
