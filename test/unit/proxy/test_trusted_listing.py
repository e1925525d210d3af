"""Specifies whom the proxy asks for a listing that can be trusted, and what it makes of their answers."""

import json

import pytest

from fakes.backends import Say
from fakes.more_time import with_more_time
from swiftlite.core.trusted_listing import Known
from swiftlite.proxy import trusted_listing
from swiftlite.wire.catch_up import ASK_KNOWN, BUSY, Reach, SameRows, Stretch, known_header

PUT = {"X-Put-Timestamp": "0000000001.00000", "X-Backend-Timestamp": "0000000001.00000"}
KNOWN = ASK_KNOWN[0].lower()
AT_ONCE = 1000
"""Rows that a replica tells at once."""


class Headers(dict):
    """The headers of a request, found in any case."""

    def get(self, name, default=None):
        return super().get(name.lower(), default)


class Replica:
    """A container's database and its server, as far as listings see them; the rows are names."""

    def __init__(self, backend):
        self.backend = backend
        self.id = backend.name
        self.rows = []
        self.points = {}
        self.life = "life"
        self.deleted = False
        self.asked = []
        """What came in: GET or HEAD, TELL, LEARN, SAME."""
        backend.script = self.answer
        backend.reads_first = True

    def take(self, *names):
        self.rows += [name for name in names if name not in self.rows]

    @property
    def known(self):
        return Known(self.id, " ".join(sorted(self.rows)), self.life, len(self.rows), self.points)

    def answer(self, seen):
        headers = Headers(seen.headers)
        stretch, same = Stretch.from_headers(headers), SameRows.from_headers(headers)
        if same is not None:
            self.asked.append("SAME")
            self.points[same.of] = same.until
            return Say(202)
        if stretch is not None:
            return self.tell(stretch) if seen.method == "GET" else self.learn(stretch, seen)
        self.asked.append(seen.method)
        told = [known_header(self.known)] if KNOWN in seen.headers else []
        if self.deleted:
            return Say(404, dict(told) | {"X-Backend-Timestamp": "0000000001.00000"})
        body = json.dumps([{"name": name} for name in sorted(self.rows)]).encode()
        return Say(200, {**PUT, **dict(told)}, body) if seen.method == "GET" else Say(204, {**PUT, **dict(told)})

    def tell(self, stretch):
        self.asked.append("TELL")
        if stretch.of != self.id:
            return Say(409)
        rows = self.rows[max(0, stretch.since) :][:AT_ONCE]
        until = max(0, stretch.since) + len(rows)
        headers = [known_header(self.known), *Reach(until, until < len(self.rows)).to_headers()]
        return Say(200, dict(headers), json.dumps({"rows": rows, "deleted": self.deleted}).encode())

    def learn(self, stretch, seen):
        self.asked.append("LEARN")
        if self.points.get(stretch.of, -1) < stretch.since:
            return Say(409)
        told = json.loads(seen.body)
        self.take(*told["rows"])
        if told["deleted"]:
            self.deleted, self.life = True, "death"
        self.points[stretch.of] = Reach.from_headers(Headers(seen.headers)).until
        return Say(202, dict([known_header(self.known)]))


@pytest.fixture
def cluster(staged, monkeypatch):
    """A stage of three replicas that are asked in the order of the ring, and no handoffs that know the container."""
    for name in ("CATCH_UP_TIME", "BUSY_FOR"):  # none of them hangs, and nobody forgets
        monkeypatch.setattr(trusted_listing, name, 60.0)
    return replicated(staged(sorting_method="timing"))


def replicated(stage):
    stage.replicas = [Replica(backend) for backend in stage.primaries]
    for number, node in enumerate(stage.cluster.container_ring.primaries(7)):
        stage.cluster.timings.took(node, 0.001 * (number + 1))
    return stage


def names(result):
    assert result.status == 200
    return [entry["name"] for entry in json.loads(result.body)]


def asked(stage):
    return [replica.asked for replica in stage.replicas]


def test_equal_replicas_cost_one_head_more(cluster):
    for replica in cluster.replicas:
        replica.take("a", "b")
    assert names(cluster.call("GET", "/v1/a/c?limit=5")) == ["a", "b"]
    assert asked(cluster) == [["GET"], ["HEAD"], []]
    assert not any(backend.seen for backend in cluster.handoffs)


@pytest.mark.parametrize("knowing", [0, 1])
def test_whoever_of_those_asked_knows_a_row_it_is_shown(cluster, knowing):
    cluster.replicas[knowing].take("a")
    assert names(cluster.call("GET", "/v1/a/c")) == ["a"]


def test_what_is_missing_goes_over_and_is_then_there(cluster):
    first, second, _ = cluster.replicas
    first.take("a")
    second.take("b")
    assert names(cluster.call("GET", "/v1/a/c")) == ["a", "b"]
    assert asked(cluster) == [["GET", "LEARN", "GET"], ["HEAD", "TELL"], []]


def test_nothing_is_fetched_again_where_nothing_was_missing(cluster):
    first, second, _ = cluster.replicas
    first.take("a", "b")
    second.take("b")
    assert names(cluster.call("GET", "/v1/a/c")) == ["a", "b"]
    assert asked(cluster) == [["GET", "LEARN"], ["HEAD", "TELL"], []]


def test_a_replica_that_lags_for_long_costs_no_more_than_one_that_does_not(cluster):
    first, second, _ = cluster.replicas
    second.take("b")
    first.take("a", "b")
    first.points[second.id] = 1
    cluster.call("GET", "/v1/a/c")
    assert asked(cluster) == [["GET"], ["HEAD"], []]


def test_of_two_the_one_that_lacks_less_answers(cluster):
    first, second, _ = cluster.replicas
    second.take(*"abcdefgh")
    first.take("x")
    assert names(cluster.call("GET", "/v1/a/c")) == sorted("abcdefghx")
    assert asked(cluster)[1] == ["HEAD", "LEARN", "GET"]


def test_a_container_that_is_written_to_is_not_compared_each_time(cluster):
    first, second, _ = cluster.replicas
    for name in "abc":
        second.take(name)
        first.take(name.upper())
        assert name in names(cluster.call("GET", "/v1/a/c"))
    assert second.asked == ["HEAD", "TELL", "TELL", "TELL"] or first.asked == ["GET", "TELL", "TELL", "TELL"]


def test_a_replica_that_was_remembered_may_be_gone(cluster):
    first, second, third = cluster.replicas
    first.take("a")
    second.take("b")
    cluster.call("GET", "/v1/a/c")
    cluster.stop(cluster.primaries[1])
    third.take("c")
    assert names(cluster.call("GET", "/v1/a/c")) == ["a", "b", "c"]


@pytest.mark.parametrize("down", [0, 1, 2])
def test_with_one_server_down_it_goes_on(cluster, down, caplog):
    for replica in cluster.replicas:
        replica.take("a")
    cluster.replicas[down - 1].take("b")
    cluster.replicas[down - 2].take("c")
    cluster.stop(cluster.primaries[down])
    assert names(cluster.call("GET", "/v1/a/c")) == ["a", "b", "c"]
    assert "may lag" not in caplog.text


@pytest.mark.parametrize("hung", [0, 1])
def test_for_one_that_hangs_another_is_asked(staged, hung):
    def attempt(timeout):
        cluster = replicated(staged(sorting_method="timing", conn_timeout=timeout))
        cluster.primaries[hung].says(Say(hang=True))
        cluster.replicas[2].take("b")
        assert names(cluster.call("GET", "/v1/a/c")) == ["b"]

    with_more_time(attempt, 0.2, 2.0, 10.0)


@pytest.mark.parametrize(
    "lame",
    [
        Say(404),
        Say(503),
        Say(507),
        Say(200, dict([BUSY]) | PUT, b"[]"),
        Say(204, {KNOWN: "[1]"}),
        Say(404, dict([BUSY])),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_one_that_cannot_tell_does_not_count(cluster, lame, place):
    cluster.primaries[place].says(lame)
    cluster.replicas[1 - place].take("a")
    cluster.replicas[2].take("b")
    assert names(cluster.call("GET", "/v1/a/c")) == ["a", "b"]


def test_where_nobody_has_the_container_there_is_none(cluster, caplog):
    cluster.all_say(404)
    assert cluster.call("GET", "/v1/a/c").status == 404
    assert "may lag" not in caplog.text


def test_a_deletion_that_one_knows_counts_for_all(cluster):
    cluster.replicas[1].deleted = True
    cluster.replicas[1].life = "death"
    assert cluster.call("GET", "/v1/a/c").status == 404
    assert cluster.call("HEAD", "/v1/a/c").status == 404


def test_what_is_wrong_with_the_request_is_said_at_once(cluster):
    cluster.all_say(Say(412, body=b"bad"))
    assert cluster.call("GET", "/v1/a/c").status == 412
    assert len([seen for seen in cluster.seen if seen.method == "GET"]) == 1


def test_with_too_few_it_answers_as_eventual_does_and_says_so_once(cluster, caplog):
    cluster.replicas[2].take("a")
    cluster.stop(cluster.primaries[0])
    cluster.stop(cluster.primaries[1])
    for _ in range(3):
        assert names(cluster.call("GET", "/v1/a/c")) == ["a"]
    assert caplog.text.count("may lag") == 1
    assert cluster.app.trust.untrusted == 3


def test_servers_that_do_not_know_the_question_are_not_asked_it_again(cluster, caplog):
    listing = Say(200, PUT, b'[{"name": "a"}]')
    cluster.all_say(listing)
    for _ in range(3):
        assert names(cluster.call("GET", "/v1/a/c")) == ["a"]
    questions = [seen for seen in cluster.seen if KNOWN in seen.headers]
    assert len(questions) == 3
    assert len(cluster.seen) == 5
    assert caplog.text.count("does not say what it knows") == 3
    assert cluster.app.trust.untrusted == 3


def test_one_such_server_among_ours_is_done_without(cluster):
    cluster.primaries[0].says(Say(200, PUT, b'[{"name": "old"}]'))
    cluster.replicas[1].take("a")
    cluster.replicas[2].take("b")
    assert names(cluster.call("GET", "/v1/a/c")) == ["a", "b"]


def test_a_replica_that_refuses_to_learn_is_replaced(cluster):
    first, second, third = cluster.replicas
    first.take("a")
    second.take("b")
    third.take("c")
    first.points[second.id] = 0
    first.learn = lambda stretch, seen: Say(409)
    assert {"b", "c"} <= set(names(cluster.call("GET", "/v1/a/c")))


def test_what_would_take_too_long_is_left_for_the_next_time(cluster, caplog, monkeypatch):
    monkeypatch.setattr(trusted_listing, "CATCH_UP_TIME", -1.0)
    first, second, _ = cluster.replicas
    first.take("a")
    second.take("b")
    assert names(cluster.call("GET", "/v1/a/c")) == ["a"]
    assert "too much to learn at once" in caplog.text


def test_a_long_stretch_comes_over_in_parts(cluster):
    first, second, _ = cluster.replicas
    many = [f"{number:04}" for number in range(2500)]
    first.take(*many[:2400])
    second.take(*many)
    first.points[second.id] = 0
    second.points[first.id] = -1
    assert len(names(cluster.call("GET", "/v1/a/c"))) == 2500


def test_equal_replicas_are_told_so_where_catching_up_would_be_long(cluster):
    first, second, _ = cluster.replicas
    for replica in (first, second):
        replica.take(*map(str, range(400)))
    cluster.call("GET", "/v1/a/c")
    cluster.until(lambda: first.points and second.points, "both have been told")
    assert first.points == {second.id: 400}
    assert second.points == {first.id: 400}


@pytest.mark.parametrize("environ", [{"swiftlite.cached": True}])
def test_who_asks_for_a_cache_is_answered_by_one(cluster, environ):
    assert cluster.call("HEAD", "/v1/a/c", **environ).status == 204
    assert asked(cluster) == [["HEAD"], [], []]


def test_eventual_asks_one(staged):
    stage = staged(listing_consistency="eventual")
    for backend in stage.primaries:
        Replica(backend)
    assert stage.call("GET", "/v1/a/c").status == 200
    assert len(stage.seen) == 1


def test_a_server_that_was_down_may_be_back_when_the_next_one_is(cluster, caplog):
    first, second, _ = cluster.replicas
    second.take("a")
    left = [Say(503)]
    cluster.primaries[0].script = lambda seen: left.pop() if left else first.answer(seen)
    cluster.primaries[2].says(503)
    assert names(cluster.call("GET", "/v1/a/c")) == ["a"]
    assert "may lag" not in caplog.text


@pytest.mark.parametrize("consistency", ["quorum", "eventual"])
def test_a_server_that_dies_while_it_sends_the_page_is_done_without(staged, consistency):
    stage = staged(listing_consistency=consistency)
    replicas = [Replica(backend) for backend in stage.primaries]
    for replica in replicas:
        replica.take("a", "b")
    left = [1]

    def die_once(replica):
        def script(seen):
            say = replica.answer(seen)
            if left and seen.method == "GET":
                say.die_after = left.pop()
            return say

        replica.backend.script = script

    for replica in replicas:
        die_once(replica)
    assert names(stage.call("GET", "/v1/a/c")) == ["a", "b"]


def test_a_page_that_was_let_go_of_is_no_answer_when_the_better_replica_is_lost(cluster):
    first, second, _ = cluster.replicas
    second.take(*"abcdefgh")
    first.take("x")
    refusing = second.answer
    cluster.primaries[1].script = lambda seen: (
        Say(503) if seen.method == "GET" and len(second.asked) > 1 else refusing(seen)
    )
    assert names(cluster.call("GET", "/v1/a/c")) == ["x"]


def changed(say, **headers):
    """An answer with some headers replaced, or left out (None)."""
    kept = {name: value for name, value in say.headers.items() if name not in headers or headers[name] is not None}
    return Say(say.status, kept, say.body)


@pytest.mark.parametrize("header", [name for name, _ in Reach(1, False).to_headers()[:1]])
def test_a_server_that_is_another_one_by_now_is_done_without(cluster, header):
    first, second, third = cluster.replicas
    first.take("a")
    second.take("b")
    third.take("b")
    tell = second.tell
    second.tell = lambda stretch: changed(tell(stretch), **{header: None})
    assert names(cluster.call("GET", "/v1/a/c")) == ["a", "b"]


def test_a_page_of_another_database_than_the_one_that_has_learned_is_none(cluster):
    first, second, third = cluster.replicas
    first.take("a")
    for replica in (second, third):
        replica.take("b")
    learn = first.learn

    def learn_and_be_replaced(stretch, seen):
        say = learn(stretch, seen)
        first.id, first.rows, first.points = "new", [], {}
        return say

    first.learn = learn_and_be_replaced
    assert "b" in names(cluster.call("GET", "/v1/a/c"))


@pytest.mark.parametrize("step", ["tell", "learn"])
def test_one_that_stops_while_replicas_catch_up_is_not_waited_for(staged, step, monkeypatch):
    def attempt(timeout):
        monkeypatch.setattr(trusted_listing, "CATCH_UP_TIME", timeout)
        stage = staged(conn_timeout=timeout, node_timeout=600.0)
        replicas = [Replica(backend) for backend in stage.primaries]
        for replica in replicas:
            replica.take(replica.id)
        stopped = []

        def stop(replica):
            def method(*args):
                if not stopped:
                    stopped.append(replica)
                    replica.backend.script = lambda seen: Say(hang=True)
                    return Say(hang=True)
                return getattr(Replica, step)(replica, *args)

            setattr(replica, step, method)

        for replica in replicas:
            stop(replica)
        expected = {replica.id for replica in replicas}
        assert len(expected & set(names(stage.call("GET", "/v1/a/c")))) >= 2

    with_more_time(attempt, 0.3, 2.0, 10.0)
