"""What this process has open, so that a test can see that nothing has been left open."""

from __future__ import annotations

import contextlib
import os
from collections import Counter


def opened() -> Counter[str]:
    """Return how often each file, pipe or socket is open, by what the kernel calls it.

    Compare what is there afterwards with what was there before by subtraction: what earlier tests have left may be
    collected at any moment, so that there is less than before, and its numbers are used again.
    """
    found: Counter[str] = Counter()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the listing itself, or another thread's
            found[os.readlink(f"/proc/self/fd/{number}")] += 1
    return found
