"""Where swiftlite-init finds the programs: by a path that an upgrade can change."""

from pathlib import Path

import pytest

from swiftlite.cli.starting import programs_beside


@pytest.fixture
def current(tmp_path: Path) -> Path:
    """A link to the release in use."""
    (tmp_path / "swiftlite-1" / "bin").mkdir(parents=True)
    (tmp_path / "swiftlite-1" / "bin" / "swiftlite-init").touch()
    (tmp_path / "bin").mkdir()
    link = tmp_path / "swiftlite"
    link.symlink_to("swiftlite-1")
    return link


def test_the_link_to_the_release_stays(current: Path) -> None:
    assert programs_beside(f"{current}/bin/swiftlite-init") == current / "bin"


@pytest.mark.parametrize("target", ["{}/bin/swiftlite-init", "../swiftlite/bin/swiftlite-init"])
def test_a_link_to_one_program_is_followed(current: Path, target: str) -> None:
    """The others may not be beside it."""
    link = current.parent / "bin" / "swiftlite-init"
    link.symlink_to(target.format(current))
    found = programs_beside(str(link))
    assert (found / "swiftlite-init").samefile(current / "bin" / "swiftlite-init")
    assert found.parts[-2:] == ("swiftlite", "bin")


def test_a_relative_path(current: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(current.parent)
    assert programs_beside("swiftlite/bin/swiftlite-init") == current / "bin"
