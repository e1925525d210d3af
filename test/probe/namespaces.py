"""Network namespaces that are known by a file descriptor alone, so that none outlives the process that made it."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_CLONE_NEWNET = 0x40000000
_OWN = "/proc/thread-self/ns/net"
_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A network namespace. It has no name that could collide or be left behind: the kernel removes it, with all that
    was made in it, when this process has closed it (or has died) and no process runs in it any more.

    Look into one by hand: ``nsenter --net=/proc/PID/ns/net``, with the pid of a daemon that runs in it.

    :raises OSError: EPERM without the right to make one
    """

    def __init__(self) -> None:
        home = os.open(_OWN, os.O_RDONLY)
        try:
            _call("unshare", _CLONE_NEWNET)
            self._descriptor = os.open(_OWN, os.O_RDONLY)
            _call("setns", home, _CLONE_NEWNET)
        finally:
            os.close(home)

    @property
    def path(self) -> str:
        """A path by which other processes can name it while this one lives."""
        return f"/proc/{os.getpid()}/fd/{self._descriptor}"

    @property
    def inode(self) -> int:
        """What tells it from all others that exist."""
        return os.fstat(self._descriptor).st_ino

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread's new sockets, child processes and threads belong to the namespace until the end of the block."""
        before = os.open(_OWN, os.O_RDONLY)
        try:
            _call("setns", self._descriptor, _CLONE_NEWNET)
            yield
        finally:
            _call("setns", before, _CLONE_NEWNET)
            os.close(before)

    def run(self, command: Sequence[str], text: str = "") -> str:
        """Run a program inside with `text` as its input; return what it prints. It must succeed."""
        with self.inside():
            done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}\n{text}"
        return done.stdout

    def pids(self) -> list[int]:
        """The processes that run inside."""
        return [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if self._holds(pid)]

    def _holds(self, pid: int) -> bool:
        try:
            return os.stat(f"/proc/{pid}/ns/net").st_ino == self.inode
        except OSError:  # it has ended, or is none of ours
            return False

    def close(self) -> None:
        """Let go of it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def why_not() -> str:
    """The reason why this process cannot make namespaces; empty when it can."""
    try:
        Namespace().close()
    except OSError as error:
        return f"no network namespaces here ({error.strerror}): needs root, and in a container CAP_SYS_ADMIN"
    return ""


def _call(name: str, *arguments: int) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
