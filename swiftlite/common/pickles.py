"""Pickles of plain data only: nothing that comes from a disk or a network can run code (formats.md 3.3)."""

from __future__ import annotations

import _codecs
import io
import pickle
from typing import Any


class HeaderDict(dict):  # type: ignore[type-arg]
    """Stands in for the header dictionary that OpenStack Swift pickles into async_pending files."""


def _reconstruct(cls: type, base: type, state: Any) -> Any:
    """What ``copyreg._reconstructor`` does, for dictionaries alone."""
    if cls not in (HeaderDict, dict) or base not in (object, dict):
        raise pickle.UnpicklingError(f"a pickle may not build {cls!r}")
    return cls() if state is None else cls(state)


_ALLOWED: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _codecs.encode,
    ("copyreg", "_reconstructor"): _reconstruct,
    ("copy_reg", "_reconstructor"): _reconstruct,
    ("swift.common.header_key_dict", "HeaderKeyDict"): HeaderDict,
    ("builtins", "dict"): dict,
    ("__builtin__", "dict"): dict,
    ("builtins", "bytes"): bytes,
    ("__builtin__", "bytes"): bytes,
    ("builtins", "object"): object,
    ("__builtin__", "object"): object,
}


class _PlainUnpickler(pickle.Unpickler):
    extra: dict[tuple[str, str], Any] = {}

    def find_class(self, module: str, name: str) -> Any:
        found = _ALLOWED.get((module, name)) or self.extra.get((module, name))
        if found is None:
            raise pickle.UnpicklingError(f"a pickle may not name {module}.{name}")
        return found


def loads(data: bytes, *, encoding: str = "ASCII", extra: dict[tuple[str, str], Any] | None = None) -> Any:
    """Load plain data.

    :param encoding: how text of Python 2 pickles is read; ``bytes`` leaves it as bytes
    :param extra: further globals that this one caller allows
    :raises pickle.UnpicklingError: for anything that is not plain data, or not a pickle at all
    """
    unpickler = _PlainUnpickler(io.BytesIO(data), encoding=encoding)
    unpickler.extra = extra or {}
    try:
        return unpickler.load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise pickle.UnpicklingError(f"not a pickle of plain data: {error!r}") from error


def dumps(value: Any, protocol: int) -> bytes:
    """Pickle plain data as CPython does; readers depend on its exact opcodes (formats.md 10, trap 2)."""
    return pickle.dumps(value, protocol)
