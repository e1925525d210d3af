"""swiftlite-get-nodes: what it asks which ring, and what it prints; over rings that OpenStack Swift built."""

import gzip
import shutil
import subprocess
from dataclasses import replace

import pytest

from swiftlite.cli import locations
from swiftlite.cli.get_nodes import main
from swiftlite.cli.locations import Place, curl_line, locate
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core.names import EntityName
from swiftlite.ring.ring import Node, Ring


@pytest.fixture
def etc(golden, tmp_path):
    """A directory with swift.conf and the rings, which a test may change."""
    shutil.copytree(golden / "rings", tmp_path / "etc")
    shutil.copy(golden / "swift.conf", tmp_path / "etc")
    return tmp_path / "etc"


@pytest.fixture
def run(etc, capsys):
    """Run the tool: returns (exit code, lines of standard output, standard error)."""

    def run(*words):
        capsys.readouterr()
        code = main(["-d", str(etc), *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out.splitlines(), captured.err

    return run


def node(ip="10.0.0.1"):
    return Node(0, 1, 1, ip, 6200, ip, 6200, "sdb1", 1.0)


@pytest.mark.parametrize(
    "ip, policy_index, expected",
    [
        ("10.0.0.1", None, '"http://10.0.0.1:6200/sdb1/7/a/c/%C3%B6%20%3F" --path-as-is'),
        ("::1", 3, '"http://[::1]:6200/sdb1/7/a/c/%C3%B6%20%3F" -H "X-Backend-Storage-Policy-Index: 3" --path-as-is'),
    ],
)
def test_a_command_that_asks_a_node(ip, policy_index, expected):
    place = Place("objects", 7, EntityName("a", "c", "ö ?"), "0" * 32, policy_index)
    assert curl_line(node(ip), place) == f"curl -g -I -XHEAD {expected}"


def test_a_device_s_name_is_quoted_for_both_shells():
    """A ring of somebody else's may have names that no builder of ours takes."""
    odd = replace(node(), device="a b$(touch x)`y`\"'c")
    place = Place("objects", 7, EntityName("a", "c", "o"), None)
    assert "/a%20b%24%28touch%20x%29%60y%60%22%27c/7/a/c/o" in curl_line(odd, place)
    remote = subprocess.run(
        ["bash", "-c", f'ssh() {{ echo "$2"; }}; {locations._ssh_line(odd, place)}'], capture_output=True, text=True
    )
    seen = subprocess.run(["bash", "-c", f'ls() {{ echo "$2"; }}; {remote.stdout}'], capture_output=True, text=True)
    assert (remote.stderr, seen.stderr) == ("", "")
    assert seen.stdout == f"/srv/node*/{odd.device}/objects/7\n"


def test_a_name_that_is_no_utf_8_is_encoded_byte_by_byte():
    place = Place("containers", 7, EntityName("a", "\udcff"), "0" * 32)
    assert "/a/%FF" in curl_line(node(), place)


def test_an_object_s_nodes(run):
    """All of what OpenStack Swift's tool prints for these rings, but for its program's name."""
    code, lines, errors = run("-P", "gold", "AUTH_test", "c1", "hello")
    assert (code, errors) == (0, "")
    url = '"http://127.0.0.{0}:76{0}0/sdb{0}/40/AUTH_test/c1/hello" -H "X-Backend-Storage-Policy-Index: 0" --path-as-is'
    path = "/sdb{0}/objects/40/df7/0a0a63a599aa77e300cabac560270df7"
    servers, handoff = (4, 2, 3), 1
    assert lines == [
        *["", "Account  \tAUTH_test", "Container\tc1", "Object   \thello", "", ""],
        *["Partition\t40", "Hash     \t0a0a63a599aa77e300cabac560270df7", ""],
        *(f"Server:Port Device\t127.0.0.{n}:76{n}0 sdb{n}" for n in servers),
        f"Server:Port Device\t127.0.0.{handoff}:76{handoff}0 sdb{handoff}\t [Handoff]",
        *["", ""],
        *(f"curl -g -I -XHEAD {url.format(n)}" for n in servers),
        f"curl -g -I -XHEAD {url.format(handoff)} # [Handoff]",
        *["", "", "Use your own device location of servers:", 'such as "export DEVICE=/srv/node"'],
        *(f'ssh 127.0.0.{n} "ls -lah ${{DEVICE:-/srv/node*}}{path.format(n)}"' for n in servers),
        f'ssh 127.0.0.{handoff} "ls -lah ${{DEVICE:-/srv/node*}}{path.format(handoff)}" # [Handoff]',
        *["", locations.NOTE],
    ]


def test_names_may_be_one_path(run, etc):
    ring = etc / "object.ring.gz"
    assert run(ring, "AUTH_test/c/with/slashes/") == run(ring, "AUTH_test", "c", "with/slashes")
    assert run("-Q", ring, "AUTH_test/c/a%20b%2Fc") == run(ring, "AUTH_test", "c", "a b/c")


def test_the_ring_that_is_asked(run, etc, golden):
    conf = SwiftConf.load(str(golden))
    for words, ring_name, names in (
        (("-P", "silver", "a"), "account", ("a",)),
        (("-P", "silver", "a/c"), "container", ("a", "c")),
        (("-P", "silver", "a/c/o"), "object-1", ("a", "c", "o")),
        ((etc / "object-2.ring.gz", "a/c/o"), "object-2", ("a", "c", "o")),
    ):
        ring = Ring(str(etc), ring_name, hash_path=conf.hash_path)
        place = locate(ring, "", EntityName(*names))
        lines = run(*words)[1]
        assert f"Partition\t{place.partition}" in lines
        expected = [f"Server:Port Device\t{n.ip}:{n.port} {n.device}" for n in ring.primaries(place.partition)]
        assert [line for line in lines if line.startswith("Server")][: len(expected)] == expected


def test_the_directory_on_a_device(run, etc):
    for words, directory in (
        (("-P", "silver", "a/c/o"), "objects-1"),
        (("-P", "gold", "a/c/o"), "objects"),
        (("-P", "silver", "-p", "3"), "objects-1"),
        ((etc / "account.ring.gz", "-p", "3"), "accounts"),
        ((etc / "container.ring.gz", "a/c"), "containers"),
    ):
        ssh = [line for line in run(*words)[1] if line.startswith("ssh")]
        assert ssh and all(f"/{directory}/" in line for line in ssh)


def test_a_partition_alone_has_no_name_to_ask_for(run, etc):
    code, lines, _ = run(etc / "account.ring.gz", "-p", "5")
    assert code == 0
    assert lines[:2] == ["Partition\t5", "Hash     \tNone"]
    assert not any(line.startswith("curl") for line in lines)
    assert any(line.endswith('/accounts/5"') for line in lines)


def test_all_handoffs(run):
    few, every = run("-P", "silver", "a/c/o")[1], run("-a", "-P", "silver", "a/c/o")[1]
    # The silver ring has two replicas on four devices: all the others are two handoffs.
    assert sum("ssh" in line for line in few) == sum("ssh" in line for line in every) == 4
    assert sum(line.endswith("# [Handoff]") for line in every) == 4


def test_a_ring_of_another_kind_is_warned_of(run, etc):
    assert run(etc / "object.ring.gz", "a/c")[1][0] == (
        'WARNING: account/container specified but ring not named "container"'
    )
    assert run(etc / "object.ring.gz", "a")[1][0] == 'WARNING: account specified but ring not named "account"'


@pytest.mark.parametrize(
    "words, said",
    [
        (("-P", "nope", "a"), "ERROR: No policy named 'nope'"),
        (("a",), "ERROR: Need to specify policy_name or <ring.gz>"),
        (("{etc}/account.ring.gz",), "ERROR: No target specified"),
        (("{etc}/nothing.ring.gz", "a"), "ERROR: Ring file does not exist"),
        (("{etc}/account.ring.gz", 1, 2, 3, 4), "ERROR: Invalid arguments"),
    ],
)
def test_arguments_that_do_not_say_what_is_wanted_get_the_help_and_one_line(run, etc, words, said):
    code, lines, errors = run(*(str(word).format(etc=etc) for word in words))
    assert (code, errors) == (1, said + "\n")
    assert lines[0].startswith("usage: swiftlite-get-nodes")


@pytest.mark.parametrize(
    "words, said",
    [
        (("{etc}/container.ring.gz", "a//c"), "No container specified"),
        (("{etc}/container.ring.gz", "-p", "1024"), "'1024' is no partition of"),
        (("{etc}/container.ring.gz", "-p", "x"), "'x' is no partition of"),
        (("{etc}/broken.ring.gz", "a"), "not a usable ring file"),
        (("{etc}/folder.ring.gz", "a"), "cannot read ring file"),
        (("-d", "{etc}/nowhere", "-P", "gold", "a"), "nowhere/swift.conf"),
        (("-d", "{etc}/ringless", "-P", "gold", "a"), "ringless/account.ring.gz: cannot read ring file"),
    ],
)
def test_bad_input_gets_one_line(run, etc, words, said):
    with gzip.open(etc / "broken.ring.gz", "wb") as file:
        file.write(b"R1NG\0\1\0\0")
    (etc / "folder.ring.gz").mkdir()
    (etc / "ringless").mkdir()
    shutil.copy(etc / "swift.conf", etc / "ringless")
    code, lines, errors = run(*(str(word).format(etc=etc) for word in words))
    assert (code, lines) == (1, [])
    assert said in errors and errors.count("\n") == 1


def test_swift_conf_is_looked_for_beside_the_ring_that_is_named(etc, capsys, monkeypatch):
    assert main([str(etc / "account.ring.gz"), "AUTH_test"]) == 0
    said = capsys.readouterr().out
    monkeypatch.chdir(etc)
    assert main(["account.ring.gz", "AUTH_test"]) == 0
    assert capsys.readouterr().out == said
    assert main(["-d", str(etc / "nowhere"), "account.ring.gz", "AUTH_test"]) == 1
    assert "nowhere" in capsys.readouterr().err
