"""What a module of test/clients says of its client: where it comes from, how it logs in, its settings, its operations.

It is imported by the Python of the client's own virtualenv, too, so nothing here needs more than the standard library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from clients.harness.site import Site

Operation = Callable[[Site], None]
"""Drives the client, and checks by another way what came of it; raises whatever says that it did not work."""


@dataclass(frozen=True)
class Pip:
    """A package of PyPI in a virtualenv of its own, with more packages that it does not ask for itself."""

    package: str
    also: tuple[str, ...] = ()
    version: str = ""
    system: tuple[tuple[str, str], ...] = ()
    """What it needs from Debian: a program or file, and its package."""
    alone: bool = False
    """Without what it asks for itself: that is old, or much, and `also` says what is needed."""
    name = "PyPI"


@dataclass(frozen=True)
class Apt:
    """A package of Debian; `program`: a command, file or Python module of Debian's that it installs."""

    package: str
    program: str
    also: tuple[str, ...] = ()
    name = "Debian"


@dataclass(frozen=True)
class Npm:
    """A package of npm in a directory of its own."""

    package: str
    name = "npm"


Source = Pip | Apt | Npm


@dataclass
class Client:
    """One client program or library.

    `auths`: the versions of authentication that it knows, of v1, v2 and v3, or "token" where it is given one.
    `settings`: what its user has to say, in Markdown. `in_ci`: whether ``test/run clients`` has the time for it;
    then that runs its first source only.
    """

    title: str
    sources: tuple[Source, ...]
    auths: tuple[str, ...]
    settings: str
    in_ci: bool = False
    notes: str = ""
    operations: dict[str, Operation] = field(default_factory=dict)
    limits: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Operations that are not tried with every authentication."""

    def operation(self, title: str, auths: tuple[str, ...] = ()) -> Callable[[Operation], Operation]:
        """Register a function as the operation `title`; they run in the order in which they are registered."""

        def register(function: Operation) -> Operation:
            self.operations[title] = function
            if auths:
                self.limits[title] = auths
            return function

        return register

    def operations_with(self, auth: str) -> dict[str, Operation]:
        """Return what is tried with this version of authentication."""
        return {name: act for name, act in self.operations.items() if auth in self.limits.get(name, self.auths)}
