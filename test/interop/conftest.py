"""What the tests against OpenStack Swift share: a directory with a swift.conf that both sides read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from interop.agreement import Seen
from interop.lab import Lab

SWIFT_CONF = """\
[swift-hash]
swift_hash_path_prefix = pre
swift_hash_path_suffix = suf

[storage-policy:0]
name = gold
default = yes

[storage-policy:1]
name = silver
"""


@pytest.fixture
def swift_dir(tmp_path: Path) -> Path:
    """A swift_dir with a secret and two policies, and no rings yet."""
    directory = tmp_path / "etc"
    directory.mkdir()
    (directory / "swift.conf").write_text(SWIFT_CONF)
    return directory


@pytest.fixture
def lab(tmp_path: Path, swift_dir: Path) -> Iterator[Lab]:
    """A lab that ends its servers after the test."""
    made = Lab(swift_dir, tmp_path)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def seen() -> Seen:
    """The differences that a module's cases have shown so far."""
    return {}
