"""Doing something as an account that owns nothing: root may write everywhere, and would hide who may not."""

from __future__ import annotations

import codecs
import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

NOBODY = 65534


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """All threads of this process are nobody meanwhile; who is not root stays who he is."""
    before = os.geteuid()
    codecs.lookup("latin1")  # as any daemon has done that read a conf; nobody may not read Python's own files here
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if before == 0:
            os.seteuid(0)


@contextlib.contextmanager
def public_directory() -> Iterator[Path]:
    """A directory that nobody may enter; pytest's own are closed."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)
