"""What the ring builder keeps in backups/, and taking the last ring back."""

import os

import pytest

from swiftlite.cli.ring_builder import main
from swiftlite.ring.builder import RingBuilder
from swiftlite.ring.format import load


class Bench:
    """An object builder in a directory, and what its commands say."""

    def __init__(self, directory, capsys):
        self.directory, self.capsys = directory, capsys
        self("create", 4, 2, 0)
        self("add", *(word for n in range(4) for word in (f"r1z{n}-10.0.0.{n}:6200/sda", 100)))
        self("rebalance")

    def __call__(self, *words, code=0):
        """Run a command, which must end so; return what it printed."""
        self.capsys.readouterr()
        assert main([str(self.directory / "object.builder"), *map(str, words)]) in ((0, 1) if code is None else (code,))
        said = self.capsys.readouterr()
        return said.out + said.err

    @property
    def files(self):
        return [(self.directory / name).read_bytes() for name in ("object.builder", "object.ring.gz")]

    @property
    def ring(self):
        return load(self.directory / "object.ring.gz")

    @property
    def builder(self):
        return RingBuilder.load(self.directory / "object.builder")

    @property
    def backups(self):
        return sorted(os.listdir(self.directory / "backups"))

    def makes_a_mistake(self):
        """A rebalance that nobody wanted; it need not be balanced."""
        self("set_weight", "d0", 10)
        self("rebalance", "--force", code=None)


@pytest.fixture
def bench(tmp_path, capsys):
    return Bench(tmp_path, capsys)


def test_a_rebalance_is_taken_back_and_made_again(bench):
    before = bench.files
    bench.makes_a_mistake()
    mistake = bench.files
    assert "would be" in bench("take_back", "--dry-run")
    assert bench.files == mistake
    assert "distribute it" in bench("take_back")
    assert bench.files == before
    bench("take_back")
    assert bench.files == mistake


def test_after_an_increase_of_the_partition_power_the_ring_goes_back_to_the_last_of_the_new_power(bench):
    for step in ("prepare_increase", "increase", "finish_increase"):
        bench(f"{step}_partition_power")
        bench("write_ring")
    before = bench.files
    bench.makes_a_mistake()
    bench("take_back")
    assert bench.files == before
    assert bench.ring.partition_count == 32


def test_no_ring_of_another_partition_power_comes_back(bench):
    """The last ring may be the first one that has the power."""
    for step in ("prepare_increase", "increase"):
        bench(f"{step}_partition_power")
    bench("write_ring")
    before = bench.files
    assert "16 partitions, and the ring in service 32" in bench("take_back", code=2)
    bench("finish_increase_partition_power")
    bench("write_ring")
    assert "is being increased" in bench("take_back", code=2)
    assert bench.files[1] != before[1]


@pytest.mark.parametrize("change", ["10.9.9.9", ":6300", "R10.9.9.9", "/sdb"])
def test_no_address_of_before_comes_back(bench, change):
    bench("set_info", "d1", change)
    bench("write_ring")
    written = bench.files
    assert "d1 at another address" in bench("take_back", code=2)
    bench.makes_a_mistake()
    bench("take_back")
    assert bench.files == written


def test_a_change_of_address_that_was_never_written_before_a_rebalance(bench):
    bench("set_info", "d1", "10.9.9.9")
    bench.makes_a_mistake()
    mistake = bench.files
    assert "another address" in bench("take_back", code=2)
    assert bench.files == mistake


def test_a_ring_that_the_last_rebalance_left_alone(bench):
    bench.makes_a_mistake()
    files = bench.files
    moment = int(bench.backups[-1].partition(".")[0])
    assert "left alone" in bench("take_back", "--since", moment + 1, code=1)
    assert bench.files == files
    bench("take_back", "--since", moment)
    assert bench.files != files


def test_nothing_is_taken_back_without_knowing_what_was(bench):
    assert "no ring of before" in bench("take_back", code=2)
    bench.makes_a_mistake()
    newest = max(name for name in bench.backups if name.endswith(".ring.gz"))
    (bench.directory / "backups" / newest.replace("ring.gz", "builder")).unlink()
    assert "not the last one in backups/" in bench("take_back", code=2)


def test_a_builder_that_a_ring_was_not_made_from(bench):
    first = next(name for name in bench.backups if name.endswith(".ring.gz"))
    bench.makes_a_mistake()
    (bench.directory / "backups" / first.replace("ring.gz", "builder")).write_bytes(bench.files[0])
    assert "was not made from" in bench("take_back", code=2)


def test_changes_that_were_not_written_are_dropped_aloud(bench):
    bench.makes_a_mistake()
    bench("set_weight", "d1", 7)
    assert "is dropped" in bench("take_back")


def test_no_backup_takes_the_place_of_another(bench):
    for _ in range(3):
        bench("write_ring")
    rings = [name for name in bench.backups if name.endswith(".ring.gz")]
    assert len(rings) == 4
    assert {name.replace("ring.gz", "builder") for name in rings} < set(bench.backups)


def test_a_builder_that_is_made_over_another_is_kept(bench):
    bench("set_weight", "d1", 7)
    lost = bench.files[0]
    assert "was there; it is kept as" in bench("create", 4, 2, 0)
    assert not list(bench.builder.present)
    assert lost in [(bench.directory / "backups" / name).read_bytes() for name in bench.backups]


def test_a_lost_builder_can_be_taken_back_to(bench):
    for path in (bench.directory / "backups").iterdir():
        path.unlink()
    (bench.directory / "object.builder").unlink()
    bench("write_builder", 0)
    before = bench.files
    bench.makes_a_mistake()
    bench("take_back")
    assert bench.files == before


def test_a_directory_that_cannot_be_written_is_named(bench, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    really = open
    monkeypatch.setattr(
        "builtins.open", lambda path, mode="r", **o: refuse(path) if mode == "xb" else really(path, mode, **o)
    )
    path = bench.directory / "object.builder"
    assert bench("set_min_part_hours", 7, code=2) == f"{path}: Permission denied\n"
