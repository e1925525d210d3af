"""SharedBytes: some bytes that all workers of one server see, and whose turn it is to find them out anew."""

from __future__ import annotations

import fcntl
import os
import struct
import weakref
import zlib

HEAD = struct.Struct("=dQI")
"""Until when the bytes are good, by the machine's monotonic clock; how many they are; their CRC-32."""


class SharedBytes:
    """Made before the workers are forked, in a file without a name (memfd) that they inherit."""

    def __init__(self) -> None:
        self._file = os.memfd_create("swiftlite-console", os.MFD_CLOEXEC)
        weakref.finalize(self, os.close, self._file)  # with a server that goes while its process stays, as in a test

    def take_turn(self) -> bool:
        """Whether it is this process's turn to write, until it says that it is over, or dies."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
        except OSError:
            return False
        return True

    def end_turn(self) -> None:
        """Let others have theirs."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1)

    def write(self, value: bytes, until: float) -> None:
        """Only for whose turn it is."""
        os.pwrite(self._file, value, HEAD.size)
        os.pwrite(self._file, HEAD.pack(until, len(value), zlib.crc32(value)), 0)

    def read(self, now: float) -> tuple[bytes, float] | None:
        """The bytes and until when they are good; None: they are not any more, or somebody is just writing."""
        head = os.pread(self._file, HEAD.size, 0)
        if len(head) < HEAD.size:
            return None
        until, size, checksum = HEAD.unpack(head)
        if until <= now:
            return None
        value = os.pread(self._file, size, HEAD.size)
        return (value, until) if zlib.crc32(value) == checksum else None
