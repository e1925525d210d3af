"""What Keystone's users may do: the decision of keystoneauth, on plain values (formats.md 7.9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from swiftlite.core.acl import ContainerACL
from swiftlite.core.resellers import prefix_of

UNKNOWN_DOMAIN = "_unknown"
"""Kept as the domain of an account that somebody of another project made: whose it is could not be seen."""

READS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a valid token stands for; what Keystone did not say is None.

    :ivar roles: in the project, lower case
    :ivar service_roles: those of the service whose token came beside, lower case
    :ivar user_domain: id, None for tokens of v2, which know no domains
    :ivar project_domain: likewise
    """

    user_id: str | None
    user_name: str | None
    project_id: str | None
    project_name: str | None
    roles: frozenset[str] = frozenset()
    service_roles: frozenset[str] = frozenset()
    user_domain: str | None = None
    project_domain: str | None = None


@dataclass(frozen=True, slots=True)
class PrefixRules:
    """Roles that count in accounts with one reseller prefix, lower case.

    :ivar service_roles: where there are any, a service's token with one of them must come beside the user's
    """

    operator_roles: frozenset[str]
    service_roles: frozenset[str]
    project_reader_roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rules:
    """What keystoneauth's section says.

    :ivar by_prefix: reseller prefix to its rules; their order is the option's
    """

    by_prefix: Mapping[str, PrefixRules]
    reseller_admin_role: str
    system_reader_roles: frozenset[str]
    default_domain: str
    allow_names_in_acls: bool

    def prefix_of(self, account: str) -> str | None:
        """The reseller prefix of an account, None when it is not ours."""
        return prefix_of(account, tuple(self.by_prefix))

    def is_account_of(self, account: str, project_id: str | None) -> bool:
        """Whether it is one of the project's accounts; a token without a project has none."""
        return project_id is not None and any(prefix + project_id == account for prefix in self.by_prefix)


class Asked(NamedTuple):
    """A request, as far as it matters here; names are WSGI strings.

    :ivar acl: the container's access list for this method
    :ivar shows_sync_key: whether it is another cluster's container sync, with the container's key
    """

    method: str
    account: str
    container: str | None
    object: str | None
    acl: ContainerACL = ContainerACL()
    referrer: str | None = None
    shows_sync_key: bool = False


class StoredDomain(NamedTuple):
    """What is known of an account's project.

    :ivar exists: whether there is such an account
    :ivar domain: id of the project's domain, '' for a project without, None where nothing was ever kept
    """

    exists: bool
    domain: str | None


class Verdict(NamedTuple):
    """Whether a request may go on.

    :ivar is_owner: whether it may see and set what only an account's owner may
    """

    is_allowed: bool
    is_owner: bool = False


YES, OWNER, NO = Verdict(True), Verdict(True, True), Verdict(False)


def decide(rules: Rules, who: Identity, asked: Asked, stored: Callable[[], StoredDomain]) -> Verdict:
    """Whether somebody with a valid token may do what is asked.

    :param stored: tells of the account's project; called only if names in the access list hang on it
    """
    if rules.reseller_admin_role in who.roles:
        return OWNER
    reads = asked.method in READS
    if reads and rules.system_reader_roles & who.roles:
        return YES
    if not asked.container and asked.method == "DELETE":
        return NO  # not even one's own account
    if _is_named(rules, who, asked, stored):
        return YES
    anyway = _without_identity(asked)
    if anyway:
        return YES
    if not rules.is_account_of(asked.account, who.project_id):
        return NO
    prefix = rules.prefix_of(asked.account)
    assert prefix is not None
    own = rules.by_prefix[prefix]
    if own.operator_roles & who.roles and (not own.service_roles or own.service_roles & who.service_roles):
        return OWNER
    if reads and own.project_reader_roles & who.roles:
        return YES
    if anyway is not None:
        return NO
    return YES if any(group.lower() in who.roles for group in asked.acl.groups) else NO


def decide_anonymous(rules: Rules, asked: Asked) -> bool:
    """Whether somebody without a valid token may do what is asked."""
    return rules.prefix_of(asked.account) is not None and bool(_without_identity(asked))


def _without_identity(asked: Asked) -> bool | None:
    """Whether it is allowed whoever asks; False for a listing that a referrer alone does not open, None for no word."""
    if asked.shows_sync_key:
        return True
    if asked.acl.allows_referrer(asked.referrer):
        return bool(asked.object) or asked.acl.allows_listings
    return None


def _is_named(rules: Rules, who: Identity, asked: Asked, stored: Callable[[], StoredDomain]) -> bool:
    """Whether the access list has an element ``project:user`` for them; either may be ``*``, an id, or a name."""
    groups = asked.acl.groups
    if not groups:
        return False
    if not groups.isdisjoint(_pairs((who.project_id, "*"), (who.user_id, "*"))):
        return True
    names = _pairs((who.project_id, who.project_name, "*"), (who.user_id, who.user_name, "*"))
    return not groups.isdisjoint(names) and _names_count(rules, who, asked.account, stored)


def _pairs(projects: Iterable[str | None], users: tuple[str | None, ...]) -> list[str]:
    return [f"{project}:{user}" for project in projects if project is not None for user in users if user is not None]


def _names_count(rules: Rules, who: Identity, account: str, stored: Callable[[], StoredDomain]) -> bool:
    """Whether names tell users and projects apart: only where all are of the default domain, for others repeat them."""
    if not rules.allow_names_in_acls:
        return False
    if any(domain and domain != rules.default_domain for domain in (who.user_domain, who.project_domain)):
        return False
    if rules.is_account_of(account, who.project_id):
        return True
    exists, domain = stored()
    return exists and domain in (rules.default_domain, None)


def keeps_domain(asked: Asked) -> bool:
    """Whether a request may make or change its account, and so should have the project's domain kept with it."""
    if asked.object:
        return False
    return asked.method == "PUT" or (asked.method == "POST" and not asked.container)


class DomainChange(NamedTuple):
    """What becomes of the domain kept with an account.

    :ivar new: id to keep from now on, None to leave all as it is
    :ivar is_odd: whether the token names another domain than was kept, which somebody should look at
    """

    new: str | None
    is_odd: bool = False


def domain_to_keep(rules: Rules, who: Identity, account: str, stored: StoredDomain) -> DomainChange:
    """Which domain id to keep with an account from now on."""
    is_own = rules.is_account_of(account, who.project_id)
    told = who.project_domain if is_own else None
    if not stored.exists:
        return DomainChange(told if is_own else UNKNOWN_DOMAIN)
    if stored.domain is None and told == rules.default_domain:
        return DomainChange(told)  # made before domains were kept
    if stored.domain == UNKNOWN_DOMAIN and is_own:
        return DomainChange(told or "")
    return DomainChange(None, is_odd=is_own and stored.domain != told)
