"""Server-side copy's rules: how a request names the other object, and which headers the copy gets (formats.md 7.12)."""

from __future__ import annotations

from collections.abc import Iterable

from swiftlite.core.metadata import is_system_metadata, is_transient_metadata, is_user_metadata
from swiftlite.core.names import split_path
from swiftlite.core.query import unquote_wsgi

Headers = list[tuple[str, str]]

CONDITIONS = (
    "HTTP_RANGE",
    "HTTP_IF_MATCH",
    "HTTP_IF_NONE_MATCH",
    "HTTP_IF_MODIFIED_SINCE",
    "HTTP_IF_UNMODIFIED_SINCE",
)
"""Keys of a copy request's environ that are about the source."""

ETAG_OVERRIDE = "HTTP_X_OBJECT_SYSMETA_CONTAINER_UPDATE_OVERRIDE_"
"""How the keys of what middleware has put into the container's listing begin: it depends on the bytes."""

CHOSEN = frozenset({"x-static-large-object", "x-object-manifest", "etag", "content-type"})
"""What a client's copy has from its source only under conditions."""

_ABOUT_THE_ANSWER = frozenset(
    {
        *("accept-ranges", "connection", "content-location", "content-range", "date", "last-modified"),
        *("transfer-encoding", "vary", "x-manifest-etag", "x-object-version-id", "x-openstack-request-id"),
        *("x-parts-count", "x-timestamp", "x-trans-id"),
    }
)
_ABOUT_THE_ANSWER_PREFIXES = ("x-backend-", "access-control-")
_GRANTED = frozenset(
    ("x-object-sysmeta-allow-reserved-names", "x-object-sysmeta-symloop-extend", "x-object-sysmeta-versions-symlink")
)
"""What versioning grants its own links: whoever may read one may read its target. A copy's target the client chooses."""


_OF_A_MANIFEST = "x-object-sysmeta-slo-"
"""How the headers begin that a large object's bytes have no use for, nor a manifest that is made anew."""


def read_place(text: str) -> tuple[str, str]:
    """Container and object that ``[/]container/object`` names.

    :param text: percent-encoded
    :returns: WSGI strings
    :raises ValueError: when it names no object
    """
    path = unquote_wsgi(text)
    container, name = split_path(path if path.startswith("/") else "/" + path, 2, 2, rest_with_last=True)
    assert container is not None and name is not None
    return container, name


def read_account(text: str) -> str:
    """The account that ``X-Copy-From-Account`` or ``Destination-Account`` names, as a WSGI string.

    :raises ValueError: saying what is wrong
    """
    account = unquote_wsgi(text)
    if not account:
        raise ValueError("Account name cannot be empty")
    if "/" in account:
        raise ValueError("Account name cannot contain slashes")
    return account


def describes_object(name: str) -> bool:
    """Whether a header of a GET's answer says something of the object, and not of the answer."""
    lower = name.lower()
    return lower not in _ABOUT_THE_ANSWER and not lower.startswith(_ABOUT_THE_ANSWER_PREFIXES)


def inherited_headers(source: Iterable[tuple[str, str]], fresh: bool) -> Headers:
    """What a copy takes over from its source; the request's own headers win over it.

    :param source: headers of the GET's answer
    :param fresh: only what belongs to middleware (``X-Fresh-Metadata``)
    """
    left_out = CHOSEN | _GRANTED | {"content-length"}
    return [
        (name, value)
        for name, value in source
        if (is_system_metadata("object", name) if fresh else describes_object(name))
        and name.lower() not in left_out
        and not name.lower().startswith(_OF_A_MANIFEST)
    ]


def exact_headers(source: Iterable[tuple[str, str]]) -> Headers:
    """The headers of the PUT that makes a copy in every respect, its ETag to be checked.

    :param source: headers of the GET's answer, as the proxy gives it and no filter for large objects has changed it
    """
    headers = [pair for pair in source if describes_object(pair[0])]
    size = next((value for name, value in headers if name.lower() == "x-object-sysmeta-slo-size"), None)
    if not size:
        return headers
    # The proxy has hidden from the client how many bytes the manifest stands for.
    return [(n, f"{v}; swift_bytes={size}") if n.lower() == "content-type" else (n, v) for n, v in headers]


def is_shown(name: str) -> bool:
    """Whether the answer to a copy tells what the copy has under this header."""
    return (
        is_user_metadata("object", name)
        or is_system_metadata("object", name)
        or is_transient_metadata(name)
        or name.lower() == "x-delete-at"
    )
