"""swiftlite-ring-builder: its commands, their output, exit codes and backups."""

import io
import pickle
import re
import sys

import pytest

from swiftlite.cli.ring_builder import COMMANDS, main
from swiftlite.common.fs import FileSystem
from swiftlite.ring.builder import RingBuilder
from swiftlite.ring.format import load


@pytest.fixture
def run(tmp_path, capsys):
    """Run a command on x.builder: ``run("add", …)`` returns (exit code, standard output, standard error)."""

    def run(*words, file="x.builder"):
        capsys.readouterr()
        code = main([str(tmp_path / file), *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    run.load = lambda: RingBuilder.load(tmp_path / "x.builder")
    run.files = lambda: {path.name for path in tmp_path.rglob("*") if path.is_file()}
    run.ring = lambda: load(tmp_path / "x.ring.gz")
    return run


@pytest.fixture
def four(run):
    """A builder of four devices in four zones, rebalanced."""
    assert run("create", 6, 3, 1) == (0, "", "")
    words = [word for n in range(4) for word in (f"r1z{n}-10.0.0.{n}:6200/sd{n}_rack{n % 2}", 100)]
    assert run("add", *words)[0] == 0
    assert run("rebalance")[0] == 0
    return run


def weights(run):
    return [device["weight"] for device in run.load().present]


def test_a_ring_from_nothing(four):
    code, out, _ = four()
    assert code == 0
    assert (
        "64 partitions, 3.000000 replicas, 1 regions, 4 zones, 4 devices, 2-byte IDs, 0.00 balance, 0.00 dispersion"
        in out
    )
    assert re.search(r"x\.ring\.gz is up-to-date", out)
    assert [line.split()[:5] for line in out.splitlines()[-3:]] == [
        ["zone", "3", "100.00", "48", "0.00%"],
        ["10.0.0.3", "100.00", "48", "0.00%", "##########|"],
        [":6200/sd3", "3", "100.00", "48", "0.00%"],
    ]
    assert out.endswith("  rack1\n")
    found = four("search", "d3")[1].splitlines()[-1].split()
    assert found == ["3", "1", "3", "10.0.0.3:6200", "10.0.0.3:6200", "sd3", "100.00", "48", "0.00", "rack1"]
    assert four("validate") == (0, "", "")
    assert four.ring() == four.load().ring_data()


def test_backups_of_what_create_and_rebalance_write(four):
    kept = sorted(re.sub(r"^\d+\.", "", name) for name in four.files() if name[0].isdigit())
    assert set(kept) == {"x.builder", "x.ring.gz"}


def test_options_say_the_same_as_device_texts(run):
    run("create", 4, 1, 1)
    place = {"--region": 2, "--zone": 3, "--port": 6200, "--device": "sdb", "--weight": 1.5, "--replication-port": 6400}
    options = [word for pair in place.items() for word in pair]
    code, out, _ = run("add", "--ip", "Node1", "--meta", "new", *options)
    assert (code, out) == (0, 'Device d0r2z3-node1:6200Rnode1:6400/sdb_"new" with weight 1.5 got id 0\n')
    assert run("search", "-i", "node1", "-m", "ne", *options)[0] == 0
    assert run("search", "--region", 3)[0] == 2


def test_a_device_without_region_goes_to_region_1_with_a_warning(run):
    run("create", 4, 1, 1)
    code, _, err = run("add", "z3-10.0.0.1:6200/sdb", 1)
    assert (code, run.load().devices[0]["region"]) == (0, 1)
    assert "region 1" in err


@pytest.mark.parametrize(
    "words",
    [
        ["add"],
        ["add", "r1z1-10.0.0.9:6200/sdb"],
        ["add", "r1z1-10.0.0.9:6200/sdb", "heavy"],
        ["add", "r1z1-10.0.0.9:6200/sdb", "-1"],
        ["add", "r1z1-10.0.0.1:6200/sd1", "1"],
        ["add", "r1z1-10.0.0.9:6200/sdb", "1", "rubbish", "1"],
        ["add", "--region", "1", "--zone", "1"],
        ["add", "--region", "one"],
        ["add", "r1z1-10.0.0.9:6200/sdb", "1", "--region", "1"],
        ["remove"],
        ["remove", "d9"],
        ["remove", "--yes"],
        ["remove", "d1", "--zone", "1"],
        ["set_weight", "d1"],
        ["set_weight", "d1", "x"],
        ["set_weight", "d1", "1", "d9", "1"],
        ["set_weight", "--zone", "1"],
        ["set_info", "d1", "nonsense"],
        ["set_info", "d1", "10.0.0.2:6200/sd2"],
        ["set_info", "--zone", "1"],
        ["set_replicas", "0.5"],
        ["set_replicas", "many"],
        ["set_replicas"],
        ["set_min_part_hours", "1.5"],
        ["set_min_part_hours", "-1"],
        ["set_overload", "-1"],
        ["set_replicas", "inf"],
        ["set_overload", "much"],
        ["set_overload", "inf"],
        ["dispersion", "("],
        ["create", "99", "3", "1"],
        ["create", "x", "3", "1"],
        ["create", "4", "inf", "1"],
        ["create", "4", "3"],
        ["rebalance", "--format-version", "7"],
        ["write_ring", "--dev-id-bytes", "3"],
        ["write_ring", "extra"],
        ["validate", "extra"],
        ["dance"],
    ],
)
def test_bad_input_is_an_error_that_says_why_and_changes_nothing(four, words):
    before = four.load().to_dict()
    code, _, err = four(*words)
    assert code == 2
    assert err.strip()
    assert four.load().to_dict() == before


def test_a_missing_or_damaged_builder_file_is_an_error(run, tmp_path):
    code, _, err = run()
    assert (code, "cannot read" in err) == (2, True)
    (tmp_path / "x.builder").write_bytes(b"junk")
    code, _, err = run("rebalance")
    assert (code, "not a ring builder file" in err, err.count("\n")) == (2, True, 1)


def test_a_ring_file_names_its_builder(four):
    code, out, _ = four("validate", file="x.ring.gz")
    assert (code, "using" in out) == (0, True)


def test_set_weight_by_search_value_and_by_option(four):
    assert four("set_weight", "d0", 5, "/sd1", 6)[0] == 0
    assert weights(four) == [5, 6, 100, 100]
    assert four("set_weight", "--zone", 2, 7)[0] == 0
    assert weights(four) == [5, 6, 7, 100]


def test_several_matches_are_asked_about(four, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert four("set_weight", "_rack1", 5)[0] == 2
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert four("set_weight", "_rack1", 5)[0] == 2
    assert weights(four) == [100] * 4
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    code, out, _ = four("set_weight", "_rack1", 5)
    assert (code, weights(four)) == (0, [100, 5, 100, 5])
    assert "d1r1z1-10.0.0.1:6200" in out
    assert four("set_weight", "_rack0", 6, "--yes")[0] == 0
    assert weights(four) == [6, 5, 6, 5]


def test_set_info_changes_addresses_and_write_ring_spreads_them(four):
    assert four("set_info", "d1", "10.9.9.9:6300R10.8.8.8:6400/sdz_moved")[0] == 0
    assert four("set_info", "--device", "sd2", "--change-ip", "HOST", "--change-meta", "x")[0] == 0
    assert "obsolete" in four()[1]
    assert four("write_ring")[0] == 0
    assert "up-to-date" in four()[1]
    one, two = four.ring().devices[1:3]
    assert (one["ip"], one["port"], one["replication_ip"], one["replication_port"]) == (
        "10.9.9.9",
        6300,
        "10.8.8.8",
        6400,
    )
    assert (one["device"], one["meta"], two["ip"], two["meta"]) == ("sdz", "moved", "host", "x")


def test_set_zone_and_region(four):
    assert four("set_zone", "d1", 7)[0] == 0
    assert four("set_region", "d1", 8)[0] == 0
    assert [four.load().devices[1][key] for key in ("zone", "region")] == [7, 8]


def test_removal_is_flagged_and_done_with_the_next_rebalance(four):
    assert four("remove", "d1")[0] == 0
    assert " DEL" in four()[1]
    assert four("remove", "d1")[0] == 2
    assert four("rebalance")[0] == 0
    assert four.load().devices[1] is None
    assert four.ring().devices[1] is None


def test_a_rebalance_that_may_not_or_need_not_move_is_a_warning(four):
    code, out, _ = four("rebalance")
    assert (code, "No partition" in out) == (1, True)
    four("pretend_min_part_hours_passed")
    assert four("rebalance")[0] == 1
    before = four.load().version
    assert four("rebalance", "--force")[0] == 0
    assert four.load().version == before + 1


def test_a_rebalance_of_too_few_devices_is_an_error(run):
    run("create", 4, 3, 1)
    run("add", "r1z1-10.0.0.1:6200/sdb", 1)
    code, _, err = run("rebalance")
    assert (code, "3 replicas" in err) == (2, True)
    assert "x.ring.gz" not in run.files()


def test_a_ring_that_is_not_done_is_a_warning(four):
    # All partitions rest, so the new device gets nothing: the ring is saved for the device's sake, and not yet good.
    four("add", "r1z1-10.0.0.9:6200/sdb", 100)
    code, out, _ = four("rebalance", "--force")
    assert (code, "wait" in out) == (1, True)


def test_replicas_too_close_together_are_a_warning(run):
    run("create", 4, 2, 0)
    run("add", "r1z1-10.0.0.1:6200/a", 10, "r1z1-10.0.0.1:6200/b", 10, "r1z2-10.0.0.2:6200/c", 1)
    code, out, _ = run("rebalance")
    assert (code, "close together" in out) == (1, True)
    code, out, _ = run("dispersion", "--verbose")
    assert (code, "Worst tier is" in out) == (1, True)
    assert re.search(r"^r1z1-10.0.0.1 +\d+ +\d+\.\d\d +1 ", out, re.MULTILINE)
    assert run("set_overload", "1000%")[0] == 0
    assert run("rebalance")[0] == 0
    assert run("dispersion")[0] == 0


def test_overload_is_a_fraction_or_a_percentage(four):
    assert four("set_overload", "10%")[0] == 0
    assert four.load().overload == pytest.approx(0.1)
    assert four("set_overload", "0.2")[0] == 0
    assert four.load().overload == pytest.approx(0.2)
    assert four("set_overload", "10")[0] == 1


def test_replicas_and_hours(four):
    assert four("set_replicas", "3.5")[0] == 0
    assert four("set_min_part_hours", 24)[0] == 0
    # It may warn: which partitions must rest, and so the balance that is reached, is left to chance.
    assert four("rebalance")[1].startswith("Reassigned ")
    assert (four.ring().replicas, four.load().min_part_hours) == (3.5, 24)


def test_seeds_repeat_a_ring(run):
    rings = []
    for seed in (["--seed", "a"], ["a"], ["-s", "b"]):
        run("create", 5, 2, 1)
        run("add", *(word for n in range(4) for word in (f"r1z{n}-10.0.0.{n}:6200/sd{n}", 1)))
        assert run("rebalance", *seed)[0] == 0
        rings.append(run.load().rows)
    assert rings[0] == rings[1] != rings[2]


def test_list_parts_counts_replicas_on_the_devices(four):
    code, out, _ = four("list_parts", "d0", "d1")
    assert code == 0
    lines = [tuple(map(int, line.split())) for line in out.splitlines()[1:]]
    rows = four.load().rows
    assert dict(lines) == {p: n for p in range(64) if (n := sum(row[p] in (0, 1) for row in rows))}
    assert [count for _, count in lines] == sorted((count for _, count in lines), reverse=True)


@pytest.mark.parametrize("command", ["validate", "write_ring", "list_parts", "dispersion"])
def test_what_needs_assignments_says_so(run, command):
    run("create", 4, 1, 1)
    run("add", "r1z1-10.0.0.1:6200/sdb", 1)
    code, _, err = run(command, *(["d0"] if command == "list_parts" else []))
    assert (code, "rebalance" in err) == (2, True)


def test_a_ring_whose_partition_power_grows_is_not_rebalanced(four, tmp_path):
    content = pickle.loads((tmp_path / "x.builder").read_bytes())
    content["next_part_power"] = 7
    (tmp_path / "x.builder").write_bytes(pickle.dumps(content, 2))
    for words in (["rebalance"], ["add", "r1z1-10.0.0.9:6200/sdb", "1"], ["remove", "d1"]):
        code, _, err = four(*words)
        assert (code, "partition power" in err) == (2, True)


def test_version_and_help(four, capsys):
    assert four("version")[1].endswith("x.ring.gz: Serialization version: 1 (2-byte IDs), build version: 5\n")
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in COMMANDS)


def test_both_ring_formats(four):
    before = four.ring()
    for words in (["write_ring"], ["rebalance", "--force"]):
        assert four(*words, "--format-version", "2")[0] == 0
        assert four.ring().format_version == 2
        assert "up-to-date" in four()[1]
        assert four(*words)[0] == 0
        assert four.ring().format_version == 1
    assert four.ring().rows == before.rows
    assert four("write_ring", "--format-version", "2", "--dev-id-bytes", "4")[0] == 0
    assert "Serialization version: 2 (4-byte IDs)" in four("version")[1]
    assert four("write_ring", "--dev-id-bytes", "4")[0] == 2  # too wide for version 1


def test_a_lost_builder_is_made_from_its_ring(four, tmp_path):
    lost = four.load()
    assert four("write_builder", "5", file="x.ring.gz")[0] == 2
    (tmp_path / "x.builder").unlink()
    assert four("write_builder", "many", file="x.ring.gz")[0] == 2
    code, out, err = four("write_builder", file="x.ring.gz")
    assert (code, out, "min_part_hours 24" in err) == (0, "", True)
    found = four.load()
    assert (found.rows, found.devices, found.replicas, found.version, found.min_part_hours) == (
        lost.rows, lost.devices, lost.replicas, lost.version, 24,
    )  # fmt: skip
    assert four("validate")[0] == 0
    (tmp_path / "x.builder").unlink()
    (tmp_path / "x.ring.gz").unlink()
    assert four("write_builder", "5", file="x.ring.gz")[0] == 2


def test_the_partition_power(run, tmp_path):
    def run_object(*words):
        return run(*words, file="object.builder")

    run_object("create", 4, 2, 0)
    run_object("add", *(word for n in range(3) for word in (f"r1z{n}-10.0.0.{n}:6200/sda", 1)))
    assert run_object("prepare_increase_partition_power")[0] == 2  # nothing is assigned yet
    run_object("rebalance")
    for step in ("increase", "cancel_increase", "finish_increase"):
        assert run_object(f"{step}_partition_power")[0] == 2
    code, out, _ = run_object("prepare_increase_partition_power")
    assert (code, "write_ring" in out, "relink" in out) == (0, True, True)
    assert run_object("prepare_increase_partition_power")[0] == 2
    assert "swiftlite-object-relinker relink" in run_object()[1]
    assert run_object("cancel_increase_partition_power")[0] == 0
    assert run_object("finish_increase_partition_power")[0] == 0
    for step in ("prepare_increase", "increase"):
        assert run_object(f"{step}_partition_power")[0] == 0
    for words in (["rebalance"], ["remove", "d0"], ["add", "r1z1-10.0.0.9:6200/sda", "1"]):
        assert "partition power" in run_object(*words)[2]
    assert run_object("write_ring")[0] == 0
    ring = load(tmp_path / "object.ring.gz")
    assert (ring.part_shift, ring.next_part_power) == (27, 5)
    out = run_object()[1]
    assert "32 partitions" in out
    assert "swiftlite-object-relinker cleanup" in out
    assert run_object("finish_increase_partition_power")[0] == 0
    assert run_object("validate")[0] == 0
    assert "relinker" not in run_object()[1]


def test_only_object_rings_grow(four):
    code, _, err = four("prepare_increase_partition_power")
    assert (code, "object" in err) == (2, True)


def test_a_rebalance_says_what_moved_and_what_to_do(four):
    four("add", "r1z4-10.0.0.4:6200/sd4", 100)
    four("remove", "d0")
    four("pretend_min_part_hours_passed")
    out = four("rebalance")[1]
    assert re.search(r"^ +48 replicas moved from devices that are removed$", out, re.MULTILINE)
    assert re.search(r"^ +[+]\d+ d4r1z4-10.0.0.4:6200", out, re.MULTILINE)
    assert re.search(r'^ +-48 d0r1z0-10.0.0.0:6200R10.0.0.0:6200/sd0_"rack0"$', out, re.MULTILINE)
    assert "Distribute" in out.splitlines()[-1]


def test_a_safe_run_waits_for_another(four, tmp_path, monkeypatch):
    monkeypatch.setattr("swiftlite.cli.ring_builder.LOCK_TIMEOUT", 0.0)
    path = str(tmp_path / "x.builder")
    with FileSystem().lock(str(tmp_path / ".lock")):
        assert main([path, "validate"], is_safe=True) == 2
        assert main([path, "validate"]) == 0
    assert main([path, "validate"], is_safe=True) == 0
