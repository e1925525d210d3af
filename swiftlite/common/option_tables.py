"""Which section of a conf file has which table of options; a table is imported when somebody asks for it."""

from __future__ import annotations

import dataclasses
import functools
import importlib
from typing import Any

SERVER = "swiftlite.common.config:ServerOptions"

APPS = {
    "proxy": "swiftlite.proxy.options:ProxyOptions",
    "object": "swiftlite.obj.options:ObjectOptions",
    "container": "swiftlite.container.server:ContainerOptions",
    "account": "swiftlite.db.controller:DatabaseServerOptions",
}
"""Options of each server's section, by the name that its ``use`` gives after the ``#``."""

FILTERS = {
    "account_quotas": "swiftlite.middleware.account_quotas:AccountQuotasOptions",
    "authtoken": "",
    "backend_ratelimit": "swiftlite.middleware.backend_ratelimit:BackendRateLimitOptions",
    "bulk": "swiftlite.middleware.bulk.options:BulkOptions",
    "catch_errors": "swiftlite.middleware.catch_errors:CatchErrorsOptions",
    "cname_lookup": "swiftlite.middleware.cname_lookup:CNAMELookupOptions",
    "console": "swiftlite.middleware.console.options:ConsoleOptions",
    "container_quotas": "",
    "container_sync": "swiftlite.middleware.container_sync:ContainerSyncOptions",
    "copy": "swiftlite.middleware.copy:CopyOptions",
    "crossdomain": "swiftlite.middleware.crossdomain:CrossDomainOptions",
    "dlo": "swiftlite.middleware.dlo:DLOOptions",
    "domain_remap": "swiftlite.middleware.domain_remap:DomainRemapOptions",
    "etag_quoter": "swiftlite.middleware.etag_quoter:EtagQuoterOptions",
    "formpost": "swiftlite.middleware.formpost:FormPostOptions",
    "gatekeeper": "swiftlite.middleware.gatekeeper:GatekeeperOptions",
    "healthcheck": "swiftlite.middleware.healthcheck:HealthCheckOptions",
    "identity": "swiftlite.middleware.identity.options:IdentityOptions",
    "keystoneauth": "swiftlite.middleware.keystoneauth:KeystoneAuthOptions",
    "list_endpoints": "swiftlite.middleware.list_endpoints:ListEndpointsOptions",
    "listing_formats": "",
    "listing_metadata": "swiftlite.middleware.listing_metadata:ListingMetadataOptions",
    "memcache": "swiftlite.common.memcached:MemcachedOptions",
    "metrics": "swiftlite.middleware.metrics.filter:MetricsOptions",
    "name_check": "swiftlite.middleware.name_check:NameCheckOptions",
    "proxy_logging": "swiftlite.middleware.proxy_logging:ProxyLoggingOptions",
    "ratelimit": "swiftlite.middleware.ratelimit:RateLimitOptions",
    "read_only": "swiftlite.middleware.read_only:ReadOnlyOptions",
    "recon": "swiftlite.middleware.recon:ReconOptions",
    "slo": "swiftlite.middleware.slo.options:SLOOptions",
    "staticweb": "swiftlite.middleware.staticweb:StaticWebOptions",
    "symlink": "swiftlite.middleware.symlink:SymlinkOptions",
    "tempauth": "swiftlite.middleware.tempauth.users:TempAuthOptions",
    "tempurl": "swiftlite.middleware.tempurl:TempURLOptions",
    "tracing": "swiftlite.middleware.tracing:TracingOptions",
    "versioned_writes": "swiftlite.middleware.versioned_writes.filter:VersionedWritesOptions",
}
"""The same for filters; empty: it has no options of its own."""

DAEMONS = {
    "object-replicator": "swiftlite.obj.replicator:ReplicatorOptions",
    "object-updater": "swiftlite.obj.updater:UpdaterOptions",
    "object-auditor": "swiftlite.obj.audit_options:AuditorOptions",
    "object-relinker": "swiftlite.obj.relinker:RelinkerOptions",
    "object-expirer": "swiftlite.obj.expirer:ExpirerOptions",
    "container-replicator": "swiftlite.db.replicator:ReplicatorOptions",
    "container-updater": "swiftlite.container.updater:UpdaterOptions",
    "container-sync": "swiftlite.container.sync:SyncOptions",
    "container-auditor": "swiftlite.container.auditor:ContainerAuditorOptions",
    "container-reconciler": "swiftlite.container.reconciler:ReconcilerOptions",
    "account-replicator": "swiftlite.db.replicator:ReplicatorOptions",
    "account-reaper": "swiftlite.account.reaper:ReaperOptions",
    "account-auditor": "swiftlite.account.auditor:AccountAuditorOptions",
}
"""Options of each daemon's section, over those of ``[DEFAULT]``."""

OTHERS = {
    "proxy-server:policy": "swiftlite.proxy.options:PolicyOptions",
    "dispersion": "swiftlite.cli.dispersion:DispersionOptions",
    "drive-audit": "swiftlite.cli.drive_audit:DriveAuditOptions",
    "memcache": "swiftlite.common.memcached:MemcachedOptions",
    "swift-constraints": "swiftlite.core.constraints:Constraints",
    "swift-tls": "swiftlite.common.backend_tls:BackendTLSOptions",
}
"""Sections that are neither a server's, nor a filter's, nor a daemon's."""

# What workers counts by itself depends on the machine; the word means the same anywhere.
DEFAULT_TEXTS = {"workers": "auto", "handoff_delete": "auto", "rsync_tempfile_timeout": "auto"}


@functools.cache
def load(reference: str) -> type | None:
    """The class that ``module:Class`` names; None for nothing."""
    if not reference:
        return None
    module, _, name = reference.partition(":")
    found: type = getattr(importlib.import_module(module), name)
    return found


def filter_table(name: str) -> type | None:
    """The options of a filter, by the name that ``use`` or a pipeline gives; None: it has none."""
    name = name.replace("-", "_")
    return load(FILTERS.get("memcache" if name == "cache" else name, ""))


def names_of(table: type | None) -> frozenset[str]:
    """The names of a table's options."""
    return frozenset(found.name for found in dataclasses.fields(table)) if table else frozenset()


def default_text(option: Any) -> str:
    """Return how a conf file spells an option's default."""
    if option.name in DEFAULT_TEXTS:
        return DEFAULT_TEXTS[option.name]
    value = option.default
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}" if value < 1e6 else str(int(value))
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
