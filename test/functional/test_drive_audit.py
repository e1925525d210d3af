"""swiftlite-drive-audit unmounts a device that is really mounted: a small filesystem, in a mount namespace of its own.

Nothing of this machine is changed: the namespace has an /etc of its own, too. It needs root, and a kernel that mounts.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from functional.cluster import PROGRAMS

# $1: a directory; $2: what is run once all is set up. The kernel's name of the device is only known once it is mounted.
SCRIPT = """
set -e
mount --bind "$1/etc" /etc
for device in d1 d2; do mount -o loop "$1/$device.img" "$1/node/$device"; done
mount -t tmpfs tmpfs /run  # no systemd is told to read fstab again
name=$(grep "$1/node/d1 " /proc/mounts | cut -d' ' -f1)
echo "$(date '+%b %e %H:%M:%S') host kernel: I/O error, dev $(basename "$name"), sector 7" > "$1/kern.log"
shift
set +e
"$@"
code=$?
echo "code $code"
grep "/node/d[12] " /proc/mounts | cut -d' ' -f2
"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mkfs.ext4"), reason="needs root and e2fsprogs")
def test_a_mounted_device_with_errors_is_unmounted(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for name in ("passwd", "group"):
        shutil.copy(f"/etc/{name}", tmp_path / "etc")
    fstab = "".join(f"/x/{name}.img {tmp_path}/node/{name} ext4 loop 0 0\n" for name in ("d1", "d2"))
    (tmp_path / "etc" / "fstab").write_text(fstab)
    for name in ("d1", "d2"):
        (tmp_path / "node" / name).mkdir(parents=True)
        with open(tmp_path / f"{name}.img", "wb") as image:
            image.truncate(1 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", tmp_path / f"{name}.img"], check=True)
    (tmp_path / "audit.conf").write_text(
        f"[drive-audit]\ndevice_dir = {tmp_path}/node\nlog_file_pattern = {tmp_path}/kern.*\nuser = root\n"
        f"recon_cache_path = {tmp_path}/recon\nregex_pattern_1 = error, dev (loop\\d+)\nlog_address = /nonexistent\n"
    )
    audit = [sys.executable, PROGRAMS / "swiftlite-drive-audit", tmp_path / "audit.conf"]
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh", tmp_path, *audit]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if "mount" in done.stderr and "code" not in done.stdout:
        pytest.skip(f"this kernel mounts nothing: {done.stderr.strip()}")
    assert done.stdout.split("\n") == ["code 0", f"{tmp_path}/node/d2", ""], done.stderr
    assert f"Unmounting {tmp_path}/node/d1 with 1 errors" in done.stderr
    assert (tmp_path / "etc" / "fstab").read_text() == "#" + fstab
    recon = json.loads((tmp_path / "recon" / "drive.recon").read_text())
    assert recon == {f"{tmp_path}/node/d1": 1, f"{tmp_path}/node/d2": 0, "drive_audit_errors": 1}
