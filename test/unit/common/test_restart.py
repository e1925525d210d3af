"""Starting anew: which interpreter runs a program after an upgrade has put another file in its place."""

import os
import sys
from pathlib import Path

import pytest

from fakes.descriptors import opened
from swiftlite.common.restart import Trial, command_line

OURS = "/opt/swiftlite-1/bin/python3"
OTHER = "/opt/swiftlite-2/bin/python3"
ARGV = [OURS, "/opt/swiftlite/bin/swiftlite-proxy-server", "/etc/swift/proxy-server.conf"]
PIP = "# -*- coding: utf-8 -*-\nimport re\n"


@pytest.mark.parametrize(
    "head, interpreter",
    [
        (f"#!{OTHER}\n{PIP}", OTHER),
        (f"#! {OTHER} -sP\n{PIP}", OTHER),
        (f"#!{OTHER}", OTHER),
        ("#!/usr/bin/python3.12\n", "/usr/bin/python3.12"),
        (f"#!/bin/sh\n'''exec' {OTHER} \"$0\" \"$@\"\n' '''\n{PIP}", OTHER),
        (f"#!/bin/sh\n'''exec' \"/opt/a b/python3\" \"$0\" \"$@\"\n' '''\n{PIP}", "/opt/a b/python3"),
        ('#!/bin/sh\nexec /opt/swiftlite/run "$@"\n', OURS),
        ("#!/bin/sh\n'''exec\n", OURS),
        ("#!/bin/sh", OURS),
        ("#!/bin/bash -e\nexec /usr/bin/python3\n", OURS),
        ("#!/usr/bin/env python3\n", OURS),
        ("#!python3\n", OURS),
        ("#!\n", OURS),
        (f"{OTHER}\n", OURS),
        ("import sys\n", OURS),
        ("", OURS),
    ],
)
def test_the_interpreter_is_the_one_that_pip_has_named(head: str, interpreter: str) -> None:
    assert command_line(head, ARGV, OURS) == [interpreter, *ARGV[1:]]


def test_options_of_the_interpreter_stay() -> None:
    argv = ["python3", "-u", "-I", *ARGV[1:]]
    assert command_line(f"#!{OTHER}\n", argv, OURS) == [OTHER, "-u", "-I", *ARGV[1:]]


def trial(monkeypatch: pytest.MonkeyPatch, program: Path, *argv: str) -> str:
    """What a trial says of a program that was started with these arguments."""
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, *argv])
    made = Trial()
    return made.verdict(os.waitpid(made.pid, 0)[1])


def test_a_trial_runs_the_interpreter_that_the_file_names_by_now(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python, program = tmp_path / "python3", tmp_path / "swiftlite-object-server"
    python.write_text("#!/bin/sh\necho $0 $@\nexit 1\n")
    python.chmod(0o755)
    program.write_text(f"#!{python}\n")
    assert trial(monkeypatch, program, str(program), "x.conf") == f"{python} {program} x.conf"


def test_an_interpreter_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The old one would be there, and go on with the old code."""
    program = tmp_path / "swiftlite-object-server"
    program.write_text("#!/nowhere/python3\n")
    before = opened()
    with pytest.raises(OSError) as caught:
        trial(monkeypatch, program, str(program))
    assert caught.value.strerror == "/nowhere/python3: No such file or directory"
    assert not opened() - before


def test_a_module_that_was_started_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("#!/nowhere/python3\n")
    assert trial(monkeypatch, module, "-c", "raise SystemExit('by our own')") == "by our own"
