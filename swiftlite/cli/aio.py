"""All in one: a three-replica store on this machine, from an empty directory to its first request."""

from __future__ import annotations

import argparse
import fcntl
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from swiftlite.cli import children, layout, probing, virtualenv
from swiftlite.cli.aio_layout import Plan, make_plan
from swiftlite.cli.pipes import ends_unread
from swiftlite.cli.supervisor import Stopped, Supervisor
from swiftlite.common.config import StartError
from swiftlite.core.hosts import spell_address

NAME = "swiftlite-aio"
STOP_TIMEOUT = 40
"""Seconds that ``stop`` waits before it kills."""
EXTRAS = ("passwords",)
"""What the store's virtualenv has besides: hashes of passwords, which its own log recommends."""
COMMANDS = ("start", "status", "stop")
NOT_RUNNING = 3
"""Exit status of ``status`` when nothing runs, as init scripts have it."""


@ends_unread
def main(argv: Sequence[str]) -> int:
    """Run ``swiftlite-aio [start|status|stop] …``; return the exit status. Errors are one line on standard error."""
    options = _parse(argv)
    options.dir = options.dir.resolve()  # one spelling of the directory: it tells the store's processes from others
    try:
        return {"start": _start, "status": _status, "stop": _stop}[options.command](options, list(argv))
    except StartError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return 1


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=NAME, description="Run a three-replica object store on this machine.")
    parser.add_argument("command", nargs="?", metavar="{start,status,stop}", default="start")
    parser.add_argument("--dir", type=Path, default=Path("var/aio"), help="where all of it lives (default ./var/aio)")
    parser.add_argument("--port", type=int, help="of the proxy; the next three are the backends' (default 8080)")
    parser.add_argument("--bind", metavar="ADDR", help="address that the proxy listens on (default 127.0.0.1)")
    parser.add_argument(
        "--workers", type=int, help="processes a server, 0: one without a master (default: one a processor, at most 4)"
    )
    parser.add_argument("--detach", action="store_true", help="return once it is up; stop it with `stop`")
    options, others = parser.parse_known_args(argv)
    if others:  # before their values: `--prot 7000` is no wrong command 7000
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    if options.command not in COMMANDS:
        parser.error(f"argument command: invalid choice: {options.command!r} (choose from {', '.join(COMMANDS)})")
    given = [name for name in ("port", "bind", "workers", "detach") if getattr(options, name) not in (None, False)]
    if given and options.command != "start":
        parser.error(f"--{given[0]} goes with start only")
    if options.port is not None and not 0 < options.port <= 65535 - len(layout.STORAGE_KINDS):
        parser.error(f"--port {options.port}: it and the next three must be below 65536")
    if options.workers is not None and options.workers < 0:
        parser.error("--workers must not be negative")
    return options


# ------------------------------------------------------------------------------------------------------------- start


def _start(options: argparse.Namespace, argv: list[str]) -> int:
    _enter(options, argv)
    directory: Path = options.dir
    made = [place for place in (directory, *directory.parents) if not os.path.exists(place)]
    lock = _lock(directory)
    try:
        try:
            plan = make_plan(directory, options.port, options.bind, options.workers)
            _refuse_taken_ports(plan)
        except StartError:
            _leave_as_found(directory, made)
            raise
        plan.carry_out()
        if not plan.is_new:
            _warn_of_slips(plan)
        if options.detach:
            return _detached(directory, plan)
        return _run(directory, plan, lambda text: print(text, flush=True))
    finally:
        os.close(lock)


def _enter(options: argparse.Namespace, argv: list[str]) -> None:
    """Go on inside the checkout's virtualenv, with the directory in the command line even when it was left out."""
    canonical = ["start", "--dir", str(options.dir)]
    for name in ("port", "bind", "workers"):
        if getattr(options, name) is not None:
            canonical += [f"--{name}", str(getattr(options, name))]
    canonical += ["--detach"] if options.detach else []
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "setup.py").exists():
        virtualenv.enter(checkout / ".venv", checkout, canonical, EXTRAS)
    if argv != canonical:
        os.execv(sys.executable, [sys.executable, os.path.abspath(sys.argv[0]), *canonical])


def _lock(directory: Path) -> int:
    """Take the directory for this process, for as long as it lives. Raises StartError when another has it."""
    try:
        (directory / "run").mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory / "run" / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartError(f"cannot write {directory}: {error.strerror}: choose another with --dir") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StartError(f"a store runs in {directory} already: stop it with `{NAME} stop --dir {directory}`") from None
    return descriptor


def _leave_as_found(directory: Path, made: Sequence[Path]) -> None:
    """Take back what the lock made, where there is no store yet; `made`: what was not there, the innermost first."""
    if not (directory / "etc").exists():
        (directory / "run" / "lock").unlink(missing_ok=True)
        with suppress(OSError):  # it holds something else
            (directory / "run").rmdir()
            for place in made:
                place.rmdir()


def _warn_of_slips(plan: Plan) -> None:
    """Tell on the terminal, not only in logs, of options in the confs that nobody reads."""
    child = os.fork()  # the tables of all options are half of the servers: nothing that a supervisor should keep
    if child == 0:
        try:
            from swiftlite.common.unknown_options import slips  # here: outside of the virtualenv it cannot be

            for path in sorted(plan.layout.etc.glob("*.conf")):
                for unread in slips(str(path)):
                    print(f"{NAME}: warning: {unread}", file=sys.stderr, flush=True)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def _refuse_taken_ports(plan: Plan) -> None:
    for process in layout.processes(plan.layout):
        if process.address is None:
            continue
        ip, port = process.address
        try:
            taken = children.is_taken(process.address)
        except OSError as error:
            raise StartError(f"cannot listen on {ip} port {port}: {error.strerror}: see --bind and --port") from None
        if taken:
            raise StartError(f"port {port} on {ip} is taken, the {process.name} needs it: choose others with --port")


def _run(directory: Path, plan: Plan, report: Callable[[str], None]) -> int:
    """Be the supervisor until a signal comes; `report` gets the text for the operator once the store is healthy."""
    programs = Path(sys.argv[0]).resolve().parent  # all daemons are of this very release, wherever a link leads later
    supervisor = Supervisor(layout.processes(plan.layout), programs, directory / "log")
    pid_file = directory / "run" / "aio.pid"
    pid_file.write_text(f"{os.getpid()}\n")
    try:
        supervisor.start()
        _check_storage(plan)
        report(plan.banner())
        supervisor.supervise()
    except Stopped:
        pass
    finally:
        supervisor.stop()
        pid_file.unlink(missing_ok=True)
    return 0


def _check_storage(plan: Plan) -> None:
    """Get a token and look at the account: the whole way through the proxy to the disks. Raises StartError.

    Where the conf has another way to log in, or only hashes of passwords, or the proxy serves nobody without a
    certificate, the proxy's own word must do.
    """
    address, way = plan.local_address, probing.way_to(layout.processes(plan.layout)[0])
    if way.asks_certificate:  # the supervisor has heard it
        return
    if not plan.can_log_in:
        status, _ = children.request(address, "GET", "/healthcheck", tls=way.tls, preamble=way.preamble)
        if status != 200:
            raise StartError(f"the proxy answers {status} to GET /healthcheck: see {plan.layout.directory}/log")
        return
    user = {"X-Auth-User": plan.user, "X-Auth-Key": plan.key}
    status, headers = children.request(address, "GET", "/auth/v1.0", user, tls=way.tls, preamble=way.preamble)
    if status != 200:
        raise StartError(f"the proxy answers {status} when asked for a token: see {plan.layout.directory}/log")
    path = "/v1/AUTH_" + plan.user.partition(":")[0]
    token = {"X-Auth-Token": headers.get("x-auth-token", "")}
    status, _ = children.request(address, "HEAD", path, token, 15.0, way.tls, way.preamble)
    if status // 100 != 2:
        raise StartError(f"the proxy answers {status} to HEAD {path}: see {plan.layout.directory}/log")


def _detached(directory: Path, plan: Plan) -> int:
    """Leave the supervisor running in a session of its own; return when it is healthy, or has failed."""
    reader, writer = os.pipe()
    supervisor = os.fork()
    if supervisor == 0:
        status = 1
        try:
            os.close(reader)
            _become_background(directory / "log" / "aio.log")
            status = _report_and_run(directory, plan, writer)
        except BaseException:
            traceback.print_exc()
        finally:  # never on into the caller's code: the parent is there already
            os._exit(status)
    os.close(writer)
    try:
        with open(reader, encoding="utf-8") as pipe:
            said = pipe.read()
    except KeyboardInterrupt:
        os.kill(supervisor, signal.SIGTERM)
        return 130
    outcome, _, text = said.partition("\n")
    if outcome != "up":
        raise StartError(text.strip() or f"the supervisor died: see {directory}/log/aio.log")
    print(text)
    return 0


def _become_background(log: Path) -> None:
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(null)
    os.close(output)


def _report_and_run(directory: Path, plan: Plan, writer: int) -> int:
    def tell(status: str, text: str) -> None:
        os.write(writer, f"{status}\n{text}".encode())
        os.close(writer)

    try:
        return _run(directory, plan, lambda text: tell("up", text))
    except StartError as error:
        tell("failed", str(error))
        return 1


# --------------------------------------------------------------------------------------------------- status and stop


def supervisor_pid(directory: Path) -> int | None:
    """Return the supervisor's process id, if it lives and its command line says that it is this directory's."""
    try:
        pid = int((directory / "run" / "aio.pid").read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (OSError, ValueError):
        return None
    return pid if str(directory) in words and any(Path(word).name == NAME for word in words) else None


def _status(options: argparse.Namespace, _: list[str]) -> int:
    pid = supervisor_pid(options.dir)
    if pid is None:
        print(f"Nothing runs in {options.dir}")
        return NOT_RUNNING
    plan = make_plan(options.dir, None, None, None)
    print(f"A store runs in {options.dir}, process {pid}, auth URL {plan.auth_url}")
    print(f"  logs in {plan.layout.directory}/log/, administrator {plan.administrator}")
    healthy = True
    for process in layout.processes(plan.layout):
        if process.address:
            well = probing.is_up(process, probing.way_to(process))
            healthy &= well
            print(f"  {process.name:18} {spell_address(*process.address):<16} {'up' if well else 'no answer'}")
    return 0 if healthy else 1


def _stop(options: argparse.Namespace, _: list[str]) -> int:
    pid = supervisor_pid(options.dir)
    if pid is None:
        print(f"Nothing runs in {options.dir}")
        return 0
    try:
        handle = os.pidfd_open(pid)  # keeps the number from being given to another process meanwhile
    except ProcessLookupError:
        return 0
    try:
        if supervisor_pid(options.dir) != pid:
            return 0
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if not select.select([handle], [], [], STOP_TIMEOUT)[0]:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [])
    except PermissionError:
        raise StartError(
            f"the store in {options.dir}, process {pid}, is another user's: stop it as that user"
        ) from None
    finally:
        os.close(handle)
    print(f"Stopped the store in {options.dir}")
    return 0
