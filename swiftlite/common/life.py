"""Life: what a daemon's process is to the system from its start to its end: limits, pid file, signals, systemd."""

from __future__ import annotations

import logging
import signal
from collections.abc import Mapping
from typing import Any, NoReturn

from swiftlite.common import forks, limits, restart
from swiftlite.common.config import ConfigError, ServerOptions, read_options
from swiftlite.common.log import get_logger
from swiftlite.common.notify import cannot_reload, notify, reloading
from swiftlite.common.pid_file import PidFile
from swiftlite.common.watchdog import watchdog

PROCESS_OPTIONS = ("pid_file", "rlimit_nofile", "rlimit_processes", "rlimit_memory", "oom_score_adj")
ENDS, RENEWS = (signal.SIGTERM, signal.SIGINT), (signal.SIGHUP, signal.SIGUSR1)


class Life:
    """A context manager, for the time that a daemon works.

    SIGTERM and SIGINT end it, at once: every step of a daemon's work can be repeated, so there is nothing to tidy up.
    SIGHUP and SIGUSR1 start the program anew in the same process if a trial has shown that it can; else it works on.
    Either way its children, and whatever those have started, end first.
    """

    def __init__(self, logger: logging.Logger, pid_file: PidFile | None = None) -> None:
        self.logger = logger
        self.pid_file = pid_file
        self._handlers: dict[int, Any] = {}
        """Those of before."""

    @classmethod
    def from_conf(cls, program: str, texts: Mapping[str, str], path: str, has_pid_file: bool) -> Life:
        """Set the limits and take the pid file; to be called before root is given up.

        :param program: say ``object-updater``, which is its section of the conf file, too
        :param texts: its options, and those of ``[DEFAULT]``
        :param path: of the conf file, for errors
        :raises ConfigError: when an option cannot be used, or another process holds the pid file
        """
        own = {name: texts[name] for name in PROCESS_OPTIONS if name in texts}
        options = read_options(ServerOptions, own, path, program)
        logger = logger_of(texts, program, path)
        limits.apply(options, logger)
        if not has_pid_file:
            return cls(logger)
        if restart.is_trial():
            PidFile.check(options.pid_file, program, path)
            return cls(logger)
        return cls(logger, PidFile.claim(options.pid_file, program, path))

    def __enter__(self) -> Life:
        forks.adopt_orphans(True)
        if self.pid_file:
            self.pid_file.write()
        for number in ENDS:
            self._handlers[number] = signal.signal(number, self._end)
        for number in RENEWS:
            self._handlers[number] = signal.signal(number, self._renew)
        watchdog.start()
        watchdog.keep_beating()
        notify("READY=1")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS + RENEWS)  # they have waited since the start
        return self

    def __exit__(self, *_: Any) -> None:
        notify("STOPPING=1")
        self.leave()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        forks.adopt_orphans(False)

    def leave(self) -> None:
        """Remove the pid file."""
        if self.pid_file:
            self.pid_file.remove()
            self.pid_file = None

    def _end(self, *_: Any) -> NoReturn:
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDS + RENEWS)
        notify("STOPPING=1")
        forks.end_descendants()
        self.leave()
        forks.end_process(0)

    def _renew(self, *_: Any) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, RENEWS)
        reloading()
        try:
            problem = restart.try_out()
        except OSError as error:  # too many processes, no memory, or an interpreter that is being replaced
            problem = f"a trial cannot be made: {error.strerror}"
        if problem:
            self.logger.error("cannot reload, going on as before: %s", problem)
            cannot_reload(problem)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, RENEWS)
            return
        self.logger.info("reloading")
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
        forks.end_descendants()
        if self.pid_file:
            self.pid_file.hand_on()
        restart.start_anew()


def logger_of(texts: Mapping[str, str], name: str, path: str) -> logging.Logger:
    """The logger that a conf file describes.

    :param path: of the conf file, for errors
    :raises ConfigError: when an option for it cannot be used
    """
    try:
        return get_logger(texts, name)
    except ValueError as error:
        raise ConfigError(path, "DEFAULT", "log_level", str(error), "name a level, say INFO") from None
