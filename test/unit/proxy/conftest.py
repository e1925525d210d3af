"""A proxy application in front of scripted backends."""

import pytest

from fakes.backends import Stage


@pytest.fixture
def stage():
    made = Stage()
    yield made
    made.close()


@pytest.fixture
def staged():
    """Make a stage with options of the proxy's own."""
    made = []

    def make(**options):
        made.append(Stage(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()
