"""The spool: what a file says, which of several counts, and what updaters and object servers do to each other."""

from __future__ import annotations

import errno
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.common.fs import FileSystem
from swiftlite.common.policies import StoragePolicy
from swiftlite.core.names import HashPath
from swiftlite.core.timestamp import Timestamp
from swiftlite.obj.async_pending import AsyncPending, BadUpdate, RowUpdate, told_name

HASH_PATH = HashPath(b"pre", b"suf")
POLICY = StoragePolicy(0, "gold")
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
updates = st.builds(
    RowUpdate,
    st.sampled_from(["PUT", "DELETE"]),
    names,
    names.filter(lambda name: "/" not in name),
    names,
    st.just({"X-Timestamp": "0000000001.00000", "X-Etag": "Ã©"}),
    st.sampled_from([None, "unsharded"]),
    st.sampled_from([None, ".shards_a/c d"]),
    st.lists(st.integers(0, 99)).map(tuple),
    st.lists(names).map(tuple),
    st.lists(names).map(tuple),
)


def update(second: int = 1, name: str = "o", operation: str = "PUT") -> RowUpdate:
    return RowUpdate(operation, "a", "c", name, {"X-Timestamp": Timestamp(second).internal})


@given(updates)
def test_what_is_written_is_read(written: RowUpdate) -> None:
    data = written.to_pickle()
    assert RowUpdate.from_pickle(data) == written
    # Readers of OpenStack Swift's know these keys; what is empty is not there.
    plain = pickle.loads(data)
    assert set(plain) >= {"op", "account", "container", "obj", "headers", "db_state"}
    assert ("told" in plain, "successes" in plain) == (bool(written.told), bool(written.successes))


@pytest.mark.parametrize(
    "change",
    [
        {"op": "MOVE"},
        {"obj": 5},
        {"headers": {}},
        {"headers": {"X-Timestamp": "soon"}},
        {"headers": None},
        {"op": None},
    ],
)
def test_what_is_no_update(change: dict[str, object]) -> None:
    plain = pickle.loads(update().to_pickle())
    with pytest.raises(BadUpdate):
        RowUpdate.from_pickle(pickle.dumps({**plain, **change}, 0))


def test_who_knows_it() -> None:
    known = RowUpdate.from_pickle(update().taken_by((3,)).to_pickle())
    assert known.is_known_to(3, ("127.0.0.1", 1), "d")
    assert not known.is_known_to(4, ("127.0.0.1", 1), "d")
    plain = pickle.loads(known.to_pickle()) | {"told": [told_name(("::1", 6201), "d1")]}
    told = RowUpdate.from_pickle(pickle.dumps(plain, 0))
    assert told.is_known_to(4, ("::1", 6201), "d1")
    assert not told.is_known_to(4, ("::1", 6201), "d2")


def test_a_redirect_makes_everybody_new_to_it_and_a_circle_ends_at_the_root() -> None:
    sent = update().taken_by((1,)).redirected(".shards_a/one").taken_by((2,)).redirected(".shards_a/two")
    assert (sent.destination, sent.successes) == ((".shards_a", "two"), ())
    assert sent.path == "/.shards_a/two/o"
    again = sent.redirected(".shards_a/one")
    assert (again.destination, again.redirect_history, again.container_path) == (("a", "c"), (), None)


def test_the_newest_of_an_object_counts_the_others_go(tmp_path: Path) -> None:
    spool = AsyncPending(FileSystem(), HASH_PATH)
    for second in (2, 3, 1):
        spool.save(str(tmp_path), POLICY, update(second))
    spool.save(str(tmp_path), POLICY, update(1, "other"))
    found = list(spool.walk(str(tmp_path), POLICY))
    assert sorted((spool.load(file).object, float(file.timestamp)) for file in found) == [("o", 3.0), ("other", 1.0)]
    assert len(list(tmp_path.glob("async_pending/*/*"))) == 2


def test_a_directory_that_an_updater_has_just_removed_is_made_again(tmp_path: Path) -> None:
    class Busy(FileSystem):
        """Somebody else removes the directory as soon as it is made, the first two times."""

        left = 2

        def make_directories(self, path: str) -> list[str]:
            made = super().make_directories(path)
            if "async_pending" in path and self.left and made:
                self.left -= 1
                self.remove_directory(made[0])
            return made

    spool = AsyncPending(Busy(), HASH_PATH)
    path = spool.save(str(tmp_path), POLICY, update())
    assert RowUpdate.from_pickle(Path(path).read_bytes()) == update()


def test_a_spool_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    class Full(FileSystem):
        def rename(self, old: str, new: str) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        AsyncPending(Full(), HASH_PATH).save(str(tmp_path), POLICY, update())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_was_delivered_meanwhile_is_no_error(tmp_path: Path) -> None:
    class Quick(FileSystem):
        """An updater delivers each update before its directory is synced."""

        def rename(self, old: str, new: str) -> None:
            super().rename(old, new)
            self.unlink(new)
            self.remove_directory(new.rpartition("/")[0])

    AsyncPending(Quick(), HASH_PATH).save(str(tmp_path), POLICY, update())


def test_a_directory_that_cannot_be_read_holds_up_no_other(tmp_path: Path) -> None:
    class Damaged(FileSystem):
        def list(self, path: str) -> list[str]:
            if path == damaged:
                raise OSError(errno.EIO, "Input/output error", path)
            return super().list(path)

    spool = AsyncPending(Damaged(), HASH_PATH)
    damaged = ""
    files = sorted(spool.save(str(tmp_path), POLICY, update(name=name)) for name in "opqr")
    damaged = str(Path(files[0]).parent)
    problems: list[OSError] = []
    found = [file.path for file in spool.walk(str(tmp_path), POLICY, problems.append)]
    assert found == [path for path in files if str(Path(path).parent) != damaged] != []
    assert [problem.filename for problem in problems] == [damaged]
    with pytest.raises(OSError, match="Input/output"):
        list(spool.walk(str(tmp_path), POLICY))
