"""Perform the operations of one client in the Python of its virtualenv, and write down what came of each."""

from __future__ import annotations

import importlib
import json
import re
import sys
import time
import traceback
from pathlib import Path

from clients.harness.site import Site

PASSED = "passed"


def main() -> None:
    """Read the order from standard input, as the harness gives it; write a JSON line an operation to its file."""
    order = json.load(sys.stdin)
    client = importlib.import_module(f"clients.{order['module']}").CLIENT
    site = Site(**{**order["site"], "scratch": Path(order["site"]["scratch"])})
    with open(order["results"], "a", encoding="utf-8") as results:
        for name, act in client.operations_with(site.auth).items():
            started = time.monotonic()
            outcome = PASSED
            print(f"== {name} ({site.auth})", flush=True)
            try:
                act(site)
            except Exception as error:
                traceback.print_exc()
                outcome = first_line(error)
            took = round(time.monotonic() - started, 2)
            results.write(json.dumps({"operation": name, "outcome": outcome, "seconds": took}) + "\n")
            results.flush()


def first_line(error: BaseException) -> str:
    """Return what a table can say of an error."""
    kind = "" if isinstance(error, AssertionError) or type(error).__name__ == "CommandFailed" else type(error).__name__
    line = next(iter(str(error).strip().splitlines()), "") or f"{type(error).__name__}"
    line = re.sub(r" at 0x[0-9a-f]+", "", line)
    return f"{kind}: {line}" if kind and kind != line else line


if __name__ == "__main__":
    main()
