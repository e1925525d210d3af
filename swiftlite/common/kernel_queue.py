"""KernelQueue: files and directories that the kernel syncs one after the other by itself (io_uring), and tells when it has.

A thread that syncs gives the interpreter's lock back for every call, and takes it again from a busy event loop: that cost
more than many a sync itself. Here all are handed over in one call that waits for nothing, and no thread of ours is needed.
The last thing that is handed over is a write that wakes the event loop, so it wakes once for all of them.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
import sys
import time
import weakref
from collections.abc import Sequence
from typing import Any

from swiftlite.common.concurrency import current_greenlet, get_hub

ENTRIES = 256
"""Calls that one hand-over may hold, the one that wakes us among them; what was handed over makes room at once."""
ROOM = 8192
"""Syncs that may be under way: there is a place for the answer of each."""
WORKERS = 256
"""Most waits at the same time; a device that stalls must not take them all, so who uses this bounds each device's."""
OUT_OF_MEMORY_PAUSE = 0.001
"""Seconds until a kernel that has no memory for a hand-over is asked again."""
SWEEP = 0.5
"""Seconds after which we look at what is done though nothing woke us: a hand-over that the kernel took in two parts, for
want of memory, wakes us when its second part is done."""
_SETUP, _ENTER, _REGISTER = 425, 426, 427
_REGISTER_WORKERS = 19
_WAIT = 1 << 0
_FSYNC, _WRITE = 3, 23
_NEXT, _ASYNC = 1 << 3, 1 << 4
"""What follows is begun when this is over, whatever became of it; and not before we have come back from the call."""
_SINGLE_MMAP, _NEVER_DROPS, _OWN_WORKERS = 1 << 0, 1 << 1, 1 << 9
_SET_ROOM = 1 << 3
_CALLS_AT = 0x10000000
_CALL = struct.Struct("<BBHiQQIIQ24x")
_DONE = struct.Struct("<QiI")

_libc = ctypes.PyDLL(None, use_errno=True)  # Keeps the interpreter's lock: none of the calls waits.
_libc.syscall.restype = ctypes.c_long


class QueueUnsupported(Exception):
    """This kernel knows no such queue, or does not let us have one; says why."""


class _HandOver:
    """Syncs that were handed over together, who waits for them, and what the first that failed answered."""

    __slots__ = ("left", "result", "waiter")

    def __init__(self, waiter: Any, left: int) -> None:
        self.waiter = waiter
        self.left = left
        self.result = 0


class KernelQueue:
    """Belongs to the event loop that made it, which hears of what is done by an eventfd.

    :raises QueueUnsupported: where there is none to be had
    """

    def __init__(self) -> None:
        self._one = ctypes.c_uint64(1)
        """What is written to wake us."""
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        parameters = bytearray(struct.pack("<3I", 0, ROOM, _SET_ROOM).ljust(120, b"\0"))
        self._fd = -1
        try:
            self._fd = _call(_SETUP, ENTRIES, _address(parameters))
            self._map(parameters)
            self._register(_REGISTER_WORKERS, struct.pack("<II", WORKERS, 0), 2)
            self._try_to_be_woken()
        except BaseException:
            os.close(self._wakeup)
            if self._fd >= 0:
                os.close(self._fd)
            raise
        # With a server that goes while its process stays, as in a test.
        weakref.finalize(self, _close, self._wakeup, self._fd).atexit = False
        self._waiting: dict[int, _HandOver] = {}
        self._under_way = 0
        self._number = 0
        self._is_swept = False
        self._hub = hub = get_hub()
        hub.mark_as_reopened(self._wakeup)  # a socket of that number may have been collected without being closed
        hub.add(hub.READ, self._wakeup, self._collect, self._collect, self._collect)

    def sync(self, descriptors: Sequence[int]) -> None:
        """Sync open files and directories one after the other, fewer than ENTRIES; other green threads run meanwhile.

        An exception from outside, a timeout say, is raised once all is over: until then the kernel uses what it was given.

        :raises OSError: of the first sync that fails; those behind it may have been made
        """
        handed_over = _HandOver(current_greenlet(), len(descriptors))
        self._number += 1
        self._waiting[self._number] = handed_over
        self._under_way += len(descriptors)
        self._hand_over(descriptors, self._number)
        if not self._is_swept:
            self._is_swept = True
            self._hub.schedule_call_global(SWEEP, self._sweep)
        interruption: BaseException | None = None
        while handed_over.left:
            try:
                self._hub.switch()
            except BaseException as error:
                interruption = interruption or error
        handed_over.waiter = None
        if interruption is not None:
            raise interruption
        if handed_over.result < 0:
            raise OSError(-handed_over.result, os.strerror(-handed_over.result))

    @property
    def is_full(self) -> bool:
        """Whether so many syncs are under way that a thread should do the next."""
        return self._under_way > ROOM - ENTRIES

    def _try_to_be_woken(self) -> None:
        """Hand over nothing but the call that wakes us, and wait for it."""
        self._hand_over([], 0)
        while self._indices[self._done_head_at] == self._indices[self._done_tail_at]:
            _call(_ENTER, self._fd, 0, 1, _WAIT, None, 0)
        self._indices[self._done_head_at] = self._indices[self._done_tail_at]
        try:
            os.eventfd_read(self._wakeup)
        except BlockingIOError:
            raise QueueUnsupported("this kernel's io_uring does not wake us") from None

    def _hand_over(self, descriptors: Sequence[int], number: int) -> None:
        tail, count = self._indices[self._tail_at], len(descriptors) + 1
        for place, fd in enumerate(descriptors):
            # Each answers. That none but failures do (CQE_SKIP_SUCCESS) may not be asked for: to the kernel, a sync
            # whose file answers with an error has succeeded.
            slot = (tail + place) & self._mask
            _CALL.pack_into(self._calls, slot * _CALL.size, _FSYNC, _NEXT | _ASYNC, 0, fd, 0, 0, 0, 0, number)
        slot, one = (tail + count - 1) & self._mask, ctypes.addressof(self._one)
        _CALL.pack_into(self._calls, slot * _CALL.size, _WRITE, _ASYNC, 0, self._wakeup, 0, one, 8, 0, 0)
        self._indices[self._tail_at] = (tail + count) & 0xFFFFFFFF
        handed_over = 0
        while handed_over < count:
            taken = _call(_ENTER, self._fd, count - handed_over, 0, 0, None, 0)
            if not taken:
                time.sleep(OUT_OF_MEMORY_PAUSE)  # Of the whole process: the next hand-over must not come in between.
            handed_over += taken

    def _collect(self, *_: Any) -> None:
        """Something is done; runs in the event loop."""
        os.eventfd_read(self._wakeup)
        self._take_answers()

    def _sweep(self) -> None:
        """Look at what is done, from time to time while something is under way; runs in the event loop."""
        self._is_swept = bool(self._waiting)
        if self._is_swept:
            self._hub.schedule_call_global(SWEEP, self._sweep)
            self._take_answers()

    def _take_answers(self) -> None:
        """Let go on whoever waited for what is done."""
        over = []
        head = self._indices[self._done_head_at]
        while head != self._indices[self._done_tail_at]:
            number, result, _flags = _DONE.unpack_from(
                self._ring, self._done_at + (head & self._done_mask) * _DONE.size
            )
            head = (head + 1) & 0xFFFFFFFF
            if not number:
                continue  # that we were woken
            self._under_way -= 1
            handed_over = self._waiting[number]
            handed_over.left -= 1
            if result < 0 and not handed_over.result:
                handed_over.result = result
            if not handed_over.left:
                over.append(self._waiting.pop(number))
        self._indices[self._done_head_at] = head
        for handed_over in over:
            if handed_over.waiter is not None:  # else another of these has ended it
                self._let_go_on(handed_over.waiter)

    def _let_go_on(self, waiter: Any) -> None:
        """Switch to who waited. If that green thread ends with an exception meanwhile, it is not for us, and not for the
        hub to think that it was ours: it would never look at the eventfd again."""
        try:
            waiter.switch()
        except self._hub.SYSTEM_EXCEPTIONS:
            raise
        except BaseException:
            self._hub.squelch_generic_exception(sys.exc_info())

    def _map(self, parameters: bytearray) -> None:
        """Map what is shared with the kernel; io_uring_setup(2) has the layout."""
        entries, done_entries, _, _, _, features = struct.unpack_from("<6I", parameters)
        needed = _SINGLE_MMAP | _NEVER_DROPS | _OWN_WORKERS
        if features & needed != needed:
            raise QueueUnsupported("this kernel's io_uring is too old")
        _, tail, mask, _, _, _, order = struct.unpack_from("<7I", parameters, 40)
        done_head, done_tail, done_mask, _, _, self._done_at = struct.unpack_from("<6I", parameters, 80)
        size = max(order + entries * 4, self._done_at + done_entries * _DONE.size)
        self._ring = mmap.mmap(self._fd, size, offset=0)
        self._calls = mmap.mmap(self._fd, entries * _CALL.size, offset=_CALLS_AT)
        self._indices = memoryview(self._ring)[: size // 4 * 4].cast("I")
        self._mask, self._done_mask = self._indices[mask // 4], self._indices[done_mask // 4]
        self._tail_at, self._done_head_at, self._done_tail_at = tail // 4, done_head // 4, done_tail // 4
        for slot in range(entries):
            self._indices[order // 4 + slot] = slot

    def _register(self, what: int, argument: bytes, count: int) -> None:
        _call(_REGISTER, self._fd, what, _address(bytearray(argument)), count)


def _address(buffer: bytearray) -> Any:
    return ctypes.byref((ctypes.c_char * len(buffer)).from_buffer(buffer))


def _call(number: int, *arguments: Any) -> int:
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        code = ctypes.get_errno()
        if code in (errno.EINTR, errno.EAGAIN, errno.EBUSY):
            return 0
        if number != _ENTER:
            raise QueueUnsupported(os.strerror(code))
        raise OSError(code, os.strerror(code))
    return result


def _close(*descriptors: int) -> None:
    for fd in descriptors:
        os.close(fd)
