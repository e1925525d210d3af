"""Our proxy reads on from other servers when one of OpenStack Swift's dies in the middle of a body."""

from __future__ import annotations

import http.client
import random
from collections.abc import Iterator

import pytest

from fakes.socket_buffers import reluctant_connection, under_way
from interop import lab
from interop.cloud import KINDS, Cloud, running, token
from interop.lab import wait_until

BIG = random.Random(5).randbytes(25_000_000 + under_way())
NEAR = "sorting_method = affinity\nread_affinity = r1z1=1\n"
RANGES = "bytes=5-15000000,15000001-20000000,20000010-"


@pytest.fixture
def cloud(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """A cluster whose proxies both read from the first node, which is one of theirs, as long as it answers."""
    mark = "account_autocreate = true\n"
    monkeypatch.setattr(lab, "PROXY_SECTIONS", lab.PROXY_SECTIONS.replace(mark, mark + NEAR))
    with running(tmp_path_factory.mktemp("cloud"), ("theirs", "ours", "theirs")) as cloud:
        cloud.token = token(cloud, "ours")
        yield cloud


def get(cloud: Cloud) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = reluctant_connection(cloud.proxies["ours"].address)
    connection.request("GET", "/v1/AUTH_test/c/big", headers={"X-Auth-Token": cloud.token, "Range": RANGES})
    return connection, connection.getresponse()


def without_boundary(response: http.client.HTTPResponse, body: bytes) -> bytes:
    boundary = (response.headers["Content-Type"] or "").partition("boundary=")[2]
    return body.replace(boundary.encode(), b"boundary")


def test_a_body_of_several_ranges_is_read_on_elsewhere(cloud: Cloud) -> None:
    assert cloud.ask("ours", "PUT", "/c").status == 201
    assert cloud.ask("ours", "PUT", "/c/big", {"Content-Type": "x/big"}, BIG).status == 201
    wait_until(lambda: all(list(root.glob("*/objects/*/*/*/*.data")) for root in cloud.devices), "three replicas")
    connection, response = get(cloud)
    expected = without_boundary(response, response.read())
    connection.close()
    connection, response = get(cloud)
    start = response.read(1000)
    cloud.lab.servers[KINDS.index("object")].stop()
    body = start + response.read()
    connection.close()
    assert without_boundary(response, body) == expected
    wait_until(lambda: " bytes of the body: " in cloud.proxies["ours"].output.read_text(), "the proxy says so")
