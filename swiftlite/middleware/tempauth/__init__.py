"""Authentication and authorization with users from the conf file: tokens, accounts' and containers' access lists."""

from __future__ import annotations

import os
from collections.abc import Callable

from swiftlite.common import swift_info
from swiftlite.common.config import ConfigError
from swiftlite.common.log import get_logger
from swiftlite.common.pipeline import WSGIApp, factory_place
from swiftlite.common.statsd import make_statsd
from swiftlite.middleware.tempauth.filter import TempAuth
from swiftlite.middleware.tempauth.login import Login
from swiftlite.middleware.tempauth.tokens import Tokens
from swiftlite.middleware.tempauth.users import BadOption, read_passwords, read_tempauth_conf


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options as formats.md 7.9.

    :raises ConfigError: naming the option that does not fit
    """
    conf = {**global_conf, **local_conf}
    file, section = factory_place(conf)
    try:
        settings = read_tempauth_conf(conf)
        # The key is made here, before the server forks: every worker then accepts the others' tokens.
        tokens = Tokens(settings, os.urandom(32))
        passwords = read_passwords(settings)
    except BadOption as error:
        raise ConfigError(file, section, error.option, error.problem, "correct it") from None
    swift_info.register("tempauth", account_acls=True)
    log = get_logger(conf, "tempauth")
    statsd = make_statsd(conf, f"tempauth.{settings.prefix or 'NONE'}", log, file, section)
    return lambda app: TempAuth(app, settings, Login(settings, tokens, passwords, statsd))
