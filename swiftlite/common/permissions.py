"""Who may read a file: which part of its path is closed to an account, and the commands that open it."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass

READ, ENTER = 0o4, 0o1
FIRST_PERSON, NOBODY = 1000, 65534
DAEMONS = "swift"
_SYSTEM = ("/", "/etc", "/home", "/mnt", "/opt", "/root", "/run", "/srv", "/tmp", "/usr", "/var", "/var/lib")
_HOMES = ("/home/", "/root/")
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

    @property
    def is_person(self) -> bool:
        """Whether somebody logs in by it, as Debian and its like number accounts; the daemons' own is none."""
        return FIRST_PERSON <= self.uid < NOBODY and self.name != DAEMONS


@dataclass(frozen=True)
class Closed:
    """A file, or a directory on the way to one, that an account may not read, or enter.

    :ivar owner: as ``root:swift 0640``
    :ivar uid: of its owner
    :ivar group: that it belongs to; empty: root's, or nobody knows
    """

    path: str
    is_directory: bool
    owner: str
    account: Account
    uid: int = 0
    group: str = ""

    @property
    def mode(self) -> int:
        """Its permissions."""
        return int(self.owner.rpartition(" ")[2], 8)

    @property
    def problem(self) -> str:
        """What is wrong."""
        if self.is_directory:
            return f"unreadable for {self.account.name}: {self.path} is {self.owner}"
        return f"unreadable for {self.account.name}: it is {self.owner}"

    @property
    def remedy(self) -> str:
        """A line of shell, for root; or what else to do where that would open what is somebody's own, or the system's.

        No other group loses what it has.
        """
        path, group = shlex.quote(self.path), shlex.quote(self.account.group)
        if self.is_directory and (self.uid != 0 or _is_not_ours(self.path, self.account)):
            return f"leave {path} closed: move what {self.account.name} is to read out of it, say to /etc/swift"
        if self.group and self.group != self.account.group:
            bits = "g+rx" if self.is_directory else "g+r"
            return f"usermod -a -G {shlex.quote(self.group)} {shlex.quote(self.account.name)} && chmod {bits} {path}"
        return f"chgrp {group} {path} && chmod {'750' if self.is_directory else '640'} {path}"


def _is_not_ours(directory: str, account: Account) -> bool:
    """Whether a directory is another account's home, or one of the system's: no daemon may have it."""
    homes = (found.pw_dir.rstrip("/") for found in pwd.getpwall() if found.pw_uid != account.uid)
    return directory in _SYSTEM or directory in homes


def is_of_system(directory: str, is_here: bool = True) -> bool:
    """Whether a directory is one of the system's, or somebody's home: it is not opened for daemons.

    :param is_here: whether it is one of this machine; of another nobody knows the accounts, so what may be below a home is
    """
    if directory in _SYSTEM or not is_here:
        return directory in _SYSTEM or directory.startswith(_HOMES)
    return any(directory == found.pw_dir.rstrip("/") for found in pwd.getpwall())


def remedy_of_asker(closed: Closed) -> str:
    """What somebody does who wants to read a file of the daemons: the file stays theirs."""
    owner, wanted = closed.owner.partition(":")[0], ENTER if closed.is_directory else READ
    if closed.group and closed.mode >> 3 & wanted:
        return f"run it as root, or as a member of group {closed.group}: sudo -g {closed.group} …"
    if closed.uid != 0 and closed.mode >> 6 & wanted:
        return f"run it as root, or as {owner}: sudo -u {owner} …"
    return "run it as root"


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
    spellings = dict.fromkeys((os.path.abspath(path), os.path.realpath(path)))
    for place, wanted in dict.fromkeys(step for spelling in spellings for step in _steps(spelling)):
        try:
            found = os.stat(place)
        except OSError:
            return None  # missing, or below what is closed to us, too
        # A file in the midst of a path is an archive that Python imports from.
        wanted = wanted | ENTER if stat.S_ISDIR(found.st_mode) else READ
        if may(found.st_mode, (found.st_uid, found.st_gid), account, wanted) or _has_list(place):
            continue
        group = _group_name(found.st_gid)
        owner = f"{_user_name(found.st_uid)}:{group} {stat.S_IMODE(found.st_mode):04o}"
        is_directory = stat.S_ISDIR(found.st_mode)
        return Closed(place, is_directory, owner, account, found.st_uid, group if found.st_gid else "")
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


def allows(path: str, account: Account, wanted: int) -> bool:
    """Whether an account may do with a file or directory what it wants; what has a list of that is believed to be open.

    :param wanted: as for :func:`may`
    :raises OSError: when nobody can look at it
    """
    found = os.stat(path)
    return may(found.st_mode, (found.st_uid, found.st_gid), account, wanted) or _has_list(path)


def owner_and_mode(path: str) -> tuple[str, int]:
    """The name of a file's owner, and its permissions.

    :raises OSError: when nobody can look at it
    """
    found = os.stat(path)
    return _user_name(found.st_uid), stat.S_IMODE(found.st_mode)


def barrier(directory: str, may: Callable[[str, int], bool]) -> str:
    """The first directory on the way to a directory that somebody may not enter, or itself, if he may not list it;
    empty: there is none, or nobody can tell.

    :param may: whether he may do with a directory what he wants, ``READ`` and ``ENTER`` together
    """
    steps = [*_steps(os.path.abspath(directory))][:-1]
    for place, wanted in (*steps, (os.path.abspath(directory), READ | ENTER)):
        try:
            if not may(place, wanted):
                return place if os.path.isdir(place) else ""
        except OSError:
            return ""
    return ""


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
    if closed is None:
        return error.strerror or str(error), remedy
    return closed.problem, remedy_of_asker(closed) if closed.account.is_person else closed.remedy
