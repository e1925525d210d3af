"""Rebalancing: which device holds which replica of which partition; moves few replicas and each for a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

import numpy as np

from swiftlite.ring.assignment import FORBIDDEN, Assignment, Longs, Mask
from swiftlite.ring.deal import deal
from swiftlite.ring.exchange import exchange
from swiftlite.ring.format import Device
from swiftlite.ring.rows import Rows
from swiftlite.ring.tier_index import LEVELS, NONE, Ints

_ATTEMPTS = 24
"""So often replicas that fit no offered device are offered others, before each is placed by itself."""


class Balancer:
    """One rebalance of one ring.

    A ring without assignments is dealt out (deal.py), which meets quotas and bounds exactly. In others the replicas that
    have no device are placed first, then single replicas move: those of partitions out of bounds, then those on devices
    over quota (exchange.py). A partition that may not move, or that moved already, keeps its replicas, and no move
    worsens a partition's spread.

    Many replicas at a time are offered the vacancies: as many places on each device as it lacks, in random order. Each
    takes the one it is offered if it fits, and the rest are offered others. What is left over looks at all devices.

    :param devices: all devices that may hold partitions; one of weight 0 is emptied
    :param rows: ``rows[replica][partition]``, a device id or what is none; changed in place
    :param may_move: for each partition, whether a replica that has a device may move
    :param overload: see ``targets.replica_targets``
    :raises RingError: when there are fewer devices with weight than replicas
    """

    def __init__(self, devices: Iterable[Device], rows: Rows, may_move: Mask, overload: float, random: Random) -> None:
        self.rows = rows
        self.assignment = Assignment(devices, rows, overload)
        self.may_move = may_move.copy()
        """Partitions of which a replica may still be taken from its device."""
        self.random = np.random.Generator(np.random.PCG64(random.getrandbits(128)))

    def run(self) -> None:
        """Assign what has no device, then improve what may move."""
        if (self.assignment.held == NONE).all():
            for population in self.assignment.populations:
                deal(self.assignment, population, self.random)
            self.assignment.recount()
        else:
            self._place()
            self._disperse()
            exchange(self.assignment, self.may_move, self.random)
        self.assignment.index.write(self.assignment.held, self.rows)

    def _move(self, parts: Longs, slots: Longs, targets: Ints) -> None:
        left = self.assignment.held[slots, parts] != NONE
        self.may_move[parts[left]] = False
        self.assignment.move(parts, slots, targets)

    # --- replicas without a device ---

    def _place(self) -> None:
        for slot, row in enumerate(self.rows):
            parts = self.random.permutation(np.flatnonzero(self.assignment.held[slot, : len(row)] == NONE))
            for _ in range(_ATTEMPTS):
                count = len(parts)
                parts = self._offer(parts, np.full(count, slot), self._vacancies(), self._is_home)
                if len(parts) == count:
                    break
            for part in parts:
                harm = self.assignment.harm_anywhere(part, NONE)
                self._settle(part, slot, harm)

    def _is_home(self, parts: Longs, leaving: Ints, entering: Ints) -> Mask:
        return self.assignment.homes(parts, entering)

    # --- partitions out of bounds ---

    def _disperse(self) -> None:
        """Move one replica of each partition of which some tier holds too many or too few."""
        assignment = self.assignment
        wrong, crowded = assignment.out_of_bounds()
        parts = self.random.permutation(np.flatnonzero(wrong & self.may_move))
        if not len(parts):
            return
        # From devices to be emptied, else from where most tiers are crowded, and there rather from the fuller devices.
        held = assignment.held[:, parts]
        urgent = np.where(held == NONE, NONE, crowded[:, parts] + LEVELS * assignment.weightless[held])
        # In proportion to what each has too much: the fullest first, all at once, would be emptied too far.
        beyond = np.maximum(assignment.surplus[held], 1e-3)
        order = np.lexsort((self.random.standard_exponential(held.shape) / beyond, -urgent), axis=0)
        slots = np.empty(assignment.held.shape, dtype=np.int64)
        slots[:, parts] = order
        # Only what is as urgent as the first is offered vacancies.
        equal = np.take_along_axis(urgent, order, axis=0) == urgent.max(axis=0)
        offers = slots.copy()
        offers[:, parts] = np.where(equal, order, order[0])
        for places in (self._vacancies, self._anywhere):
            for attempt in range(_ATTEMPTS):
                count = len(parts)
                parts = self._offer(parts, offers[attempt % len(offers), parts], places(), self._spreads)
                if attempt >= len(offers) and len(parts) == count:
                    break
        for part in parts:
            for slot in slots[:, part]:
                source = assignment.held[slot, part]
                if source != NONE and self._settle(part, slot, assignment.harm_anywhere(part, source), most=-1):
                    break

    def _spreads(self, parts: Longs, leaving: Ints, entering: Ints) -> Mask:
        better: Mask = (leaving != NONE) & (self.assignment.harm(parts, leaving, entering) < 0)
        return better

    # --- offers ---

    def _vacancies(self) -> Longs:
        """Each device as often as it lacks replicas, in random order."""
        lacking = np.maximum(-self.assignment.surplus, 0)
        return self.random.permutation(np.repeat(np.arange(len(lacking)), lacking))

    def _anywhere(self) -> Longs:
        """Each device as often as its quota says, in random order."""
        quotas = self.assignment.quotas[3]
        return self.random.permutation(np.repeat(np.arange(len(quotas)), quotas))

    def _offer(self, parts: Longs, slots: Longs, places: Longs, accept: Callable[[Longs, Ints, Ints], Mask]) -> Longs:
        """Offer each replica one place, while there are any; returns the partitions of those that stay, unoffered first."""
        count = min(len(parts), len(places))
        offered, slots, targets = parts[:count], slots[:count], places[:count].astype(np.int32)
        taken = accept(offered, self.assignment.held[slots, offered], targets)
        self._move(offered[taken], slots[taken], targets[taken])
        return np.concatenate([parts[count:], offered[~taken]])

    def _settle(self, part: int, slot: int, harm: Ints, most: int = FORBIDDEN - 1) -> bool:
        """Move one replica to where it does least harm, and there where there is most room; whether it moved."""
        least = harm.min()
        if least > most:
            return False
        best = self.assignment.neediest(np.flatnonzero(harm == least))
        target = best[self.random.integers(len(best))]
        self._move(np.array([part]), np.array([slot]), np.array([target], dtype=np.int32))
        return True
