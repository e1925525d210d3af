"""The .pending file: rows that were accepted but not yet merged into their database (formats.md 4.6)."""

from __future__ import annotations

import base64
import binascii
import errno
import fcntl
import os
import pickle
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from swiftlite.common import pickles
from swiftlite.common.concurrency import sleep

MERGE_ABOVE = 131072
"""Bytes of pending records above which the next row is merged at once."""

_MARK = b":"


class Patience(NamedTuple):
    """How long to wait for the lock of a database's directory, and what readers do then.

    :param seconds: to wait
    :param then_stale: go on with what is merged already, instead of failing
    """

    seconds: float = 10.0
    then_stale: bool = False


FRESH_READS = Patience()
"""For writers, and for readers who must know the newest rows."""
STALE_READS = Patience(0.1, then_stale=True)
"""For readers who need not know the newest rows (formats.md 4.6)."""
REPLICATION = Patience(30.0)
"""For what replicas tell each other: it waits rather than coming again in the next pass."""


class LockTimeout(Exception):
    """A directory's lock was not free in time; carries its path."""


@contextmanager
def directory_lock(directory: str, timeout: float) -> Iterator[None]:
    """Hold the ``.lock`` of a database's directory against every process and green thread.

    :param timeout: seconds to wait for it
    :raises LockTimeout: when it stays taken
    :raises FileNotFoundError: when the directory does not exist
    """
    descriptor = _locked(directory + "/.lock", timeout)
    try:
        yield
    finally:
        os.close(descriptor)


def _locked(path: str, timeout: float) -> int:
    """Open and lock the file that is at ``path`` once we have the lock: while we waited, its directory may have been
    moved away, and another one made."""
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            if os.geteuid() == 0:
                _give_to_owner(descriptor, os.path.dirname(path))
            _wait_for(descriptor, path, timeout)
            held, there = os.fstat(descriptor), os.stat(path)
            if (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _give_to_owner(descriptor: int, directory: str) -> None:
    """A lock that root has made, say for a tool that shows a database, is one that servers must be able to open."""
    held, owner = os.fstat(descriptor), os.stat(directory)
    if held.st_uid != owner.st_uid:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _wait_for(descriptor: int, path: str, timeout: float) -> None:
    deadline = None
    delay = 0.001
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
        now = time.monotonic()
        deadline = deadline or now + timeout
        if now >= deadline:
            raise LockTimeout(path)
        sleep(min(delay, deadline - now))
        delay = min(delay * 2, 0.05)


def encode(record: Sequence[Any]) -> bytes:
    """One record as it stands in the file."""
    return _MARK + base64.b64encode(pickles.dumps(tuple(record), 2))


def decode(content: bytes) -> tuple[list[tuple[Any, ...]], list[bytes]]:
    """The records of a pending file.

    :returns: the good ones in order, and the bytes of those that cannot be read
    """
    good, bad = [], []
    for text in filter(None, content.split(_MARK)):
        try:
            good.append(tuple(pickles.loads(base64.b64decode(text), encoding="utf8")))
        except (pickle.UnpicklingError, binascii.Error, TypeError):
            bad.append(text)
    return good, bad


def append(path: str, record: bytes) -> bool:
    """Add a record at the end of the file; the caller holds the directory's lock.

    :raises OSError: ENOSPC when the disk is full; nothing of the record stays
    :returns: False, with nothing written, when the file is so large already that its records are to be merged now
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        if before > MERGE_ABOVE:
            return False
        if os.write(descriptor, record) != len(record):
            os.ftruncate(descriptor, before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        return True
    finally:
        os.close(descriptor)


def read(path: str) -> bytes:
    """The whole file; nothing when there is none."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except FileNotFoundError:
        return b""


def size(path: str) -> int:
    """Its size in bytes; 0 when there is none."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def clear(path: str) -> None:
    """Forget the records, which are in the database now; the caller still holds the lock."""
    os.truncate(path, 0)
