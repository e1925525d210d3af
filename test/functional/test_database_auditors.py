"""The auditors as an operator runs them: `--once` with a server's conf file."""

from __future__ import annotations

import getpass
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from swiftlite.account.backend import AccountBroker
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.names import HashPath
from swiftlite.db import layout

ROOT = Path(__file__).resolve().parents[2]
HASH_PATH = HashPath(b"", b"changeme")


@pytest.mark.parametrize(("kind", "names"), [("container", ("AUTH_t", "c")), ("account", ("AUTH_t",))])
def test_an_auditor_passes_what_is_sound_and_quarantines_what_is_not(
    tmp_path: Path, kind: str, names: tuple[str, ...]
) -> None:
    (tmp_path / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = changeme\n")
    conf = tmp_path / f"{kind}-server.conf"
    conf.write_text(
        f"[DEFAULT]\nswift_dir = {tmp_path}\ndevices = {tmp_path}/node\nmount_check = false\nuser = {getpass.getuser()}\n"
        f"recon_cache_path = {tmp_path}/recon\n[{kind}-auditor]\n"
    )
    device = str(tmp_path / "node/sda")
    path = layout.database_path(device, kind, "0", HASH_PATH.hex(*names))  # type: ignore[arg-type]
    broker = (ContainerBroker if kind == "container" else AccountBroker)(path, *names, logger=logging.getLogger())
    broker.initialize("0000000010.00000")
    bad = Path(layout.database_path(device, kind, "1", "0" * 32))  # type: ignore[arg-type]
    bad.parent.mkdir(parents=True)
    bad.write_bytes(b"no database" * 1000)
    done = subprocess.run(
        [sys.executable, str(ROOT / "bin" / f"swiftlite-{kind}-auditor"), str(conf), "--once", "-v"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    assert done.returncode == 3, done.stderr
    assert "failures 1, jobs 2, passed 1, quarantined 1" in done.stderr
    assert broker.exists
    assert not bad.exists()
    told = json.loads((tmp_path / f"recon/{kind}.recon").read_text())
    assert (told[f"{kind}_audits_passed"], told[f"{kind}_audits_failed"]) == (1, 1)
