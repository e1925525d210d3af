"""What test/run makes of tests that failed: some are run once more, and told."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "run"
ONCE = """
from pathlib import Path

def test_well(): pass

def test_other_moment():
    seen = Path(__file__).with_name("seen")
    if not seen.exists():
        seen.touch()
        raise AssertionError
"""
BROKEN = "def test_broken(): raise AssertionError"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The script as a module, with a part "mine" of the tests in the directory."""
    loader = importlib.machinery.SourceFileLoader("test_run_script", str(SCRIPT))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, loader.name, module)  # its dataclass looks for it there
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        module, "PYTEST", ("-m", "pytest", "-q")
    )  # profiles of hypothesis are those of test/conftest.py
    module.PARTS["mine"] = module.Part(((*module.PYTEST, "."),))
    return module


def test_it_passes_at_the_second_try_and_is_told(
    run: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test_once.py").write_text(ONCE)
    result, _ = run._run("mine", sys.executable, [], None)
    assert result == "passed, 1 at the second try"
    assert "UNSTEADY, each is a defect: test_once.py::test_other_moment\n" in capfd.readouterr().out
    assert run._run("mine", sys.executable, [], None)[0] == "passed"


def test_a_broken_one_fails_twice(run: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "test_once.py").write_text(ONCE + BROKEN)
    assert run._run("mine", sys.executable, [], None)[0] == "FAILED (exit status 1)"


def test_what_must_never_be_lost_has_one_try(run: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test_once.py").write_text(ONCE)
    monkeypatch.setattr(run, "FINAL", ("test_once.py",))
    assert run._run("mine", sys.executable, [], None)[0] == "FAILED (exit status 1)"


def test_too_many_at_once_are_no_moment(run: ModuleType, tmp_path: Path) -> None:
    for number in range(run.SECOND_TRIES + 1):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / f"test_once_{number}.py").write_text(ONCE)
    assert run._run("mine", sys.executable, [], None)[0] == "FAILED (exit status 1)"


def test_arguments_for_pytest_have_one_try(run: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "test_once.py").write_text(ONCE)
    assert run._run("mine", sys.executable, ["-k", "moment"], None)[0] == "FAILED (exit status 1)"


def test_final_names_what_there_is(run: ModuleType) -> None:
    assert [path for path in run.FINAL if not (SCRIPT.parent.parent / path).exists()] == []
