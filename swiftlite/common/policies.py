"""Storage policies: read from swift.conf and handed in to whoever needs them (formats.md 1.6)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from swiftlite.common.config import ConfFile, ConfigError, is_true

_NAME = re.compile(r"^[A-Za-z0-9-]+$")
_OPTIONS = frozenset({"name", "aliases", "default", "deprecated", "policy_type", "diskfile_module"})
_TYPES = {
    "replication": _OPTIONS,
    "erasure_coding": _OPTIONS
    | {
        "ec_type",
        "ec_num_data_fragments",
        "ec_num_parity_fragments",
        "ec_object_segment_size",
        "ec_duplication_factor",
    },
}
"""The options of each type of policy."""


@dataclass(frozen=True)
class StoragePolicy:
    """One way of storing objects: its index in paths and headers, and its names."""

    index: int
    name: str
    aliases: tuple[str, ...] = ()
    is_default: bool = False
    is_deprecated: bool = False
    policy_type: str = "replication"

    @property
    def suffix(self) -> str:
        """What directory and ring names carry: nothing for policy 0, ``-N`` for others."""
        return f"-{self.index}" if self.index else ""

    @property
    def ring_name(self) -> str:
        """``object`` or ``object-N``."""
        return "object" + self.suffix

    @property
    def objects_dir(self) -> str:
        """``objects`` or ``objects-N``."""
        return "objects" + self.suffix

    @property
    def async_dir(self) -> str:
        """``async_pending`` or ``async_pending-N``."""
        return "async_pending" + self.suffix

    @property
    def tmp_dir(self) -> str:
        """``tmp`` or ``tmp-N``."""
        return "tmp" + self.suffix

    @property
    def all_names(self) -> tuple[str, ...]:
        """The name and the aliases."""
        return (self.name, *self.aliases)


class StoragePolicies:
    """The policies of a cluster, in the order of swift.conf.

    :raises ValueError: when they contradict each other
    """

    def __init__(self, policies: list[StoragePolicy]) -> None:
        self._by_index = {policy.index: policy for policy in policies}
        self._by_name = {name.lower(): policy for policy in policies for name in policy.all_names}
        _check_together(policies, self._by_index)
        defaults = [policy for policy in policies if policy.is_default]
        self.default = defaults[0] if defaults else self._by_index[0]

    def __iter__(self) -> Iterator[StoragePolicy]:
        return iter(self._by_index.values())

    def __len__(self) -> int:
        return len(self._by_index)

    def by_index(self, index: int | str | None) -> StoragePolicy | None:
        """The policy of an index as headers spell it; nothing means 0. None when there is no such policy."""
        if index in (None, ""):
            index = 0
        try:
            return self._by_index.get(int(index))  # type: ignore[arg-type]
        except ValueError:
            return None

    def by_name(self, name: str) -> StoragePolicy | None:
        """The policy with this name or alias, in any case."""
        return self._by_name.get(name.lower())

    def for_info(self) -> list[dict[str, object]]:
        """What ``/info`` shows: the policies that new containers may use."""
        shown: list[dict[str, object]] = []
        for policy in self:
            if policy.is_deprecated:
                continue
            entry: dict[str, object] = {"name": policy.name, "aliases": ", ".join(policy.all_names)}
            if policy is self.default:
                entry["default"] = True
            shown.append(entry)
        return shown


def _check_together(policies: list[StoragePolicy], by_index: dict[int, StoragePolicy]) -> None:
    if len(by_index) != len(policies):
        raise ValueError("two policies have the same index")
    if 0 not in by_index:
        raise ValueError("policy 0 is missing")
    names = [name.lower() for policy in policies for name in policy.all_names]
    if len(set(names)) != len(names):
        raise ValueError("a policy name is used twice")
    defaults = [policy for policy in policies if policy.is_default]
    if len(defaults) > 1 or (not defaults and len(policies) > 1):
        raise ValueError("exactly one policy must be the default")
    if any(policy.is_deprecated for policy in defaults) or all(policy.is_deprecated for policy in policies):
        raise ValueError("a deprecated policy cannot be the default, and one policy must remain")


def read_policies(conf: ConfFile) -> StoragePolicies:
    """The policies of a swift.conf; without any section there is one, ``Policy-0``.

    :raises ConfigError: when a section cannot be understood
    """
    found = []
    for section in conf.sections():
        if section.startswith("storage-policy:"):
            found.append(_read_policy(conf, section))
    try:
        return StoragePolicies(found or [StoragePolicy(0, "Policy-0", is_default=True)])
    except ValueError as error:
        raise ConfigError(conf.path, "storage-policy:*", None, str(error), "correct the policy sections") from None


def _read_policy(conf: ConfFile, section: str) -> StoragePolicy:
    options = conf.section(section)

    def wrong(option: str | None, problem: str) -> ConfigError:
        return ConfigError(conf.path, section, option, problem, "correct it")

    index_text = section.partition(":")[2].strip()
    if not index_text.isdecimal():
        raise wrong(None, "the policy index is not a number")
    policy_type = options.get("policy_type", "replication").strip()
    if policy_type not in _TYPES:
        raise wrong("policy_type", f"{policy_type!r} is none of {', '.join(_TYPES)}")
    for name in options:
        if name not in _TYPES[policy_type]:
            raise wrong(name, "no such policy option")
    aliases = [alias.strip() for alias in options.get("aliases", "").split(",") if alias.strip()]
    names = [options.get("name", "").strip(), *aliases]
    if names[0] in aliases:
        aliases.remove(names[0])
    for name in names:
        if not _NAME.match(name):
            raise wrong("name", f"{name!r} is not made of letters, digits and dashes")
        if name.lower() == "policy-0" and int(index_text) != 0:
            raise wrong("name", "Policy-0 is the name of policy 0 alone")
    return StoragePolicy(
        index=int(index_text),
        name=names[0],
        aliases=tuple(aliases),
        is_default=is_true(options.get("default")),
        is_deprecated=is_true(options.get("deprecated")),
        policy_type=policy_type,
    )
