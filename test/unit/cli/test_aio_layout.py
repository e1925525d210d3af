"""What the all-in-one makes of a directory that holds a store already."""

from __future__ import annotations

from pathlib import Path

from swiftlite.cli.aio_layout import make_plan
from swiftlite.common.config import ConfFile


def test_a_store_of_an_older_release_gets_the_confs_of_newer_daemons(tmp_path: Path) -> None:
    make_plan(tmp_path, 18080, None, 1).carry_out()
    conf = tmp_path / "etc/object-expirer.conf"
    written = conf.read_text()
    conf.unlink()
    make_plan(tmp_path, None, None, None).carry_out()
    assert conf.read_text() == written


def test_what_an_operator_has_set_stays(tmp_path: Path) -> None:
    make_plan(tmp_path, 18080, None, 1).carry_out()
    conf = tmp_path / "etc/object-expirer.conf"
    conf.write_text(conf.read_text().replace("interval = 5", "interval = 60\nprocesses = 2"))
    server = tmp_path / "etc/object-server.conf"
    server.write_text(server.read_text().replace(f"recon_cache_path = {tmp_path}", "recon_cache_path = /elsewhere"))
    make_plan(tmp_path, 18090, None, None).carry_out()
    assert ConfFile.load(str(conf)).section("object-expirer")["interval"] == "60"
    kept = ConfFile.load(str(server)).section("DEFAULT")
    assert kept["recon_cache_path"].startswith("/elsewhere") and kept["bind_port"] == "18091"
