"""swiftlite-ring-builder: makes rings from the command line, in the grammar of OpenStack Swift's builder."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from typing import Any, NamedTuple

from swiftlite.cli import ring_backups, ring_devices, ring_growth, ring_view, ring_writing
from swiftlite.cli.pipes import ends_unread
from swiftlite.cli.ring_command import ERROR, SUCCESS, WARNING, Command, CommandError, Number, pairs, selections
from swiftlite.cli.ring_devices import device_text
from swiftlite.cli.ring_growth import refuse_growing
from swiftlite.common.fs import FileSystem
from swiftlite.ring import format
from swiftlite.ring.builder import RingBuilder
from swiftlite.ring.format import RingError

LOCK_TIMEOUT = 15.0
"""Seconds that a safe run waits for another."""

# --- the builder itself ---


def create(command: Command) -> int:
    """Make a builder file."""
    part_power, replicas, min_part_hours = command.plain(3)
    command.builder = RingBuilder(
        command.number(int, part_power, "part power"),
        command.number(float, replicas, "replica count"),
        command.number(int, min_part_hours, "min_part_hours"),
    )
    command.keep_former()
    command.save()
    command.builder.save(command.backup_path(command.builder_file))
    return SUCCESS


def show(command: Command) -> int:
    """Show the ring's numbers, whether its file is current, and all devices."""
    command.plain(0)
    builder = command.builder
    devices = list(builder.present)
    regions = {device["region"] for device in devices}
    zones = {(device["region"], device["zone"]) for device in devices}
    width = builder.rows[0].itemsize if builder.rows else 2
    print(f"{command.builder_file}, build version {builder.version}, id {builder.id or '(none yet)'}")
    print(
        f"{builder.partition_count} partitions, {builder.replicas:f} replicas, {len(regions)} regions, "
        f"{len(zones)} zones, {len(devices)} devices, {width}-byte IDs, {builder.balance:.2f} balance, {builder.dispersion:.2f} dispersion"
    )
    remaining = timedelta(seconds=builder.seconds_until_move)
    print(f"A partition rests for {builder.min_part_hours} hours after a move ({remaining} remaining)")
    print(f"The overload factor is {builder.overload * 100:.2f}% ({builder.overload:f})")
    print(f"Ring file {command.ring_file} {_ring_state(command)}")
    weight = sum(device["weight"] for device in devices)
    share = builder.partition_count * builder.replicas / weight if weight else 0.0
    removed = {device["id"] for device in devices if builder.is_removed(device["id"])}
    print(f"\n{ring_view.tree(devices, share, removed, command.look)}")
    print(*("", *advice) if (advice := ring_growth.advice(builder)) else (), sep="\n", end="")
    return SUCCESS


def _ring_state(command: Command) -> str:
    if not os.path.exists(command.ring_file):
        return "not found: it has not been written yet"
    try:
        ring = format.load(command.ring_file)
    except RingError as error:
        return f"is invalid ({error})"
    return "is up-to-date" if ring == command.builder.ring_data() else "is obsolete"


def set_replicas(command: Command) -> int:
    """Change the number of replicas, with the next rebalance; it may have a fraction."""
    command.builder.set_replicas(command.number(float, command.plain(1)[0], "replica count"))
    command.save()
    print(f"The replica count is {command.builder.replicas:f} from the next rebalance on")
    return SUCCESS


def set_min_part_hours(command: Command) -> int:
    """Change for how many hours a partition rests after a move."""
    command.builder.set_min_part_hours(command.number(int, command.plain(1)[0], "min_part_hours"))
    command.save()
    print(f"A partition now rests for {command.builder.min_part_hours} hours after a move")
    return SUCCESS


def set_overload(command: Command) -> int:
    """Let devices hold more than their share by weight where that spreads replicas wider."""
    (text,) = command.plain(1)
    overload = command.number(float, text.rstrip("%"), "overload") * (0.01 if text.endswith("%") else 1)
    command.builder.set_overload(overload)
    command.save()
    print(f"The overload factor is {overload * 100:.2f}% ({overload:f}) from the next rebalance on")
    if overload > 1 and not text.endswith("%"):
        print(f"Warning: that is more than 100%; did you mean {text}%?")
        return WARNING
    return SUCCESS


def pretend_min_part_hours_passed(command: Command) -> int:
    """Let the next rebalance move anything; data may be out of reach until replication has caught up."""
    command.plain(0)
    command.builder.pretend_min_part_hours_passed()
    command.save()
    return SUCCESS


# --- devices ---


def add(command: Command) -> int:
    """Add devices; they get partitions with the next rebalance."""
    parser = command.parser()
    ring_devices.add_device_options(parser)
    parser.add_argument("words", nargs="*")
    options = parser.parse_intermixed_args(command.arguments)
    described = ring_devices.checked(ring_devices.criteria_of(options))
    if bool(described) == bool(options.words) or len(options.words) % 2:
        parser.error("give devices each followed by its weight, or one device by options")
    devices = [described] if described else []
    for text, weight in pairs(options.words):
        device = ring_devices.parse_device(text)
        if device["region"] is None:
            print(f"Warning: {text} names no region; taking region 1", file=sys.stderr)
            device["region"] = 1
        devices.append({**device, "weight": command.number(float, weight, "weight")})
    refuse_growing(command.builder)
    for device in devices:
        device_id = command.builder.add_device(device)
        added = command.builder.devices[device_id]
        assert added is not None
        print(f"Device {device_text(added)} with weight {added['weight']} got id {device_id}")
    command.save()
    return SUCCESS


def remove(command: Command) -> int:
    """Take devices out, with the next rebalance."""
    refuse_growing(command.builder)
    for _, devices in selections(command, values=0, question="remove"):
        for device in devices:
            command.builder.remove_device(device["id"])
            print(f"{device_text(device)} is marked for removal and goes with the next rebalance")
    command.save()
    return SUCCESS


def set_weight(command: Command) -> int:
    """Change how much devices hold, with the next rebalance; 0 drains them."""
    return _set_number(command, float, "weight", command.builder.set_weight)


def set_region(command: Command) -> int:
    """Say that devices stand in another region."""
    return _set_number(command, int, "region", command.builder.set_region)


def set_zone(command: Command) -> int:
    """Say that devices stand in another zone."""
    return _set_number(command, int, "zone", command.builder.set_zone)


def _set_number(command: Command, kind: type[Number], name: str, change: Callable[[int, Any], None]) -> int:
    for text, devices in selections(command, values=1, question=f"change the {name} of"):
        value = command.number(kind, text, name)
        for device in devices:
            change(device["id"], value)
            print(f"{device_text(device)} {name} set to {device[name]}")
    command.save()
    return SUCCESS


def set_info(command: Command) -> int:
    """Change addresses, names and notes of devices; write_ring tells the servers."""
    for text, devices in selections(command, values=1, question="change", by_options=True):
        change = ring_devices.parse_change(text) if isinstance(text, str) else text
        for device in devices:
            before = device_text(device)
            command.builder.set_info(device["id"], change)
            print(f"Device {before} is now {device_text(device)}")
    command.save()
    return SUCCESS


def search(command: Command) -> int:
    """Show some devices."""
    found = [device for _, devices in selections(command, values=0) for device in devices]
    print(ring_devices.device_table(found, command.builder.balances(), command.builder.is_removed))
    return SUCCESS


def list_parts(command: Command) -> int:
    """List the partitions of some devices, and how many of these hold each."""
    builder = command.builder
    if not builder.rows:
        raise CommandError(f"{command.builder_file} has no assignments; rebalance it first")
    wanted = {device["id"] for _, devices in selections(command, values=0) for device in devices}
    counts = Counter(part for row in builder.rows for part, device_id in enumerate(row) if device_id in wanted)
    print("Partition   Matches")
    for part, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        print(f"{part:9}   {count:7}")
    return SUCCESS


# --- checks ---


def validate(command: Command) -> int:
    """Check the assignments."""
    command.plain(0)
    command.builder.validate()
    return SUCCESS


def dispersion(command: Command) -> int:
    """Report which failure domains hold too many replicas of a partition."""
    parser = command.parser()
    parser.add_argument("--recalculate", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("pattern", nargs="?")
    options = parser.parse_intermixed_args(command.arguments)
    builder = command.builder
    if not builder.rows:
        raise CommandError(f"{command.builder_file} has no assignments; rebalance it first")
    if options.recalculate:
        builder.measure_dispersion()
        command.save()
    lines = builder.dispersion_report(options.pattern)
    print(
        f"Dispersion is {builder.dispersion:f}, Balance is {builder.balance:f}, Overload is {builder.overload * 100:.2f}%"
    )
    print(f"Required overload is {builder.required_overload() * 100:f}%")
    worst = max(lines, key=lambda line: line.dispersion, default=None)
    if worst and worst.dispersion:
        print(f"Worst tier is {worst.dispersion:f} ({worst.name})")
    if options.verbose and lines:
        width = max(len(line.name) for line in lines)
        print(f"{'Tier':{width}} {'Parts':>10} {'%':>6} {'Max':>4}", *(f"{n:>9}" for n in range(len(lines[0].counts))))
        for line in lines:
            counts = (f"{count:>9}" for count in line.counts)
            print(f"{line.name:{width}} {line.placed:>10} {line.dispersion:>6.2f} {line.most:>4}", *counts)
    return WARNING if worst and worst.dispersion else SUCCESS


# --- the command line ---


class Entry(NamedTuple):
    """A command of the table: what runs it, and its arguments; the function's docstring says what it is for."""

    run: Callable[[Command], int]
    usage: str = ""


_DEVICES = "<search value>... | <device options> [--yes]"
_DEVICES_TO = "(<search value> <{0}>)... | <device options> <{0}> [--yes]"

COMMANDS = {
    "default": Entry(show),
    "create": Entry(create, "<part power> <replicas> <min part hours>"),
    "add": Entry(add, "(<device> <weight>)... | <device options>"),
    "remove": Entry(remove, _DEVICES),
    "set_weight": Entry(set_weight, _DEVICES_TO.format("weight")),
    "set_region": Entry(set_region, _DEVICES_TO.format("region")),
    "set_zone": Entry(set_zone, _DEVICES_TO.format("zone")),
    "set_info": Entry(
        set_info,
        "(<search value> [<ip>][:<port>][R<ip>:<port>][/<device>][_<meta>])... | <device options> "
        "--change-{ip,port,replication-ip,replication-port,device,meta} <value>... [--yes]",
    ),
    "set_replicas": Entry(set_replicas, "<replicas>"),
    "set_min_part_hours": Entry(set_min_part_hours, "<hours>"),
    "set_overload": Entry(set_overload, "<overload>[%]"),
    "rebalance": Entry(ring_writing.rebalance, "[<seed>] [--seed <seed>] [--force] [--format-version {1,2}]"),
    "validate": Entry(validate),
    "write_ring": Entry(ring_writing.write_ring, "[--format-version {1,2}] [--dev-id-bytes {2,4}]"),
    "take_back": Entry(ring_backups.take_back, "[--since <seconds>] [--dry-run]"),
    "write_builder": Entry(ring_writing.write_builder, "[<min part hours>]"),
    "search": Entry(search, _DEVICES),
    "list_parts": Entry(list_parts, _DEVICES),
    "dispersion": Entry(dispersion, "[<pattern>] [--verbose] [--recalculate]"),
    "version": Entry(ring_writing.version),
    "pretend_min_part_hours_passed": Entry(pretend_min_part_hours_passed),
    "prepare_increase_partition_power": Entry(ring_growth.prepare_increase_partition_power),
    "increase_partition_power": Entry(ring_growth.increase_partition_power),
    "cancel_increase_partition_power": Entry(ring_growth.cancel_increase_partition_power),
    "finish_increase_partition_power": Entry(ring_growth.finish_increase_partition_power),
}


@ends_unread
def main(argv: list[str], *, is_safe: bool = False) -> int:
    """Run one command.

    :param argv: builder (or ring) file, command, its arguments
    :param is_safe: whether to keep others that are, too, away from the builder file's directory meanwhile
    :returns: 0 done, 1 done or left undone with a warning, 2 error
    """
    if not argv or argv[0] in ("-h", "--help"):
        _usage()
        return SUCCESS
    path, name, *arguments = [*argv, "default"] if len(argv) == 1 else argv
    builder_file = path.removesuffix(".ring.gz") + ".builder" if path.endswith(".ring.gz") else path
    if builder_file != path and name not in ("version", "write_builder"):
        print(f"Note: using {builder_file} instead of {path} as builder file")
    if name not in COMMANDS:
        print(f"Unknown command: {name}; run swiftlite-ring-builder without arguments for a list", file=sys.stderr)
        return ERROR
    lock_file = os.path.join(os.path.dirname(os.path.abspath(builder_file)), ".lock")
    try:
        with FileSystem().lock(lock_file, LOCK_TIMEOUT) if is_safe else nullcontext():
            return COMMANDS[name].run(Command(name, COMMANDS[name].usage, builder_file, arguments))
    except SystemExit as stop:  # argparse has said why
        return ERROR if stop.code else SUCCESS
    except re.error as error:
        print(f"{error.pattern!r} is not a regular expression: {error}", file=sys.stderr)
        return ERROR
    except BrokenPipeError:
        raise
    except (CommandError, RingError, ValueError, OSError) as error:
        print(_in_words(error), file=sys.stderr)
        return ERROR


def _in_words(error: Exception) -> str:
    """An error in one line; of a file that cannot be replaced its name, and not that of the new one beside it."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{re.sub(r'[.][0-9a-f]{32}[.]tmp$', '', os.fspath(error.filename))}: {error.strerror}"
    return str(error)


def safe_main(argv: list[str]) -> int:
    """:func:`main` for ``swiftlite-ring-builder-safe``."""
    return main(argv, is_safe=True)


def _usage() -> None:
    print("swiftlite-ring-builder <builder file> [<command> [<arguments>]]\n")
    for name, entry in COMMANDS.items():
        print(f"  {name} {entry.usage}".rstrip() + f"\n      {entry.run.__doc__}")
    print(f"\n{ring_devices.SYNTAX}\nExit codes: 0 success, 1 warning, 2 error")
