"""AllowedHosts: what an option's list of hosts means."""

from __future__ import annotations

import pytest

from swiftlite.core.allowed_hosts import AllowedHosts


@pytest.mark.parametrize(
    ("text", "host", "port", "allowed"),
    [
        ("", "10.0.0.1", 6201, False),
        ("*", "anything", 1, True),
        ("10.0.0.1", "10.0.0.1", 6201, True),
        ("10.0.0.1", "10.0.0.11", 6201, False),
        ("10.0.0.1:6201", "10.0.0.1", 6201, True),
        ("10.0.0.1:6201", "10.0.0.1", 6202, False),
        ("10.0.0.0/24", "10.0.0.200", 6202, True),
        ("10.0.0.0/24", "10.0.1.1", 6202, False),
        ("10.0.0.0/24", "::1", 6202, False),
        ("10.0.0.0/24", "name", 6202, False),
        ("fe80::1, other", "fe80::1", 1, True),
        ("[fe80::1]:6201", "fe80::1", 6201, True),
        ("[fe80::1]:6201", "fe80::1", 6202, False),
        ("fd00::/8", "fd12::5", 6202, True),
        ("storage-1:6201 , storage-2", "storage-2", 9, True),
        ("storage-1:6201 , storage-2", "storage-1", 9, False),
    ],
)
def test_whom_a_list_allows(text, host, port, allowed):
    assert AllowedHosts.parse(text).allows((host, port)) is allowed
    assert str(AllowedHosts.parse(text)) == text.strip()


@pytest.mark.parametrize("text", ["a:b", ":1", "h:0", "h:65536", "10.0.0.0/33", "h/8"])
def test_what_is_no_list(text):
    with pytest.raises(ValueError):
        AllowedHosts.parse(text)
