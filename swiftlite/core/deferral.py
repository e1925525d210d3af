"""Deferral: so many jobs a second for each group of jobs; one that comes too early waits, or is left for another pass."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

Job = TypeVar("Job")


class Deferral(Generic[Job]):
    """Decides when each job is done, from the times that it is told.

    Jobs are grouped by number modulo ``buckets``: more buckets hold up fewer groups that are not busy themselves.

    :param per_second: jobs of one bucket in a second; 0 for no limit
    :param most: jobs that may wait; once there are more, the one that has waited longest is left out
    """

    def __init__(self, per_second: float, buckets: int, most: int) -> None:
        self.pause = 1 / per_second if per_second > 0 else 0.0
        self.buckets = max(1, buckets)
        self.most = most
        self.deferred = 0
        """How many jobs had to wait."""
        self.skipped = 0
        """How many of them were left out."""
        self._ready: dict[int, float] = {}
        self._waiting: dict[int, deque[Job]] = {}
        self._order: deque[int] = deque()

    def __len__(self) -> int:
        """How many jobs wait."""
        return len(self._order)

    def admits(self, group: int, job: Job, now: float) -> bool:
        """Whether a job can be done now; otherwise it waits.

        :param now: seconds, of a clock that does not go back
        """
        bucket = group % self.buckets
        if not self.pause or now >= self._ready.get(bucket, now):
            self._ready[bucket] = now + self.pause
            return True
        self.deferred += 1
        self._waiting.setdefault(bucket, deque()).append(job)
        self._order.append(bucket)
        if len(self._order) > self.most:
            # Each bucket's jobs wait in the order in which they came: the first of the first one is the oldest of all.
            oldest = self._order.popleft()
            self._waiting[oldest].popleft()
            self.skipped += 1
        return False

    def next_time(self) -> float | None:
        """When the next job that waits can be done; None when none does."""
        times = [self._ready[bucket] for bucket, jobs in self._waiting.items() if jobs]
        return min(times) if times else None

    def take(self, now: float) -> Job:
        """A job that waits and whose time has come; of its bucket the newest, the least likely to be out of date.

        Only once no more jobs come in, for what was taken still counts as waiting for ``admits``.
        """
        bucket = min((b for b, jobs in self._waiting.items() if jobs), key=self._ready.__getitem__)
        self._ready[bucket] = max(now, self._ready[bucket]) + self.pause
        self._order.pop()
        return self._waiting[bucket].pop()

    def give_up(self) -> None:
        """Leave out all that wait."""
        self.skipped += len(self._order)
        self._order.clear()
        self._waiting.clear()
