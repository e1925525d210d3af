"""MetricMemory: numbers that all processes of one server write, each in a page of its own, and any of them adds up.

The memory is an anonymous file (memfd) that the server's processes inherit: no directory to name, to protect or to tidy.
It holds, one after the other:

- a head: what this is, how long the names are, how many places they take, and when it was made;
- the names: a line for each series, which says its first place, how many it has, and how pages are put together;
- pages, all alike, of one double a place. A page belongs to the process that holds its lock. When that dies, however it
  dies, the kernel lets go of the lock, and the next process that needs a page goes on with what the page holds: counters
  neither go back nor get lost.

A reload starts the program anew in the same process (``http/prefork.py``), which finds the memory by its descriptor.
Whoever starts several programs can give each an empty file for its memory, and all files to one that tells of them
(``cli/supervisor.py``): a program that has died goes on with its numbers when it is started again.
Writing is ``values[place] += 1``: no lock, no system call. Only one thread of a process may write to a place.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import struct
import threading
import time
from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from swiftlite.core.json_text import load_json

COUNTER, SUM, MAX, WORST = "counter", "sum", "max", "worst"
"""How pages are put together: COUNTER and SUM add up, MAX and WORST take the greatest; SUM and WORST take only those of
living processes, and begin at 0 with each process."""
OF_THE_LIVING = (SUM, WORST)

INHERITED = "SWIFTLITE_METRICS"
"""Environment variable through which a reload finds the memory: ``pid:descriptor``."""
GIVEN = "SWIFTLITE_METRICS_GIVEN"
"""Environment variable for the memory that a program's parent has made for it: ``pid of the parent:descriptor``."""
TOLD = "SWIFTLITE_METRICS_TOLD"
"""Environment variable for the memories of other programs that one tells of: ``name:descriptor``, and a space between two."""
MAGIC = b"swiftlite metrics 1\n"
HEAD = struct.Struct("=24sQQd")
NAMES_AT = 4096
NAMES_SIZE = 4 << 20
PAGES_AT = NAMES_AT + NAMES_SIZE
PLACES = 16384
PAGE_SIZE = PLACES * 8
LOST = 0
LOST_SIZE = 64
"""The places of numbers that belong nowhere, since there are more series than places; no series is longer."""

_LOCK = struct.Struct("hhqqi4x")


class Series(NamedTuple):
    """One series as it is written down.

    :ivar labels: values of the family's labels, in its order
    """

    how: str
    name: str
    labels: tuple[str, ...]
    place: int
    size: int


class MetricMemory:
    """The memory of this process and its relatives; made when the first series is.

    :param descriptor: that of another program's, to be read only
    """

    def __init__(self, descriptor: int = -1) -> None:
        self.values: memoryview = memoryview(bytearray(8)).cast("d")
        """This process's page. To be looked up at each use: a forked process has another one."""
        self.page = -1
        self._file = descriptor
        self._kept: list[mmap.mmap] = []
        """Mappings live as long as the process: to close one would give up the lock of its page."""
        self._series: dict[tuple[str, tuple[str, ...]], Series] = {}
        self._read_to = 0
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forked)

    # Series ---------------------------------------------------------------------------------------------------------

    def place(self, how: str, name: str, labels: tuple[str, ...], size: int = 1) -> int:
        """The first of a series' places, the same in all processes; made where it is new.

        :param how: COUNTER, SUM, MAX or WORST
        :param size: how many places it takes, side by side
        :returns: LOST when there is no room for more: what is written there, nobody reads
        """
        known = self._series.get((name, labels))
        if known is None:
            with self._lock:
                known = self._find(how, name, labels, size)
        return known.place

    def _find(self, how: str, name: str, labels: tuple[str, ...], size: int) -> Series:
        if self._file < 0:
            self._open()
        # Processes exclude each other by this lock; the page's is another byte of the same file.
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, 0)
        try:
            end, places = self._learn()
            known = self._series.get((name, labels))
            if known is not None:
                return known
            line = "\t".join((how, name, str(places), str(size), json.dumps(labels))).encode() + b"\n"
            if places + size > PLACES or end + len(line) > NAMES_SIZE:
                return Series(how, name, labels, LOST, size)
            os.pwrite(self._file, line, NAMES_AT + end)
            os.pwrite(self._file, HEAD.pack(MAGIC, end + len(line), places + size, self.made_at), 0)
            self._learn()
            return self._series[name, labels]
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, 0)

    def _learn(self) -> tuple[int, int]:
        """Read the names that others have added; return how long the names are, and how many places they take."""
        _, end, places, _ = HEAD.unpack(os.pread(self._file, HEAD.size, 0))
        if end > self._read_to:
            text = os.pread(self._file, end - self._read_to, NAMES_AT + self._read_to)
            for line in text.decode().splitlines():
                how, name, place, size, labels = line.split("\t")
                series = Series(how, name, tuple(load_json(labels)), int(place), int(size))
                self._series[name, series.labels] = series
            self._read_to = end  # last: whoever is forked meanwhile by another thread reads them again
        return end, places

    # The file and its pages -----------------------------------------------------------------------------------------

    def _open(self) -> None:
        inherited, given = _named_by(INHERITED, os.getpid()), _named_by(GIVEN, os.getppid())
        if _is_ours(inherited):
            self._file = inherited
        elif given >= 0:
            self._file = given
            fcntl.lockf(given, fcntl.LOCK_EX, 1, 0)  # a child of who counted in it before may live, and add to it
            self._begin(self._learn() if _is_ours(given) else (0, LOST + LOST_SIZE))
            fcntl.lockf(given, fcntl.LOCK_UN, 1, 0)
        else:
            self._file = os.memfd_create("swiftlite-metrics", 0)  # inherited: a reload goes on with it
            self._begin((0, LOST + LOST_SIZE))
        os.environ[INHERITED] = f"{os.getpid()}:{self._file}"
        self._claim()

    def _begin(self, ends: tuple[int, int]) -> None:
        """:param ends: how long the names are, and how many places they take"""
        os.pwrite(self._file, HEAD.pack(MAGIC, *ends, time.time()), 0)  # first: a file without it is nobody's yet
        if os.fstat(self._file).st_size < PAGES_AT:
            os.ftruncate(self._file, PAGES_AT)

    def _claim(self) -> None:
        """Take a page that belongs to nobody."""
        page = 0
        while not self._take(page):
            page += 1
        self._map(page)
        for series in self._series.values():
            if series.how in OF_THE_LIVING:
                for place in range(series.place, series.place + series.size):
                    self.values[place] = 0.0

    def _take(self, page: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _offset(page))
        except OSError:
            return False
        return True

    def _map(self, page: int) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, 0)
        try:
            if os.fstat(self._file).st_size < _offset(page + 1):
                os.ftruncate(self._file, _offset(page + 1))
            self._learn()
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, 0)
        mapping = mmap.mmap(self._file, PAGE_SIZE, offset=_offset(page))
        self._kept.append(mapping)
        self.values = memoryview(mapping).cast("d")
        self.page = page

    def _forked(self) -> None:
        """In a child: get a page of our own before anything is counted; locks are not inherited."""
        self._lock = threading.Lock()
        if self._file >= 0 and self.page >= 0:  # who only reads has no page
            self._claim()

    # Reading --------------------------------------------------------------------------------------------------------

    def read(self) -> Iterator[tuple[Series, Sequence[float]]]:
        """Every series of all processes, with its numbers."""
        if self._file < 0:
            return
        _, places = self._learn()
        owners = self.owners()
        pages = []
        for page in range((os.fstat(self._file).st_size - PAGES_AT) // PAGE_SIZE):
            numbers = array("d", os.pread(self._file, places * 8, _offset(page)))
            pages.append((numbers, page in owners))
        for series in sorted(self._series.values(), key=lambda series: series.place):
            span = slice(series.place, series.place + series.size)
            parts = [numbers[span] for numbers, lives in pages if lives or series.how not in OF_THE_LIVING]
            if not parts:
                continue  # all its processes have ended
            join = sum if series.how in (COUNTER, SUM) else max
            yield series, [join(column) for column in zip(*parts)]

    def owners(self) -> dict[int, int]:
        """The living processes that have a page: page -> process id."""
        if self._file < 0:
            return {}
        found = {self.page: os.getpid()} if self.page >= 0 else {}
        for page in range((os.fstat(self._file).st_size - PAGES_AT) // PAGE_SIZE):
            asked = _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, _offset(page), 1, 0)
            kind, _, _, _, pid = _LOCK.unpack(fcntl.fcntl(self._file, fcntl.F_GETLK, asked))
            if kind != fcntl.F_UNLCK:
                found[page] = pid
        return found

    @property
    def made_at(self) -> float:
        """When the first process made it, in seconds since the epoch; a reload changes nothing of that."""
        return float(HEAD.unpack(os.pread(self._file, HEAD.size, 0))[3]) if self._file >= 0 else 0.0

    @property
    def fill(self) -> float:
        """Which part of the memory is in use, from 0 to 1."""
        if self._file < 0:
            return 0.0
        end, places = self._learn()
        return max(end / NAMES_SIZE, places / PLACES)

    @property
    def descriptor(self) -> int:
        """Of its file; -1: there is none yet."""
        return self._file

    def leave(self) -> None:
        """Give up the page: for a process that only reads."""
        if self._file >= 0:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _offset(self.page))
            self.values = memoryview(bytearray(PAGE_SIZE)).cast("d")
            self.page = -1


def _offset(page: int) -> int:
    return PAGES_AT + page * PAGE_SIZE


def told() -> Iterator[tuple[str, MetricMemory]]:
    """The other programs that this one tells of, those that have begun: names and memories."""
    for word in os.environ.get(TOLD, "").split():
        name, _, descriptor = word.partition(":")
        if _is_ours(int(descriptor)):
            if name not in _others:
                _others[name] = MetricMemory(int(descriptor))
            yield name, _others[name]


_others: dict[str, MetricMemory] = {}


def _named_by(variable: str, owner: int) -> int:
    """The descriptor that a variable names for a process; -1: it names none, or that is another's."""
    pid, _, descriptor = os.environ.get(variable, "").partition(":")
    return int(descriptor) if pid == str(owner) else -1


def _is_ours(descriptor: int) -> bool:
    try:
        return os.pread(descriptor, HEAD.size, 0)[: len(MAGIC)] == MAGIC
    except OSError:
        return False
