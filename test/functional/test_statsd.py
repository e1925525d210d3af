"""A statsd hears of requests at every server and of daemons' passes, under OpenStack Swift's names."""

import re
import socket
import time

import pytest

from swiftlite import testing


@pytest.fixture
def receiver():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)  # or as much as may be: nobody reads at first
        bound.bind(("127.0.0.1", 0))
        yield bound


def test_it_hears_of_requests_and_passes(receiver):
    default = {"DEFAULT": {"log_statsd_host": "127.0.0.1", "log_statsd_port": str(receiver.getsockname()[1])}}
    kinds = ("proxy", "object", "container", "account", "expirer")
    with testing.store(settings=dict.fromkeys(kinds, default)) as store:
        store.request("PUT", "c")
        store.request("PUT", "c/o", b"told")
        store.request("GET", "c/o")
        store.request("GET", "c/absent")
        store.settle()
        heard = until(
            receiver,
            "proxy-server.container.PUT.201.timing",
            "proxy-server.object.PUT.201.xfer",
            "proxy-server.object.policy.0.PUT.201.timing",
            "proxy-server.object.GET.200.first-byte.timing",
            "proxy-server.object.GET.404.timing",
            "object-server.PUT.timing",
            "object-server.GET.timing",
            "container-server.PUT.timing",
            "account-server.PUT.timing",
            "object-updater.timing",
            "container-updater.successes",
        )
    assert heard["proxy-server.object.PUT.201.xfer"] == "4|c"
    assert all(re.fullmatch(r"[0-9.]+\|(ms|c)", value) for value in heard.values())


def until(receiver, *names):
    """What was heard last under each name, once all these have been."""
    heard = {}
    deadline = time.monotonic() + 120
    while not heard.keys() >= set(names):
        receiver.settimeout(max(0.01, deadline - time.monotonic()))
        name, _, value = receiver.recv(1000).decode().partition(":")
        heard[name] = value
    return heard
