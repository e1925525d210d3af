"""swift.conf: what every process of a cluster must agree on (formats.md 1.1)."""

from __future__ import annotations

import os
from dataclasses import dataclass

from swiftlite.common.backend_tls import PLAIN, BackendTLS
from swiftlite.common.config import ConfFile, ConfigError
from swiftlite.common.policies import StoragePolicies, read_policies
from swiftlite.core.constraints import Constraints
from swiftlite.core.names import HashPath

REMEDY = "copy swift.conf from another node of the cluster, or set swift_dir to the directory that holds swift.conf"


@dataclass(frozen=True)
class SwiftConf:
    """The hash secret, the limits and the storage policies of a cluster, and how its nodes speak with each other."""

    hash_path: HashPath
    constraints: Constraints
    policies: StoragePolicies
    backend_tls: BackendTLS = PLAIN

    @classmethod
    def load(cls, swift_dir: str) -> SwiftConf:
        """Read ``<swift_dir>/swift.conf``.

        :raises ConfigError: when it is missing, broken, or names neither hash prefix nor suffix
        """
        path = os.path.join(swift_dir, "swift.conf")
        conf = ConfFile.load(path, REMEDY)
        return cls(_read_hash_path(conf), _read_constraints(conf), read_policies(conf), BackendTLS.read(conf))


def _read_hash_path(conf: ConfFile) -> HashPath:
    options = conf.section("swift-hash")
    prefix, suffix = options.get("swift_hash_path_prefix", ""), options.get("swift_hash_path_suffix", "")
    if not prefix and not suffix:
        raise ConfigError(
            conf.path,
            "swift-hash",
            "swift_hash_path_suffix",
            "[swift-hash]: both swift_hash_path_suffix and swift_hash_path_prefix are missing",
            "set one of them in swift.conf to the cluster's secret, the same on every node",
        )
    return HashPath(prefix.encode("latin-1"), suffix.encode("latin-1"))


def _read_constraints(conf: ConfFile) -> Constraints:
    try:
        return Constraints.from_options(conf.section("swift-constraints"))
    except ValueError as error:
        raise ConfigError(conf.path, "swift-constraints", None, str(error), "correct it") from None
