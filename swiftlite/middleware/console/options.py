"""What the console's section of a conf file may say."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from swiftlite.common.config import option

LOGIN_KINDS = ("v1", "v3")
SMALLEST_SEGMENT = 1024 * 1024


@dataclass(frozen=True)
class Login:
    """One way to log in: `kind` is the protocol's version, `url` where its request goes; below us if it is a path."""

    kind: str
    url: str


def parse_logins(text: str) -> tuple[Login, ...]:
    """``v1 /auth/v1.0, v3 https://keystone:5000/v3/auth/tokens``.

    :raises ValueError: for a version that there is not, or what is neither a path nor a URL
    """
    found = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        kind, _, url = entry.partition(" ")
        url = url.strip()
        if kind not in LOGIN_KINDS:
            raise ValueError(f"a login begins with {' or '.join(LOGIN_KINDS)}, as in: v1 /auth/v1.0")
        if not url.startswith("/"):
            origin_of(url)
        found.append(Login(kind, url))
    return tuple(found)


def parse_origins(text: str) -> tuple[str, ...]:
    """Scheme and host of each URL, with blanks or commas between.

    :raises ValueError: for what is none
    """
    return tuple(dict.fromkeys(origin_of(word) for word in text.replace(",", " ").split()))


def parse_segment_size(text: str) -> int:
    """A number of bytes, a mebibyte at least.

    :raises ValueError: for less
    """
    size = int(text)
    if size < SMALLEST_SEGMENT:
        raise ValueError(f"it must be {SMALLEST_SEGMENT} at least")
    return size


def parse_parallel(text: str) -> int:
    """From 1 to 16.

    :raises ValueError: for what is not
    """
    count = int(text)
    if not 1 <= count <= 16:
        raise ValueError("it must be from 1 to 16")
    return count


def origin_of(url: str) -> str:
    """``https://host:port`` of a URL, in a form that a Content-Security-Policy can hold.

    :raises ValueError: when it has none, or has characters that would end the policy's directive
    """
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme not in ("http", "https") or not parts.hostname or set(origin) & set(" ;,'\"\t\r\n@"):
        raise ValueError(f"{url!r} is no URL with http or https")
    return origin


@dataclass(frozen=True)
class ConsoleOptions:
    """The filter's section."""

    logins: tuple[Login, ...] = option(
        (),
        "where users log in, comma-separated, each as v1 URL or v3 URL; none: as the filters of the pipeline say",
        parse_logins,
    )
    storage_origins: tuple[str, ...] = option(
        (),
        "scheme and host of storage URLs that are not on the console's own host; these must allow it by CORS",
        parse_origins,
    )
    segment_size: int = option(
        64 * 1024 * 1024, "bytes of a segment; larger files are uploaded in several", parse_segment_size
    )
    parallel_uploads: int = option(3, "files or segments that one browser uploads at once", parse_parallel)
