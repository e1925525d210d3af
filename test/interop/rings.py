"""Rings of OpenStack Swift's making: its ring builder's commands, many in one process, as each process takes its time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from interop import peer

Command = Sequence[object]
"""A builder file and what follows it on the command line, say ``["object.builder", "create", 8, 3, 1]``."""

COMMAND_LINES = """
from swift.cli import ringbuilder
for arguments in argument:
    try:
        ringbuilder.main(["swift-ring-builder", *arguments])
    except SystemExit as ended:
        # 1 is a warning.
        assert ended.code in (0, 1), arguments
answer = None
"""


def run(swift_dir: Path, commands: Sequence[Command]) -> None:
    """Run the peer's ring builder with each of these command lines; raises PeerError when one fails."""
    peer.evaluate(swift_dir, COMMAND_LINES, [[str(word) for word in words] for words in commands])


def make(swift_dir: Path, rings: Mapping[str, Sequence[str]], part_power: int = 4, seed: int | None = None) -> None:
    """Make rings, named as their files, over devices given as ``ip:port/device``, each in a zone of its own.

    A partition has three replicas, or as many as there are devices.
    """
    commands: list[Command] = []
    for name, devices in rings.items():
        builder = swift_dir / f"{name}.builder"
        places = [word for zone, device in enumerate(devices, 1) for word in (f"r1z{zone}-{device}", "100")]
        commands.append([builder, "create", part_power, min(3, len(devices)), 1])
        commands.append([builder, "add", *places])
        commands.append([builder, "rebalance", *([] if seed is None else ["--seed", seed])])
    run(swift_dir, commands)
