"""Names of accounts, containers and objects: their paths, spellings and hashes (formats.md 1)."""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

RESERVED = "\x00"
"""First character of names that only middleware may use (formats.md 1.7)."""


def wsgi_to_str(text: str) -> str:
    """Native text of a WSGI string (each character one byte); bad UTF-8 survives as surrogates."""
    if text.isascii():
        return text
    return text.encode("latin-1").decode("utf-8", "surrogateescape")


def str_to_wsgi(text: str) -> str:
    """The WSGI string that carries native text."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


_UNRESERVED = re.compile(r"[A-Za-z0-9/_.~-]*", re.ASCII).fullmatch
"""Whether a path has nothing to be encoded: most have not, and to see that is ten times quicker than to encode."""


def quote_path(path: str) -> str:
    """Percent-encode a native path for a request line; slashes stay."""
    return path if _UNRESERVED(path) else quote(path.encode("utf-8", "surrogateescape"))


def quote_wsgi(path: str) -> str:
    """Percent-encode a WSGI path for a request line; slashes stay."""
    return path if _UNRESERVED(path) else quote(path.encode("latin-1"))


def split_path(path: str, minimum: int, maximum: int, rest_with_last: bool = False) -> list[str | None]:
    """Split ``/a/b/c`` into exactly ``maximum`` segments, the missing ones None.

    :param path: starts with a slash; a single trailing slash after fewer than ``maximum`` segments is dropped
    :param rest_with_last: the last segment keeps any further slashes (an object's name)
    :raises ValueError: when there are too few or too many segments, or an empty one in the middle
    """
    if not path.startswith("/"):
        raise ValueError(f"path {path!r} does not start with a slash")
    parts = path[1:].split("/", maximum - 1) if rest_with_last else path[1:].split("/")
    if len(parts) > minimum and not parts[-1]:
        parts.pop()
    if not minimum <= len(parts) <= maximum or not all(parts):
        raise ValueError(f"Invalid path: {path}")
    padded: list[str | None] = [*parts]
    return padded + [None] * (maximum - len(parts))


class EntityName(NamedTuple):
    """What a path names: an account, a container or an object, in native strings."""

    account: str
    container: str | None = None
    object: str | None = None

    @property
    def path(self) -> str:
        """``/account[/container[/object]]``."""
        return "/" + "/".join(part for part in (self.account, self.container, self.object) if part)

    @classmethod
    def from_path(cls, path: str) -> EntityName:
        """Read ``/account[/container[/object]]``.

        :raises ValueError: when it is not of that form
        """
        account, container, object_name = split_path(path, 1, 3, rest_with_last=True)
        assert account is not None
        return cls(account, container, object_name)


def has_reserved(name: str) -> bool:
    """Whether the name holds a NUL and so belongs to the reserved namespace."""
    return RESERVED in name


def reserved_names_problem(account: str, container: str | None, object_name: str | None) -> str | None:
    """Say what is wrong with NULs in the names of a backend request, or None (formats.md 1.7)."""
    for kind, name in (("account", account), ("container", container), ("object", object_name)):
        if name and RESERVED in name[1:] and not name.startswith(RESERVED):
            return f"Invalid reserved-namespace {kind}"
    if object_name and container and not account.startswith("."):
        if has_reserved(container) and not has_reserved(object_name):
            return "Invalid user-namespace object in reserved-namespace container"
        if has_reserved(object_name) and not has_reserved(container):
            return "Invalid reserved-namespace object in user-namespace container"
    return None


@dataclass(frozen=True)
class HashPath:
    """Hashes names under the cluster's secret prefix and suffix (formats.md 1.2)."""

    prefix: bytes
    suffix: bytes

    def digest(self, account: str, container: str | None = None, object_name: str | None = None) -> bytes:
        """The 16 raw bytes that place a name on the ring.

        :raises ValueError: for an object without a container
        """
        if object_name and not container:
            raise ValueError("container is required if object is provided")
        if object_name:
            return _digest(self, f"{account}/{container}/{object_name}")
        return _remembered_digest(self, f"{account}/{container}" if container else account)

    def hex(self, account: str, container: str | None = None, object_name: str | None = None) -> str:
        """The hash as 32 lowercase hex digits: the name of its directory on disk."""
        return self.digest(account, container, object_name).hex()


def _digest(hash_path: HashPath, path: str) -> bytes:
    secret = hash_path.prefix + b"/" + path.encode("utf-8", "surrogateescape") + hash_path.suffix
    return hashlib.md5(secret, usedforsecurity=False).digest()


def partition_of_hash(name_hash: str, part_power: int) -> int:
    """The partition of a name in a ring of ``2 ** part_power`` partitions (formats.md 1.3).

    :param name_hash: its hash as hex digits
    """
    return int(name_hash[:8], 16) >> (32 - part_power)


_remembered_digest = functools.lru_cache(maxsize=4096)(_digest)
"""The same accounts and containers come with request after request."""
