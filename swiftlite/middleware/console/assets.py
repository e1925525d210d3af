"""The console's files, read once into memory: only what is found here can be served."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

STATIC = Path(__file__).parent / "static"
INDEX = "index.html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
"""Content type by ending; files of other endings, licences for example, are not served."""


@dataclass(frozen=True)
class Asset:
    """One file: its bytes, its content type, and a quoted ETag."""

    body: bytes
    content_type: str
    etag: str


def make_asset(body: bytes, content_type: str) -> Asset:
    """An asset whose ETag follows from its bytes."""
    return Asset(body, content_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def load_assets(directory: Path = STATIC) -> dict[str, Asset]:
    """Every file below a directory that can be served, by its path there; the index also as the empty path."""
    found = {
        path.relative_to(directory).as_posix(): make_asset(path.read_bytes(), TYPES[path.suffix])
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.suffix in TYPES
    }
    return {"": found[INDEX], **found}
