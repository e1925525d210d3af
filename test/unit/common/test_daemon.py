"""Daemons: a pass goes on past a failing job, and a broken conf is one line."""

import logging
import os
import signal
import subprocess
import sys
import types

import pytest

from swiftlite.cli import launch, relinker
from swiftlite.common import daemon
from swiftlite.common.daemon import Daemon, DaemonOptions


class Walker(Daemon):
    """Squares numbers."""

    section = "walker"
    done = ()

    def jobs(self):
        yield from (1, 2, 3)
        raise OSError("the disk went away")

    def work(self, job):
        if job == 2:
            raise ValueError("two is odd")
        Walker.done += (job * job,)
        self.counts["squares"] += 1


def test_a_pass_counts_failures_and_goes_on(caplog):
    logger = logging.getLogger("test-walker")
    walker = Walker(DaemonOptions(), None, logger)
    for done in ([1, 9], [1, 1, 9, 9]):
        assert walker.run_once() == {"jobs": 3, "failures": 2, "squares": 2}  # of this pass alone
        assert sorted(Walker.done) == done
    assert "two is odd" in caplog.text and "the disk went away" in caplog.text


def test_a_missing_directory_is_one_line(tmp_path, caplog):
    class Lister(Walker):
        def jobs(self):
            yield from os.listdir(tmp_path / "gone")

    assert Lister(DaemonOptions(), None, logging.getLogger("test-walker")).run_once() == {"failures": 1}
    (message,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert str(tmp_path / "gone") in message.getMessage() and not message.exc_info


def test_a_pass_that_fails_ends_no_others(caplog):
    class Unlucky(Walker):
        passes = 0

        def run_once(self):
            self.passes += 1
            if self.passes == 1:
                raise FileNotFoundError("no devices")
            raise KeyboardInterrupt

    unlucky = Unlucky(DaemonOptions(interval=0.0), None, logging.getLogger("test-walker"))
    with pytest.raises(KeyboardInterrupt):
        unlucky.run_forever()
    assert unlucky.passes == 2 and "no devices" in caplog.text


def test_an_unusable_conf_is_one_line(tmp_path, capsys):
    path = tmp_path / "x.conf"
    path.write_text("[walker]\ninterval = often\n")
    assert daemon.main(Walker, [str(path), "--once"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert all(word in error for word in (str(path), "[walker]", "interval"))


def test_a_missing_hash_secret_is_one_line(tmp_path, capsys):
    (tmp_path / "swift.conf").write_text("")
    (tmp_path / "x.conf").write_text(f"[DEFAULT]\nswift_dir = {tmp_path}\nuser = root\n")
    assert daemon.main(Walker, [str(tmp_path / "x.conf")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "swift_hash_path_suffix" in error


class Checker(Walker):
    """Walk numbers."""

    done_well = True

    @classmethod
    def from_conf(cls, conf, texts):
        return cls(DaemonOptions(), None, logging.getLogger("test-walker"))

    def jobs(self):
        yield from (1, 3) if self.done_well else (1, 2)


@pytest.mark.parametrize("words", [["--once"], ["-o"], ["once"], ["once", "-v"], ["--verbose", "--once"]])
@pytest.mark.parametrize(("done_well", "status"), [(True, 0), (False, 3)])
def test_the_exit_status_tells_whether_jobs_failed(tmp_path, words, done_well, status):
    (tmp_path / "x.conf").write_text(f"[walker]\nlog_name = {tmp_path.name}\n")
    Checker.done_well = done_well
    handlers = [signal.getsignal(number) for number in sorted(signal.valid_signals())]
    assert daemon.main(Checker, [str(tmp_path / "x.conf"), *words]) == status
    assert [signal.getsignal(number) for number in sorted(signal.valid_signals())] == handlers


@pytest.mark.parametrize("found", [0, 1])
def test_a_check_starts_nothing(monkeypatch, tmp_path, found):
    asked = []
    checker = types.ModuleType("swiftlite.cli.check")
    checker.check_main = lambda program, conf: asked.append((program, conf)) or found
    monkeypatch.setitem(sys.modules, "swiftlite.cli.check", checker)
    assert daemon.main(Walker, ["a.conf", "--check"]) == found
    assert launch.serve_main("proxy-server", ["b.conf", "--check"]) == found
    assert relinker.main(["relink", "c.conf", "--check"]) == found
    assert asked == [("walker", "a.conf"), ("proxy-server", "b.conf"), ("object-relinker", "c.conf")]


@pytest.mark.parametrize("arguments", [[], ["a.conf", "twice"], ["a.conf", "--neither"]])
def test_a_wrong_command_line(capsys, arguments):
    with pytest.raises(SystemExit) as end:
        daemon.main(Walker, arguments)
    assert end.value.code == 2 and "usage: swiftlite-walker" in capsys.readouterr().err


def test_help_explains_exit_codes_and_signals(capsys):
    for ask in (lambda: daemon.main(Walker, ["--help"]), lambda: launch.serve_main("proxy-server", ["-h"])):
        with pytest.raises(SystemExit) as end:
            ask()
        said = capsys.readouterr().out
        assert end.value.code == 0 and "exit codes: 0" in said and "USR1" in said


def test_a_log_line_is_one_line_with_its_transaction():
    script = """
from swiftlite.common.log import get_logger, transaction_id
transaction_id.set("tx123")
try:
    raise ValueError("a" + chr(10) + "b")
except ValueError:
    get_logger({"log_address": "/nonexistent"}, "tester").exception("it broke")
"""
    line = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stderr
    assert line.count("\n") == 1 and "tester: it broke" in line and "#012" in line and "(txn: tx123)" in line


def test_lines_held_back_come_together_and_in_order():
    script = """
import logging
import sys
from swiftlite.common.concurrency import sleep
from swiftlite.common.log import gather_lines, get_logger
log = get_logger({"log_address": "/nonexistent"}, "tester")
gather_lines()
log.info("one")
log.info("two")
print("nothing yet", file=sys.stderr, flush=True)
log.warning("three")
log.info("four")
sleep(1)
print("slept", file=sys.stderr, flush=True)
log.info("five")
logging.shutdown()
"""
    lines = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stderr.splitlines()
    words = [line.rpartition(": ")[2] for line in lines]
    assert words == ["nothing yet", "one", "two", "three", "four", "slept", "five"]
