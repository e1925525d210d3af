"""Which daemons the words of swiftlite-init mean, where their confs and pid files are, and whose a process is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from swiftlite.cli import init, init_names, pid_files
from swiftlite.cli.conf_places import ConfPlace
from swiftlite.cli.init_names import MAIN, REST, Instance, Wanted, confs_of, instances, left_over, resolve
from swiftlite.cli.processes import Process, read_process, start_time
from swiftlite.cli.tool import ToolError
from swiftlite.common.manager import started_by_init

OBJECT = ("object-replicator", "object-updater", "object-auditor", "object-expirer")


@pytest.mark.parametrize(
    "words, programs",
    [
        (["proxy-server"], ["proxy-server"]),
        (["proxy"], ["proxy-server"]),
        (["object"], ["object-server", *OBJECT]),
        (["object-*"], ["object-server", *OBJECT]),
        (["*-updater"], ["object-updater", "container-updater"]),
        (["main"], list(MAIN)),
        (["rest"], list(REST)),
        (["all"], [*MAIN, *REST]),
        (
            ["object-server", "object-server", "main"],
            ["object-server", "account-server", "container-server", "proxy-server"],
        ),
    ],
)
def test_words(words: list[str], programs: list[str]) -> None:
    assert [wanted.program for wanted in resolve(words)] == programs


def test_who_must_have_a_conf() -> None:
    assert [(wanted.program, wanted.named) for wanted in resolve(["rest", "object-updater"]) if wanted.named] == [
        ("object-updater", True)
    ]
    assert [wanted.named for wanted in resolve(["account"])] == [True, False, False, False]


def test_one_conf_of_several() -> None:
    assert resolve(["object-server.1"]) == [Wanted("object-server", "1")]
    assert {wanted.conf_name for wanted in resolve(["object.2"])} == {"2"}


@pytest.mark.parametrize("word, hint", [("objekt-server", "object-server"), ("everything", "all, main")])
def test_a_word_that_means_nothing(word: str, hint: str) -> None:
    with pytest.raises(ToolError, match=hint):
        resolve([word])


@pytest.fixture
def swift_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "etc"
    for name, text in {
        "object-server/1.conf": "[object-updater]\n",
        "object-server/2.conf": "[object-updater]\n[object-expirer]\n",
        "container-server.conf.d/10-all.conf": "[container-updater]\n",
        "object-expirer.conf": "[object-expirer]\n",
    }.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def test_confs(swift_dir: Path) -> None:
    def relative(program: str) -> list[str]:
        return [os.path.relpath(place.path, swift_dir) for place in confs_of(program, str(swift_dir))]

    assert relative("object-server") == ["object-server/1.conf", "object-server/2.conf"]
    assert relative("object-updater") == ["object-server/1.conf", "object-server/2.conf"]
    assert relative("object-auditor") == []  # no conf has a section for it
    assert relative("object-expirer") == ["object-expirer.conf"]
    (swift_dir / "object-expirer.conf").unlink()
    assert relative("object-expirer") == ["object-server/2.conf"]
    assert relative("container-updater") == ["container-server.conf.d"]
    assert relative("proxy-server") == []
    assert [each.name for each in instances(Wanted("object-server"), str(swift_dir), 2)] == ["object-server.2"]
    assert [each.name for each in instances(Wanted("object-server", "1"), str(swift_dir))] == ["object-server.1"]


@pytest.mark.parametrize(
    "program, name, conf, expected",
    [
        ("object-server", "", "object-server.conf", "object-server.pid"),
        ("object-updater", "1", "object-server/1.conf", "object-updater/1.pid"),
        ("object-server", "", "object-server.conf.d", "object-server.pid.d"),
    ],
)
def test_pid_paths(program: str, name: str, conf: str, expected: str) -> None:
    instance = Instance(program, ConfPlace(program, name, f"/etc/swift/{conf}"))
    assert instance.pid_path("/run/swift") == f"/run/swift/{expected}"


def test_daemons_whose_conf_is_gone(tmp_path: Path, swift_dir: Path) -> None:
    run_dir = tmp_path / "run"
    for name in ("object-server/1.pid", "object-server/9.pid", "object-server.pid.d", "object-updater/1.pid"):
        pid_files.write(str(run_dir / name), 1)
    found = left_over(Wanted("object-server"), str(run_dir), str(swift_dir))
    assert [os.path.relpath(each.pid_path(str(run_dir)), run_dir) for each in found] == [
        "object-server.pid.d",
        "object-server/9.pid",
    ]
    assert [os.path.relpath(each.place.path, swift_dir) for each in found] == [
        "object-server.conf.d",
        "object-server/9.conf",
    ]
    nine = left_over(Wanted("object-server", "9"), str(run_dir), str(swift_dir))
    assert [each.name for each in nine] == ["object-server.9"]


SERVER = Instance("object-server", ConfPlace("object-server", "1", "/etc/swift/object-server/1.conf"))


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (("python3", "/opt/bin/swiftlite-object-server", "/etc/swift/object-server/1.conf"), True),
        (("python3", "-X", "dev", "/opt/bin/swiftlite-object-server", "/etc/swift/object-server/1.conf", "-v"), True),
        (("python3", "/opt/bin/swiftlite-object-server", "/etc/swift/object-server/2.conf"), False),
        (("python3", "/opt/bin/swiftlite-object-updater", "/etc/swift/object-server/1.conf"), False),
        (("vi", "/etc/swift/object-server/1.conf"), False),
        (("python3", "/opt/bin/swiftlite-object-server", "/srv/etc/object-server/1.conf"), False),
        (("python3", "/opt/bin/swiftlite-object-server", "/etc/swift/../swift/object-server/1.conf"), True),
        (("python3", "/opt/bin/swiftlite-object-server", "/etc/swift/object-server.conf"), False),
        (("python3", "/opt/bin/swiftlite-object-server", "--check"), False),
        (("",), False),
    ],
)
def test_whose_a_process_is(arguments: tuple[str, ...], expected: bool) -> None:
    process = Process(pid=2, parent=1, started=0, age=1.0, name="python3", arguments=arguments)
    assert pid_files.is_instance(process, SERVER) is expected


def test_a_conf_that_got_another_name_makes_no_other_daemon() -> None:
    """The expirer's conf may be the object server's, or its own: its pid file is the same."""
    expirer = Instance("object-expirer", ConfPlace("object-expirer", "", "/etc/swift/object-expirer.conf"))
    for conf, expected in (("/etc/swift/object-server.conf", True), ("/srv/etc/object-server.conf", False)):
        arguments = ("python3", "/opt/bin/swiftlite-object-expirer", conf)
        assert pid_files.is_instance(Process(2, 1, 0, 1.0, "python3", arguments), expirer) is expected


@pytest.mark.parametrize("run_dir, other", [("", "/srv/etc/object-server/1.conf"), ("/run/another", "")])
def test_a_pid_file_of_a_daemon_with_confs_of_another_directory(tmp_path: Path, run_dir: str, other: str) -> None:
    """Its file is not stale; one is whose pid was given to a daemon that has its own elsewhere."""
    words = ["/opt/bin/swiftlite-object-server", "/srv/etc/object-server/1.conf"]
    environment = {**os.environ, **started_by_init(run_dir or str(tmp_path), "/log")}
    command = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()", *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as running:
        assert running.stdout and running.stdout.readline()
        pid_files.write(SERVER.pid_path(str(tmp_path)), running.pid)
        state = pid_files.state_of(SERVER, str(tmp_path))
        assert (state.other_conf, state.is_running, state.is_stale) == (other, False, not other)
        with pid_files.handle(SERVER, str(tmp_path)) as held:
            assert held is None
        running.communicate()


@pytest.fixture
def somebody() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of ours."""
    running = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    yield running
    running.kill()
    running.communicate()


def test_when_a_process_started(somebody: subprocess.Popen[bytes]) -> None:
    process = read_process(somebody.pid)
    own = read_process(os.getpid())
    assert process and own
    assert start_time(process) == start_time(process)
    assert start_time(own) <= start_time(process) <= time.time() + 2  # both clocks are cut to seconds


def test_a_pid_that_is_anothers_by_now(tmp_path: Path, somebody: subprocess.Popen[bytes]) -> None:
    path = SERVER.pid_path(str(tmp_path))
    pid_files.write(path, somebody.pid)
    state = pid_files.state_of(SERVER, str(tmp_path))
    assert (state.pid, state.is_running, state.is_stale) == (somebody.pid, False, True)
    with pid_files.handle(SERVER, str(tmp_path)) as held:
        assert held is None
    assert somebody.poll() is None


@pytest.mark.parametrize("content", ["", "many", "-1", "999999999"])
def test_a_file_without_a_pid_of_anybody(tmp_path: Path, content: str) -> None:
    path = Path(SERVER.pid_path(str(tmp_path)))
    path.parent.mkdir()
    path.write_text(content)
    assert pid_files.state_of(SERVER, str(tmp_path)).is_stale
    with pid_files.handle(SERVER, str(tmp_path)) as held:
        assert held is None


def test_every_program_has_a_launcher() -> None:
    programs = Path(__file__).resolve().parents[3] / "bin"
    for program in init_names.GROUPS["all"]:
        assert os.access(programs / f"swiftlite-{program}", os.X_OK), program


def test_confs_that_are_missing(tmp_path: Path, swift_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = ["--swift-dir", str(swift_dir), "--run-dir", str(tmp_path / "run")]

    def said(*words: str) -> tuple[int, str]:
        return init.main([*words, *places]), capsys.readouterr().err

    assert said("proxy-server", "start") == (1, f"proxy-server: there is no conf for it in {swift_dir}\n")
    assert said("proxy-server", "start", "--non-strict")[0] == 0
    assert said("object-server.7", "stop") == (1, f"object-server: there is no conf 7 for it in {swift_dir}\n")
    assert said("container", "stop") == (0, "")
    assert said("account-*", "stop") == (0, "")
    assert said("account-*", "stop", "--strict")[0] == 1
    assert "did you mean object-server" in said("objct-server", "start")[1]
    assert said("status", "main")[0] == 1  # the command may come first; not all of them run


@pytest.mark.parametrize("words", [["object-server"], ["start"], ["object-server", "begin"], []])
def test_wrong_command_lines(words: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        init.main(words)
    assert raised.value.code == 2


def test_without_any_conf_the_directory_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init.main(["all", "status", "-d", str(tmp_path)]) == 1
    assert f"there is no conf of any of them in {tmp_path}: name its directory by -d" in capsys.readouterr().out
