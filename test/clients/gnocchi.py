"""gnocchi: measures of metrics that wait in containers, and are taken from there in bulk."""

from __future__ import annotations

import uuid
from typing import Any

from clients.harness.client import Client, Pip
from clients.harness.site import Site, same

CLIENT = Client(
    title="gnocchi",
    sources=(Pip("gnocchi", also=("python-swiftclient", "python-keystoneclient")),),
    auths=("v1", "v2", "v3"),
    notes="Its drivers are tried, without the database that the whole service needs.",
    settings="""
```ini
[storage]
driver = swift
swift_auth_version = 1
swift_authurl = http://127.0.0.1:8080/auth/v1.0
swift_user = test:tester
swift_key = testing
```
For v3: `swift_auth_version = 3`, `swift_authurl = http://127.0.0.1:8080/v3`, `swift_user = tester`,
`swift_project_name = test`; the domains are `Default` by default.
""",
)
METRIC = uuid.UUID("12345678-1234-5678-1234-567812345678")


def options(site: Site) -> Any:
    """Gnocchi's options of the section ``storage``."""
    from gnocchi.storage import swift
    from oslo_config import cfg

    conf = cfg.ConfigOpts()
    conf.register_opts(swift.OPTS)
    conf([], default_config_files=[])
    conf.set_override("swift_auth_version", site.auth[1])
    conf.set_override("swift_authurl", site.auth_url)
    conf.set_override("swift_key", site.key)
    conf.set_override("swift_user", f"{site.account}:{site.user}" if site.auth == "v1" else site.user)
    if site.auth != "v1":
        conf.set_override("swift_project_name", site.account)
    return conf


def incoming(site: Site) -> Any:
    """The driver that keeps measures until they are aggregated."""
    from gnocchi.incoming import swift

    return swift.SwiftStorage(options(site))


@CLIENT.operation("make the sacks")
def sacks(site: Site) -> None:
    incoming(site).upgrade(2)
    assert len(site.eye.names()) >= 3, site.eye.names()
    same(incoming(site).NUM_SACKS, 2, "sacks")


@CLIENT.operation("add measures")
def add(site: Site) -> None:
    import numpy
    from gnocchi.incoming import Measure

    driver = incoming(site)
    for value in (1.0, 2.0):
        driver.add_measures(METRIC, [Measure(numpy.datetime64("2024-01-01T00:00:00", "ns"), value)])
    same(driver.has_unprocessed(METRIC), True, "unprocessed")
    names = [name for container in site.eye.names() for name in site.eye.names(container)]
    same(sum(name.startswith(f"{METRIC}/") for name in names), 2, "objects")


@CLIENT.operation("process measures, deleting them in bulk")
def process(site: Site) -> None:
    driver = incoming(site)
    with driver.process_measure_for_metrics([METRIC]) as measures:
        same(sorted(float(value) for value in measures[METRIC]["values"]), [1.0, 2.0], "values")
    same(driver.has_unprocessed(METRIC), False, "unprocessed")


@CLIENT.operation("store and delete a metric")
def storage(site: Site) -> None:
    from types import SimpleNamespace

    from gnocchi.storage import swift

    driver, metric = swift.SwiftStorage(options(site)), SimpleNamespace(id=METRIC)
    driver._create_metric(metric)
    driver._store_unaggregated_timeseries_unbatched(metric, b"points")
    same(site.eye.get(f"gnocchi.{METRIC}", "none_v3"), b"points", "stored")
    same(driver._get_or_create_unaggregated_timeseries_unbatched(metric), b"points", "read")
    driver._delete_metric(metric)
    same(site.eye.is_there(f"gnocchi.{METRIC}"), False, "the metric's container is there")
