"""The account replicator: brings the replicas of accounts together (formats.md 4.8)."""

from __future__ import annotations

from swiftlite.account.backend import AccountBroker
from swiftlite.common import daemon
from swiftlite.db.replicator import DatabaseReplicator


class AccountReplicator(DatabaseReplicator):
    """Bring the replicas of accounts to the newest state."""

    section = "account-replicator"
    kind = "account"
    broker_class = AccountBroker


def main(argv: list[str]) -> int:
    """Run it: ``CONF [-v] [-o | --once] [-d D1,D2] [-p P1,P2]``; returns the exit status."""
    return daemon.main(AccountReplicator, argv)
