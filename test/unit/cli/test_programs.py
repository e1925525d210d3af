"""Programs: pip's launchers and the checkout's run the same, and those of a checkout run without an installation."""

import errno
import os
import re
import shutil
import subprocess
import sys
import venv
from importlib import import_module
from pathlib import Path

import pytest

from swiftlite.cli import programs

CHECKOUT = Path(__file__).resolve().parents[3]
LAUNCHERS = sorted((CHECKOUT / "bin").iterdir())


def test_a_checkout_has_a_launcher_for_each() -> None:
    assert [path.name for path in LAUNCHERS] == [f"swiftlite-{name}" for name in programs.NAMES]


def test_launchers_differ_by_what_they_say_of_themselves_alone() -> None:
    texts = {re.sub(r'^""".*"""$', "", path.read_text(), flags=re.MULTILINE) for path in LAUNCHERS}
    assert len(texts) == 1
    assert all(os.access(path, os.X_OK) for path in LAUNCHERS)


@pytest.mark.parametrize("reference", programs.MAINS.values())
def test_what_a_program_runs_is_there(reference: str) -> None:
    module, _, name = reference.partition(":")
    assert callable(getattr(import_module(module), name))


def run(python: Path, program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program as somebody does who has installed nothing."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    command = [str(python), str(program), *arguments]
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python without any library."""
    directory = tmp_path_factory.mktemp("bare")
    venv.create(directory, with_pip=False)
    return directory / "bin" / "python"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout without a virtualenv."""
    for name in ("bin", "swiftlite"):
        shutil.copytree(CHECKOUT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "setup.py", tmp_path)
    return tmp_path


def test_a_checkout_whose_libraries_are_missing(bare: Path, checkout: Path) -> None:
    done = run(bare, checkout / "bin" / "swiftlite-proxy-server", "x.conf")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        rf"swiftlite-proxy-server: \S+ lacks the library \w+: run `pip install {checkout}`.*\n", done.stderr
    )


def test_a_checkout_goes_on_in_its_virtualenv(bare: Path, checkout: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    python = checkout / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    done = run(bare, checkout / "bin" / "swiftlite-ring-builder", "x.builder", "nonsense")
    assert done.stderr.startswith("Unknown command: nonsense")
    done = run(bare, checkout / "bin" / "swiftlite-proxy-server", "/nowhere.conf")
    assert done.stderr.startswith("swiftlite-proxy-server: ") and "/nowhere.conf" in done.stderr


def test_the_virtualenv_of_somebody_else(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who may not look into it, or run its Python, hears so in one line; root may everything, so the kernel's word is played."""
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to("/root/python")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    def lacks(_: str) -> None:
        raise ModuleNotFoundError("No module named 'paste'", name="paste")

    monkeypatch.setattr(sys, "argv", ["swiftlite-doctor"])
    monkeypatch.setattr(programs, "CHECKOUT", checkout)
    monkeypatch.setattr(programs, "_function", lacks)
    monkeypatch.setattr(Path, "exists", lambda path: refuse() if path.name == "python" else os.path.lexists(path))
    assert programs.main() == 1
    monkeypatch.setattr(Path, "exists", os.path.lexists)
    monkeypatch.setattr(os, "execv", refuse)
    assert programs.main() == 1
    for line in capsys.readouterr().err.splitlines(keepends=True):
        assert re.fullmatch(
            r"swiftlite-doctor: .* lacks the library paste, and \S+/\.venv cannot be used: Permission .*\n", line
        )


def test_another_name_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/swiftlite-proxy"])
    assert programs.main() == 1
    assert "swiftlite-proxy-server" in capsys.readouterr().err


def test_the_same_pythons_are_named_everywhere() -> None:
    """To pip, to tox, and by what the launchers say to an older one."""
    setup, tox = ((CHECKOUT / name).read_text() for name in ("setup.py", "tox.ini"))
    (named,) = re.findall(r"^PYTHONS = \[(.*)\]$", setup, re.MULTILINE)
    pythons = re.findall(r'"(3\.\d+)"', named)
    assert f"{{{','.join('py' + python.replace('.', '') for python in pythons)}}}-{{unit,functional}}" in tox
    assert f'python_requires=">={pythons[0]}"' in setup
    assert f"needs Python {pythons[0]} or newer" in Path(programs.__file__).read_text()
