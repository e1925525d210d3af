"""Who may do what: for random access lists of accounts and containers, OpenStack Swift and we decide alike."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from functional.database_cases.settings import SETTINGS, SWIFT_CONF
from functional.object_cases.notation import (
    ADMIN,
    DELETE,
    GET,
    GUEST,
    HEAD,
    NOBODY,
    OWNER,
    POST,
    PUT,
    STRANGER,
    Case,
    Step,
    Table,
    by,
    case,
)
from functional.object_cases.site import Site
from interop.side_by_side import sites_of, two_clusters

MEMBERS = ("test", "test:tester", "test:tester3", "test2", "test2:tester2", "test2:other", "AUTH_test", "AUTH_test2")
MEMBERS += (".admin", ".reseller_admin", "*", "*:*", "test2%3Atester2", "\xc3\xa9", "a b")
REFERRERS = (".r:*", ".r:-*", ".r:a.example", ".r:-a.example", ".r:.a.example", ".r:-.a.example", ".r:unknown")
PAGES = (None, "http://a.example/", "http://x.a.example/y", "nonsense")
USERS = (OWNER, GUEST, STRANGER, ADMIN, NOBODY)


def some(rng: random.Random, words: tuple[str, ...]) -> list[str]:
    return rng.sample(words, min(len(words), rng.choice((0, 0, 1, 2, 4))))


def lists(rng: random.Random) -> tuple[dict[str, str], dict[str, str]]:
    """Random access lists of an account and of a container in it, as headers."""
    levels = {level: some(rng, MEMBERS) for level in some(rng, ("admin", "read-write", "read-only"))}
    read = some(rng, (*MEMBERS, *REFERRERS)) + rng.choice(([], [".rlistings"]))
    rng.shuffle(read)
    account = {"X-Account-Access-Control": json.dumps(levels)}
    return account, {"X-Container-Read": ",".join(read), "X-Container-Write": ",".join(some(rng, MEMBERS))}


def attempts(rng: random.Random) -> Iterator[Step]:
    """What every user tries; with what page he comes from."""
    steps = (
        *(GET(target) for target in ("{fresh}", "{fresh}/c", "{fresh}/c/o", "{fresh}/none", "{fresh}/c/none")),
        *(HEAD(target) for target in ("{fresh}", "{fresh}/c", "{fresh}/c/o")),
        POST("{fresh}", X_Account_Meta_A="1"),
        POST("{fresh}/c", X_Container_Meta_A="1"),
        POST("{fresh}/c/o", X_Object_Meta_A="1"),
        PUT("{fresh}/d"),
        PUT("{fresh}/c/p", "x"),
        DELETE("{fresh}/c/p"),
        DELETE("{fresh}/d"),
    )
    for who in USERS:
        for step in steps:
            page = rng.choice(PAGES)
            yield by(who | ({} if page is None else {"Referer": page}), step)


def one(seed: int) -> Case:
    rng = random.Random(seed)
    account, container = lists(rng)
    made = (PUT("{fresh}/c", more=container), PUT("{fresh}/c/o", "x"), POST("{fresh}", more=account))
    return case(f"seed {seed}", *(by(ADMIN, step) for step in made), *attempts(rng))


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    directory: Path = tmp_path_factory.mktemp("sites")
    with two_clusters(directory, SETTINGS, SWIFT_CONF) as clusters:
        yield sites_of(clusters)


def test_access_is_the_same(sites: dict[str, Site]) -> None:
    table = Table("lists", (), tuple(one(seed) for seed in range(10)))
    for wanted in table.cases:
        ours, theirs = (site.run(table, wanted) for site in sites.values())
        for (step, mine), (_, other) in zip(ours, theirs):
            assert mine.status == other.status, f"{wanted.name}: {wanted.steps[:3]}: {step}"
