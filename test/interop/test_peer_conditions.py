"""Conditions of changes where some object servers are OpenStack Swift's, which know no If-Match (doc/compare-and-swap.md)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from interop.cloud import Cloud, running, token
from interop.lab import Answer, wait_until

MIXTURES = {"two of ours": ("ours", "theirs", "ours"), "one of ours": ("theirs", "ours", "theirs")}
BIG = b"x" * 300_000


@pytest.fixture(scope="module", params=MIXTURES)
def cloud(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(tmp_path_factory.mktemp("conditions"), MIXTURES[request.param]) as cloud:
        cloud.token = token(cloud, "ours")
        assert cloud.ask("ours", "PUT", "/conditions").status == 201
        yield cloud


def put(cloud: Cloud, name: str, body: bytes, **conditions: str) -> Answer:
    headers = {name.replace("_", "-"): value for name, value in conditions.items()}
    return cloud.ask("ours", "PUT", f"/conditions/{name}", {"Content-Type": "a/b", **headers}, body)


def copies(cloud: Cloud, body: bytes) -> int:
    """How many servers store this body."""

    def has_it(path: Path) -> bool:
        with suppress(FileNotFoundError):  # superseded meanwhile
            return path.stat().st_size == len(body) and path.read_bytes() == body
        return False

    return sum(map(has_it, (path for root in cloud.devices for path in root.glob("*/objects/**/*.data"))))


def votes_suffice(cloud: Cloud) -> bool:
    return sum(side == "ours" and kind == "object" for side, kind, _ in cloud.confs) >= 2


@pytest.mark.parametrize("padding", [b"", BIG], ids=["small", "big"])
def test_a_swap_is_made_everywhere_or_nowhere(cloud: Cloud, padding: bytes) -> None:
    name, first, second = f"swap{len(padding)}", b"first" + padding, b"second" + padding
    etag = put(cloud, name, first).headers["etag"]
    wait_until(lambda: copies(cloud, first) == 3, "three copies of the first version")
    answer = put(cloud, name, second, If_Match=f'"{etag}"')
    if votes_suffice(cloud):
        assert answer.status == 201
        wait_until(lambda: copies(cloud, second) == 3, "three copies of the second version")
        assert put(cloud, name, first, If_Match=f'"{etag}"').status == 412
        assert copies(cloud, second) == 3
    else:
        assert answer.status == 503
        assert copies(cloud, first) == 3
        assert copies(cloud, second) == 0


def test_a_creation_is_refused_where_there_is_one(cloud: Cloud) -> None:
    first, second = b"created", b"refused"
    assert put(cloud, "created", first, If_None_Match="*").status == 201
    wait_until(lambda: copies(cloud, first) == 3, "three copies")
    assert put(cloud, "created", second, If_None_Match="*").status == 412
    assert copies(cloud, second) == 0
