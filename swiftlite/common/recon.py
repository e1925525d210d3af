"""Recon caches: what daemons tell operators about their passes (formats.md 5.8).

A cache is one line of JSON, shared by several processes: changed under a lock on the file, replaced in one step.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import time
import uuid
from collections.abc import Mapping
from typing import Any

from swiftlite.common.concurrency import sleep
from swiftlite.core.json_text import load_json

DEFAULT_PATH = "/var/cache/swift"
OBJECT_CACHE = "object.recon"
CONTAINER_CACHE = "container.recon"
LOCK_TIMEOUT = 2.0
"""Seconds that a writer waits for another."""

Values = dict[str, Any]


def merge(cache: Values, changes: Mapping[str, Any]) -> Values:
    """A cache with new values: a mapping is merged into the one that is there, an empty one removes what it stands for."""
    merged = dict(cache)
    for key, value in changes.items():
        if not isinstance(value, Mapping):
            merged[key] = value
        elif not value:
            merged.pop(key, None)
        else:
            old = merged.get(key)
            inner = {**(old if isinstance(old, dict) else {}), **value}
            merged[key] = {name: item for name, item in inner.items() if item != {}}
    return merged


def load(path: str) -> Values:
    """What a cache holds; nothing where there is none, or none that can be read.

    :raises OSError: when the file is there and cannot be opened
    """
    try:
        with open(path, encoding="utf-8") as file:
            found = load_json(file.readline() or "{}")
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def dump(directory: str, name: str, changes: Mapping[str, Any], logger: logging.Logger) -> None:
    """Merge values into a cache. A daemon does its work whether or not it can tell of it: a failure is logged.

    :param directory: option ``recon_cache_path``; made when missing
    :param name: of the cache, say ``object.recon``
    """
    path = os.path.join(directory, name)
    try:
        os.makedirs(directory, exist_ok=True)
        lock = _lock(path)
        try:
            _replace(path, merge(load(path), changes))
        finally:
            os.close(lock)
    except OSError as error:
        logger.error("cannot write statistics to %s: %s", path, error.strerror or error)


def _lock(path: str) -> int:
    """Lock the file, which others may replace while we wait; return a descriptor that holds the lock until closed.

    :raises OSError: when that takes too long
    """
    deadline = time.monotonic() + LOCK_TIMEOUT
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, path):
                return descriptor
        except BlockingIOError:
            pass
        os.close(descriptor)
        if time.monotonic() > deadline:
            raise TimeoutError(errno.ETIMEDOUT, f"another process has held the lock for {LOCK_TIMEOUT:g} s", path)
        sleep(0.01)


def _is_at(descriptor: int, path: str) -> bool:
    held = os.fstat(descriptor)
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino)


def _replace(path: str, values: Values) -> None:
    temporary = f"{path}.{uuid.uuid4().hex}.tmp"
    try:
        with open(temporary, "x", encoding="utf-8") as file:
            file.write(json.dumps(values, sort_keys=True) + "\n")
        os.replace(temporary, path)
    except BaseException:
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            pass
        raise
