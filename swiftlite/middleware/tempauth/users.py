"""The users, resellers and token keys that tempauth's section of the conf file holds (formats.md 7.9)."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from swiftlite.common.config import is_true


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

    def has_key(self, key: str) -> bool:
        """Compare secrets in constant time."""
        return hmac.compare_digest(self.key.encode("utf-8", "surrogateescape"), key.encode("utf-8", "surrogateescape"))


@dataclass(frozen=True)
class TempAuthOptions:
    """Everything the section says."""

    prefixes: tuple[str, ...]
    """Reseller prefixes, each with its underscore; the first one's tokens are ours."""
    required_groups: Mapping[str, str]
    """Prefix to the group that besides its own account's a user must have; '' for none."""
    users: Mapping[str, User]
    """By identity."""
    auth_prefix: str
    token_life: int
    """Seconds."""
    allow_overrides: bool
    storage_url_scheme: str
    fernet_keys: Mapping[str, str]
    active_fernet_key: str | None
    """Id of the key that new tokens are made with."""

    @property
    def prefix(self) -> str:
        """The prefix of tokens and of accounts without a storage URL."""
        return self.prefixes[0]

    def groups_of(self, user: User) -> str:
        """The groups a user's token stands for: account, account:user, others; ``.admin`` becomes account ids."""
        groups = [user.account, user.identity, *user.groups]
        if ".admin" in groups:
            groups.remove(".admin")
            groups += [prefix + user.account for prefix in self.prefixes if prefix]
            if user.account_id not in groups:
                groups.append(user.account_id)
        return ",".join(groups)


def read_tempauth_options(conf: Mapping[str, str]) -> TempAuthOptions:
    """Read the section.

    :raises BadOption: naming the option that does not fit
    """
    prefixes = _read_prefixes(conf.get("reseller_prefix", "AUTH"))
    fernet_keys = {key[len("fernet_key_") :]: value for key, value in conf.items() if key.startswith("fernet_key_")}
    active = conf.get("active_fernet_key_id") or None
    if active and active not in fernet_keys:
        raise BadOption("active_fernet_key_id", f"there is no fernet_key_{active}")
    return TempAuthOptions(
        prefixes=prefixes,
        required_groups={prefix: _required_group(conf, prefix) for prefix in prefixes},
        users={user.identity: user for user in _read_users(conf, prefixes[0])},
        auth_prefix=_read_auth_prefix(conf.get("auth_prefix", "/auth/")),
        token_life=_read_seconds(conf, "token_life", "86400"),
        allow_overrides=is_true(conf.get("allow_overrides", "true")),
        storage_url_scheme=conf.get("storage_url_scheme", "default"),
        fernet_keys=fernet_keys,
        active_fernet_key=active,
    )


def _read_prefixes(text: str) -> tuple[str, ...]:
    words = ["" if word.strip() == "''" else word.strip() for word in text.split(",") if word.strip()]
    prefixes = [word if not word or word.endswith("_") else f"{word}_" for word in words]
    return tuple(dict.fromkeys(prefixes)) or ("",)


def _required_group(conf: Mapping[str, str], prefix: str) -> str:
    name = prefix or "''"
    return (conf.get(f"{name}require_group") or conf.get("require_group") or "").strip()


def _read_auth_prefix(text: str) -> str:
    return f"/{text.strip('/')}/" if text.strip("/") else "/auth/"


def _read_seconds(conf: Mapping[str, str], option: str, default: str) -> int:
    try:
        return int(conf.get(option, default))
    except ValueError:
        raise BadOption(option, f"{conf[option]!r} is no number of seconds") from None


def _read_users(conf: Mapping[str, str], prefix: str) -> Iterator[User]:
    for option, value in conf.items():
        kind, _, rest = option.partition("_")
        if kind not in ("user", "user64") or not rest:
            continue
        account, separator, name = rest.partition("_")
        if not separator or "_" in name:
            raise BadOption(option, f"it must be {kind}_<account>_<user>; use user64_ for names with underscores")
        if kind == "user64":
            account, name = _decode64(option, account), _decode64(option, name)
        key, *groups = value.split() or [""]
        if not key:
            raise BadOption(option, "it has no key")
        url = f"$HOST/v1/{prefix}{quote(account)}"
        if groups and ("://" in groups[-1] or "$HOST" in groups[-1]):
            url = groups.pop()
        yield User(account, name, key, tuple(groups), url)


def _decode64(option: str, text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        raise BadOption(option, f"{text!r} is not the base64 of a name") from None
