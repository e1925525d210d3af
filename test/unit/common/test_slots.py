"""Slots: so many at once, over processes too, and none is lost with the process that held it."""

from __future__ import annotations

import os
import signal

import pytest

from swiftlite.common.slots import NoSlot, Slots


def test_so_many_at_once() -> None:
    slots = Slots(2)
    with slots.taken(), slots.taken():
        with pytest.raises(NoSlot):
            with slots.taken():
                pytest.fail("there were but two")
    with slots.taken(), slots.taken():
        pass


def test_as_many_as_anybody_wants() -> None:
    slots = Slots(0)
    with slots.taken(), slots.taken():
        pass


def test_a_killed_process_gives_its_slot_back() -> None:
    slots = Slots(1)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        with slots.taken():
            os.write(writer, b"x")
            signal.pause()
        os._exit(0)
    try:
        assert os.read(reader, 1) == b"x"
        with pytest.raises(NoSlot):
            with slots.taken():
                pytest.fail("the child has it")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)
    with slots.taken():
        pass
