"""ProxyOptions: what `[app:proxy-server]` may say, and PolicyOptions: what of it a policy may say anew (formats.md 8.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from swiftlite.common.config import (
    SHORTEST,
    ConfFile,
    ConfigError,
    at_least,
    option,
    parse_optional_float,
    read_options,
)
from swiftlite.common.policies import StoragePolicies
from swiftlite.core.affinity import ReadAffinity, WriteAffinity
from swiftlite.proxy.ordering import SORTING_METHODS

DEFAULT_OWNER_HEADERS = (
    "x-container-read",
    "x-container-write",
    "x-container-sync-key",
    "x-container-sync-to",
    "x-account-meta-temp-url-key",
    "x-account-meta-temp-url-key-2",
    "x-container-meta-temp-url-key",
    "x-container-meta-temp-url-key-2",
    "x-account-access-control",
)
_NODE_COUNT = re.compile(r"(\d+)(\s*\*\s*replicas)?")


@dataclass(frozen=True)
class NodeCount:
    """A number of nodes, fixed or so many times the replicas."""

    number: int
    per_replica: bool

    def __str__(self) -> str:
        """As a conf file spells it."""
        return f"{self.number} * replicas" if self.per_replica else str(self.number)

    def of(self, replicas: int) -> int:
        """The number for a ring with so many replicas."""
        return self.number * replicas if self.per_replica else self.number


def parse_node_count(text: str) -> NodeCount:
    """Read ``6`` or ``2 * replicas``.

    :raises ValueError: for anything else
    """
    match = _NODE_COUNT.fullmatch(text.strip().lower())
    if match is None or not int(match[1]):
        raise ValueError("it is neither a number nor 'N * replicas'")
    return NodeCount(int(match[1]), bool(match[2]))


def parse_lower_list(text: str) -> tuple[str, ...]:
    """A comma list in lower case."""
    return tuple(part.strip().lower() for part in text.split(",") if part.strip())


def parse_sorting_method(text: str) -> str:
    """``shuffle``, ``timing`` or ``affinity``, in any case.

    :raises ValueError: for anything else
    """
    method = text.strip().lower()
    if method not in SORTING_METHODS:
        raise ValueError(f"it is none of {', '.join(SORTING_METHODS)}")
    return method


def parse_listing_consistency(text: str) -> str:
    """``quorum`` or ``eventual``, in any case.

    :raises ValueError: for anything else
    """
    chosen = text.strip().lower()
    if chosen not in ("quorum", "eventual"):
        raise ValueError("it is neither quorum nor eventual")
    return chosen


def parse_auto_count(text: str) -> int | None:
    """A number; None for ``auto`` or nothing.

    :raises ValueError: for anything else
    """
    return None if text.strip().lower() in ("auto", "") else int(text)


@dataclass(frozen=True)
class PolicyOptions:
    """Options that ``[proxy-server:policy:<index>]`` may set for one storage policy; times in seconds."""

    sorting_method: str = option(
        "shuffle",
        "the order in which replicas are asked: shuffle, timing (the quickest first) or affinity (see read_affinity)",
        parse_sorting_method,
    )
    read_affinity: ReadAffinity = option(
        ReadAffinity(), "the nearest first, as r1z1=100, r1=200: the lower the number the nearer", ReadAffinity
    )
    write_affinity: WriteAffinity = option(
        WriteAffinity(),
        "regions and zones whose nodes get an upload first, as r1, r2z2; replicators move it to its place later",
        WriteAffinity,
    )
    write_affinity_node_count: NodeCount = option(
        NodeCount(2, True), "how many nodes of write_affinity come before all others", parse_node_count
    )
    write_affinity_handoff_delete_count: int | None = option(
        None,
        "how many handoffs of write_affinity a DELETE goes to besides the primaries; auto, the default: as many as "
        "primaries are not local",
        at_least(0, parse_auto_count),
    )
    rebalance_missing_suppression_count: int = option(
        1, "how many primaries may know nothing of a name, being new to it, before that counts as an answer"
    )
    concurrent_gets: bool = option(False, "ask another replica when one does not answer within concurrency_timeout")
    concurrency_timeout: float | None = option(
        None, "after what time another replica is asked; default: conn_timeout", parse_optional_float
    )


@dataclass(frozen=True)
class ProxyOptions(PolicyOptions):
    """Options of the proxy's own section; times in seconds."""

    swift_dir: str = option("/etc/swift", "directory of swift.conf and the rings")
    metrics: bool = option(True, "count requests and much else for the filter metrics")
    client_timeout: float = option(
        60.0, "seconds to wait for a client's next bytes, or for it to take ours", least=SHORTEST
    )
    listing_consistency: str = option(
        "quorum",
        "quorum: a listing shows every change acknowledged before it was asked for; eventual: as in OpenStack Swift, it "
        "may lag",
        parse_listing_consistency,
    )
    conn_timeout: float = option(0.5, "how long a backend may take to accept a connection", least=SHORTEST)
    node_timeout: float = option(10.0, "how long a backend may be silent", least=SHORTEST)
    recoverable_node_timeout: float | None = option(
        None, "the same where another replica can be asked instead; default: node_timeout", parse_optional_float
    )
    post_quorum_timeout: float = option(0.5, "how long to wait for the other replicas once a quorum has answered")
    object_chunk_size: int = option(262144, "bytes read from an object server at once", least=1)
    put_queue_depth: int = option(10, "pieces of an upload that may wait for one slow object server")
    client_chunk_size: int = option(262144, "bytes read from a client at once", least=1)
    account_autocreate: bool = option(False, "make an account when something is first written to it")
    allow_account_management: bool = option(False, "let accounts be made and deleted by PUT and DELETE")
    recheck_account_existence: float = option(60.0, "how long what an account's HEAD said is believed")
    recheck_container_existence: float = option(60.0, "how long what a container's HEAD said is believed")
    error_suppression_interval: float = option(60.0, "how long a failing device is left alone")
    error_suppression_limit: int = option(10, "how many errors make a device a failing one")
    timing_expiry: float = option(300.0, "how long a timing counts for sorting_method = timing")
    request_node_count: NodeCount = option(NodeCount(2, True), "how many nodes one request may try", parse_node_count)
    max_containers_per_account: int = option(0, "how many containers an account may have; 0: no limit", least=None)
    max_containers_whitelist: tuple[str, ...] = option((), "accounts that this limit does not bind")
    deny_host_headers: tuple[str, ...] = option((), "host names that are refused with 403")
    cors_allow_origin: tuple[str, ...] = option((), "origins that every container allows")
    cors_expose_headers: tuple[str, ...] = option((), "headers that scripts of other origins may read")
    strict_cors_mode: bool = option(True, "send CORS headers only to origins that the container allows")
    swift_owner_headers: tuple[str, ...] = option(
        DEFAULT_OWNER_HEADERS, "headers that only an account's owner may see or set", parse_lower_list
    )
    expose_info: bool = option(True, "answer /info")
    admin_key: str = option("", "key that opens the admin view of /info")
    disallowed_sections: tuple[str, ...] = option(
        ("swift.auto_create_account_prefix", "swift.valid_api_versions"), "what /info does not show"
    )
    allow_open_expired: bool = option(False, "let X-Open-Expired read objects that have expired")
    trans_id_suffix: str = option("", "end of the transaction ids that this proxy makes")
    expiring_objects_container_divisor: int = option(
        86400, "seconds that share a container of the expirer's queue", least=1
    )
    expiring_objects_account_name: str = option("expiring_objects", "name of the hidden account with that queue")

    @property
    def read_timeout(self) -> float:
        """How long a backend may be silent where another can be asked instead."""
        return self.node_timeout if self.recoverable_node_timeout is None else self.recoverable_node_timeout


def read_policy_options(
    values: Mapping[str, str], file: str, section: str, policies: StoragePolicies
) -> dict[int, PolicyOptions]:
    """The options of policies that have a section of their own, ``[<section>:policy:<index>]``, by policy index.

    :param values: option texts of the proxy's own section, which hold where a policy's section says nothing
    :param section: name of the proxy's own section
    :raises ConfigError: naming the section or option that does not fit
    """
    prefix = section.rpartition("app:")[2] + ":policy:"
    conf = ConfFile.load(file)
    found = {}
    for name in conf.sections():
        if not name.startswith(prefix):
            continue
        index = name.removeprefix(prefix)
        if not index.isdecimal() or policies.by_index(index) is None:
            raise ConfigError(file, name, None, f"there is no storage policy {index!r}", "give a policy's index")
        found[int(index)] = read_options(PolicyOptions, {**values, **conf.section(name)}, file, name)
    return found
