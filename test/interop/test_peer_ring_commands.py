"""The ring builder's commands: the same words have the same exit status on either side, and leave the same builder."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from interop import peer
from swiftlite.cli.ring_builder import main
from swiftlite.ring.builder import RingBuilder

# Two regions, four zones, an address of IPv6, a replication address, meta.
DEVICES = [
    *("r1z1-10.0.0.1:6200/sda", "100", "r1z2-10.0.0.2:6200/sda_shiny", "100"),
    *("r1z3-10.0.0.3:6200R10.1.0.3:6300/sda", "100", "r2z1-[::1]:6200/sdb", "50"),
]
NEW = "r1z1-10.0.0.9:6200/sda"
STATES: dict[str, list[list[str]]] = {
    "empty": [["create", "5", "3", "1"]],
    "unbalanced": [["create", "5", "3", "1"], ["add", *DEVICES]],
    "balanced": [["create", "5", "3", "1"], ["add", *DEVICES], ["rebalance", "--seed", "1"]],
}
STATES["prepared"] = [*STATES["balanced"], ["prepare_increase_partition_power"]]
STATES["increased"] = [*STATES["prepared"], ["increase_partition_power"]]
STATES["cancelled"] = [*STATES["prepared"], ["cancel_increase_partition_power"]]

COMMANDS = """\

default
dance
search d0|search r9|search|search --region 1|search -z 9|search /sda|search --device sda --ip 10.0.0.1|search _shiny
search [::1]|search R:6300|search R10.1.0.3|search z1:6200|search --weight 100|search --weight 7|search --id 1|search x
list_parts d0|list_parts d9|list_parts|list_parts --zone 1
remove d1|remove d9|remove|remove --zone 1 --yes|remove r1 -y|remove r1|remove --ip 10.0.0.1
set_weight d0 5|set_weight d0|set_weight d9 5|set_weight --id 0 5|set_weight /sda 5 -y|set_weight /sda 5
set_weight d0 x|set_weight d0 -1|set_weight d0 5 d1 6
set_region d0 5|set_region --id 0 5|set_region d0 x|set_zone d0 5|set_zone --id 0 5 --yes|set_zone -d sda 5
set_info d0 10.9.9.9:1/sdz_m|set_info d0 junk|set_info d9 _x|set_info d0 _x d1 _y|set_info d0 R10.7.7.7:5
set_info --id 0 --change-ip 10.9.9.8 --change-port 7 --change-meta x
set_info --id 0 --change-device sdq --change-replication-ip 10.8.8.8 --change-replication-port 9 -y
set_replicas 3.5|set_replicas 0|set_replicas x|set_replicas|set_min_part_hours 3|set_min_part_hours
set_overload 10%|set_overload 0.1|set_overload 10|set_overload -1|set_overload x|set_overload
pretend_min_part_hours_passed|dispersion|dispersion -v|dispersion r1z1.* -v|dispersion --recalculate|version
rebalance|rebalance --force|rebalance 5|rebalance --seed 4|rebalance --format-version 2 -f|rebalance --format-version 9
write_ring|write_ring --format-version 2|write_ring --format-version 2 --dev-id-bytes 4|write_ring --dev-id-bytes 4
write_builder|write_builder 5
add NEW 100|add NEW|add NEW x|add NEW -5|add z1-10.0.0.9:6200/sda 1|add r1z1-10.0.0.9/sda 1|add|add --region 1
add r1z1-10.0.0.1:6200/sda 100|add --region 1 --zone 1 --ip h1 --port 6200 --device x --weight 1
add -r 1 -z 1 -i 10.0.0.8 -p 6200 -j 10.1.0.8 -q 6400 -d x -w 1 -m meta
prepare_increase_partition_power|increase_partition_power|cancel_increase_partition_power
finish_increase_partition_power
""".replace("NEW", NEW)
GROWTH = f"""\

prepare_increase_partition_power|increase_partition_power|cancel_increase_partition_power
finish_increase_partition_power|add {NEW} 1|remove d0|rebalance|set_weight d0 5|write_ring|validate
"""
OTHERS = "|rebalance|dispersion|list_parts d0|search d0|remove d0|set_weight d0 5"

THEIR_RUNS = """
import contextlib, io, sys
import swift.cli.ringbuilder as ringbuilder
answer = []
for words in argument:
    sys.stdin = io.StringIO("n\\n")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            status = ringbuilder.main(["swift-ring-builder", *words])
        except SystemExit as stop:
            status = stop.code
        except Exception:
            status = 2  # what its program's hook makes of it
    answer.append(status or 0)
"""


def cases(state: str) -> list[list[str]]:
    """The command lines to be tried in a state."""
    texts = {"balanced": COMMANDS, "empty": OTHERS, "unbalanced": OTHERS}.get(state, GROWTH)
    return [line.split() for row in texts.split("\n") for line in row.split("|")]


def facts(path: Path) -> Any:
    """What a builder file says, but for what chance decides."""
    builder = RingBuilder.load(path)
    devices = [
        device and {key: value for key, value in device.items() if key not in ("parts", "parts_wanted")}
        for device in builder.devices
    ]
    removed = [device["id"] for device in builder.present if builder.is_removed(device["id"])]
    numbers = (builder.part_power, builder.next_part_power, builder.replicas, builder.min_part_hours, builder.overload)
    return devices, removed, numbers, builder.devices_changed


@pytest.mark.parametrize("state", STATES)
def test_exit_statuses_and_what_is_left(swift_dir: Path, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    base = swift_dir / "object.builder"
    assert all(status <= 1 for status in peer.evaluate(swift_dir, THEIR_RUNS, [[str(base), *w] for w in STATES[state]]))
    tried = cases(state)
    lines: dict[str, list[list[str]]] = {}
    for side in ("ours", "theirs"):
        for number, words in enumerate(tried):
            directory = swift_dir / side / str(number)
            directory.mkdir(parents=True)
            for file in swift_dir.glob("object.*"):
                shutil.copy(file, directory)
            lines.setdefault(side, []).append([str(directory / "object.builder"), *words])
    statuses = {"theirs": peer.evaluate(swift_dir, THEIR_RUNS, lines["theirs"]), "ours": []}
    for line in lines["ours"]:
        monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
        statuses["ours"].append(main(line))
    for number, words in enumerate(tried):
        case = f"{state}: {' '.join(words)}"
        assert statuses["ours"][number] == statuses["theirs"][number], case
        left = [facts(swift_dir / side / str(number) / "object.builder") for side in ("ours", "theirs")]
        assert left[0] == left[1], case
