"""Operator: types what the guide says, and nothing else, while clients use the cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from probe import guide
from probe.book import Book
from probe.busy import Busy
from probe.client import fill
from probe.machines import Machine, Site
from probe.verify import problems, reading_problems, settle

CHECKS = 3
"""How often a check is tried, as the guide says."""
THINK_TIME = 0.05
"""Of a client, in seconds: the machine's two cores are for the cluster."""


@cache
def blocks() -> dict[tuple[str, str], guide.Block]:
    """The guide's, as it is now."""
    return guide.blocks(guide.GUIDE.read_text())


class Operator:
    """Runs the guide's blocks on the admin's machine of a site.

    :param proxies: by which clients come meanwhile
    """

    def __init__(self, site: Site, book: Book, proxies: tuple[int, ...]) -> None:
        self.site = site
        self.book = book
        self.proxies = proxies

    @classmethod
    def at(cls, site: Site, prefix: str, count: int) -> Operator:
        """One whose machine is set up, and whose cluster holds `count` objects whose names begin with `prefix`."""
        operator = cls(site, Book(), proxies=(1, 2))
        operator.types("procedure", "admin-host")
        writer = site.writer(1, operator.book)
        writer.put_container("c")
        fill(writer, "c", prefix, count)
        settle(site, operator.book)
        return operator

    def types(self, kind: str, name: str, machine: Machine | None = None, **variables: str) -> str:
        """Run a block; return what it prints. It must succeed, and use no variable that the test does not set."""
        text = blocks()[kind, name].text
        about = {"NODE": machine.name, "IP": machine.ip, "ZONE": str(machine.place.zone)} if machine else {}
        for _ in range(CHECKS if kind == "check" else 1):
            done = self.site.admin(text, {**about, "WEIGHT": "100", **variables})
            if done.returncode == 0:
                break
        said = f"{kind} {name}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, "\n".join([said, *self.site.last_words()])
        return done.stdout

    def follows(self, name: str, machine: Machine | None = None, **variables: str) -> str:
        """Run a procedure and its check while clients work; return what the check prints.

        Clients notice nothing, and in the end every replica is where it belongs, byte for byte.
        """
        with self.clients_at_work():
            self.types("procedure", name, machine, **variables)
            said = self.types("check", name, machine, **variables)
        self.verify()
        return said

    def undoes(self, name: str, machine: Machine | None = None, **variables: str) -> None:
        """Run what undoes a procedure, in the same way."""
        with self.clients_at_work():
            self.types("undo", name, machine, **variables)
        self.verify()

    @contextmanager
    def clients_at_work(self, *methods: str) -> Iterator[None]:
        """A client of each proxy that must see nothing of what happens in the block.

        :param methods: by which it changes what is there; all when none is named
        """
        busy = Busy(self.site, self.book, self.proxies, THINK_TIME, methods or ("PUT", "POST", "DELETE"))
        with busy.running():
            busy.work_a_while()
            yield
            busy.work_a_while()

    def verify(self) -> None:
        """Every replica is right, and the clients read what they wrote."""
        if problems(self.site, self.book):
            settle(self.site, self.book)
        for number in self.proxies:
            assert reading_problems(self.site, self.book, number) == []

    def hours_pass(self) -> None:
        """Until partitions may move again."""
        self.site.let_move_again()

    def rebalances_until_there_is_no_need(self, rounds: int = 6) -> None:
        """Rebalance again and again, hours apart, until nothing moves; clients work all the time."""
        with self.clients_at_work():
            for _ in range(rounds):
                self.hours_pass()
                said = self.types("procedure", "rebalance-again")
                if not re.search(r"^Reassigned", said, re.MULTILINE):
                    break
                self.types("check", "rebalance-again")
            else:
                raise AssertionError(f"still not balanced after {rounds} rounds:\n{said}")
        self.verify()
