"""swiftlite-node: what it makes of answers, how it judges a machine, and what it never does to files that are there."""

import configparser
import dataclasses
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.ports import free_port
from swiftlite.cli import conf_samples, node_checks, node_facts, node_plan
from swiftlite.cli.node import existing_secret, main, with_secret
from swiftlite.cli.node_answers import Answers, HashAnswers, NodeAnswers, PortAnswers, read_answers
from swiftlite.cli.node_checks import ERROR, NOTE, WARNING, DeviceFacts
from swiftlite.common import pipeline
from swiftlite.common.config import ConfigError, ServerOptions, read_options
from swiftlite.common.swift_conf import SwiftConf

CHECKOUT = Path(__file__).resolve().parents[3]
STORAGE = NodeAnswers(
    roles=("account", "container", "object"), ip="192.0.2.11", disks=("sdb1", "sdc1"), bin_dir="/opt/swiftlite/bin"
)
SECRET = HashAnswers("one", "two")
ANSWERS = Answers(STORAGE, secret=SECRET)
PROXY = Answers(
    NodeAnswers(roles=("proxy",), memcache_servers=("192.0.2.1:11211",), bin_dir="/opt/swiftlite/bin"),
    ports=PortAnswers(proxy=443),
    secret=SECRET,
    users={"user_test_tester": "testing .admin"},
)


def read(tmp_path: Path, text: str) -> Answers:
    (tmp_path / "answers.conf").write_text(text)
    return read_answers(str(tmp_path / "answers.conf"))


class TestAnswers:
    def test_sample_can_be_used(self) -> None:
        answers = read_answers(str(CHECKOUT / "etc/node-answers.conf-sample"))
        assert answers.node.roles == ("proxy", "account", "container", "object")
        assert answers.node.disks == ("sdb1", "sdc1")
        assert answers.ports == PortAnswers()
        assert not answers.has_secret

    def test_three_lines_are_enough(self, tmp_path: Path) -> None:
        answers = read(tmp_path, "[node]\nroles = object\nip = fd00:0::1\ndisks = a b\n")
        assert answers == Answers(NodeAnswers(roles=("object",), ip="fd00::1", disks=("a", "b")))
        assert answers.listens() == [("object", "fd00::1", 6200)]

    @pytest.mark.parametrize(
        "text, says",
        [
            ("", "[node] roles: is not set; say what the node is"),
            ("[node]\nroles = storage\ndisks = a\n", "[node] ip: is not set"),
            ("[node]\nroles = storage\nip = 0.0.0.0\ndisks = a\n", "[node] ip: is no address of one node"),
            ("[node]\nroles = storage\nip = 192.0.2.1\n", "[node] disks: is not set"),
            ("[node]\nroles = storge\n", "'storge' is none of proxy, account, container, object, storage"),
            ("[node]\nrole = proxy\n", "[node] role: there is no such option; did you mean roles?"),
            ("[nodes]\nroles = proxy\n", "[nodes]: there is no such section; use [node]"),
            ("[node]\nroles = storage\nip = host\n", "'host' does not fit"),
            ("[node]\nroles = storage\nip = 192.0.2.1\ndisks = ../etc\n", "'../etc' is no name of a device"),
            ("[node]\nroles = storage\nip = 192.0.2.1\ndisks = ..\n", "'..' is no name of a device"),
            ("[node]\nroles = storage\nip = 192.0.2.1\ndisks = a a\n", "named twice"),
            ("[node]\nroles = storage\nip = fe80::1%x;y\ndisks = a\n", "address with a zone"),
            ("[node]\nroles = proxy\ndevices =\n", "a directory other than /"),
            ("[node]\nroles = proxy\nswift_dir = /etc/../x\n", "it has .. in it"),
            ("[node]\nroles = proxy\nworkers = lots\n", "[node] workers: 'lots' does not fit"),
            ("[node]\nroles = proxy\nregion = -1\n", "[node] region: '-1' does not fit"),
            ("[node]\nroles = proxy\nuser = root; rm\n", "it is no name of an account"),
            ("[node]\nroles = proxy\nswift_dir = etc\n", "it is no absolute path"),
            ("[node]\nroles = proxy\nswift_dir = /etc/a b%i\n", "it is no absolute path"),
            ("[node]\nroles = proxy\n[ports]\nproxy = 70000\n", "it is none of 1 to 65535"),
            (
                "[node]\nroles = storage\nip = 192.0.2.1\ndisks = a\n[ports]\nobject = 6201\n",
                "two servers have the same",
            ),
            ("[node]\nroles = proxy\n[users]\ntest:tester = testing\n", "is not what tempauth calls a user"),
            ("[node]\nroles = proxy\n[users]\nuser_test_tester =\n", "is not what tempauth calls a user"),
        ],
    )
    def test_bad_answers_are_refused_in_one_line(self, tmp_path: Path, text: str, says: str) -> None:
        with pytest.raises(ConfigError) as caught:
            read(tmp_path, text)
        assert says in str(caught.value) and "\n" not in str(caught.value)


class TestPlan:
    def conf(self, answers: Answers, name: str) -> configparser.RawConfigParser:
        text = next(file.text for file in node_plan.plan(answers) if file.path == f"/etc/swift/{name}")
        parser = configparser.RawConfigParser(strict=True)
        parser.optionxform = str
        parser.read_string(text)
        return parser

    @pytest.mark.parametrize("kind, port", [("account", 6202), ("container", 6201), ("object", 6200)])
    def test_storage_conf_is_the_sample_with_the_nodes_values(self, kind: str, port: int) -> None:
        conf = self.conf(ANSWERS, f"{kind}-server.conf")
        options = read_options(ServerOptions, conf.defaults(), "x", "DEFAULT")
        assert (options.bind_ip, options.bind_port, options.mount_check) == ("192.0.2.11", port, True)
        sample = conf_samples.SAMPLES[f"{kind}-server.conf-sample"]
        assert [*conf.sections()] == [section.name for section in sample if section.name != "DEFAULT"]

    def test_proxy_conf(self) -> None:
        conf = self.conf(PROXY, "proxy-server.conf")
        assert conf.defaults()["bind_port"] == "443"
        assert conf["filter:cache"]["memcache_servers"] == "192.0.2.1:11211"
        assert conf["filter:tempauth"]["user_test_tester"] == "testing .admin"
        assert conf["app:proxy-server"]["account_autocreate"] == "true"
        assert conf["pipeline:main"]["pipeline"] in (CHECKOUT / "etc/proxy-server.conf-sample").read_text()

    @pytest.mark.parametrize("user", ["50%off%(here)s .admin", "50%off", "50%%off"])
    def test_a_key_with_a_percent_sign(self, user: str) -> None:
        proxy = dataclasses.replace(PROXY, users={"user_a_b": user})
        text = next(file.text for file in node_plan.plan(proxy) if file.path.endswith("/proxy-server.conf"))
        conf = configparser.ConfigParser(interpolation=pipeline._Interpolation())
        conf.read_string(text or "")
        assert conf.get("filter:tempauth", "user_a_b") == user

    def test_swift_conf_can_be_loaded(self, tmp_path: Path) -> None:
        text = next(file.text for file in node_plan.plan(ANSWERS) if file.path == "/etc/swift/swift.conf")
        (tmp_path / "swift.conf").write_text(text)
        swift = SwiftConf.load(str(tmp_path))
        assert (swift.hash_path.prefix, swift.hash_path.suffix) == (b"one", b"two")

    def test_who_has_no_role_has_no_conf(self) -> None:
        paths = {file.path for file in node_plan.plan(PROXY)}
        assert "/etc/swift/proxy-server.conf" in paths
        assert not paths & {"/etc/swift/object-server.conf", "/etc/swift/object-expirer.conf", "/etc/rsyncd.conf"}

    def test_confs_are_not_for_everybody_to_read(self) -> None:
        """They hold the hash secret, and users' keys."""
        for file in node_plan.plan(ANSWERS) + node_plan.plan(PROXY):
            if file.path.startswith("/etc/swift/"):
                assert (file.mode, file.user, file.group) == (0o640, "root", "swift")

    def test_only_a_privileged_port_asks_for_a_privilege(self) -> None:
        drop_in = "/etc/systemd/system/swiftlite-proxy-server.service.d/port.conf"
        assert any(file.path == drop_in for file in node_plan.plan(PROXY))
        other = dataclasses.replace(PROXY, ports=PortAnswers())
        assert not any(file.path == drop_in for file in node_plan.plan(other))

    def test_units_that_start_with_the_node(self) -> None:
        assert node_plan.enabled_units(PROXY) == [
            *("swiftlite.target", "swiftlite-proxy.target", "swiftlite-proxy-server.service"),
        ]
        lone = Answers(dataclasses.replace(STORAGE, roles=("object",), expirer=False), secret=SECRET)
        units = node_plan.enabled_units(lone)
        assert "swiftlite-storage.target" in units and "swiftlite-object-updater.service" in units
        assert not any("expirer" in unit or "container" in unit for unit in units)

    def test_rings_come_next(self) -> None:
        steps = node_plan.next_steps(ANSWERS)
        device = "r1z1-192.0.2.11:6200"
        assert f"  swiftlite-ring-builder object.builder add {device}/sdb1 WEIGHT {device}/sdc1 WEIGHT" in steps

    def test_differences_hold_no_secrets(self) -> None:
        has = (
            "[x]\nswift_hash_path_suffix = geheim\nuser_test_tester = geheim .admin\n# auth_key = geheim\nworkers = 1\n"
        )
        wanted = (
            "[x]\nswift_hash_path_suffix = secret2\nuser_test_tester = secret2\n# auth_key = secret2\nworkers = 2\n"
        )
        lines = node_plan.differences("/f", has, wanted)
        assert "-workers = 1" in lines and "+workers = 2" in lines and "-swift_hash_path_suffix = …" in lines
        assert not any("geheim" in line or "secret2" in line for line in lines)

    def test_secret_comes_from_answers_else_from_the_node_else_from_chance(self, tmp_path: Path) -> None:
        none = dataclasses.replace(ANSWERS, secret=HashAnswers())
        assert with_secret(ANSWERS, ("a", "b")) == ANSWERS
        assert with_secret(none, ("a", "b")).secret == HashAnswers("a", "b")
        made = [with_secret(none, None).secret for _ in range(2)]
        assert made[0] != made[1] and len(made[0].swift_hash_path_prefix) == 32
        assert existing_secret(str(tmp_path / "swift.conf")) is None


class TestChecks:
    good = DeviceFacts(
        *("/srv/node/d1", "", True, "xfs", ("rw", "noatime")), size=100, free=90, inodes=9, free_inodes=8, owner="swift"
    )

    def judge(self, mount_check: bool = True, **facts: object) -> list[tuple[str, str]]:
        findings = node_checks.judge_device(dataclasses.replace(self.good, **facts), mount_check, "swift")
        found = list(findings)
        assert all(finding.remedy and finding.about == "/srv/node/d1" for finding in found)
        return [(finding.level, finding.problem) for finding in found]

    def test_good_device(self) -> None:
        assert self.judge() == []
        assert self.judge(inodes=0, free_inodes=0, filesystem="ext4") == []

    @pytest.mark.parametrize(
        "facts, level, says",
        [
            ({"problem": "No such file or directory"}, ERROR, "No such file"),
            ({"is_mount": False}, ERROR, "nothing is mounted there"),
            ({"is_mount": False, "mount_check": False}, NOTE, "mount_check = false allows it"),
            ({"filesystem": "tmpfs"}, WARNING, "does not outlive a reboot"),
            ({"filesystem": "ntfs3"}, WARNING, "is not one that this store is tested on"),
            ({"options": ("rw", "nobarrier")}, ERROR, "a power cut could lose acknowledged writes"),
            ({"options": ("ro",), "xattr_problem": "Read-only file system"}, ERROR, "is mounted read-only"),
            ({"xattr_problem": "Operation not supported"}, ERROR, "takes no extended attributes"),
            ({"owner": "root"}, ERROR, "belongs to root, not to swift"),
            ({"free": 9}, WARNING, "only 9.0 % of its space are free"),
            ({"free": 0}, ERROR, "only 0.0 % of its space are free"),
            ({"inodes": 1000, "free_inodes": 9}, ERROR, "only 0.9 % of its inodes are free"),
        ],
    )
    def test_bad_device(self, facts: dict[str, object], level: str, says: str) -> None:
        ((found, problem),) = self.judge(**facts)
        assert found == level and says in problem

    def test_clock(self) -> None:
        assert not list(node_checks.judge_clock(True, 0.1))
        for state in ((None, 0.0), (False, 16.0), (True, 2.0)):
            ((finding),) = node_checks.judge_clock(*state)
            assert finding.level == WARNING and "chrony" in finding.remedy

    @pytest.mark.parametrize(
        "problem, level", [("EADDRINUSE", ERROR), ("EADDRNOTAVAIL", ERROR), ("SERVES", NOTE), ("X", ERROR)]
    )
    def test_port(self, problem: str, level: str) -> None:
        (finding,) = node_checks.judge_port("object", "192.0.2.1", 6200, problem)
        assert finding.level == level and "192.0.2.1 port 6200" in finding.about

    def test_secret_of_other_data(self) -> None:
        assert not list(node_checks.judge_secret(ANSWERS, False, ("one", "two")))
        (finding,) = node_checks.judge_secret(ANSWERS, False, ("other", ""))
        assert finding.level == ERROR
        (finding,) = node_checks.judge_secret(ANSWERS, True, None)
        assert finding.level == WARNING and "ALL nodes" in finding.problem

    def test_programs_in_homes(self) -> None:
        at_home = dataclasses.replace(ANSWERS, node=dataclasses.replace(STORAGE, bin_dir="/home/me/bin"))
        (finding,) = node_checks.judge_programs(at_home, [], "/usr/bin/python3.11")
        assert finding.level == ERROR and "home directory" in finding.problem
        (finding,) = node_checks.judge_programs(ANSWERS, ["swiftlite-object-server"], "/usr/bin/python3.11")
        assert "has no swiftlite-object-server" in finding.problem
        (finding,) = node_checks.judge_programs(ANSWERS, ["swiftlite-object-server"], "", "/image")
        assert finding.about == "/image/opt/swiftlite/bin"

    @pytest.mark.parametrize(
        "file, found, is_wrong",
        [
            (("/etc/swift", None, 0o750, "root", "swift"), (0, 0, 0o750), True),
            (("/etc/swift", None, 0o750, "root", "swift"), (0, 42, 0o750), False),
            (("/etc/swift", None, 0o750, "root", "swift"), (0, 0, 0o755), False),
            (("/etc/swift/swift.conf", "", 0o640, "root", "swift"), (0, 0, 0o640), True),
            (("/etc/swift/swift.conf", "", 0o640, "root", "swift"), (0, 42, 0o600), True),
            (("/var/cache/swift", None, 0o755, "swift", "swift"), (0, 0, 0o755), True),
            (("/var/cache/swift", None, 0o755, "swift", "swift"), (42, 0, 0o755), False),
            (("/srv/node", None, 0o755, "root", "root"), (7, 7, 0o700), False),
        ],
    )
    def test_owners(self, file: tuple, found: tuple[int, int, int], is_wrong: bool) -> None:
        assert node_plan.has_wrong_owner(node_plan.File(*file), found, (42, 42)) is is_wrong

    def test_other_words_for_the_same(self) -> None:
        assert node_plan.says_the_same("# x\n[swift-hash]\na=1\n", "[swift-hash]\na = 1\n[swift-tls]\n")
        assert not node_plan.says_the_same("[swift-hash]\na = 2\n", "[swift-hash]\na = 1\n")
        assert not node_plan.says_the_same("no conf", "[swift-hash]\na = 1\n")

    def test_next_steps(self) -> None:
        steps = node_plan.next_steps(ANSWERS)
        create = steps.index("  swiftlite-ring-builder object.builder create 10 3 1")
        assert create < next(n for n, step in enumerate(steps) if "object.builder add" in step)
        assert "  systemctl start swiftlite.target" in steps
        without = node_plan.next_steps(ANSWERS, has_systemd=False)
        assert "  swiftlite-init all start -d /etc/swift" in without and not any(
            "systemctl" in step for step in without
        )

    def test_other_places_are_where_all_will_look(self) -> None:
        given = dataclasses.replace(
            STORAGE, cache_dir="/n1/cache", run_dir="/n1/run", log_dir="/n1/log", swift_dir="/n1/etc"
        )
        answers = Answers(given, secret=SECRET)
        line = "swiftlite-init all start -d /n1/etc -r /n1/run --log-dir /n1/log"
        assert f"  {line}" in node_plan.next_steps(answers, has_systemd=False)
        assert line in next(node_checks.judge_systemd(answers, False)).remedy
        files = {file.path: file for file in node_plan.plan(answers)}
        assert files["/n1/cache"].user == "swift" and "/var/cache/swift" not in files
        confs = [
            file.text for path, file in files.items() if path.startswith("/n1/etc/") and path.endswith("-server.conf")
        ]
        assert len(confs) == 3 and all("\nrecon_cache_path = /n1/cache\n" in (text or "") for text in confs)
        assert "ReadWritePaths=/n1/cache /srv/node\n" in (
            files["/etc/systemd/system/swiftlite-object-server.service"].text or ""
        )

    def test_the_rest_has_remedies(self) -> None:
        found = [
            *node_checks.judge_user("swift", False, False),
            *node_checks.judge_packages(["xattr"]),
            *node_checks.judge_memcached("192.0.2.1:11211", "Connection refused"),
            *node_checks.judge_limits(1024, False),
            *node_checks.judge_limits(1024, True),
            *node_checks.judge_systemd(ANSWERS, False),
        ]
        assert len(found) == 6 and all(finding.remedy for finding in found)
        quiet = (node_checks.judge_user("swift", False, True), node_checks.judge_memcached("x", ""))
        assert not [finding for findings in quiet for finding in findings]


class TestFacts:
    def test_mount_of(self) -> None:
        mounts = "a / ext4 rw 0 0\nb /srv/node/d\\0401 xfs rw,noatime 0 0\nc /srv/node/d btrfs ro 0 0\n"
        assert node_facts.mount_of("/srv/node/d 1/x", mounts) == ("xfs", ("rw", "noatime"))
        assert node_facts.mount_of("/srv/node/d", mounts) == ("btrfs", ("ro",))
        assert node_facts.mount_of("/srv/node/d2", mounts) == ("ext4", ("rw",))

    def test_device(self, tmp_path: Path) -> None:
        facts = node_facts.device_facts(str(tmp_path), "")
        assert (facts.problem, facts.is_mount) == ("", False)
        assert 0 < facts.free <= facts.size and facts.filesystem and "rw" in facts.options
        assert node_facts.device_facts(str(tmp_path / "none"), "").problem == "No such file or directory"

    def test_ports_and_memcached(self) -> None:
        with socket.create_server(("127.0.0.1", free_port())) as taken:
            assert node_facts.port_problem("127.0.0.1", taken.getsockname()[1]) == "EADDRINUSE"
            port = taken.getsockname()[1]
        assert node_facts.port_problem("127.0.0.1", port) == ""
        assert node_facts.port_problem("192.0.2.1", port) == "EADDRNOTAVAIL"
        assert node_facts.memcached_problem(f"127.0.0.1:{port}") == "Connection refused"

    def test_clock_is_read(self) -> None:
        is_synchronized, error = node_facts.clock()
        assert is_synchronized in (True, False) and 0 <= error < 1e5

    def test_no_package_is_missing_here(self) -> None:
        assert node_facts.missing_packages(True) == []


class TestInit:
    """The program, with a directory in place of the node."""

    @pytest.fixture
    def answers(self, tmp_path: Path) -> Path:
        path = tmp_path / "answers.conf"
        path.write_text(
            "[node]\nroles = proxy, storage\nip = 192.0.2.11\ndisks = d1\nmount_check = no\nbin_dir = /opt/bin\n"
        )
        return path

    @pytest.fixture
    def init(self, answers: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict]]:
        """Runs it; returns the exit status and what it tells."""

        def run(*arguments: str) -> tuple[int, dict]:
            status = main(["init", str(answers), "--json", *arguments])
            return status, json.loads(capsys.readouterr().out)

        return run

    def files(self, root: Path) -> dict[str, str]:
        return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}

    def test_makes_a_node_and_then_leaves_it_alone(self, init: Callable[..., tuple[int, dict]], tmp_path: Path) -> None:
        root = tmp_path / "node"
        root.mkdir()
        _, planned = init("--root", str(root), "--dry-run")
        assert {file["state"] for file in planned["files"]} == {"new"} and not list(root.iterdir())
        init("--root", str(root))
        made = self.files(root)
        assert {file["path"] for file in planned["files"]} == {
            file["path"] for file in planned["files"] if (root / file["path"][1:]).exists()
        }
        assert (root / "etc/swift/swift.conf").stat().st_mode & 0o777 == 0o640
        assert (root / "etc/systemd/system/swiftlite-object.target.wants/swiftlite-object-server.service").is_symlink()
        _, again = init("--root", str(root))
        assert {file["state"] for file in again["files"]} == {"same"}
        assert self.files(root) == made

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
    def test_owners_are_told_of_and_corrected(self, init: Callable[..., tuple[int, dict]], tmp_path: Path) -> None:
        root = tmp_path / "node"
        (root / "etc").mkdir(parents=True)
        (root / "etc/passwd").write_text("swift:x:4242:4242::/:/bin/false\n")
        (root / "etc/group").write_text("swift:x:4242:\n")
        init("--root", str(root))
        places = {"/etc/swift": (0, 4242), "/etc/swift/swift.conf": (0, 4242), "/var/cache/swift": (4242, 4242)}
        for place in places:
            os.chown(f"{root}{place}", 0, 0)
        status, told = init("--root", str(root), "--check-only")
        assert status == 1
        errors = {one["about"]: one["remedy"] for one in told["findings"] if "owner" in one["problem"]}
        assert errors.keys() == places.keys() and errors["/etc/swift"].startswith(
            "chown root:swift /etc/swift && chmod"
        )
        _, told = init("--root", str(root))
        assert not [one for one in told["findings"] if "owner" in one["problem"]]
        for place, owner in places.items():
            found = os.stat(f"{root}{place}")
            assert (found.st_uid, found.st_gid) == owner

    def test_keeps_what_differs_unless_forced(self, init: Callable[..., tuple[int, dict]], tmp_path: Path) -> None:
        root = tmp_path / "node"
        root.mkdir()
        init("--root", str(root))
        conf = root / "etc/swift/object-server.conf"
        wanted = conf.read_text()
        conf.write_text(wanted.replace("# workers = auto", "workers = 3", 1))
        _, told = init("--root", str(root))
        (differing,) = [file for file in told["files"] if file["state"] != "same"]
        assert differing["state"] == "differs" and "-workers = 3" in differing["changes"]
        assert any(finding["about"] == "/etc/swift/object-server.conf" for finding in told["findings"])
        assert "workers = 3" in conf.read_text()
        init("--root", str(root), "--force")
        assert conf.read_text() == wanted
        assert "workers = 3" in (root / "etc/swift/object-server.conf.old").read_text()

    def test_swift_conf_is_the_clusters_but_for_the_secret(
        self, init: Callable[..., tuple[int, dict]], tmp_path: Path
    ) -> None:
        """Its policies and limits are not the answers' to say: they are not told of, nor ever replaced."""
        root = tmp_path / "node"
        (root / "etc/swift").mkdir(parents=True)
        conf = root / "etc/swift/swift.conf"
        text = "[swift-hash]\nswift_hash_path_suffix = s\nswift_hash_path_prefix = p\n[storage-policy:0]\nname = gold\n"
        for content in (text.partition("[storage")[0], text):
            conf.write_text(content)
            _, told = init("--root", str(root), "--force")
            assert not [finding for finding in told["findings"] if finding["about"] == "/etc/swift/swift.conf"]
            assert conf.read_text() == content

    def test_never_changes_the_secret_of_a_node(
        self, answers: Path, init: Callable[..., tuple[int, dict]], tmp_path: Path
    ) -> None:
        root = tmp_path / "node"
        root.mkdir()
        init("--root", str(root))
        before = self.files(root)
        answers.write_text(
            answers.read_text() + "[swift-hash]\nswift_hash_path_suffix = another\n[ports]\nobject = 6300\n"
        )
        status, told = init("--root", str(root), "--force")
        assert status == 1 and told["findings"][0]["about"] == "/etc/swift/swift.conf"
        assert self.files(root) == before

    def test_bad_answers_end_in_one_line(self, answers: Path, tmp_path: Path) -> None:
        answers.write_text("[node]\nrolls = proxy\n")
        program = [sys.executable, str(CHECKOUT / "bin/swiftlite-node"), "init", str(answers), "--root", str(tmp_path)]
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        done = subprocess.run(program, capture_output=True, text=True, timeout=300, env=environment)
        assert done.returncode == 1 and done.stdout == ""
        assert done.stderr == f"{answers} [node] rolls: there is no such option; did you mean roles?\n"
