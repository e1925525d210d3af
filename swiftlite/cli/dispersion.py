"""What the two dispersion tools share: dispersion.conf, which names cover which partitions, and how far they are."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from swiftlite.cli.storage_api import Credentials, StorageApi, authenticate
from swiftlite.cli.tool import ToolError
from swiftlite.common.config import ConfFile, ConfigError, option, read_options
from swiftlite.common.policies import StoragePolicy
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.ring.ring import Ring

CONF_FILE = "/etc/swift/dispersion.conf"
SAMPLE = "etc/dispersion.conf-sample (pip installs it below share/swiftlite)"
SECTION = "dispersion"
PROGRESS_SECONDS = 5.0
CLEAR_LINE = "\r\x1b[K"


@dataclass(frozen=True)
class DispersionOptions:
    """``[dispersion]`` of dispersion.conf."""

    auth_url: str = option("", "where to get a token; must be set")
    auth_user: str = option("", "whose containers and objects are made and looked for; must be set")
    auth_key: str = option("", "that user's key; must be set")
    auth_version: str = option("1.0", "of the auth API; 2.0 and 3 (Keystone) need python-swiftclient")
    endpoint_type: str = option("publicURL", "which of the URLs that Keystone knows is taken")
    keystone_api_insecure: bool = option(False, "take any TLS certificate")
    region_name: str = option("", "for Keystone")
    user_domain_name: str = option("", "for Keystone version 3")
    project_domain_name: str = option("", "for Keystone version 3")
    project_name: str = option("", "for Keystone version 3")
    swift_dir: str = option("/etc/swift", "directory of swift.conf and the rings")
    dispersion_coverage: float = option(1.0, "percent of the partitions that get a container, and an object")
    retries: int = option(5, "how often a request that failed is tried again")
    concurrency: int = option(25, "requests that are under way at the same time", least=1)
    container_populate: bool = option(True, "swiftlite-dispersion-populate makes containers")
    object_populate: bool = option(True, "swiftlite-dispersion-populate makes objects")
    container_report: bool = option(True, "swiftlite-dispersion-report looks for containers")
    object_report: bool = option(True, "swiftlite-dispersion-report looks for objects")
    dump_json: bool = option(False, "swiftlite-dispersion-report prints JSON")

    def __post_init__(self) -> None:
        if not 0 <= self.dispersion_coverage <= 100:
            raise ValueError(f"dispersion_coverage = {self.dispersion_coverage:g} is not between 0 and 100")
        if self.concurrency < 1 or self.retries < 0:
            raise ValueError("concurrency must be at least 1, retries must not be negative")


def load_options(path: str) -> DispersionOptions:
    """Read dispersion.conf.

    :raises ConfigError: when it cannot be used
    """
    conf = ConfFile.load(path, f"make it from {SAMPLE}, or give the path of another")
    if not conf.has(SECTION):
        raise ConfigError(path, SECTION, None, "there is no such section", f"see {SAMPLE}")
    try:
        options = read_options(DispersionOptions, conf.section(SECTION), path, SECTION)
    except ValueError as error:
        raise ConfigError(path, SECTION, None, str(error), "correct it") from None
    for name in ("auth_url", "auth_user", "auth_key"):
        if not getattr(options, name):
            raise ConfigError(path, SECTION, name, "it is not set", "set it")
    return options


def add_options(arguments: argparse.ArgumentParser, work: str) -> None:
    """What both tools understand.

    :param work: what they do: ``population`` or ``report``
    """
    arguments.add_argument("--container-only", action="store_true", help=f"only the {work} of containers")
    arguments.add_argument("--object-only", action="store_true", help=f"only the {work} of objects")
    arguments.add_argument("--insecure", action="store_true", help="take any TLS certificate")
    arguments.add_argument("-P", "--policy-name", metavar="NAME", help="of this storage policy, not the default one")
    arguments.add_argument("conf_file", nargs="?", default=CONF_FILE, help=f"default: {CONF_FILE}")


class Session(NamedTuple):
    """What the tools work with: the cluster as a client sees it, and as its rings say it is."""

    options: DispersionOptions
    policy: StoragePolicy
    api: StorageApi
    container_ring: Ring
    object_ring: Ring

    @property
    def container_prefix(self) -> str:
        """What the names of the policy's containers begin with."""
        return f"dispersion_{self.policy.index}_"

    @property
    def object_container(self) -> str:
        """Which container the policy's objects are in."""
        return f"dispersion_objects_{self.policy.index}"

    def container_partition(self, container: str) -> int:
        """The partition of a container."""
        return self.container_ring.partition(self.api.account, container)

    def object_partition(self, object_name: str) -> int:
        """The partition of an object in :attr:`object_container`."""
        return self.object_ring.partition(self.api.account, self.object_container, object_name)


OBJECT_PREFIX = "dispersion_"


def choose_policy(swift_conf: SwiftConf, name: str | None) -> StoragePolicy:
    """The policy that was named, else the default one.

    :raises ToolError: when there is none of that name
    """
    policy = swift_conf.policies.default if name is None else swift_conf.policies.by_name(name)
    if policy is None:
        raise ToolError(f"Unable to find policy: {name}")
    return policy


def open_session(options: DispersionOptions, swift_conf: SwiftConf, policy: StoragePolicy) -> Session:
    """Load the rings and get a token.

    :raises StartError: when either fails
    """
    container_ring, object_ring = (
        Ring(options.swift_dir, name, hash_path=swift_conf.hash_path) for name in ("container", policy.ring_name)
    )
    keystone = {"endpoint_type": options.endpoint_type}
    for name in ("user_domain_name", "project_domain_name", "project_name", "region_name"):
        if getattr(options, name):
            keystone[name] = getattr(options, name)
    credentials = Credentials(
        options.auth_url,
        options.auth_user,
        options.auth_key,
        options.auth_version,
        keystone,
        options.keystone_api_insecure,
    )
    return Session(options, policy, authenticate(credentials, options.retries), container_ring, object_ring)


def with_arguments(options: DispersionOptions, arguments: argparse.Namespace) -> DispersionOptions:
    """What the conf says, and what the command line says instead."""
    if arguments.insecure:
        options = replace(options, keystone_api_insecure=True)
    if arguments.object_only:
        options = replace(options, container_populate=False, container_report=False)
    if arguments.container_only:
        options = replace(options, object_populate=False, object_report=False)
    return options


# --- names and partitions ---


class Choice(NamedTuple):
    """A name that is in a partition where none was yet.

    :ivar is_new: whether it is to be made; otherwise somebody else has been told to
    """

    name: str
    is_new: bool


def choose_names(
    prefix: str, partition_of: Callable[[str], int], open_partitions: set[int], count: int, suffix_start: int = 0
) -> Iterator[Choice]:
    """Names ``<prefix>0``, ``<prefix>1``…, as many as cover ``count`` of the partitions that are open.

    :param open_partitions: those without a name; the ones that get one are taken out
    :param suffix_start: names with a lower number are there already
    """
    suffix = 0
    while count > 0 and open_partitions:
        name = f"{prefix}{suffix}"
        partition = partition_of(name)
        if partition in open_partitions:
            open_partitions.remove(partition)
            count -= 1
            yield Choice(name, suffix >= suffix_start)
        suffix += 1


# --- how far the work is ---


def time_units(seconds: float) -> tuple[float, str]:
    """A length of time in the largest of the units ``h``, ``m`` and ``s`` of which it is more than one."""
    unit = "s"
    for larger in ("m", "h"):
        if seconds > 60:
            seconds, unit = seconds / 60, larger
    return seconds, unit


class Progress:
    """Tells now and then, on a line that is written over, how many of a number of things are done.

    :param doing: for example ``Creating containers``
    :param shown: whether anything is to be told
    """

    def __init__(self, doing: str, total: int, shown: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self.doing, self.total, self.shown = doing, total, shown
        self.done = 0
        self._clock = clock
        self._begun = clock()
        self._next = self._begun + 2.0

    def step(self, retries: int) -> None:
        """Another one is done.

        :param retries: how often anything had to be tried again so far
        """
        self.done += 1
        now = self._clock()
        if now < self._next:
            return
        self._next = now + PROGRESS_SECONDS
        left, unit = time_units((now - self._begun) * (self.total / self.done - 1))
        if self.shown:
            text = f"{self.doing}: {self.done} of {self.total}, {round(left)}{unit} left, {retries} retries"
            print(f"{CLEAR_LINE}{text}", end="", flush=True)

    @property
    def elapsed(self) -> str:
        """How long it has taken, for example ``12s``."""
        length, unit = time_units(self._clock() - self._begun)
        return f"{round(length)}{unit}"


def complain(text: str) -> None:
    """Write a line to standard error at once."""
    print(text, file=sys.stderr, flush=True)
