"""Clients that the scoreboard does not have, and why: what PyPI, npm and Debian 12 answered when asked for them."""

NOT_TRIED = {
    "Cyberduck, Mountain Duck, Swift Explorer": "desktop programs; none of them on PyPI, on npm or in Debian, whose `duck` is "
    "another one",
    "Apache jclouds, Javaswift JOSS": "Java libraries; neither in Debian, nor on PyPI or npm, whose `joss` is another one",
    "php-opencloud, the external storage of Nextcloud": "on Packagist, and Nextcloud's own server; not in Debian, on PyPI or npm",
    "gophercloud": "Debian has its source for Go programs to be built with, and none of the programs",
    "Terraform, Velero, Thanos, Cortex, Grafana Loki": "Go programs; not in Debian, whose `loki` is another one, "
    "as npm's `terraform` is",
    "ncw/swift": "Debian has its source only; rclone, restic, aptly and docker-registry are built on it or on its heirs",
    "S3QL": "not in Debian 12, and on PyPI not either",
    "swift-bench, swiftsc": "in Debian; not tried yet",
    "Cinder's backups, Trove, Mistral": "on PyPI and in Debian, but as services that need a database, a message queue and the "
    "rest of OpenStack; Glance's part is tried as the library glance_store",
}
