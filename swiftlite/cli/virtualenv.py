"""Make a checkout's virtualenv the first time, and run inside it; needs nothing but the standard library."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from swiftlite.common.config import StartError


class VirtualenvError(StartError):
    """The virtualenv cannot be made; the text is one line that says why and what to do."""


def inside(directory: Path) -> bool:
    """Tell whether this very process runs in the virtualenv `directory`."""
    return Path(sys.prefix).resolve() == directory.resolve()


def ensure(directory: Path, checkout: Path, extras: Sequence[str] = ()) -> Path:
    """Return the Python of the virtualenv `directory`, made first if it is missing, broken or out of date.

    The checkout itself is installed into it editable, with its `extras`. A file lock makes a second caller wait
    for the first. Raises VirtualenvError.
    """
    python = directory / "bin" / "python"
    mark = directory / "installed"
    wanted = _fingerprint(checkout, extras)
    try:
        if _is_current(python, mark, wanted):
            return python
    except PermissionError as error:  # it is another user's, or the Python that it was made with is
        raise _closed(directory, error) from error
    lock = os.open(checkout, os.O_RDONLY | os.O_DIRECTORY)  # a lock file inside would not survive venv --clear
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_current(python, mark, wanted):
            directory.mkdir(parents=True, exist_ok=True)
            _make(directory, checkout, extras)
            # Written last: an interrupted installation is done again.
            mark.write_text(wanted)
    except OSError as error:
        raise VirtualenvError(f"cannot write the virtualenv {directory}: {error.strerror}: make it writable") from error
    finally:
        os.close(lock)
    return python


def _fingerprint(checkout: Path, extras: Sequence[str]) -> str:
    """What the virtualenv was made from: another setup.py or another Python makes it out of date."""
    setup = (checkout / "setup.py").read_bytes()
    scripts = sorted(path.name for path in (checkout / "bin").iterdir())
    named = repr((sys.version_info[:2], str(checkout), sorted(extras), scripts)).encode()
    return hashlib.sha256(setup + named).hexdigest()


def _is_current(python: Path, mark: Path, wanted: str) -> bool:
    # exists() follows the link: false when the Python that the virtualenv was made with is gone.
    return python.exists() and mark.exists() and mark.read_text() == wanted


def _make(directory: Path, checkout: Path, extras: Sequence[str]) -> None:
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        version = "%d.%d" % sys.version_info[:2]
        raise VirtualenvError(
            f"this Python has no venv and ensurepip modules: install them (Debian: apt-get install python{version}-venv)"
        )
    print(
        f"Making the virtualenv {directory} (only when it is missing or setup.py has changed) ...",
        file=sys.stderr,
        flush=True,
    )
    target = str(checkout) + (f"[{','.join(extras)}]" if extras else "")
    # compat: a plain path in a .pth file costs each start of a daemon less than setuptools' import hook.
    install = ["-m", "pip", "install", "--disable-pip-version-check", "--config-settings", "editable_mode=compat"]
    commands = [
        [sys.executable, "-m", "venv", "--clear", str(directory)],
        [str(directory / "bin" / "python"), *install, "--editable", target],
    ]
    for command in commands:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
        if done.returncode != 0:
            raise VirtualenvError(f"cannot make the virtualenv {directory}: {_reason(done.stdout + done.stderr)}")


def _reason(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    # What failed stands in the innermost exception, or else in pip's own words; the last line is often only a note.
    exceptions = [line.strip() for line in lines if re.match(r"\s*\w*(Error|Exception): ", line)]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (exceptions or errors or lines or ["no output"])[-1]


def enter(directory: Path, checkout: Path, arguments: Sequence[str], extras: Sequence[str] = ()) -> None:
    """Go on inside the virtualenv: replace this process by the same program there, called with `arguments`.

    Returns only when this process is inside already. Raises VirtualenvError.
    """
    if not inside(directory):
        python = ensure(directory, checkout, extras)
        try:
            os.execv(python, [str(python), os.path.abspath(sys.argv[0]), *arguments])
        except PermissionError as error:
            raise _closed(directory, error) from error


def _closed(directory: Path, error: PermissionError) -> VirtualenvError:
    remedy = "run it as who made it, or remove it and make it with a Python that every user may run"
    return VirtualenvError(f"the virtualenv {directory} cannot be used by you: {error.strerror}: {remedy}")
