"""A program takes no other program's conf, and each that daemons share."""

from __future__ import annotations

from pathlib import Path

import pytest

from interop.lab import Lab
from swiftlite.cli import check, launch, layout
from swiftlite.common.conf_owner import check_owner, other_owner
from swiftlite.common.config import ConfFile
from swiftlite.container.updater import main as container_updater

ETC = Path(__file__).resolve().parents[3] / "etc"


@pytest.mark.parametrize(
    "program, sections, app, expected",
    [
        ("object-server", [], "object", ""),
        ("container-server", ["container-updater"], "object", "object-server"),
        ("proxy-server", [], "account", "account-server"),
        ("proxy-server", [], "", ""),  # another's app, or none: told elsewhere
        ("object-updater", ["object-updater"], "object", ""),
        ("object-updater", [], "object", ""),  # defaults hold
        ("container-updater", [], "object", "object-server"),
        ("container-updater", ["object-updater", "container-updater"], "object", ""),  # one file for all
        ("object-expirer", ["object-expirer"], "proxy", ""),
        ("object-expirer", [], "proxy", "proxy-server"),
        ("container-reconciler", ["container-reconciler"], "proxy", ""),
        ("container-updater", ["object-updater"], "", "object-updater"),
        ("container-updater", ["object-updater", "container-sync"], "", ""),
        ("container-updater", [], "", ""),
        ("dispersion-report", ["object-updater"], "object", ""),
    ],
)
def test_whose_a_conf_is(program: str, sections: list[str], app: str, expected: str) -> None:
    assert other_owner(program, sections, app) == expected


@pytest.mark.parametrize("kind", layout.SERVER_KINDS)
def test_openstack_swifts_confs_and_the_samples_are_their_programs(tmp_path: Path, kind: str) -> None:
    lab = Lab(tmp_path, tmp_path)
    ours = ConfFile.load(str(ETC / f"{kind}-server.conf-sample"))
    theirs = ConfFile.load(str(lab.write_conf(kind, lab.devices(), ("127.0.0.1", 1))))
    daemons = [f"{of}-{name}" for of, name in layout.DAEMONS if of == kind]
    for program in [f"{kind}-server", *daemons]:
        check_owner(ours, program)
        check_owner(theirs, program)


def test_neither_a_start_nor_a_check_takes_anothers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conf = tmp_path / "object-server.conf"
    conf.write_text(
        "[DEFAULT]\nbind_port = 6200\n[pipeline:main]\npipeline = object-server\n[app:object-server]\nuse = egg:swift#object\n"
    )
    told = f"{conf}: is the conf of object-server, not of {{}}; give it its own, say /etc/swift/container-server.conf\n"
    assert launch.serve_main("container-server", [str(conf)]) == 1
    assert capsys.readouterr().err == "swiftlite-container-server: " + told.format("container-server")
    assert container_updater([str(conf), "--once"]) == 1
    assert capsys.readouterr().err == "container-updater: " + told.format("container-updater")
    assert check.check_main("container-server", str(conf)) == 1
    assert capsys.readouterr().out.splitlines()[0] == "error: " + told.format("container-server").rstrip()
