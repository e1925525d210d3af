"""What --check says of a conf's text, and its decisions about a node."""

from __future__ import annotations

import grp
import os
import pwd
import re
from pathlib import Path

import pytest

from swiftlite.cli import check, check_node
from swiftlite.cli.conf_places import find_confs
from swiftlite.cli.findings import ERROR, Report
from swiftlite.common import swift_options
from swiftlite.common.conf_lines import Outline, outline_lines, read_outline
from swiftlite.common.config import ConfFile

ETC = Path(__file__).resolve().parents[3] / "etc"
SAMPLES = [
    *("proxy-server", "object-server", "container-server", "account-server"),
    *("object-expirer", "container-reconciler", "dispersion", "drive-audit"),
]
SERVER = """[DEFAULT]
bind_port = 6200
[pipeline:main]
pipeline = healthcheck recon object-server
[app:object-server]
use = egg:swift#object
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:recon]
use = egg:swift#recon
"""


def judged(text: str, program: str) -> list[tuple[str, str]]:
    """Level and text of each finding about all sections of a conf."""
    outline = Outline("conf")
    outline_lines(text.splitlines(), "conf", outline)
    report = Report(outline)
    check.check_text(report, program, list(outline.headers))
    return [(finding.level, finding.text.partition(": ")[2]) for finding in report.findings]


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_clean_with_each_option_set_to_its_default(name: str) -> None:
    text = (ETC / f"{name}.conf-sample").read_text()
    uncommented = re.sub(r"(?m)^# (\w+ =)", r"\1", text)
    assert uncommented != text
    assert judged(uncommented, name) == []
    assert judged(text, name) == []


def test_options_of_openstack_swift_are_warned_of() -> None:
    """Each that does nothing here, in its own section: the conf passes."""
    app = "\n".join(f"{name} = 1" for name in swift_options.APPS["object"].split())
    everywhere = "\n".join(f"{name} =" for name in sorted(swift_options.EVERYWHERE))
    text = SERVER.replace("bind_port", everywhere + "\nbind_port").replace("#object\n", f"#object\n{app}\n")
    for daemon, names in swift_options.DAEMONS.items():
        if daemon.startswith("object-"):
            text += f"[{daemon}]\n" + "\n".join(f"{name} = 1" for name in names.split()) + "\n"
    text += "[object-reconstructor]\nanything = 1\n"
    found = judged(text, "object-server")
    wrong = [line for level, line in found if level == ERROR and "does not fit" not in line]
    assert wrong == []
    assert any("no effect here" in line for _, line in found)
    assert any("[object-reconstructor]: is a section of OpenStack Swift" in line for _, line in found)


@pytest.mark.parametrize(
    "change, expected",
    [
        (("bind_port = 6200", "bind_port = x"), "conf:2: [DEFAULT] bind_port: 'x' does not fit"),
        (("6200", "6200\nworkers = -1"), "conf:3: [DEFAULT] workers: '-1' does not fit"),
        (("6200", "6200\nlog_level = LOUD"), "conf:3: [DEFAULT] log_level: 'LOUD' does not fit"),
        (("6200", "6200\nlog_facility = LOG_NONE"), "conf:3: [DEFAULT] log_facility: there is no facility"),
        (("6200", "6200\nmb_per_sync = x"), "conf:3: [DEFAULT] mb_per_sync: 'x' does not fit"),
        (("#object\n", "#object\nmb_per_sync = x\n"), "conf:7: [app:object-server] mb_per_sync: 'x' does not fit"),
        (("healthcheck recon", "healthcheck bogus"), "conf:4: [pipeline:main] pipeline: 'bogus' has no section"),
        (("[filter:recon]", "[fliter:recon]"), "conf:9: [fliter:recon]: unknown section; did you mean [filter:recon]?"),
        (("[filter:recon]", "[object-updatr]\n[filter:recon]"), "did you mean [object-updater]?"),
        (("[DEFAULT]", "[DEFAULTS]"), "conf:1: [DEFAULTS]: unknown section; did you mean [DEFAULT]?"),
        (("[DEFAULT]", "[default]"), "conf:1: [default]: unknown section; did you mean [DEFAULT]?"),
        (("[pipeline:main]", "[pipeline:other]"), "conf: says no pipeline; add a section [pipeline:main]"),
    ],
)
def test_each_mistake_is_found_with_its_line(change: tuple[str, str], expected: str) -> None:
    found = judged(SERVER.replace(*change), "object-server")
    assert any(level == ERROR and expected in line for level, line in found), found


def test_what_is_missing_because_default_is_misspelt_is_not_told(tmp_path: Path) -> None:
    path = tmp_path / "object-server.conf"
    path.write_text(SERVER.replace("[DEFAULT]", "[DEFAULTS]"))
    assert [finding.text for finding in check.check("object-server", str(path))] == [
        f"error: {path}:1: [DEFAULTS]: unknown section; did you mean [DEFAULT]?"
    ]


def test_each_part_that_cannot_be_made_is_told_of(tmp_path: Path) -> None:
    """Though the server itself, and what is left of it, cannot be made either."""
    path = tmp_path / "proxy-server.conf"
    filters = {"keymaster": "keymaster", "encryption": "encryption", "slo": "sloo", "tempurl": "tempurl\nmethods = x"}
    text = "".join(f"[filter:{name}]\nuse = egg:swift#{use}\n" for name, use in filters.items())
    text += "[filter:tempauth]\nuse = egg:swift#tempauth\nuser_x = y\n[app:proxy-server]\nuse = egg:swift#proxy\n"
    head = f"[DEFAULT]\nswift_dir = {tmp_path}\n[pipeline:main]\npipeline = tempauth {' '.join(filters)} proxy-server\n"
    path.write_text(head + text)
    report = Report(read_outline(str(path)))
    check.check_made(report, "proxy-server", ConfFile.load(str(path)))
    found = {finding.section or Path(finding.file).name: finding.text for finding in report.findings}
    assert set(found) == {"swift.conf", *(f"filter:{name}" for name in ("tempauth", "keymaster", "encryption", "slo"))}
    assert found["filter:slo"].endswith("use: swiftlite has no filter 'sloo'; did you mean slo?")
    assert "OpenStack Swift can read" in found["filter:keymaster"] and len(report.findings) == 5


def test_where_a_daemon_writes(tmp_path: Path) -> None:
    """The line that makes the directory, or opens it, for root."""
    there = tmp_path / "there"
    there.mkdir(mode=0o700)
    there.chmod(0o700)
    nobody = pwd.getpwnam("nobody")
    group = grp.getgrgid(nobody.pw_gid).gr_name
    for path, remedy in (
        (there, f"chown nobody: {there}"),
        (there / "not yet", f"install -d -o nobody -g {group} '{there}/not yet'"),
    ):
        report = Report(Outline("conf"))
        check_node.check_writable(report, "object-updater", "recon_cache_path", str(path), nobody)
        assert [(found.problem, found.remedy) for found in report.findings] == [
            (f"nobody may not write to {there}", remedy)
        ]


def test_an_option_that_is_wrong_is_told_once() -> None:
    text = SERVER.replace("6200", "6200\nworkers = -1") + "[object-updater]\n[object-auditor]\n"
    assert len(judged(text, "object-server")) == 1


def test_an_option_that_stands_twice() -> None:
    text = SERVER.replace("6200", "6200\nworkers = 1\nworkers = 2")
    problem = "conf:4: [DEFAULT] workers: line 3 has it, too, with '1'; the last one counts: take one of them out"
    assert judged(text, "object-server") == [("warning", problem)]


def test_a_daemon_without_a_section() -> None:
    assert judged(SERVER, "object-updater") == [
        (
            "warning",
            "conf: [object-updater]: there is no such section, so defaults hold; add a section [object-updater]",
        )
    ]


@pytest.mark.parametrize(
    "mode, uid, groups, expected",
    [
        (0o700, 10, [], True),
        (0o500, 10, [], False),
        (0o570, 10, [20], False),  # the owner's own bits decide
        (0o070, 11, [20], True),
        (0o060, 11, [20], False),
        (0o707, 11, [], True),
        (0o707, 11, [20], False),
        (0o000, 0, [], True),
    ],
)
def test_who_may_write(mode: int, uid: int, groups: list[int], expected: bool) -> None:
    assert check_node.may_write(mode, (10, 20), uid, groups) is expected


def test_which_addresses_are_in_each_others_way() -> None:
    assert check_node.overlap("127.0.0.1", "127.0.0.1")
    assert check_node.overlap("127.0.0.1", "0.0.0.0")
    assert check_node.overlap("", "::1")
    assert not check_node.overlap("127.0.0.1", "127.0.0.2")


def test_where_confs_are(tmp_path: Path) -> None:
    for name in ("object-server.conf", "object-server/10.conf", "object-server/2.conf", "object-server/.x.conf"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    (tmp_path / "object-server/a.conf.d").mkdir()
    found = [
        (place.name, place.number, os.path.relpath(place.path, tmp_path))
        for place in find_confs(str(tmp_path), "object-server")
    ]
    assert found == [
        ("", 1, "object-server.conf"),
        ("2", 2, "object-server/2.conf"),
        ("10", 3, "object-server/10.conf"),
        ("a", 4, "object-server/a.conf.d"),
    ]
    assert find_confs(str(tmp_path), "proxy-server") == []
