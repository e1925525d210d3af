"""What a program does when whoever reads its output has seen enough: it ends, without a word."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any


def ends_unread(main: Callable[..., int]) -> Callable[..., int]:
    """Let a main function end with exit code 1 when its output goes nowhere any more: ``… | head`` is no error.

    What it prints last goes out before it returns.
    """

    @functools.wraps(main)
    def run(*arguments: Any, **options: Any) -> int:
        try:
            code = main(*arguments, **options)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
            return 1
        return code

    return run
