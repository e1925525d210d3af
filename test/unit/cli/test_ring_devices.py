"""Devices on the ring builder's command line: the grammar of OpenStack Swift, good inputs and bad ones."""

import pytest

from swiftlite.cli.ring_devices import device_text, normal_host, normal_ip, parse_change, parse_device, parse_search

PLAIN = {"region": 1, "zone": 2, "ip": "10.0.0.1", "port": 6200, "device": "sdb", "meta": ""}
APART = {"replication_ip": "10.1.0.1", "replication_port": 6400}


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("r1z2-10.0.0.1:6200/sdb", PLAIN),
        ("z2-10.0.0.1:6200/sdb", {**PLAIN, "region": None}),
        ("r1z2-10.0.0.1:6200R10.1.0.1:6400/sdb", {**PLAIN, **APART}),
        ("r1z2-10.0.0.1:6200/sdb_since 2020, _old_", {**PLAIN, "meta": "since 2020, _old_"}),
        ("r1z2-10.0.0.1:6200/sdb_", PLAIN),
        ("r1z2-[FE80::0001]:6200/sdb", {**PLAIN, "ip": "fe80::1"}),
        ("r1z2-node-1:6200/sdb", {**PLAIN, "ip": "node-1"}),
        ("r1z2-fe80::1:6200/sdb", {**PLAIN, "ip": "fe80::1"}),
        ("r1z2-[::1]:6200R[::2]:6400/sdb", {**PLAIN, "ip": "::1", "replication_ip": "::2", "replication_port": 6400}),
    ],
)
def test_a_device_to_add(text, device):
    assert parse_device(text) == device


@pytest.mark.parametrize(
    "text",
    [
        "", "sdb", "r1z2-10.0.0.1:6200", "r1z2-10.0.0.1/sdb", "r1z2-10.0.0.1:/sdb", "rz2-10.0.0.1:6200/sdb",
        "r1-10.0.0.1:6200/sdb", "r1z2-10.0.0.999:6200/sdb", "r1z2-10.0.0.1:6200/", "r1z2-10.0.0.1:6200/ sdb",
        "r1z2-10.0.0.1:6200/a/b", "r1z2-10.0.0.1:6200R/sdb", "r1z2-host_1:6200/sdb", "r1z2-[::1:6200/sdb",
        "r1z2-10.0.0.1:65536/sdb", "r1z2-10.0.0.1:6200R10.0.0.1:99999/sdb", "r1z2-10.0.0.1:6200/sd\nb", "r1z2-10.0.0.1:6200/\x1b[2Jsdb",
    ],
)  # fmt: skip
def test_a_malformed_device_is_refused(text):
    with pytest.raises(ValueError, match="is not"):
        parse_device(text)


@pytest.mark.parametrize(
    ("text", "criteria"),
    [
        ("d74", {"id": 74}),
        ("r4", {"region": 4}),
        ("z1", {"zone": 1}),
        ("z1-1.2.3.4", {"zone": 1, "ip": "1.2.3.4"}),
        ("1.2.3.4", {"ip": "1.2.3.4"}),
        ("z1:5678", {"zone": 1, "port": 5678}),
        (":5678", {"port": 5678}),
        ("R5.6.7.8", {"replication_ip": "5.6.7.8"}),
        ("R:5678", {"replication_port": 5678}),
        ("1.2.3.4R5.6.7.8", {"ip": "1.2.3.4", "replication_ip": "5.6.7.8"}),
        ("/sdb1", {"device": "sdb1"}),
        ("_shiny", {"meta": "shiny"}),
        ("_snet: 5.6.7.8", {"meta": "snet: 5.6.7.8"}),
        ("[::1]", {"ip": "::1"}),
        ("-node-1.example.org", {"ip": "node-1.example.org"}),
        (
            "z1-node1:6200Rnode2:6400/sdb",
            {
                "zone": 1,
                "ip": "node1",
                "port": 6200,
                "replication_ip": "node2",
                "replication_port": 6400,
                "device": "sdb",
            },
        ),
        ("z1-[::1]:5678", {"zone": 1, "ip": "::1", "port": 5678}),
        (
            "d74r4z1-1.2.3.4:5678/sdb1_new",
            {"id": 74, "region": 4, "zone": 1, "ip": "1.2.3.4", "port": 5678, "device": "sdb1", "meta": "new"},
        ),
    ],
)
def test_a_search_value(text, criteria):
    assert parse_search(text) == criteria


@pytest.mark.parametrize("text", ["", "-", "x", "d", "R", "1.2.3.4.5", "d1 ", "z1d1", "[zz]"])
def test_a_malformed_search_value_is_refused(text):
    with pytest.raises(ValueError, match="is not"):
        parse_search(text)


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("1.2.3.4:80R5.6.7.8:81/sdx_m", {
            "ip": "1.2.3.4", "port": 80, "replication_ip": "5.6.7.8", "replication_port": 81, "device": "sdx", "meta": "m",
        }),
        (":80", {"port": 80}),
        ("/sdx", {"device": "sdx"}),
        ("_", {"meta": ""}),
    ],
)  # fmt: skip
def test_a_change(text, changes):
    assert parse_change(text) == changes


@pytest.mark.parametrize("text", ["", "d1", "z1", "nonsense"])
def test_a_malformed_change_is_refused(text):
    with pytest.raises(ValueError, match="is not a change"):
        parse_change(text)


def test_a_device_is_printed_as_it_is_searched_for():
    device = {**PLAIN, **APART, "id": 3, "ip": "::1", "meta": "x"}
    assert device_text(device) == 'd3r1z2-[::1]:6200R10.1.0.1:6400/sdb_"x"'
    assert parse_search(device_text(device).replace('"', "")) == device


def test_addresses_have_one_spelling():
    assert normal_ip("2001:DB8:0:0:0:0:0:1") == "2001:db8::1"
    assert normal_host("[2001:DB8::1]") == "2001:db8::1"
    assert normal_host("Node-1.Example.org") == "node-1.example.org"
    for bad in ("", "-x", "a..b", "a b", "x" * 64, "1.2.3.4:5"):
        with pytest.raises(ValueError, match="is neither"):
            normal_host(bad)


@pytest.mark.parametrize("text", [":65536", "R:70000", "10.0.0.1:99999/sdb", "/a\nb", "/ sdb"])
def test_a_change_that_no_server_could_be_reached_by_is_refused(text):
    with pytest.raises(ValueError, match="is not"):
        parse_change(text)
