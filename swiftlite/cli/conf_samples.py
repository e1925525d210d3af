"""Write etc/*.conf-sample from the option tables: ``python -m swiftlite.cli.conf_samples etc``."""

from __future__ import annotations

import dataclasses
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from swiftlite.cli.kernel_log import DEFAULT_PATTERNS, PATTERN_OPTION
from swiftlite.cli.layout import FILTERS, INTERNAL_PIPELINE, PIPELINE, STORAGE_METRICS, VERSIONING
from swiftlite.cli.node_answers import HashAnswers, NodeAnswers, PortAnswers
from swiftlite.common.config import ServerOptions
from swiftlite.common.option_tables import APPS, DAEMONS, OTHERS, default_text, filter_table, load

STORAGE_ONLY = {"devices", "mount_check"}
LISTENING_ONLY = STORAGE_ONLY | {
    *("bind_ip", "bind_port", "workers", "backlog", "max_clients"),
    *("client_timeout", "keepalive_timeout", "network_chunk_size", "stale_worker_timeout"),
    *("cert_file", "key_file", "client_ca_file", "tls_min_version", "tls_ciphers", "hsts_max_age"),
    *("require_proxy_protocol", "proxy_protocol_networks"),
}
TEMPAUTH = """
# user_<account>_<user> = <key> [group...] [storage URL]; .admin may do all in its account, .reseller_admin in any,
# .reseller_reader may read any; the key may be what swiftlite-hash-password makes of it
# user_test_tester = testing .admin
# user64_<account>_<user>: the same, both names in base64 without padding, for names with underscores
# <prefix>_require_group: a group that users of accounts with this prefix must have
# AUTH_require_group =
# fernet_key_<id>: 32 bytes in URL-safe base64; tokens sealed with it are good at every proxy, without memcached
# fernet_key_one =
"""
DELAYS = (
    "# delay_reaping_<account>[/<container>]: seconds for which expired objects are left in place; names percent-encoded",
    "# delay_reaping_AUTH_test = 0",
)
RATELIMIT = (
    "# container_ratelimit_<objects> and container_listing_ratelimit_<objects>: writes to, and listings of, a container of",
    "# so many objects that are served a second; between two sizes in proportion; below the smallest,",
    "# and while a container is empty or was seen empty a minute ago, without limit",
    "# container_ratelimit_0 = 100",
    "# container_ratelimit_10 = 50",
    "# container_listing_ratelimit_0 = 100",
)
BACKEND_RATELIMIT = (
    "# to be named in the pipeline before the server where its limits are wanted",
    "use = egg:swiftlite#backend_ratelimit",
)
TRACING = ("# to be named in front of the server, comes with: pip install .[tracing]", "use = egg:swiftlite#tracing")
ERROR_PATTERNS = (
    "# regex_pattern_<anything>: a regular expression that a line of the kernel's log matches which tells of an error;",
    "# its first group is the device. Those that are set replace these two:",
    *(f"# {PATTERN_OPTION}{number} = {pattern}" for number, pattern in enumerate(DEFAULT_PATTERNS, 1)),
)
DISPERSION_USER = {
    "auth_url": "http://localhost:8080/auth/v1.0",
    "auth_user": "test:tester",
    "auth_key": "testing",
}
DARK_DATA = (
    "use = egg:swift#dark_data",
    "# what becomes of an object that no replica of its container lists: log, quarantine or delete",
    "# action = log",
    "# seconds for which an object's row may be under way",
    "# grace_age = 604800",
)
NODE_ANSWERS = (
    "# What swiftlite-node init makes this machine to: one short file for each node; only these three must be set.",
)
NODE_SETTINGS = {"roles": "proxy, storage", "ip": "192.0.2.11", "disks": "sdb1, sdc1"}
NODE_USERS = (
    "# who may log in at the proxy, as in tempauth's section: user_<account>_<user> = <key> [group...]",
    "# user_test_tester = testing .admin",
)
OTHER_MEANING = {"object-relinker": frozenset({"workers"})}
"""Options that mean something else in a section than in ``[DEFAULT]``."""
RECONCILER_PIPELINE = "catch_errors proxy-logging cache proxy-server"
"""Nothing that follows links or joins segments: objects are moved as they are."""
OTHER_FILTERS = (
    "crossdomain name_check cname_lookup domain_remap recon list-endpoints ratelimit read_only tracing proxy-server"
)
PLACES = (
    "# The sections below that the pipeline does not name belong there, too: crossdomain, name_check, cname_lookup and",
    "# domain_remap, in this order, before the first proxy-logging; recon and list-endpoints behind listing_formats;",
    "# ratelimit before identity; read_only behind tempauth; authtoken and keystoneauth in place of identity and tempauth;",
    "# tracing behind catch_errors (pip install .[tracing]).",
)
AUTHTOKEN = """
# Asks Keystone whom a token stands for; goes in front of keystoneauth. Comes with: pip install .[keystone]
# Its other options are keystonemiddleware's own, apart from cache, for it runs in threads beside the event loop.
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
# www_authenticate_uri = http://keystone:5000
# auth_url = http://keystone:5000
auth_type = password
# project_domain_id = default
# user_domain_id = default
# project_name = service
# username = swift
# password =
# let requests without a token come to keystoneauth, for temporary URLs and public containers
delay_auth_decision = true
# remember tokens in each worker, for so many seconds
# token_cache_time = 300
# memcached_servers =
"""
KEYSTONEAUTH = """
# <prefix>_operator_roles, <prefix>_service_roles, <prefix>_project_reader_roles: for accounts with this prefix alone
# SERVICE_service_roles = service
"""
FILTER_LINES: dict[str, Sequence[str]] = {
    "ratelimit": RATELIMIT,
    "keystoneauth": KEYSTONEAUTH.strip().split("\n"),
    "tempauth": TEMPAUTH.strip().split("\n"),
}
"""What a filter's section says besides its options' defaults."""
FILTER_SETTINGS = {"versioned_writes": VERSIONING}
"""Options that a sample sets, since most clusters want another value than OpenStack Swift's default."""


@dataclass(frozen=True)
class Section:
    """A section of a sample: `lines` as they are, then every option of `options` that `without` does not name.

    `settings`: options that are not left at their default.
    """

    name: str
    lines: Sequence[str] = ()
    options: type | None = None
    without: frozenset[str] = frozenset()
    settings: Mapping[str, str] = field(default_factory=dict)


def _default(port: int, without: set[str]) -> Section:
    return Section("DEFAULT", (f"bind_port = {port}",), ServerOptions, frozenset(without | {"bind_port"}))


def _own(cls: type | None) -> frozenset[str]:
    """Names that ``[DEFAULT]`` explains already, and those that mean nothing to this one."""
    assert cls is not None
    explained = frozenset(found.name for found in dataclasses.fields(ServerOptions))
    unused: frozenset[str] = getattr(cls, "not_in_samples", frozenset())
    return (explained | unused) & frozenset(found.name for found in dataclasses.fields(cls))


def _storage(kind: str, port: int, daemons: Sequence[str]) -> list[Section]:
    """A storage server's sample; `daemons`: the sections of those that work on its devices."""
    server = load(APPS[kind])
    sections = [
        _default(port, set()),
        Section("pipeline:main", (f"pipeline = healthcheck metrics recon {kind}-server",)),
        Section(f"app:{kind}-server", (f"use = egg:swiftlite#{kind}",), server, _own(server)),
        Section("filter:healthcheck", ("use = egg:swiftlite#healthcheck",), filter_table("healthcheck")),
        Section(
            "filter:metrics",
            ("use = egg:swiftlite#metrics",),
            filter_table("metrics"),
            _own(filter_table("metrics")),
            STORAGE_METRICS,
        ),
        Section("filter:recon", ("use = egg:swiftlite#recon",), filter_table("recon"), _own(filter_table("recon"))),
        Section(
            "filter:backend_ratelimit", BACKEND_RATELIMIT, filter_table("backend_ratelimit"), frozenset({"swift_dir"})
        ),
        Section("filter:tracing", TRACING, filter_table("tracing")),
    ]
    return sections + [
        Section(name, (), load(DAEMONS[name]), _own(load(DAEMONS[name])) - OTHER_MEANING.get(name, frozenset()))
        for name in daemons
    ]


def _proxy() -> list[Section]:
    sections = [
        _default(8080, STORAGE_ONLY),
        Section("pipeline:main", (f"pipeline = {PIPELINE}", *PLACES)),
        Section("app:proxy-server", ("use = egg:swiftlite#proxy",), load(APPS["proxy"]), _own(load(APPS["proxy"]))),
        Section(
            "proxy-server:policy:0", ("# what holds for one storage policy alone",), load(OTHERS["proxy-server:policy"])
        ),
    ]
    keystone = Section("filter:authtoken", AUTHTOKEN.strip().split("\n"))
    return [*sections, *_filters(PIPELINE), *_filters(OTHER_FILTERS), keystone, *_filters("keystoneauth proxy-server")]


def _filters(pipeline: str) -> list[Section]:
    sections = []
    for name in dict.fromkeys(pipeline.split()[:-1]):
        use = f"use = egg:swiftlite#{FILTERS.get(name, name.replace('-', '_'))}"
        lines = (use, *FILTER_LINES.get(name, ()))
        settings = FILTER_SETTINGS.get(name, {})
        sections.append(Section(f"filter:{name}", lines, filter_table(name), settings=settings))
    return sections


def _daemon(name: str, lines: Sequence[str], pipeline: str) -> list[Section]:
    """A daemon with a conf file of its own, which has the pipeline that its requests go down."""
    proxy = ("use = egg:swiftlite#proxy", "account_autocreate = true")
    options = load(DAEMONS[name])
    return [
        Section("DEFAULT", (), ServerOptions, frozenset(LISTENING_ONLY)),
        Section(name, lines, options, _own(options)),
        Section("pipeline:main", (f"pipeline = {pipeline}",)),
        Section("app:proxy-server", proxy),
        *_filters(pipeline),
    ]


SAMPLES: dict[str, list[Section]] = {
    "proxy-server.conf-sample": _proxy(),
    "object-server.conf-sample": [
        *_storage(
            "object",
            6200,
            ("object-replicator", "object-updater", "object-auditor", "object-relinker"),
        ),
        Section("object-auditor:watcher:swift#dark_data", DARK_DATA),
    ],
    "object-expirer.conf-sample": _daemon("object-expirer", DELAYS, INTERNAL_PIPELINE),
    "container-server.conf-sample": _storage(
        "container",
        6201,
        ("container-replicator", "container-updater", "container-sync", "container-auditor"),
    ),
    "account-server.conf-sample": _storage(
        "account",
        6202,
        ("account-replicator", "account-reaper", "account-auditor"),
    ),
    "container-reconciler.conf-sample": _daemon("container-reconciler", (), RECONCILER_PIPELINE),
    "swift.conf-sample": [
        Section(
            "swift-hash",
            (
                "# the cluster's secret: the same on every node, never changed once there are data; one of the two must be set",
                "swift_hash_path_prefix =",
                "swift_hash_path_suffix = changeme",
            ),
        ),
        Section("swift-constraints", (), load(OTHERS["swift-constraints"])),
        Section("swift-tls", (), load(OTHERS["swift-tls"])),
        Section("storage-policy:0", ("name = Policy-0", "default = yes")),
    ],
    "node-answers.conf-sample": [
        Section("node", NODE_ANSWERS, NodeAnswers, settings=NODE_SETTINGS),
        Section("ports", (), PortAnswers),
        Section("swift-hash", (), HashAnswers),
        Section("users", NODE_USERS),
    ],
    "dispersion.conf-sample": [Section("dispersion", (), load(OTHERS["dispersion"]), settings=DISPERSION_USER)],
    "drive-audit.conf-sample": [Section("drive-audit", ERROR_PATTERNS, load(OTHERS["drive-audit"]))],
}


def render(sections: Sequence[Section]) -> str:
    """Return the text of a sample: set is what must be set, the rest is commented out with its default."""
    blocks = []
    for section in sections:
        lines = [f"[{section.name}]", *section.lines]
        for found in dataclasses.fields(section.options) if section.options else ():  # type: ignore[arg-type]
            if found.name in section.without:
                continue
            reason, default, setting = found.metadata.get("reason", ""), default_text(found), None
            if found.name in section.settings:
                setting = section.settings[found.name]
                reason += f"; default: {default or 'empty'}"
            lines += textwrap.wrap(reason, 118, initial_indent="# ", subsequent_indent="# ")
            lines.append(f"# {found.name} = {default}".rstrip() if setting is None else f"{found.name} = {setting}")
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def main(argv: Sequence[str]) -> int:
    """Write all samples into the directory named."""
    for name, sections in SAMPLES.items():
        (Path(argv[0]) / name).write_text(render(sections), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
