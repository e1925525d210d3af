"""Become the account that a daemon should run as."""

from __future__ import annotations

import os
import pwd

from swiftlite.common.config import ConfigError


def check_user(user: str, file: str) -> None:
    """Refuse a conf whose `user` root could not become; before anything is opened or forked.

    :param file: path of the conf file, for the error
    :raises ConfigError: when root is asked to become an account that does not exist
    """
    if os.geteuid() == 0:
        _account(user, file)


def drop_privileges(user: str, file: str) -> None:
    """Give up root for ``user``; a process that is not root stays what it is.

    :param file: path of the conf file, for the error
    :raises ConfigError: when root is asked to become an account that does not exist
    """
    if os.geteuid() != 0:
        return
    account = _account(user, file)
    if account.pw_uid == 0:
        return
    os.initgroups(account.pw_name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.environ["HOME"] = account.pw_dir


def _account(user: str, file: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise ConfigError(
            file, "DEFAULT", "user", f"there is no account {user!r}", "create it or set user = root"
        ) from None
