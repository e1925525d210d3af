"""PidFile: held by a living process only, whatever it says; handed on to the program that starts anew in its place."""

import os
import stat
import subprocess
import sys

import pytest

from swiftlite.common.config import ConfigError
from swiftlite.common.pid_file import PidFile


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.pid"


def claim(path):
    return PidFile.claim(str(path), "object-updater", "x.conf")


def test_it_says_who_runs_and_goes_with_it(path):
    os.umask(before := os.umask(0o077))
    held = claim(path)
    assert path.read_text() == ""
    held.write()
    assert path.read_text() == f"{os.getpid()}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    held.remove()
    assert not path.exists()
    os.umask(before)


def test_the_program_is_put_into_its_name(tmp_path):
    held = claim(tmp_path / "{program}.pid")
    assert held.path == str(tmp_path / "object-updater.pid")
    held.remove()


def test_no_file_is_wanted():
    assert claim("") is None


def test_a_living_process_keeps_others_away(path):
    held = claim(path)
    held.write()
    with pytest.raises(ConfigError, match=f"x.conf .*pid_file: .*held by process {os.getpid()}"):
        claim(path)
    held.remove()
    claim(path).remove()


def test_what_a_dead_process_has_left_is_taken(path):
    path.write_text(f"{os.getpid()} is used again\n")
    held = claim(path)
    held.write()
    assert path.read_text() == f"{os.getpid()}\n"
    held.remove()


def test_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="make its directory"):
        claim(tmp_path / "gone" / "x.pid")


def test_a_link_is_not_followed(path, tmp_path):
    (tmp_path / "precious").write_text("precious")
    path.symlink_to(tmp_path / "precious")
    with pytest.raises(ConfigError, match="pid_file"):
        claim(path)
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_child_removes_nothing(path):
    held = claim(path)
    held.write()
    pid = os.fork()
    if pid == 0:
        held.remove()
        os._exit(0)
    os.waitpid(pid, 0)
    assert path.read_text() == f"{os.getpid()}\n"
    held.remove()


AGAIN = """
import os, sys
from swiftlite.common.pid_file import PidFile
held = PidFile.claim(sys.argv[1], "x", "x.conf")
print(held.path, flush=True)
if len(sys.argv) > 2:
    held.write()
    held.hand_on()
    os.execv(sys.executable, [sys.executable, "-c", sys.orig_argv[2], *sys.argv[2:]])
os.close(os.dup(held._descriptor))
sys.stdin.read()
held.remove()
"""


@pytest.mark.parametrize("is_same", [True, False])
def test_a_program_that_starts_anew_keeps_it(tmp_path, is_same):
    names = [str(tmp_path / "first.pid"), str(tmp_path / ("first.pid" if is_same else "second.pid"))]
    with subprocess.Popen(
        [sys.executable, "-c", AGAIN, *names], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert [program.stdout.readline().strip() for _ in names] == names
        assert os.path.exists(names[0]) == is_same
        with pytest.raises(ConfigError):
            claim(names[1])
        program.communicate("")
    assert os.listdir(tmp_path) == []


def test_a_trial_sees_whether_the_file_could_be_had(path, monkeypatch):
    PidFile.check(str(path), "object-updater", "x.conf")
    assert not path.exists()
    held = claim(path)
    held.write()
    with pytest.raises(ConfigError, match="held by"):
        PidFile.check(str(path), "object-updater", "x.conf")
    monkeypatch.setattr(os, "getppid", os.getpid)  # who holds it makes the trial
    PidFile.check(str(path), "object-updater", "x.conf")
    assert path.read_text() == f"{os.getpid()}\n"
    held.remove()
