"""What a cluster must be told so that it has every feature of the tables."""

SETTINGS = {
    "proxy": {"filter:versioned_writes": {"allow_versioned_writes": "true", "allow_object_versioning": "true"}},
}
