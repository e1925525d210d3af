"""Which section of a server's conf decides what its connections are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from swiftlite.cli.launch import of_connections
from swiftlite.common.config import ConfigError, ServerOptions


def timeouts(path: Path, kind: str, default: str, app: str) -> tuple[float, float | None]:
    path.write_text(f"[DEFAULT]\n{default}\n[pipeline:main]\npipeline = x\n[app:x]\nuse = egg:swift#{kind}\n{app}\n")
    found = of_connections(ServerOptions(client_timeout=10.0), f"{kind}-server", str(path))
    return found.client_timeout, found.keepalive_timeout


@pytest.mark.parametrize(
    ("kind", "default", "app", "expected"),
    [
        ("proxy", "", "", (10.0, None)),
        ("proxy", "", "client_timeout = 30", (30.0, None)),
        ("object", "", "client_timeout = 30\nkeepalive_timeout = 5", (30.0, 5.0)),
        # [DEFAULT] goes before what is not set (formats.md 8.1).
        ("proxy", "client_timeout = 10", "client_timeout = 30", (10.0, None)),
        ("proxy", "client_timeout = 10", "set client_timeout = 30", (30.0, None)),
        # --check says that the proxy's section does not know it.
        ("proxy", "", "keepalive_timeout = 5", (10.0, None)),
    ],
)
def test_an_app_may_say_what_connections_are_given(
    tmp_path: Path, kind: str, default: str, app: str, expected: tuple[float, float | None]
) -> None:
    """As with OpenStack Swift, whose servers read all options from there."""
    assert timeouts(tmp_path / "conf", kind, default, app) == expected


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[app:x\] client_timeout: 'soon' does not fit"):
        timeouts(tmp_path / "conf", "proxy", "", "client_timeout = soon")
