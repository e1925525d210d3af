"""What is known of a cluster at one moment, as plain values: what swiftlite-doctor, -recon and -top judge and show.

Answers come from other machines, perhaps of another version or damaged: they are read through :class:`Asked`'s methods,
which give None, or nothing, where a value is not what it should be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from swiftlite.common.addresses import WILDCARDS

PROXY, NODE, AUTHORITY = "proxy", "node", "authority"
MOST = 1e24
"""No figure of a cluster is greater."""


def number(value: Any) -> float | None:
    """A value, if it is a number that can be reckoned with; else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if abs(value) < MOST else None  # neither infinity nor nan


@dataclass(frozen=True)
class Server:
    """One server that the rings name, or a proxy.

    :ivar kind: ``object``, ``container``, ``account`` or ``proxy``
    :ivar devices: for each ring that names it, the devices there
    :ivar is_local: whether its address is this machine's
    """

    kind: str
    ip: str
    port: int
    devices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_local: bool = False

    @property
    def address(self) -> str:
        """``ip:port``."""
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.kind}-server {self.address}"


@dataclass(frozen=True, eq=False)
class Asked:
    """What a server answered.

    :ivar answers: check -> its JSON value
    :ivar problems: check -> why there is no answer
    :ivar problem: why it could not be asked at all; empty when it could
    :ivar sent: when its clock was asked for, by ours
    :ivar received: when it had answered
    """

    server: Server
    answers: Mapping[str, Any] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    sent: float = 0.0
    received: float = 0.0

    @property
    def root(self) -> str:
        """The directory of its devices; empty where it did not tell."""
        return next(iter(self.table("devices")), "")

    @property
    def conf(self) -> str:
        """Path of its conf file: what it told, or where it is by custom."""
        return self.word("facts", "conf") or f"/etc/swift/{self.server.kind}-server.conf"

    def get(self, check: str, *keys: str) -> Any:
        """A value in an answer, by the keys that lead to it; None when there is none."""
        value = self.answers.get(check)
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def figure(self, check: str, *keys: str) -> float | None:
        """A number; None when it is none."""
        return number(self.get(check, *keys))

    def word(self, check: str, *keys: str) -> str:
        """A text; empty when it is none."""
        value = self.get(check, *keys)
        return value if isinstance(value, str) else ""

    def table(self, check: str, *keys: str) -> dict[str, Any]:
        """A mapping; empty when it is none."""
        value = self.get(check, *keys)
        return value if isinstance(value, dict) else {}

    def rows(self, check: str, *keys: str) -> list[dict[str, Any]]:
        """A list of mappings; empty when it is none."""
        value = self.get(check, *keys)
        return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


@dataclass(frozen=True)
class BuilderFacts:
    """A builder file beside a ring.

    :ivar has_changes: devices were added or removed, or weights changed, since the last rebalance
    :ivar is_written: the ring file is what the builder would write
    :ivar required_overload: a fraction, as ``overload``
    """

    path: str
    problem: str = ""
    has_changes: bool = False
    is_written: bool = True
    balance: float = 0.0
    dispersion: float = 0.0
    overload: float = 0.0
    required_overload: float = 0.0
    min_part_hours: int = 0
    seconds_until_move: int = 0


@dataclass(frozen=True)
class RingFacts:
    """A ring file of this machine.

    :ivar name: ``account``, ``container``, ``object``, ``object-1``…
    :ivar devices: as the ring spells them, without gaps
    :ivar assigned: device id -> replicas of partitions that it has, where they were counted
    """

    name: str
    path: str
    md5: str = ""
    problem: str = ""
    replicas: float = 0.0
    part_power: int = 0
    next_part_power: int | None = None
    devices: Sequence[Mapping[str, Any]] = ()
    builder: BuilderFacts | None = None
    version: int | None = None
    assigned: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SwiftConfFacts:
    """This machine's swift.conf; `secrets` holds the hash prefix and suffix, as far as they are set."""

    path: str
    md5: str = ""
    problem: str = ""
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True)
class UnreadableFacts:
    """A file of this machine that somebody may not read.

    :ivar problem: says who, and why
    :ivar fix: a line of shell
    """

    path: str
    problem: str
    fix: str


@dataclass(frozen=True)
class CertificateFacts:
    """A certificate: where it was seen, and its last moment (None, with a problem: it could not be read).

    :ivar role: PROXY: shown to clients; NODE: to other nodes, AUTHORITY: which signs those; empty: nobody knows
    """

    place: str
    not_after: float | None = None
    problem: str = ""
    role: str = ""


@dataclass(frozen=True)
class MemcachedFacts:
    """A memcached that this machine's proxy is told to use; no problem: it answers."""

    address: str
    problem: str = ""


@dataclass(frozen=True)
class OwnConf:
    """A conf file of a server that is among those of this machine, and where it lets the server listen."""

    kind: str
    ip: str
    port: int
    path: str


@dataclass(frozen=True)
class ConfFacts:
    """A conf file of this machine.

    :ivar program: the server or daemon that reads it
    :ivar errors: lines, as its ``--check`` writes them
    """

    program: str
    path: str
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClusterView:
    """All of it.

    :ivar taken: when, by this machine's clock
    :ivar own_confs: the servers' confs beside the rings
    :ivar missing_rings: names of rings that this machine should have
    :ivar builders: names of the rings whose builders are here
    :ivar all_in_one: the directory of the swiftlite-aio that this is; empty: it is none
    :ivar has_systemd: whether it runs on this machine
    :ivar has_push: whether the operator's guide's script of this name is beside the builders
    """

    taken: float
    swift_dir: str
    swift_conf: SwiftConfFacts
    rings: tuple[RingFacts, ...] = ()
    servers: tuple[Asked, ...] = ()
    certificates: tuple[CertificateFacts, ...] = ()
    memcached: tuple[MemcachedFacts, ...] = ()
    confs: tuple[ConfFacts, ...] = ()
    own_confs: tuple[OwnConf, ...] = ()
    unreadable: tuple[UnreadableFacts, ...] = ()
    missing_rings: tuple[str, ...] = ()
    builders: tuple[str, ...] = ()
    all_in_one: str = ""
    has_systemd: bool = True
    has_push: bool = False

    def is_unreadable(self, path: str) -> bool:
        """Whether somebody may not read one of this machine's files: then that is told, and not what follows of it."""
        return any(facts.path == path for facts in self.unreadable)

    def own_conf(self, server: Server) -> str:
        """The conf file of a server of this machine, if it is among the confs here; else empty."""
        if not server.is_local:
            return ""
        place = server.kind, server.port
        found = (conf for conf in self.own_confs if (conf.kind, conf.port) == place)
        return next((conf.path for conf in found if conf.ip in (server.ip, *WILDCARDS)), "")

    def reached(self, *kinds: str) -> list[Asked]:
        """The servers that answered, of these kinds, or of all."""
        return [asked for asked in self.servers if not asked.problem and (not kinds or asked.server.kind in kinds)]

    def nodes(self, *kinds: str) -> Iterator[Asked]:
        """One server for each directory of devices, so that nothing on it counts twice.

        Of several that serve the same, the first of the first kind.
        """
        seen = set()
        for kind in kinds or ("object", "container", "account"):
            for asked in self.reached(kind):
                node = (asked.server.ip, asked.root or asked.server.port)
                if node not in seen:
                    seen.add(node)
                    yield asked

    @cached_property
    def machines(self) -> dict[str, list[Asked]]:
        """The servers of each machine, by its IP."""
        found: dict[str, list[Asked]] = {}
        for asked in self.servers:
            found.setdefault(asked.server.ip, []).append(asked)
        return found

    @cached_property
    def placed(self) -> dict[tuple[str, str, int, str], Mapping[str, Any]]:
        """What a ring says of a device, by the ring's name, the device's IP, its port and its name."""
        return {
            (ring.name, entry["ip"], entry["port"], entry["device"]): entry
            for ring in self.rings
            for entry in ring.devices
        }

    def ring(self, name: str) -> RingFacts | None:
        """The ring of a name."""
        return next((ring for ring in self.rings if ring.name == name), None)
