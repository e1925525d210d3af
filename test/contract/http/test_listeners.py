"""Sockets of a server: what they cover, and what a trial says of an address beside the one of before."""

import os
import socket

import pytest

from fakes.ports import free_port
from swiftlite.common.restart import TRIAL
from swiftlite.http import listeners
from swiftlite.http.listeners import (
    FREE,
    RESTART,
    Inheritance,
    ListenError,
    Listeners,
    check_address,
    covers,
    listen,
    overlap,
)


@pytest.mark.parametrize(
    ("address", "other", "is_covered"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("0.0.0.0", "10.0.0.1", True),
        ("10.0.0.1", "0.0.0.0", False),
        ("0.0.0.0", "::1", False),
        ("0.0.0.0", "::", False),
        ("::", "10.0.0.1", True),
        ("::", "0.0.0.0", True),
        ("::", "::1", True),
        ("::1", "::", False),
    ],
)
def test_what_an_address_covers(address, other, is_covered):
    assert covers((address, 80), (other, 80)) is is_covered
    assert not covers((address, 80), (other, 81))
    assert overlap((address, 80), (other, 80)) is (is_covered or covers((other, 80), (address, 80)))


def listener(ip, port, shares=True):
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shares)
    one.bind((ip, port))
    one.listen()
    return one


@pytest.fixture
def port(monkeypatch):
    """A port at whose 127.0.0.2 the server listens that makes the trial."""
    number = free_port()
    monkeypatch.setenv(TRIAL, f"127.0.0.2 port {number}")
    with listener("127.0.0.2", number):
        yield number


class TestTrials:
    @pytest.mark.parametrize("ip", ["127.0.0.2", "127.0.0.3", "0.0.0.0", "::", ""])
    def test_an_address_that_can_be_had(self, port, ip):
        check_address(ip, port)

    def test_the_whole_of_which_another_has_a_part(self, port):
        """The kernel would let two servers share the port; neither would know."""
        with listener("127.0.0.1", port), pytest.raises(ListenError, match=r"already in use at 127\.0\.0\.1") as caught:
            check_address("0.0.0.0", port)
        assert caught.value.remedy == FREE

    def test_one_that_another_has(self, port):
        with listener("127.0.0.3", port), pytest.raises(ListenError, match="already in use") as caught:
            check_address("127.0.0.3", port)
        assert caught.value.remedy == FREE

    def test_one_that_the_old_socket_does_not_share(self, monkeypatch):
        number = free_port()
        monkeypatch.setenv(TRIAL, f"0.0.0.0 port {number}")
        with listener("0.0.0.0", number, shares=False), pytest.raises(ListenError, match="already in use") as caught:
            check_address("127.0.0.1", number)
        assert caught.value.remedy == RESTART

    def test_one_that_is_not_systemds(self, monkeypatch):
        with listener("127.0.0.1", free_port(), shares=False) as given:
            number = given.getsockname()[1]
            monkeypatch.setenv(TRIAL, Listeners([given]).place)
            check_address("127.0.0.1", number)
            for address in (("127.0.0.1", free_port()), ("127.0.0.3", number), ("0.0.0.0", number)):
                with pytest.raises(ListenError, match=f"systemd listens on 127.0.0.1 port {number} for it, not on"):
                    check_address(*address)


def places(sockets):
    return [one.getsockname()[0] for one in sockets]


class TestListen:
    def test_old_ones_are_kept_where_the_new_address_covers_theirs(self):
        number = free_port()
        first = listen("127.0.0.1", number, 1, 8, Inheritance())
        second = listen("0.0.0.0", number, 2, 8, Inheritance(first.kept))
        # As many of each, so that all processes have their share of what the kernel sends to the narrower address.
        assert places(second.kept) == ["0.0.0.0", "0.0.0.0", "127.0.0.1", "127.0.0.1"] and second.leaving == []
        assert [places(second.share(slot, 2).kept) for slot in (0, 1)] == [["0.0.0.0", "127.0.0.1"]] * 2
        third = listen("127.0.0.1", number, 1, 8, Inheritance(second.kept))
        assert places(third.kept) == ["127.0.0.1"] * 2 and places(third.leaving) == ["0.0.0.0"] * 2
        third.close()
        assert all(one.fileno() == -1 for one in [*third.kept, *third.leaving])

    def test_a_port_of_before_is_left(self):
        first = listen("127.0.0.1", free_port(), 1, 8, Inheritance())
        second = listen("127.0.0.1", free_port(), 1, 8, Inheritance(first.kept))
        assert second.leaving == first.kept and len(second.kept) == 1
        second.close()

    def test_they_are_handed_on(self, monkeypatch):
        first = listen("127.0.0.1", free_port(), 2, 8, Inheritance())
        monkeypatch.setenv(listeners.LISTENERS, "")
        first.hand_on([11, 12])
        assert all(one.get_inheritable() for one in first.kept)
        found = listeners.inherited()
        assert places(found.sockets) == ["127.0.0.1"] * 2 and found.old_workers == [11, 12]
        assert listeners.LISTENERS not in os.environ and listeners.inherited() == Inheritance()
        for one in found.sockets:
            one.detach()
        first.close()

    def test_what_systemd_gives_goes_to_no_child(self, monkeypatch):
        with listener("127.0.0.1", free_port()) as given:
            given.set_inheritable(True)
            monkeypatch.setattr(listeners, "FIRST_GIVEN", given.fileno())
            monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
            monkeypatch.setenv("LISTEN_FDS", "1")
            found = listeners.inherited()
            assert found.is_from_systemd and not given.get_inheritable()
            found.sockets[0].detach()

    def test_what_systemd_gives_is_shared_and_has_to_be_the_address_of_the_conf(self):
        number = free_port()
        with listener("127.0.0.1", number, shares=False) as given:
            made = listen("127.0.0.1", number, 3, 8, Inheritance([given], is_from_systemd=True))
            assert places(made.kept) == ["127.0.0.1"] * 3
            with pytest.raises(
                ListenError, match=f"systemd listens on 127.0.0.1 port {number} for it, not on"
            ) as caught:
                listen("127.0.0.3", number, 1, 8, Inheritance([given], is_from_systemd=True))
            assert "ListenStream" in caught.value.remedy
            made.close()
