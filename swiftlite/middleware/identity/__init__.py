"""The built-in identity service: Keystone's logins, versions 1.0, 2.0 and 3, over the users of tempauth."""

from __future__ import annotations

from collections.abc import Callable

from swiftlite.common import swift_info
from swiftlite.common.cache import Cache
from swiftlite.common.config import ConfigError
from swiftlite.common.log import Logger, get_logger
from swiftlite.common.passwords import Passwords, is_hashed
from swiftlite.common.pipeline import WSGIApp, factory_options, factory_place, section_options
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core.signed_token import START, derive_key
from swiftlite.middleware.identity.api import API
from swiftlite.middleware.identity.authentication import Authentication
from swiftlite.middleware.identity.credential_records import CredentialRecords
from swiftlite.middleware.identity.credentials import Credentials
from swiftlite.middleware.identity.directory import Directory
from swiftlite.middleware.identity.filter import Identity
from swiftlite.middleware.identity.logins import Logins
from swiftlite.middleware.identity.options import IdentityOptions
from swiftlite.middleware.identity.revocations import Revocations
from swiftlite.middleware.identity.store import Store
from swiftlite.middleware.identity.tokens import Tokens
from swiftlite.middleware.identity.users import People
from swiftlite.middleware.identity.v1 import V1Login
from swiftlite.middleware.tempauth.users import BadOption, TempAuthConf, read_passwords, read_tempauth_conf

KNOWN_SECRETS = ("", "changeme")
"""What samples have as a cluster's secret."""


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: IdentityOptions.

    :raises ConfigError: when one does not fit, or there are no users
    """
    conf = {**global_conf, **local_conf}
    options = factory_options(IdentityOptions, conf)
    users, passwords = _read_users(conf, options.users_from)
    log = get_logger(conf, "identity")
    keys = _read_keys(conf, options, log)
    _warn_of_plain_passwords(options, users, log)
    versions = ["v2.0", "v3"] if not options.v1 else ["v1.0", "v2.0", "v3"]
    swift_info.register("identity", versions=versions, application_credentials=True)

    def factory(app: WSGIApp) -> Identity:
        cache = Cache()  # for pipelines that have none
        store = Store(app)
        directory = Directory(users, options)
        tokens = Tokens(directory, keys, Revocations(store, cache, log, options.revocation_delay))
        logins = Logins(passwords, options, cache)
        authentication = Authentication(directory, options, tokens, logins, CredentialRecords(store))
        v1 = V1Login(authentication) if options.v1 else None
        api = API(authentication, People(authentication), Credentials(authentication), v1)
        return Identity(app, api, tokens, users.options.allow_overrides)

    return factory


def _read_users(conf: dict[str, str], section: str) -> tuple[TempAuthConf, Passwords]:
    """The users of another section of the same file.

    :raises ConfigError: naming what does not fit there
    """
    file, _ = factory_place(conf)
    theirs = section_options(file, section)
    try:
        users = read_tempauth_conf(theirs)
        passwords = read_passwords(users)
    except BadOption as error:
        raise ConfigError(file, section, error.option, error.problem, "correct it") from None
    if any(prefix.startswith(START) for prefix in users.options.reseller_prefix):
        raise ConfigError(file, section, "reseller_prefix", f"tokens begin with {START!r}", "choose another")
    return users, passwords


def _read_keys(conf: dict[str, str], options: IdentityOptions, log: Logger) -> list[bytes]:
    """The keys of tokens, the one that signs first."""
    if options.signing_key:
        secret = options.signing_key.encode("utf-8", "surrogateescape")
    else:
        swift = SwiftConf.load(conf.get("swift_dir", "/etc/swift"))
        prefix, suffix = swift.hash_path.prefix, swift.hash_path.suffix
        if {prefix.decode("latin-1"), suffix.decode("latin-1")} <= set(KNOWN_SECRETS):
            log.warning("swift.conf has the hash secret of the sample: set signing_key, or all can sign tokens")
        # The length keeps one pair apart from another.
        secret = b"%d:%s%s" % (len(prefix), prefix, suffix)
    old = [key.encode("utf-8", "surrogateescape") for key in options.signing_key_old]
    return [derive_key(key) for key in (secret, *old)]


def _warn_of_plain_passwords(options: IdentityOptions, users: TempAuthConf, log: Logger) -> None:
    plain = sum(not is_hashed(user.key) for user in users.users.values())
    if plain:
        log.warning(
            "passwords in plain text in [%s]: %d; swiftlite-hash-password makes hashes of them",
            options.users_from,
            plain,
        )
