"""A machine booted by the real systemd: its own processes, mounts, network and control groups over this system's /usr.

Nothing is downloaded or copied: the programs are this system's, read-only. Its own are /etc, /var, /run, /dev and the disks.
SWIFTLITE_TEST_USR names the /usr of another system instead, as debootstrap makes one: that system's systemd is booted then.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from fakes import release

CHECKOUT = Path(__file__).resolve().parents[2]
NAMESPACES = ("--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup")
USR = Path(os.environ.get("SWIFTLITE_TEST_USR", "/usr"))
BIN = "/opt/swiftlite/bin"
"""Where the machine has swiftlite installed, as in a virtualenv outside of all homes."""
MASKED = (
    # what would change this system, which shares its kernel
    *(
        "systemd-sysctl.service",
        "systemd-modules-load.service",
        "systemd-remount-fs.service",
        "systemd-random-seed.service",
    ),
    *(
        "systemd-udevd.service",
        "systemd-udev-trigger.service",
        "systemd-udevd-control.socket",
        "systemd-udevd-kernel.socket",
    ),
    *("sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-kernel-config.mount", "sys-fs-fuse-connections.mount"),
    *("dev-hugepages.mount", "proc-sys-fs-binfmt_misc.automount", "kmod-static-nodes.service"),
    # what nobody misses
    *("getty.target", "systemd-logind.service", "dbus.socket", "dbus.service", "systemd-update-utmp.service"),
)
# Dies with the tests, whatever ends them; and with it, by --kill-child, the machine.
ENTER = 'echo 0 > "$1/cgroup.procs" && shift && exec setpriv --pdeathsig KILL unshare "$@"'
SETUP = """
set -e
mount --make-rprivate /
mount --bind {root} {root}
cd {root}
mount --bind {usr} usr; mount -o remount,bind,ro usr
mount --bind {prefix} opt/python; mount -o remount,bind,ro opt/python
mount --bind {packages} opt/packages; mount -o remount,bind,ro opt/packages
mount --bind {checkout} opt/checkout; mount -o remount,bind,ro opt/checkout
echo /opt/python/lib >etc/ld.so.conf; chroot . ldconfig
mount -t proc proc proc; mount --bind proc/sys proc/sys; mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
mkdir dev/pts dev/shm; mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts; ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd; mount -t tmpfs tmpfs dev/shm
touch dev/console; mount --bind console.log dev/console
pivot_root . old; umount -l /old; mount --make-rshared /
ip link set lo up
exec env -i container=test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin {systemd} --log-level=notice </dev/null
"""


class Booted:
    """A machine that is up; :meth:`stop` ends it and all that runs in it.

    :param root: an empty directory for its files
    :raises AssertionError: when it does not come up
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        _lay_out(root)
        self._cgroup = _own_cgroup() / f"swiftlite-test-{os.getpid()}"
        self._cgroup.mkdir()
        script = SETUP.format(
            root=root,
            usr=USR,
            prefix=sys.base_prefix,
            packages=release.LIBRARIES,
            checkout=CHECKOUT,
            systemd="/usr/lib/systemd/systemd",
        )
        self._outer = subprocess.Popen(
            ["sh", "-c", ENTER, "sh", self._cgroup, *NAMESPACES, "--fork", "--kill-child", "sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=(root / "boot.log").open("wb"),
            stderr=subprocess.STDOUT,
        )
        try:
            self.until(self._is_up, "multi-user.target is reached")
        except BaseException:
            self.stop()
            raise

    def _is_up(self) -> bool:
        assert self._outer.poll() is None, (self.root / "boot.log").read_text() + (
            self.root / "console.log"
        ).read_text()
        return bool(self.pid) and self.call("systemctl", "is-active", "multi-user.target").stdout == "active\n"

    @property
    def pid(self) -> int:
        """Of its systemd, as this system sees it; 0 before there is one."""
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
        if not children or Path(f"/proc/{children[0]}/comm").read_text() != "systemd\n":
            return 0
        return int(children[0])

    def call(self, *command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program inside, as root."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--net", "--uts", "--ipc", "--root", "--wd"]
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/opt/swiftlite/bin", "LANG=C.UTF-8", "SYSTEMD_PAGER="]
        return subprocess.run([*enter, *clean, *command], capture_output=True, text=True, timeout=300, input=text or "")

    def run(self, *command: str) -> str:
        """Run a program inside that must succeed; return what it prints."""
        done = self.call(*command)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def show(self, unit: str, prop: str) -> str:
        """A property of a unit, as systemctl shows it."""
        return self.run("systemctl", "show", "--value", f"--property={prop}", unit).strip()

    def journal(self, unit: str) -> str:
        """What a unit has logged."""
        return self.call("journalctl", "--no-pager", "--output=cat", f"--unit={unit}").stdout

    def until(self, condition: Callable[[], bool], what: str, timeout: float = 300.0) -> None:
        """Poll until the condition holds; fail, naming `what`, when it does not."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"not within {timeout:.0f} s: {what}"
            time.sleep(0.05)

    def stop(self) -> None:
        """Kill all of it, and remove its control groups."""
        self._outer.send_signal(signal.SIGKILL)  # --kill-child: the kernel kills the first process inside, and so all
        self._outer.wait()
        for _ in range(200):
            for directory in sorted(self._cgroup.rglob("*/"), reverse=True):
                _remove(directory)
            if _remove(self._cgroup):
                return
            time.sleep(0.05)
        raise AssertionError(f"{self._cgroup} cannot be removed")


def _remove(directory: Path) -> bool:
    try:
        directory.rmdir()
    except OSError:
        return not directory.exists()
    return True


def _own_cgroup() -> Path:
    """Where this process is in the second version's tree of control groups."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    place = next((point for _, point, kind, *_ in mounts if kind == "cgroup2"), None)
    assert place, "no cgroup2 filesystem is mounted"
    own = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    return Path(place + own[3:])


def _lay_out(root: Path) -> None:
    for name in (
        *(
            "etc/systemd/system",
            "var/log",
            "var/lib",
            "var/tmp",
            "run",
            "tmp",
            "proc",
            "sys",
            "dev",
            "root",
            "home",
            "usr",
        ),
        *("old", "srv", "opt/python", "opt/packages", "opt/checkout"),
    ):
        (root / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        if (USR / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    etc = root / "etc"
    (etc / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n")
    (etc / "group").write_text("root:x:0:\nadm:x:4:\ntty:x:5:\nutmp:x:43:\nnogroup:x:65534:\n")
    (etc / "os-release").write_text("ID=test\n")
    (etc / "hostname").write_text("node\n")
    (etc / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    (etc / "machine-id").write_text(f"{os.getpid():032x}\n")
    (etc / "systemd/system/default.target").symlink_to("/usr/lib/systemd/system/multi-user.target")
    for unit in MASKED:
        (etc / "systemd/system" / unit).symlink_to("/dev/null")
    (root / "console.log").touch()
    root.chmod(0o755)
    release.install(
        root / "opt/swiftlite", "/opt/swiftlite", "/opt/checkout", f"/opt/python/bin/{release.PYTHON}", "/opt/packages"
    )


def why_not() -> str:
    """The reason why no machine can be booted here; empty when one can."""
    if os.geteuid() != 0:
        return "only root may boot a machine"
    missing = [name for name in ("unshare", "nsenter", "setpriv", "ip", "systemctl") if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not found"
    if not (USR / "lib/systemd/systemd").exists():
        return "this system has no systemd"
    if Path("/bin").resolve() != Path("/usr/bin"):
        return "this system's /bin is not that of /usr"
    return ""
