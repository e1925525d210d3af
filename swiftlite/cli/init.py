"""swiftlite-init: start, stop and watch a node's daemons where there is no systemd, in the grammar of swift-init."""

from __future__ import annotations

import argparse
import fcntl
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from swiftlite.cli import check, pid_files, starting
from swiftlite.cli.aio import supervisor_pid
from swiftlite.cli.conf_places import place_of
from swiftlite.cli.hearing import Channel
from swiftlite.cli.init_names import MAIN, Instance, instances, left_over, resolve
from swiftlite.cli.processes import start_time
from swiftlite.cli.tool import FAILURE, SUCCESS, ToolError, parser, tool
from swiftlite.common.unknown_options import slips
from swiftlite.watch.files import all_in_one

RUN_DIR = "/var/run/swift"
LOG_DIR = "/var/log/swift"
START_TIMEOUT = 60.0
"""Seconds for which a daemon may be starting."""
RELOAD_TIMEOUT = 60.0

DESCRIPTION = """Start, stop and watch the daemons of this node.

NAME is a program, say object-updater; a kind of server, say object: the server and its daemons; a pattern, say
'object-*'; or all, main (the four servers), rest (all but them). NAME.CONF means one conf: object-server.1 is
/etc/swift/object-server/1.conf. Daemons are started whose conf has a section for them.

Commands:
  start            start, and wait until they are ready
  stop             let requests finish, then end; kill: the same
  shutdown         the same, without a limit to the time that takes
  restart          stop, then start; nothing is stopped whose conf it could not start with again
  reload           read confs and rings anew, no request lost (SIGHUP); force-reload: the same
  reload-seamless  renew the workers, no request lost (SIGUSR1)
  status           who runs, since when, with which conf
  once             one pass of each daemon, one after the other's start; wait for all
  check            look for mistakes in confs and node, as --check of each daemon
  no-daemon        run one in the foreground; no-wait: start, and do not wait

Exit codes: 0 done; 1 something could not be done, or status: not all of them run; 2 wrong command line"""

ALIASES = {"kill": "stop", "force-reload": "reload"}


@tool
def main(argv: Sequence[str]) -> int:
    """Run the tool.

    :returns: 0 done, 1 something could not be done
    """
    options = _parse(argv)
    command = COMMANDS[ALIASES.get(options.command, options.command)]
    found = list(_instances(options))
    if not found and not options.missing:
        print(f"there is no conf of any of them in {options.swift_dir}: name its directory by -d")
        return FAILURE if options.command == "status" else SUCCESS
    code = command(found, options)
    if options.not_ours:
        names = ", ".join(options.not_ours)
        remedy = "do it as root, or as the user whose they are"
        print(f"not ours, so nothing was done to: {names}; {remedy}", file=sys.stderr)
    return FAILURE if options.elsewhere or (options.missing and options.strict is not False) else code


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    arguments = parser("swiftlite-init", "NAME [NAME...] COMMAND [options]", DESCRIPTION)
    add = arguments.add_argument
    add("words", nargs="+", metavar="NAME... COMMAND", help="which daemons, and what to do; COMMAND may come first")
    add("-v", "--verbose", action="store_true", help="say more")
    add("-w", "--no-wait", action="store_true", help="do not wait for what was started")
    add("--wait", dest="no_wait", action="store_false", help="wait for it; the default")
    add("-o", "--once", action="store_true", help="start: only one pass")
    add("-n", "--no-daemon", action="store_true", help="start one in the foreground")
    add("-g", "--graceful", action="store_true", help="stop, restart: as shutdown does")
    add("-c", "--config-num", type=int, metavar="N", help="only the Nth conf of each, from 1")
    add("-k", "--kill-wait", type=float, default=15.0, metavar="SECONDS", help="stop: so long; default %(default)g")
    add("--kill-after-timeout", action="store_true", help="stop: kill after that time")
    add("-r", "--run-dir", default=RUN_DIR, metavar="DIR", help="directory of pid files; default %(default)s")
    add("--log-dir", default=LOG_DIR, metavar="DIR", help="directory of output beside syslog; default %(default)s")
    add("-d", "--swift-dir", default="/etc/swift", metavar="DIR", help="directory of conf files; default %(default)s")
    add("--strict", action="store_true", default=None, help="fail where a conf is missing; default for names")
    add("--non-strict", dest="strict", action="store_false", help="do not; default for groups and patterns")
    options = arguments.parse_intermixed_args(argv)
    commands = {*COMMANDS, *ALIASES}
    options.command = next((word for word in (options.words[-1], options.words[0]) if word in commands), None)
    if options.command is None:
        arguments.error(f"name a command: {', '.join(sorted(commands))}")
    options.words.remove(options.command)
    if not options.words:
        arguments.error("name the daemons: all, main, rest, object, object-server...")
    if options.once and options.command == "start":
        options.command = "once"
    if options.command == "no-wait":
        options.command, options.no_wait = "start", True
    if options.no_daemon and options.command == "start":
        options.command = "no-daemon"
    options.run_dir, options.log_dir = os.path.abspath(options.run_dir), os.path.abspath(options.log_dir)
    options.swift_dir = os.path.abspath(options.swift_dir)
    options.missing, options.not_ours, options.elsewhere = [], [], []
    return options


def _instances(options: argparse.Namespace) -> Iterator[Instance]:
    """The daemons that are meant; who has no conf is told of, and noted in ``options.missing``."""
    for wanted in resolve(options.words):
        found = instances(wanted, options.swift_dir, options.config_num)
        if options.command not in ("start", "once", "check", "no-daemon") and options.config_num is None:
            found += left_over(wanted, options.run_dir, options.swift_dir)
        if not found and (wanted.named or options.strict):
            options.missing.append(wanted.program)
            which = f" {wanted.conf_name}" if wanted.conf_name else ""
            print(f"{wanted.program}: there is no conf{which} for it in {options.swift_dir}", file=sys.stderr)
        yield from found


def _start(found: Sequence[Instance], options: argparse.Namespace) -> int:
    with _lock(options.run_dir):
        started = _start_each(found, options, ())
        _tell_slips(each.instance for each in started)  # while they start
        if not options.no_wait:
            starting.wait_ready(started, START_TIMEOUT)
    if options.no_wait:
        return SUCCESS
    code = SUCCESS
    for each in started:
        if each.running.returncode is not None:
            pid_files.remove(each.instance.pid_path(options.run_dir))
            print(f"{each.instance.name} {each.reason}", file=sys.stderr)
        elif not each.is_ready:
            print(f"{each.instance.name} is not ready after {START_TIMEOUT:g} s; see {each.log}", file=sys.stderr)
        else:
            if options.verbose:
                print(f"{each.instance.name} is ready after {each.took:.1f} s")
            continue
        code = FAILURE
    return code


def _start_each(
    found: Sequence[Instance], options: argparse.Namespace, arguments: Sequence[str]
) -> list[starting.Started]:
    """Start those that do not run yet."""
    started = []
    for instance in found:
        state = pid_files.state_of(instance, options.run_dir)
        if state.is_running:
            print(f"{instance.name} runs already ({state.pid} - {instance.place.path})")
            continue
        if state.other_conf:
            _tell_elsewhere(instance, state, options, "give this one a run directory of its own: -r DIR, or ")
            continue
        if state.is_stale and options.verbose:
            print(f"{instance.name}: {state.path} is left from a daemon that has ended")
        print(f"Starting {instance.name}...({instance.place.path})")
        started.append(starting.start(instance, options.run_dir, options.log_dir, arguments))
    return started


def _tell_slips(found: Iterable[Instance]) -> None:
    """Tell on the terminal, too, what daemons have only a line of the log for: options that nobody reads."""
    lines: list[str] = []
    for instance in found:
        lines += slips(instance.place.path, () if instance.program in MAIN else (instance.program,))
    for line in dict.fromkeys(lines):
        print(f"warning: {line}", file=sys.stderr)


def _stop(found: Sequence[Instance], options: argparse.Namespace, graceful: bool = False) -> int:
    """Proxies first, so that what clients have begun can still end well."""
    code = SUCCESS
    graceful = graceful or options.graceful
    proxies = [each for each in found if each.program == "proxy-server"]
    for group in (proxies, [each for each in found if each not in proxies]):
        code |= _stop_group(group, options, float("inf") if graceful else options.kill_wait)
    return code


def _stop_group(group: Sequence[Instance], options: argparse.Namespace, patience: float) -> int:
    code = SUCCESS
    with ExitStack() as handles:
        stopping = []
        for instance in group:
            held = handles.enter_context(pid_files.handle(instance, options.run_dir))
            if held is None:
                code |= _tell_not_running(instance, options)
            elif _signal(held, signal.SIGTERM, "Stopping", options):
                stopping.append(held)
            else:
                code = FAILURE
        deadline = time.monotonic() + min(patience, 1e6)
        for held in stopping:
            if not held.wait(deadline) and options.kill_after_timeout:
                print(f"{held.instance.name} has not ended in {patience:g} s: killed")
                held.send(signal.SIGKILL)
                held.wait(time.monotonic() + 5)
            if held.wait(0.0):
                pid_files.remove(held.state.path)
            else:
                print(f"{held.instance.name} ({held.state.pid}) has not ended in {patience:g} s", file=sys.stderr)
                code = FAILURE
    return code


def _tell_not_running(instance: Instance, options: argparse.Namespace) -> int:
    state = pid_files.state_of(instance, options.run_dir)
    if state.other_conf:
        return _tell_elsewhere(instance, state, options)
    if state.is_stale:
        print(f"{instance.name} has ended already; {state.path} is removed")
        pid_files.remove(state.path)
    elif options.verbose:
        print(f"No {instance.name} running")
    return SUCCESS


def _tell_elsewhere(instance: Instance, state: pid_files.State, options: argparse.Namespace, either: str = "") -> int:
    """Tell of a daemon that lives, and runs with a conf of another directory: nothing is done to it, or its pid file.

    :param either: what one may want instead of that daemon
    """
    options.elsewhere.append(instance.name)
    remedy = f"{either}name its directory: -d {shlex.quote(place_of(state.other_conf)[0])}"
    has = f"runs with {state.other_conf}, not with one of {options.swift_dir}"
    print(f"{instance.name} ({state.pid}) {has}; {remedy}", file=sys.stderr)
    return FAILURE


def _signal(held: pid_files.Handle, number: signal.Signals, doing: str, options: argparse.Namespace) -> bool:
    """Send a signal; whether that was allowed. Another user's daemon is noted in ``options.not_ours``."""
    try:
        held.send(number)
    except PermissionError:
        options.not_ours.append(held.instance.name)
        return False
    print(f"{doing} {held.instance.name}...(pid {held.state.pid}, {number.name})")
    return True


def _shutdown(found: Sequence[Instance], options: argparse.Namespace) -> int:
    return _stop(found, options, graceful=True)


def _restart(found: Sequence[Instance], options: argparse.Namespace) -> int:
    startable = [each for each in found if os.path.exists(each.place.path)]
    if _each_apart(
        [each for each in startable if pid_files.state_of(each, options.run_dir).is_running], _tell_obstacles
    ):
        who = " ".join(map(shlex.quote, options.words))
        remedy = f"correct that first, or stop all the same: swiftlite-init {who} stop"
        print(f"nothing was stopped, for not all would start again; {remedy}", file=sys.stderr)
        return FAILURE
    return _stop(found, options) or _start(startable, options)


def _reload(found: Sequence[Instance], options: argparse.Namespace) -> int:
    return _signal_all(found, options, signal.SIGHUP)


def _reload_seamless(found: Sequence[Instance], options: argparse.Namespace) -> int:
    return _signal_all(found, options, signal.SIGUSR1)


def _signal_all(found: Sequence[Instance], options: argparse.Namespace, number: signal.Signals) -> int:
    """Signal who runs, and hear whether the new conf could be used: one that cannot be leaves all as it was."""
    code = SUCCESS
    names, channels, signalled = [], [], []
    with ExitStack() as closing:
        for instance in found:
            held = closing.enter_context(pid_files.handle(instance, options.run_dir))
            if held is None or held.state.pid is None:
                state = pid_files.state_of(instance, options.run_dir)
                if state.other_conf:
                    _tell_elsewhere(instance, state, options)
                else:
                    print(f"No {instance.name} running")
                code = FAILURE
                continue
            channel = None if options.no_wait else Channel.of(held.state.pid)
            if channel:
                closing.callback(channel.close)
            if _signal(held, number, "Reloading", options):
                signalled.append(instance)
                names.append(instance.name)
                channels.append(channel)
            else:
                code = FAILURE
        for name, verdict in zip(names, starting.wait_reloaded(channels, RELOAD_TIMEOUT)):
            if verdict is not None:
                print(f"{name}: {verdict or f'has not reloaded in {RELOAD_TIMEOUT:g} s'}", file=sys.stderr)
                code = FAILURE
    _tell_slips(signalled)
    return code


def _status(found: Sequence[Instance], options: argparse.Namespace) -> int:
    lines = []
    code = SUCCESS
    store = all_in_one(options.swift_dir)
    if store and supervisor_pid(Path(store)) is not None:
        print(f"these daemons run under swiftlite-aio; ask it: swiftlite-aio status --dir {store}")
    for instance in found:
        state = pid_files.state_of(instance, options.run_dir)
        if state.process is not None:
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(start_time(state.process)))
            lines.append((instance.name, "running", str(state.pid), f"since {since}", instance.place.path))
            continue
        code = FAILURE
        if state.other_conf:
            lines.append((instance.name, "elsewhere", str(state.pid), "with", state.other_conf))
            _tell_elsewhere(instance, state, options)
        elif state.is_stale:
            lines.append((instance.name, "dead", str(state.pid or "-"), f"stale {state.path}", instance.place.path))
        else:
            lines.append((instance.name, "stopped", "-", "", instance.place.path))
    widths = [max(len(line[column]) for line in lines) for column in range(5)] if lines else []
    for line in lines:
        print("  ".join(f"{text:<{width}}" for text, width in zip(line, widths)).rstrip())
    return code


def _once(found: Sequence[Instance], options: argparse.Namespace) -> int:
    daemons = [each for each in found if each.program not in MAIN]
    with _lock(options.run_dir):
        started = _start_each(daemons, options, ("--once",))
        _tell_slips(each.instance for each in started)
    # Who runs makes passes of its own: the one that was asked for was not made.
    code = SUCCESS if len(started) == len(daemons) else FAILURE
    for each in started:
        each.channel.close()
        if not options.no_wait:
            if each.running.wait():
                print(f"{each.instance.name} {each.reason}", file=sys.stderr)
                code = FAILURE
            pid_files.remove(each.instance.pid_path(options.run_dir))
    return code


def _tell_obstacles(instance: Instance) -> int:
    found = check.obstacles(instance.program, instance.place.path)
    for finding in found:
        print(f"{instance.name}: {finding.text}", file=sys.stderr)
    return FAILURE if found else SUCCESS


def _check(found: Sequence[Instance], options: argparse.Namespace) -> int:
    return _each_apart(found, lambda instance: check.check_main(instance.program, instance.place.path))


def _each_apart(found: Sequence[Instance], judge: Callable[[Instance], int]) -> int:
    """Judge each in a process of its own: a check ends as another user."""
    code = SUCCESS
    for instance in found:
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            status = FAILURE
            try:
                status = judge(instance)
                sys.stdout.flush()
            finally:
                sys.stderr.flush()
                os._exit(status)
        code |= os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return FAILURE if code else SUCCESS


def _no_daemon(found: Sequence[Instance], options: argparse.Namespace) -> int:
    if len(found) != 1:
        raise ToolError("one daemon can run in the foreground; name one, and its conf")
    command = starting.command(found[0], ("-v",))
    sys.stdout.flush()
    os.execv(command[0], command)


@contextmanager
def _lock(run_dir: str) -> Iterator[None]:
    """Nobody else starts anything meanwhile: a daemon is not started twice."""
    os.makedirs(run_dir, exist_ok=True)
    with open(os.path.join(run_dir, ".swiftlite-init.lock"), "a", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


COMMANDS: dict[str, Callable[[Sequence[Instance], argparse.Namespace], int]] = {
    "start": _start,
    "stop": _stop,
    "shutdown": _shutdown,
    "restart": _restart,
    "reload": _reload,
    "reload-seamless": _reload_seamless,
    "status": _status,
    "once": _once,
    "check": _check,
    "no-daemon": _no_daemon,
    "no-wait": _start,
}
