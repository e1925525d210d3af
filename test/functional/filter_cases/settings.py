"""The clusters of the tables: every filter in the pipeline, each told to do all that it can."""

from __future__ import annotations

from fakes import dns_server
from functional.object_cases import settings

ORDER = (
    "catch_errors",
    "gatekeeper",
    "healthcheck",
    "crossdomain",
    "name_check",
    "cname_lookup",
    "domain_remap",
    "proxy-logging",
    "cache",
    "etag-quoter",
    "listing_formats",
    "recon",
    "list-endpoints",
    "container_sync",
    "bulk",
    "tempurl",
    "formpost",
    "ratelimit",
    "tempauth",
    "staticweb",
    "read_only",
    "copy",
    "container-quotas",
    "account-quotas",
    "slo",
    "dlo",
    "versioned_writes",
    "symlink",
)
"""Of all filters there may be; those of BASIC and FILTERS are in the pipeline."""
BASIC = (
    *("catch_errors", "gatekeeper", "healthcheck", "proxy-logging", "cache", "listing_formats", "container_sync"),
    *("tempauth", "copy", "slo", "dlo", "versioned_writes", "symlink"),
)
FILTERS: dict[str, dict[str, str]] = {
    "account-quotas": {"use": "egg:swiftlite#account_quotas"},
    "bulk": {"use": "egg:swiftlite#bulk"},
    "cname_lookup": {
        "use": "egg:swiftlite#cname_lookup",
        "storage_domain": "store.example",
        "nameservers": "%s:%d" % dns_server.TABLES,
        "lookup_depth": "2",
    },
    "container-quotas": {"use": "egg:swiftlite#container_quotas"},
    "crossdomain": {"use": "egg:swiftlite#crossdomain"},
    "domain_remap": {
        "use": "egg:swiftlite#domain_remap",
        "storage_domain": "store.example",
        "reseller_prefixes": "AUTH, SERVICE",
    },
    "etag-quoter": {"use": "egg:swiftlite#etag_quoter"},
    "formpost": {"use": "egg:swiftlite#formpost"},
    "list-endpoints": {"use": "egg:swiftlite#list_endpoints"},
    "ratelimit": {
        "use": "egg:swiftlite#ratelimit",
        "account_blacklist": "AUTH_black",
        "account_whitelist": "AUTH_white",
    },
    "recon": {"use": "egg:swiftlite#recon"},
    "read_only": {"use": "egg:swiftlite#read_only"},
    "staticweb": {"use": "egg:swiftlite#staticweb"},
    "tempurl": {"use": "egg:swiftlite#tempurl", "methods": "GET HEAD PUT POST DELETE COPY"},
}
"""The filters that the tables here are about, by section; each with its ``use`` and its options."""
PIPELINE = " ".join([*(name for name in ORDER if name in BASIC or name in FILTERS), "proxy-logging", "proxy-server"])
SETTINGS = {
    "proxy": {
        **settings.SETTINGS["proxy"],
        "pipeline:main": {"pipeline": PIPELINE},
        **{f"filter:{name}": options for name, options in FILTERS.items()},
    }
}
SWIFT_CONF = {
    "storage-policy:0": {"name": "gold", "aliases": "yellow, au", "default": "yes"},
    "storage-policy:1": {"name": "silver"},
}
