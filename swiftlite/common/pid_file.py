"""PidFile: a file that holds the process id of a daemon while it runs, and lets no second one in."""

from __future__ import annotations

import contextlib
import fcntl
import os

from swiftlite.common.config import ConfigError

HELD = "SWIFTLITE_PID_FILE"
"""Environment variable by which a process that starts anew hands its file on: ``pid:descriptor:path``."""
PROGRAM = "{program}"


class PidFile:
    """A file that is locked for as long as its process lives, whatever process id has been used again meanwhile.

    :param path: absolute
    :param descriptor: of the file, which is locked
    """

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._owner = os.getpid()

    @classmethod
    def claim(cls, text: str, program: str, conf: str) -> PidFile | None:
        """Take the file, or have it already since before we started anew; it says nothing yet that it did not say.

        :param text: the option `pid_file`; ``{program}`` in it stands for the program's name; empty: no file
        :param program: say ``object-updater``
        :param conf: path of the conf file, for errors
        :raises ConfigError: a living process holds the file, or it cannot be made
        """
        path = os.path.abspath(text.replace(PROGRAM, program)) if text else ""
        held = _inherited()
        if held and held.path == path:
            return held
        if held:
            held.remove()
        if not path:
            return None
        try:
            return cls(path, _lock(path))
        except BlockingIOError:
            problem = f"{path} is held by process {_read(path) or '(unknown)'}, which runs"
            remedy = f"end it, or name another file; {PROGRAM} in the name keeps the daemons of one conf apart"
            raise ConfigError(conf, "DEFAULT", "pid_file", problem, remedy) from None
        except OSError as error:
            problem, remedy = f"cannot make {path}: {error.strerror}", "make its directory, or name another file"
            raise ConfigError(conf, "DEFAULT", "pid_file", problem, remedy) from None

    @classmethod
    def check(cls, text: str, program: str, conf: str) -> None:
        """In a trial: raise what :meth:`claim` would, for a file that the process which made the trial does not hold."""
        if text and _read(text.replace(PROGRAM, program)) != str(os.getppid()):
            made = cls.claim(text, program, conf)
            if made:
                made.remove()

    def write(self) -> None:
        """Write our process id."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def hand_on(self) -> None:
        """Keep the file, and its lock, for the program that starts anew in this process."""
        os.set_inheritable(self._descriptor, True)
        os.environ[HELD] = f"{os.getpid()}:{self._descriptor}:{self.path}"

    def remove(self) -> None:
        """Remove the file; one in a directory where we, no longer root, may not is left empty. In a child: do nothing."""
        if os.getpid() != self._owner:
            return
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.unlink(self.path)
        os.close(self._descriptor)


def _inherited() -> PidFile | None:
    owner, _, rest = os.environ.pop(HELD, "").partition(":")
    if owner != str(os.getpid()):
        return None
    number, _, path = rest.partition(":")
    os.set_inheritable(int(number), False)
    return PidFile(path, int(number))


def _lock(path: str) -> int:
    """Open and lock a file; raise BlockingIOError when another has."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(path, descriptor):
                os.fchmod(descriptor, 0o644)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # who held it has removed it between both steps


def _is_still(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _read(path: str) -> str:
    with contextlib.suppress(OSError), open(path, encoding="latin-1") as file:
        return file.read(32).strip()
    return ""
