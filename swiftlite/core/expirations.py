"""What the expirer does with its queue: which rows are due, who deals with them, and in what order (formats.md 1.8)."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from swiftlite.core.names import EntityName, split_path
from swiftlite.core.timestamp import Timestamp

ASYNC_DELETE_TYPE = "application/async-deleted"
"""Content type of rows whose object is to be deleted whatever it says itself: the rest of an asynchronous delete."""

DELAY_PREFIX = "delay_reaping_"


@dataclass(frozen=True)
class Task:
    """One row of the queue: an object that is to be deleted.

    :param container: the queue's container, a moment in seconds
    :param row: the name of the row there
    :param due: when the object expires
    :param target: the object
    :param is_async: delete it without asking when it expires
    """

    container: str
    row: str
    due: Timestamp
    target: EntityName
    is_async: bool = False

    @classmethod
    def from_row(cls, container: str, row: str, content_type: str) -> Task:
        """Read a row of the queue: ``<due>-<account>/<container>/<object>``.

        :raises ValueError: when it is none
        """
        moment, dash, path = row.partition("-")
        if not dash:
            raise ValueError(f"{row!r} names no object")
        account, target_container, name = split_path("/" + path, 3, 3, rest_with_last=True)
        assert account is not None
        target = EntityName(account, target_container, name)
        return cls(container, row, Timestamp(moment), target, content_type == ASYNC_DELETE_TYPE)

    def headers(self) -> dict[str, str]:
        """What the object's DELETE says. It is dated back, so whatever was written after the object's end survives.

        The row itself is removed by who has done the task, not by the object servers.
        """
        if self.is_async:
            return {"X-Timestamp": self.due.normal}
        return {
            "X-Timestamp": self.due.normal,
            "X-If-Delete-At": self.due.normal,
            "X-Backend-Clean-Expiring-Object-Queue": "no",
        }

    def is_done(self, status: int, now: float, reclaim_age: float) -> bool:
        """Whether the row can go, after its object's DELETE was answered so.

        Who finds no object, or one that expires at another time, may have asked servers that do not know of it yet:
        that is tried again until the row is old.
        """
        if status // 100 == 2 or status == 409:
            return True
        if status == 404 and self.is_async:
            return True
        return status in (404, 412) and float(self.due) <= now - reclaim_age


@dataclass(frozen=True)
class Delays:
    """How long expired objects are left on the disks, by account and container.

    :param seconds: by (account, container), or by (account, None) for all others of an account
    """

    seconds: Mapping[tuple[str, str | None], float]

    @classmethod
    def from_options(cls, options: Mapping[str, str]) -> Delays:
        """Read ``delay_reaping_<account>[/<container>] = <seconds>``, the names percent-encoded.

        :raises ValueError: whose text starts with the option's name
        """
        found = {}
        for option, text in options.items():
            if not option.startswith(DELAY_PREFIX):
                continue
            name = unquote(option.removeprefix(DELAY_PREFIX))
            try:
                account, container = split_path("/" + name, 1, 2)
                seconds = float(text)
                if name.endswith("/") or not seconds >= 0:
                    raise ValueError
            except ValueError:
                raise ValueError(
                    f"{option}: must be {DELAY_PREFIX}<account>[/<container>] = seconds, not {text!r}"
                ) from None
            assert account is not None
            found[account, container] = seconds
        return cls(found)

    def of(self, target: EntityName) -> float:
        """Seconds that an object stays after it has expired."""
        if not self.seconds:
            return 0.0
        return self.seconds.get((target.account, target.container), self.seconds.get((target.account, None), 0.0))


@dataclass(frozen=True)
class Share:
    """Which of the queue's rows one of several expirers deals with.

    :param process: its number, from 0
    :param processes: how many there are; 0 for one
    """

    process: int = 0
    processes: int = 0

    def __post_init__(self) -> None:
        if self.processes < 0 or not 0 <= self.process < max(1, self.processes):
            raise ValueError(f"process {self.process} is none of {self.processes}: they are numbered from 0")

    def has(self, container: str, row: str) -> bool:
        """Whether this expirer deals with a row; exactly one of all does."""
        if self.processes < 2:
            return True
        digest = hashlib.md5(f"{container}/{row}".encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
        return int(digest, 16) % self.processes == self.process


def due_containers(names: Iterable[str], now: float) -> Iterator[str]:
    """The queue's containers that have rows whose time has come, of its listing in order.

    Others than numbers are passed over.
    """
    for name in names:
        try:
            moment = int(Timestamp(name))
        except ValueError:
            continue
        if moment > now:
            return
        yield name


def is_delayed(task: Task, delays: Delays, now: float) -> bool:
    """Whether an object that has expired is to stay for a while; nobody waits for asynchronous deletes."""
    return not task.is_async and float(task.due) > now - delays.of(task.target)


def in_turns(tasks: Iterable[Task], most: int) -> Iterator[Task]:
    """The same tasks, the containers of their objects taking turns, so that no container server gets them all at once.

    :param most: tasks that are held back at once
    """
    held: dict[tuple[str, str | None], deque[Task]] = {}
    count = 0
    for task in tasks:
        held.setdefault((task.target.account, task.target.container), deque()).append(task)
        count += 1
        if count >= most:
            yield from _dealt(held)
            held, count = {}, 0
    yield from _dealt(held)


def _dealt(held: dict[tuple[str, str | None], deque[Task]]) -> Iterator[Task]:
    waiting = deque(held.values())
    while waiting:
        tasks = waiting.popleft()
        yield tasks.popleft()
        if tasks:
            waiting.append(tasks)
