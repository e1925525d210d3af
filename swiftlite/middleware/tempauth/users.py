"""The users, resellers and token keys that tempauth's section of the conf file holds (formats.md 7.9)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from swiftlite.common.config import option
from swiftlite.common.passwords import Passwords
from swiftlite.common.pipeline import factory_options
from swiftlite.core.resellers import parse_prefixes, prefixed_option


class BadOption(ValueError):
    """An option cannot be used.

    :param option: its name
    :param problem: what is wrong with it
    """

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"{option}: {problem}")
        self.option, self.problem = option, problem


@dataclass(frozen=True)
class User:
    """Somebody who may have a token; native strings."""

    account: str
    name: str
    key: str
    """The password, or a hash of it."""
    groups: tuple[str, ...]
    url: str
    """Storage URL, with ``$HOST`` for the scheme and host that the client used."""

    @property
    def identity(self) -> str:
        """``account:user``."""
        return f"{self.account}:{self.name}"

    @property
    def account_id(self) -> str:
        """Last segment of the storage URL: the account as paths name it."""
        return self.url.rpartition("/")[2]


def parse_auth_prefix(text: str) -> str:
    """A path with a slash at either end."""
    return f"/{text.strip('/')}/" if text.strip("/") else "/auth/"


@dataclass(frozen=True)
class TempAuthOptions:
    """The plain options of the filter's section; users, keys and required groups have names of their own."""

    reseller_prefix: tuple[str, ...] = option(
        ("AUTH_",), "starts of the names of accounts; the first one starts tokens, too", parse_prefixes
    )
    auth_prefix: str = option("/auth/", "path below which tokens are given out", parse_auth_prefix)
    token_life: int = option(86400, "seconds that a token is valid")
    allow_overrides: bool = option(True, "let filters in front, such as temporary URLs, decide instead")
    storage_url_scheme: str = option("default", "scheme of storage URLs: http, https, or default: as the client came")
    active_fernet_key_id: str = option(
        "", "which fernet_key_<id> seals new tokens; none: they lie in memcached, or are good at this server only"
    )


@dataclass(frozen=True)
class TempAuthConf:
    """Everything the section says."""

    options: TempAuthOptions
    users: Mapping[str, User]
    """By identity."""
    required_groups: Mapping[str, str]
    """Prefix to the group that besides its own account's a user must have; '' for none."""
    fernet_keys: Mapping[str, str]
    """By id."""

    @property
    def prefix(self) -> str:
        """The prefix of tokens and of accounts without a storage URL."""
        return self.options.reseller_prefix[0]

    def groups_of(self, user: User, administered: User | None = None) -> str:
        """The groups a user's token stands for: account, account:user, others; ``.admin`` becomes account ids.

        :param administered: a user of the account whose ids these are; None for the user's own
        """
        groups = [user.account, user.identity, *user.groups]
        if ".admin" in groups:
            groups.remove(".admin")
            home = administered or user
            groups += [prefix + home.account for prefix in self.options.reseller_prefix if prefix]
            if home.account_id not in groups:
                groups.append(home.account_id)
        return ",".join(groups)

    def storage_url(self, user: User, base: str) -> str:
        """Where a client finds the user's account.

        :param base: scheme and host that the client used
        """
        url = user.url.replace("$HOST", base)
        scheme = self.options.storage_url_scheme
        return url if scheme == "default" else f"{scheme}:{url.partition(':')[2]}"


def read_tempauth_conf(conf: Mapping[str, str]) -> TempAuthConf:
    """Read the section.

    :raises ConfigError, BadOption: naming the option that does not fit
    """
    options = factory_options(TempAuthOptions, conf)
    fernet_keys = {key[len("fernet_key_") :]: value for key, value in conf.items() if key.startswith("fernet_key_")}
    active = options.active_fernet_key_id
    if active and active not in fernet_keys:
        raise BadOption("active_fernet_key_id", f"there is no fernet_key_{active}")
    return TempAuthConf(
        options=options,
        users={user.identity: user for user in _read_users(conf, options.reseller_prefix[0])},
        required_groups={
            prefix: prefixed_option(conf, prefix, "require_group").strip() for prefix in options.reseller_prefix
        },
        fernet_keys=fernet_keys,
    )


def read_passwords(conf: TempAuthConf) -> Passwords:
    """What compares the users' passwords.

    :raises BadOption: when a hash of one cannot be used
    """
    try:
        return Passwords(user.key for user in conf.users.values())
    except ValueError as error:
        raise BadOption("user_...", str(error)) from None


def _read_users(conf: Mapping[str, str], prefix: str) -> Iterator[User]:
    for key, value in conf.items():
        kind, _, rest = key.partition("_")
        if kind not in ("user", "user64") or not rest:
            continue
        account, separator, name = rest.partition("_")
        if not separator or "_" in name:
            raise BadOption(key, f"it must be {kind}_<account>_<user>; use user64_ for names with underscores")
        if kind == "user64":
            account, name = _decode64(key, account), _decode64(key, name)
        _check_names(key, account, name)
        secret, *groups = value.split() or [""]
        if not secret:
            raise BadOption(key, "it has no key")
        url = f"$HOST/v1/{prefix}{quote(account)}"
        if groups and ("://" in groups[-1] or "$HOST" in groups[-1]):
            url = groups.pop()
        yield User(account, name, secret, tuple(groups), url)


def _check_names(key: str, account: str, name: str) -> None:
    """Refuse names that would be taken for groups: both are among a user's groups, which commas part."""
    if "," in account + name:
        raise BadOption(key, "a name has no comma, for commas part a user's groups")
    if account.startswith("."):
        raise BadOption(key, "no account's name begins with a dot, as groups with rights and Swift's own accounts do")


def _decode64(key: str, text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        raise BadOption(key, f"{text!r} is not the base64 of a name") from None
