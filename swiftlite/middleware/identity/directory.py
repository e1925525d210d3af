"""Directory: tempauth's users and accounts as Keystone's users and projects: ids, names, roles, groups, storage URLs."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from swiftlite.core.identity_request import Named
from swiftlite.core.signed_token import derive_id
from swiftlite.middleware.identity.options import IdentityOptions
from swiftlite.middleware.tempauth.users import TempAuthConf, User

_PLAIN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}").fullmatch


def user_id(user: User) -> str:
    """The id of a user."""
    return derive_id("user", user.identity)


def project_id(account: str) -> str:
    """The id of a project: the account's name, so that ``AUTH_<project id>`` is the account's path; where an id cannot
    have that name's characters, a derived one."""
    return account if _PLAIN_ID(account) else derive_id("project", account)


class Directory:
    """Who there is, and what each may do."""

    def __init__(self, conf: TempAuthConf, options: IdentityOptions) -> None:
        self.conf = conf
        self.options = options
        self._users = {user_id(user): user for user in conf.users.values()}
        self._accounts: dict[str, User] = {}
        for user in conf.users.values():
            self._accounts.setdefault(user.account, user)
        self._account_ids = {project_id(account): account for account in self._accounts}

    def user(self, identity: str) -> User | None:
        """The user of this id or ``account:user``."""
        return self._users.get(identity) or self.conf.users.get(identity)

    def find_user(self, wanted: Named, project: Named) -> User | None:
        """The user that a login names: by id, by ``account:user``, or by name alone.

        :param project: tells apart users of one name in several accounts
        """
        if not self._is_our_domain(wanted.domain):
            return None
        if wanted.id:
            return self._users.get(wanted.id)
        found = self.conf.users.get(wanted.name)
        account = self.find_account(project)
        if found is None and account is not None:
            found = self.conf.users.get(f"{account}:{wanted.name}")
        if found is None:
            same_name = [user for user in self.conf.users.values() if user.name == wanted.name]
            found = same_name[0] if len(same_name) == 1 else None
        return found

    def find_account(self, wanted: Named) -> str | None:
        """The account that a project's id or name stands for; also as paths have it, with the reseller prefix."""
        if not self._is_our_domain(wanted.domain):
            return None
        if wanted.id:
            return self._account_ids.get(wanted.id)
        for name in (wanted.name, wanted.name.removeprefix(self.conf.prefix)):
            if name in self._accounts:
                return name
        return None

    def _is_our_domain(self, domain: str) -> bool:
        return not domain or domain == self.options.domain_id or domain.lower() == self.options.domain_name.lower()

    def accounts_of(self, user: User) -> list[str]:
        """The accounts that a user may have tokens for, its own first."""
        others = [name for name in self._accounts if name != user.account] if ".reseller_admin" in user.groups else []
        return [user.account, *others]

    def roles_of(self, user: User) -> list[str]:
        """The names of the roles that a user's tokens give."""
        options = self.options
        roles = list(options.user_roles)
        roles += options.admin_roles if ".admin" in user.groups or ".reseller_admin" in user.groups else ()
        roles += options.reseller_roles if ".reseller_admin" in user.groups else ()
        return list(dict.fromkeys(roles))

    def groups_of(self, user: User, roles: Collection[str] | None, project: str = "") -> str:
        """The groups that tempauth authorises, comma-separated.

        :param roles: those that a restricted token has: groups that stand for others are left out; None for all
        :param project: the account in which it has them; '' for the user's own
        """
        if roles is None or set(self.roles_of(user)) <= set(roles):
            return self.conf.groups_of(user)
        # Of groups that stand for no role nobody knows what they are worth: they are left out, too.
        worth = {".admin": self.options.admin_roles, ".reseller_admin": self.options.reseller_roles}
        has = user.groups
        if ".reseller_admin" in has and ".admin" not in has:
            has = (*has, ".admin")  # in every project
        kept = tuple(group for group in has if not set(roles).isdisjoint(worth.get(group, ())))
        administered = self._accounts[project] if project not in ("", user.account) else None
        return self.conf.groups_of(replace(user, groups=kept), administered)

    def storage_url(self, account: str, base: str) -> str:
        """Where an account's data are.

        :param base: scheme and host that the client used
        """
        return self.conf.storage_url(self._accounts[account], base)
