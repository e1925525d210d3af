"""swiftlite-orphans and swiftlite-oldies: which processes they find, and how they show them."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from fakes.http_server import wait_until
from swiftlite.cli import oldies, orphans, processes
from swiftlite.cli.orphans import signal_number
from swiftlite.cli.processes import Process, old, parse_stat, parse_unit, read_pids, read_processes, table
from swiftlite.cli.processes import orphans as find_orphans
from swiftlite.cli.tool import ToolError


def process(pid, parent=1, command="object-server", hours=30, name="python3", unit=""):
    arguments = ("/usr/bin/python3", f"/usr/bin/swiftlite-{command}", "/etc/x.conf") if command else ("/bin/bash",)
    return Process(pid, parent, pid * 100, hours * 3600.0, name, arguments, unit)


def found(*processes, known=()):
    return [p.pid for p in find_orphans({p.pid: p for p in (INIT, *processes)}, known)]


INIT = process(1, 0, "", name="systemd")


@pytest.mark.parametrize(
    "arguments, command",
    [
        (("/usr/bin/python3", "/usr/bin/swiftlite-object-server", "/etc/o.conf"), "object-server /etc/o.conf"),
        (("python3.13", "-u", "bin/swiftlite-aio"), "aio"),
        (("/venv/bin/swiftlite-aio", "--port", "1"), "aio --port 1"),
        (("vim", "/usr/bin/swiftlite-aio"), ""),
        (("/usr/bin/python3", "other.py", "swiftlite-aio"), ""),
        (("python3", "/usr/bin/swift-object-server"), ""),
        ((), ""),
    ],
)
def test_which_programs_are_ours(arguments, command):
    assert Process(1, 1, 0, 0.0, "", arguments).command == command


def test_who_is_left_alone_by_its_parent_is_an_orphan():
    assert found(process(10), process(11, parent=10)) == [10, 11]


def test_who_is_in_a_pid_file_or_below_is_none():
    assert found(process(10), process(11, parent=10), known=[10]) == []


def test_who_is_in_a_service_of_ours_is_none():
    assert found(process(10, unit="swiftlite-object.service"), process(11, parent=10)) == []
    assert found(process(10, unit="ssh.service")) == [10]


def test_who_was_started_by_somebody_alive_is_none():
    shell = process(5, 1, "", name="bash")
    assert found(shell, process(10, parent=5), process(11, parent=10)) == []
    assert found(process(10, parent=9, command="aio"), process(9, 1, "", name="bash")) == []


def test_who_lives_below_an_orphan_is_one():
    assert found(process(10, command="aio"), process(11, parent=10)) == [10, 11]
    assert found(process(10, parent=7)) == [10]  # its parent has just ended


def test_who_was_started_from_outside_of_a_container_is_none():
    first, entered = process(1, 0, "aio"), process(20, 0, "object-server")
    everything = (first, process(10, parent=1), process(11, parent=10), entered)
    assert find_orphans({p.pid: p for p in everything}, ()) == []


def test_a_user_s_systemd_has_started_nothing():
    assert found(process(4, 1, "", name="systemd"), process(10, parent=4)) == [10]


def test_a_single_pass_ends_by_itself():
    once = Process(10, 1, 0, 0.0, "x", ("python3", "/bin/swiftlite-object-updater", "x.conf", "--once"))
    assert found(once) == []


def test_a_circle_of_parents_ends():
    assert found(process(10, parent=11), process(11, parent=10)) == [10, 11]


def test_only_the_old_ones():
    kept = old([process(2, hours=23.99), process(3, hours=24), process(1, hours=99), process(9, 1, "")], 24)
    assert [p.pid for p in kept] == [1, 3]


def test_the_table_is_clipped_unless_it_is_to_be_wide():
    long = Process(12345, 1, 0, 3600.0 * 123456, "x", ("/bin/swiftlite-" + "x" * 100,))
    lines = table([process(7, hours=5), long])
    assert lines == [
        " Hours   PID Command",
        "     5     7 object-server /etc/x.conf",
        "123456 12345 " + "x" * 67,
    ]
    assert table([long], wide=True)[1] == "123456 12345 " + "x" * 100


def test_what_the_kernel_says_of_a_process():
    assert parse_stat(b"7 (a) (b c) S 1 2 3") == ("a) (b c", ["S", "1", "2", "3"])
    assert parse_unit("0::/system.slice/swiftlite-object.service\n") == "swiftlite-object.service"
    assert parse_unit("0::/user.slice/user-0.slice/session-1.scope\n") == ""


def test_pid_files(tmp_path):
    (tmp_path / "object-server").mkdir()
    (tmp_path / "object-server" / "1.pid").write_text("123\n")
    (tmp_path / "a.pid.d").write_text("456")
    (tmp_path / "b.pid").write_text("none")
    (tmp_path / "c.txt").write_text("789")
    assert read_pids(str(tmp_path)) == {123, 456}
    assert read_pids(str(tmp_path / "nowhere")) == set()


@pytest.mark.parametrize("text", ["TERM", "term", "SIGTERM", "15"])
def test_signals_have_names_and_numbers(text):
    assert signal_number(text) == signal.SIGTERM


@pytest.mark.parametrize("text", ["BOOM", "999", "-1", ""])
def test_a_signal_that_there_is_not(text, capsys):
    with pytest.raises(ToolError, match="Could not translate"):
        signal_number(text)
    assert orphans.main(["-k", "BOOM"]) == 1
    assert capsys.readouterr().err == "Could not translate 'BOOM' to a signal number.\n"


STAT = "7 (x) {state} 1 7 7 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0"


@pytest.mark.parametrize(
    ("state", "flags", "is_one"), [("R", 4194304, True), ("Z", 4194308, False), ("S", 2129984, False)]
)
def test_one_that_shows_no_command_line_yet_is_waited_for(tmp_path, monkeypatch, state, flags, is_one):
    """As between the moments in which the kernel lets its parent go on, and has laid out the new program's words."""
    place = tmp_path / "7"
    place.mkdir()
    (tmp_path / "uptime").write_text("100.0 0.0\n")
    (place / "stat").write_text(STAT.format(state=state, flags=flags))
    (place / "cgroup").write_text("0::/\n")
    (place / "cmdline").touch()
    monkeypatch.setattr(processes, "sleep", lambda _: (place / "cmdline").write_text("python3\0x\0"))
    found = processes.read_process(7, str(tmp_path))
    assert (found and found.arguments) == (("python3", "x") if is_one else None)


@pytest.fixture
def orphan(tmp_path):
    """The pid of a process that looks like a daemon of ours, and whose parent has ended."""
    program = tmp_path / "swiftlite-object-server"
    program.write_text("import time\ntime.sleep(600)\n")
    start = "import subprocess, sys; nothing = subprocess.DEVNULL; "
    start += "print(subprocess.Popen(sys.argv[1:], stdin=nothing, stdout=nothing, stderr=nothing).pid)"
    command = [sys.executable, "-c", start, sys.executable, str(program), "/etc/o.conf"]
    pid = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    try:
        # Its command line is there a moment after it has been started.
        wait_until(lambda: read_processes()[pid].command, "it to be seen")
        yield pid
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_real_orphan_is_found_and_signalled(orphan, tmp_path, capsys):
    assert oldies.main(["-a", "0", "-p"]) == 0
    assert str(orphan) in capsys.readouterr().out.split()
    parent = read_processes()[orphan].parent
    if read_processes()[parent].name not in ("systemd", "init") and parent != 1:
        pytest.skip("this machine gives orphans to another process")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "o.pid").write_text(str(orphan))
    run = ["-a", "0", "-r", str(tmp_path / "run")]
    orphans.main(run)
    assert f" {orphan} object-server /etc/o.conf" not in capsys.readouterr().out
    (tmp_path / "run" / "o.pid").unlink()
    assert orphans.main(run) == 0
    assert f" {orphan} object-server /etc/o.conf" in capsys.readouterr().out
    orphans.send([read_processes()[orphan]], signal.SIGTERM)
    deadline = time.monotonic() + 60
    while orphan in (now := read_processes()) and now[orphan].command:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_pid_that_is_another_s_by_now_is_not_signalled(orphan):
    mistaken = read_processes()[orphan]
    orphans.send([Process(orphan, 1, mistaken.started - 1, 0.0, "x", mistaken.arguments)], signal.SIGKILL)
    assert read_processes()[orphan].command
