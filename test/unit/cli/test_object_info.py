"""swiftlite-object-info: what it says of files of every kind, whole and damaged, and that it leaves them alone."""

import hashlib
import os
import shutil

import pytest

from swiftlite.cli import object_info
from swiftlite.cli.object_info import ObjectFile, check_lines, main, metadata_lines, policy_of_path
from swiftlite.cli.tool import ToolError
from swiftlite.common.fs import FileSystem
from swiftlite.common.policies import StoragePolicies, StoragePolicy
from swiftlite.core.names import HashPath
from swiftlite.obj import xattrs

HASH_PATH = HashPath(b"labprefix", b"labsuffix")
BODY = b"hello, world!"
METADATA = {
    "name": "/AUTH_test/c/ö",
    "Content-Type": "text/plain",
    "X-Timestamp": "1402464677.04188_000000000000002a",
    "ETag": hashlib.md5(BODY).hexdigest(),
    "Content-Length": str(len(BODY)),
    "X-Object-Meta-Mood": "calm",
    "X-Object-Sysmeta-Slo-Size": "5",
    "X-Object-Transient-Sysmeta-Note": "n",
    "Content-Encoding": "gzip",
}


@pytest.fixture
def etc(golden, tmp_path):
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


@pytest.fixture
def write(tmp_path):
    """Write a file of an object: ``write("objects-1", metadata, body)`` returns its path."""

    def write(directory="objects", metadata=METADATA, body=BODY, name="1402464677.04188.data"):
        place = tmp_path / "sdb1" / directory / "7" / "abc" / ("0" * 29 + "abc")
        place.mkdir(parents=True, exist_ok=True)
        path = place / name
        path.write_bytes(body)
        if metadata:
            with open(path, "rb") as file:
                xattrs.write(FileSystem(), file.fileno(), metadata)
        return path

    return write


def test_a_whole_object(run, write):
    code, lines, errors = run(write())
    assert (code, errors) == (0, "")
    assert lines[:17] == [
        "Path: /AUTH_test/c/ö",
        "  Account: AUTH_test",
        "  Container: c",
        "  Object: ö",
        f"  Object hash: {HASH_PATH.hex('AUTH_test', 'c', 'ö')}",
        "Content-Type: text/plain",
        "Timestamp: 2014-06-11T05:31:17.041880 (1402464677.04188_000000000000002a)",
        *["System Metadata:", "  X-Object-Sysmeta-Slo-Size: 5"],
        *["Transient System Metadata:", "  X-Object-Transient-Sysmeta-Note: n"],
        *["User Metadata:", "  X-Object-Meta-Mood: calm"],
        *["Other Metadata:", "  Content-Encoding: gzip"],
        f"ETag: {METADATA['ETag']} (valid)",
        "Content-Length: 13 (valid)",
    ]
    assert any(line.startswith("curl") and '"X-Backend-Storage-Policy-Index: 0"' in line for line in lines)


def test_what_belongs_to_a_policy_is_asked_of_its_ring(run, write):
    lines = run(write("objects-1"))[1]
    assert all("/objects-1/" in line for line in lines if line.startswith("ssh"))
    assert any('"X-Backend-Storage-Policy-Index: 1"' in line for line in lines)
    warned = run(write("objects-1"), "-P", "gold")[1]
    assert warned[:2] == ["WARNING: Ring does not match policy!", "Double check your policy name!"]
    assert warned[2:] == lines


def test_without_a_ring_there_are_no_nodes(run, write, etc):
    (etc / "object.ring.gz").unlink()
    code, lines, _ = run(write())
    assert (code, lines[-1]) == (0, "Content-Length: 13 (valid)")
    named = run(write(), "-P", "silver")[1]
    assert any("/objects-1/" in line for line in named)


def test_a_body_that_is_not_what_it_was(run, write):
    code, lines, errors = run(write(body=BODY[:-1] + b"?x"))
    digest = hashlib.md5(BODY[:-1] + b"?x").hexdigest()
    assert (code, errors) == (0, "")
    assert f"ETag: {METADATA['ETag']} doesn't match file hash of {digest}!" in lines
    assert "Content-Length: 13 doesn't match file length of 14" in lines


def test_the_body_is_not_read_where_that_takes_too_long(run, write):
    lines = run("-n", write(body=b"H" + BODY[1:]))[1]
    assert f"ETag: {METADATA['ETag']} (not checked)" in lines
    assert "Content-Length: 13 (valid)" in lines


def test_a_tombstone(run, write):
    metadata = {"name": "/a/c/o", "X-Timestamp": "1402464677.04188"}
    lines = run(write(metadata=metadata, body=b"", name="1402464677.04188.ts"))[1]
    assert lines[5] == "Content-Type: Not found in metadata"
    assert lines[7:15] == [
        *["System Metadata:", "  No metadata found", "Transient System Metadata:", "  No metadata found"],
        *["User Metadata:", "  No metadata found", "Other Metadata:", "  No metadata found"],
    ]
    assert lines[15:17] == ["ETag: Not found in metadata", "Content-Length: Not found in metadata"]


def test_prefixes_are_dropped(run, write):
    lines = run("--drop-prefixes", write())[1]
    assert {"  Slo-Size: 5", "  Note: n", "  Mood: calm"} <= set(lines)


def test_how_an_object_was_encrypted():
    meta = {"X-Object-Sysmeta-Crypto-Body-Meta": "%7B%22cipher%22%3A+%22AES_CTR_256%22%7D"}
    lines = list(metadata_lines({**meta, "name": "/a/c/o"}, HASH_PATH, False))
    assert lines[-1] == 'Data crypto details: {\n  "cipher": "AES_CTR_256"\n}'
    assert (
        list(metadata_lines({next(iter(meta)): "{"}, HASH_PATH, False))[-1] == "Data crypto details: cannot be read: {"
    )


def test_nothing_that_metadata_lack_is_missed():
    assert list(metadata_lines({}, HASH_PATH, False))[:3] == [
        "Path: Not found in metadata",
        "Content-Type: Not found in metadata",
        "Timestamp: Not found in metadata",
    ]
    assert list(check_lines(ObjectFile({}, "", "", 0, None))) == [
        "ETag:  (not checked)",
        "Content-Length: Not found in metadata",
    ]


@pytest.mark.parametrize("metadata", [{"name": "/a/c"}, {"name": "a/c/o"}, {"X-Timestamp": "soon"}])
def test_metadata_that_are_none_are_said_to_be_invalid(metadata):
    with pytest.raises(ToolError, match=r"^Invalid metadata: "):
        list(metadata_lines(metadata, HASH_PATH, False))


def _truncate_xattr(path):
    value = os.getxattr(path, xattrs.KEY)
    os.setxattr(path, xattrs.KEY, value[: len(value) // 2])


def _evil(path):
    os.removexattr(path, xattrs.CHECKSUM_KEY)
    os.setxattr(path, xattrs.KEY, b"cos\nsystem\n(S'true'\ntR.")


def _no_bytes(path):
    with open(path, "rb") as file:
        xattrs.write(FileSystem(), file.fileno(), {**METADATA, "X-Object-Meta-Mood": "€"})


@pytest.mark.parametrize(
    "damage, said",
    [
        (os.unlink, "Data file doesn't exist"),
        (lambda path: os.removexattr(path, xattrs.KEY), "Invalid metadata: there is no metadata"),
        (_truncate_xattr, "Invalid metadata: metadata do not match their checksum"),
        (_evil, "Invalid metadata: metadata cannot be unpickled"),
        (_no_bytes, "Invalid metadata: 'latin-1' codec can't encode"),
    ],
)
def test_a_damaged_file_gets_one_line_and_stays(run, write, damage, said):
    path = write()
    damage(path)
    before = sorted(path.parents[4].rglob("*"))
    code, lines, errors = run(path)
    assert (code, lines) == (1, [])
    assert errors.startswith(said) and errors.count("\n") == 1
    assert sorted(path.parents[4].rglob("*")) == before


def test_what_is_no_file_is_refused_without_waiting(run, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert run(tmp_path / "fifo")[0] == run(tmp_path)[0] == 1


def test_other_bad_input(run, write, tmp_path, etc):
    assert run(write(), "-P", "nope") == (1, [], "No policy named 'nope'\n")
    (etc / "object.ring.gz").write_bytes(b"R1NG")
    code, _, errors = run(write())
    assert code == 1 and "not a usable ring file" in errors
    with pytest.raises(SystemExit) as stopped:
        run()
    assert stopped.value.code == 2


@pytest.mark.parametrize(
    "path, index",
    [
        ("/srv/node/sda/objects/1/2/3/x.data", 0),
        ("/srv/node/sda/objects-1/1/2/3/x.data", 1),
        ("/objects-1/node/objects/1/2/3/x.data", 0),
        ("/srv/node/sda/objects-9/1/2/3/x.data", 0),
        ("/tmp/x.data", 0),
    ],
)
def test_the_policy_of_a_path(path, index):
    policies = StoragePolicies([StoragePolicy(0, "gold", is_default=True), StoragePolicy(1, "silver")])
    assert policy_of_path(path, policies).index == index


def test_every_kind_of_metadata_has_a_section():
    kinds = (object_info.is_system, object_info.is_user, object_info.is_transient_metadata, object_info.is_other)
    for key in METADATA:
        assert sum(bool(kind(key)) for kind in kinds) == 1
