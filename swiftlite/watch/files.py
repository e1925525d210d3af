"""What this machine's own files say of its cluster: rings, the builders beside them, swift.conf."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter

from swiftlite.common.config import ConfFile, ConfigError
from swiftlite.common.policies import read_policies
from swiftlite.ring import format
from swiftlite.ring.format import RingError
from swiftlite.watch.facts import BuilderFacts, RingFacts, SwiftConfFacts

_RING = re.compile(r"^(account|container|object(-[1-9][0-9]*)?)\.ring\.gz$")
_BUILDER = re.compile(r"^(account|container|object(-[1-9][0-9]*)?)\.builder$")
_WORDS_OF_SAMPLES = ("changeme", "%RANDOM%", "%SWIFT_HASH_PATH_SUFFIX%")


def md5_of(path: str) -> str:
    """MD5 of a file, as recon tells it; raises OSError."""
    with open(path, "rb") as file:
        return hashlib.md5(file.read(), usedforsecurity=False).hexdigest()


# --- rings ---


def ring_names(swift_dir: str) -> list[str]:
    """The rings whose files are in a directory; raises OSError."""
    found = (_RING.match(name) for name in os.listdir(swift_dir))
    return sorted(match[1] for match in found if match)


def builder_names(swift_dir: str) -> list[str]:
    """The rings whose builders are in a directory; raises OSError."""
    return sorted(match[1] for match in map(_BUILDER.match, os.listdir(swift_dir)) if match)


def missing_rings(swift_dir: str) -> list[str]:
    """The rings that belong to every node of the cluster, or have a builder here, and are not here; raises OSError."""
    try:
        policies = [policy.ring_name for policy in read_policies(ConfFile.load(os.path.join(swift_dir, "swift.conf")))]
    except ConfigError:
        policies = ["object"]
    return sorted({"account", "container", *policies, *builder_names(swift_dir)} - set(ring_names(swift_dir)))


def ring_facts(swift_dir: str, name: str, with_builder: bool = True, with_assigned: bool = False) -> RingFacts:
    """What a ring file says, and the builder beside it if that is wanted and there is one.

    :param with_assigned: count what each device has, which takes half a second for a million partitions
    """
    path = os.path.join(swift_dir, f"{name}.ring.gz")
    try:
        ring = format.load(path)
        md5 = md5_of(path)
    except (RingError, OSError) as error:
        return RingFacts(name, path, problem=str(error))
    return RingFacts(
        name,
        path,
        md5,
        replicas=ring.replicas,
        part_power=32 - ring.part_shift,
        next_part_power=ring.next_part_power,
        devices=tuple(device for device in ring.devices if device),
        builder=_builder_facts(os.path.join(swift_dir, f"{name}.builder"), ring) if with_builder else None,
        version=ring.version,
        assigned=_assigned(ring) if with_assigned else {},
    )


def _assigned(ring: format.RingData) -> dict[int, int]:
    counted = Counter[int]()
    for row in ring.rows:
        counted.update(row)
    return dict(counted)


def _builder_facts(path: str, ring: format.RingData) -> BuilderFacts | None:
    if not os.path.exists(path):
        return None
    # Only who has builders waits for what they need.
    from swiftlite.ring.builder import RingBuilder

    try:
        builder = RingBuilder.load(path)
        builder.measure_dispersion()
        return BuilderFacts(
            path,
            has_changes=builder.devices_changed,
            is_written=builder.ring_data() == ring,
            balance=builder.balance,
            dispersion=builder.dispersion,
            overload=builder.overload,
            required_overload=builder.required_overload(),
            min_part_hours=builder.min_part_hours,
            seconds_until_move=builder.seconds_until_move,
        )
    except (RingError, OSError) as error:
        return BuilderFacts(path, problem=str(error))


def all_in_one(swift_dir: str) -> str:
    """The directory of the swiftlite-aio whose confs these are; empty: they are a node's."""
    directory, name = os.path.split(os.path.realpath(swift_dir))
    return directory if name == "etc" and os.path.exists(os.path.join(directory, "run", "lock")) else ""


# --- swift.conf ---


def swift_conf_facts(swift_dir: str) -> SwiftConfFacts:
    """This machine's swift.conf."""
    path = os.path.join(swift_dir, "swift.conf")
    try:
        options = ConfFile.load(path).section("swift-hash")
        secrets = tuple(options.get(f"swift_hash_path_{name}", "") for name in ("prefix", "suffix"))
        return SwiftConfFacts(path, md5_of(path), secrets=tuple(filter(None, secrets)))
    except (ConfigError, OSError) as error:
        return SwiftConfFacts(path, problem=str(error))


def is_of_a_sample(secret: str) -> bool:
    """Whether a hash prefix or suffix is what a sample conf has, which everybody knows."""
    return secret in _WORDS_OF_SAMPLES
