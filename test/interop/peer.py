"""The peer: OpenStack Swift from PyPI in a virtualenv of its own, run as a test-only counterpart.

Nothing of it is imported into this project: snippets and tools run in the peer's interpreter and answer in JSON.
Run as a script (``python test/interop/peer.py``) it makes the virtualenv and prints its Python.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

VERSION = "2.38.3"
CHECKOUT = Path(__file__).resolve().parents[2]
DIRECTORY = CHECKOUT / ".peer-venv"
LAUNCHER = Path(__file__).resolve().with_name("peer_launcher.py")


class PeerError(Exception):
    """The peer cannot be made or run; the text is one line for a person."""


def python() -> Path:
    """Return the peer's interpreter; make its virtualenv the first time, while other processes that ask wait.

    Raises PeerError when pip cannot install it (it needs PyPI, gcc and Debian's liberasurecode-dev).
    """
    interpreter = DIRECTORY / "bin" / "python"
    if (DIRECTORY / f"swift-{VERSION}").exists():
        return interpreter
    with open(LAUNCHER, "rb") as lock:  # any file will do
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (DIRECTORY / f"swift-{VERSION}").exists():
            _install(interpreter)
    return interpreter


def _install(interpreter: Path) -> None:
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(DIRECTORY)], check=True)
    command = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"swift=={VERSION}"]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode != 0:
        shutil.rmtree(DIRECTORY, ignore_errors=True)
        last = (made.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise PeerError(f"cannot install swift=={VERSION} (needs PyPI, gcc, liberasurecode-dev): {last}")
    (DIRECTORY / ".gitignore").write_text("*\n")
    # Written last: a virtualenv whose making was interrupted is made anew.
    (DIRECTORY / f"swift-{VERSION}").touch()


def tool(name: str) -> Path:
    """Return the path of one of the peer's command-line tools or servers, say ``swift-object-info``."""
    return python().with_name(name)


def command(swift_dir: Path, program: Path, *arguments: object) -> list[str]:
    """Return the command line that runs one of the peer's Python programs with the swift.conf of `swift_dir`.

    The launcher makes policies and constraints come from there too (formats.md 1.1, load-time quirk).
    """
    return [str(python()), str(LAUNCHER), str(swift_dir), str(program), *map(str, arguments)]


def run(swift_dir: Path, name: str, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the peer's tool `name` to its end and return what it printed.

    Raises PeerError with its last words when `check` is set and it exits non-zero.
    """
    done = subprocess.run(command(swift_dir, tool(name), *arguments), capture_output=True, text=True, timeout=120)
    if check and done.returncode != 0:
        raise PeerError(f"{name} exited {done.returncode}: {(done.stdout + done.stderr).strip()[-2000:]}")
    return done


def evaluate(swift_dir: Path, snippet: str, argument: Any = None) -> Any:
    """Run `snippet` in the peer's Python and return what it left in the name ``answer``.

    `argument`, any JSON value, is given to the snippet as the name ``argument``. Raises PeerError with the traceback
    when the snippet fails.
    """
    program = f"import json, sys\nargument = json.load(sys.stdin)\n{snippet}\nprint()\nprint(json.dumps(answer))\n"
    arguments = [str(python()), str(LAUNCHER), str(swift_dir), "-c", program]
    done = subprocess.run(arguments, input=json.dumps(argument), capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise PeerError(done.stderr.strip()[-4000:])
    return json.loads(done.stdout.splitlines()[-1])


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill one of its servers, which leads a session of its own, and its workers, which outlive their master."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for the peer's servers: ours, without warnings of deprecated libraries."""
    return {**os.environ, "PYTHONWARNINGS": "ignore", **(extra or {})}


def main(argv: Sequence[str] = ()) -> int:
    """Make the virtualenv and print its interpreter."""
    try:
        print(python())
    except PeerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
