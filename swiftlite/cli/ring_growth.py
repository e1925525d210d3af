"""The ring builder's commands that increase a ring's partition power, step by step."""

from __future__ import annotations

import os
from collections.abc import Callable

from swiftlite.cli.ring_command import SUCCESS, Command, CommandError
from swiftlite.ring import part_power
from swiftlite.ring.builder import RingBuilder
from swiftlite.ring.part_power import Content

WRITE = "Write the ring now (write_ring), and distribute it to all nodes."
RELINK = (
    'Then run "swiftlite-object-relinker relink" on all of them, and increase_partition_power when all have ended well.'
)
CLEAN = 'Then run "swiftlite-object-relinker cleanup" on all of them, and finish_increase_partition_power when all have ended well.'  # fmt: skip


def prepare_increase_partition_power(command: Command) -> int:
    """Announce that the partition power grows by one: from then on writes are linked to their future places."""
    command.plain(0)
    if "object" not in os.path.basename(command.builder_file):
        raise CommandError("The partition power of object rings alone can be increased")
    _step(command, part_power.prepared)
    print(f"The next partition power is {command.builder.next_part_power}\n{WRITE}\n{RELINK}")
    return SUCCESS


def increase_partition_power(command: Command) -> int:
    """Double the partitions, after all objects have been relinked."""
    command.plain(0)
    _step(command, part_power.increased)
    print(f"The partition power is {command.builder.part_power}\n{WRITE}\n{CLEAN}")
    return SUCCESS


def cancel_increase_partition_power(command: Command) -> int:
    """Take back the announcement; the links that were made have to be cleaned up."""
    command.plain(0)
    _step(command, part_power.cancelled)
    print(f"The partition power stays {command.builder.part_power}\n{WRITE}\n{CLEAN}")
    return SUCCESS


def finish_increase_partition_power(command: Command) -> int:
    """End the increase, after all old places have been cleaned up; replication goes on then."""
    command.plain(0)
    _step(command, part_power.finished)
    print(f"The partition power is {command.builder.part_power}\n{WRITE}")
    return SUCCESS


def _step(command: Command, step: Callable[[Content], Content]) -> None:
    command.builder = RingBuilder.from_dict(step(command.builder.to_dict()))
    command.save()


def advice(builder: RingBuilder) -> list[str]:
    """What to do next about an increase that is under way; nothing when there is none."""
    content = builder.to_dict()
    if part_power.is_prepared(content):
        return [f"The partition power is going to be {builder.next_part_power}", WRITE, RELINK]
    if part_power.is_to_be_cleaned(content):
        return [f"The partition power is {builder.part_power}, and old places are to be cleaned up", WRITE, CLEAN]
    return []


def refuse_growing(builder: RingBuilder) -> None:
    """Refuse what must not be done meanwhile.

    :raises CommandError: while the partition power is being increased
    """
    if builder.next_part_power:
        raise CommandError("The partition power is being increased; finish that first")
