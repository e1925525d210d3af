"""What the ring builder leaves in backups/, and its command that takes the last ring back."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from swiftlite.cli.ring_command import SUCCESS, WARNING, Command, CommandError
from swiftlite.ring import format
from swiftlite.ring.builder import RingBuilder, write_file
from swiftlite.ring.format import Device, RingData

_PLACE = ("ip", "port", "replication_ip", "replication_port", "device")


class Pair(NamedTuple):
    """A ring that was written, and the builder that it was made from.

    :ivar moment: seconds since the epoch
    """

    moment: int
    builder_file: str
    ring_file: str


def keep(command: Command, ring: bytes) -> None:
    """Leave a dated copy of the builder, and of the ring that was made from it, for :func:`take_back`.

    :param ring: the ring file's content
    """
    write_file(command.backup_path(command.ring_file), ring, mode=0o644)
    command.builder.save(command.backup_path(command.builder_file))


def take_back(command: Command) -> int:
    """Have ring and builder as they were before the last ring was written; servers learn of it like of any ring."""
    parser = command.parser()
    parser.add_argument("--since", help="leave it alone if the ring was written before: seconds since the epoch")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args(command.arguments)
    ring, kept = format.load(command.ring_file), pairs(command)
    if not kept or format.load(kept[0].ring_file) != ring:
        raise CommandError(f"{command.ring_file} is not the last one in backups/: nothing is taken back")
    if options.since is not None and kept[0].moment < command.number(float, options.since, "--since"):
        print(f"{command.ring_file} is left alone: it was written before")
        return WARNING
    before = _before(kept, ring)
    when = datetime.fromtimestamp(before.moment).isoformat(" ")
    if options.dry_run:
        print(f"{command.ring_file} would be that of {when} again")
        return SUCCESS
    if command.builder.ring_data() != ring:
        print(f"What was changed in {command.builder_file} since, and never written to a ring, is dropped")
    for source, path, mode in (
        (before.ring_file, command.ring_file, 0o644),
        (before.builder_file, command.builder_file, None),
    ):
        with open(source, "rb") as file:
            content = file.read()
        for place in (command.backup_path(path), path):
            write_file(place, content, mode)
    print(f"{command.ring_file} is that of {when} again; distribute it to all nodes")
    return SUCCESS


def pairs(command: Command) -> list[Pair]:
    """Rings in backups/ whose builders are there too, the newest first."""
    folder = command.backup_folder
    builder, ring = (os.path.basename(path) for path in (command.builder_file, command.ring_file))
    names = set(os.listdir(folder)) if os.path.isdir(folder) else set()
    moments = (int(name.partition(".")[0]) for name in names if re.fullmatch(rf"\d+\.{re.escape(ring)}", name))
    return [
        Pair(moment, f"{folder}/{moment}.{builder}", f"{folder}/{moment}.{ring}")
        for moment in sorted(moments, reverse=True)
        if f"{moment}.{builder}" in names
    ]


def _before(kept: list[Pair], ring: RingData) -> Pair:
    """The newest pair of another ring than the one in service.

    :raises CommandError: when there is none, or it may not be taken
    """
    for pair in kept:
        former = format.load(pair.ring_file)
        if former == ring:
            continue
        if RingBuilder.load(pair.builder_file).ring_data() != former:
            raise CommandError(f"{pair.ring_file} was not made from {pair.builder_file}: nothing is taken back")
        for reason in unlike(former, ring):
            raise CommandError(f"{pair.ring_file} cannot be taken back: {reason}")
        return pair
    raise CommandError("backups/ has no ring of before with its builder: nothing is taken back")


def unlike(former: RingData, ring: RingData) -> Iterator[str]:
    """Why servers that know a ring would look for data at wrong places, or not reach each other, by a former one."""
    if former.partition_count != ring.partition_count:
        yield f"it has {former.partition_count} partitions, and the ring in service {ring.partition_count}"
    if former.next_part_power != ring.next_part_power:
        yield "the partition power is being increased in one of them"
    for was, now in zip(former.devices, ring.devices):
        if was and now and _place(was) != _place(now):
            yield f"it has d{now['id']} at another address than the ring in service"


def _place(device: Device) -> list[object]:
    return [device.get(key) or device[key.removeprefix("replication_")] for key in _PLACE]
