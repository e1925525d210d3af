"""The id of this process, without asking the kernel: every line of a request shows it."""

from __future__ import annotations

import os

current = os.getpid()


def _ask() -> None:
    global current
    current = os.getpid()


os.register_at_fork(after_in_child=_ask)
