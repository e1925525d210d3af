"""Rebalancing: which device holds which replica of which partition, pure; moves few replicas and each for a reason."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from math import ceil, floor
from random import Random

from swiftlite.ring.format import Device
from swiftlite.ring.targets import Targets, Tier, build_tree, plan, quotas

Rows = list["array[int]"]
Counts = dict[Tier, int]
"""How many replicas of one partition stand in each tier; tiers without any are left out."""


class Balancer:
    """One rebalance of one ring.

    Every tier gets a quota by weight, spread and overload (targets.py), and of every partition it should hold its average
    rounded down or up. A ring without assignments is dealt out by systematic sampling, which meets both exactly. In
    others the replicas that have no device are placed first, then single replicas move: those that stand too close
    together, then those on tiers over quota, wider tiers before narrower, over a third tier if need be. A partition that may not move, or that moved
    already, keeps its replicas, and no move worsens a partition's spread.

    :param devices: all devices that may hold partitions; one of weight 0 is emptied
    :param rows: ``rows[replica][partition]``, a device id or ``unassigned``; changed in place
    :param may_move: for each partition, whether a replica that has a device may move
    :param overload: see ``replica_targets``
    :raises RingError: when there are fewer devices with weight than replicas
    """

    def __init__(
        self,
        devices: Iterable[Device],
        rows: Rows,
        unassigned: int,
        may_move: bytearray,
        overload: float,
        random: Random,
    ) -> None:
        self.rows = rows
        self.unassigned = unassigned
        self.may_move = may_move
        self.random = random
        self.root, self.paths = build_tree(devices)
        self.moved: set[int] = set()
        """Partitions of which a replica was taken from its device."""
        self._tiers = list(self.root.walk())
        whole, extra = len(rows[0]), len(rows[-1])
        populations = {len(rows): range(extra), len(rows) - 1: range(extra, whole)}
        replicas = Fraction(sum(map(len, rows)), whole)
        self._populations = [
            (populations[count], count, self._enter(targets, populations[count], count))
            for count, targets in plan(self.root, replicas, overload).items()
        ]
        """Partitions that have equally many replicas: which, how many, and what each tier shall hold of them."""

    def run(self) -> None:
        """Assign what has no device, then improve what may move."""
        if all(device_id == self.unassigned for row in self.rows for device_id in row):
            for parts, replicas, quota in self._populations:
                self._deal(parts, replicas, quota)
            self._count_loads()
            return
        self._count_loads()
        self._place_unassigned()
        self._disperse()
        for level in range(4):
            self._level(level)

    # --- the plan ---

    def _enter(self, targets: Targets, parts: range, replicas: int) -> dict[Tier, int]:
        """Add to every tier's quota, and note the bounds of a partition with so many replicas; returns the quotas."""
        result = quotas(self.root, targets, len(parts))
        for tier, quota in result.items():
            tier.quota += quota
            tier.bounds[replicas] = floor(targets[tier]), ceil(targets[tier])
        return result

    # --- a ring without assignments ---

    def _deal(self, parts: range, replicas: int, quota: dict[Tier, int]) -> None:
        """Fill the quotas exactly, each partition spread as its targets say.

        Systematic sampling: the tiers stand side by side on a line, each as long as what is left of its quota, and
        points at equal distances pick the devices. A tier of length t and points at distance d hold floor or ceil of
        t/d; that stays true as both shrink together. The order on the line is new for each partition, so that a
        device does not share all its partitions with the same few others.
        """
        for tier, count in quota.items():
            tier.left = count
        for done, part in enumerate(parts):
            distance = len(parts) - done
            start = self.random.randrange(distance)
            chosen: list[int] = []
            self._pick(self.root, [start + i * distance for i in range(replicas)], chosen)
            # Any device may hold the first replica: that is the one asked first.
            self.random.shuffle(chosen)
            for row, device_id in zip(self.rows, chosen, strict=False):
                row[part] = device_id
                for tier in self.paths[device_id]:
                    tier.left -= 1

    def _pick(self, tier: Tier, points: list[int], chosen: list[int]) -> None:
        """Append the devices under ``tier`` at which the points lie; points count from the tier's start."""
        children = tier.children
        if not children:
            chosen.append(tier.device_id)
            return
        if len(children) > 1:
            self.random.shuffle(children)
        start = 0
        for child in children:
            end = start + child.left
            inside = [point - start for point in points if start <= point < end]
            if inside:
                self._pick(child, inside, chosen)
            start = end

    # --- the books ---

    def _count_loads(self) -> None:
        for row in self.rows:
            for device_id in row:
                if device_id != self.unassigned:
                    for tier in self.paths[device_id]:
                        tier.load += 1

    def _devices_of(self, part: int) -> list[int]:
        return [row[part] for row in self.rows if part < len(row) and row[part] != self.unassigned]

    def _replicas(self, part: int) -> int:
        return len(self.rows) if part < len(self.rows[-1]) else len(self.rows) - 1

    def _counts(self, devices: Iterable[int]) -> Counts:
        counts: Counts = {}
        for device_id in devices:
            for tier in self.paths[device_id]:
                counts[tier] = counts.get(tier, 0) + 1
        return counts

    def _set(self, part: int, row: array[int], device_id: int) -> None:
        row[part] = device_id
        for tier in self.paths[device_id]:
            tier.load += 1

    def _move(self, part: int, source: int, target: int) -> None:
        row = next(row for row in self.rows if row[part] == source)
        for tier in self.paths[source]:
            tier.load -= 1
        self._set(part, row, target)
        self.moved.add(part)

    # --- replicas without a device ---

    def _place_unassigned(self) -> None:
        for row in self.rows:
            for part, device_id in enumerate(row):
                if device_id == self.unassigned:
                    self._set(part, row, self._home(part))

    def _home(self, part: int) -> int:
        """The best device for one more replica: spread first, then the neediest."""
        counts = self._counts(self._devices_of(part))
        replicas = self._replicas(part)

        def worse(tier: Tier) -> tuple[int, int, int]:
            low, high = tier.bounds[replicas]
            count = counts.get(tier, 0)
            return max(count + 1 - high, 0), -(count < low), tier.load - tier.quota

        def free(tier: Tier) -> bool:
            return tier.capacity > counts.get(tier, 0)

        return next(self._search(self.root, free, worse)).device_id

    def _search(
        self, tier: Tier, fits: Callable[[Tier], bool], worse: Callable[[Tier], tuple[int, ...]]
    ) -> Iterator[Tier]:
        """Devices under ``tier`` all of whose tiers fit, the best first at every level."""
        if not tier.children:
            yield tier
            return
        candidates = [child for child in tier.children if fits(child)]
        if len(candidates) > 1:
            self.random.shuffle(candidates)
            candidates.sort(key=worse)
        for child in candidates:
            yield from self._search(child, fits, worse)

    # --- replicas too close together ---

    def _disperse(self) -> None:
        """Move one replica of each partition of which some tier holds too many or too few."""
        order = [part for part, may in enumerate(self.may_move) if may and part not in self.moved]
        self.random.shuffle(order)
        due = {n: [tier for tier in self._tiers[1:] if tier.bounds[n][0]] for _, n, _ in self._populations}
        for part in order:
            devices = self._devices_of(part)
            counts = self._counts(devices)
            replicas = self._replicas(part)
            crowded = {tier for tier, count in counts.items() if count > tier.bounds[replicas][1]}
            if not crowded and all(counts.get(tier, 0) >= tier.bounds[replicas][0] for tier in due[replicas]):
                continue
            # From where most tiers are crowded, and there from the fullest device.
            ranked = [(-sum(tier in crowded for tier in self.paths[i]), -self._excess(i), i) for i in devices]
            for _, _, source in sorted(ranked):
                target = self._less_crowded(part, counts, source, replicas)
                if target is not None:
                    self._move(part, source, target)
                    break

    def _excess(self, device_id: int) -> int:
        tier = self.paths[device_id][3]
        return tier.load - tier.quota

    def _less_crowded(self, part: int, counts: Counts, source: int, replicas: int) -> int | None:
        """The neediest device to which a replica can move so that the partition is spread better."""
        leaving = self.paths[source]

        def free(tier: Tier) -> bool:
            count = counts.get(tier, 0) - (tier in leaving)
            return tier.capacity > 0 and count < tier.bounds[replicas][1]

        def worse(tier: Tier) -> tuple[int, int]:
            count = counts.get(tier, 0) - (tier in leaving)
            return -(count < tier.bounds[replicas][0]), tier.load - tier.quota

        for leaf in self._search(self.root, free, worse):
            if self._harm(counts, leaving, self.paths[leaf.device_id], replicas) < 0:
                return leaf.device_id
        return None

    def _harm(self, counts: Counts, leaving: tuple[Tier, ...], entering: tuple[Tier, ...], replicas: int) -> int:
        """By how much a move worsens the spread of a partition: replicas out of bounds, over all tiers."""
        harm = 0
        for old, new in zip(leaving, entering, strict=True):
            if old is not new:
                for tier, step in ((old, -1), (new, 1)):
                    low, high = tier.bounds[replicas]
                    before = counts.get(tier, 0)
                    after = before + step
                    harm += max(after - high, low - after, 0) - max(before - high, low - before, 0)
        return harm

    # --- tiers over quota ---

    def _level(self, level: int) -> None:
        """Move replicas from tiers over quota to tiers under quota, all of one level: 0 regions … 3 devices."""
        if not self._over_quota(level):
            return
        held = self._movable_parts()
        for source, part in self._surplus(level, held):
            target = self._target(part, source, level, lambda tier: tier.load < tier.quota)
            if target is not None:
                self._move(part, source, target)
        # What is left over fits on no tier in need; a third tier may take it, and give something else to one in need.
        hopeless: set[Tier] = set()
        for source, part in self._surplus(level, held):
            target = self._target(part, source, level, lambda tier: tier.load == tier.quota and tier not in hopeless)
            if target is not None:
                between = self.paths[target][level]
                onward = self._onward(between, part, level, held)
                if onward is None:
                    hopeless.add(between)
                else:
                    self._move(*onward)
                    self._move(part, source, target)

    def _over_quota(self, level: int) -> list[Tier]:
        tiers = [tier for tier in self._tiers if len(tier.name) == level + 1 and tier.load > tier.quota]
        return sorted(tiers, key=lambda tier: tier.quota - tier.load)

    def _surplus(self, level: int, held: dict[int, list[int]]) -> Iterator[tuple[int, int]]:
        """Replicas that may leave tiers over quota: (device, partition), the fullest first, while there is a surplus."""
        for giver in self._over_quota(level):
            for source in sorted(giver.device_ids(), key=self._excess, reverse=True):
                for part in held[source]:
                    if giver.load <= giver.quota:
                        break
                    if part not in self.moved:
                        yield source, part

    def _onward(self, between: Tier, but: int, level: int, held: dict[int, list[int]]) -> tuple[int, int, int] | None:
        """A move of another partition from a tier to one under quota."""
        for source in sorted(between.device_ids(), key=self._excess, reverse=True):
            for part in held[source]:
                if part != but and part not in self.moved:
                    target = self._target(part, source, level, lambda tier: tier.load < tier.quota)
                    if target is not None:
                        return part, source, target
        return None

    def _movable_parts(self) -> dict[int, list[int]]:
        """The partitions on each device that may still move, in random order."""
        held: dict[int, list[int]] = {device_id: [] for device_id in self.paths}
        for row in self.rows:
            for part, device_id in enumerate(row):
                if self.may_move[part] and part not in self.moved:
                    held[device_id].append(part)
        for parts in held.values():
            self.random.shuffle(parts)
        return held

    def _target(self, part: int, source: int, level: int, wanted: Callable[[Tier], bool]) -> int | None:
        """A device in another tier of this level, a wanted one, to which a replica can move without harm."""
        counts = self._counts(self._devices_of(part))
        replicas = self._replicas(part)
        leaving = self.paths[source]

        def fits(tier: Tier) -> bool:
            depth = len(tier.name) - 1
            stays = tier is leaving[depth]
            if not tier.capacity or counts.get(tier, 0) - stays >= tier.bounds[replicas][1]:
                return False
            if depth > level:
                return True
            if stays:
                return depth < level
            # A wider tier may change only if that does not spoil what its own level settled.
            if depth < level:
                return tier.load < tier.quota and leaving[depth].load > leaving[depth].quota
            return wanted(tier)

        def worse(tier: Tier) -> tuple[int]:
            return (tier.load - tier.quota,)

        for leaf in self._search(self.root, fits, worse):
            if self._harm(counts, leaving, self.paths[leaf.device_id], replicas) <= 0:
                return leaf.device_id
        return None
