"""Rules of the doctor: the files that all nodes of a cluster must have alike, rings and swift.conf, and whose is right."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from swiftlite.watch.copying import copy_from, copy_to, open_to_daemons
from swiftlite.watch.facts import Asked, ClusterView, RingFacts
from swiftlite.watch.findings import CRITICAL, NOTICE, Finding, Limits, Rule, chain, on, shell_on
from swiftlite.watch.starting import restart_all_line

NOT_COMPARED = "proxy-not-compared"
STORAGE = ("object", "container", "account")
_TOLD = 5
"""Of what is not alike, as many are named."""


@dataclass(frozen=True)
class Copy:
    """A file as one machine has it.

    :ivar asked: a server that reads it; None: this machine, of which no server does
    :ivar version: of a ring; None: nobody tells it
    """

    asked: Asked | None
    path: str
    md5: str
    version: float | None = None

    @property
    def host(self) -> str:
        """Where it is, for people."""
        return self.asked.server.ip if self.asked else "this machine"


def right_one(copies: Iterable[Copy]) -> str | None:
    """The MD5 of the copy that all should have: most machines have it, and nobody has a newer one.

    None: nobody can tell. Two have as many; or few have a newer one, which may have been on its way to all, or may
    have been taken back while they were down.
    """
    held = list(copies)
    counts = Counter(copy.md5 for copy in held).most_common(2)
    if not counts or (len(counts) > 1 and counts[0][1] == counts[1][1]):
        return None
    most = counts[0][0]
    return None if _is_older(held, most) else most


def _is_older(held: Sequence[Copy], md5: str) -> bool:
    """Whether somebody has a newer version than that of a copy."""
    versions = [copy.version for copy in held if copy.md5 == md5 and copy.version is not None]
    others = [copy.version for copy in held if copy.md5 != md5 and copy.version is not None]
    return bool(versions and others and max(others) > max(versions))


# --- rings ---


def rings(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Rings that are not the same everywhere; which way one is copied, versions and the majority decide."""
    for ring in view.rings:
        if not ring.problem:
            yield from _differing(view, ring)
            yield from _missing(view, ring)


def _differing(view: ClusterView, ring: RingFacts) -> Iterator[Finding]:
    file = os.path.basename(ring.path)
    there = list(_copies(view, "ringmd5", file))
    # Servers of this machine may read that very file.
    is_read = any(copy.asked and is_same(copy.asked, ring.path, copy.path) for copy in there)
    ours = Copy(None, ring.path, ring.md5, ring.version)
    held = there if is_read else [*there, ours]
    odd = [copy for copy in there if copy.md5 != ring.md5]
    if not odd:
        return
    why = "servers with different rings look for the same thing in different places, and do not find it"
    # A ring that its builder here has just made is no stray: it waits to be distributed.
    is_made_here = ring.builder is not None and not ring.builder.problem and ring.builder.is_written
    right = None if _is_older(held, ring.md5) else ring.md5
    if not is_made_here:
        right = right_one(held)
    if right is None:
        what = f"{_by_content(held)}: nobody can tell whose is right, so look before one is copied"
        yield Finding("ring-differs", CRITICAL, ring.path, what, why, _show_all([ours, *odd]))
    elif right != ring.md5:
        source = next(copy for copy in odd if copy.md5 == right)
        most = sum(copy.md5 == right for copy in held)
        what = f"this machine's ring is another than that of most: {most} of {len(held)} have one that is not older"
        fix = copy_from(view, source.asked.server, source.path, ring.path) if source.asked else ""
        yield Finding("ring-differs", CRITICAL, ring.path, what, why, fix)
    else:
        for copy in odd:
            if copy.asked:
                what = f"{file} is not the ring of this machine{_and_of_most(held, ring.md5)}"
                fix = copy_to(view, copy.asked.server, ring.path, copy.path)
                yield Finding("ring-differs", CRITICAL, host(copy.asked, copy.path), what, why, fix)


def _copies(view: ClusterView, check: str, file: str) -> Iterator[Copy]:
    """A file as the servers tell of it."""
    for asked, path, md5 in _once_a_file(view, check):
        if os.path.basename(path) == file and isinstance(md5, str) and md5:
            yield Copy(asked, path, md5, asked.figure("facts", "rings", path, "version"))


def _once_a_file(view: ClusterView, check: str) -> Iterator[tuple[Asked, str, object]]:
    """What servers tell of their files, of each file once; a proxy of this machine has another address for the same."""
    seen = set()
    local = {path for asked in view.reached(*STORAGE) if asked.server.is_local for path in asked.table(check)}
    for asked in view.reached():
        for path, md5 in asked.table(check).items():
            is_known = asked.server.kind == "proxy" and asked.server.is_local and path in local
            if (asked.server.ip, path) not in seen and not is_known:
                seen.add((asked.server.ip, path))
                yield asked, path, md5


def _and_of_most(held: Sequence[Copy], md5: str) -> str:
    count = sum(copy.md5 == md5 for copy in held)
    return f", which {count} of {len(held)} have" if 2 * count > len(held) else ""


def _by_content(held: Sequence[Copy]) -> str:
    """Who has what."""
    told = []
    for md5 in dict.fromkeys(copy.md5 for copy in held):
        hosts = [copy.host for copy in held if copy.md5 == md5]
        version = next((copy.version for copy in held if copy.md5 == md5 and copy.version is not None), None)
        name = f"version {version:g}" if version is not None else f"MD5 {md5[:8]}"
        more = f" and {len(hosts) - _TOLD} more" if len(hosts) > _TOLD else ""
        told.append(f"{name} is on {', '.join(hosts[:_TOLD])}{more}")
    return "; ".join(told)


def _show_all(copies: Sequence[Copy]) -> str:
    """Show one file of each content, with its date."""
    first = {copy.md5: copy for copy in reversed(copies)}
    lines = []
    for copy in reversed(first.values()):
        command = ("ls", "-l", "--time-style=full-iso", copy.path)
        lines.append(on(copy.asked.server, *command) if copy.asked else shlex.join(command))
    return " && ".join(lines)


def _missing(view: ClusterView, ring: RingFacts) -> Iterator[Finding]:
    """Servers that do not have a ring, or may not read it."""
    file = os.path.basename(ring.path)
    why = "servers with different rings look for the same thing in different places, and do not find it"
    for asked in view.reached(ring.name.partition("-")[0]):
        sums = asked.table("ringmd5")
        told = {path: md5 for path, md5 in sums.items() if os.path.basename(path) == file}
        if not sums or any(told.values()):
            continue
        is_closed = bool(told)
        has_no_conf = not all(asked.table("swiftconfmd5").values()) or lacks_secret(asked)
        if not is_closed and has_no_conf:
            continue  # it cannot use swift.conf, which names the policies whose rings it tells of
        path = f"{os.path.dirname(next(iter(sums)))}/{file}"
        if asked.server.is_local and view.is_unreadable(path):
            continue
        what = f"{file} is {'there, and its server may not read it' if is_closed else 'missing'}"
        fix = copy_to(view, asked.server, ring.path, path)
        if is_closed or is_same(asked, ring.path, path):
            fix = open_to_daemons(view, asked.server, path)
        yield Finding("ring-missing", CRITICAL, host(asked, path), what, why, fix)


def is_same(asked: Asked, ours: str, theirs: str) -> bool:
    """Whether a server has the very file that we have."""
    return asked.server.is_local and os.path.normpath(ours) == os.path.normpath(theirs)


def host(asked: Asked, path: str) -> str:
    """A file of a server's machine, for people."""
    return f"{asked.server.ip}:{path}"


# --- swift.conf ---


def lacks_secret(asked: Asked) -> bool:
    """Whether a server's swift.conf can be read, and has no hash secret: the rules of secrets tell of that."""
    told, sums = asked.table("facts", "hash_path"), asked.table("swiftconfmd5")
    return bool(told) and not any(told.values()) and (not sums or any(sums.values()))


def swift_conf(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Servers whose swift.conf is not this machine's; or this machine, where more have another one."""
    ours = view.swift_conf
    if not ours.md5 or not ours.secrets:
        return  # without a secret it is nobody's measure
    held = list(_once_a_file(view, "swiftconfmd5"))
    others = Counter(md5 for _, _, md5 in held if isinstance(md5, str) and md5 and md5 != ours.md5)
    # This machine may be one of those that were asked.
    agreeing = max(1, sum(md5 == ours.md5 for _, _, md5 in held))
    most, count = others.most_common(1)[0] if others else ("", 0)
    why = "with another hash secret or other policies a server does not find what the others stored, and hides it"
    if count > agreeing:
        asked, path, _ = next(entry for entry in held if entry[2] == most)
        what = f"{count} machines have another swift.conf than this one; here it is as on {agreeing}"
        yield Finding("swift-conf-differs", CRITICAL, ours.path, what, why, _difference(asked, path, ours.path))
        return
    for asked, path, md5 in held:
        if md5 == ours.md5 or lacks_secret(asked) or (asked.server.is_local and view.is_unreadable(path)):
            continue
        what = "swift.conf is not that of this machine" if md5 else "it is missing, or its server may not read it"
        then = restart_all_line(view, asked.server)
        fix = shell_on(asked.server, then) if md5 else open_to_daemons(view, asked.server, path, then)
        if not is_same(asked, ours.path, path):
            fix = chain(copy_to(view, asked.server, ours.path, path), shell_on(asked.server, then))
        if md5 and count == agreeing:  # nobody can tell which of them is right
            fix = _difference(asked, path, ours.path)
        yield Finding("swift-conf-differs", CRITICAL, host(asked, path), what, why, fix)


def _difference(asked: Asked, theirs: str, ours: str) -> str:
    """Show how a file of a server's machine differs from ours."""
    return f"{on(asked.server, 'cat', theirs)} | diff {shlex.quote(ours)} -"


# --- proxies ---


def proxies(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Proxies that do not tell which files they have."""
    for asked in view.reached("proxy"):
        if asked.server.is_local or asked.table("ringmd5") or asked.table("swiftconfmd5"):
            continue  # what is here, somebody has looked at
        what = "it does not tell which rings and which swift.conf it has, so nobody has compared them"
        why = "a proxy with another swift.conf or other rings stores things where nobody looks for them"
        line = f"md5sum {shlex.quote(view.swift_dir)}/swift.conf {shlex.quote(view.swift_dir)}/*.ring.gz"
        fix = f"{shell_on(asked.server, line)} | md5sum -c -"
        yield Finding(NOT_COMPARED, NOTICE, asked.server.name, what, why, fix)


RULES: tuple[Rule, ...] = (rings, swift_conf, proxies)
