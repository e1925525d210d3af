"""The account auditor: looks whether the account databases of this node are sound."""

from __future__ import annotations

from dataclasses import dataclass

from swiftlite.account.backend import AccountBroker
from swiftlite.common import daemon
from swiftlite.common.config import option
from swiftlite.db.auditor import AuditorOptions, DatabaseAuditor


@dataclass(frozen=True)
class AccountAuditorOptions(AuditorOptions):
    """Options of ``[account-auditor]`` (formats.md 8.3)."""

    accounts_per_second: float = option(
        200.0, "databases that are looked at in a second; 0: as many as can be", least=None
    )


class AccountAuditor(DatabaseAuditor):
    """Look at all account databases; corrupt ones are quarantined."""

    section = "account-auditor"
    options_class = AccountAuditorOptions
    kind = "account"
    broker_class = AccountBroker


def main(argv: list[str]) -> int:
    """Run it: ``CONF [-v] [-o | --once]``; returns the exit status."""
    return daemon.main(AccountAuditor, argv)
