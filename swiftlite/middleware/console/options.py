"""What the console's section of a conf file may say."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from swiftlite.common.config import option
from swiftlite.wire.direct import parse_host

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


def parse_proxies(text: str) -> tuple[tuple[str, int], ...]:
    """``ip:port`` of each, with blanks or commas between.

    :raises ValueError: for what is none
    """
    return tuple(dict.fromkeys(parse_host(word) for word in text.replace(",", " ").split()))


def parse_seconds(text: str) -> float:
    """From a tenth of a second to an hour.

    :raises ValueError: for what is not
    """
    seconds = float(text)
    if not 0.1 <= seconds <= 3600:
        raise ValueError("it must be from 0.1 to 3600")
    return seconds


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
    cluster: bool = option(
        True, "show reseller admins the cluster: its nodes, devices, rings and what is wrong with it"
    )
    proxies: tuple[tuple[str, int], ...] = option(
        (), "ip:port of the cluster's other proxies, comma-separated, to be asked for /metrics", parse_proxies
    )
    cluster_age: float = option(
        10.0,
        "seconds for which what the nodes told is good; one worker asks them, for all, when an admin looks",
        parse_seconds,
    )
    requests_age: float = option(4.0, "the same for the numbers of requests, from the servers' /metrics", parse_seconds)
    cluster_timeout: float = option(2.0, "seconds to wait for each answer of a node", parse_seconds)
    swift_dir: str = option("/etc/swift", "directory of swift.conf and the rings")
