"""A node under the real systemd: set up by swiftlite-node, started, watched, reloaded, restarted and stopped by it."""

import json
import re
from collections.abc import Iterator

import pytest

from probe.booted import BIN, Booted, why_not
from swiftlite.cli.unit_files import PROGRAMS

IP = "192.0.2.11"
DISKS = ("sdb1", "sdc1", "sdd1")
ANSWERS = f"""
[node]
roles = proxy, storage
ip = {IP}
disks = {", ".join(DISKS)}
workers = 2
[ports]
proxy = 80
[users]
user_test_tester = testing .admin
"""
SERVICES = [f"swiftlite-{program.name}.service" for program in PROGRAMS]
# What the units say in minutes, for tests that cannot wait so long; a system call that the filter does not let pass is the
# end of who makes it, so that none goes unnoticed; and all services start at once, on a machine that may be a busy one.
FOR_TESTS = "[Service]\nRestartSec=100ms\nSystemCallErrorNumber=kill\nTimeoutStartSec=600\n"
WATCHED = ("swiftlite-proxy-server.service", "swiftlite-object-auditor.service")
"""Whose watchdog is made as impatient as a test; nobody else's, for this machine may be a busy one."""
PORT_CAPABILITY = 1 << 10
"""CAP_NET_BIND_SERVICE: the proxy listens on a port that only privileged processes may."""
CURL = ("curl", "--silent", "--show-error", "--fail", "--max-time", "120", "--retry", "5")
"""It asks again after a 503, as swiftclient does: on a busy machine two of three replicas may seem to be away."""
STORE = f"http://{IP}/v1/AUTH_test"


class Node(Booted):
    """The machine, and what an operator's client gets from it."""

    token = ""

    def write(self, path: str, text: str) -> None:
        """Write a file of the machine."""
        place = self.root / path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def log_in(self) -> None:
        """Get a token at the proxy."""
        user = ("-H", "X-Auth-User: test:tester", "-H", "X-Auth-Key: testing")
        heads = self.run(*CURL, "-D", "-", "-o", "/dev/null", *user, f"http://{IP}/auth/v1.0")
        found = re.search(r"^x-auth-token: (\S+)", heads, re.IGNORECASE | re.MULTILINE)
        assert found, heads
        self.token = found[1]

    def ask(self, *arguments: str) -> str:
        """A request with the token, which must succeed; its answer's body."""
        return self.run(*CURL, "-H", f"X-Auth-Token: {self.token}", *arguments)

    def examined(self) -> dict[str, dict[str, str]]:
        """What the doctor finds, by its code."""
        told = json.loads(self.call(f"{BIN}/swiftlite-doctor", "--json").stdout)
        return {finding["code"]: finding for finding in told["findings"]}

    def main_pid(self, unit: str) -> int:
        """As the machine counts processes."""
        return int(self.show(unit, "MainPID"))

    def pids(self, unit: str) -> list[int]:
        """All of a unit's processes, as the machine counts them; the group may be gone as soon as it was named."""
        group = self.show(unit, "ControlGroup")
        listed = self.call("cat", f"/sys/fs/cgroup{group}/cgroup.procs").stdout if group else ""
        return [int(pid) for pid in listed.split()]

    def is_active(self, unit: str) -> bool:
        """Whether it is started and ready."""
        return self.call("systemctl", "is-active", unit).stdout == "active\n"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A machine with a network address and mounted disks, and swiftlite installed."""
    reason = why_not()
    assert not reason, reason
    node = Node(tmp_path_factory.mktemp("machine") / "root")
    try:
        node.run("ip", "address", "add", f"{IP}/32", "dev", "lo")
        for disk in DISKS:
            node.run("mkdir", "-p", f"/srv/node/{disk}")
            node.run("mount", "-t", "tmpfs", "-o", "mode=755,size=1g", "disk", f"/srv/node/{disk}")
        yield node
    finally:
        node.stop()


@pytest.fixture(scope="module")
def told(machine: Node) -> dict:
    """What swiftlite-node tells of setting it up."""
    machine.write("/root/answers.conf", ANSWERS)
    return json.loads(machine.call("swiftlite-node", "init", "/root/answers.conf", "--json").stdout)


@pytest.fixture(scope="module")
def node(machine: Node, told: dict) -> Node:
    """The machine as a node that runs: rings made by the commands that swiftlite-node told, the target started."""
    commands = [f"swiftlite-ring-builder {kind}.builder create 4 3 0" for kind in ("account", "container", "object")]
    commands += [step.replace("WEIGHT", "100") for step in told["next"] if "ring-builder" in step]
    machine.run("sh", "-ec", "cd /etc/swift\n" + "\n".join(commands))
    for check in [step for step in told["next"] if step.endswith("--check")]:
        machine.run(*check.split())
    machine.write("/etc/systemd/system/swiftlite-.service.d/test.conf", FOR_TESTS)
    machine.run("systemctl", "daemon-reload")
    done = machine.call("systemctl", "start", "swiftlite.target")
    assert done.returncode == 0, done.stderr
    machine.until(lambda: all(map(machine.is_active, SERVICES)), "all services are active")
    machine.log_in()
    machine.ask("-X", "PUT", f"{STORE}/c")
    return machine


def test_init_finds_nothing_wrong(told: dict) -> None:
    """But for what is so here: a filesystem in memory, and a clock that nobody synchronizes."""
    findings = [finding for finding in told["findings"] if finding["about"] != "clock"]
    assert not [finding for finding in findings if finding["level"] == "error"]
    assert [finding["about"] for finding in findings if "at random" in finding["problem"]] == ["/etc/swift/swift.conf"]
    assert {file["state"] for file in told["files"]} <= {"new", "same"}


def test_a_second_init_changes_nothing(node: Node) -> None:
    told = json.loads(node.run("swiftlite-node", "init", "/root/answers.conf", "--json"))
    assert {file["state"] for file in told["files"]} == {"same"}
    serving = [finding for finding in told["findings"] if "a server answers there already" in finding["problem"]]
    assert len(serving) == 4


def test_every_service_runs_ready_and_without_privileges(node: Node) -> None:
    for unit in SERVICES:
        status = node.run("cat", f"/proc/{node.main_pid(unit)}/status")
        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        uid = node.run("id", "-u", "swift").strip()
        assert facts["Uid"].split()[0] == uid != "0", unit
        capabilities = PORT_CAPABILITY if unit == "swiftlite-proxy-server.service" else 0
        assert int(facts["CapBnd"], 16) == capabilities, unit
        assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2"), unit
        assert node.show(unit, "NRestarts") == "0", node.journal(unit)
        assert node.show(unit, "UnitFileState") == "enabled"


def test_what_is_no_business_of_theirs_they_cannot_write(node: Node) -> None:
    """As the unit's user, in the unit's own view of the files: its devices and statistics are all there is to write to."""
    pid = node.main_pid("swiftlite-object-server.service")
    own = ("nsenter", f"--target={pid}", "--mount", "--user", "--setuid", node.run("id", "-u", "swift").strip())
    node.run(*own, "touch", "/srv/node/sdb1/mine", "/var/cache/swift/mine", "/run/swift/mine", "/tmp/mine")
    for place in ("/etc/open", "/opt/open", "/var/lib/open"):
        node.run("mkdir", "--mode=777", place)  # so that no mode keeps them out
        assert "Read-only file system" in node.call(*own, "touch", f"{place}/x").stderr, place
    assert not (node.root / "tmp/mine").exists()


def test_stores_and_gives_back(node: Node) -> None:
    node.write("/tmp-body", "bytes of an object\n" * 9999)
    node.run("cp", "/tmp-body", "/run/body")
    node.ask("-T", "/run/body", f"{STORE}/c/o")
    assert node.ask(f"{STORE}/c/o") == "bytes of an object\n" * 9999
    node.until(lambda: node.ask(f"{STORE}/c") == "o\n", "it is listed")


def test_syncs_by_the_kernels_queue_inside_the_sandbox(node: Node) -> None:
    """MemoryDenyWriteExecute and the filter of system calls leave io_uring alone, where the kernel has it."""
    node.ask("-T", "/etc/hostname", f"{STORE}/c/queued")
    # Of what is closed meanwhile ls complains.
    pids = node.pids("swiftlite-object-server.service")
    open_files = "".join(node.call("ls", "-l", f"/proc/{pid}/fd").stdout for pid in pids)
    assert "anon_inode:[io_uring]" in open_files


def test_recon_tells_of_the_machine_from_inside_the_sandbox(node: Node) -> None:
    for what in ("mem", "load", "mounted", "unmounted", "diskusage", "sockstat"):
        answer = json.loads(node.run(*CURL, f"http://{IP}:6200/recon/{what}"))
        assert what == "unmounted" or answer, what
    # By which the doctor's remedies go.
    facts = json.loads(node.run(*CURL, f"http://{IP}:6200/recon/facts"))
    assert (facts["manager"], facts["user"], facts["group"]) == ({"name": "systemd"}, "swift", "swift")
    assert facts["closed_caches"] == [] and [device["closed"] for device in facts["devices"]] == [""] * len(DISKS)


def test_the_doctor_misses_a_daemon_that_was_stopped_and_starts_it(node: Node) -> None:
    """Though no unit sees another's processes."""
    node.until(lambda: "daemon-stopped" not in node.examined(), "all are seen")
    node.run("systemctl", "stop", "swiftlite-container-updater.service")
    node.until(lambda: "daemon-stopped" in node.examined(), "one is missed")
    found = node.examined()["daemon-stopped"]
    assert (found["subject"], found["fix"]) == (
        f"container-updater {IP}",
        "systemctl restart swiftlite-container-updater",
    )
    node.run("sh", "-c", found["fix"])
    node.until(lambda: "daemon-stopped" not in node.examined(), "it is seen again")


def test_reload_keeps_the_process_and_renews_its_workers(node: Node) -> None:
    """Those of before stay for as long as clients keep their connections; see ``stale_worker_timeout``."""
    unit = "swiftlite-object-server.service"
    main, before = node.main_pid(unit), set(node.pids(unit))
    node.run("systemctl", "reload", unit)
    node.until(lambda: len(set(node.pids(unit)) - before) == 2 and node.is_active(unit), "new workers serve")
    assert node.main_pid(unit) == main
    node.ask("-T", "/etc/hostname", f"{STORE}/c/reloaded")


@pytest.mark.parametrize("name", ["object-server", "object-updater"])
def test_what_is_killed_is_started_again(node: Node, name: str) -> None:
    unit = f"swiftlite-{name}.service"
    main = node.main_pid(unit)
    node.run("kill", "-9", str(main))
    node.until(lambda: node.main_pid(unit) not in (0, main) and node.is_active(unit), f"{unit} is started again")
    assert node.show(unit, "NRestarts") == "1"


def test_what_hangs_is_ended_by_the_watchdog_and_started_again(node: Node) -> None:
    for unit in WATCHED:
        node.write(f"/etc/systemd/system/{unit}.d/watchdog.conf", "[Service]\nWatchdogSec=6s\n")
    node.run("systemctl", "daemon-reload")
    node.run("systemctl", "restart", *WATCHED)
    before = {unit: node.main_pid(unit) for unit in WATCHED}
    for main in before.values():
        node.run("kill", "-STOP", str(main))
    for unit, main in before.items():
        node.until(
            lambda unit=unit, main=main: node.main_pid(unit) not in (0, main) and node.is_active(unit),
            f"{unit} is started again",
        )
        node.until(lambda unit=unit: "Watchdog timeout" in node.journal(unit), "the journal says why")
        (node.root / f"etc/systemd/system/{unit}.d/watchdog.conf").unlink()
    node.run("systemctl", "daemon-reload")  # for the tests that follow, in which none hangs but the machine may be busy


def test_a_bad_conf_fails_once_with_its_reason(node: Node) -> None:
    unit, conf = "swiftlite-object-expirer.service", "/etc/swift/object-expirer.conf"
    good = (node.root / conf[1:]).read_text()
    node.write(conf, good.replace("# interval = 300", "interval = soon"))
    assert node.call("systemctl", "restart", unit).returncode != 0
    assert (node.show(unit, "Result"), node.show(unit, "ExecMainStatus")) == ("exit-code", "1")
    node.until(lambda: "interval: 'soon' does not fit" in node.journal(unit), "the journal says why")
    assert (node.show(unit, "ActiveState"), node.show(unit, "NRestarts")) == ("failed", "0")
    node.write(conf, good)
    node.run("systemctl", "restart", unit)


def test_a_bad_conf_does_not_end_what_runs(node: Node) -> None:
    unit, conf = "swiftlite-container-server.service", "/etc/swift/container-server.conf"
    good = (node.root / conf[1:]).read_text()
    before = set(node.pids(unit))
    node.write(conf, good.replace("pipeline = ", "pipeline = no-filter "))
    node.run("systemctl", "reload", unit)
    node.until(lambda: "cannot reload, going on as before" in node.journal(unit), "the refusal is logged")
    node.until(lambda: node.is_active(unit), "the unit is active")
    assert set(node.pids(unit)) == before
    node.write(conf, good)


def test_one_of_several_has_its_own_instance(node: Node) -> None:
    conf = (node.root / "etc/swift/container-server.conf").read_text()
    node.write("/etc/swift/container-server/2.conf", conf.replace("bind_port = 6201", "bind_port = 6301"))
    node.run("systemctl", "start", "swiftlite-container-server@2.service", "swiftlite-container-auditor@2.service")
    assert node.run(*CURL, f"http://{IP}:6301/healthcheck") == "OK"
    # Where systemd holds its port, it may even be stopped: who asks waits until it is back.
    unit = "swiftlite-container-server@2"
    ip = re.search(r"^bind_ip = (.+)$", conf, re.MULTILINE)
    node.write(f"/etc/systemd/system/{unit}.socket", f"[Socket]\nListenStream={ip[1] if ip else '0.0.0.0'}:6301\n")
    node.run("systemctl", "daemon-reload")
    node.run("systemctl", "stop", f"{unit}.service")
    node.run("systemctl", "start", f"{unit}.socket")
    assert not node.is_active(f"{unit}.service")
    assert node.run(*CURL, f"http://{IP}:6301/healthcheck") == "OK"
    node.run("systemctl", "reload", f"{unit}.service")
    node.run("systemctl", "restart", f"{unit}.service")
    assert node.run(*CURL, f"http://{IP}:6301/healthcheck") == "OK"
    node.run("systemctl", "stop", f"{unit}.socket")


def test_a_disk_that_comes_and_goes_is_seen_inside_the_sandbox(node: Node) -> None:
    def unmounted() -> list[str]:
        return [row["device"] for row in json.loads(node.run(*CURL, f"http://{IP}:6200/recon/unmounted"))]

    assert unmounted() == []
    node.run("umount", "--lazy", "/srv/node/sdd1")
    node.until(lambda: unmounted() == ["sdd1"], "it is missed")
    node.run("mount", "-t", "tmpfs", "-o", "mode=755", "disk", "/srv/node/sdd1")
    node.run("chown", "swift:", "/srv/node/sdd1")
    node.until(lambda: unmounted() == [], "it is there again")
    node.ask("-T", "/etc/hostname", f"{STORE}/c/after")


def test_rsync_serves_the_devices(node: Node) -> None:
    """To replicators of OpenStack Swift, by the rsyncd.conf that came with the node."""
    node.run("rsync", "--daemon")  # it goes into the background, and listens then
    try:
        node.until(lambda: node.call("rsync", f"rsync://{IP}/").returncode == 0, "rsync listens")
        modules = node.run("rsync", f"rsync://{IP}/")
        assert [line.split()[0] for line in modules.splitlines()] == ["account", "container", "object"]
        node.run("rsync", "/etc/hostname", f"rsync://{IP}/object/sdb1/sent")
        assert node.run("stat", "--format=%U", "/srv/node/sdb1/sent") == "swift\n"
    finally:
        node.run("sh", "-c", "kill $(cat /run/rsyncd.pid)")


def test_jobs_of_timers_succeed(node: Node) -> None:
    dispersion = f"[dispersion]\nauth_url = http://{IP}/auth/v1.0\nauth_user = test:tester\nauth_key = testing\n"
    node.write("/etc/swift/dispersion.conf", dispersion + "dispersion_coverage = 50\n")
    node.write("/etc/swift/drive-audit.conf", "[drive-audit]\n")
    node.run("swiftlite-dispersion-populate", "/etc/swift/dispersion.conf")
    for job in ("dispersion-report", "drive-audit"):
        node.run("systemctl", "start", f"swiftlite-{job}.service", f"swiftlite-{job}.timer")
        assert node.show(f"swiftlite-{job}.service", "Result") == "success"

    def report() -> str:
        """A copy that came too late for the proxy is where it belongs after a while."""
        node.run("systemctl", "start", "swiftlite-dispersion-report.service")
        return node.journal("swiftlite-dispersion-report.service")

    found = "100.00% of object copies found"
    if found not in node.journal("swiftlite-dispersion-report.service"):
        node.until(lambda: found in report(), found)


def test_no_client_was_answered_by_an_error_of_ours(node: Node) -> None:
    """Which asking again would have hidden."""
    answers = re.findall(r" HTTP/1\.[01] (\d{3}) ", node.journal("swiftlite-proxy-server.service"))
    assert "201" in answers and not {"500", "502", "504"} & {*answers}


def test_stopping_the_target_stops_all_in_good_order(node: Node) -> None:
    units = [*SERVICES, "swiftlite-container-server@2.service"]
    node.run("systemctl", "stop", "swiftlite.target")
    node.until(lambda: not any(node.pids(unit) for unit in units), "no process is left")
    ends = ("inactive", "failed")
    node.until(lambda: all(node.show(unit, "ActiveState") in ends for unit in units), "systemd has seen it")
    results = {unit: (node.show(unit, "ActiveState"), node.show(unit, "Result")) for unit in units}
    assert set(results.values()) == {("inactive", "success")}, results


def test_a_role_can_be_started_alone(node: Node) -> None:
    node.run("systemctl", "start", "swiftlite-account.target")
    running = [unit for unit in SERVICES if node.is_active(unit)]
    assert running == [unit for unit in SERVICES if "account" in unit]
    assert BIN in node.show(running[0], "ExecStart")
