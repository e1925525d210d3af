"""Who may read a file: which part of its path is closed to an account, and the commands that open it."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass

READ, ENTER = 0o4, 0o1
_ACCESS_LIST = "system.posix_acl_access"


@dataclass(frozen=True)
class Account:
    """Somebody who reads files.

    :ivar group: name of the primary group
    :ivar groups: ids of all groups
    """

    name: str
    uid: int
    group: str
    groups: frozenset[int]


@dataclass(frozen=True)
class Closed:
    """A file, or a directory on the way to one, that an account may not read, or enter.

    :ivar owner: as ``root:swift 0640``
    """

    path: str
    is_directory: bool
    owner: str
    account: Account

    @property
    def problem(self) -> str:
        """What is wrong."""
        if self.is_directory:
            return f"unreadable for {self.account.name}: {self.path} is {self.owner}"
        return f"unreadable for {self.account.name}: it is {self.owner}"

    @property
    def remedy(self) -> str:
        """A line of shell, for root."""
        path = shlex.quote(self.path)
        return f"chgrp {shlex.quote(self.account.group)} {path} && chmod {'750' if self.is_directory else '640'} {path}"


def account_of(name: str) -> Account:
    """The account of a name.

    :raises KeyError: when there is none
    """
    return _account(pwd.getpwnam(name))


def this_account() -> Account:
    """Whose process this is."""
    uid, groups = os.geteuid(), frozenset({os.getegid(), *os.getgroups()})
    try:
        return Account(pwd.getpwuid(uid).pw_name, uid, _group_name(os.getegid()), groups)
    except KeyError:
        return Account(f"user {uid}", uid, _group_name(os.getegid()), groups)


def _account(found: pwd.struct_passwd) -> Account:
    groups = frozenset(os.getgrouplist(found.pw_name, found.pw_gid))
    return Account(found.pw_name, found.pw_uid, _group_name(found.pw_gid), groups)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def may(mode: int, owner: tuple[int, int], account: Account, wanted: int) -> bool:
    """Whether the bits of a mode allow somebody what he wants: the first of owner, group and others that fits decides.

    :param owner: user and group
    :param wanted: ``READ``, ``ENTER``
    """
    if account.uid == 0:
        return True
    shift = 6 if account.uid == owner[0] else 3 if owner[1] in account.groups else 0
    return mode >> shift & wanted == wanted


def closed_to(path: str, account: Account) -> Closed | None:
    """What keeps an account from reading a file, the outermost first; None: nothing does, or there is no such file.

    What has a list of who may do what (acl(5)) beside its mode is believed to be open.
    """
    for place, wanted in _steps(os.path.realpath(path)):
        try:
            found = os.stat(place)
        except OSError:
            return None  # missing, or below what is closed to us, too
        if may(found.st_mode, (found.st_uid, found.st_gid), account, wanted) or _has_list(place):
            continue
        owner = f"{_user_name(found.st_uid)}:{_group_name(found.st_gid)} {stat.S_IMODE(found.st_mode):04o}"
        return Closed(place, stat.S_ISDIR(found.st_mode), owner, account)
    return None


def _steps(path: str) -> Iterator[tuple[str, int]]:
    parts = path.split("/")
    for end in range(2, len(parts)):
        yield "/".join(parts[:end]), ENTER
    yield path, READ


def _has_list(path: str) -> bool:
    try:
        return bool(os.getxattr(path, _ACCESS_LIST))
    except OSError:
        return False


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def explain(path: str, error: OSError, remedy: str) -> tuple[str, str]:
    """What is wrong with a file that could not be opened, and the remedy.

    :param remedy: for all but missing permission
    """
    closed = closed_to(path, this_account()) if isinstance(error, PermissionError) else None
    return (closed.problem, closed.remedy) if closed else (error.strerror or str(error), remedy)
