"""A statsd hears of requests at every server and of daemons' passes, under OpenStack Swift's names."""

import re
import socket
import threading
from collections.abc import Iterator

import pytest

from functional.cluster import wait_until
from swiftlite import testing


class Receiver:
    """Takes datagrams from the first one on: the kernel keeps few of those that nobody reads."""

    def __init__(self) -> None:
        self.heard: dict[str, str] = {}
        """What was heard last under each name."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def _take(self) -> None:
        while message := self._socket.recv(1000).decode():
            name, _, value = message.partition(":")
            self.heard[name] = value

    def close(self) -> None:
        """Hear no more."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            while self._thread.is_alive():
                last.sendto(b"", ("127.0.0.1", self.port))
                self._thread.join(1)
        self._socket.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


NAMES = {
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
}


def test_it_hears_of_requests_and_passes(receiver: Receiver) -> None:
    default = {"DEFAULT": {"log_statsd_host": "127.0.0.1", "log_statsd_port": str(receiver.port)}}
    kinds = ("proxy", "object", "container", "account", "expirer")
    with testing.store(settings=dict.fromkeys(kinds, default)) as store:
        store.request("PUT", "c")
        store.request("PUT", "c/o", b"told")
        store.request("GET", "c/o")
        store.request("GET", "c/absent")
        store.settle()
        wait_until(lambda: receiver.heard.keys() >= NAMES, "all that is told is heard")
    assert receiver.heard["proxy-server.object.PUT.201.xfer"] == "4|c"
    assert all(re.fullmatch(r"[0-9.]+\|(ms|c)", value) for value in dict(receiver.heard).values())
