"""Every path on a device that objects use, built and parsed (formats.md 1.4).

<device>/objects[-N]/<partition>/<suffix>/<hash>/<timestamp>.data|.meta|.ts
<device>/objects[-N]/<partition>/hashes.pkl, hashes.invalid, .lock, .lock-replication
<device>/async_pending[-N]/<suffix>/<hash>-<timestamp>
<device>/tmp[-N]/
<device>/quarantined/objects[-N]/<hash>
<device>/.lock, .lock-1, …
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from urllib.parse import quote_plus

from swiftlite.common.policies import StoragePolicy
from swiftlite.core.timestamp import Timestamp

HASHES_FILE = "hashes.pkl"
INVALIDATIONS_FILE = "hashes.invalid"
LOCK_FILE = ".lock"
REPLICATION_LOCK_FILE = ".lock-replication"

_BOOKKEEPING = frozenset({HASHES_FILE, INVALIDATIONS_FILE, LOCK_FILE, REPLICATION_LOCK_FILE})
_SUFFIX = re.compile(r"^[0-9a-f]{3}$")
_HASH = re.compile(r"^[0-9a-f]{32}$")
_ASYNC_ROOT = re.compile(r"^async_pending(-.*)?$")
_SAFE_NAME = re.compile(r"^[A-Za-z0-9_.-]+$")


def is_device_name(name: str) -> bool:
    """Whether a device may be called so: its name stands in paths and URLs unquoted."""
    return bool(_SAFE_NAME.match(name) or quote_plus(name) == name) and name not in ("", ".", "..") and "/" not in name


def is_partition_name(name: str) -> bool:
    """Whether a partition directory may be called so."""
    return name not in ("", ".", "..") and "/" not in name


def is_suffix(name: str) -> bool:
    """Whether it is the name of a suffix directory: three hex digits."""
    return _SUFFIX.match(name) is not None


def is_hash(name: str) -> bool:
    """Whether it is the name of a hash directory: 32 hex digits."""
    return _HASH.match(name) is not None


def partition_directory(device_root: str, policy: StoragePolicy, partition: str) -> str:
    """``<device>/objects[-N]/<partition>``."""
    return f"{device_root}/{policy.objects_dir}/{partition}"


def objects_root(device_root: str, policy: StoragePolicy) -> str:
    """``<device>/objects[-N]``."""
    return f"{device_root}/{policy.objects_dir}"


def is_bookkeeping(name: str) -> bool:
    """Whether a file of a partition directory only helps to hash what is in it: without suffixes it is of no use."""
    return name in _BOOKKEEPING or (name.startswith(HASHES_FILE) and name.endswith(".tmp"))


def hash_directory(device_root: str, policy: StoragePolicy, partition: str, name_hash: str) -> str:
    """``<device>/objects[-N]/<partition>/<suffix>/<hash>``."""
    return f"{device_root}/{policy.objects_dir}/{partition}/{name_hash[-3:]}/{name_hash}"


def split_hash_directory(path: str) -> tuple[str, str, str]:
    """The partition directory, the suffix and the hash of a hash directory."""
    suffix_directory, name_hash = os.path.split(path)
    partition, suffix = os.path.split(suffix_directory)
    return partition, suffix, name_hash


def is_partition_number(name: str) -> bool:
    """Whether a directory of objects is a partition that a ring may know; others are bookkeeping."""
    return name.isascii() and name.isdigit()


def is_partition_of(partition: int, name_hash: str) -> bool:
    """Whether some part power, of 0 to 32, puts a hash into this partition (formats.md 1.3)."""
    start = int(name_hash[:8], 16)
    if partition == 0:
        return True  # of a ring with one partition
    shift = start.bit_length() - partition.bit_length()  # the one that may leave these digits
    return shift >= 0 and start >> shift == partition


def placement_problem(hash_directory: str) -> str | None:
    """Why nobody would look for an object here; None when somebody may.

    The partition must be one that some part power gives: which one the ring has is not for a path to say, and while
    it is increased there are two.
    """
    partition_directory, suffix, name_hash = split_hash_directory(hash_directory)
    partition = os.path.basename(partition_directory)
    if not is_hash(name_hash):
        return f"{name_hash!r} is not the hash of a name"
    if suffix != name_hash[-3:]:
        return f"its hash does not end with its suffix directory's name, {suffix}"
    if not is_partition_of(int(partition), name_hash):
        return f"its hash belongs to no partition {partition}, whatever the part power"
    return None


def moved_hash_directory(path: str, partition: int) -> str:
    """The same hash directory in another partition of its device."""
    partition_directory, suffix, name_hash = split_hash_directory(path)
    return f"{os.path.dirname(partition_directory)}/{partition}/{suffix}/{name_hash}"


def device_lock_files(device_root: str, count: int) -> list[str]:
    """``<device>/.lock``, ``.lock-1`` and so on: who replicates to a device holds one of them."""
    return [f"{device_root}/{LOCK_FILE}" + (f"-{number}" if number else "") for number in range(count)]


def temporary_directory(device_root: str, policy: StoragePolicy) -> str:
    """``<device>/tmp[-N]``."""
    return f"{device_root}/{policy.tmp_dir}"


def quarantine_directory(device_root: str, policy: StoragePolicy) -> str:
    """``<device>/quarantined/objects[-N]``."""
    return f"{device_root}/quarantined/{policy.objects_dir}"


def async_quarantine_directory(device_root: str) -> str:
    """``<device>/quarantined/objects``, whatever the policy."""
    return f"{device_root}/quarantined/objects"


def async_root(device_root: str, policy: StoragePolicy) -> str:
    """``<device>/async_pending[-N]``."""
    return f"{device_root}/{policy.async_dir}"


def foreign_async_roots(names: Iterable[str], policies: Iterable[StoragePolicy]) -> list[str]:
    """Those of a device's directories that hold spooled updates of policies that nobody knows."""
    known = {policy.async_dir for policy in policies}
    return sorted(name for name in names if _ASYNC_ROOT.match(name) and name not in known)


def async_path(device_root: str, policy: StoragePolicy, name_hash: str, timestamp: Timestamp) -> str:
    """``<device>/async_pending[-N]/<suffix>/<hash>-<timestamp>``."""
    return f"{async_root(device_root, policy)}/{name_hash[-3:]}/{name_hash}-{timestamp.internal}"


def parse_async_name(name: str) -> tuple[str, Timestamp]:
    """The hash and the timestamp in the name of a spooled update.

    :raises ValueError: when it is no such name
    """
    name_hash, dash, timestamp = name.partition("-")
    if not dash or not is_hash(name_hash):
        raise ValueError(f"{name!r} is not the name of a spooled update")
    return name_hash, Timestamp(timestamp)
