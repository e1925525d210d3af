"""The hash secret that a process works with: kept when it starts anew, and told so that nobody learns it, only who has another."""

from __future__ import annotations

import functools
import hashlib
import os

from swiftlite.common.config import ConfigError
from swiftlite.common.restart import TOLD, is_trial
from swiftlite.core.names import HashPath

HELD = "SWIFTLITE_HASH_SECRET"
"""What a trial is told: a digest of the secret of the process that makes it."""
_ROUNDS = 100_000
"""Of PBKDF2: some 30 ms for whoever would guess, too."""
_SALT = b"swiftlite hash secret"
"""The same for all, since what they have is compared."""
_of_this: list[HashPath] = []
"""The secret of this process, once there is one."""


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
    TOLD[HELD] = digest
    _of_this[:] = [secret]


def of_this() -> str:
    """The fingerprint of the secret that this process works with; empty where it has none."""
    return fingerprint(_of_this[0]) if _of_this else ""


@functools.lru_cache(maxsize=8)
def fingerprint(secret: HashPath) -> str:
    """What tells a secret from another, and costs who would guess it by that; takes a moment, the first time."""
    text = b"%b\n%b" % (secret.prefix, secret.suffix)
    return hashlib.pbkdf2_hmac("sha256", text, _SALT, _ROUNDS).hex()[:16]
