"""Gathering: servers that are silent, slow, gone, or talk nonsense do not keep the others from being heard."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fakes.more_time import with_more_time
from fakes.ports import free_ports
from swiftlite.watch import gathering
from swiftlite.watch.facts import Asked, ClusterView, RingFacts, Server, SwiftConfFacts
from swiftlite.watch.gathering import Gatherer, server_at, servers_of

PATIENCE = 60.0
CHECKS = {"object": ("time", "version", "load")}


class Peer(ThreadingHTTPServer):
    """Answers each check with the bytes that the test gives; None: not at all, until the test is over."""

    daemon_threads = True

    def __init__(self, answers):
        self.answers, self.asked, self.over, self.drops = answers, [], threading.Event(), False
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def as_server(self):
        return Server("object", *self.server_address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        check = self.path.removeprefix("/recon/")
        self.server.asked.append(check)
        status, body = self.server.answers.get(check, (404, b"no"))
        if body is None:
            self.server.over.wait(20)
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.drops:
            while not self.server.over.wait(0.05):
                self.wfile.write(b" ")
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def good(**others):
    return {"time": (200, b"5.5"), "version": (200, b'{"version": "1"}'), "load": (200, b"{}"), **others}


def test_all_that_was_asked(monkeypatch):
    ticks = iter(range(100))
    with Peer(good()) as peer:
        [asked] = Gatherer(PATIENCE, clock=lambda: float(next(ticks))).ask_all([peer.as_server], CHECKS)
    assert asked.answers == {"time": 5.5, "version": {"version": "1"}, "load": {}}
    assert (asked.problem, asked.problems) == ("", {})
    assert (asked.sent, asked.received) == (0.0, 1.0)


@pytest.mark.parametrize(
    "check, good, bad",
    [("time", b"5.5", b"{}"), ("time", b"5", b"true"), ("unmounted", b"[]", b"{}"), ("diskusage", b"[]", b"1")],
)
def test_answers_have_the_shapes_of_their_checks(check, good, bad):
    for body, problems in ((good, {}), (bad, {check: gathering.STRANGE})):
        with Peer({check: (200, body)}) as peer:
            [asked] = Gatherer(PATIENCE).ask_all([peer.as_server], {"object": (check,)})
        assert asked.problems == problems


@pytest.mark.parametrize(
    "info, asked", [(b"{}", []), (b'{"recon": {}}', ["time", "version"]), (b'["recon"]', []), (b"<html>", [])]
)
def test_a_proxy_is_asked_by_recon_only_where_it_says_that_it_has_it(info, asked):
    with Peer(good(**{"/info": (200, info), "/metrics": (403, b"")})) as peer:
        server = Server("proxy", *peer.server_address)
        Gatherer(PATIENCE).ask_all([server], {"proxy": ("metrics", "info", "time", "version")})
    assert peer.asked == ["/metrics", "/info", *asked]


@pytest.mark.parametrize(
    "answer, problem",
    [
        ((404, b"no"), "status 404"),
        ((200, b"<html>"), "no JSON"),
        ((200, b"[" * 100000), "no JSON"),
        ((500, b""), "status 500"),
        ((200, b"null"), gathering.STRANGE),
        ((200, b'"hello"'), gathering.STRANGE),
        ((200, b"[1]"), gathering.STRANGE),
    ],
)
def test_one_answer_is_none(answer, problem):
    with Peer(good(version=answer)) as peer:
        [asked] = Gatherer(PATIENCE).ask_all([peer.as_server], CHECKS)
    assert asked.answers.keys() == {"time", "load"}
    assert problem in asked.problems["version"]
    assert asked.problem == ""


@pytest.mark.parametrize(
    "kind, status, problem",
    [
        ("proxy", 412, gathering.NO_METRICS),
        ("object", 400, gathering.NO_METRICS),
        ("proxy", 400, "status 400"),  # of a load balancer that wants TLS, say
        ("proxy", 403, "status 403"),
    ],
)
def test_who_has_no_metrics_is_said_to_lack_the_filter(kind, status, problem):
    with Peer({"/metrics": (status, b"")}) as peer:
        [asked] = Gatherer(PATIENCE).ask_all([Server(kind, *peer.server_address)], {kind: ("metrics",)})
    assert asked.problems == {"metrics": problem}


def test_an_endless_answer_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(gathering, "MAX_ANSWER", 1000)
    with Peer(good(version=(200, b" " * 200000))) as peer:
        [asked] = Gatherer(PATIENCE).ask_all([peer.as_server], CHECKS)
    assert "longer than" in asked.problems["version"]
    assert "load" in asked.answers


def test_who_falls_silent_is_not_asked_on_and_the_others_are():
    def attempt(timeout):
        with Peer(good(version=(200, None))) as silent, Peer(good()) as well:
            found = Gatherer(timeout=timeout).ask_all([silent.as_server, well.as_server], CHECKS)
        assert silent.asked == ["time", "version"]
        assert found[0].answers == {"time": 5.5}
        assert found[0].problem == ""
        assert "version" in found[0].problems
        assert found[1].answers.keys() == {"time", "version", "load"}

    with_more_time(attempt, 0.2, 2.0, 10.0)


def test_an_answer_in_drops_keeps_nobody_waiting():
    def attempt(timeout):
        with Peer(good(time=(200, b" " * 100_000))) as peer:
            peer.drops = True
            [asked] = Gatherer(timeout=timeout).ask_all([peer.as_server], CHECKS)
            assert peer.asked == ["time"]
        assert (asked.problem, asked.answers) == ("the answer does not end", {})

    with_more_time(attempt, 0.2, 2.0, 10.0)


def test_who_is_not_there_has_a_problem():
    [asked] = Gatherer(PATIENCE).ask_all([Server("object", "127.0.0.1", free_ports(1))], CHECKS)
    assert asked.problem
    assert not asked.answers


def test_servers_are_named_once_for_each_kind_however_many_rings_name_them():
    def ring(name, *devices):
        return RingFacts(name, "", devices=[{"ip": ip, "port": port, "device": name} for ip, port, name in devices])

    rings = [
        ring("object", ("10.9.9.1", 6200, "b"), ("10.9.9.1", 6200, "a")),
        ring("object-1", ("10.9.9.1", 6200, "c")),
        ring("account", ("127.0.0.1", 6202, "a")),
    ]
    first, second = servers_of(rings)
    assert (first.name, first.is_local) == ("account-server 127.0.0.1:6202", True)
    assert (second.name, second.is_local) == ("object-server 10.9.9.1:6200", False)
    assert second.devices == {"object": ("a", "b"), "object-1": ("c",)}


def test_addresses_of_version_6():
    assert server_at("object", "fd00::1", 6200).address == "[fd00::1]:6200"


def test_what_several_servers_of_a_node_tell_counts_once():
    def asked(kind, port, root):
        return Asked(Server(kind, "10.0.0.1", port), {"devices": {root: []}})

    servers = (
        asked("object", 1, "/a"),
        asked("object", 2, "/a"),
        asked("container", 3, "/a"),
        asked("object", 4, "/b"),
    )
    view = ClusterView(0.0, "", SwiftConfFacts(""), servers=servers)
    assert [one.server.port for one in view.nodes()] == [1, 4]
    assert [one.server.port for one in view.nodes("container")] == [3]


def test_values_that_are_not_what_they_should_be():
    asked = Asked(Server("object", "10.0.0.1", 1), json.loads('{"a": {"b": [1, {"c": NaN}], "d": true, "e": "x"}}'))
    assert asked.figure("a", "d") is None
    assert asked.figure("a", "e") is None
    assert asked.figure("a", "b", "c") is None
    assert asked.word("a", "d") == ""
    assert asked.rows("a", "b") == [asked.answers["a"]["b"][1]]
    assert asked.table("a", "e") == {}
