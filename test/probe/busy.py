"""Busy: clients that write and read without end while something is done to the cluster, and tell what went wrong for them."""

from __future__ import annotations

import random
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from functional.cluster import wait_until
from functional.model import Content
from probe.book import Book, Name
from probe.client import Writer, patiently
from probe.cluster import ProbeCluster


class Busy:
    """A client of each proxy that changes objects of its own without end, and looks each time for the last change.

    It also looks at one of those objects that were there before, and that nobody changes. `think_time` are the seconds
    that a client rests after each change, so that it leaves something of the machine to the cluster. `methods` are those
    that change what is there.
    """

    def __init__(
        self,
        cluster: ProbeCluster,
        book: Book,
        proxies: Collection[int] = (1, 4),
        think_time: float = 0.0,
        methods: Sequence[str] = ("PUT", "POST", "DELETE"),
    ) -> None:
        self.methods = methods
        self.writers = {number: cluster.writer(number, book) for number in proxies}
        self.book = book
        self.unchanged = [name for name in book.names() if not name[1].startswith("busy-")]
        self.problems: list[str] = []
        self.done = dict.fromkeys(self.writers, 0)
        self.think_time = think_time
        self.is_over = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """They work while the block runs, and all they saw must be right."""
        threads = [threading.Thread(target=self._work, args=item) for item in self.writers.items()]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.is_over.set()
            for thread in threads:
                thread.join()
        assert not self.problems, self.problems

    def work_a_while(self) -> None:
        """Return when each has made some more changes."""
        goals = {number: count + 8 for number, count in self.done.items()}
        wait_until(lambda: self.problems or all(self.done[n] >= goals[n] for n in goals), "clients go on", 300)
        assert not self.problems, self.problems

    def _work(self, number: int, writer: Writer) -> None:
        dice = random.Random(number)
        try:
            while not (self.is_over.is_set() or self.problems):
                name = ("c", f"busy-{number}-{dice.randrange(20)}")
                self._change(writer, name, dice)
                self._look(writer, name)
                self._look(writer, dice.choice(self.unchanged))
                self.done[number] += 1
                self.is_over.wait(self.think_time)
        except Exception as error:  # a thread's failure is the test's
            self.problems.append(f"client of host{number}: {type(error).__name__}: {error}")

    def _change(self, writer: Writer, name: Name, dice: random.Random) -> None:
        is_there = self.book.outcomes(name)[0].content is not None
        method = dice.choice(self.methods if is_there else ["PUT"])
        if method == "PUT":
            content = Content(dice.randrange(10**9), dice.choice([10, 1000, 70_000]))
            status = patiently(partial(writer.put, name, content))
        elif method == "POST":
            # Without a busy machine, too: one server with the object may be all that is up.
            status = patiently(partial(writer.post, name, {"Colour": str(dice.random())}))
        else:
            status = patiently(partial(writer.delete, name), gone=204)
        if not 200 <= status < 300:
            self.problems.append(f"{method} {name}: {status}")

    def _look(self, writer: Writer, name: Name) -> None:
        (wanted,) = self.book.outcomes(name)
        heard = writer.get(name, newest=True)
        metadata = {key: value for key, value in heard.headers.items() if key.startswith("x-object-meta-")}
        found = (heard.body, metadata) if heard.status == 200 else None
        if found != ((wanted.content.body, wanted.metadata) if wanted.content else None):
            self.problems.append(f"GET {name}: {heard.status}, {len(heard.body)} bytes, {metadata}; wanted {wanted}")
