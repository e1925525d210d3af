"""What a node's files are, decided from its answers alone: confs from the tables of their samples, and units."""

from __future__ import annotations

import configparser
import dataclasses
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from swiftlite.cli import conf_samples, unit_files
from swiftlite.cli.conf_samples import Section
from swiftlite.cli.node_answers import Answers, NodeAnswers
from swiftlite.cli.unit_files import CACHE_DIR, PROGRAMS, STORAGE_ROLES, Places, Program
from swiftlite.common.option_tables import default_text

ROOT = "root"
SWIFT_HASH = "swift-hash"
UNIT_DIR = "/etc/systemd/system"
LOWEST_FREE_PORT = 1024
"""The first that a process without privileges may listen on."""
SECRETS = re.compile(r"^(\s*[#;]?\s*(?:user\S*|swift_hash_path_\w+|\S*(?:key|password|secret)\S*)\s*[=:]\s*)\S.*$")
PORT_UNIT = """\
# The port {port} is one of those that only privileged processes may listen on.
[Service]
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
AmbientCapabilities=CAP_NET_BIND_SERVICE
PrivateUsers=no
"""


@dataclass(frozen=True)
class File:
    """A file or, without a `text`, a directory of the node.

    :ivar path: absolute, as the node will see it
    :ivar section: of a conf the only one that the answers decide, where all else in it is the cluster's; empty: all
    """

    path: str
    text: str | None
    mode: int = 0o644
    user: str = ROOT
    group: str = ROOT
    section: str = ""


def places(answers: Answers) -> Places:
    """Where the units find things."""
    node = answers.node
    return Places(node.bin_dir, node.swift_dir, node.devices, node.user, node.group, node.cache_dir)


def programs(answers: Answers) -> list[Program]:
    """The servers and daemons that run on the node."""
    node = answers.node
    left_out = {
        name for name, runs in (("object-expirer", node.expirer), ("container-reconciler", node.reconciler)) if not runs
    }
    return [program for program in PROGRAMS if program.role in node.roles and program.name not in left_out]


def plan(answers: Answers, has_rsyslog: bool = False) -> list[File]:
    """Return every file of the node, directories before what is in them.

    :param answers: with the cluster's secret and `bin_dir`
    :param has_rsyslog: it writes logs to files, which want a rule and rotation
    """
    return [*_system(answers, has_rsyslog), *_directories(answers), *_confs(answers), *_units(answers)]


def _system(answers: Answers, has_rsyslog: bool) -> Iterator[File]:
    """What makes the account and the directories, at every boot anew where they vanish."""
    yield File("/etc/sysusers.d/swiftlite.conf", unit_files.sysusers(places(answers)))
    yield File("/etc/tmpfiles.d/swiftlite.conf", unit_files.tmpfiles(places(answers)))
    if has_rsyslog:
        yield File("/etc/rsyslog.d/10-swiftlite.conf", unit_files.RSYSLOG)
        yield File("/etc/logrotate.d/swiftlite", unit_files.LOGROTATE)
    if answers.has_storage and answers.node.rsync:
        kinds = [role for role in STORAGE_ROLES if role in answers.node.roles]
        address = answers.node.replication_ip or answers.node.ip
        yield File("/etc/rsyncd.conf", unit_files.rsyncd(address, kinds, places(answers)))


def _directories(answers: Answers) -> Iterator[File]:
    user, group = answers.node.user, answers.node.group
    yield File(answers.node.swift_dir, None, 0o750, ROOT, group)
    yield File(answers.node.cache_dir, None, 0o755, user, group)
    yield File("/var/lib/swift", None, 0o750, user, group)
    yield File("/run/swift", None, 0o755, user, group)
    if answers.has_storage:
        yield File(answers.node.devices, None, 0o755)


def _confs(answers: Answers) -> Iterator[File]:
    """Whole samples, each option explained, with the node's values in them."""
    secret = {key: value for key, value in dataclasses.asdict(answers.secret).items() if value}
    values: dict[str, dict[str, dict[str, str]]] = {"swift": {SWIFT_HASH: secret}}
    values |= {program.conf: _values(answers, program.conf) for program in programs(answers)}
    for name, settings in values.items():
        text = conf_samples.render(with_settings(conf_samples.SAMPLES[f"{name}.conf-sample"], settings))
        # They hold keys.
        section = SWIFT_HASH if name == "swift" else ""
        yield File(f"{answers.node.swift_dir}/{name}.conf", text, 0o640, ROOT, answers.node.group, section)


def _values(answers: Answers, conf: str) -> dict[str, dict[str, str]]:
    """Section and option of what the conf of a server, or of a daemon with its own, says besides its defaults."""
    node = answers.node
    default = {"user": node.user, "swift_dir": node.swift_dir}
    if node.cache_dir != CACHE_DIR:
        default["recon_cache_path"] = node.cache_dir
    caching = {"memcache_servers": ", ".join(node.memcache_servers)} if node.memcache_servers else {}
    kind = conf.removesuffix("-server")
    listening = {role: (ip, port) for role, ip, port in answers.listens()}.get(kind)
    if listening:
        default |= {"bind_ip": listening[0], "bind_port": str(listening[1]), "workers": node.workers}
    if kind in STORAGE_ROLES:
        default |= {"devices": node.devices, "mount_check": str(node.mount_check).lower()}
        return {"DEFAULT": default}
    values = {"DEFAULT": default, "filter:cache": caching}
    if kind == "proxy":
        values |= {"app:proxy-server": {"account_autocreate": "true"}, "filter:tempauth": _doubled(answers.users)}
    return values


def with_settings(sections: Sequence[Section], values: Mapping[str, Mapping[str, str]]) -> list[Section]:
    """Return a sample's sections with some options set.

    :param values: option and text by section; one that is the default stays a comment, as in the sample
    """
    return [_with_settings(section, values.get(section.name, {})) for section in sections]


def _with_settings(section: Section, values: Mapping[str, str]) -> Section:
    defaults = {
        found.name: default_text(found)
        for found in (dataclasses.fields(section.options) if section.options else ())  # type: ignore[arg-type]
        if found.name not in section.without
    }
    own = {name: value for name, value in values.items() if name in defaults and value != defaults[name]}
    # What no table has, say users, stands in the sample's own lines.
    others = {name: value for name, value in values.items() if name not in defaults}
    kept = [line for line in section.lines if line.partition("=")[0].strip() not in others]
    lines = (*kept, *(f"{name} = {value}" for name, value in others.items()))
    return replace(section, lines=lines, settings={**section.settings, **own})


def _units(answers: Answers) -> Iterator[File]:
    """All of them: a role that the node will have later needs only to be enabled."""
    for name, text in unit_files.unit_files(places(answers)).items():
        yield File(f"{UNIT_DIR}/{name}", text)
    if "proxy" in answers.node.roles and answers.ports.proxy < LOWEST_FREE_PORT:
        text = PORT_UNIT.format(port=answers.ports.proxy)
        yield File(f"{UNIT_DIR}/swiftlite-proxy-server.service.d/port.conf", text)


def enabled_units(answers: Answers) -> list[str]:
    """The units that start with the node."""
    roles = answers.node.roles
    targets = ["swiftlite", *(f"swiftlite-{role}" for role in roles)]
    if answers.has_storage:
        targets.append("swiftlite-storage")
    return [
        *(f"{target}.target" for target in targets),
        *(f"swiftlite-{program.name}.service" for program in programs(answers)),
    ]


def differences(path: str, has: str, wanted: str) -> list[str]:
    """The lines by which a file differs from the plan; of keys and secrets only that they do."""
    lines = difflib.unified_diff(has.splitlines(), wanted.splitlines(), path, "by the answers", lineterm="", n=0)
    return [line if line.startswith(("---", "+++")) else line[:1] + SECRETS.sub(r"\1…", line[1:]) for line in lines]


def has_wrong_owner(file: File, found: tuple[int, int, int], wanted: tuple[int, int]) -> bool:
    """Whether the daemons' account cannot use something that is there already.

    :param found: its user, group and mode
    :param wanted: user and group that it should have
    """
    if file.user == ROOT and file.group == ROOT:
        return False
    uid, gid, mode = found
    if file.user != ROOT:
        return uid != wanted[0]
    needed = file.mode >> 3 & 0o7
    reached = mode >> 3 if gid == wanted[1] else mode
    return reached & needed != needed


def says_the_same(has: str, wanted: str, section: str = "") -> bool:
    """Whether two confs have the same sections with the same options.

    :param section: the only one to be compared; empty: all
    """
    try:
        found, planned = _settings(has), _settings(wanted)
        return found.get(section) == planned.get(section) if section else found == planned
    except configparser.Error:
        return False


def _settings(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    found = {name: dict(section) for name, section in parser.items()}
    return {name: options for name, options in found.items() if options or ":" in name}


def init_options(answers: Answers) -> str:
    """What a command line of swiftlite-init has to say of the node, with a blank in front."""
    node, usual = answers.node, NodeAnswers()
    options = f" -d {node.swift_dir}" + (f" -r {node.run_dir}" if node.run_dir != usual.run_dir else "")
    return options + (f" --log-dir {node.log_dir}" if node.log_dir != usual.log_dir else "")


def next_steps(answers: Answers, has_systemd: bool = True) -> list[str]:
    """What is left to do, in order; each is a sentence, or a command that stands alone in its line."""
    node, swift_dir = answers.node, answers.node.swift_dir
    steps = []
    if answers.has_storage:
        steps.append("Only for the first node: make the builder files, where rings are to be built:")
        for role in (role for role in STORAGE_ROLES if role in node.roles):
            steps.append(f"  swiftlite-ring-builder {role}.builder create 10 3 1")
        steps.append("Add the node's devices to the rings, where the builder files are (weight: its size, say in GB):")
        for role in (role for role in STORAGE_ROLES if role in node.roles):
            ip, port = f"[{node.ip}]" if ":" in node.ip else node.ip, getattr(answers.ports, role)
            devices = " ".join(f"r{node.region}z{node.zone}-{ip}:{port}/{disk} WEIGHT" for disk in node.disks)
            steps.append(f"  swiftlite-ring-builder {role}.builder add {devices}")
            steps.append(f"  swiftlite-ring-builder {role}.builder rebalance")
    steps += [
        f"Copy account.ring.gz, container.ring.gz and object.ring.gz into {swift_dir} of every node.",
        f"Have the same {swift_dir}/swift.conf on every node: its hash prefix and suffix are the cluster's secret.",
        "Have the confs checked, start everything, and see that it runs:",
        *(f"  swiftlite-{role}-server {swift_dir}/{role}-server.conf --check" for role in node.roles),
        *(
            ("  systemctl start swiftlite.target", "  systemctl list-units 'swiftlite*'")
            if has_systemd
            else (f"  swiftlite-init all {command}{init_options(answers)}" for command in ("start", "status"))
        ),
    ]
    if "proxy" in node.roles and not answers.users:
        steps.append(
            f"Say who may log in: [users] of the answers, or the auth filters of {swift_dir}/proxy-server.conf."
        )
    return steps


def _doubled(texts: Mapping[str, str]) -> dict[str, str]:
    """Texts for a section of PasteDeploy's: where one looks like ``%(name)s``, percent signs are doubled (pipeline.py)."""
    return {name: text.replace("%", "%%") if "%(" in text else text for name, text in texts.items()}
