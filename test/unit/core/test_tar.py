"""Tar archives: what others write is read as they mean it; the numbers and maps in it are believed only as far as they go."""

import io
import shutil
import subprocess
import tarfile
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core import tar
from swiftlite.core.tar import BadArchive, Member
from swiftlite.middleware.bulk.archive import Archive, Inflater


def record(key, value):
    length = len(key) + len(value) + 3
    length += len(str(length + len(str(length))))
    return f"{length} {key}=".encode() + value + b"\n"


def read(archive):
    """Each file's name, attributes and bytes."""
    source = Inflater({"wsgi.input": io.BytesIO(archive)}, "")
    members = Archive(source)
    found = []
    for member in members.members():
        if member.is_file:
            data = b"".join(iter(partial(members.open(member).read, 1000), b""))
            assert len(data) == member.size
            found.append((member.name, dict(member.attributes), data))
    return found


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=150).map(
    lambda name: name.strip("/") or "x"
)


@given(
    st.lists(st.tuples(NAMES, st.binary(max_size=1500)), max_size=4),
    st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
    st.dictionaries(
        st.from_regex(r"\Avendor\.[a-z ]{1,9}\Z"), st.text(st.characters(exclude_categories=["Cs"])), max_size=3
    ),
)
def test_what_the_standard_library_writes_is_read_as_it_was(files, format, attributes):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=format) as writer:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size, info.pax_headers = len(data), attributes
            writer.addfile(info, io.BytesIO(data))
    found = read(made.getvalue())
    assert [(name, data) for name, _, data in found] == files
    if format == tarfile.PAX_FORMAT:
        assert all(attributes.items() <= seen.items() for _, seen, _ in found)


@pytest.mark.skipif(not shutil.which("tar"), reason="no tar")
@pytest.mark.parametrize(
    "options",
    [
        *(["--format=" + name] for name in ("v7", "oldgnu", "gnu", "ustar", "posix")),
        ["--format=oldgnu", "-S"],
        ["--format=gnu", "-S"],
        *(["--format=posix", "-S", "--sparse-version=" + version] for version in ("0.0", "0.1", "1.0")),
    ],
    ids=" ".join,
)
def test_what_gnu_tar_writes_is_read_as_it_was(tmp_path, options):
    """Files with holes, too; with many, whose map goes on in further blocks, and with one at the end."""
    files = {"plain": b"x" * 600, "empty": b"", "hole": bytes(200_000) + b"end", "last": b"start" + bytes(200_000)}
    files["many"] = b"".join(b"data" * 1024 + bytes(4096) for _ in range(30))
    for name, data in files.items():
        with open(tmp_path / name, "wb") as file:
            for start in range(0, len(data), 4096):
                part = data[start : start + 4096]
                file.seek(start)
                if part.strip(b"\0"):
                    file.write(part)
            file.truncate(len(data))
    command = ["tar", "-C", str(tmp_path), "-c", *options, *files]
    made = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=300).stdout
    assert {name: data for name, _, data in read(made)} == files
    if "-S" in options:
        assert len(made) < 200_000


def test_records_follow_each_other():
    data = record("path", "ä/b".encode()) + record("k", b"a=b\nc") + record("e", b"") + record("raw", b"\xff")
    assert tar.pax_records(data) == [("path", "ä/b"), ("k", "a=b\nc"), ("e", ""), ("raw", "\udcff")]
    assert tar.pax_records(b"") == []


@pytest.mark.parametrize(
    "data",
    [b"x", b"5", b"5 a=b", b"6 a=b\n7", b"99 a=b\n", b"6 ab c\n", b"5 =b\n", b"6 a=bc", b"0 a=b\n", b"-6 a=b\n", b"3 a\n", b" a=b\n",
     b"9" * 30 + b" a=b\n", "٦ a=b\n".encode()],
)  # fmt: skip
def test_what_is_no_record_is_refused(data):
    with pytest.raises(BadArchive):
        tar.pax_records(data)


@given(st.binary(max_size=200))
def test_no_bytes_are_more_than_bad_records(data):
    try:
        found = tar.pax_records(data)
    except BadArchive:
        return
    assert all(key for key, _ in found)


@pytest.mark.parametrize("size", [-1, -512, -(1 << 40)])
def test_a_size_below_zero_is_refused(size):
    info = tarfile.TarInfo("f")
    info.size = size
    with pytest.raises(BadArchive):
        tar.read_block(info.tobuf(tarfile.GNU_FORMAT))


@given(st.binary(min_size=512, max_size=512))
def test_no_block_is_more_than_a_bad_one(block):
    for reads in (tar.read_block, tar.old_sparse, tar.more_sparse):
        try:
            reads(block)
        except BadArchive:
            pass


@pytest.mark.parametrize(
    ("size", "stored", "regions"),
    [
        (10, 10, [(5, 2), (0, 2)]),
        (10, 10, [(0, 5), (3, 2)]),
        (10, 10, [(8, 3)]),
        (10, 3, [(0, 2), (4, 2)]),
        (10, 10, [(11, 0)]),
    ],
)
def test_a_map_that_cannot_be_is_refused(size, stored, regions):
    with pytest.raises(BadArchive):
        list(tar.pieces(Member("f", True, size, stored, {}, regions)))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=5), st.integers(0, 9))
def test_pieces_are_the_whole_file(gaps, end):
    regions, place = [], 0
    for gap, length in gaps:
        regions.append((place + gap, length))
        place += gap + length
    member = Member("f", True, place + end, sum(length for _, length in gaps), {}, regions)
    found = list(tar.pieces(member))
    assert sum(length for _, length in found) == member.size
    assert sum(length for has_data, length in found if has_data) == member.stored


def test_there_may_be_no_more_attributes_than_can_be_read_in_a_moment():
    assert len(tar.pax_records(record("a", b"b") * tar.MOST_RECORDS)) == tar.MOST_RECORDS
    with pytest.raises(BadArchive, match="attributes"):
        tar.pax_records(record("a", b"b") * (tar.MOST_RECORDS + 1))
