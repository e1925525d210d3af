"""A daemon that starts anew keeps the hash secret by which it has named files: with another it would find none of them."""

from __future__ import annotations

import hashlib
import os

from swiftlite.common.config import ConfigError
from swiftlite.common.restart import is_trial
from swiftlite.core.names import HashPath

HELD = "SWIFTLITE_HASH_SECRET"
"""Environment variable in which a process tells trials, and nobody else, a digest of its secret."""


def hold(secret: HashPath, swift_dir: str) -> None:
    """Note the secret that this process works with; in a trial, compare it with that of the process that makes the trial.

    :param swift_dir: where its swift.conf is, for the error
    :raises ConfigError: in a trial, when swift.conf has another secret by now
    """
    digest = hashlib.sha256(b"%b\n%b" % (secret.prefix, secret.suffix)).hexdigest()
    if is_trial() and os.environ.get(HELD, digest) != digest:
        raise ConfigError(
            os.path.join(swift_dir, "swift.conf"),
            "swift-hash",
            None,
            "the secret is another than the running one: nothing that is stored would be found",
            "put the old one back; if this is the cluster's, stop the daemon and start it",
        )
    os.environ[HELD] = digest
