"""Which function each program of ours runs; what its launcher in bin/, or the one that pip makes, calls."""

# Any Python 3 reads this file, so that one which is too old can say so: no newer spelling in it.
import sys

if sys.version_info < (3, 10):  # noqa: UP036 - setup.py promises more, but bin/ is run without it
    sys.exit(sys.argv[0] + " needs Python 3.10 or newer, this is %d.%d" % sys.version_info[:2])

import importlib
import os
from functools import partial
from pathlib import Path

SERVERS = ("account-server", "container-server", "object-server", "proxy-server")
"""Run by :func:`swiftlite.cli.launch.serve_main`."""
MAINS = {
    "account-auditor": "swiftlite.account.auditor:main",
    "account-info": "swiftlite.cli.account_info:main",
    "account-reaper": "swiftlite.account.reaper:main",
    "account-replicator": "swiftlite.account.replicator:main",
    "aio": "swiftlite.cli.aio:main",
    "config": "swiftlite.cli.show_config:main",
    "container-auditor": "swiftlite.container.auditor:main",
    "container-info": "swiftlite.cli.container_info:main",
    "container-reconciler": "swiftlite.container.reconciler:main",
    "container-replicator": "swiftlite.container.replicator:main",
    "container-sync": "swiftlite.container.sync:main",
    "container-updater": "swiftlite.container.updater:main",
    "dispersion-populate": "swiftlite.cli.dispersion_populate:main",
    "dispersion-report": "swiftlite.cli.dispersion_report:main",
    "doctor": "swiftlite.cli.doctor:main",
    "drive-audit": "swiftlite.cli.drive_audit:main",
    "get-nodes": "swiftlite.cli.get_nodes:main",
    "hash-password": "swiftlite.cli.hash_password:main",
    "init": "swiftlite.cli.init:main",
    "node": "swiftlite.cli.node:main",
    "object-auditor": "swiftlite.obj.auditor:main",
    "object-expirer": "swiftlite.obj.expirer:main",
    "object-info": "swiftlite.cli.object_info:main",
    "object-relinker": "swiftlite.cli.relinker:main",
    "object-replicator": "swiftlite.obj.replicator:main",
    "object-updater": "swiftlite.obj.updater:main",
    "oldies": "swiftlite.cli.oldies:main",
    "orphans": "swiftlite.cli.orphans:main",
    "recon": "swiftlite.cli.recon:main",
    "ring-builder": "swiftlite.cli.ring_builder:main",
    "ring-builder-safe": "swiftlite.cli.ring_builder:safe_main",
    "top": "swiftlite.cli.top:main",
}
"""The function that each of the others runs, called with the arguments."""
NAMES = tuple(sorted([*SERVERS, *MAINS]))
"""All programs, without ``swiftlite-`` before their names."""
CHECKOUT = Path(__file__).resolve().parents[2]
"""Where there is a setup.py, a checkout; else where pip has put us."""


def main() -> int:
    """Run the program whose name this process was called by; return its exit status.

    In a checkout, with a Python that lacks a library, it goes on in the checkout's virtualenv, if there is one.
    """
    called = Path(sys.argv[0]).name
    name = called.partition("swiftlite-")[2]
    if name not in NAMES:
        print(f"{called}: no program of swiftlite's; call it swiftlite-{', swiftlite-'.join(NAMES)}", file=sys.stderr)
        return 1
    try:
        if name in SERVERS:
            run = partial(_function("swiftlite.cli.launch:serve_main"), name)
        else:
            run = partial(_function(MAINS[name]), sys.argv[1:])
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "swiftlite":
            raise  # ours, which no virtualenv would help against
        print(f"{called}: {_without(error.name)}", file=sys.stderr)
        return 1
    return run()


def _function(reference: str):  # type: ignore[no-untyped-def]
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def _without(library: str) -> str:
    """Go on in the virtualenv of the checkout; where that cannot be, return what the operator should do."""
    problem = f"{sys.executable} lacks the library {library}"
    if not (CHECKOUT / "setup.py").exists():
        return f"{problem}: install swiftlite anew with pip"
    environment = CHECKOUT / ".venv"
    python = environment / "bin" / "python"
    try:
        if python.exists() and Path(sys.prefix).resolve() != environment.resolve():
            os.execv(python, [str(python), os.path.abspath(sys.argv[0]), *sys.argv[1:]])
    except OSError as error:  # it is another user's, or the Python that it was made with is
        remedy = "run it as who made that, or make it with a Python that every user may run"
        return f"{problem}, and {environment} cannot be used: {error.strerror}: {remedy}"
    return f"{problem}: run `pip install {CHECKOUT}` in a virtualenv, or start {CHECKOUT}/bin/swiftlite-aio once, which makes one"
