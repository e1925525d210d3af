"""Rules of the doctor: the hash secret, in swift.conf and in servers that run: with another one nobody finds any data."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator

from swiftlite.watch.copying import copy_from, copy_to, from_backup
from swiftlite.watch.facts import Asked, ClusterView, Server
from swiftlite.watch.files import is_of_a_sample
from swiftlite.watch.findings import CRITICAL, WARNING, Finding, Limits, Rule, chain, shell_on
from swiftlite.watch.gathering import METRICS
from swiftlite.watch.rules_copies import host, is_same, lacks_secret
from swiftlite.watch.starting import restart, restart_all_line

BACKUP = "BACKUP/swift.conf"
"""Wherever that is."""


def in_files(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """A hash secret that is missing or that everybody knows. No remedy makes a new one where there may be data."""
    facts = view.swift_conf
    others = (asked.server for asked in view.reached() if not asked.server.is_local and not lacks_secret(asked))
    first = next(others, None)
    fix = copy_from(view, first, facts.path, facts.path) if first else from_backup(view, "swift.conf", facts.path)
    if view.is_unreadable(facts.path):
        pass  # it is told of already
    elif facts.problem:
        what, why = f"it cannot be read: {facts.problem}", "no server starts without the cluster's hash secret"
        yield Finding("swift-conf-unreadable", CRITICAL, facts.path, what, why, fix)
    elif not facts.secrets:
        what = "neither swift_hash_path_prefix nor swift_hash_path_suffix is set"
        why = "no server starts without it; those that run have the cluster's: with another one, all data are out of reach"
        yield Finding("hash-secret-missing", CRITICAL, facts.path, what, why, fix)
    elif any(map(is_of_a_sample, facts.secrets)):
        what = "the hash secret is that of a sample conf"
        why = (
            "who knows it can choose names that all hash to one place; "
            "only while nothing is stored can it be changed: with another one, all data are out of reach"
        )
        yield Finding(
            "hash-secret-known", WARNING, facts.path, what, why, f"grep -n swift_hash_path {shlex.quote(facts.path)}"
        )
    yield from _missing_elsewhere(view)


def _missing_elsewhere(view: ClusterView) -> Iterator[Finding]:
    """Files of servers' machines that have no secret; each is told of once."""
    ours, seen = view.swift_conf, set()
    for asked in view.reached():
        path = _path(asked)
        if not lacks_secret(asked) or is_same(asked, ours.path, path) or (asked.server.ip, path) in seen:
            continue
        seen.add((asked.server.ip, path))
        what = "it has neither hash prefix nor hash suffix"
        why = "no server of its machine starts again without the cluster's hash secret"
        then = shell_on(asked.server, restart_all_line(view, asked.server))
        fix = chain(copy_to(view, asked.server, ours.path if ours.secrets else BACKUP, path), then)
        yield Finding("hash-secret-missing", CRITICAL, host(asked, path), what, why, fix)


# --- in servers that run ---


def running(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Servers that run with another hash secret than the others, or than their own swift.conf has by now."""
    told = {asked: secret for asked in view.reached() if (secret := _in_use(asked))}
    right = _right_one(told.items())
    seen = set()
    for asked, secret in told.items():
        path, file = _path(asked), _in_file(asked)
        why = (
            "what it stores nobody finds who has another, and all of it is put into quarantine once the secret is right "
            "again; stop it soon (operators-guide.md, A node has the wrong hash suffix)"
        )
        if right is None:
            what = "servers run with different hash secrets, and nobody can tell whose is right"
            yield Finding(
                "hash-secret-differs", CRITICAL, asked.server.name, what, why, _from_backup(view, asked, path)
            )
        elif secret != right:
            what = "it runs with another hash secret than most servers"
            fix = _restart_all(view, asked.server) if file in ("", right) else _from_here(view, asked, path, right)
            yield Finding("hash-secret-differs", CRITICAL, asked.server.name, what, why, fix)
        elif file not in ("", right) and _is_like_ours(view, asked) and (asked.server.ip, path) not in seen:
            seen.add((asked.server.ip, path))
            what = "it has another hash secret than the servers that run: it was changed after they had been started"
            why = (
                "what is started anew finds nothing of what they have stored, and what it then stores they do not find"
            )
            yield Finding(
                "hash-secret-differs", CRITICAL, host(asked, path), what, why, _from_backup(view, asked, path)
            )


def _in_use(asked: Asked) -> str:
    """The fingerprint of the secret that a server runs with; empty where it does not tell."""
    samples = asked.table(METRICS).get("swiftlite_hash_secret_info", ())
    told = (sample.labels.get("fingerprint", "") for sample in samples)
    return asked.word("facts", "hash_secret", "running") or next(told, "")


def _in_file(asked: Asked) -> str:
    """That of its swift.conf."""
    return asked.word("facts", "hash_secret", "file")


def _right_one(told: Iterable[tuple[Asked, str]]) -> str | None:
    """The secret that most servers run with, or, where as many have one as another, that most files have; else None."""
    held = list(told)
    servers = Counter(secret for _, secret in held)
    files = Counter({(asked.server.ip, _path(asked)): _in_file(asked) for asked, _ in held}.values())
    ranks = sorted(((count, files[secret], secret) for secret, count in servers.items()), reverse=True)
    is_certain = len(ranks) == 1 or (len(ranks) > 1 and ranks[0][:2] != ranks[1][:2])
    return ranks[0][2] if is_certain else None


def _path(asked: Asked) -> str:
    return next(iter(asked.table("swiftconfmd5")), "/etc/swift/swift.conf")


def _is_like_ours(view: ClusterView, asked: Asked) -> bool:
    """Whether a server's swift.conf is this machine's: of one that is not, that is told."""
    return view.swift_conf.md5 in asked.table("swiftconfmd5").values()


def _restart_all(view: ClusterView, server: Server) -> str:
    """Start all of a server's machine anew: its other daemons may have the secret that it has."""
    if server.is_local and view.all_in_one:
        return restart(view, server, "")
    return shell_on(server, restart_all_line(view, server))


def _from_backup(view: ClusterView, asked: Asked, path: str) -> str:
    """Put that swift.conf in its place of which somebody knows that it is right, and start all with it."""
    return chain(copy_to(view, asked.server, BACKUP, path), _restart_all(view, asked.server))


def _from_here(view: ClusterView, asked: Asked, path: str, right: str) -> str:
    is_right = any(_in_file(one) == right and _is_like_ours(view, one) for one in view.reached())
    if not is_right or is_same(asked, view.swift_conf.path, path):
        return _from_backup(view, asked, path)
    return chain(copy_to(view, asked.server, view.swift_conf.path, path), _restart_all(view, asked.server))


RULES: tuple[Rule, ...] = (in_files, running)
