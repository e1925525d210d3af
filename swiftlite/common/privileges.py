"""Become the account that a daemon should run as, where that can still do all that Python wants of it."""

from __future__ import annotations

import os
import pwd
import site
import sys
from collections.abc import Mapping

from swiftlite.common.config import ConfigError
from swiftlite.common.permissions import Account, Closed, account_of, closed_to

VENV = "/usr/bin/python3 -m venv /opt/swiftlite-1"
"""How to make a virtualenv of a Python that everybody may read."""


class ClosedLibrary(ConfigError):
    """The account of a daemon cannot read what Python imports, so it would die of the first module that comes later."""


def check_user(user: str, file: str) -> None:
    """Refuse a conf whose `user` root could not become, or could do nothing as; before anything is opened or forked.

    :param file: path of the conf file, for the error
    :raises ConfigError: when root is asked to become an account that does not exist, or that cannot read Python's library
    """
    if os.geteuid() != 0 or _account(user, file).pw_uid == 0:
        return
    closed = closed_library(account_of(user), libraries())
    if closed:
        library, place = closed
        problem = f"{library} cannot be read by {user}, for {place.path} is {place.owner}"
        raise ClosedLibrary(file, "DEFAULT", "user", problem, f"make the virtualenv so that it can, as {VENV} does")


def drop_privileges(user: str, file: str) -> None:
    """Give up root for ``user``; a process that is not root stays what it is.

    :func:`check_user` comes before, once: a worker that is made later has what it needs in memory.

    :param file: path of the conf file, for the error
    :raises ConfigError: when there is no such account
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


def libraries() -> dict[str, str]:
    """The directories that this process has imported from, and what each is.

    Python looks into more of them: one that it may not read, and that has nothing we want, it passes over.
    """
    files = [file for module in [*sys.modules.values()] if (file := getattr(module, "__file__", None))]
    places = [place for place in site.getsitepackages() if any(file.startswith(f"{place}/") for file in files)]
    packages = dict.fromkeys(places, "Python's library")
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return {os.path.dirname(os.__file__): "Python's library", **packages, own: "the package swiftlite"}


def closed_library(account: Account, directories: Mapping[str, str]) -> tuple[str, Closed] | None:
    """The first library that an account cannot read, and what keeps it from that; None: there is none.

    :param directories: as :func:`libraries` tells
    """
    for directory, what in directories.items():
        closed = closed_to(directory, account)
        if closed:
            return f"{what} {directory}", closed
    return None
