"""Programs whose output nobody reads to its end, as with ``… | head``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).resolve().parents[3] / "bin"


@pytest.mark.parametrize("words", [["swiftlite-ring-builder"], ["swiftlite-aio", "status", "--dir", "{dir}"]])
def test_a_program_whose_output_goes_nowhere_ends_without_a_word(words: list[str], tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    program, *arguments = [word.format(dir=tmp_path / "store") for word in words]
    command = [sys.executable, str(PROGRAMS / program), *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
