"""The clusters of these tables: read only but for one account, and options other than their defaults; name_check, which
forbids names that other tables use, has its defaults."""

from __future__ import annotations

import http.client
import time

from functional.cluster import Cluster
from functional.object_cases import settings
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.ring.ring import Ring

PIPELINE = (
    "catch_errors gatekeeper healthcheck crossdomain name_check domain_remap cache etag-quoter listing_formats list-endpoints "
    "tempauth staticweb read_only copy slo dlo versioned_writes symlink proxy-logging proxy-server"
)
SETTINGS = {
    "proxy": {
        **settings.SETTINGS["proxy"],
        "pipeline:main": {"pipeline": PIPELINE},
        "app:proxy-server": {
            "strict_cors_mode": "false",
            "cors_allow_origin": "http://cluster.example, http://other.example",
            "cors_expose_headers": "X-Cluster, X-More",
        },
        "filter:crossdomain": {
            "use": "egg:swiftlite#crossdomain",
            "cross_domain_policy": '<allow-access-from domain="a" />\n  <allow-access-from domain="b" />',
        },
        "filter:domain_remap": {
            "use": "egg:swiftlite#domain_remap",
            "storage_domain": ".one.example, two.example",
            "path_root": "/v1.0/",
            "reseller_prefixes": "AUTH",
            "default_reseller_prefix": "AUTH",
            "mangle_client_paths": "true",
        },
        "filter:etag-quoter": {"use": "egg:swiftlite#etag_quoter", "enable_by_default": "true"},
        "filter:list-endpoints": {"use": "egg:swiftlite#list_endpoints", "list_endpoints_path": "/where"},
        "filter:name_check": {"use": "egg:swiftlite#name_check"},
        "filter:read_only": {"use": "egg:swiftlite#read_only", "read_only": "true", "allow_deletes": "true"},
        "filter:staticweb": {"use": "egg:swiftlite#staticweb", "url_base": "https://www.example:444/ignored"},
    }
}
WRITABLE = "AUTH_test"
"""The account that is exempted, which all tables use."""


def prepare(cluster: Cluster) -> None:
    """Exempt the account, as an operator would: by a request to its account servers."""
    etc = cluster.layout.etc
    ring = Ring(etc, "account", hash_path=SwiftConf.load(str(etc)).hash_path)
    partition, nodes = ring.get_nodes(WRITABLE)
    headers = {"X-Timestamp": f"{time.time():.5f}", "X-Account-Sysmeta-Read-Only": "false", "Content-Length": "0"}
    for node in nodes:
        connection = http.client.HTTPConnection(*node.address, timeout=60)
        connection.request("PUT", f"/{node.device}/{partition}/{WRITABLE}", headers=headers)
        assert connection.getresponse().status in (201, 202)
        connection.close()
