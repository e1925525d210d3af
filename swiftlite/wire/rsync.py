"""rsync, as replicators run it (formats.md 5.7)."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Sequence

from swiftlite.common.backend_tls import BackendTLS
from swiftlite.wire.peers import PeerFailed, PeerSilent

SILENT = (10, 30, 35)
"""How rsync ends when there is no connection, or nothing comes over it: that takes long, so it is worth remembering."""
SAID = 300
"""Characters of what a failed rsync said that go into the log."""


def warn_of_rsync(backend: BackendTLS, logger: logging.Logger) -> None:
    """Say in the log that what rsync sends is not protected, where an operator wants the rest to be."""
    if backend.backend_tls:
        logger.warning(
            "sync_method is rsync, which sends in the clear although backend_tls is on; leave it at its default"
        )


def run(arguments: Sequence[str], peer: str, timeout: float) -> None:
    """Run rsync to its end; blocks: call it in a real thread.

    :param arguments: the last one is the target
    :param peer: who is sent to, for the log
    :param timeout: seconds after which it is killed, even if it does not stall
    :raises PeerFailed: when it fails; PeerSilent where the peer did not answer
    """
    try:
        done = subprocess.run(["rsync", *arguments], capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerFailed(f"{peer}: rsync cannot send: {error}") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()[-SAID:]
        kind = PeerSilent if done.returncode in SILENT else PeerFailed
        raise kind(f"{peer}: rsync to {arguments[-1]} ended with {done.returncode}: {said}")
