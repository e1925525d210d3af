"""Install a client from PyPI, Debian or npm with that registry's own program, each in a place of its own."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clients.harness.client import Apt, Npm, Pip, Source

CHECKOUT = Path(__file__).resolve().parents[3]
CACHE = CHECKOUT / ".venv-clients"
TIMEOUT = 600
_APT = threading.Lock()
"""Debian's tools refuse to run twice at once."""


class NotTried(Exception):
    """The client cannot be installed; the text says why, in a line."""


@dataclass(frozen=True)
class Installed:
    """A client at hand: the Python that has its library, its directory ("" for the system's), its version."""

    python: str
    home: str
    version: str


def install(source: Source, version: str = "") -> Installed:
    """Install a client: `version` of it, or the newest where that is empty. Raises NotTried."""
    CACHE.mkdir(exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n")
    if isinstance(source, Pip):
        return _pip(source, version or source.version)
    return _npm(source, version) if isinstance(source, Npm) else _apt(source)


def _pip(source: Pip, version: str) -> Installed:
    debian([package for what, package in source.system if not is_there(what)])
    # A named version is another virtualenv: the newest stays what it is.
    home = CACHE / (f"{source.package}-{version}" if version else source.package)
    python, mark = home / "bin" / "python", home / "installed"
    named = f"{source.package}=={version}" if version else source.package
    wanted = [named, *source.also]
    if not mark.exists() or mark.read_text() != repr(wanted):
        _do([sys.executable, "-m", "venv", "--clear", str(home)])
    elif version:
        return Installed(str(python), str(home), version)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
    for command in [[*pip, "--no-deps", named], [*pip, *source.also]] if source.alone else [[*pip, *wanted]]:
        _do(command)
    mark.write_text(repr(wanted))
    return Installed(str(python), str(home), _version_in(home, source.package))


def _version_in(home: Path, package: str) -> str:
    paths = [str(path) for path in home.glob("lib/python*/site-packages")]
    found = importlib.metadata.distributions(name=package, path=paths)
    return next(iter(found)).version


def _npm(source: Npm, version: str) -> Installed:
    debian([package for what, package in (("node", "nodejs"), ("npm", "npm")) if not is_there(what)])
    home = CACHE / (f"{source.package}-{version}" if version else source.package)
    home.mkdir(exist_ok=True)
    manifest = home / "node_modules" / source.package / "package.json"
    if not (version and manifest.exists()):
        wanted = f"{source.package}@{version}" if version else source.package
        _do(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(home), wanted])
    return Installed(sys.executable, str(home), json.loads(manifest.read_text())["version"])


def _apt(source: Apt) -> Installed:
    if not is_there(source.program):
        debian([source.package, *source.also])
    if not is_there(source.program):
        raise NotTried(f"apt-get install {source.package}")
    asked = ["dpkg-query", "--show", "--showformat", "${Version}", source.package]
    done = subprocess.run(asked, capture_output=True, text=True)
    return Installed("/usr/bin/python3", "", done.stdout.strip() if done.returncode == 0 else "unknown")


def is_there(what: str) -> bool:
    """Whether a program is installed, or a file or directory by its whole path."""
    return os.path.exists(what) if what.startswith("/") else shutil.which(what) is not None


def debian(packages: Sequence[str]) -> None:
    """Install packages of Debian, as root only. Raises NotTried."""
    if not packages:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise NotTried(f"apt-get install {' '.join(packages)}")
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    with _APT:
        try:
            _do(install)
        except NotTried:  # the lists of packages are old, or not there yet
            _do(["apt-get", "update", "-q"])
            _do(install)


def _do(command: Sequence[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            timeout=TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotTried(f"{' '.join(command[:3])}: {error}") from None
    if done.returncode != 0:
        lines = (done.stderr + done.stdout).strip().splitlines()
        errors = [line for line in lines if "error" in line.lower()] or lines or ["no reason given"]
        raise NotTried(f"{Path(command[0]).name} {' '.join(command[1:4])} …: {errors[-1].strip()}")
