"""What the ring builder shows a person: the tree of devices, what a rebalance moved, what to do next. Pure text."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil

from swiftlite.core.hosts import spell_address
from swiftlite.ring.builder import MAX_BALANCE
from swiftlite.ring.format import Device
from swiftlite.ring.moves import Moves

BALANCE_WORTH_A_WARNING = 5.0
"""Percent by which the worst device may be off its share by weight before the operator hears of it."""
SHARE_CELLS, EXCESS_CELLS = 10, 5
"""Length of a bar up to a device's share, and beyond it."""
SHOWN_DEVICES = 10
"""Devices that a report of moves names one by one."""


@dataclass(frozen=True)
class Look:
    """Where the text is going to be read.

    :param width: columns of the terminal; None: lines may be as long as they like
    :param is_plain: whether ASCII must do, in a pipe for example
    """

    width: int | None = None
    is_plain: bool = True


# --- the tree ---


@dataclass(frozen=True)
class _Line:
    """One line of the tree: a region, zone, server or device."""

    label: str
    id: str
    weight: float
    parts: int
    notes: str = ""


def tree(devices: Iterable[Device], share: float, removed: Collection[int], look: Look) -> str:
    """All devices below their servers, zones and regions.

    :param share: partitions that belong to a weight of 1
    :param removed: ids of devices that go with the next rebalance: flagged ``DEL``
    """
    table = [("device", "id", "weight", "partitions", "balance", "", "")]
    for line in _lines(sorted(devices, key=_place), removed):
        balance = balance_of(line.parts, line.weight, share)
        picture = bar(balance, look.is_plain) if line.weight or line.parts else ""
        numbers = (f"{line.weight:.2f}", str(line.parts), f"{balance:.2f}%")
        table.append((line.label, line.id, *numbers, picture, line.notes))
    return "\n".join(_fitted(table, look))


def _place(device: Device) -> tuple[int, int, str, str, int]:
    return device["region"], device["zone"], device["ip"], device["device"], device["port"]


def _lines(devices: Sequence[Device], removed: Collection[int]) -> Iterator[_Line]:
    for region, in_region in _groups(devices, lambda device: device["region"]):
        yield _summed(f"region {region}", in_region)
        for zone, in_zone in _groups(in_region, lambda device: device["zone"]):
            yield _summed(f"  zone {zone}", in_zone)
            for ip, in_server in _groups(in_zone, lambda device: device["ip"]):
                yield _summed(f"    {ip}", in_server)
                for device in in_server:
                    label = f"      :{device['port']}/{device['device']}"
                    notes = _notes(device, device["id"] in removed)
                    yield _Line(label, str(device["id"]), device["weight"], device["parts"], notes)


def _groups(devices: Sequence[Device], key: Callable[[Device], object]) -> Iterator[tuple[object, list[Device]]]:
    return ((name, list(group)) for name, group in groupby(devices, key))


def _summed(label: str, devices: Sequence[Device]) -> _Line:
    return _Line(label, "", sum(device["weight"] for device in devices), sum(device["parts"] for device in devices))


def _notes(device: Device, is_removed: bool) -> str:
    address = device["replication_ip"], device["replication_port"]
    apart = f"R{spell_address(*address)}" if address != (device["ip"], device["port"]) else ""
    return " ".join(filter(None, ("DEL" if is_removed else "", apart, device["meta"])))


def _fitted(table: Sequence[tuple[str, ...]], look: Look) -> list[str]:
    """Aligned lines; where they are too long for a terminal the bars go first, then the ends of notes."""
    lines = _aligned(table)
    if look.width is not None and max(map(len, lines)) > look.width:
        lines = _aligned([(*row[:5], row[6]) for row in table])
    if look.width is not None:
        more = "..." if look.is_plain else "…"
        lines = [line if len(line) <= look.width else line[: look.width - len(more)] + more for line in lines]
    return lines


def _aligned(table: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *map(str.rjust, row[1:5], widths[1:5]), *map(str.ljust, row[5:], widths[5:])]
        ).rstrip()
        for row in table
    ]


def balance_of(parts: int, weight: float, share: float) -> float:
    """How far, in percent, something is from its share by weight."""
    if not weight * share:
        return MAX_BALANCE if parts else 0.0
    return 100.0 * parts / (weight * share) - 100.0


def bar(balance: float, is_plain: bool) -> str:
    """A picture of how full a device is: up to ``|`` it has its share."""
    full, empty = ("#", ".") if is_plain else ("█", "░")
    cells = max(round((100 + balance) / 100 * SHARE_CELLS), 0)
    excess = full * min(max(cells - SHARE_CELLS, 0), EXCESS_CELLS)
    return (full * min(cells, SHARE_CELLS)).ljust(SHARE_CELLS, empty) + "|" + excess.ljust(EXCESS_CELLS)


# --- a rebalance ---


@dataclass(frozen=True)
class Quality:
    """How good a ring is, in percent: 0 is best."""

    balance: float
    dispersion: float


_REASONS = (
    ("placed", "placed for the first time"),
    ("removed", "moved from devices that are removed"),
    ("drained", "moved from devices of weight 0"),
    ("spread", "moved to lie further apart"),
    ("balanced", "moved for balance"),
    ("dropped", "given up: there are fewer replicas now"),
)


def moves_report(moves: Moves, before: Quality, after: Quality, names: Mapping[int, str]) -> list[str]:
    """What a rebalance did.

    :param names: of devices by id, those of before as well
    """
    lines = [f"  {count:>9} replicas {text}" for key, text in _REASONS if (count := getattr(moves, key))]
    changes = Counter(moves.gained)
    changes.subtract(moves.lost)
    # A first placement says nothing of any device in particular.
    if moves.moved and (most := sorted(changes.items(), key=lambda item: (-abs(item[1]), item[0]))):
        shown = most[:SHOWN_DEVICES]
        lines += [f"  {count:>+9} {names.get(device_id, f'd{device_id}')}" for device_id, count in shown if count]
        others = sum(bool(count) for _, count in most[SHOWN_DEVICES:])
        lines += [f"            and {others} other devices"] if others else []
    if moves.moved:
        lines.append(f"  Balance was {before.balance:.2f}, is {after.balance:.2f}; ")
        lines[-1] += f"dispersion was {before.dispersion:.2f}, is {after.dispersion:.2f}"
    return lines


@dataclass(frozen=True)
class Outlook:
    """What the next step depends on.

    :param overload: a fraction, as ``required_overload``
    :param is_unfinished: whether devices still want partitions
    """

    quality: Quality
    overload: float
    required_overload: float
    min_part_hours: int
    is_unfinished: bool
    ring_file: str

    @property
    def is_out_of_balance(self) -> bool:
        """Whether it is worth a warning."""
        return self.quality.balance > max(BALANCE_WORTH_A_WARNING, self.overload * 100)


def next_steps(outlook: Outlook) -> list[str]:
    """What to do after a rebalance."""
    steps = [f"Distribute {outlook.ring_file} to all nodes."]
    again = f"wait for at least {outlook.min_part_hours} hours and until replication has caught up, and rebalance again"
    if outlook.quality.dispersion > 0:
        steps.append(f"{outlook.quality.dispersion:.2f}% of replicas are too close together: ")
        if outlook.required_overload > outlook.overload:
            percent = ceil(outlook.required_overload * 1000) / 10
            steps[-1] += (
                f"add devices where there are few, or allow more overload (set_overload {percent:g}% is enough); "
            )
        steps[-1] += f"{again}."
    elif outlook.is_out_of_balance and outlook.is_unfinished:
        steps.append(f"The balance can improve: {again}.")
    elif outlook.is_out_of_balance:
        steps.append("The balance cannot improve: some weights are too great for replicas to lie apart; change them.")
    return steps


def wrapped(sentences: list[str], look: Look) -> list[str]:
    """Lines of sentences that a terminal can show whole; others get each as it is."""
    if look.width is None:
        return sentences
    return [line for sentence in sentences for line in textwrap.wrap(sentence, look.width, subsequent_indent="  ")]
