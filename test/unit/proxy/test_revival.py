"""Specifies when a node that was silent is not shunned any longer."""

from dataclasses import replace

import pytest

from fakes.http_server import ServerThread
from fakes.ports import free_ports
from swiftlite.proxy import revival


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(revival, "PAUSE", 0.01)


@pytest.fixture
def shunned(stage):
    """Make a node that failed too often; tell whether it is still shunned."""
    limits = stage.cluster.limits

    def shun(port, device, problem="it is silent", status=None):
        node = replace(stage.cluster.container_ring.nodes[0], port=port, device=device)
        while not limits.is_limited(node):
            limits.failed(node, problem, status)
        return lambda: limits.is_limited(node)

    return shun


def test_a_server_that_was_down_is_asked_again_once_it_is_up(stage, shunned):
    port = free_ports(1)
    devices = [shunned(port, device) for device in ("d0", "d1")]
    failures = []
    ask = stage.cluster.client.request
    stage.cluster.client.request = lambda *args, **options: failures.append(args) or ask(*args, **options)
    stage.until(lambda: len(failures) > 3, "it is asked again and again")
    assert all(is_shunned() for is_shunned in devices)
    backend = stage.handoffs[2]
    backend.says(405)
    with ServerThread(backend, port=port):
        stage.until(lambda: not any(is_shunned() for is_shunned in devices), "both are used again")
    assert {(seen.method, seen.path) for seen in backend.seen} == {("OPTIONS", "/")}
    assert len({args[:3] for args in failures}) == 1, "both are on one server, which is asked for both"


def test_a_server_that_is_up_but_fails_is_left_alone(stage, shunned):
    backend = stage.handoffs[2]
    backend.says(200)
    is_shunned = shunned(backend.thread.address[1], "d0")
    waiting = stage.cluster.limits.when_silent.__self__._waiting
    stage.until(lambda: backend.seen and not waiting, "it has been asked")
    assert is_shunned() and len(backend.seen) == 1


def test_a_server_that_answers_with_errors_is_no_silent_one(stage, shunned):
    shunned(free_ports(1), "d0", "it answers nonsense", 500)
    assert not stage.cluster.limits.when_silent.__self__._waiting
