"""The object replicator among real servers: what was missed is made up for, handoffs go home, and nothing is lost."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import json
import logging
import os
import pickle
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from functional.cluster import PROGRAMS, wait_until
from functional.object_site import FS, PART_SHIFT, PRIMARIES, ObjectSite, at, running
from swiftlite.common.config import ConfFile
from swiftlite.obj import hashes
from swiftlite.obj.replicator import ObjectReplicator
from swiftlite.ring.format import dump_v1, load

NAMES = [f"o{number}" for number in range(12)]
METHODS = ["ssync", "rsync"]
SWIFT_CONF = """\
[swift-hash]
swift_hash_path_prefix = pre
swift_hash_path_suffix = suf
"""


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    """How objects are sent."""
    return request.param


@pytest.fixture
def site(tmp_path: Path, method: str) -> Iterator[ObjectSite]:
    with running(tmp_path, with_rsync=method == "rsync") as made:
        made.options = functools.partial(made.options, sync_method=method)  # type: ignore[method-assign]
        yield made


def assert_level(site: ObjectSite, names: list[str] = NAMES) -> None:
    """All primaries have the same of each object, to the byte, and their stored hashes are true."""
    computed = [site.suffix_hashes(number) for number in PRIMARIES]  # and all is tidied up
    assert computed[0] == computed[1] == computed[2]
    for name in names:
        states = [site.state(number, name) for number in PRIMARIES]
        assert states[0] == states[1] == states[2], name


def assert_empty(site: ObjectSite, number: int) -> None:
    """A node has no partition any more."""
    assert list((site.device(number) / "objects").iterdir()) == []


# What was missed ------------------------------------------------------------------------------------------------------


def test_a_replica_that_was_away_catches_up(site: ObjectSite) -> None:
    for name in NAMES:
        site.put((0, 1), name, 1, name.encode() * 50, X_Object_Meta_Colour="grün", Content_Encoding="gzip")
    site.put((2,), NAMES[0], 2, b"newer, here alone")
    for number in (0, 1):
        assert site.ask(number, "DELETE", NAMES[1], at(3)).status == 204
        assert site.ask(number, "POST", NAMES[2], at(4), X_Object_Meta_Colour="rot").status == 202
        assert site.ask(number, "POST", NAMES[3], at(5), Content_Type="text/html").status == 202
    counts = site.replicate()
    assert sum(count["failures"] for count in counts) == 0
    assert_level(site)
    assert list(site.state(1, NAMES[0])) == [f"{at(2)}.data"]
    assert list(site.state(2, NAMES[1])) == [f"{at(3)}.ts"]
    assert list(site.state(2, NAMES[2])) == [f"{at(1)}.data", f"{at(4)}.meta"]
    assert site.state(2, NAMES[4])[f"{at(1)}.data"][0] == NAMES[4].encode() * 50


def test_where_nothing_is_missing_nothing_is_sent(site: ObjectSite) -> None:
    for name in NAMES:
        site.put(PRIMARIES, name, 1)
    site.replicate()
    counts = site.replicate()
    partitions = len({site.partition(name) for name in NAMES})
    for count in counts:
        assert (count["attempted"], count["hashmatch"], count["rsync"]) == (partitions, 2 * partitions, 0)
        assert (count["suffix_count"], count["suffix_hash"], count["failures"]) == (len(NAMES), 0, 0)


def test_only_the_suffixes_that_differ_are_sent(site: ObjectSite) -> None:
    for name in NAMES:
        site.put(PRIMARIES, name, 1)
    site.put((0,), NAMES[0], 2)
    (counts,) = site.replicate(0)
    assert (counts["suffix_sync"], counts["rsync"]) == (2, 2)
    assert_level(site)


def test_unchanged_suffixes_are_not_hashed_again(site: ObjectSite) -> None:
    for name in NAMES:
        site.put(PRIMARIES, name, 1)
    site.replicate()
    # Nobody told that this file came: as long as nothing in its suffix changes, it is not seen.
    shutil.copytree(site.place(0, NAMES[0]), site.place(0, NAMES[0]).with_name("0" * 29 + site.hash(NAMES[0])[-3:]))
    (counts,) = site.replicate(0)
    assert (counts["suffix_hash"], counts["rsync"]) == (0, 0)


def test_a_suffix_that_nobody_noted_is_found_within_ten_passes(site: ObjectSite) -> None:
    site.put(PRIMARIES, NAMES[0], 1)
    site.replicate()
    known = site.partition_directory(0, NAMES[0]) / "hashes.pkl"
    shutil.rmtree(site.place(1, NAMES[0]).parent)
    stored = pickle.loads((site.partition_directory(1, NAMES[0]) / "hashes.pkl").read_bytes())
    del stored[site.hash(NAMES[0])[-3:]]
    for path in (known, site.partition_directory(1, NAMES[0]) / "hashes.pkl"):
        path.write_bytes(pickle.dumps(stored, 2))
    replicator = site.replicator(0)
    sent = [replicator.run_once()["rsync"] for _ in range(10)]
    assert sum(sent) > 0
    assert site.state(1, NAMES[0]) == site.state(0, NAMES[0]) != {}


def test_objects_of_every_size(site: ObjectSite) -> None:
    sizes = [0, 1, 65536, 65537, 3_000_000]
    for size in sizes:
        site.put((0,), f"size{size}", 1, os.urandom(size))
    site.replicate()
    assert_level(site, [f"size{size}" for size in sizes])


def test_a_disk_that_was_emptied_is_filled_again(site: ObjectSite) -> None:
    for name in NAMES:
        site.put(PRIMARIES, name, 1, name.encode())
    shutil.rmtree(site.device(1))
    site.device(1).mkdir()
    site.replicate(1)
    site.replicate(0, 2)
    assert_level(site)


def test_damaged_hashes_are_computed_anew(site: ObjectSite) -> None:
    for name in NAMES:
        site.put((0, 1), name, 1)
    for rubbish in (b"", b"\x80\x02]q\x00.", pickle.dumps({"xyz": "what", "valid": True}), os.urandom(100)):
        shutil.rmtree(site.device(2) / "objects", ignore_errors=True)
        for path in (site.device(0) / "objects").glob("*/hashes.pkl"):
            path.write_bytes(rubbish)
        site.replicate(2, 0)
        assert_level(site)


# Handoffs -------------------------------------------------------------------------------------------------------------


def test_a_handoff_goes_home_and_is_removed(site: ObjectSite) -> None:
    for name in NAMES:
        site.put((0, 1, 3), name, 1, name.encode())
    assert site.ask(3, "POST", NAMES[0], at(2), X_Object_Meta_A="b").status == 202
    assert site.ask(3, "DELETE", NAMES[1], at(3)).status == 204
    (counts,) = site.replicate(3)
    assert (counts["failures"], counts["remove"]) == (0, counts["attempted"])
    assert_level(site)
    assert list(site.state(2, NAMES[1])) == [f"{at(3)}.ts"]
    assert_empty(site, 3)


def test_a_handoff_stays_until_every_primary_has_it(site: ObjectSite) -> None:
    for name in NAMES:
        site.put((3,), name, 1, name.encode())
    site.stop(2)
    (counts,) = site.replicate(3)
    assert (counts["remove"], counts["handoffs_left"]) == (0, counts["attempted"])
    assert all(site.state(3, name) == site.state(0, name) == site.state(1, name) != {} for name in NAMES)


def test_a_handoff_may_go_when_so_many_have_it(site: ObjectSite) -> None:
    for name in NAMES:
        site.put((3,), name, 1, name.encode())
    site.stop(2)
    site.replicate(3, handoff_delete=2)
    assert all(site.state(0, name) == site.state(1, name) != {} for name in NAMES)
    assert_empty(site, 3)


def test_what_comes_while_a_handoff_is_sent_home_is_not_removed(site: ObjectSite) -> None:
    first, second = NAMES[0], next(name for name in NAMES[1:] if site.partition(name) == site.partition(NAMES[0]))
    late = next(name for name in map("late{}".format, range(100)) if site.partition(name) == site.partition(first))
    site.put((3,), first, 1)
    site.put((3,), second, 1)
    replicator = site.replicator(3)
    send = replicator.sender.send

    def slowly(*arguments, **options):
        sent = send(*arguments, **options)
        if late not in seen:
            seen.append(late)
            site.put((3,), first, 5, b"came late")
            site.put((3,), late, 5, b"came late")
        return sent

    seen: list[str] = []
    replicator.sender.send = slowly  # type: ignore[method-assign]
    replicator.run_once()
    assert f"{at(5)}.data" in site.state(3, first)
    assert f"{at(5)}.data" in site.state(3, late)
    assert site.state(3, second) == {}
    site.replicate(3)
    assert_level(site, [first, second, late])
    assert_empty(site, 3)


def test_a_file_in_the_place_of_a_suffix_costs_a_handoff_nothing(site: ObjectSite) -> None:
    """What is not home yet stays where it is."""
    first, late = NAMES[0], next(name for name in NAMES[1:] if site.partition(name) == site.partition(NAMES[0]))
    site.put((3,), first, 1)
    suffix = site.partition_directory(3, first) / "000"
    suffix.write_bytes(b"")
    replicator = site.replicator(3)
    send = replicator.sender.send

    def slowly(*arguments, **options):
        sent = send(*arguments, **options)
        site.put((3,), late, 2)
        return sent

    replicator.sender.send = slowly  # type: ignore[method-assign]
    replicator.run_once()
    assert site.state(1, first) != {} == site.state(3, first)
    assert site.state(3, late) != {}
    assert not (site.device(3) / "quarantined").exists()


@pytest.mark.parametrize("is_loaded", [False, True], ids=["on disk", "loaded for another partition"])
def test_no_handoff_is_removed_that_a_new_ring_wants(site: ObjectSite, is_loaded: bool) -> None:
    site.put((3,), NAMES[0], 1)
    replicator = site.replicator(3)
    send = replicator.sender.send

    def slowly(*arguments, **options):
        site.write_ring((0, 1, 3))
        if is_loaded:
            replicator.rings[0]._reload()
        return send(*arguments, **options)

    replicator.sender.send = slowly  # type: ignore[method-assign]
    replicator.run_once()
    assert site.state(3, NAMES[0]) != {}


def test_partitions_without_objects_are_removed(site: ObjectSite) -> None:
    for number in (0, 3):
        (site.device(number) / "objects" / "5").mkdir(parents=True)
        (site.device(number) / "objects" / "5" / "hashes.invalid").touch()
        site.replicate(number)
        assert_empty(site, number)


def test_handoffs_go_first(site: ObjectSite) -> None:
    """And primaries wait until they are gone."""
    site.put((0,), NAMES[0], 1)
    other = next(name for name in NAMES if site.partition(name) != site.partition(NAMES[0]))
    replicator = site.replicator(0, handoffs_first=True)
    site.put((0,), other, 1)
    replicator.local_nodes()
    primaries = replicator.rings[0].primaries
    replicator.rings[0].primaries = (
        lambda partition: (  # type: ignore[method-assign]
            primaries(partition)[1:] if partition == site.partition(other) else primaries(partition)
        )
    )
    site.stop(2)
    assert replicator.run_once()["attempted"] == 1
    assert site.state(1, NAMES[0]) == {} != site.state(1, other)
    replicator.options = dataclasses.replace(replicator.options, handoff_delete=1)
    assert replicator.run_once()["attempted"] == 2
    assert site.state(0, other) == {} != site.state(1, NAMES[0])


# What fails -----------------------------------------------------------------------------------------------------------


def test_a_peer_that_is_down_is_complained_of_once_and_counted(site: ObjectSite, caplog) -> None:
    for name in NAMES:
        site.put((0,), name, 1)
    site.stop(2)
    (counts,) = site.replicate(0)
    complaints = [record for record in caplog.records if str(site.ports[2]) in record.getMessage()]
    assert len([record for record in complaints if record.levelno >= logging.WARNING]) == 1
    assert counts["success"] == counts["failure"] == counts["attempted"]
    assert all(site.state(1, name) == site.state(0, name) for name in NAMES)
    facts = json.loads((site.directory / "node0" / "recon" / "object.recon").read_text())
    assert facts["replication_stats"]["failure_nodes"] == {"127.0.0.1": {"sda": counts["failure"]}}
    assert facts["replication_stats"]["success"] == counts["success"]
    assert facts["object_replication_last"] == facts["replication_last"] > time.time() - 60


def test_a_peer_without_its_disk_is_stood_in_for(site: ObjectSite) -> None:
    site.put((0, 1), NAMES[0], 1)
    shutil.rmtree(site.device(2))
    # Only a device with partitions stands in for others.
    path = site.directory / "object.ring.gz"
    data = load(str(path))
    data.rows[2][(site.partition(NAMES[0]) + 1) % 8] = 3
    path.write_bytes(dump_v1(data))
    site.replicate(0)
    assert site.state(3, NAMES[0]) == site.state(0, NAMES[0]) != {}


def test_one_bad_partition_stops_nothing(site: ObjectSite) -> None:
    names = NAMES[:3]
    for name in names:
        site.put((0,), name, 1)
    objects = site.device(0) / "objects"
    good = sorted(path.name for path in objects.iterdir())
    unknown, plain = objects / "4000000000", objects / next(str(n) for n in range(8) if str(n) not in good)
    unknown.mkdir()
    plain.write_text("a file")
    (objects / "auditor_status_ALL.json").write_text("{}")
    (counts,) = site.replicate(0)
    assert counts["failures"] == 2
    facts = json.loads((site.directory / "node0" / "recon" / "object.recon").read_text())
    assert facts["replication_stats"]["failure"] == 2
    assert unknown.exists(), "no ring has it: it is told of, and left alone"
    assert not plain.exists()
    (aside,) = (site.device(0) / "quarantined" / "objects").iterdir()
    assert aside.read_text() == "a file"
    assert all(site.state(1, name) == site.state(0, name) != {} for name in names)


def test_a_partition_stays_whatever_in_it_is_no_directory(site: ObjectSite) -> None:
    site.put((0,), NAMES[0], 1)
    replicator = site.replicator(0)

    def fail(*_: object) -> None:
        raise NotADirectoryError(errno.ENOTDIR, "Not a directory", "something below")

    replicator.sender.send = fail  # type: ignore[method-assign]
    assert replicator.run_once()["failures"] == 1
    assert site.state(0, NAMES[0]) != {}


def test_a_suffix_that_cannot_be_read_stops_no_other(site: ObjectSite) -> None:
    for name in NAMES:
        site.put((0,), name, 1)
    # A file in the place of an object's directory.
    place = site.place(0, NAMES[0])
    shutil.rmtree(place)
    place.write_text("a file")
    hashes.invalidate(FS, str(site.partition_directory(0, NAMES[0])), place.name[-3:])
    site.replicate(0)
    assert all(site.state(1, name) == site.state(0, name) != {} for name in NAMES[1:])
    assert place.name in os.listdir(site.device(0) / "quarantined" / "objects")


def test_a_device_that_is_away_stops_no_other(site: ObjectSite, caplog) -> None:
    site.put((0,), NAMES[0], 1)
    shutil.rmtree(site.device(1))
    site.replicate(1, 0)
    assert "it is not a usable device" in caplog.text
    assert site.state(2, NAMES[0]) == site.state(0, NAMES[0])


# What is left to do -----------------------------------------------------------------------------------------------------


def test_devices_partitions_and_policies_can_be_chosen(site: ObjectSite) -> None:
    for name in NAMES:
        site.put((0,), name, 1)
    chosen = str(site.partition(NAMES[0]))
    for other in ({"only_devices": ("sdb",)}, {"only_policies": ("1",)}, {"only_partitions": ("999",)}):
        assert site.replicate(0, **other)[0]["attempted"] == 0
    site.replicate(0, only_partitions=(chosen,), only_devices=("sda",), only_policies=("0",))
    for name in NAMES:
        assert bool(site.state(1, name)) == (str(site.partition(name)) == chosen)
    assert not (site.directory / "node0" / "recon" / "object.recon").exists(), "it would tell of a part as of the whole"


def test_each_device_may_have_a_process(site: ObjectSite) -> None:
    for name in NAMES:
        site.put((0,), name, 1)
    (counts,) = site.replicate(0, replicator_workers=2)
    assert counts["success"] == 2 * counts["attempted"] > 0
    assert_level(site)
    facts = json.loads((site.directory / "node0" / "recon" / "object.recon").read_text())
    assert facts["object_replication_per_disk"]["sda"]["replication_stats"]["attempted"] == counts["attempted"]
    assert facts["replication_stats"]["attempted"] == counts["attempted"]


def test_a_policy_whose_partitions_are_being_split_is_left_alone(site: ObjectSite, caplog) -> None:
    site.put((0,), NAMES[0], 1)
    site.write_ring(PRIMARIES, next_part_power=4)
    (counts,) = site.replicate(0)
    assert counts["attempted"] == 0
    assert "while its partition power grows" in caplog.text


def test_partitions_that_begin_to_be_split_during_a_pass_are_left_alone(site: ObjectSite) -> None:
    """By the new ring a partition's number stands for other objects: these would be sent away, and removed here."""
    site.put((0,), NAMES[0], 1)
    replicator = site.replicator(0, ring_check_interval=0.0)
    jobs = replicator.jobs

    def meanwhile():
        found = list(jobs())
        site.write_ring((1, 2, 3), part_shift=PART_SHIFT - 1, next_part_power=33 - PART_SHIFT)
        return iter(found)

    replicator.jobs = meanwhile  # type: ignore[method-assign]
    replicator.run_once()
    assert [site.state(number, NAMES[0]) != {} for number in range(4)] == [True, False, False, False]


def test_old_temporary_files_are_removed(site: ObjectSite) -> None:
    temporary = site.device(0) / "tmp"
    temporary.mkdir(exist_ok=True)
    for name, age in (("old", 700000), ("young", 100)):
        (temporary / name).write_text("")
        os.utime(temporary / name, (time.time() - age,) * 2)
    site.replicate(0)
    assert os.listdir(temporary) == ["young"]


def test_a_directory_of_temporary_files_that_cannot_be_read_stops_nothing(site: ObjectSite) -> None:
    site.put((0,), NAMES[0], 1)
    (site.device(0) / "tmp").write_bytes(b"")
    (counts,) = site.replicate(0)
    assert (counts["failures"], counts["rsync"]) == (1, 2)
    assert_level(site, NAMES[:1])


def test_tombstones_are_forgotten_when_all_must_have_seen_them(site: ObjectSite) -> None:
    site.put(PRIMARIES, NAMES[0], 1)
    for number in PRIMARIES:
        site.ask(number, "DELETE", NAMES[0], at(2))
    for _ in range(2):
        site.replicate(reclaim_age=1000.0)
    assert [site.state(number, NAMES[0]) for number in PRIMARIES] == [{}, {}, {}]
    for number in PRIMARIES:
        assert_empty(site, number)


def write_conf(site: ObjectSite, method: str, *more: str) -> Path:
    """Write swift.conf and the conf of node 0, with more lines for its replicator; return the latter's path."""
    (site.directory / "swift.conf").write_text(SWIFT_CONF)
    options = site.options(0)
    shown = ("swift_dir", "devices", "mount_check", "bind_ip", "bind_port", "recon_cache_path", "rsync_module")
    shown += ("conn_timeout", "node_timeout", "rsync_io_timeout")
    lines = [f"{name} = {getattr(options, name)}" for name in shown]
    user = pwd.getpwuid(os.getuid()).pw_name
    conf = site.directory / "object-server.conf"
    section = ["[object-replicator]", f"sync_method = {method}", *more]
    conf.write_text("\n".join(["[DEFAULT]", f"user = {user}", "log_address =", *lines, *section]))
    return conf


def test_it_runs_as_a_program(site: ObjectSite, method: str) -> None:
    for name in NAMES:
        site.put((0,), name, 1)
    conf = write_conf(site, method)
    chosen = str(site.partition(NAMES[0]))
    command = [sys.executable, str(PROGRAMS / "swiftlite-object-replicator"), str(conf), "-v"]
    subprocess.run([*command, "--once", "--partitions", chosen, "-d", "sda", "-i", "0"], check=True, timeout=300)
    assert [name for name in NAMES if site.state(1, name)] == [n for n in NAMES if str(site.partition(n)) == chosen]
    subprocess.run([*command, "once"], check=True, timeout=300)
    assert_level(site)


def test_workers_go_on_for_ever(site: ObjectSite, method: str) -> None:
    """Each with its share of the devices; one that dies has a successor, and all end with their parent."""
    conf = write_conf(site, method, "replicator_workers = 2", "interval = 0.2")
    program = str(PROGRAMS / "swiftlite-object-replicator")
    daemon = subprocess.Popen([sys.executable, program, str(conf)], stdin=subprocess.DEVNULL)
    children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children")
    recon = site.directory / "node0" / "recon" / "object.recon"

    def find_workers() -> list[int]:
        """Its children but for the rsyncs of killed workers, of which it becomes the parent."""
        found = []
        for pid in children.read_text().split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # It has just ended.
                if program.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(int(pid))
        return found

    try:
        for name in NAMES[:2]:
            site.put((0,), name, 1)
            wait_until(lambda name=name: site.state(1, name) and site.state(2, name), f"{name} is replicated")
            wait_until(lambda: len(find_workers()) == 2, "there are two workers")
            for worker in find_workers():
                os.kill(worker, signal.SIGKILL)
        wait_until(lambda: len(find_workers()) == 2, "workers have successors")
        workers = find_workers()
        told = "object_replication_per_disk"
        wait_until(lambda: recon.exists() and told in recon.read_text(), "statistics are told")
    finally:
        daemon.terminate()
        daemon.wait(300)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "workers end with their parent")
    assert json.loads(recon.read_text())[told].keys() == {"sda"}


def test_what_openstack_swift_calls_otherwise_is_understood(site: ObjectSite, method: str) -> None:
    conf = ConfFile.load(str(write_conf(site, method, "run_pause = 7", "stats_interval = 8")))
    options = ObjectReplicator.from_conf(conf, conf.section("object-replicator")).options
    assert (options.interval, options.report_interval, options.sync_method) == (7.0, 8.0, method)
