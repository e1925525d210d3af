"""Specifies how replicas of a container say what they know, and learn from each other, over HTTP."""

from __future__ import annotations

import itertools
import json

import pytest

from fakes.database_servers import BackendServer, container_server
from swiftlite.core.timestamp import Timestamp
from swiftlite.wire.catch_up import ASK_KNOWN, ASK_ONLY_KNOWN, Reach, SameRows, Stretch, known_of

ASK = dict([ASK_KNOWN])
CONTAINER = "/sda/7/a/c"
CLOCK = itertools.count(1700000000)


def now():
    return Timestamp(next(CLOCK)).internal


class Replica:
    """One container server with the container, and what a proxy asks of it."""

    def __init__(self, directory):
        self.thread = container_server(directory)
        self.server = BackendServer(self.thread)

    def ask(self, method, path=CONTAINER, headers=None, body=None):
        return self.server.request(method, path, headers, body=body)

    def create(self, timestamp=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("PUT", headers={"X-Timestamp": timestamp or now(), **named})

    def put(self, name, timestamp=None):
        row = {"X-Timestamp": timestamp or now(), "X-Size": "1", "X-Content-Type": "text/plain", "X-Etag": "e"}
        assert self.ask("PUT", f"{CONTAINER}/{name}", row).status == 201

    def delete(self, name):
        assert self.ask("DELETE", f"{CONTAINER}/{name}", {"X-Timestamp": now()}).status == 204

    def known(self):
        return known_of(Folded(self.ask("HEAD", headers=ASK).headers))

    def names(self):
        return self.ask("GET").text.split()

    def changes(self, of=None, since=-1):
        return self.ask("GET", headers=dict(Stretch(of or self.known().id, since).to_headers()))

    def learn(self, answer, of, since=-1):
        reach = Reach.from_headers(Folded(answer.headers))
        headers = dict([*Stretch(of, since).to_headers(), *reach.to_headers()])
        return self.ask("UPDATE", headers=headers, body=answer.body)

    def learn_from(self, other):
        """Catch up as a proxy makes it."""
        theirs, since = other.known(), self.known().point(other.known())
        while True:
            told = other.changes(theirs.id, since)
            assert told.status == 200
            answer = self.learn(told, theirs.id, since)
            assert answer.status == 202
            reach = Reach.from_headers(Folded(told.headers))
            since = reach.until
            if not reach.more:
                return known_of(Folded(answer.headers))


class Folded(dict):
    """Headers of an answer, found in any case."""

    def get(self, name, default=None):
        return super().get(name.lower(), default)


@pytest.fixture
def pair(tmp_path):
    replicas = [Replica(tmp_path / name) for name in ("one", "two")]
    yield replicas
    for replica in replicas:
        replica.thread.__exit__()


@pytest.fixture
def made(pair):
    when = now()
    for replica in pair:
        replica.create(when)
    return pair


def test_only_who_asks_is_told(made):
    one, _ = made
    for method in ("GET", "HEAD"):
        assert known_of(Folded(one.ask(method).headers)) is None
        assert known_of(Folded(one.ask(method, headers=ASK).headers)).id == one.known().id


def test_who_wants_to_know_nothing_else_is_told_nothing_else(made):
    one, _ = made
    only = dict([ASK_ONLY_KNOWN])
    answer = one.ask("HEAD", headers=only)
    assert (answer.status, known_of(Folded(answer.headers))) == (204, one.known())
    assert not [name for name in answer.headers if name.startswith("x-container-")]
    one.ask("DELETE", headers={"X-Timestamp": now()})
    answer = one.ask("HEAD", headers=only)
    assert (answer.status, known_of(Folded(answer.headers))) == (404, one.known())


def test_replicas_know_the_same_once_the_same_rows_have_come_in_whatever_order(made):
    one, two = made
    stamps = {name: now() for name in "xyz"}
    for name in "xyz":
        one.put(name, stamps[name])
    assert not two.known().includes(one.known())
    for name in "zyx":
        two.put(name, stamps[name])
    assert one.known().includes(two.known())
    assert two.known().includes(one.known())
    assert one.known().id != two.known().id
    assert one.known().max_row == 3


def test_what_no_database_knows(pair):
    answer = pair[0].ask("HEAD", headers=ASK)
    assert answer.status == 404
    assert known_of(Folded(answer.headers)) is None
    assert pair[0].changes("x").status == 404
    assert pair[0].ask(
        "UPDATE", headers=dict([*Stretch("x", -1).to_headers(), *Reach(1, False).to_headers()])
    ).status in (400, 404)


def test_a_deleted_container_still_says_what_it_knows(made):
    one, two = made
    one.ask("DELETE", headers={"X-Timestamp": now()})
    answer = one.ask("GET", headers=ASK)
    assert answer.status == 404
    assert not known_of(Folded(answer.headers)).includes(two.known())
    two.learn_from(one)
    assert two.ask("GET").status == 404
    two.create()
    one.learn_from(two)
    assert one.ask("GET").status == 204


def test_learning_brings_rows_and_deletions_and_keeps_what_is_newer(made):
    one, two = made
    for name in "abc":
        one.put(name)
        two.put(name)
    one.put("d")
    one.delete("a")
    two.put("e")
    known = two.learn_from(one)
    assert known.includes(one.known())
    assert two.names() == ["b", "c", "d", "e"]
    assert one.names() == ["b", "c", "d"]
    assert not one.known().includes(two.known())


def test_only_what_is_new_goes_over(made):
    one, two = made
    one.put("a")
    two.learn_from(one)
    one.put("b")
    answer = one.changes(since=two.known().point(one.known()))
    assert [row["name"] for row in json.loads(answer.body)["rows"]] == ["b"]


def test_a_long_stretch_goes_over_in_parts(made):
    one, two = made
    when = now()
    rows = [
        {"name": f"{n:05d}", "created_at": when, "size": 1, "content_type": "t", "etag": "e", "deleted": 0}
        for n in range(2500)
    ]
    assert one.ask("UPDATE", headers={"X-Timestamp": now()}, body=json.dumps(rows).encode()).status == 202
    assert Reach.from_headers(Folded(one.changes().headers)) == Reach(1000, True)
    assert two.learn_from(one).includes(one.known())
    assert len(two.names()) == 2500


def test_metadata_and_timestamps_are_learned_too(made):
    one, two = made
    one.ask("POST", headers={"X-Timestamp": now(), "X-Container-Meta-Colour": "blue"})
    assert two.learn_from(one).includes(one.known())
    assert two.ask("HEAD").headers["x-container-meta-colour"] == "blue"
    two.ask("POST", headers={"X-Timestamp": now(), "X-Container-Meta-Colour": ""})
    one.learn_from(two)
    assert "x-container-meta-colour" not in one.ask("HEAD").headers


def test_a_policy_that_was_chosen_elsewhere_first_is_learned(pair):
    one, two = pair
    one.create(X_Backend_Storage_Policy_Index="1")
    two.create(X_Backend_Storage_Policy_Index="0")
    two.learn_from(one)
    assert two.ask("HEAD").headers["x-backend-storage-policy-index"] == "1"
    one.learn_from(two)
    assert one.ask("HEAD").headers["x-backend-storage-policy-index"] == "1"


def test_repeating_it_does_no_harm(made):
    one, two = made
    one.put("a")
    of, told = one.known().id, one.changes()
    assert two.learn(told, of).status == 202
    before = two.known()
    assert two.learn(told, of).status == 202
    assert two.known() == before


def test_a_gap_is_refused_for_the_sync_point_would_hide_it(made):
    one, two = made
    one.put("a")
    one.put("b")
    answer = two.learn(one.changes(since=1), one.known().id, since=1)
    assert answer.status == 409
    assert two.known().point(one.known()) == -1
    assert two.names() == []


def test_another_database_than_the_one_that_was_meant_says_so(made):
    assert made[0].changes(of="somebody-else").status == 409


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"rows": []}',
        b'{"rows": {}, "metadata": "", "created_at": "1", "put_timestamp": "x", "delete_timestamp": "0"}',
    ],
)
def test_nonsense_is_refused(made, body):
    one, two = made
    headers = dict([*Stretch(one.known().id, -1).to_headers(), *Reach(5, False).to_headers()])
    assert two.ask("UPDATE", headers=headers, body=body).status == 400
    assert two.known().point(one.known()) == -1


@pytest.mark.parametrize("header", ["X-Backend-Container-Changes-Since", "X-Backend-Container-Changes-Until"])
def test_a_header_that_is_no_number_is_refused(made, header):
    one, two = made
    headers = dict([*Stretch(one.known().id, -1).to_headers(), *Reach(5, False).to_headers()])
    assert two.ask("UPDATE", headers=headers | {header: "x"}, body=one.changes().body).status == 400


def test_equal_rows_need_not_go_over(made):
    one, two = made
    when = now()
    for replica in made:
        replica.put("a", when)
    theirs = one.known()
    assert two.known().point(theirs) == -1
    assert two.ask("UPDATE", headers=dict(SameRows(theirs.id, theirs.rows, theirs.max_row).to_headers())).status == 202
    assert two.known().point(theirs) == theirs.max_row


def test_rows_that_are_no_longer_equal_must(made):
    one, two = made
    when = now()
    for replica in made:
        replica.put("a", when)
    theirs = one.known()
    two.put("b")
    two.ask("UPDATE", headers=dict(SameRows(theirs.id, theirs.rows, theirs.max_row).to_headers()))
    assert two.known().point(theirs) == -1


def test_rows_that_a_replica_has_lost_are_no_longer_taken_for_known(made):
    one, two = made
    for name in "abc":
        one.put(name)
    two.learn_from(one)
    theirs = one.known()
    assert two.known().point(theirs) == 3
    shrunk = dict([*Stretch(theirs.id, -1).to_headers(), *Reach(2, False).to_headers()])
    assert (
        two.ask("UPDATE", headers=shrunk, body=one.changes().body.replace(b'"ROWID": 3', b'"ROWID": 2')).status == 202
    )
    assert two.known().point(theirs) == 2
    assert one.changes(since=4).status == 409
