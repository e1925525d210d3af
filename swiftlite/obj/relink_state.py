"""RelinkState: which partitions of a device a relinker has done, kept in a file that OpenStack Swift's understands."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import AbstractContextManager

from swiftlite.common.fs import FileSystem
from swiftlite.core.json_text import load_json


class RelinkState:
    """The partitions that there were at the first run, and which of them are done.

    :param path: of its file
    :param part_power: of the ring
    :param next_part_power: of the ring: greater by one to relink, the same to clean up
    """

    def __init__(self, path: str, part_power: int, next_part_power: int) -> None:
        self.path = path
        self.part_power = part_power
        self.next_part_power = next_part_power
        self.previous_part_power: int | None = None
        """The ring's power when the state of an earlier step was saved: before the increase, when we clean up."""
        self.done: dict[str, bool] = {}

    @property
    def is_cleanup(self) -> bool:
        """Whether links are removed, and not made."""
        return self.part_power == self.next_part_power

    def load(self) -> None:
        """Go on where an earlier run of this step ended; a file that cannot be used, or of another step, is ignored.

        A clean-up that is done is begun anew: links may have been made since, by an increase that was cancelled again,
        or for a proxy whose ring is of yesterday.
        """
        try:
            with open(self.path, "rb") as file:
                stored = load_json(file.read())
            part_power, next_part_power = int(stored["part_power"]), int(stored["next_part_power"])
            done = {str(int(partition)): bool(done) for partition, done in stored["state"].items()}
            previous = None if stored.get("prev_part_power") is None else int(stored["prev_part_power"])
        except FileNotFoundError:
            return
        except (ValueError, TypeError, KeyError, AttributeError):
            return
        if (part_power, next_part_power) == (self.part_power, self.next_part_power):
            self.previous_part_power = previous
            if not (self.is_cleanup and all(done.values())):
                self.done = done
        elif next_part_power == self.next_part_power:  # Else increases went by that this device knows nothing of.
            self.previous_part_power = part_power

    def begin(self, found: Iterable[int]) -> list[int]:
        """What is left to do, greatest first: so what is linked from one partition to another is not met again.

        :param found: the partitions on the device
        """
        partitions = [number for number in found if number < self._end()]
        if not self.done:
            self.done = {str(number): False for number in partitions}
        else:
            # What is new since the first run was made by writers, in its right place; they linked it, too.
            for number in partitions:
                self.done.setdefault(str(number), not self.is_cleanup)
        return sorted((int(name) for name, done in self.done.items() if not done), reverse=True)

    def _end(self) -> int:
        """Partitions from here on are new ones, and hold nothing that belongs elsewhere."""
        if not self.is_cleanup:
            return 1 << self.part_power
        return 1 << (33 if self.previous_part_power is None else self.previous_part_power)

    def finish(self, partition: int) -> None:
        """Note that a partition is done, on stable storage."""
        self.done[str(partition)] = True
        text = {"part_power": self.part_power, "next_part_power": self.next_part_power, "state": self.done}
        if self.previous_part_power is not None:
            text["prev_part_power"] = self.previous_part_power
        directory, name = os.path.split(self.path)
        temporary = f"{directory}/.{name}.tmp"
        with open(temporary, "w", encoding="ascii") as file:
            json.dump(text, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path)

    @property
    def progress(self) -> tuple[int, int]:
        """How many partitions are done, and how many there are."""
        return sum(self.done.values()), len(self.done)


def state_path(device_root: str, objects_directory: str) -> str:
    """Where the state of a device's ``objects[-N]`` is kept."""
    return f"{device_root}/relink.{objects_directory}.json"


def lock(fs: FileSystem, device_root: str, objects_directory: str) -> AbstractContextManager[None]:
    """The lock that keeps a second relinker away from a device, however long that has to wait."""
    return fs.lock(f"{device_root}/.relink.{objects_directory}.lock", timeout=float("inf"))
