"""Clients that the scoreboard does not have, and why."""

NOT_TRIED = {
    "Cyberduck, Mountain Duck, Swift Explorer": "desktop programs that are neither on PyPI nor on npm nor in Debian",
    "Apache jclouds, Javaswift JOSS": "Java libraries; not on PyPI or npm, no program in Debian to drive them",
    "fog-openstack, php-opencloud, the external storage of Nextcloud": "on RubyGems and Packagist only",
    "gophercloud, and what uses it: Terraform, Velero, Thanos, Loki, Cortex": "Go programs, not in Debian 12",
    "Cinder's and Glance's backends, Trove, Mistral": "services of OpenStack that cannot be run without the rest of it",
}
