"""Options that nobody reads are told, with what was meant; those of OpenStack Swift are known."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from swiftlite.common import option_tables, pipeline, swift_options
from swiftlite.common.conf_lines import Outline, outline_lines
from swiftlite.common.unknown_options import find_unread, warn_of_unknown_options

PROXY = """[DEFAULT]
{default}
[pipeline:main]
pipeline = cache tempauth proxy-server
[app:proxy-server]
use = egg:swift#proxy
{app}
[filter:cache]
use = egg:swift#memcache
[filter:tempauth]
use = egg:swiftlite#tempauth
{tempauth}
[proxy-server:policy:1]
{policy}
"""
OBJECT = """[DEFAULT]
{default}
[pipeline:main]
pipeline = object-server
[app:object-server]
use = egg:swift#object
{app}
[object-updater]
{updater}
[object-auditor]
[object-expirer]
{expirer}
"""


def unread(text: str, **options: str) -> list[tuple[str, str, str, str]]:
    outline = Outline("conf")
    filled = text.format(
        **{**dict.fromkeys(("default", "app", "tempauth", "policy", "updater", "expirer"), ""), **options}
    )
    outline_lines(filled.splitlines(), "conf", outline)
    found = find_unread(outline, list(outline.headers))
    return [(each.assignment.section, each.assignment.option, each.why.name, each.nearest) for each in found]


@pytest.mark.parametrize(
    "text, place, line, expected",
    [
        (PROXY, "default", "wrokers = 2", ("DEFAULT", "wrokers", "UNKNOWN", "workers")),
        (PROXY, "default", "zzz = 2", ("DEFAULT", "zzz", "UNKNOWN", "")),
        (PROXY, "app", "node_timeot = 2", ("app:proxy-server", "node_timeot", "UNKNOWN", "node_timeout")),
        (PROXY, "app", "set node_timeot = 2", ("app:proxy-server", "set node_timeot", "UNKNOWN", "node_timeout")),
        (PROXY, "app", "log_handoffs = yes", ("app:proxy-server", "log_handoffs", "FOREIGN", "")),
        (PROXY, "app", "token_life = 3", ("app:proxy-server", "token_life", "MISPLACED", "filter:tempauth")),
        (PROXY, "app", "bind_port = 3", ("app:proxy-server", "bind_port", "MISPLACED", "DEFAULT")),
        (PROXY, "app", "client_timout = 3", ("app:proxy-server", "client_timout", "UNKNOWN", "client_timeout")),
        (PROXY, "app", "bind_prt = 3", ("app:proxy-server", "bind_prt", "UNKNOWN", "bind_port in [DEFAULT]")),
        # OpenStack Swift's, too, which means nothing there, but something elsewhere.
        (
            PROXY,
            "tempauth",
            "stale_worker_timeout = 3",
            ("filter:tempauth", "stale_worker_timeout", "MISPLACED", "DEFAULT"),
        ),
        (PROXY, "tempauth", "client_timeout = 3", ("filter:tempauth", "client_timeout", "MISPLACED", "DEFAULT")),
        (PROXY, "tempauth", "usr_a_b = c", ("filter:tempauth", "usr_a_b", "UNKNOWN", "")),
        (PROXY, "policy", "read_afinity = r1=1", ("proxy-server:policy:1", "read_afinity", "UNKNOWN", "read_affinity")),
        (OBJECT, "updater", "slowdown = 0.1", ("object-updater", "slowdown", "FOREIGN", "")),
        (OBJECT, "updater", "interva = 1", ("object-updater", "interva", "UNKNOWN", "interval")),
        (
            OBJECT,
            "updater",
            "files_per_second = 1",
            ("object-updater", "files_per_second", "MISPLACED", "object-auditor"),
        ),
        (OBJECT, "default", "eventlet_debug = h", ("DEFAULT", "eventlet_debug", "FOREIGN", "")),
        (OBJECT, "default", "splice = yes", ("DEFAULT", "splice", "FOREIGN", "")),
    ],
)
def test_options_that_do_nothing(text: str, place: str, line: str, expected: tuple[str, str, str, str]) -> None:
    assert unread(text, **{place: line}) == [expected]


@pytest.mark.parametrize(
    "text, place, line",
    [
        (PROXY, "default", "workers = 2\nbind_port = 1\nrecon_cache_path = /x\nnode_timeout = 3\nlog_level = INFO"),
        (PROXY, "default", "root = /a\nswift_dir = %(root)s/b"),
        (PROXY, "app", "set log_name = proxy\nset node_timeout = 2\nclient_timeout = 30"),
        (PROXY, "tempauth", "user_a_b = c .admin\nuser64_YQ_Yg = c\nAUTH_require_group = x\nfernet_key_one = x"),
        (OBJECT, "expirer", "delay_reaping_AUTH_test = 5\ndelay_reaping_a/b%20c = 5"),
        # There may be a daemon whose section is missing.
        (OBJECT, "default", "replicator_workers = 5\nper_container_ratelimit_buckets = 1\nmb_per_sync = 1"),
    ],
)
def test_options_that_do_something(text: str, place: str, line: str) -> None:
    assert unread(text, **{place: line}) == []


def test_what_default_hides() -> None:
    """PasteDeploy passes over an option of a filter that [DEFAULT] has, too, unless it is written with ``set``."""
    hidden = [("app:proxy-server", "node_timeout", "HIDDEN", "")]
    assert unread(PROXY, default="node_timeout = 2", app="node_timeout = 3") == hidden
    assert unread(PROXY, default="node_timeout = 2", app="set node_timeout = 3") == []
    assert unread(PROXY, default="node_timeout = 2", app="node_timeout = 2") == []
    assert unread(OBJECT, default="interval = 2", updater="interval = 3") == []


def test_filters_of_others_are_not_judged() -> None:
    text = PROXY.replace("egg:swiftlite#tempauth", "egg:acme#tempauth")
    assert unread(text, tempauth="anything = goes") == []


def test_every_filter_and_server_has_a_table() -> None:
    assert set(option_tables.FILTERS) == set(pipeline.FILTERS)
    assert set(option_tables.APPS) == set(pipeline.APPS) == set(swift_options.APPS)
    assert set(option_tables.DAEMONS) == set(swift_options.DAEMONS)
    assert set(swift_options.FILTERS) <= set(pipeline.FILTERS)
    for tables in (option_tables.FILTERS, option_tables.APPS, option_tables.DAEMONS, option_tables.OTHERS):
        for reference in tables.values():
            assert not reference or option_tables.names_of(option_tables.load(reference)), reference


def test_one_warning_each_at_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "proxy-server.conf"
    options = {
        "default": "wrokers = 2\neventlet_debug = x",
        "app": "node_timeot = 1",
        "policy": "",
        "tempauth": "x = 1",
    }
    path.write_text(PROXY.format(**options))
    with caplog.at_level(logging.WARNING):
        warn_of_unknown_options(str(path), (), logging.getLogger("test"))
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}:2: [DEFAULT] wrokers: unknown option; did you mean workers?",
        f"{path}:8: [app:proxy-server] node_timeot: unknown option; did you mean node_timeout?",
        f"{path}:13: [filter:tempauth] x: unknown option; take it out",
    ]


def test_a_daemon_is_told_of_its_own_section(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "object-server.conf"
    path.write_text(OBJECT.format(default="", app="x = 1", updater="interva = 1", expirer="y = 1"))
    warn_of_unknown_options(str(path), ("object-updater",), logging.getLogger("test"))
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "[object-updater] interva: unknown option; did you mean interval?"
    ]
