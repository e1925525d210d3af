"""What ``swift tempurl`` prints lets in whoever has no token; ``swift info`` tells which kinds there are."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from functional.client import Client
from functional.cluster import Cluster

KEY = "k\u00e9y of the container"
COMMAND = Path(sys.executable).with_name("swift")


def run(*arguments: str) -> str:
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=True).stdout.strip()


@pytest.fixture(scope="module")
def origin(cluster: Cluster) -> str:
    """The proxy's address, where container ``signed`` has a key and an object."""
    owner = Client(cluster)
    owner.ask("PUT", "/signed", {"X-Container-Meta-Temp-URL-Key": KEY.encode().decode("latin-1")})
    assert owner.ask("PUT", "/signed/dir/o", body=b"content").status == 201
    return "http://%s:%d" % cluster.proxy_address


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return bytes(answer.read())


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
def test_a_signed_url(origin: str, digest: str) -> None:
    assert (
        read(origin + run("tempurl", "--digest", digest, "GET", "600", "/v1/AUTH_test/signed/dir/o", KEY)) == b"content"
    )


@pytest.mark.parametrize(
    "options", [("--absolute", "4102444800"), ("--iso8601", "600"), ("--ip-range", "127.0.0.0/8", "600")]
)
def test_its_options(origin: str, options: tuple[str, ...]) -> None:
    *flags, moment = options
    assert read(origin + run("tempurl", *flags, "GET", moment, "/v1/AUTH_test/signed/dir/o", KEY)) == b"content"


def test_a_prefix(origin: str) -> None:
    prefix = run("tempurl", "--prefix-based", "GET", "600", "/v1/AUTH_test/signed/di", KEY)
    path, _, query = prefix.partition("?")
    assert path == "/v1/AUTH_test/signed/di"
    assert read(f"{origin}/v1/AUTH_test/signed/dir/o?{query}") == b"content"


def test_another_key(origin: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        read(origin + run("tempurl", "GET", "600", "/v1/AUTH_test/signed/dir/o", "another"))


def test_info(origin: str) -> None:
    told = run("-A", f"{origin}/auth/v1.0", "-U", "test:tester", "-K", "testing", "info")
    assert "Additional middleware: tempurl" in told and "Additional middleware: formpost" in told
