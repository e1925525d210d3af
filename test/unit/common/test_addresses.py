"""Own addresses: what the interfaces have, what a conf says, and names."""

import ipaddress
import socket

import pytest

from swiftlite.common.addresses import is_own, own_addresses


def test_a_wildcard_stands_for_all_interfaces() -> None:
    own = own_addresses("0.0.0.0")
    assert "127.0.0.1" in own
    assert own == own_addresses("::")
    assert all(str(ipaddress.ip_address(ip)) == ip for ip in own)


def test_every_address_found_can_be_bound() -> None:
    for ip in own_addresses("0.0.0.0"):
        if not ipaddress.ip_address(ip).is_link_local:  # those need a scope
            with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind((ip, 0))


def test_a_conf_that_names_an_address_means_it_alone() -> None:
    assert own_addresses("127.0.0.7") == {"127.0.0.7"}
    assert own_addresses("2001:DB8::0:1") == {"2001:db8::1"}


@pytest.mark.parametrize(
    "host, own, expected",
    [
        ("127.0.0.1", {"127.0.0.1"}, True),
        ("127.0.0.2", {"127.0.0.1"}, False),
        ("2001:db8:0::1", {"2001:db8::1"}, True),
        ("localhost", {"127.0.0.1", "::1"}, True),
        ("localhost", {"192.0.2.1"}, False),
        ("no such host", {"127.0.0.1"}, False),
        ("", {"127.0.0.1"}, False),
    ],
)
def test_ring_hosts(host: str, own: set[str], expected: bool) -> None:
    assert is_own(host, own) is expected
