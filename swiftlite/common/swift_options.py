"""Options of OpenStack Swift 2.38.3 that its conf files may have and that do nothing here: known, not mistakes."""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


EVERYWHERE = _names(
    """
    auto_create_account_prefix bind_timeout daemonize db_preallocation db_query_logging disable_fallocate eventlet_debug
    expiring_objects_account_name expiring_objects_container_divisor
    fallocate_reserve ionice_class ionice_priority keep_idle log_custom_handlers nice_priority ring_check_interval
    ring_ip servers_per_port stale_worker_timeout
    """
)
"""Those of ``[DEFAULT]``, which any section may repeat."""

SHARED = frozenset({"recon_cache_path", "swift_dir"})
"""Options that mean something to daemons, tools or filters, and stand in ``[DEFAULT]`` of any conf."""

PASTE = frozenset({"name", "paste.app_factory", "paste.filter_factory", "use"})
"""What says which factory a section is for."""

LOGGING = frozenset({"log_address", "log_facility", "log_level", "log_name", "set log_name"})
"""What a filter or server may say of its own log."""

FILTERS: dict[str, str] = {
    "cname_lookup": "",
    "memcache": "max_connections tls_enabled tls_cafile tls_certfile tls_keyfile item_size_warning_threshold",
    "proxy_logging": """
        access_log_address access_log_facility access_log_level access_log_name access_log_route
        access_log_statsd_default_sample_rate access_log_statsd_host access_log_statsd_metric_prefix
        access_log_statsd_port access_log_statsd_sample_rate_factor access_log_statsd_valid_http_methods
        access_log_udp_host access_log_udp_port access_set_log_address log_headers log_headers_only
        log_statsd_valid_http_methods storage_domain
        """,
    "tempauth": "log_headers reseller_prefixes",
    "tempurl": "deprecated_digests",
    "recon": "recon_lock_path",
}
"""By filter; of proxy_logging the first four are known here, too."""

APPS: dict[str, str] = {
    "proxy": """
        account_existence_skip_cache_pct container_existence_skip_cache_pct
        container_listing_shard_ranges_skip_cache_pct container_updating_shard_ranges_skip_cache_pct log_handoffs
        namespace_avg_backend_fetch_time namespace_cache_tokens_per_session recheck_listing_shard_ranges
        recheck_updating_shard_ranges write_legacy_ec_crc cache_timeout
        """,
    "object": """
        commit_window cooperative_period eventlet_tpool_num_threads replication_one_per_device
        slow slow_delete_log_threshold_seconds splice
        """,
    "container": "",
    "account": "",
}

DAEMONS: dict[str, str] = {
    "object-replicator": """
        daemonize log_rsync_transfers network_chunk_size rsync_error_log_line_length run_pause stats_interval
        """,
    "object-updater": "slowdown",
    "object-auditor": "rsync_timeout recon_lock_path",
    "object-relinker": "",
    "object-expirer": "expiring_objects_container_divisor",
    "container-replicator": "run_pause",
    "container-updater": "slowdown",
    "container-sync": "sync_proxy",
    "container-auditor": "",
    "container-reconciler": "",
    "account-replicator": "run_pause",
    "account-reaper": "",
    "account-auditor": "",
}

SECTIONS = frozenset(
    {"container-sharder", "object-reconstructor", "container-server", "object-server", "filter:xprofile"}
)
"""Sections of OpenStack Swift that nobody reads here."""
