"""What a cluster must be told so that it has every feature of the tables."""

from __future__ import annotations

from functional.object_cases import settings

PROXY = {
    "allow_account_management": "true",
    "max_containers_per_account": "4",
    "max_containers_whitelist": "AUTH_test",
}
SETTINGS = {"proxy": {**settings.SETTINGS["proxy"], "app:proxy-server": PROXY}}
SWIFT_CONF = {
    "storage-policy:0": {"name": "gold", "aliases": "yellow, au"},
    "storage-policy:1": {"name": "silver", "default": "yes"},
    "storage-policy:2": {"name": "bronze", "deprecated": "yes"},
}
