"""The units in etc/ say what the table says, cover every daemon, and systemd itself takes them for good and safe."""

import configparser
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from swiftlite.cli import programs, unit_files
from swiftlite.cli.unit_files import PROGRAMS, STORAGE_ROLES, TARGETS, Places

CHECKOUT = Path(__file__).resolve().parents[3]
PLACES = Places(bin_dir=str(CHECKOUT / "bin"))
"""Where the programs exist, as systemd wants to see."""
MOST_EXPOSED = 1.5
"""Of 10, by systemd's own count: 0 is not exposed at all, below 2 is what it calls safe."""
ROOTS_OWN = {"swiftlite-drive-audit.service": 4.5}
"""It unmounts devices of the node: it cannot be shut off from them."""


def sections(text: str) -> configparser.RawConfigParser:
    """The unit's sections; of an option that it gives several times, the last."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read_string(text)
    return parser


@pytest.mark.parametrize("name", unit_files.sample_files())
def test_file_is_up_to_date(name: str) -> None:
    text = unit_files.sample_files()[name]
    assert (CHECKOUT / "etc" / name).read_text() == text, "run: python -m swiftlite.cli.unit_files etc"


def test_no_unit_is_left_from_earlier() -> None:
    assert {path.name for path in (CHECKOUT / "etc/systemd").iterdir()} == set(unit_files.unit_files())


def test_every_server_and_daemon_has_a_unit() -> None:
    """Told by what it runs: a server, or something of a server's package."""
    runs = re.compile(r"swiftlite\.(account|container|obj)\.\w+:main")
    daemons = {name for name, function in programs.MAINS.items() if runs.fullmatch(function)}
    assert daemons | set(programs.SERVERS) == {program.name for program in PROGRAMS}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_template_differs_from_the_plain_unit_by_its_conf_alone(program: unit_files.Program) -> None:
    units = unit_files.unit_files()
    plain, template = units[f"swiftlite-{program.name}.service"], units[f"swiftlite-{program.name}@.service"]
    assert sections(plain)["Service"]["ExecStart"].endswith(f" /etc/swift/{program.conf}.conf")
    assert sections(template)["Service"]["ExecStart"].endswith(f" /etc/swift/{program.conf}/%i.conf")
    again = template.replace("@%i", "").replace("@INSTANCE", "").replace("/%i.conf", ".conf").replace(" %i", "")
    assert again == plain


def test_targets_hold_together() -> None:
    """Stopping or restarting a whole does so to its parts, and starting it starts those that are enabled."""
    for name, text in unit_files.unit_files().items():
        if name.startswith("swiftlite-") and not name.endswith(".timer") and "[Install]" in text:
            found = sections(text)
            assert found["Unit"]["PartOf"] == found["Install"]["WantedBy"]
            assert found["Unit"]["PartOf"].removesuffix(".target") in TARGETS
    assert {program.role for program in PROGRAMS} == {"proxy", *STORAGE_ROLES}


def test_places_are_the_nodes_own() -> None:
    places = Places("/opt/bin", "/opt/etc", "/disks", "store", "keepers")
    for name, text in unit_files.unit_files(places).items():
        assert not re.search(r"/usr/local/bin|/etc/swift|/srv/node|=swift$", text.replace("Directory=swift", "")), name
    assert "g keepers" in unit_files.sysusers(places) and "u store -:keepers" in unit_files.sysusers(places)
    assert "path = /disks" in unit_files.rsyncd("192.0.2.1", ["object"], places)


def test_only_who_works_on_devices_may_write_to_them() -> None:
    units = unit_files.unit_files()
    writers = {
        program.name for program in PROGRAMS if "ReadWritePaths=/srv/node" in units[f"swiftlite-{program.name}.service"]
    }
    assert writers == {p.name for p in PROGRAMS} - {"proxy-server", "container-reconciler", "object-expirer"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Units whose programs are those of this checkout."""
    directory = tmp_path_factory.mktemp("units")
    for name, text in unit_files.unit_files(PLACES).items():
        (directory / name).write_text(text)
    return directory


def analyze(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, timeout=300, env={**os.environ, **environment}
    )


def test_systemd_finds_no_fault_with_them(written: Path) -> None:
    names = sorted(path.name.replace("@.", "@1.") for path in written.iterdir())
    done = analyze("verify", "--man=no", "--recursive-errors=yes", *(str(written / name) for name in names))
    complaints = [line for line in (done.stdout + done.stderr).splitlines() if "swiftlite" in line]
    assert (done.returncode, complaints) == (0, []), done.stderr


def test_systemd_would_find_a_fault(written: Path, tmp_path: Path) -> None:
    """The test above can fail: with a program that does not exist, and with an option that is none."""
    text = (written / "swiftlite-object-server.service").read_text()
    spoiled = tmp_path / "swiftlite-spoiled.service"
    spoiled.write_text(
        text.replace("/swiftlite-object-server ", "/swiftlite-no-server ").replace("KillMode", "KillMood")
    )
    done = analyze("verify", "--man=no", str(spoiled))
    assert done.returncode != 0
    assert "KillMood" in done.stderr and "swiftlite-no-server" in done.stderr


@pytest.mark.parametrize("name", sorted(name for name in unit_files.unit_files() if name.endswith(".service")))
def test_systemd_takes_them_for_safe(written: Path, name: str) -> None:
    limit = ROOTS_OWN.get(name, MOST_EXPOSED)
    done = analyze(
        *("security", "--offline=yes", f"--threshold={limit * 10:.0f}", "--json=short"),
        str(written / name.replace("@.", "@1.")),
    )
    assert done.returncode == 0, [row for row in json.loads(done.stdout) if row.get("exposure")]
