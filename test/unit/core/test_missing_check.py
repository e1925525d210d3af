"""The missing check: what is newer over there is wanted, and nothing else; and once it has come, nothing is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.fileset import DATA, META, TOMBSTONE, FileSet, file_name, resolve
from swiftlite.core.missing_check import Parts, Versions, lacking
from swiftlite.core.timestamp import Timestamp


def at(moment: int) -> Timestamp:
    return Timestamp(0, delta=100_000 + moment)


def offer(data: int, metadata: int = 0, content_type: int = 0) -> Versions:
    return Versions(at(data), at(metadata or data), at(content_type or data))


def data(moment: int) -> str:
    return file_name(DATA, at(moment))


def tombstone(moment: int) -> str:
    return file_name(TOMBSTONE, at(moment))


def meta(moment: int, content_type: int | None = None) -> str:
    return file_name(META, at(moment), None if content_type is None else at(content_type))


CASES = {
    "all is missing": ([], offer(1), "dm"),
    "all is missing, posts too": ([], offer(1, 2), "dm"),
    "a tombstone where nothing is known": ([], offer(1), "dm"),
    "the same": ([data(1)], offer(1), ""),
    "newer here": ([data(2)], offer(1), ""),
    "newer there": ([data(1)], offer(2), "d"),
    "newer with a post there": ([data(1)], offer(2, 3), "dm"),
    "a post there": ([data(1)], offer(1, 2), "m"),
    "the same post": ([data(1), meta(2)], offer(1, 2), ""),
    "an older post there": ([data(1), meta(3)], offer(1, 2), ""),
    "newer data below our post": ([data(1), meta(3)], offer(2), "d"),
    "newer data below our post, and an older post": ([data(1), meta(4)], offer(2, 3), "d"),
    "older data, newer post": ([data(2)], offer(1, 3), "m"),
    "older data, post between": ([data(3)], offer(1, 2), ""),
    "a content type there": ([data(1), meta(2)], offer(1, 3, 3), "m"),
    "a newer content type below an older post": ([data(1), meta(4)], offer(1, 3, 3), "m"),
    "an older content type below an older post": ([data(1), meta(4, 3)], offer(1, 3, 2), ""),
    "a content type older than our data": ([data(3), meta(5)], offer(1, 4, 2), ""),
    "two files of posts here": ([data(1), meta(4), meta(3, 3)], offer(1, 4, 3), ""),
    "deleted here": ([tombstone(2)], offer(1), ""),
    "deleted here, posted there later": ([tombstone(2)], offer(1, 3), ""),
    "deleted here at the same moment": ([tombstone(2)], offer(2), ""),
    "written anew there": ([tombstone(1)], offer(2), "d"),
    "written anew and posted there": ([tombstone(1)], offer(2, 3), "dm"),
    "a newer tombstone": ([tombstone(1)], offer(2), "d"),
    "a post waits here for its data": ([meta(3)], offer(1), "dm"),
    "a post waits, an older one is offered": ([meta(3)], offer(1, 2), "d"),
    "a post waits, a newer one is offered": ([meta(2)], offer(1, 3), "dm"),
    "a post waits, a newer content type is offered": ([meta(3)], offer(1, 2, 2), "dm"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_lacking(case: str) -> None:
    here, offered, wanted = CASES[case]
    assert lacking(resolve(here), offered) == Parts("d" in wanted, "m" in wanted)


MOMENTS = st.integers(1, 6).map(at)


@st.composite
def names(draw: st.DrawFn) -> str:
    extension = draw(st.sampled_from([DATA, META, TOMBSTONE]))
    timestamp = draw(MOMENTS)
    typed = draw(st.none() | MOMENTS.filter(lambda moment: moment <= timestamp)) if extension == META else None
    return file_name(extension, timestamp, typed)


LISTINGS = st.lists(names(), max_size=6, unique=True)


def test_versions_of_nothing() -> None:
    assert Versions.of(FileSet()) is None
    assert Versions.of(resolve([meta(2)])) is None


@given(LISTINGS)
def test_nobody_lacks_what_he_has(listing: list[str]) -> None:
    files = resolve(listing)
    offered = Versions.of(files)
    assert offered is None or lacking(files, offered) == Parts(False, False)


@given(LISTINGS, LISTINGS)
def test_with_all_files_of_the_other_nothing_is_lacking(here: list[str], there: list[str]) -> None:
    """Also not when only the wanted files come."""
    offered = Versions.of(resolve(there))
    if offered is None:
        return
    wanted = lacking(resolve(here), offered)
    kinds = {DATA: wanted.data, TOMBSTONE: wanted.data, META: wanted.metadata}
    files = resolve(there)
    sent = [file.name for file in files.effective if file is not None and kinds[file.extension]]
    assert lacking(resolve({*here, *sent}), offered) == Parts(False, False)
