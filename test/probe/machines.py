"""Site: a cluster as an operator meets it, each machine with file system, processes and address of its own; typed at from one more."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from fakes import release
from functional.cluster import AT_FULL_SPEED, merged, wait_until
from probe.cluster import PASSES, ProbeCluster
from probe.hosts import SETTINGS as SETTINGS_OF_HOSTS
from probe.hosts import Host, Pass, Place, make_layout
from swiftlite import __version__
from swiftlite.cli import children, layout
from swiftlite.cli.layout import STORAGE_KINDS

CHECKOUT = Path(__file__).resolve().parents[2]
SHIMS = Path(__file__).with_name("shims")
RELEASE = f"swiftlite-{__version__}"
STORAGE, PROXY = "swiftlite-storage.target", "swiftlite-proxy.target"
_AS_ON_A_REAL_ONE = {
    "user": "swift",
    "swift_dir": "/etc/swift",
    "recon_cache_path": "/var/cache/swift",
    "mount_check": "true",
}
SETTINGS = {kind: {"DEFAULT": {**_AS_ON_A_REAL_ONE, "devices": "/srv/node"}} for kind in STORAGE_KINDS}
# Daemons run, but what has to be done at once is done by the passes that the guide makes by hand.
for _kind in STORAGE_KINDS:
    SETTINGS[_kind][f"{_kind}-replicator"] = {"interval": "15"}
SETTINGS["container"]["container-updater"] = {"interval": "15"}
SETTINGS["proxy"] = {"DEFAULT": {"user": "swift", "swift_dir": "/etc/swift", "recon_cache_path": "/var/cache/swift"}}
_ONE_WORKER = {"DEFAULT": {"workers": "1"}, "app:proxy-server": {"account_autocreate": "true"}}
USER, USER_ID = "swift", 64999
"""The daemons' account, as on a real machine: what only root can read is of no use to them."""
_TO_ITS_LOG = {"user": USER, "log_to": "stderr"}
# What makes a machine out of namespaces: its own /etc/swift, /srv/node with a mount for each disk, /opt, logs and /run.
_SET_UP = """\
mount --make-rprivate /
mount --bind {etc} /etc
mount --bind {home}/etc /etc/swift
mount -t tmpfs tmpfs /srv
mkdir /srv/node
mount --bind {home}/log /var/log
mkdir -p {home}/backups
mount --bind {home}/backups /var/backups
mount -t tmpfs tmpfs /var/cache
mount -t tmpfs tmpfs /run
mkdir -p {home}/opt/python {home}/opt/libraries {home}/opt/checkout
mount --bind {python} {home}/opt/python
mount --bind {libraries} {home}/opt/libraries
mount --bind {checkout} {home}/opt/checkout
for other in /opt/*; do
    [ -d "$other" ] && mkdir -p "{home}$other" && mount --rbind "$other" "{home}$other"
done
mount --rbind {home}/opt /opt
for disk in {home}/devices/*; do
    mkdir /srv/node/"${{disk##*/}}"
    mount --bind "$disk" /srv/node/"${{disk##*/}}"
done
"""
_SOURCES = {"python": sys.base_prefix, "libraries": release.LIBRARIES, "checkout": CHECKOUT}
_INIT = "while :; do sleep 1000 & wait; done"
"""Process 1 of a machine: a shell that reaps those whose parents are gone."""


class Machine(Host):
    """A host that is a whole machine to those who log in; its disks are directories, mounted at /srv/node."""

    def __init__(self, *arguments: Any, site: Site) -> None:
        super().__init__(*arguments)
        self.site = site
        self.home = self.layout.directory
        self.name = f"node{self.number}"
        self._unshare: subprocess.Popen[bytes] | None = None
        self.pid = 0
        """Of its process 1, as this process sees it."""

    @property
    def targets(self) -> list[str]:
        """What is to be started on it."""
        return [STORAGE, PROXY] if self.place.proxy else [STORAGE]

    # ---------------------------------------------------------------------------------------------------- life and death

    def boot(self) -> None:
        """Let it come up, with nothing of ours started."""
        for directory in ("log", "opt"):
            (self.home / directory).mkdir(exist_ok=True)
        set_up = _SET_UP.format(etc=self.site.etc, home=self.home, **_SOURCES)
        ready = self.home / "ready"
        ready.unlink(missing_ok=True)
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        with self.namespace.inside():
            script = f"set -e\n{set_up}\ntouch {ready}\nset +e\n{_INIT}"
            self._unshare = children.spawn([*command, "/bin/bash", "-c", script], self.home / "log" / "boot.log")
        wait_until(ready.exists, f"{self} boots: {children.last_line(self.home / 'log' / 'boot.log')}")
        (self.pid,) = _children(self._unshare.pid)
        (self.site.machines_up / self.name).write_text(f"{self.pid} {self.root}\n")

    def launch(self) -> None:
        """Boot it if need be, and start all that it should run; return when that answers."""
        if not self.pid:
            self.boot()
        self.sh(f"systemctl start {' '.join(self.targets)}")

    def wait_up(self) -> None:
        """Return when its servers answer."""
        servers = [server for name, server in self.servers.items() if name != "rsync"]
        wait_until(lambda: all(children.is_healthy(server.address) for server in servers), f"{self} answers")

    def kill(self) -> None:
        """As a power cut would."""
        (self.site.machines_up / self.name).unlink(missing_ok=True)
        if self._unshare:
            self._unshare.kill()
            self._unshare.wait()
            wait_until(lambda: not self.namespace.pids(), f"all of {self} has ended")
        self._unshare, self.pid = None, 0

    # ---------------------------------------------------------------------------------------------------------- commands

    def sh(self, script: str, **variables: str) -> str:
        """Run commands on it as root; return what they print. They must succeed."""
        done = subprocess.run(
            [*self._enter(), "/bin/bash", "-euc", script],
            env={**self.site.environment, "DISKS": str(self.root), **variables},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{self}: {script}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def launch_pass(self, name: str, *arguments: str) -> Pass:
        """Start one pass of a daemon."""
        conf = f"/etc/swift/{name.partition('-')[0]}-server.conf"
        command = [*self._enter(), f"/opt/swiftlite/bin/swiftlite-{name}", conf, "--once", *arguments]
        return Pass(self, name, children.spawn(command, self._log(name)), self._log(name))

    def _enter(self) -> list[str]:
        assert self.pid, f"{self} is off"
        return ["nsenter", "--target", str(self.pid), "--mount", "--net", "--pid", "--"]

    # ------------------------------------------------------------------------------------------------------------- disks

    def lose_disk(self, name: str) -> None:
        """Let it vanish, as one that dies or is pulled out."""
        self.sh(f"umount --lazy /srv/node/{name}")
        self.unmount(name)

    def forget_disk(self, name: str) -> None:
        """Take a disk out of the machine that is not mounted there any more."""
        shutil.rmtree(self.device(name))

    def install(self, name: str, tree: Path = CHECKOUT) -> None:
        """Put a release into /opt: a virtualenv, with the libraries of that which runs the tests, and our package."""
        home = self.home / "opt" / name
        there = "/opt/checkout"
        if tree != CHECKOUT:  # where the daemons' account can read it
            shutil.copytree(tree, home / "tree")
            (home / "tree").chmod(0o755)
            there = f"/opt/{name}/tree"
        release.install(home, f"/opt/{name}", there, f"/opt/python/bin/{release.PYTHON}", "/opt/libraries")
        if not (self.home / "opt" / "swiftlite").exists():
            (self.home / "opt" / "swiftlite").symlink_to(name)

    def hurry(self) -> None:
        """Set the options of tests in its confs, which a procedure wrote: short timeouts, and logs that stay."""
        for kind, sections in merged(AT_FULL_SPEED, SETTINGS_OF_HOSTS, SETTINGS, {"proxy": _ONE_WORKER}).items():
            path = self.swift_dir / f"{kind}-server.conf"
            text = path.read_text() if path.exists() else ""
            for section, options in merged({kind: sections}, {kind: {"DEFAULT": _TO_ITS_LOG}})[kind].items():
                text = layout.set_options(text, section, options)
            if path.exists():
                path.write_text(text)  # it stays whose it is

    def give_to_user(self) -> None:
        """Do what swiftlite-node does for one that it set up: the daemons' account has the disks, and reads the confs."""
        for disk in self.root.iterdir():
            os.chown(disk, USER_ID, USER_ID)
        for path in (self.swift_dir, *self.swift_dir.iterdir()):
            if path.suffix == ".conf":  # the default is not written, as swiftlite-node does not
                path.write_text(path.read_text().replace(f"\nuser = {USER}\n", "\n"))
            os.chown(path, 0, USER_ID)
            path.chmod(0o750 if path.is_dir() else 0o640)


class Site(ProbeCluster):
    """Machines, and the admin's: its /etc/swift-cluster has builders, rings, swift.conf and the list of the nodes."""

    def __init__(self, directory: Path, places: Collection[Place], **options: Any) -> None:
        directory.mkdir(parents=True)
        self.etc = directory / "etc"
        shutil.copytree("/etc", self.etc, symlinks=True, ignore_dangling_symlinks=True, ignore=_unreadable)
        for name in ("swift", "swift-cluster"):
            (self.etc / name).mkdir(exist_ok=True)
        with open(self.etc / "passwd", "a") as users:
            users.write(f"{USER}:x:{USER_ID}:{USER_ID}::/:/bin/false\n")
        with open(self.etc / "group", "a") as groups:
            groups.write(f"{USER}:x:{USER_ID}:\n")
        self.machines_up = directory / "up"
        self.machines_up.mkdir()
        path = f"{SHIMS}:/opt/swiftlite/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.environment = {"PATH": path, "MACHINES": str(self.machines_up), "HOME": "/root", "LC_ALL": "C.UTF-8"}
        super().__init__(directory, places, **options)
        for kind, builder in self.builders.items():
            builder.save(self.rings / f"{kind}.builder")
        del self.builders  # from now on they are files, and the guide's commands change them
        self.write_nodes()

    def add_host(self, place: Place) -> Machine:
        """Add a machine; it is off."""
        number = self.network.add()
        settings = merged(SETTINGS, self.settings)
        plan = make_layout(self.directory / f"host{number}", number, self.network.ip(number), place, settings)
        machine = self.hosts[number] = Machine(number, place, self.network.hosts[number], plan, site=self)
        machine.write(self.swift_conf)
        machine.give_to_user()
        machine.install(RELEASE)
        with open(self.etc / "hosts", "a") as names:
            names.write(f"{machine.ip} {machine.name}\n")
        return machine

    def write_nodes(self) -> None:
        """Tell the admin's machine which there are: all, and those with a proxy."""
        for name, chosen in (
            ("nodes", self.hosts.values()),
            ("proxies", [h for h in self.hosts.values() if h.place.proxy]),
        ):
            (self.rings / name).write_text("".join(f"{machine.name}\n" for machine in chosen))

    def start(self) -> Site:
        """Start all machines."""
        for machine in self.hosts.values():
            machine.boot()
        started = [self._launch(machine) for machine in self.hosts.values()]
        for process in started:
            assert process.wait(300) == 0, self.last_words()
        return self

    def _launch(self, machine: Machine) -> subprocess.Popen[str]:
        command = [*machine._enter(), "systemctl", "start", *machine.targets]
        return subprocess.Popen(command, env={**self.environment, "DISKS": str(machine.root)}, text=True)

    def admin(self, script: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run commands on the admin's machine, in /etc/swift-cluster, each of which must succeed (``set -eu``)."""
        home = next(iter(self.hosts.values())).home
        mounts = (
            f"mount --make-rprivate /; mount --bind {self.etc} /etc; mount --bind {self.rings} /etc/swift-cluster; "
            + "".join(
                f"mkdir -p {home}/opt/{name}; mount --bind {source} {home}/opt/{name}; "
                for name, source in _SOURCES.items()
            )
            + f"mount --rbind {home}/opt /opt"
        )
        with tempfile.NamedTemporaryFile("w", dir=self.directory, suffix=".sh") as file:
            file.write(script)
            file.flush()
            inner = f"{mounts}; cd /etc/swift-cluster; exec /bin/bash -eu -o pipefail {shlex.quote(file.name)}"
            return subprocess.run(
                ["unshare", "--mount", "/bin/bash", "-ec", inner],
                env={**self.environment, **variables},
                capture_output=True,
                text=True,
                timeout=300,
            )

    def let_move_again(self) -> None:
        """What min_part_hours does: the next rebalance may move what the last one moved, and all know the last rings."""
        for kind in STORAGE_KINDS:
            done = self.admin(f"swiftlite-ring-builder {kind}.builder pretend_min_part_hours_passed", {})
            assert done.returncode == 0, done.stderr
        for machine in self.hosts.values():
            if machine.place.proxy:
                machine.sh("systemctl reload swiftlite-proxy-server")

    def run_passes(self, daemons: Sequence[str] = PASSES, hosts: Collection[int] | None = None) -> None:
        """As its base does, on machines that are up."""
        up = {number for number, machine in self.hosts.items() if machine.pid}
        super().run_passes(daemons, up if hosts is None else up & set(hosts))


def _children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def _unreadable(directory: str, names: list[str]) -> list[str]:
    return [name for name in names if not os.access(os.path.join(directory, name), os.R_OK)]
