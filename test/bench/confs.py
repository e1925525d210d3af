"""The configuration files of a measured stack: one text for both stacks, so that they cannot differ by accident."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from swiftlite.common.pipeline import ALIASES, FILTERS

DEVICES = ("d1", "d2", "d3", "d4")
REPLICAS = 3
PART_POWER = 10
USER, KEY, ACCOUNT = "test:tester", "testing", "AUTH_test"
HASH_SUFFIX = "bench"
SERVERS = ("account", "container", "object", "proxy")

SWIFT_CONF = f"""\
[swift-hash]
swift_hash_path_suffix = {HASH_SUFFIX}

[storage-policy:0]
name = gold
default = yes
"""

DEFAULT_SECTION = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = {workers}
user = {user}
swift_dir = {swift_dir}
devices = {devices}
mount_check = false
log_address = {log_address}
log_level = INFO
recon_cache_path = {swift_dir}
"""
OFF = {"metrics": "metrics = no\n", "logs": "log_requests = no\n"}
"""What ends a DEFAULT section of servers that do not count, or do not log requests; their proxies have no proxy-logging."""

STORAGE_SECTION = """
[pipeline:main]
pipeline = {pipeline}

[filter:healthcheck]
use = egg:swift#healthcheck

[filter:recon]
use = egg:swift#recon

[app:{kind}-server]
use = egg:swift#{kind}
"""

PROXY_SECTION = """
[pipeline:main]
pipeline = {pipeline}

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
# OpenStack Swift knows no such option and ignores it.
listing_consistency = {listing_consistency}

[filter:catch_errors]
use = egg:swift#catch_errors

[filter:gatekeeper]
use = egg:swift#gatekeeper

[filter:healthcheck]
use = egg:swift#healthcheck

[filter:proxy-logging]
use = egg:swift#proxy_logging

[filter:cache]
use = egg:swift#memcache
{memcache}

[filter:listing_formats]
use = egg:swift#listing_formats

[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin

[filter:copy]
use = egg:swift#copy

[filter:slo]
use = egg:swift#slo
# Small segments would be given out at one a second.
rate_limit_under_size = 0

[filter:dlo]
use = egg:swift#dlo

[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true

[filter:symlink]
use = egg:swift#symlink

[filter:etag-quoter]
use = egg:swift#etag_quoter

[filter:container_sync]
use = egg:swift#container_sync

[filter:bulk]
use = egg:swift#bulk

[filter:tempurl]
use = egg:swift#tempurl

[filter:formpost]
use = egg:swift#formpost

[filter:ratelimit]
use = egg:swift#ratelimit

[filter:staticweb]
use = egg:swift#staticweb

[filter:container-quotas]
use = egg:swift#container_quotas

[filter:account-quotas]
use = egg:swift#account_quotas

"""
PIPELINES = {
    "objects": (
        "catch_errors gatekeeper healthcheck proxy-logging cache listing_formats tempauth copy slo dlo versioned_writes "
        "symlink proxy-logging proxy-server"
    ),
    "base": "catch_errors gatekeeper healthcheck proxy-logging cache listing_formats tempauth copy dlo versioned_writes symlink "
    "proxy-logging proxy-server",
    "full": (
        "catch_errors gatekeeper healthcheck proxy-logging cache etag-quoter listing_formats container_sync bulk tempurl "
        "formpost ratelimit tempauth staticweb copy container-quotas account-quotas slo dlo versioned_writes symlink "
        "proxy-logging proxy-server"
    ),
}
"""What proxies may be measured with. ``base``: what a proxy cannot do without, and tempauth; ``full``: all that OpenStack
Swift's sample names; its storage servers have healthcheck and recon besides. ``objects``: every filter of the object path."""

NGINX = """\
daemon off;
worker_processes {workers};
user {user};
pid {directory}/nginx.pid;
error_log {directory}/nginx.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/unused;
    fastcgi_temp_path {directory}/unused;
    uwsgi_temp_path {directory}/unused;
    scgi_temp_path {directory}/unused;
    client_max_body_size 0;
    server {{
        listen 127.0.0.1:{port};
        root {directory}/root;
        location / {{
            dav_methods PUT DELETE;
            create_full_put_path on;
        }}
    }}
}}
"""


STORAGE_FILTERS = {"objects": "", "base": "", "full": "healthcheck recon"}
"""What stands in front of the storage servers beside each of PIPELINES."""


@dataclass(frozen=True)
class Surroundings:
    """What the files of one stack need to know of the machine.

    `ports`: a port per server, and ``memcached`` when the stack has one; `user`: whom the peer's servers run as;
    `pipeline`: one of PIPELINES; `off`: what of OFF is turned off.
    """

    directory: Path
    ports: Mapping[str, int]
    workers: int
    user: str
    log_address: Path
    listing_consistency: str = "quorum"
    pipeline: str = "objects"
    off: tuple[str, ...] = ()

    @property
    def swift_dir(self) -> Path:
        return self.directory / "etc"

    @property
    def devices(self) -> Path:
        return self.directory / "node"


def filters(pipeline: str) -> list[str]:
    """The names of a pipeline, but for filters that swiftlite lacks: neither stack is measured with them."""
    names = pipeline.split()
    known = {*FILTERS, *ALIASES}
    return [name for name in names[:-1] if name.replace("-", "_") in known] + names[-1:]


def write(surroundings: Surroundings) -> None:
    """Write swift.conf and a conf per server, and make the device directories; rings come from elsewhere."""
    where = surroundings.swift_dir
    where.mkdir(parents=True)
    for device in DEVICES:
        (surroundings.devices / device).mkdir(parents=True)
    (where / "swift.conf").write_text(SWIFT_CONF)
    memcached = surroundings.ports.get("memcached")
    memcache = f"memcache_servers = 127.0.0.1:{memcached}" if memcached else ""
    for kind in SERVERS:
        head = DEFAULT_SECTION.format(
            port=surroundings.ports[kind],
            workers=surroundings.workers,
            user=surroundings.user,
            swift_dir=where,
            devices=surroundings.devices,
            log_address=surroundings.log_address,
        )
        head += "".join(OFF[name] for name in surroundings.off)
        body = (
            PROXY_SECTION.format(
                memcache=memcache,
                pipeline=" ".join(
                    name
                    for name in filters(PIPELINES[surroundings.pipeline])
                    if name != "proxy-logging" or "logs" not in surroundings.off
                ),
                listing_consistency=surroundings.listing_consistency,
            )
            if kind == "proxy"
            else STORAGE_SECTION.format(
                kind=kind, pipeline=" ".join(filters(f"{STORAGE_FILTERS[surroundings.pipeline]} {kind}-server"))
            )
        )
        (where / f"{kind}-server.conf").write_text(head + body)
