"""Host headers whose names say which account and container is meant (formats.md 7.21)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import quote

_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}", re.ASCII)
"""Part of a name between dots; an underscore is no part of a host's name, but of many an account's."""
_LONGEST_NAME = 253
_PORT = re.compile(r":([0-9]{0,5})", re.ASCII)


def bracketed(ip: str) -> str:
    """An IP address, or a host's name, as it stands before a port: IPv6 in brackets."""
    return f"[{ip}]" if ":" in ip else ip


def spell_address(ip: str, port: int) -> str:
    """``10.0.0.1:6200``, ``[2001:db8::1]:6200``."""
    return f"{bracketed(ip)}:{port}"


class HandoffAddress(tuple[str, int]):
    """The (ip, port) of a node that is asked in a primary's place; only traces tell it from another."""

    __slots__ = ()


class BadHost(ValueError):
    """A Host header that no client sends who means well."""


class Host(NamedTuple):
    """A Host header in two.

    :ivar name: as it was sent
    :ivar port: with the colon before it, or empty
    """

    name: str
    port: str

    @classmethod
    def parse(cls, header: str) -> Host:
        """Split a header; where there is no port to be told from a name, all of it is the name."""
        name, colon, port = header.rpartition(":")
        if not colon or (":" in name and not (name.startswith("[") and name.endswith("]"))):
            return cls(header, "")  # an IPv6 address without a port, or nonsense
        return cls(name, colon + port)

    @property
    def is_address(self) -> bool:
        """Whether it is an IP address: nobody's account."""
        if self.name.startswith("["):
            return True
        try:
            ip_address(self.name)
        except ValueError:
            return False
        return True


def read_domains(domains: Sequence[str]) -> tuple[str, ...]:
    """Domains with the dot before them that their subdomains end in, in lower case; those that have one come last."""
    dotted = [f".{domain}" for domain in domains if not domain.startswith(".")]
    return tuple(domain.lower() for domain in (*dotted, *(domain for domain in domains if domain.startswith("."))))


def domain_of(name: str, domains: Sequence[str]) -> str | None:
    """The first of the domains that a name lies in, or None.

    :param domains: as :func:`read_domains` gives them
    """
    lower = name.lower()
    return next((domain for domain in domains if lower.endswith(domain)), None)


def is_host_name(name: str) -> bool:
    """Whether DNS can know a name: letters, digits, hyphens and underscores between single dots."""
    return len(name) <= _LONGEST_NAME and all(map(_LABEL.fullmatch, name.split(".")))


class Remapping(NamedTuple):
    """How host names become paths.

    :ivar domains: as :func:`read_domains` gives them
    :ivar path_root: the API's version
    :ivar prefixes: reseller prefixes that accounts may have, without their underscore; none: any account at all
    :ivar default_prefix: what an account gets that has none of them; empty: it is left alone
    :ivar mangles_paths: whether a path that begins with the API's version is the same path without it
    """

    domains: tuple[str, ...]
    path_root: str
    prefixes: tuple[str, ...]
    default_prefix: str
    mangles_paths: bool

    def path(self, header: str, path: str) -> str | None:
        """The path that a request means, None when its own.

        :param header: Host
        :param path: of the request, decoded, like the result
        :raises BadHost: when it lies in one of the domains, but names no account there
        """
        host = Host.parse(header)
        domain = domain_of(host.name, self.domains)
        if domain is None:
            return None
        labels = host.name[: -len(domain)].split(".")
        if len(labels) > 2 or not all(map(_LABEL.fullmatch, labels)) or not _is_port(host.port):
            raise BadHost("Bad domain in host header")
        account = self.account(labels[-1])
        if account is None:
            return None
        rest = path[1:]
        if self.mangles_paths and f"{rest}/".startswith(f"{self.path_root}/"):
            rest = rest[len(self.path_root) + 1 :]
        return "/".join(("", self.path_root, account, *labels[:-1], rest))

    def account(self, label: str) -> str | None:
        """The account that a label names: with one of the prefixes, spelled as the conf spells it; None for no account.

        The first hyphen may stand for the underscore, which host names do not have.
        """
        if not self.prefixes:
            return label
        account = label if "_" in label else label.replace("-", "_", 1)
        for prefix in self.prefixes:
            rest = account[len(prefix) + 1 :]
            if account.lower().startswith(f"{prefix.lower()}_") and rest:
                return f"{prefix}_{rest}"
        return f"{self.default_prefix}_{account}" if self.default_prefix else None


def restored_location(value: str, actual: str, asked: str) -> str:
    """A Location as the client knows the place.

    :param value: a path, or a URL with scheme and host
    :param actual: the path that the request was given, decoded
    :param asked: the path that the client has sent, decoded
    """
    begin = re.match(r"https?://[^/]+|", value)
    assert begin is not None
    actual, asked = quote(actual, encoding="latin-1"), quote(asked, encoding="latin-1")
    rest = value[begin.end() :]
    return begin[0] + asked + rest[len(actual) :] if rest.startswith(actual) else value


def _is_port(text: str) -> bool:
    return not text or _PORT.fullmatch(text) is not None
