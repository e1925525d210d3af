"""A real tree goes in and comes back: Python's standard library, odd names, and a file of 1 GiB (issue 2, point 1)."""

from __future__ import annotations

import hashlib
import mimetypes
import os
import random
import string
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from swiftclient.service import SwiftService, SwiftUploadObject

from functional.cluster import Cluster
from swiftlite.core.names import quote_path

SEED = 20260822
BLOCK = 1 << 20
BIG_SIZE = 1 << 30
PAGE = 100
SKIPPED = {"__pycache__", "site-packages", "dist-packages"}


@dataclass(frozen=True)
class Expected:
    """What one object must be."""

    size: int
    md5: str
    sha256: str
    content_type: str


@dataclass(frozen=True)
class Uploaded:
    """A store, a container in it, and what must be there."""

    cluster: Cluster
    container: str
    objects: dict[str, Expected]

    def service(self) -> SwiftService:
        """A SwiftService that takes every failure for one."""
        return SwiftService(
            options={
                "auth_version": "1.0",
                "auth": self.cluster.auth_url,
                "user": "test:tester",
                "key": "testing",
                "retries": 0,
                "object_uu_threads": 4,
                "object_dd_threads": 4,
            }
        )


def expect(name: str, path: Path) -> Expected:
    with open(path, "rb") as file:
        md5, sha256 = hashlib.md5(), hashlib.sha256()
        while block := file.read(BLOCK):
            md5.update(block)
            sha256.update(block)
    content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Expected(path.stat().st_size, md5.hexdigest(), sha256.hexdigest(), content_type)


def library_files() -> Iterator[tuple[str, Path]]:
    top = Path(sysconfig.get_paths()["stdlib"])
    for directory, directories, files in os.walk(top):
        directories[:] = sorted(set(directories) - SKIPPED)
        for path in (Path(directory, name) for name in files):
            if path.is_file():
                yield f"lib/{path.relative_to(top)}", path


def odd_names() -> list[str]:
    """Names that break what quotes, splits, decodes or sorts wrongly."""
    characters = sorted(set(string.printable) - set(string.whitespace) | {" "})
    return [
        # Never alone: python-swiftclient takes a segment that is one dot out of the path.
        *(f"character/{character}first" for character in characters),
        *(f"character/last{character}" for character in characters),
        "%2F",
        "a%2Fb",
        "a%2fb%00",
        "percent%",
        " leading and trailing ",
        "new\nline",
        "carriage\rreturn",
        "tab\tstop",
        "slash//es/",
        "ünïcode/naïve café",
        "日本語/ファイル.txt",
        "emoji 😀",
        "combining e\u0301",
        "right to left עברית",
        "\uffff",
        "?query=no&really#fragment",
        "".join(characters),
    ]


def write_big(path: Path) -> None:
    rng = random.Random(SEED)
    with open(path, "wb") as file:
        for _ in range(BIG_SIZE // BLOCK):
            file.write(rng.randbytes(BLOCK))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    directory = tmp_path_factory.mktemp("sources")
    found = dict(library_files())
    for number, name in enumerate(odd_names()):
        found[name] = directory / str(number)
        # Every third is empty.
        found[name].write_bytes(f"I am {name!r}".encode() if number % 3 else b"")
    found["big"] = directory / "big"
    write_big(found["big"])
    yield found
    found["big"].unlink()


@pytest.fixture(scope="module")
def uploaded(make_session_cluster: Callable[..., Cluster], sources: dict[str, Path]) -> Iterator[Uploaded]:
    cluster = make_session_cluster(workers=2)
    store = Uploaded(cluster, "träe", {name: expect(name, path) for name, path in sources.items()})
    uploads = [SwiftUploadObject(str(path), object_name=name) for name, path in sources.items()]
    with store.service() as service:
        failed = [result for result in service.upload(store.container, uploads) if not result["success"]]
    assert not failed, failed[:3]
    cluster.run_updaters()
    yield store
    cluster.remove()


def test_thousands_of_files_were_found(sources: dict[str, Path]) -> None:
    assert len(sources) > 1500
    assert any(path.stat().st_size == 0 for path in sources.values())


def test_listing_names_exactly_what_went_in(uploaded: Uploaded) -> None:
    connection = uploaded.cluster.connection()
    listed: list[dict] = []
    while True:
        marker = listed[-1]["name"] if listed else ""
        _, page = connection.get_container(uploaded.container, limit=PAGE, marker=marker)
        assert len(page) <= PAGE
        if not page:
            break
        listed += page
    assert [row["name"] for row in listed] == sorted(uploaded.objects, key=str.encode)
    for row in listed:
        expected = uploaded.objects[row["name"]]
        found = row["bytes"], row["hash"], row["content_type"]
        assert found == (expected.size, expected.md5, expected.content_type), row["name"]


def test_counts_and_bytes_are_exact(uploaded: Uploaded) -> None:
    connection = uploaded.cluster.connection()
    container = connection.head_container(uploaded.container)
    account = connection.head_account()
    size = sum(expected.size for expected in uploaded.objects.values())
    assert container["x-container-object-count"] == account["x-account-object-count"] == str(len(uploaded.objects))
    assert container["x-container-bytes-used"] == account["x-account-bytes-used"] == str(size)


def test_every_byte_comes_back(uploaded: Uploaded, tmp_path: Path) -> None:
    library = [name for name in uploaded.objects if name.startswith("lib/")]
    with uploaded.service() as service:
        options = {"out_directory": str(tmp_path)}
        for result in service.download(uploaded.container, library, options):
            assert result["success"], result
    for name in library:
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == uploaded.objects[name].sha256, name


def test_objects_with_odd_names_come_back(uploaded: Uploaded) -> None:
    connection = uploaded.cluster.connection()
    for name in odd_names():
        headers, body = connection.get_object(uploaded.container, name)
        expected = uploaded.objects[name]
        assert hashlib.sha256(body).hexdigest() == expected.sha256, name
        assert headers["etag"] == expected.md5
        assert headers["content-type"] == expected.content_type


def test_the_big_file_comes_back_through_curl(uploaded: Uploaded) -> None:
    digest = hashlib.sha256()
    curl = subprocess.Popen(curl_command(uploaded, "big"), stdout=subprocess.PIPE)
    assert curl.stdout is not None
    while block := curl.stdout.read(BLOCK):
        digest.update(block)
    assert curl.wait() == 0
    assert digest.hexdigest() == uploaded.objects["big"].sha256


def test_ranges_of_the_big_file_match(uploaded: Uploaded, sources: dict[str, Path]) -> None:
    rng = random.Random(SEED)
    starts = [0, 1, 65535, 65536, BIG_SIZE - 1, *(rng.randrange(BIG_SIZE) for _ in range(20))]
    with open(sources["big"], "rb") as file:
        for start in starts:
            end = min(BIG_SIZE - 1, start + rng.randrange(3 * BLOCK))
            got = curl(uploaded, "big", "--range", f"{start}-{end}")
            file.seek(start)
            assert got == file.read(end + 1 - start), f"bytes {start} to {end}"
        file.seek(-70000, os.SEEK_END)
        assert curl(uploaded, "big", "--range", "-70000") == file.read()


@pytest.mark.parametrize("name", [".", "..", "a/./b", "a/../b", "../../../etc/passwd"])
def test_dots_are_names_like_others(uploaded: Uploaded, name: str) -> None:
    curl(uploaded, name, "--path-as-is", "--request", "PUT", "--data-binary", name)
    try:
        assert curl(uploaded, name, "--path-as-is") == name.encode()
        _, listing = uploaded.cluster.connection().get_container(uploaded.container, prefix=name)
        assert name in [row["name"] for row in listing]
    finally:
        curl(uploaded, name, "--path-as-is", "--request", "DELETE")


def test_metadata_that_is_not_ascii_comes_back(uploaded: Uploaded) -> None:
    connection = uploaded.cluster.connection()
    words = {"x-object-meta-author": "Jürgen Ω 日本", "x-object-meta-empty-no": "☃", "content-type": "text/x-ünï"}
    connection.put_object(uploaded.container, "metadata", b"body", headers=words)
    try:
        found = connection.head_object(uploaded.container, "metadata")
        assert {name: found[name] for name in words} == words
        connection.post_object(uploaded.container, "metadata", {"X-Object-Meta-Author": "Ľubica ★"})
        found = connection.head_object(uploaded.container, "metadata")
        assert found["x-object-meta-author"] == "Ľubica ★"
        assert "x-object-meta-empty-no" not in found
        connection.post_container(uploaded.container, {"X-Container-Meta-Size": "Größe"})
        assert connection.head_container(uploaded.container)["x-container-meta-size"] == "Größe"
        connection.post_account({"X-Account-Meta-Owner": "Zoë"})
        assert connection.head_account()["x-account-meta-owner"] == "Zoë"
    finally:
        connection.delete_object(uploaded.container, "metadata")


def test_all_deleted_leaves_nothing(uploaded: Uploaded) -> None:
    """The last test of this file: it deletes what the others read."""
    with uploaded.service() as service:
        failed = [
            result for result in service.delete(uploaded.container, list(uploaded.objects)) if not result["success"]
        ]
    assert not failed, failed[:3]
    uploaded.cluster.run_updaters()
    connection = uploaded.cluster.connection()
    headers, listing = connection.get_container(uploaded.container)
    assert listing == []
    assert headers["x-container-object-count"] == headers["x-container-bytes-used"] == "0"
    connection.delete_container(uploaded.container)
    uploaded.cluster.run_updaters()
    account = connection.head_account()
    names = ("x-account-container-count", "x-account-object-count", "x-account-bytes-used")
    assert [account[name] for name in names] == ["0", "0", "0"]
    assert uploaded.cluster.files("objects*/**/*.data") == []
    assert uploaded.cluster.async_pending() == []
    assert "Traceback" not in uploaded.cluster.log_text()


def curl_command(uploaded: Uploaded, name: str, *arguments: str) -> list[str]:
    path = quote_path(f"/v1/AUTH_test/{uploaded.container}/{name}")
    url = uploaded.cluster.url + path
    token = uploaded.cluster.token()
    return ["curl", "--silent", "--show-error", "--fail", "-H", f"X-Auth-Token: {token}", *arguments, url]


def curl(uploaded: Uploaded, name: str, *arguments: str) -> bytes:
    return subprocess.run(curl_command(uploaded, name, *arguments), stdout=subprocess.PIPE, check=True).stdout
