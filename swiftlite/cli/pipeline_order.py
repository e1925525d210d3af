"""Which filters of a proxy's pipeline must stand left of which: rules, and a judge of a pipeline; all pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

ERROR, WARNING = "error", "warning"

AUTH = ("identity", "authtoken", "tempauth", "keystoneauth")
DECIDE = ("tempauth", "keystoneauth")
"""Filters that say what somebody may do."""

BEFORE_GATEKEEPER = frozenset({"catch_errors", "healthcheck", "proxy_logging", "crossdomain", "metrics", "tracing"})
"""Filters that trust no header, and so may stand left of what takes internal ones out."""


@dataclass(frozen=True)
class Rule:
    """`left` must stand left of each of `right` that the pipeline has.

    :ivar otherwise: what happens where it does not
    """

    left: str
    right: tuple[str, ...]
    otherwise: str


RULES = (
    Rule(
        "memcache",
        ("container_sync", "bulk", "tempurl", "formpost", "ratelimit", *AUTH, "staticweb", "copy", "container_quotas",
         "account_quotas", "slo", "dlo", "versioned_writes", "symlink"),
        "it finds no cache",
    ),
    Rule("cname_lookup", ("domain_remap", "container_sync", "bulk", "tempurl", "formpost", *AUTH),
         "it does not see which account a host name stands for"),
    Rule("domain_remap", ("container_sync", "bulk", "tempurl", "formpost", *AUTH),
         "it does not see which account a host name stands for"),
    Rule("container_sync", AUTH, "other clusters' requests are refused before it sees them"),
    Rule("bulk", AUTH, "the parts of a request are not authorized one by one"),
    Rule("bulk", ("tempurl", "formpost"), "who may put one object may unpack an archive into the whole account"),
    Rule("tempurl", AUTH, "temporary URLs are refused before it sees them"),
    Rule("formpost", AUTH, "forms are refused before it sees them"),
    Rule("listing_formats", ("staticweb", "versioned_writes", "symlink", "listing_metadata"),
         "it cannot change listings any more"),
    Rule("authtoken", ("keystoneauth",), "it does not know whom a token stands for"),
    Rule("identity", ("tempauth",), "tokens of identity are unknown to it"),
    *(
        Rule(auth, ("read_only", "staticweb", "listing_metadata", "copy", "container_quotas", "account_quotas", "slo",
                    "dlo", "versioned_writes", "symlink"),
             "what it asks for itself is not authorized")
        for auth in DECIDE
    ),
    Rule("copy", ("container_quotas", "account_quotas", "slo", "dlo", "versioned_writes", "symlink"),
         "copies pass it by"),
    Rule("container_quotas", ("slo", "dlo", "versioned_writes", "symlink"), "it has changed the request already"),
    Rule("account_quotas", ("slo", "dlo", "versioned_writes", "symlink"), "it has changed the request already"),
    Rule("slo", ("dlo", "versioned_writes", "symlink"), "manifests are not joined"),
    Rule("dlo", ("versioned_writes", "symlink"), "manifests are not joined"),
    Rule("versioned_writes", ("symlink",), "versions of links are those of their targets"),
)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """One name of a pipeline: that of its section, what its ``use`` says it is, and whether it is an app's."""

    name: str
    kind: str
    is_app: bool = False


@dataclass(frozen=True)
class Mistake:
    """What is wrong with a pipeline, and what to do."""

    level: str
    problem: str
    remedy: str


def mistakes(members: Sequence[Member]) -> Iterator[Mistake]:
    """What is wrong with the order of a proxy's pipeline; filters that the proxy adds by itself are not missed."""
    yield from _ends(members)
    filters = [member for member in members if not member.is_app]
    yield from _repeated(filters)
    yield from _leftmost(filters)
    kinds = [member.kind for member in filters]
    first = {kind: filters[kinds.index(kind)].name for kind in kinds}
    for rule in RULES:
        if rule.left not in kinds:
            continue
        place = kinds.index(rule.left)
        wrong = [first[kind] for kind in rule.right if kind in kinds and kinds.index(kind) < place]
        if wrong:
            name = first[rule.left]
            # The rule's reason is told of the filter that is on the wrong side, or of the one that should be there.
            problem = f"{name} stands right of {', '.join(wrong)}: {rule.otherwise}"
            yield Mistake(ERROR, problem, f"move {name} left of {min(wrong, key=[m.name for m in filters].index)}")
    yield from _missing(kinds)


def _ends(members: Sequence[Member]) -> Iterator[Mistake]:
    if not members:
        yield Mistake(ERROR, "is empty", "name the filters, and proxy-server last")
        return
    for member in members[:-1]:
        if member.is_app:
            yield Mistake(ERROR, f"{member.name} is not the last", f"move {member.name} to the end")


def _repeated(filters: Sequence[Member]) -> Iterator[Mistake]:
    names = [member.name for member in filters]
    for member in dict.fromkeys(filters):
        if names.count(member.name) > 1 and member.kind != "proxy_logging":
            yield Mistake(ERROR, f"{member.name} is named {names.count(member.name)} times", "name it once")


def _leftmost(filters: Sequence[Member]) -> Iterator[Mistake]:
    kinds: Mapping[str, int] = {member.kind: place for place, member in reversed(list(enumerate(filters)))}
    if kinds.get("catch_errors"):
        problem = "catch_errors is not the first: what fails left of it has no transaction id"
        yield Mistake(ERROR, problem, "move catch_errors to the front")
    if "gatekeeper" in kinds:
        before = [member.name for member in filters[: kinds["gatekeeper"]] if member.kind not in BEFORE_GATEKEEPER]
        if before:
            problem = f"gatekeeper stands right of {', '.join(before)}: clients' internal headers reach it"
            yield Mistake(ERROR, problem, "move gatekeeper behind catch_errors")


def _missing(kinds: Sequence[str]) -> Iterator[Mistake]:
    if "proxy_logging" not in kinds:
        yield Mistake(WARNING, "has no proxy-logging: requests are not logged", "put it behind healthcheck")
    if not set(DECIDE) & set(kinds):
        problem = "has neither tempauth nor keystoneauth: everybody may do everything"
        yield Mistake(WARNING, problem, "add one, unless another filter authorizes requests")
