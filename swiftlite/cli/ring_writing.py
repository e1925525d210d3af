"""The ring builder's commands that make rings and files: rebalance, write_ring, write_builder, version."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from datetime import timedelta

from swiftlite.cli import ring_backups, ring_view
from swiftlite.cli.ring_command import SUCCESS, WARNING, Command, CommandError
from swiftlite.cli.ring_devices import device_text
from swiftlite.cli.ring_growth import refuse_growing
from swiftlite.cli.ring_view import Outlook, Quality
from swiftlite.ring import format, moves
from swiftlite.ring.builder import MAX_BALANCE, RingBuilder, write_file
from swiftlite.ring.format import RingData

DEFAULT_MIN_PART_HOURS = 24


def rebalance(command: Command) -> int:
    """Assign partitions to devices, and write the ring."""
    parser = _ring_parser(command)
    parser.add_argument("-f", "--force", action="store_true")
    parser.add_argument("-s", "--seed")
    parser.add_argument("-d", "--debug", action="store_true")  # accepted for scripts: there is nothing more to tell
    parser.add_argument("seed_word", nargs="?")
    options = parser.parse_intermixed_args(command.arguments)
    builder = command.builder
    refuse_growing(builder)
    changed, before = builder.devices_changed, _quality(builder)
    rows, names = [row[:] for row in builder.rows], {device["id"]: device_text(device) for device in builder.present}
    moved, _, removed = builder.rebalance(options.seed or options.seed_word)
    after = _quality(builder)
    if not (moved or removed or options.force):
        remaining = timedelta(seconds=builder.seconds_until_move)
        is_waiting = builder.seconds_until_move and (_is_unfinished(builder) or after.dispersion > 0)
        reason = f"partitions rest for another {remaining}" if is_waiting else "there is no need"
        print(f"No partition was reassigned: {reason}")
        return WARNING
    better = abs(before.balance - after.balance) >= 1 or abs(before.dispersion - after.dispersion) >= 1
    draining = before.balance == after.balance == MAX_BALANCE
    if not (changed or better or draining or options.force):
        print("Not saved: the rebalance would change less than 1%; --force saves it anyway")
        return WARNING
    builder.validate()
    # Before a word is said: whoever reads it may go away in the midst of it.
    _write(command, builder.ring_data(), options.format_version)
    command.save()
    percent = 100.0 * moved / builder.partition_count
    print(
        f"Reassigned {moved} ({percent:.2f}%) partitions. Balance is now {after.balance:.2f}. "
        f"Dispersion is now {after.dispersion:.2f}"
    )
    report = ring_view.moves_report(moves.compare(rows, builder.rows, builder.present), before, after, names)
    print(*report, sep="\n", end="\n" if report else "")
    return _advise(builder, command)


def _is_unfinished(builder: RingBuilder) -> bool:
    """Whether some device should get more."""
    return any(device["parts_wanted"] > 0 for device in builder.present)


def _quality(builder: RingBuilder) -> Quality:
    return Quality(builder.balance, builder.dispersion)


def _advise(builder: RingBuilder, command: Command) -> int:
    """Say what to do next, and warn when the ring is not as it should be in the end."""
    quality = _quality(builder)
    required = builder.required_overload() if quality.dispersion else 0.0
    unfinished, ring_file = _is_unfinished(builder), command.ring_file
    outlook = Outlook(quality, builder.overload, required, builder.min_part_hours, unfinished, ring_file)
    print(*ring_view.wrapped(ring_view.next_steps(outlook), command.look), sep="\n")
    return WARNING if quality.dispersion > 0 or outlook.is_out_of_balance else SUCCESS


def write_ring(command: Command) -> int:
    """Write the ring file again, after set_info for example."""
    parser = _ring_parser(command)
    parser.add_argument("--dev-id-bytes", choices=["2", "4"])
    options = parser.parse_args(command.arguments)
    if not any(command.builder.present):
        raise CommandError(f"{command.builder_file} has no devices: there is no ring to write")
    if not command.builder.rows:
        raise CommandError(f"{command.builder_file} has no assignments; rebalance it first")
    ring = command.builder.ring_data()
    if options.dev_id_bytes:
        ring = format.widened(ring, int(options.dev_id_bytes))
    _write(command, ring, options.format_version)
    return SUCCESS


def _ring_parser(command: Command) -> argparse.ArgumentParser:
    parser = command.parser()
    parser.add_argument("--format-version", type=int, choices=sorted(format.DUMPS), default=1)
    return parser


def _write(command: Command, ring: RingData, format_version: int) -> None:
    """Write the ring file; before, dated copies of it and of the builder that it is made from."""
    content = format.DUMPS[format_version](ring, os.path.basename(command.ring_file).removesuffix(".gz"))
    ring_backups.keep(command, content)
    write_file(command.ring_file, content, mode=0o644)


def write_builder(command: Command) -> int:
    """Make a lost builder file anew from its ring file; which partitions have to rest is lost."""
    parser = command.parser()
    parser.add_argument("min_part_hours", nargs="?")
    text = parser.parse_args(command.arguments).min_part_hours
    if os.path.exists(command.builder_file):
        raise CommandError(f"{command.builder_file} is there; it is not overwritten")
    if text is None:
        print(
            f"Warning: taking min_part_hours {DEFAULT_MIN_PART_HOURS}, which may have been different", file=sys.stderr
        )
    hours = DEFAULT_MIN_PART_HOURS if text is None else command.number(int, text, "min_part_hours")
    command.builder = _builder_of(format.load(command.ring_file), hours)
    command.builder.measure_dispersion()
    command.save()
    with open(command.ring_file, "rb") as file:
        ring_backups.keep(command, file.read())
    return SUCCESS


def _builder_of(ring: RingData, min_part_hours: int) -> RingBuilder:
    parts = Counter(device_id for row in ring.rows for device_id in row)
    for device in ring.devices:
        if device is not None:
            device.update(parts=parts[device["id"]], parts_wanted=0)
    content = {
        "part_power": 32 - ring.part_shift,
        "next_part_power": ring.next_part_power,
        "replicas": float(ring.replicas),
        "min_part_hours": min_part_hours,
        "devs": ring.devices,
        "devs_changed": False,
        "dev_id_bytes": ring.rows[0].itemsize if ring.rows else 2,
        "version": ring.version or 0,
        "_replica2part2dev": ring.rows,
        "_last_part_moves_epoch": None,
        "_last_part_moves": None,
        "_remove_devs": [],
    }
    return RingBuilder.from_dict(content)


def version(command: Command) -> int:
    """Show the version of the ring file."""
    command.plain(0)
    ring = format.load(command.ring_file)
    width = ring.rows[0].itemsize if ring.rows else 2
    print(
        f"{command.ring_file}: Serialization version: {ring.format_version} ({width}-byte IDs), "
        f"build version: {ring.version}"
    )
    return SUCCESS
