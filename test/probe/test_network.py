"""Namespaces and links by what they do: who is reached, what is lost, and that nothing outlives a test, however it ends."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator, Set
from contextlib import ExitStack
from pathlib import Path

import pytest

from functional.cluster import wait_until
from probe.network import Network

CHECKOUT = Path(__file__).resolve().parents[2]
PORT = 5000
PATIENCE = 60.0
COUNT = 60
"""Datagrams; as many as a socket holds that nobody reads."""
GRACE = 0.5
"""Seconds; what gets through takes some microseconds."""


@pytest.fixture(scope="module")
def network(namespaces: None) -> Iterator[Network]:
    network = Network(4)
    try:
        yield network
    finally:
        network.close()


@pytest.fixture(scope="module")
def listeners(network: Network) -> Iterator[None]:
    """A socket on each host that listens; connections need not be accepted."""
    with ExitStack() as stack:
        for number, host in network.hosts.items():
            with host.inside():
                stack.enter_context(socket.create_server((network.ip(number), PORT), backlog=100))
        yield


HUB = 0
ALL = {(a, b) for a in range(1, 5) for b in range(1, 5) if a != b}


def reached(network: Network, pairs: Set[tuple[int, int]], senders: Iterable[int] = (1, 2, 3, 4)) -> bool:
    """Whether those and no others are pairs of hosts of which the first can open a connection to the second.

    All is tried at once, and the others have a while longer than the last of those that can.
    """
    with ExitStack() as stack:
        pending: dict[socket.socket, tuple[int, int]] = {}
        for sender in senders:
            with network.hosts[sender].inside() if sender else network.inside():
                for receiver in network.hosts:
                    attempt = stack.enter_context(socket.socket())
                    attempt.setblocking(False)
                    attempt.connect_ex((network.ip(receiver), PORT))
                    pending[attempt] = (sender, receiver)
        found: set[tuple[int, int]] = set()
        while ready := select.select([], list(pending), [], GRACE if found >= pairs else PATIENCE)[1]:
            for attempt in ready:
                pair = pending.pop(attempt)
                if pair[0] != pair[1] and attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    found.add(pair)
            if not pending:
                break
        return found == pairs


def test_every_host_reaches_every_other_and_nothing_else(network: Network, listeners: None) -> None:
    assert reached(network, ALL)
    assert reached(network, {(HUB, number) for number in range(1, 5)}, [HUB])
    with network.inside(), pytest.raises(OSError, match="unreachable"):
        socket.create_connection(("192.0.2.1", 80), timeout=5)


def test_two_networks_side_by_side_never_meet(network: Network, listeners: None) -> None:
    other = Network(2)
    try:
        with other.inside(), pytest.raises(ConnectionRefusedError):
            socket.create_connection((network.ip(1), PORT), timeout=PATIENCE)
    finally:
        other.close()


def test_nothing_is_made_outside(network: Network) -> None:
    links = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout
    rules = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    assert "bridge" not in links and "host1" not in links
    assert "probe" not in rules


def test_an_unplugged_host_is_alone_until_it_is_plugged_in(network: Network, listeners: None) -> None:
    network.unplug(2)
    assert reached(network, {pair for pair in ALL if 2 not in pair})
    assert reached(network, {(HUB, 1), (HUB, 3), (HUB, 4)}, [HUB])
    network.plug_in(2)
    assert wait_until(lambda: reached(network, ALL), "all reach each other")


def test_a_partition_divides_two_groups_until_it_heals(network: Network, listeners: None) -> None:
    network.partition({1, 2}, {3, 4})
    assert reached(network, {(1, 2), (2, 1), (3, 4), (4, 3)})
    assert reached(network, {(HUB, number) for number in range(1, 5)}, [HUB])
    network.partition({1}, {2})
    assert reached(network, ALL - {(1, 2), (2, 1)})
    network.heal()
    assert reached(network, ALL)


def test_a_partition_silences_a_connection_that_is_open(network: Network) -> None:
    with network.hosts[3].inside():
        listener = socket.create_server((network.ip(3), PORT + 1))
    with network.hosts[1].inside():
        one = socket.create_connection((network.ip(3), PORT + 1), timeout=PATIENCE)
    two = listener.accept()[0]
    with listener, one, two:
        network.partition({1}, {3})
        one.settimeout(0.3)
        two.sendall(b"lost for now")
        with pytest.raises(TimeoutError):
            one.recv(100)
        network.heal()
        one.settimeout(PATIENCE)
        assert one.recv(100) == b"lost for now"


def datagrams(network: Network, sender: int, receiver: int, wanted: int = 0) -> int:
    """How many of COUNT datagrams, sent at once, arrive; it is patient until the wanted ones do."""
    with ExitStack() as stack:
        with network.hosts[receiver].inside():
            inbox = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        inbox.bind((network.ip(receiver), PORT))
        with network.hosts[sender].inside():
            outbox = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        for _ in range(COUNT):
            outbox.sendto(bytes(1000), (network.ip(receiver), PORT))
        arrived = 0
        while arrived < COUNT:
            inbox.settimeout(PATIENCE if arrived < wanted else 0.3)
            try:
                inbox.recv(2000)
            except TimeoutError:
                break
            arrived += 1
        return arrived


def test_a_lossy_host_loses_packets_at_random(network: Network) -> None:
    assert datagrams(network, 1, 4, COUNT) == COUNT
    network.lose(4, 50)
    arrived = datagrams(network, 1, 4, wanted=6)
    # Chance alone would be outside of this once in a hundred thousand million runs.
    assert 5 < arrived < 55
    assert network.lost(4) > 5
    assert datagrams(network, 4, 1, COUNT) == COUNT
    network.lose(4, 100)
    assert datagrams(network, 1, 4) == 0
    network.lose(4, 0)
    assert datagrams(network, 1, 4, COUNT) == COUNT


@pytest.mark.parametrize(("sender", "receiver"), [(3, 1), (1, 3)])
def test_a_slow_host_passes_little_at_once(network: Network, sender: int, receiver: int) -> None:
    # 60 kB at once: 16 kB may go at full speed, and the queue holds what 512 kbit/s carry in 100 ms, 6 kB. More is sent at
    # once by nobody whom another takes the processor from meanwhile.
    network.slow(3, kilobits=512, queue_milliseconds=100)
    wait_until(lambda: 10 < datagrams(network, sender, receiver, wanted=11) < 50, "few arrive")
    network.quicken(3)
    assert datagrams(network, sender, receiver, COUNT) == COUNT


def test_nothing_outlives_a_run_that_was_killed(namespaces: None) -> None:
    program = textwrap.dedent("""
        import pathlib, time
        from probe.network import Network
        from swiftlite.cli import children
        network = Network(2)
        with network.hosts[1].inside():
            daemon = children.spawn(["sleep", "600"], pathlib.Path("/dev/null"))
        print(daemon.pid, network.hosts[1].inode, network.hub.inode, flush=True)
        time.sleep(600)
    """)
    environment = {**os.environ, "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'test'}"}
    run = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment)
    try:
        assert run.stdout is not None
        pid, *inodes = map(int, run.stdout.readline().split())
        found = holders(set(inodes))
        assert found >= {pid, run.pid}
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    # Another test's new namespace may get the number of one that is gone; so those who held it are looked at.
    wait_until(lambda: not any(map(is_running, found)), "the daemon is dead, and nobody holds the namespaces")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def holders(namespaces: set[int]) -> set[int]:
    """The processes that run in network namespaces of these inodes, or hold one open."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            paths = [process / "ns/net", *(process / "fd").iterdir()]
            if namespaces & {os.stat(path).st_ino for path in paths if "net:[" in os.readlink(path)}:
                found.add(int(process.name))
        except OSError:  # it has ended meanwhile
            continue
    return found
