"""The rules of container sync: where a container may be synced to, who sends a row, what is sent (formats.md 7.21)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlparse

from swiftlite.core.constraints import API_VERSIONS
from swiftlite.core.hosts import spell_address
from swiftlite.core.rows import split_swift_bytes

_LONGEST_QUERY = 256
_DEEPEST = 16
FORM = "X-Container-Sync-To must be of the form //realm/cluster/account/container or http://host/v1/account/container"
_OF_THE_ANSWER = frozenset(
    {
        *("accept-ranges", "connection", "content-location", "date", "keep-alive", "last-modified"),
        *("transfer-encoding", "vary", "x-openstack-request-id", "x-trans-id"),
    }
)
"""Headers that belong to the answer to a GET, not to the object in it."""
_INTERNAL = ("x-backend", "x-object-sysmeta-", "x-object-transient-sysmeta-", "x-timestamp")
"""What no other cluster may be told, or is told in another way."""

AS_STORED = "symlink=get&multipart-manifest=get"
"""The query of a request for links and manifests themselves, not for what they lead to."""
_QUERIES = {"HEAD": frozenset(parse_qsl(AS_STORED)), "GET": frozenset(parse_qsl(AS_STORED))}
_METHODS = ("GET", "HEAD", "PUT", "DELETE")
MAX_AHEAD = 86400.0
"""Seconds that the other cluster's clock may be ahead of ours."""

HeaderList = list[tuple[str, str]]


class BadTarget(ValueError):
    """A container cannot be synced to what its X-Container-Sync-To says; the text tells why."""


@dataclass(frozen=True)
class Realm:
    """Clusters that trust each other.

    :ivar key: the secret that they share, None where the file has none
    :ivar key2: one that is good, too: the old one, or the next one, while the key is being changed
    :ivar clusters: upper-case name -> URL of its API, say ``https://host/v1/``
    """

    key: str | None = field(repr=False)
    key2: str | None = field(repr=False)
    clusters: Mapping[str, str]


@dataclass(frozen=True)
class Target:
    """The container that another is synced to.

    :ivar path: percent-encoded, from the root of the host
    :ivar realm: in upper case; None where the target is a plain URL
    :ivar realm_key: signs requests
    """

    scheme: str
    host: str
    port: int
    path: str
    realm: str | None = None
    realm_key: str | None = field(default=None, repr=False)

    @property
    def address(self) -> tuple[str, int]:
        """Where to connect to."""
        return self.host, self.port

    @property
    def url(self) -> str:
        """For people to read."""
        return f"{self.scheme}://{spell_address(self.host, self.port)}{self.path}"


def read_target(text: str, allowed_hosts: Collection[str], realms: Mapping[str, Realm]) -> Target:
    """Where an X-Container-Sync-To leads: into a cluster of a realm, or to a host that the operator allows.

    Nothing else may be reached: whoever sets the header would have our servers send what they like to where they like.

    :param text: ``//realm/cluster/account/container`` or ``http://host/v1/account/container``, names percent-encoded
    :param allowed_hosts: the option ``allowed_sync_hosts``
    :param realms: upper-case name -> realm
    :raises BadTarget: when it leads nowhere
    """
    stripped = text.rstrip("/")
    if stripped.startswith("//"):
        return _in_realm(stripped, realms)
    try:
        parts = urlparse(stripped)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise BadTarget(FORM) from None
    if parts.scheme not in ("http", "https"):
        raise BadTarget(f"X-Container-Sync-To must begin with //, http:// or https://, not {parts.scheme!r}")
    if parts.params or parts.query or parts.fragment:
        raise BadTarget("X-Container-Sync-To must have neither parameters nor query nor fragment")
    if host is None or host not in allowed_hosts:
        raise BadTarget(f"X-Container-Sync-To: syncing to host {host!r} is not allowed")
    target = _at(stripped)
    # A storage server, which asks nobody for a token, reads another meaning into longer paths: device, partition…; some
    # run on hosts that are allowed.
    version, *names = target.path[1:].split("/")
    if version not in API_VERSIONS or len(names) != 2 or "@" in parts.netloc:
        raise BadTarget(FORM)
    return target


def _in_realm(text: str, realms: Mapping[str, Realm]) -> Target:
    segments = text[2:].split("/")
    if len(segments) != 4:
        raise BadTarget(FORM)
    name, cluster, account, container = segments
    realm = realms.get(name.upper())
    if realm is None or not realm.key:
        raise BadTarget(f"X-Container-Sync-To: there is no key for realm {name!r}")
    endpoint = realm.clusters.get(cluster.upper())
    if not endpoint:
        raise BadTarget(f"X-Container-Sync-To: there is no cluster {cluster!r} in realm {name!r}")
    return _at(f"{endpoint.rstrip('/')}/{account}/{container}", name.upper(), realm.key)


def _at(url: str, realm: str | None = None, realm_key: str | None = None) -> Target:
    """The target of a URL whose host is good.

    A path has one spelling only: the one that the receiver makes of it again, to check the signature.
    """
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    if path.count("/") > _DEEPEST:
        raise BadTarget(FORM)
    try:
        parts = urlparse(f"{scheme}://{authority}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadTarget(FORM) from None
    names = [unquote_to_bytes(segment.encode("utf-8", "surrogateescape")) for segment in path.split("/")]
    if not host or parts.scheme not in ("http", "https") or parts.path or not slash or len(names) < 3:
        raise BadTarget(FORM)
    if any(name in (b"", b".", b"..") or b"/" in name for name in names):
        raise BadTarget(FORM)
    quoted = "".join(f"/{quote(name)}" for name in names)
    return Target(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), quoted, realm, realm_key)


def asks_for_more(method: str, is_object: bool, query: str, copies: bool) -> str | None:
    """What a request that another cluster's sync is let in for asks beyond what sync itself does; None: nothing.

    A signature covers neither query nor headers, and who knows one container's key shall reach nothing else.

    :param is_object: whether its path names an object
    :param query: of its URL
    :param copies: whether it has a header that makes it a copy
    """
    if not is_object or method not in _METHODS:
        return "Container sync may GET, HEAD, PUT and DELETE objects, nothing else."
    good = _QUERIES.get(method, frozenset())
    if len(query) > _LONGEST_QUERY or not good.issuperset(parse_qsl(query, keep_blank_values=True)):
        return f"A {method} of container sync cannot have this query."
    return "Container sync cannot copy." if copies else None


def sends_first(digest: bytes, replicas: int, ordinal: int) -> bool:
    """Whether it is this replica's turn to send a new row; the others send it again later, in case that failed.

    :param digest: raw hash of the object's path
    :param replicas: of the container
    :param ordinal: which of them this one is, from 0
    """
    return int.from_bytes(digest[:4], "big") % replicas == ordinal


def settled_point(point: int, outcomes: Iterable[tuple[int, bool]]) -> int:
    """The last ROWID up to which every row has arrived.

    :param point: that of all rows before
    :param outcomes: ROWID of each row after it, in order, and whether it has arrived
    """
    for row_id, has_arrived in outcomes:
        if not has_arrived:
            break
        point = row_id
    return point


def object_headers(headers: Iterable[tuple[str, str]]) -> HeaderList:
    """What of a GET's headers is sent on with the object: all that is the object's own and nobody's secret."""
    kept = []
    for name, value in headers:
        lower = name.lower()
        if lower in _OF_THE_ANSWER or lower.startswith(_INTERNAL):
            continue
        if lower == "etag":
            value = value.removeprefix("W/").strip('"')
        elif lower == "content-type":
            value, _ = split_swift_bytes(value)
        kept.append((name, value))
    return kept
