"""Replica targets: how many replicas of a partition each failure domain should hold, by weight, spread and overload."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from math import ceil, floor, inf, lcm, nextafter

from swiftlite.ring.format import Device, RingError

TierName = tuple[int | str, ...]
"""``()``, ``(region,)``, ``(region, zone)``, ``(region, zone, ip)`` or ``(region, zone, ip, device id)``."""


class Tier:
    """A failure domain: the cluster, a region, a zone, a server (one ip) or a device.

    ``weight`` is the sum of its devices', in a unit in which all are whole numbers; ``capacity`` is the number of those
    with weight.
    """

    __slots__ = ("name", "children", "weight", "capacity")

    def __init__(self, name: TierName) -> None:
        self.name = name
        self.children: list[Tier] = []
        self.weight = 0
        self.capacity = 0

    @property
    def device_id(self) -> int:
        """The id of the device that this tier is; only for the lowest tiers."""
        return self.name[3]  # type: ignore[return-value]

    def walk(self) -> Iterator[Tier]:
        """This tier and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def device_ids(self) -> list[int]:
        """The ids of all devices in this tier."""
        return [tier.device_id for tier in self.walk() if not tier.children]


Targets = dict[Tier, Fraction]
Limits = dict[Tier, "tuple[Fraction | int, Fraction | int]"]


def tier_names(device: Device) -> tuple[TierName, TierName, TierName, TierName]:
    """The failure domains of a device, widest first."""
    region, zone, ip = device["region"], device["zone"], device["ip"]
    return (region,), (region, zone), (region, zone, ip), (region, zone, ip, device["id"])


def build_tree(devices: Iterable[Device]) -> tuple[Tier, dict[int, tuple[Tier, ...]]]:
    """The tree of failure domains, and for each device id its tiers, region first."""
    root = Tier(())
    tiers = {root.name: root}
    paths = {}
    devices = list(devices)
    ratios = [float(device["weight"]).as_integer_ratio() for device in devices]
    unit = lcm(*(divisor for _, divisor in ratios))
    for device, (number, divisor) in zip(devices, ratios, strict=True):
        weight = number * (unit // divisor)
        path = []
        parent = root
        for name in tier_names(device):
            tier = tiers.get(name)
            if tier is None:
                tier = tiers[name] = Tier(name)
                parent.children.append(tier)
            path.append(tier)
            parent = tier
        for tier in (root, *path):
            tier.weight += weight
            tier.capacity += weight > 0
        paths[device["id"]] = tuple(path)
    return root, paths


def replica_targets(root: Tier, replicas: Fraction, overload: float) -> Targets:
    """How many of a partition's replicas each tier should hold, on average; each tier's is the sum of its children's.

    :param replicas: of a partition, on average
    :param overload: how far beyond its share by weight a device may be filled for the sake of a wider spread; 0.1 is 10 %
    :raises RingError: when there are fewer devices than replicas
    """
    weighted, wanted = by_weight(root, replicas), by_spread(root, replicas)
    needed = _needed_overload(weighted, wanted)
    if needed == 0 or Fraction(overload) >= needed:
        return wanted
    step = Fraction(overload) / needed
    return {tier: weighted[tier] + step * (wanted[tier] - weighted[tier]) for tier in weighted}


def plan(root: Tier, replicas: Fraction, overload: float) -> dict[int, Targets]:
    """The targets of partitions by how many replicas they have.

    With a fraction, say 3.25, a quarter of the partitions have 4 replicas and the others 3. Together they meet the
    targets of 3.25; each for itself stays within those targets, rounded down and up: else the 4 would crowd where the
    weight is, though there is no need.
    """
    targets = replica_targets(root, replicas, overload)
    whole = floor(replicas)
    share = replicas - whole
    if not share:
        return {whole: targets}
    more = {root: Fraction(whole + 1)}
    for tier in root.walk():
        limits: Limits = {}
        for child in tier.children:
            low, high = floor(targets[child]), ceil(targets[child])
            # What the others must hold in turn has to lie between low and high as well.
            least = (targets[child] - (1 - share) * high) / share
            most = (targets[child] - (1 - share) * low) / share
            limits[child] = max(Fraction(low), least), min(Fraction(high), most)
        more.update(dict.fromkeys(tier.children, Fraction(0)))
        more.update(_proportional({child: targets[child] for child in limits if targets[child]}, limits, more[tier]))
    fewer = {tier: (targets[tier] - share * more[tier]) / (1 - share) for tier in more}
    return {whole + 1: more, whole: fewer}


def required_overload(root: Tier, replicas: Fraction) -> float:
    """The smallest overload that allows the widest spread; rounded up, for a little less would not."""
    needed = _needed_overload(by_weight(root, replicas), by_spread(root, replicas))
    overload = float(needed)
    return overload if overload >= needed else nextafter(overload, inf)


def by_weight(root: Tier, replicas: Fraction) -> Targets:
    """Shares in proportion to weight, except that no device holds a partition twice."""
    _check_capacity(root, replicas)
    leaves = [tier for tier in root.walk() if not tier.children and tier.capacity]
    limits: Limits = dict.fromkeys(leaves, (0, 1))
    shares = dict.fromkeys(root.walk(), Fraction(0))
    shares.update(_proportional({leaf: leaf.weight for leaf in leaves}, limits, replicas))
    _sum_up(root, shares)
    return shares


def by_spread(root: Tier, replicas: Fraction) -> Targets:
    """Shares nearest to weight among those that spread replicas as widely as failure domains allow."""
    shares: Targets = {}
    _spread(root, replicas, by_weight(root, replicas), shares)
    return shares


def quotas(root: Tier, targets: Targets, partitions: int, loads: Mapping[Tier, int] | None = None) -> dict[Tier, int]:
    """Whole numbers of replicas for each tier over so many partitions: the targets, rounded.

    Each is its exact share rounded down or up, and each tier's is the sum of its children's. Those that hold more than
    the lesser number already are rounded up first, so that nothing moves for the sake of rounding.

    :param loads: how many each tier holds now
    """
    loads = loads or {}
    result = {root: int(targets[root] * partitions)}
    for tier in root.walk():
        if not tier.children:
            continue
        least: dict[Tier, int] = {}
        ranks: dict[Tier, tuple[bool, Fraction]] = {}
        for child in tier.children:
            share = targets[child] * partitions
            least[child] = floor(share)
            ranks[child] = not least[child] < share or loads.get(child, 0) <= least[child], least[child] - share
        rest = result[tier] - sum(least.values())
        for child in sorted(tier.children, key=ranks.__getitem__):
            result[child] = least[child] + (rest > 0)
            rest -= 1
    return result


def most_replicas(root: Tier, replicas: float) -> dict[TierName, int]:
    """The most replicas of one partition that a tier holds when they are spread evenly, whatever the weights.

    What is beyond counts as bad dispersion (formats.md 6.6). Tiers without weight are left out: they should hold none.
    """
    result: dict[TierName, int] = {(): ceil(replicas)}

    def descend(tier: Tier, count: float) -> None:
        children = [child for child in tier.children if child.capacity]
        for child in children:
            share = ceil(count / len(children))
            result[child.name] = share if child.children else min(1, share)
            descend(child, share)

    descend(root, replicas)
    return result


def _check_capacity(root: Tier, replicas: Fraction) -> None:
    if root.capacity < replicas:
        raise RingError(
            f"{float(replicas):g} replicas need as many devices with weight, but there are {root.capacity}; add more"
        )


def _needed_overload(weighted: Targets, wanted: Targets) -> Fraction:
    devices = (tier for tier in weighted if len(tier.name) == 4 and weighted[tier])
    return max((wanted[tier] / weighted[tier] - 1 for tier in devices), default=Fraction(0))


def _proportional(weights: Mapping[Tier, Fraction | int], limits: Limits, amount: Fraction) -> Targets:
    """Divide ``amount`` in proportion to ``weights``, each share within its limits, which allow for the amount."""
    shares: Targets = {}
    # Whole numbers are compared and added many times faster than fractions.
    unit = lcm(*(weight.denominator for weight in weights.values()))
    free = {tier: weight.numerator * (unit // weight.denominator) for tier, weight in weights.items()}
    rest = Fraction(amount)
    while free:
        rate = rest / sum(free.values())
        times, parts = rate.numerator, rate.denominator
        low = {tier: limits[tier][0] for tier, weight in free.items() if weight * times < limits[tier][0] * parts}
        high = {tier: limits[tier][1] for tier, weight in free.items() if weight * times > limits[tier][1] * parts}
        lacking = sum(limit - free[tier] * rate for tier, limit in low.items())
        beyond = sum(free[tier] * rate - limit for tier, limit in high.items())
        # Those on the side that is further out keep their limit whatever becomes of the rest.
        settled: dict[Tier, Fraction | int] = {**(high if beyond >= lacking else low)}
        if not settled:
            shares.update({tier: Fraction(weight * times, parts) for tier, weight in free.items()})
            break
        for tier, share in settled.items():
            shares[tier] = Fraction(share)
            rest -= share
            del free[tier]
    return shares


def _sum_up(tier: Tier, shares: Targets) -> Fraction:
    if tier.children:
        shares[tier] = sum((_sum_up(child, shares) for child in tier.children), Fraction(0))
    return shares[tier]


def _spread(tier: Tier, amount: Fraction, weighted: Targets, shares: Targets) -> None:
    """Give each child one replica after the other while all with room can have one; weight settles the rest."""
    shares[tier] = amount
    given = dict.fromkeys(tier.children, 0)
    rest = Fraction(amount)
    while True:
        roomy = [child for child in tier.children if given[child] < child.capacity]
        if not roomy or rest < len(roomy):
            break
        for child in roomy:
            given[child] += 1
        rest -= len(roomy)
    limits: Limits = {child: (count, count + (rest > 0 and child in roomy)) for child, count in given.items()}
    present = {child: weighted[child] for child in tier.children if child.capacity}
    settled = _proportional(present, limits, amount)
    for child in tier.children:
        _spread(child, settled.get(child, Fraction(0)), weighted, shares)
