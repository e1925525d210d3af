"""What pytest finds of swiftlite by itself: fixtures that give a test a store of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from swiftlite import testing


@pytest.fixture(scope="session")
def swiftlite_options() -> dict[str, Any]:
    """Arguments of :func:`swiftlite.testing.store` for both fixtures; override it in a conftest.py to change them."""
    return {}


@pytest.fixture
def swiftlite_store(swiftlite_options: dict[str, Any]) -> Iterator[testing.Store]:
    """A store for one test, empty at its start."""
    with testing.store(**swiftlite_options) as store:
        yield store


@pytest.fixture(scope="session")
def swiftlite_shared_store(swiftlite_options: dict[str, Any]) -> Iterator[testing.Store]:
    """One store for all tests of the session: what one leaves, the next finds."""
    with testing.store(**swiftlite_options) as store:
        yield store
