"""Which headers of a client reach a backend, and which headers of a backend reach a client."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from swiftlite.core.metadata import (
    CONTAINER_HEADERS,
    SYSTEM_PREFIX,
    USER_PREFIX,
    client_content_type,
    lower_case,
    title_case,
)

Environ = Mapping[str, Any]
HeaderList = list[tuple[str, str]]

NOT_FORWARDED = frozenset(
    {
        "HTTP_ACCEPT",
        "HTTP_ACCEPT_CHARSET",
        "HTTP_ACCEPT_ENCODING",
        "HTTP_ACCEPT_LANGUAGE",
        "HTTP_AUTHORIZATION",
        "HTTP_CONNECTION",
        "HTTP_COOKIE",
        "HTTP_EXPECT",
        "HTTP_HOST",
        "HTTP_KEEP_ALIVE",
        "HTTP_PROXY_CONNECTION",
        "HTTP_REFERER",
        "HTTP_TE",
        "HTTP_TRAILER",
        "HTTP_TRANSFER_ENCODING",
        "HTTP_UPGRADE",
        "HTTP_USER_AGENT",
        "HTTP_X_AUTH_TOKEN",
        "HTTP_X_CONTAINER_SYNC_AUTH",
        "HTTP_X_CONTAINER_SYNC_KEY",
        "HTTP_X_DELETE_AFTER",
        "HTTP_X_NEWEST",
        "HTTP_X_SERVICE_TOKEN",
        "HTTP_X_STORAGE_TOKEN",
        "HTTP_X_TIMESTAMP",
        "HTTP_X_TRANS_ID",
        "HTTP_X_BACKEND_STORAGE_POLICY_INDEX",
    }
)
"""What an object server has no use for, what belongs to one connection, and what the proxy sets itself.

Everything else goes on: operators may tell object servers to store more headers (``allowed_headers``).
"""

PASSED_CONTAINER_HEADERS = CONTAINER_HEADERS | {"x-versions-location"}
"""What container servers are told besides metadata; the last they store only with ``allow_versions``."""

READ_HEADERS = (
    ("HTTP_RANGE", "Range"),
    ("HTTP_IF_MATCH", "If-Match"),
    ("HTTP_IF_NONE_MATCH", "If-None-Match"),
    ("HTTP_IF_MODIFIED_SINCE", "If-Modified-Since"),
    ("HTTP_IF_UNMODIFIED_SINCE", "If-Unmodified-Since"),
)
"""What of a client's GET or HEAD concerns an object server; besides these all X-Backend-* from middleware."""

HIDDEN_TOKEN = ("X-Auth-Token", "hidden")
"""Tells object servers that the reader had to show a token, for ``keep_cache_private``, and not which."""

NOT_RETURNED = frozenset(
    {
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "server",
        "transfer-encoding",
        "x-put-timestamp",
        "x-delete-after",
    }
)
"""Headers of a backend that say nothing to a client."""

_backend_keys = re.compile("^HTTP_X_BACKEND_.*$", re.MULTILINE).findall
_names: dict[str, str] = {"CONTENT_TYPE": "Content-Type"}
_MOST_NAMES = 2000


def header_name(key: str) -> str:
    """``HTTP_X_OBJECT_META_A`` -> ``X-Object-Meta-A``, remembered: a client's headers are mostly the same ones."""
    name = _names.get(key)
    if name is None:
        name = title_case(key[5:].replace("_", "-"))
        if len(_names) < _MOST_NAMES:
            _names[key] = name
    return name


def write_headers(environ: Environ) -> HeaderList:
    """The headers of an object PUT, POST or DELETE that go on to the object servers."""
    found = [
        (_names.get(key) or header_name(key), value)
        for key, value in environ.items()
        if key.startswith("HTTP_") and key not in NOT_FORWARDED
    ]
    content_type = environ.get("CONTENT_TYPE")
    if content_type:
        found.append(("Content-Type", content_type))
    return found


def read_headers(environ: Environ) -> HeaderList:
    """The headers of a GET or HEAD that go on to the storage servers."""
    found = [(name, environ[key]) for key, name in READ_HEADERS if key in environ]
    # One search over all names together is quicker than a look at each.
    found += [(header_name(key), environ[key]) for key in _backend_keys("\n".join(environ))]
    if "HTTP_X_AUTH_TOKEN" in environ or "HTTP_X_STORAGE_TOKEN" in environ:
        found.append(HIDDEN_TOKEN)
    return found


def database_headers(kind: str, environ: Environ) -> HeaderList:
    """The metadata of an account or container request that go on, ``X-Remove-…`` turned into empty values."""
    user, system = USER_PREFIX[kind], SYSTEM_PREFIX[kind]  # type: ignore[index]
    removed = "x-remove-" + user[2:]
    found: dict[str, str] = {}
    for key, value in environ.items():
        if not key.startswith("HTTP_X_"):
            continue
        name = lower_case(header_name(key))
        if name.startswith(removed) and name != removed:
            found.setdefault("x-" + name[len("x-remove-") :], "")
        elif name.startswith("x-remove-") and kind == "container" and "x-" + name[9:] in PASSED_CONTAINER_HEADERS:
            found.setdefault("x-" + name[9:], "")
        elif name.startswith((user, system, "x-backend-")) or (
            kind == "container" and name in PASSED_CONTAINER_HEADERS
        ):
            found[name] = value
    return [(title_case(name), value) for name, value in found.items()]


def identification(environ: Environ, user_agent: str) -> HeaderList:
    """What every request to a backend says of where it comes from."""
    return [
        ("X-Trans-Id", environ.get("swift.trans_id", "")),
        ("Referer", referer(environ)),
        ("User-Agent", user_agent),
    ]


def referer(environ: Environ) -> str:
    """``METHOD url`` of the client's request, as backends log it."""
    path = environ.get("RAW_PATH_INFO")
    if path is None:
        path = quote(environ.get("PATH_INFO", ""), encoding="latin-1")
    host = environ.get("HTTP_HOST") or f"{environ.get('SERVER_NAME')}:{environ.get('SERVER_PORT')}"
    query = environ.get("QUERY_STRING")
    url = f"{environ.get('REQUEST_METHOD')} {environ.get('wsgi.url_scheme', 'http')}://{host}{path}"
    return f"{url}?{query}" if query else url


def returned_headers(headers: Iterable[tuple[str, str]], quoted_etag: bool = False) -> HeaderList:
    """A backend's headers as a client gets them, without Content-Length; ETags lose their quotes (formats.md 7.4)."""
    found = []
    for name, value in headers:
        lower = name.lower()
        if lower in NOT_RETURNED:
            continue
        if lower == "etag" and not quoted_etag:
            value = value.strip('"')
        elif lower == "content-type" and ";" in value:
            value = client_content_type(value)
        found.append((name, value))
    return found
