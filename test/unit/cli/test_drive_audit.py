"""swiftlite-drive-audit: the kernel's log, mounts and fstab read, and what is done about a device that fails."""

import io
import json
import os
import re
import subprocess
from collections import Counter
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.cli import drive_audit, kernel_log
from swiftlite.cli.check_drive_audit import check_main
from swiftlite.cli.drive_audit import DriveAudit, Machine, comment_out, load, main
from swiftlite.cli.kernel_log import BadPattern, backward, count_errors, error_patterns, line_time
from swiftlite.cli.mounts import Mount, commented_out, parse_block_links, parse_mounts, parse_partitions

NOW = datetime(2026, 1, 1, 0, 30)


# --- the log ---


@given(st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line)), st.integers(1, 40), st.booleans())
def test_lines_come_backward(lines, block, ends):
    text = b"\n".join(lines) + (b"\n" if ends else b"")
    kept, kernel_log.BLOCK = kernel_log.BLOCK, block
    try:
        found = list(backward(io.BytesIO(text)))
    finally:
        kernel_log.BLOCK = kept
    assert found == [line for line in reversed(text.split(b"\n")) if line]


@pytest.mark.parametrize(
    "line, expected",
    [
        ("Jan  1 00:29:59 host kernel: x", datetime(2026, 1, 1, 0, 29, 59)),
        ("Dec 31 23:59:59 host kernel: x", datetime(2025, 12, 31, 23, 59, 59)),
        ("Jan  1 12:00:00 host kernel: x", datetime(2026, 1, 1, 12)),
        ("Jan  3 12:00:00 host kernel: x", datetime(2025, 1, 3, 12)),
        ("2025-12-31T23:59:59.123456+01:00 host kernel: x", datetime(2025, 12, 31, 23, 59, 59)),
        ("2025-12-31T23:59:59+0100 host kernel: x", datetime(2025, 12, 31, 23, 59, 59)),
        ("Feb 29 00:00:00 host kernel: x", None),
        ("Jan 32 00:00:00 x", None),
        ("no time here", None),
        ("", None),
    ],
)
def test_when_a_line_was_logged(line, expected):
    assert line_time(line, NOW) == expected


def test_leap_days_are_found():
    assert line_time("Feb 29 01:02:03 x", datetime(2025, 1, 1)) == datetime(2024, 2, 29, 1, 2, 3)


def lines(*texts, start=NOW - timedelta(minutes=1)):
    """Log lines, the newest first, a minute apart."""
    return [f"{start - timedelta(minutes=n):%b %d %H:%M:%S} h kernel: {text}" for n, text in enumerate(texts)]


def count(log, minutes=60, **options):
    return count_errors(log, error_patterns(options), NOW, minutes)


def test_errors_of_devices_are_counted():
    log = lines(
        "I/O error, dev sda, sector 5", "sdb1: error", "sdb1: errors", "nvme0n1: error", "sdaa12 error", "sda error"
    )
    assert count(log) == Counter({"sda": 2, "sdb1": 1})


def test_only_so_many_minutes_back_and_not_before_the_boot():
    log = lines(*["sda error"] * 40)
    assert count(log, 10)["sda"] == 9
    log[5] = lines("[    0.000000] Linux version 6")[0]
    assert count(log, 10)["sda"] == 5


def test_lines_without_a_time_are_passed_over():
    assert count(["sda error", *lines("sdb error"), "x", *lines("sdb error")]) == Counter({"sdb": 2})


def test_patterns_of_the_operator_replace_the_default_ones():
    options = {"regex_pattern_1": r"(nvme\d+n\d+): bad", "regex_pattern_x": r"worse (?:than|(sd\w))"}
    assert count(lines("nvme0n1: bad", "worse sdz", "sda error"), **options) == Counter({"nvme0n1": 1, "sdz": 1})
    assert count(lines("sdq died"), regex_pattern_1="sd[a-z](?= died)") == Counter({"sdq": 1})
    with pytest.raises(BadPattern, match="unable to compile"):
        error_patterns({"regex_pattern_1": "("})


# --- mounts and fstab ---


def test_mounts_below_a_directory():
    text = (
        "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /srv/node/d1 xfs rw 0 0\n/dev/sdc1 /srv/node2/d1 xfs rw 0 0\n"
        "/dev/mapper/a\\040b /srv/node/d\\040x xfs rw 0 0\n\nbroken\n"
    )
    assert parse_mounts(text, "/srv/node/") == [
        Mount("/srv/node/d1", "/dev/sdb1"),
        Mount("/srv/node/d x", "/dev/mapper/a b"),
    ]


def test_names_and_numbers_of_devices():
    assert parse_partitions("major minor  #blocks  name\n\n   8        0  100 sda\n   8       17   10 sdb1\n") == {
        (8, 0): "sda",
        (8, 17): "sdb1",
    }
    assert parse_block_links({"8:17": "../sdb1", "x": "../y"}) == {"sdb1": (8, 17)}


FSTAB = "# /srv/node/d1\nUUID=1 /srv/node/d1 xfs noatime 0 0\nUUID=2 /srv/node/d10 xfs noatime 0 0\nUUID=3 /a\\040b ext4 x\n"


def test_fstab_without_a_mount_point():
    assert commented_out(FSTAB, "/srv/node/d1") == FSTAB.replace("UUID=1", "#UUID=1")
    assert commented_out(FSTAB, "/a b") == FSTAB.replace("UUID=3", "#UUID=3")
    assert commented_out(FSTAB, "/srv/node") == FSTAB
    assert commented_out("UUID=1 /srv/node/d1/ xfs\n", "/srv/node/d1") == "#UUID=1 /srv/node/d1/ xfs\n"
    once = commented_out(FSTAB, "/srv/node/d1")
    assert commented_out(once, "/srv/node/d1") == once


def test_fstab_keeps_its_mode_and_its_bytes(tmp_path):
    fstab = tmp_path / "fstab"
    fstab.write_bytes(FSTAB.encode() + b"\xff\r\n")
    fstab.chmod(0o640)
    comment_out(str(fstab), "/srv/node/d10")
    assert fstab.read_bytes() == FSTAB.replace("UUID=2", "#UUID=2").encode() + b"\xff\r\n"
    assert fstab.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["fstab"]


# --- the whole ---


class Bench:
    """A machine in a directory: two devices, a log, fstab, and a record of the commands that were run."""

    def __init__(self, directory):
        self.directory = directory
        self.commands = []
        self.status = 0
        self.journal = ""
        for name in ("proc", "block", "log", "run"):
            (directory / name).mkdir()
        (directory / "proc/partitions").write_text("major minor #blocks name\n\n 8 17 9 sdb1\n 8 33 9 sdc1\n")
        (directory / "proc/mounts").write_text(
            "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /srv/node/d1 xfs rw 0 0\n/dev/sdc1 /srv/node/d2 xfs rw 0 0\n"
            "/dev/lost /srv/node/d3 xfs rw 0 0\n"
        )
        for numbers, name in (("8:17", "sdb1"), ("8:33", "sdc1")):
            (directory / "block" / numbers).symlink_to(f"../{name}")
        (directory / "fstab").write_text(FSTAB)
        self.log("sdb1: error", "I/O error, dev sdb1", "sdc1: error")

    def log(self, *texts):
        (self.directory / "log/kern.log").write_text("\n".join(reversed(lines(*texts))) + "\n")

    def run(self, command):
        self.commands.append(list(command))
        if command[0] == "journalctl":
            return subprocess.CompletedProcess(command, 0 if self.journal else 1, self.journal, "")
        return subprocess.CompletedProcess(command, self.status, "", "umount: not permitted\n")

    def audit(self, **options):
        return DriveAudit(*load(self.write(options)), self.machine).run()

    def check(self, **options):
        """What --check finds on a machine whose devices are mounted in a directory that is there."""
        (self.directory / "node").mkdir()
        (self.directory / "proc/mounts").write_text(f"/dev/sdb1 {self.directory}/node/d1 xfs rw 0 0\n")
        return check_main(self.write({"device_dir": self.directory / "node", **options}), self.machine)

    def write(self, options):
        conf = {"recon_cache_path": self.directory / "recon", "log_file_pattern": self.directory / "log/kern.*"}
        conf |= {"user": "root", "log_name": f"audit-{self.directory.name}", "log_address": "/nonexistent", **options}
        path = self.directory / "drive-audit.conf"
        path.write_text("[drive-audit]\n" + "".join(f"{name} = {value}\n" for name, value in conf.items()))
        return str(path)

    @property
    def machine(self):
        d = self.directory
        return Machine(f"{d}/proc", f"{d}/block", f"{d}/fstab", f"{d}/run", self.run, lambda: NOW)

    @property
    def fstab(self):
        return (self.directory / "fstab").read_text()

    @property
    def recon(self):
        return json.loads((self.directory / "recon/drive.recon").read_text())


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_a_device_with_errors_is_unmounted(bench, capfd):
    assert bench.audit(error_limit=2) == 0
    assert bench.commands == [["umount", "-fl", "/srv/node/d1"], ["systemctl", "daemon-reload"]]
    assert bench.fstab == FSTAB.replace("UUID=1", "#UUID=1")
    assert bench.recon == {"/srv/node/d1": 2, "/srv/node/d2": 0, "drive_audit_errors": 2}
    said = capfd.readouterr().err
    assert "Unmounting /srv/node/d1 with 2 errors" in said
    assert "Could not determine major:minor numbers for /dev/lost" in said


def test_what_root_makes_for_monitoring_belongs_to_the_daemons(bench, monkeypatch):
    """In a directory of root's no daemon could write its statistics."""
    given = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("shutil.chown", lambda path, user: given.append((str(path), user)))
    bench.audit(user="sue")
    recon = f"{bench.directory}/recon"
    assert given == [(f"{recon}/drive.recon", "sue"), (recon, "sue")]
    bench.audit(user="sue")
    assert given[2:] == [(f"{recon}/drive.recon", "sue")]


def test_no_device_is_touched_without_need(bench, capfd):
    assert bench.audit(error_limit=3) == 0
    assert bench.commands == [] and bench.fstab == FSTAB
    assert bench.recon["drive_audit_errors"] == 0
    assert "No drives were unmounted" in capfd.readouterr().err


def test_devices_may_be_told_of_only(bench, capfd):
    assert bench.audit(unmount_failed_device="no") == 0
    assert bench.commands == [] and bench.fstab == FSTAB
    assert bench.recon == {"/srv/node/d1": 2, "/srv/node/d2": 1, "drive_audit_errors": 3}
    assert "Detected /srv/node/d2 with 1 errors (Device not unmounted)" in capfd.readouterr().err


def test_what_is_not_unmounted_stays_in_fstab_and_is_told(bench, capfd):
    bench.status = 32
    assert bench.audit(error_limit=2) == 1
    assert bench.fstab == FSTAB
    assert "/srv/node/d1 is not unmounted: umount: not permitted" in capfd.readouterr().err


def test_mounts_elsewhere_are_left_alone(bench):
    bench.log(*["sda1 error"] * 9)
    assert bench.audit() == 0
    assert bench.commands == []


def test_rotated_files_are_read_too(bench):
    (bench.directory / "log/kern.log").rename(bench.directory / "log/kern.log.1")
    os.utime(bench.directory / "log/kern.log.1", (1, 1))
    bench.log("nothing")
    bench.audit(error_limit=2)
    assert bench.recon["/srv/node/d1"] == 2


def test_the_journal_is_read_where_there_is_no_log_file(bench):
    (bench.directory / "log/kern.log").unlink()
    bench.journal = "\n".join(f"{NOW - timedelta(minutes=1):%Y-%m-%dT%H:%M:%S}+0000 h kernel: sdc1 error" for _ in "ab")
    assert bench.audit(error_limit=2) == 0
    assert bench.commands[0][:3] == ["journalctl", "--dmesg", "--since=-60min"]
    assert bench.commands[1] == ["umount", "-fl", "/srv/node/d2"]


def test_without_any_log_it_fails(bench, capsys):
    (bench.directory / "log/kern.log").unlink()
    with pytest.raises(drive_audit.ToolError, match="there is no journal to read"):
        bench.audit()


@pytest.mark.parametrize(
    "text, said",
    [
        (None, "No such file or directory"),
        ("", "[drive-audit]: there is no such section"),
        ("[drive-audit]\nminutes = soon\n", "minutes: 'soon' does not fit"),
        ("[drive-audit]\nregex_pattern_1 = (\n", "unable to compile regex pattern"),
        ("[drive-audit]\nlog_file_encoding = utf-9\n", "unknown encoding: utf-9"),
        ("[drive-audit]\nlog_level = LOUD\n", "Unknown level"),
    ],
)
def test_a_conf_that_cannot_be_used_gets_one_line(tmp_path, capsys, text, said):
    if text is not None:
        (tmp_path / "x.conf").write_text(text)
    assert main([str(tmp_path / "x.conf")]) == 1
    errors = capsys.readouterr().err
    assert re.search(re.escape(said), errors) and errors.count("\n") == 1


# --- --check ---


def test_a_good_conf_and_machine(bench, capsys):
    assert bench.check(unmount_failed_device="no") == 0
    assert capsys.readouterr().out == f"{bench.directory}/drive-audit.conf: nothing is wrong for drive-audit\n"
    assert bench.commands == [] and bench.fstab == FSTAB and not (bench.directory / "recon").exists()


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        ({"eror_limit": 1}, 1, r"error: .*:\d+: \[drive-audit\] eror_limit: unknown option; did you mean error_limit"),
        ({"minutes": "soon"}, 1, r"minutes: 'soon' does not fit"),
        ({"regex_pattern_1": "("}, 1, r"unable to compile regex pattern"),
        ({"regex_pattern_1": "sd[a-z]1 error"}, 0, r"warning: .* regex_pattern_1: it has no group"),
        ({"device_dir": "/nowhere"}, 1, r"device_dir: there is no directory /nowhere"),
        ({"device_dir": "/proc"}, 0, r"warning: .* device_dir: nothing is mounted below /proc"),
        (
            {"log_file_pattern": "/nowhere"},
            1,
            r"log_file_pattern: no log file matches /nowhere, and there is no journal",
        ),
        ({"log_file_pattern": "/proc"}, 1, r"log_file_pattern: /proc cannot be read: Is a directory"),
        ({"recon_cache_path": "/proc/version"}, 1, r"recon_cache_path: /proc/version is no directory"),
    ],
)
def test_what_is_wrong_is_told(bench, capsys, options, status, said):
    assert bench.check(unmount_failed_device="no", **options) == status
    assert re.search(said, capsys.readouterr().out)
    assert all(command[0] == "journalctl" for command in bench.commands)


def test_only_what_it_does_is_asked_for(bench, capsys, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    assert bench.check(recon_cache_path="/tmp") == 0
    assert "unmount_failed_device: only root may unmount devices; run it as root" in capsys.readouterr().out
    monkeypatch.setenv("PATH", "/nowhere")
    assert check_main(str(bench.directory / "drive-audit.conf"), bench.machine) == 1
    assert "unmount_failed_device: there is no program umount" in capsys.readouterr().out


@pytest.mark.parametrize(("text", "said"), [(None, "No such file"), ("", "[drive-audit]: there is no such section")])
def test_check_of_a_conf_that_cannot_be_used(tmp_path, capsys, text, said):
    if text is not None:
        (tmp_path / "x.conf").write_text(text)
    assert main([str(tmp_path / "x.conf"), "--check"]) == 1
    assert said in capsys.readouterr().out


def test_without_a_conf_it_says_how_it_is_called(capsys):
    assert main([]) == 1
    assert capsys.readouterr().err == "Usage: swiftlite-drive-audit CONF_FILE\n"
