"""What every test may use."""

import pathlib

import pytest


@pytest.fixture(scope="session")
def golden() -> pathlib.Path:
    """The files that OpenStack Swift wrote; see the README beside them."""
    return pathlib.Path(__file__).parent / "golden"
