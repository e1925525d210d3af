"""The container auditor: looks whether the container databases of this node are sound."""

from __future__ import annotations

from dataclasses import dataclass

from swiftlite.common import daemon
from swiftlite.common.config import option
from swiftlite.container.backend import ContainerBroker
from swiftlite.db.auditor import AuditorOptions, DatabaseAuditor


@dataclass(frozen=True)
class ContainerAuditorOptions(AuditorOptions):
    """Options of ``[container-auditor]`` (formats.md 8.3)."""

    containers_per_second: float = option(
        200.0, "databases that are looked at in a second; 0: as many as can be", least=None
    )


class ContainerAuditor(DatabaseAuditor):
    """Look at all container databases; corrupt ones are quarantined."""

    section = "container-auditor"
    options_class = ContainerAuditorOptions
    kind = "container"
    broker_class = ContainerBroker


def main(argv: list[str]) -> int:
    """Run it: ``CONF [-v] [-o | --once]``; returns the exit status."""
    return daemon.main(ContainerAuditor, argv)
