"""Balancing: replicas go from devices over quota to devices under quota, from near to far, as few as that takes."""

from __future__ import annotations

import numpy as np

from swiftlite.ring.assignment import Assignment, Longs, Mask
from swiftlite.ring.tier_index import LEVELS, NONE, Ints

_ATTEMPTS = 24
_MOST_CANDIDATES = 1 << 22
_LEAST_BUDGET = 1 << 22
_CALL = 1000
"""What a look at a few candidates costs, counted in candidates of a look at many."""


def exchange(assignment: Assignment, may_move: Mask, random: np.random.Generator) -> None:
    """Move replicas to where quotas want them, none so that its partition is spread worse.

    Devices over quota give to devices under quota of the same server first, then of the same zone, of the same region,
    and anywhere: what a tier lacks as a whole is all that comes from outside. Each replica that moves brings two devices
    one nearer to their quota, so no more move than must. What finds no place like that may go to a third device, which
    gives something else to one in need. Replicas that this rebalance has moved already go first: they move at no cost.

    :param may_move: partitions of which a replica may move; those of which one did are taken out
    """
    if not (assignment.surplus > 0).any():
        return
    for movable in (np.zeros_like(may_move), may_move):
        if not (movable.any() or (assignment.held != assignment.origin).any()):
            continue
        exchanger = _Exchanger(assignment, movable, random)
        for level in reversed(range(LEVELS)):
            exchanger.within(level)
        exchanger.by_thirds()
        exchanger.finish()


Replicas = tuple[Longs, Longs]
"""Slots and partitions: the replicas ``held[slots, parts]``."""


class _Exchanger:
    def __init__(self, assignment: Assignment, may_move: Mask, random: np.random.Generator) -> None:
        self.assignment = assignment
        self.may_move = may_move
        self.random = random
        self._stock = _Stock(assignment, may_move, random, assignment.surplus > 0)
        self._others: _Stock | None = None
        self._budget = max(assignment.held.size, _LEAST_BUDGET)
        """How many more candidates the search for the last few may look at."""

    def _move(self, parts: Longs, slots: Longs, targets: Ints) -> None:
        self.assignment.move(parts, slots, targets)
        self.may_move[parts] = False

    # --- many at a time ---

    def within(self, level: int) -> None:
        """Let devices give to others in the same tier of the level above."""
        groups = self.assignment.index.ancestors[level - 1, :-1]
        if not level:
            groups = np.zeros_like(groups)
        idle = 0
        for attempt in range(_ATTEMPTS):
            surplus = self.assignment.surplus
            over, under = np.maximum(surplus, 0), np.maximum(-surplus, 0)
            gives, takes = np.bincount(groups, over), np.bincount(groups, under)
            active = ((gives > 0) & (takes > 0))[groups]
            over, under = np.where(active, over, 0), np.where(active, under, 0)
            if not over.any():
                return
            slots, parts = self._stock.draw(over << attempt)
            if not self._match(slots, parts, groups, over, under):
                idle += 1
                if idle > 2 and (over << attempt >= self._stock.sizes)[over > 0].all():
                    return

    def _match(self, slots: Longs, parts: Longs, groups: Ints, over: Longs, under: Longs) -> int:
        """Offer candidates the vacancies of their group; returns how many moved."""
        shuffle = self.random.permutation(len(parts))
        slots, parts = slots[shuffle], parts[shuffle]
        vacancies = np.repeat(np.arange(len(under), dtype=np.int32), under)
        vacancies = self.random.permutation(vacancies)
        vacancies = vacancies[np.argsort(groups[vacancies], kind="stable")]
        counts = np.bincount(groups[vacancies], minlength=int(groups.max()) + 1)
        group = groups[self.assignment.held[slots, parts]]
        places = (np.cumsum(counts) - counts)[group] + _ranks(group) % counts[group]
        targets = vacancies[places]
        fits = np.flatnonzero(self.assignment.harm(parts, self.assignment.held[slots, parts], targets) <= 0)
        fits = fits[_first(parts[fits])]
        fits = fits[_first(places[fits])]
        givers = self.assignment.held[slots[fits], parts[fits]]
        fits = fits[_ranks(givers) < over[givers]]
        self._move(parts[fits], slots[fits], targets[fits])
        return len(fits)

    # --- over a third device, many at a time ---

    def by_thirds(self) -> None:
        """Let devices under quota take something from others, and these something from devices over quota."""
        for others in (self._fresh, self._settled):
            idle = 0
            for attempt in range(_ATTEMPTS):
                over = np.maximum(self.assignment.surplus, 0)
                if idle > 2 or not over.any():
                    break
                matched = self._match_by_thirds(others(attempt), self._stock.draw(over << attempt))
                idle = 0 if matched else idle + 1

    def _fresh(self, attempt: int = 0) -> Replicas:
        """All that was moved already: that it goes on is no further move."""
        fresh = self.random.permutation(np.flatnonzero(self.assignment.held != self.assignment.origin))
        slots, parts = np.divmod(fresh, self.assignment.held.shape[1])
        return slots, parts

    def _settled(self, attempt: int) -> Replicas:
        """Some of what stands on devices that hold neither too much nor too little."""
        if self._others is None:
            self._others = _Stock(self.assignment, self.may_move, self.random, self.assignment.surplus <= 0)
        slots, parts = self._others.draw(np.where(self.assignment.surplus == 0, 1 << attempt, 0))
        shuffle = self.random.permutation(len(parts))
        return slots[shuffle], parts[shuffle]

    def _match_by_thirds(self, theirs: Replicas, ours: Replicas) -> int:
        """Offer their replicas the vacancies, and the places of those that fit to ours; returns how many found one."""
        vacancies = self.random.permutation(np.flatnonzero(self.assignment.surplus < 0)).astype(np.int32)
        wanted = np.resize(vacancies, len(theirs[1]))
        onward = np.flatnonzero(self._harmless(theirs, wanted))
        if not (len(onward) and len(ours[1])):
            return 0
        shuffle = self.random.permutation(len(ours[1]))
        slots, parts = ours[0][shuffle], ours[1][shuffle]
        via = np.resize(onward, len(parts))
        passed_on, thirds = theirs[1][via], self.assignment.held[theirs[0][via], theirs[1][via]]
        givers = self.assignment.held[slots, parts]
        fits = np.flatnonzero(self._harmless((slots, parts), thirds) & (thirds != givers) & (wanted[via] != givers))
        fits = fits[_first(parts[fits])]
        fits = fits[_first(passed_on[fits])]
        fits = fits[~np.isin(parts[fits], passed_on[fits])]
        surplus = self.assignment.surplus
        fits = fits[_ranks(wanted[via[fits]]) < -surplus[wanted[via[fits]]]]
        fits = fits[_ranks(givers[fits]) < surplus[givers[fits]]]
        self._move(passed_on[fits], theirs[0][via[fits]], wanted[via[fits]])
        self._move(parts[fits], slots[fits], thirds[fits])
        return len(fits)

    def _harmless(self, replicas: Replicas, targets: Ints) -> Mask:
        slots, parts = replicas
        self._budget -= len(parts) + _CALL
        harmless: Mask = self.assignment.harm(parts, self.assignment.held[slots, parts], targets) <= 0
        return harmless

    # --- the last few ---

    def finish(self) -> None:
        """Look at everything for each vacancy that is left, as long as there are few enough."""
        for taker in self.random.permutation(np.flatnonzero(self.assignment.surplus < 0)):
            while self.assignment.surplus[taker] < 0 and self._budget > 0:
                if not self._fill(taker, self._stock.all_on(self.assignment.surplus > 0)):
                    break

    def _fill(self, taker: int, ours: Replicas) -> bool:
        """Fill a vacancy, at best from some replicas that devices over quota can give."""
        if self._give(ours, taker):
            return True
        for theirs in (self._fresh(), self._settled(32)):
            onward = self._fitting(theirs, taker)
            devices = self.assignment.held[theirs[0][onward], theirs[1][onward]]
            for pick in onward[_first(devices)]:
                slot, part = theirs[0][pick : pick + 1], theirs[1][pick : pick + 1]
                third = int(self.assignment.held[slot, part][0])
                but = ours[1] != part
                if self._give((ours[0][but], ours[1][but]), third) or self._give_instead(third, int(part[0])):
                    self._move(part, slot, np.array([taker], dtype=np.int32))
                    return True
                if self._budget <= 0:
                    return False
        return False

    def _fitting(self, replicas: Replicas, taker: int) -> Longs:
        """Which of some replicas could go to a device."""
        return np.flatnonzero(self._harmless(replicas, np.full(len(replicas[1]), taker, dtype=np.int32)))

    def _give(self, ours: Replicas, taker: int) -> bool:
        """Move one of some replicas to a device, if any fits."""
        fits = self._fitting(ours, taker)[:1]
        if len(fits):
            self._move(ours[1][fits], ours[0][fits], np.array([taker], dtype=np.int32))
        return len(fits) > 0

    def _give_instead(self, device: int, but: int) -> bool:
        """Give a device a replica back, and in its place one of the same partition that stands on a device over quota."""
        held, origin = self.assignment.held, self.assignment.origin
        slots, parts = self._fresh()
        returning = (origin[slots, parts] == device) & (parts != but)
        slots, parts = slots[returning], parts[returning]
        for other in range(len(held)):
            givers = held[other, parts]
            fits = self._harmless((np.full_like(parts, other), parts), np.full(len(parts), device, dtype=np.int32))
            fits &= (givers != NONE) & (givers == origin[other, parts]) & (other != slots)
            fits &= self.assignment.surplus[givers] > 0
            for pick in np.flatnonzero(fits)[:1]:
                part, back = parts[pick : pick + 1], slots[pick : pick + 1]
                target = held[back, part]
                self._move(part, back, np.array([device], dtype=np.int32))
                self._move(part, np.array([other]), target)
                return True
        return False


class _Stock:
    """The replicas on some devices that may move, by device and there in random order.

    :param devices: for each device whether it is one of them
    """

    def __init__(self, assignment: Assignment, may_move: Mask, random: np.random.Generator, devices: Mask) -> None:
        self._held = assignment.held
        self._may_move = may_move
        self._origin = assignment.origin
        wanted = np.append(devices, False)[self._held] & (may_move | (self._held != self._origin))
        items = random.permutation(np.flatnonzero(wanted.ravel()))
        owners = self._held.ravel()[items]
        if len(assignment.index) < 1 << 16:
            owners = owners.astype(np.uint16)  # type: ignore[assignment]  # which numpy sorts in linear time
        self._items = items[np.argsort(owners, kind="stable")]
        self.sizes = np.bincount(owners, minlength=len(assignment.index))
        self._starts = np.cumsum(self.sizes) - self.sizes
        self._drawn = np.zeros_like(self.sizes)

    def draw(self, counts: Longs) -> Replicas:
        """The next so many of each device, slots and partitions; in the end the first again. What moved is left out."""
        counts = np.minimum(counts, self.sizes)
        if counts.sum() > _MOST_CANDIDATES:
            counts = counts * _MOST_CANDIDATES // counts.sum() + 1
            counts = np.minimum(counts, self.sizes)
        owners = np.repeat(np.arange(len(counts)), counts)
        within = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
        places = self._starts[owners] + (self._drawn[owners] + within) % self.sizes[owners]
        self._drawn += counts
        return self._present(self._items[places], owners)

    def all_on(self, devices: Mask) -> Replicas:
        """Slots and partitions of all that some devices hold."""
        return self.draw(np.where(devices, self.sizes, 0))

    def _present(self, items: Longs, owners: Longs) -> Replicas:
        slots, parts = np.divmod(items, self._held.shape[1])
        movable = self._may_move[parts] | (self._origin[slots, parts] != owners)
        there = movable & (self._held[slots, parts] == owners)
        return slots[there], parts[there]


def _first(values: Longs | Ints) -> Longs:
    """Where each value occurs first, in order of place."""
    return np.sort(np.unique(values, return_index=True)[1])


def _ranks(values: Longs | Ints) -> Longs:
    """For each place how often its value occurs before."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[order] = np.arange(len(values)) - np.repeat(starts, np.diff(np.append(starts, len(values))))
    return ranks
