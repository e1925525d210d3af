"""A hash directory's files: one meaning for any order, and a meaning that tidying up does not change."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core import fileset
from swiftlite.core.fileset import FileSet, StoredFile, resolve
from swiftlite.core.timestamp import ZERO, Timestamp

MOMENTS = st.builds(Timestamp, st.integers(1, 6).map(float), st.integers(0, 1))


@st.composite
def file_names(draw: st.DrawFn) -> str:
    extension = draw(st.sampled_from([".data", ".ts", ".meta"]))
    timestamp = draw(MOMENTS)
    content_type = None
    if extension == ".meta":
        content_type = draw(st.none() | MOMENTS.filter(lambda moment: moment <= timestamp))
    return fileset.file_name(extension, timestamp, content_type)


LISTINGS = st.lists(file_names(), max_size=8, unique=True)


def names(*files: StoredFile | None) -> list[str]:
    return [file.name for file in files if file is not None]


def meaning(files: FileSet) -> tuple[object, ...]:
    return files.data, files.meta, files.content_type, files.tombstone, files.strays


def at(raw: int) -> str:
    return f"0000000001.{raw:05d}"


CASES = {
    "nothing": ([], [], []),
    "an object": ([f"{at(1)}.data"], [f"{at(1)}.data"], []),
    "the newest data win": ([f"{at(1)}.data", f"{at(2)}.data"], [f"{at(2)}.data"], [f"{at(1)}.data"]),
    "a tombstone ends all before it": (
        [f"{at(1)}.data", f"{at(2)}.meta", f"{at(3)}.ts"],
        [f"{at(3)}.ts"],
        [f"{at(1)}.data", f"{at(2)}.meta"],
    ),
    "a tombstone wins at the same moment": ([f"{at(1)}.data", f"{at(1)}.ts"], [f"{at(1)}.ts"], [f"{at(1)}.data"]),
    "data after a tombstone": ([f"{at(1)}.ts", f"{at(2)}.data"], [f"{at(2)}.data"], [f"{at(1)}.ts"]),
    "an offset is later": ([f"{at(1)}.data", f"{at(1)}_{1:016x}.data"], [f"{at(1)}_{1:016x}.data"], [f"{at(1)}.data"]),
    "metadata over data": ([f"{at(1)}.data", f"{at(2)}.meta"], [f"{at(1)}.data", f"{at(2)}.meta"], []),
    "metadata as old as data": ([f"{at(1)}.data", f"{at(1)}.meta"], [f"{at(1)}.data"], [f"{at(1)}.meta"]),
    "newer metadata": (
        [f"{at(1)}.data", f"{at(2)}.meta", f"{at(3)}.meta"],
        [f"{at(1)}.data", f"{at(3)}.meta"],
        [f"{at(2)}.meta"],
    ),
    "an older file keeps a newer content type": (
        # set at 4, then metadata alone at 5, both after the type that came with 3
        [f"{at(1)}.data", f"{at(5)}-2.meta", f"{at(4)}+0.meta"],
        [f"{at(1)}.data", f"{at(5)}-2.meta", f"{at(4)}+0.meta"],
        [],
    ),
    "two of one moment: the newer content type": (
        [f"{at(1)}.data", f"{at(5)}-2.meta", f"{at(5)}-1.meta"],
        [f"{at(1)}.data", f"{at(5)}-1.meta"],
        [f"{at(5)}-2.meta"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_files_mean(case: str) -> None:
    listing, kept, obsolete = CASES[case]
    files = resolve(listing)
    found = names(files.data, files.meta, files.content_type, files.tombstone)
    assert sorted(set(found)) == sorted(kept)
    assert names(*files.obsolete) == sorted(obsolete)


def test_a_content_type_counts_only_when_newer_than_the_data() -> None:
    old = resolve([f"{at(3)}.data", f"{at(9)}-6.meta"])
    assert (names(old.meta), old.content_type) == ([f"{at(9)}-6.meta"], None)
    new = resolve([f"{at(3)}.data", f"{at(9)}-5.meta"])
    assert new.content_type == new.meta


def test_metadata_wait_for_their_data() -> None:
    files = resolve([f"{at(2)}.meta"])
    assert (files.is_empty, files.meta, names(*files.strays), files.obsolete) == (True, None, [f"{at(2)}.meta"], ())


def test_names_of_others() -> None:
    listing = [".1402464677.04188.data.aB3_xY", "junk", "1.data.old", f"{at(1)}#2#d.data", f"{at(1)}.durable", ".meta"]
    files = resolve([*listing, f"{at(1)}.data"])
    assert names(files.data) == [f"{at(1)}.data"]
    assert files.unexpected == tuple(sorted(listing[1:]))
    assert files.temporary == (listing[0],)
    assert files.obsolete == ()


@given(LISTINGS, st.randoms(use_true_random=False))
def test_one_answer_for_any_order(listing: list[str], shuffler: random.Random) -> None:
    shuffled = list(listing)
    shuffler.shuffle(shuffled)
    assert resolve(shuffled) == resolve(listing)


@given(LISTINGS)
def test_every_file_is_kept_or_obsolete(listing: list[str]) -> None:
    files = resolve(listing)
    # A .meta file kept only for its content type may sit behind the newest one.
    kept = set(names(files.data, files.meta, files.tombstone, files.content_type, *files.strays))
    assert set(names(*files.obsolete)).isdisjoint(kept)
    assert set(names(*files.obsolete)) <= set(listing)


@given(LISTINGS)
def test_tidying_changes_nothing(listing: list[str]) -> None:
    files = resolve(listing)
    left = [name for name in listing if name not in names(*files.obsolete)]
    assert meaning(resolve(left)) == meaning(files)
    assert resolve(left).obsolete == ()


@given(LISTINGS, LISTINGS)
def test_tidying_early_or_late_is_the_same(early: list[str], late: list[str]) -> None:
    """Files may arrive in any order, with clean-ups in between: replicas that saw all of them agree."""
    tidied = [name for name in early if name not in names(*resolve(early).obsolete)]
    everything = resolve({*early, *late})
    assert meaning(resolve({*tidied, *late})) == meaning(everything)


@given(LISTINGS)
def test_the_newest_change_decides_whether_there_is_an_object(listing: list[str]) -> None:
    files = resolve(listing)
    writes = {name: parsed for name in listing if (parsed := fileset.parse_name(name)) and parsed.extension != ".meta"}
    newest = max((file.timestamp for file in writes.values()), default=ZERO)
    deleted = any(file.extension == ".ts" for file in writes.values() if file.timestamp == newest)
    assert (files.data is not None) == (bool(writes) and not deleted)
    assert (files.tombstone is not None) == deleted


@given(file_names())
def test_names_read_back(name: str) -> None:
    parsed = fileset.parse_name(name)
    assert parsed is not None
    assert fileset.file_name(parsed.extension, parsed.timestamp, parsed.content_type_timestamp) == name


def test_what_may_be_reclaimed() -> None:
    week = 604800.0
    tombstone = resolve([f"{at(1)}.ts"])
    assert fileset.reclaimable(tombstone, 1 + week, week) == ()
    assert fileset.reclaimable(tombstone, 2 + week, week) == (tombstone.tombstone,)
    stray = resolve([f"{at(1)}.meta"])
    assert fileset.reclaimable(stray, 2 + week, week) == stray.strays
    data = resolve([f"{at(1)}.data", f"{at(2)}.meta"])
    assert fileset.reclaimable(data, 1e9, week) == ()
