"""The sockets that a server listens on: bound with care, handed on by a reload, kept or left as its new conf says."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from swiftlite.common.addresses import own_addresses
from swiftlite.common.restart import place_of_parent

LISTENERS = "SWIFTLITE_LISTENERS"
"""Environment variable through which a reload hands on the sockets: ``pid:fd,fd,…;old worker pid,…``."""
FIRST_GIVEN = 3
"""The first descriptor that systemd gives."""
BY_SYSTEMD = ", held by systemd"
"""At the end of a place: others may not listen there beside us, and it does not end with us."""
FREE = "choose a free port and an address of this machine"
SAME = "let ListenStream of its .socket unit name the same address and port"
RESTART = "take the address of before back, or restart the server: while it listens there, the new one cannot be had"


class ListenError(Exception):
    """The address cannot be listened on; the text says which and why.

    :ivar remedy: what to do
    :ivar number: the system's number of the error, 0 where it has none
    """

    def __init__(self, problem: str, remedy: str = FREE, number: int = 0) -> None:
        super().__init__(problem)
        self.remedy = remedy
        self.number = number


@dataclass
class Listeners:
    """A server's sockets, or one worker's.

    :ivar kept: they listen on the server's address, or on one that it covers; there is at least one
    :ivar leaving: a reload has left them, and the conf does not name their address any more: who has connected there already
        is served still, before they are closed
    """

    kept: list[socket.socket]
    leaving: list[socket.socket] = field(default_factory=list)

    @property
    def place(self) -> str:
        """Where they listen, for a trial and for people."""
        first = self.kept[0]
        return _spell(first.getsockname()) + ("" if _shares(first) else BY_SYSTEMD)

    def share(self, slot: int, count: int) -> Listeners:
        """One worker's: of each address as many as of any other worker, or one more."""
        return Listeners(self.kept[slot::count], self.leaving[slot::count])

    def close_but(self, share: Listeners) -> None:
        """Close what is not in a share."""
        for listener in [*self.kept, *self.leaving]:
            if listener not in share.kept and listener not in share.leaving:
                listener.close()

    def leave(self) -> None:
        """Close, here, what others close in their time."""
        while self.leaving:
            self.leaving.pop().close()

    def close(self) -> None:
        """Close all."""
        self.close_but(Listeners([]))

    def hand_on(self, old: list[int]) -> None:
        """Let the program that is about to start anew in this process go on with them.

        :param old: pids of workers that are to finish then
        """
        for listener in self.kept:
            listener.set_inheritable(True)
        numbers = ",".join(str(listener.fileno()) for listener in self.kept)
        os.environ[LISTENERS] = f"{os.getpid()}:{numbers};{','.join(map(str, old))}"


@dataclass(frozen=True)
class Inheritance:
    """What a program finds when it starts.

    :ivar sockets: they listen
    :ivar old_workers: pids of those that accept there still
    :ivar is_from_systemd: a ``.socket`` unit has given them, no reload
    """

    sockets: list[socket.socket] = field(default_factory=list)
    old_workers: list[int] = field(default_factory=list)
    is_from_systemd: bool = False


def inherited() -> Inheritance:
    """Return what a reload has left us, or systemd has given us."""
    owner, _, rest = os.environ.pop(LISTENERS, "").partition(":")
    given = _given_by_systemd()
    if owner != str(os.getpid()):
        return Inheritance(given, is_from_systemd=bool(given))
    numbers, _, old = rest.partition(";")
    listeners = [socket.socket(fileno=int(number)) for number in numbers.split(",")]
    for listener in listeners:
        listener.set_inheritable(False)
    return Inheritance(listeners, [int(pid) for pid in old.split(",") if pid])


def _given_by_systemd() -> list[socket.socket]:
    """Those of a ``.socket`` unit: it listens while we do not run, so that whoever connects then waits (sd_listen_fds(3))."""
    owner, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    if owner != str(os.getpid()) or not count.isdecimal():
        return []
    given = [socket.socket(fileno=number) for number in range(FIRST_GIVEN, FIRST_GIVEN + int(count))]
    for listener in given:
        listener.set_inheritable(False)
    return given


def listen(ip: str, port: int, count: int, backlog: int, found: Inheritance) -> Listeners:
    """Return sockets that listen on an address; raise ListenError if it is taken.

    There are ``count``, or more where more were left: one that were closed would reset who waits in its backlog. For that
    reason those of an address that the new one covers are kept, too: the kernel prefers them to a wildcard's.

    :param ip: empty: all
    :param count: how many processes will share them
    :param backlog: connections that may wait to be accepted, each
    :param found: what listens already
    """
    with _told_as_listen_error(ip, port):
        family, address = _resolve(ip, port)
        places = [_place(listener) for listener in found.sockets]
        if not any(overlap(place, address[:2]) for place in places):
            _check_free(family, address)
        kept = {address[:2]: (family, address)}
        for listener, place in zip(found.sockets, places):
            if covers(address, place):
                kept[place] = (listener.family, listener.getsockname())
            if found.is_from_systemd:
                _check_same(place, address)
        made = Listeners([], [one for one, place in zip(found.sockets, places) if place not in kept])
        for place, (of_family, whole) in kept.items():
            old = [one for one, its_place in zip(found.sockets, places) if its_place == place]
            made.kept += old
            for _ in range(count - len(old)):
                made.kept.append(old[0].dup() if old and not _shares(old[0]) else _bound(of_family, whole))
        for listener in made.kept:
            listener.listen(backlog)
        return made


def check_address(ip: str, port: int) -> None:
    """In a trial, raise ListenError where an address cannot be listened on beside that of the server that makes the trial."""
    with _told_as_listen_error(ip, port):
        family, address = _resolve(ip, port)
        parent = place_of_parent()
        old = _parse(parent.removesuffix(BY_SYSTEMD))
        if old is not None and parent.endswith(BY_SYSTEMD):
            _check_same(old, address)
        if old == address[:2]:
            return
        if old is None or not overlap(old, address[:2]):
            _check_free(family, address)
            return
        with _told_as_listen_error(
            ip, port, RESTART
        ):  # as where it has given its rights away since it bound the old one
            _bound(family, address).close()
        _check_others(old, address[:2])


def _check_same(given: tuple[str, int], address: tuple[Any, ...]) -> None:
    """Raise ListenError for another address than systemd's: it would go on to listen there, and nobody to accept."""
    if given != address[:2]:
        raise ListenError(f"systemd listens on {_spell(given)} for it, not on {_spell(address)}", SAME)


def _check_others(old: tuple[str, int], new: tuple[str, int]) -> None:
    """Raise OSError where another server has a part of the address: the kernel would let us share it by mistake."""
    for ip in own_addresses(new[0]):
        place = (ip, new[1])
        if covers(new, place) and not covers(old, place):
            try:
                _check_free(*_resolve(*place))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise OSError(error.errno, f"{error.strerror} at {ip}") from None


def covers(address: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether who listens on an address gets all connections to another one."""
    if address[1] != other[1]:
        return False
    return address[0] in (other[0], "::") or (address[0] == "0.0.0.0" and ":" not in other[0])


def overlap(address: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether one connection may be for both."""
    return covers(address, other) or covers(other, address)


@contextlib.contextmanager
def _told_as_listen_error(ip: str, port: int, remedy: str = FREE) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ListenError(
            f"cannot listen on {ip} port {port}: {error.strerror or error}", remedy, error.errno or 0
        ) from None


def _resolve(ip: str, port: int) -> tuple[int, Any]:
    """Family and address of the socket module."""
    family, _, _, _, address = socket.getaddrinfo(
        ip.strip("[]") or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICHOST
    )[0]
    return family, address


def _place(listener: socket.socket) -> tuple[str, int]:
    ip, port = listener.getsockname()[:2]
    return ip, port


def _spell(address: tuple[Any, ...]) -> str:
    return f"{address[0]} port {address[1]}"


def _parse(place: str) -> tuple[str, int] | None:
    ip, _, port = place.partition(" port ")
    return (ip, int(port)) if port.isdecimal() else None


def _bound(family: int, address: Any) -> socket.socket:
    """A socket that shares its address with others of this account."""
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        serve_both(listener)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def _shares(listener: socket.socket) -> bool:
    """Whether others may listen on its address beside it; if not, all processes have to accept at this one."""
    return bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT))


def _check_free(family: int, address: Any) -> None:
    """Raise OSError if an address is taken: SO_REUSEPORT would let two servers share a port by mistake."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        serve_both(probe)
        probe.bind(address)


def serve_both(listener: socket.socket) -> None:
    """Let a socket that is about to be bound to ``::`` serve IPv4 as well, whatever the system's default is."""
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
