"""A server under prefork for tests: ``PORT WORKERS DIRECTORY``; ``DIRECTORY/conf`` says what it answers,
``DIRECTORY/ip`` where it listens, if it is there.

``/pid`` answers the worker's pid, ``/die`` kills it, ``/hang`` stops its event loop,
``/slow`` answers once ``DIRECTORY/gate`` exists, ``/logged`` writes a line that is held until its process ends.
While ``DIRECTORY/hang`` exists, trials hang.
"""

import logging
import os
import pathlib
import sys
import time

from swiftlite.common import forks, log_gathering, restart
from swiftlite.common.concurrency import sleep
from swiftlite.common.log import gather_lines, get_logger, log_line
from swiftlite.http import listeners, prefork
from swiftlite.http.server import HTTPOptions

PORT, WORKERS, DIRECTORY = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])


access = get_logger({"log_address": str(DIRECTORY / "log")}, "access")
log_gathering.GATHERED_SECONDS = 3600
forks.QUICK_DEATH = forks.LAST_WORDS = 60.0  # on a busy machine all takes long


def load_app():
    text = (DIRECTORY / "conf").read_bytes()
    if text == b"broken":
        raise SystemExit("conf: it is broken")

    def app(environ, start_response):
        path = environ["PATH_INFO"]
        if path == "/die":
            os._exit(3)
        if path == "/hang":
            time.sleep(3600)
        if path == "/slow":
            (DIRECTORY / "waiting").touch()
            while not (DIRECTORY / "gate").exists():
                sleep(0.002)
        if path == "/logged":
            log_line(access, "answered")
        start_response("200 OK", [])
        return [str(os.getpid()).encode() if path == "/pid" else text]

    return app


def setup_worker():
    gather_lines()
    if (DIRECTORY / "no-worker").exists():
        raise RuntimeError("a worker cannot start")
    if (DIRECTORY / "other-user").exists():
        os.setgid(65534)
        os.setuid(65534)


place = DIRECTORY / "ip"
ADDRESS = (place.read_text() if place.exists() else "127.0.0.1", PORT)
if restart.is_trial():
    while (DIRECTORY / "hang").exists():
        time.sleep(0.01)
    load_app()
    try:
        listeners.check_address(*ADDRESS)
    except listeners.ListenError as error:
        sys.exit(str(error))
    sys.exit()
if (DIRECTORY / "hang").exists():
    restart.TRIAL_TIMEOUT = 0.5
logging.basicConfig(level=logging.INFO, format="%(message)s")
try:
    sys.exit(
        prefork.serve(
            load_app,
            address=ADDRESS,
            workers=WORKERS,
            backlog=64,
            http_options=HTTPOptions(drain_grace=60),
            log=logging.getLogger("prefork"),
            hooks=prefork.Hooks(worker=setup_worker),
        )
    )
except listeners.ListenError as error:
    sys.exit(str(error))
