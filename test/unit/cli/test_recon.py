"""swiftlite-recon's figures over several hosts, its tables, and what it says to bad arguments.

That one host's figures are those of OpenStack Swift's tool is shown in interop.
"""

import json
from dataclasses import replace

import pytest

from swiftlite.cli import recon, recon_checks
from swiftlite.cli.recon_checks import Context, Section, stats_of
from swiftlite.cli.recon_tables import lines_of, tables_of
from swiftlite.watch.facts import Asked, RingFacts, Server

GB = 10**9


def hosts(*answers):
    return [
        Asked(Server("object", f"10.0.0.{number}", 6200), answer, sent=100.0, received=101.0)
        for number, answer in enumerate(answers, 1)
    ]


def context(**changes):
    return Context(**{"kind": "object", "own": {"object.ring.gz": "a", "swift.conf": "c"}, "now": 1000.0, **changes})


def test_a_figure_over_hosts_of_which_one_has_none():
    stats = stats_of("x", [1, None, 4.0])
    assert stats.as_json() == {"low": 1, "high": 4.0, "total": 5.0, "avg": 2.5, "reported": 2, "no_result": 1}
    assert stats.percent_missing == pytest.approx(33.333, abs=0.001)
    assert stats_of("x", [None]) is None
    assert stats_of("x", []) is None


def test_who_does_not_answer_is_not_counted():
    asked = hosts({"async": {"async_pending": 3}}, {}, {"async": {"async_pending": None}}, {"async": "nonsense"})
    [stats] = recon_checks.async_pending(asked, context()).stats.values()
    assert (stats.total, stats.reported, stats.missing) == (3, 1, 2)


def test_the_oldest_and_the_newest_pass():
    asked = hosts(
        *(
            {"replication/object": {"replication_last": last, "replication_time": 1}}
            for last in (400.0, 100.0, None, 880.0)
        )
    )
    section = recon_checks.replication(asked, context())
    assert section.lines == [
        "Oldest completion was 1970-01-01 00:01:40 (15 minutes ago) by 10.0.0.2:6200.",
        "Most recent completion was 1970-01-01 00:14:40 (2 minutes ago) by 10.0.0.4:6200.",
    ]
    assert section.facts["oldest_completion"] == {"time": 100.0, "host": "10.0.0.2:6200"}


def test_a_pass_that_never_was():
    asked = hosts({"replication/object": {"object_replication_time": 5}})
    section = recon_checks.replication(asked, context())
    assert section.lines == ["Oldest completion was NEVER by 10.0.0.1:6200."]
    assert section.stats["replication_time"].total == 5


def test_an_auditor_that_tells_of_its_devices_in_parts():
    parts = {"sda": {"audit_time": 2, "passes": 3}, "sdb": {"audit_time": 5, "passes": 4}}
    whole = {"audit_time": 1, "passes": 1, "errors": 1}
    asked = hosts(*({"auditor/object": {"object_auditor_stats_ALL": stats}} for stats in (parts, whole)))
    stats = recon_checks.object_auditor(asked, context()).stats
    assert (stats["ALL_audit_time_last_path"].high, stats["ALL_passes_last_path"].total) == (7, 8)
    assert stats["ZBF_auditor"] is None


def disk(device, used, **changes):
    space = {"size": 10 * GB, "used": used * GB, "avail": (10 - used) * GB}
    return {"device": device, "mounted": True, **space, **changes}


def test_plain_directories_are_no_unmounted_devices():
    """The answer of the server is that of OpenStack Swift, whatever mount_check says; ours tells that, too."""
    rows = [{"device": "d1", "mounted": False}, {"device": "d2", "mounted": "[Errno 5] Input/output error"}]
    space = [{"device": "d1", "mounted": False, "size": "", "used": "", "avail": ""}]
    told = {"unmounted": rows, "diskusage": space}
    asked = hosts({**told, "facts": {"settings": {"mount_check": False}}}, told)
    assert recon_checks.unmounted(asked, context()).lines == [
        "Device errors: d2 on 10.0.0.1:6200",
        "Not mounted: d1 on 10.0.0.2:6200",
        "Device errors: d2 on 10.0.0.2:6200",
    ]
    assert recon_checks.disk_usage(asked, context()).lines == [
        "-> 10.0.0.1:6200: plain directories do for devices (mount_check = false), ask df",
        "-> 10.0.0.2:6200: Error. No drive info available.",
    ]


def test_a_device_without_a_directory_is_told_of_with_those_that_are_not_mounted():
    told = {"unmounted": [], "devices": {"/srv/node": ["sda"]}}
    asked = hosts(told, {**told, "devices": {"/srv/node": None}})
    asked = [replace(one, server=replace(one.server, devices={"object": ("sda", "sdb")})) for one in asked]
    section = recon_checks.unmounted(asked, context())
    assert section.lines == ["Missing: sdb on 10.0.0.1:6200"]
    assert section.facts["unmounted"] == [{"host": "10.0.0.1:6200", "device": "sdb", "mounted": False}]


def test_disks():
    rows = [disk("sda", 5), disk("sdb", 9), disk("sdc", 0, mounted="[Errno 5] Input/output error")]
    none = [{"device": "sda", "mounted": False, "size": "", "used": "", "avail": ""}]
    asked = hosts({"diskusage": rows}, {"diskusage": none})
    section = recon_checks.disk_usage(asked, context(top=1, lowest=1, human=True))
    assert section.lines == [
        "-> 10.0.0.1:6200/sdc: Error: [Errno 5] Input/output error",
        "-> 10.0.0.2:6200: Error. No drive info available.",
        "Distribution Graph:",
        f" 50%    1 {'*' * 69}",
        f" 90%    1 {'*' * 69}",
        "Disk usage: space used: 14 GB of 20 GB",
        "Disk usage: space free: 6 GB of 20 GB",
        "Disk usage: lowest: 50.0%, highest: 90.0%, avg: 70.0%",
        "TOP 1",
        "90.00%  10.0.0.1        sdb",
        "LOWEST 1",
        "50.00%  10.0.0.1        sda",
    ]
    assert section.facts["devices"][0] == {"host": "10.0.0.1", "device": "sda", "percent": 50.0}


def test_what_is_not_as_here():
    asked = hosts(
        {"ringmd5": {"/x/object.ring.gz": "a", "/x/account.ring.gz": "?"}},
        {"ringmd5": {"/x/object.ring.gz": "b"}},
        {},
    )
    facts = recon_checks.ring_sums(asked, context()).facts
    assert (facts["matched"], facts["errors"], list(facts["differing"])) == (1, 2, ["10.0.0.2:6200"])


@pytest.mark.parametrize(
    "there, jitter, matches", [(100.5, 0, 1), (102.0, 0, 0), (102.0, 1.5, 1), (98.0, 1.5, 0), (None, 9, 0)]
)
def test_clocks(there, jitter, matches):
    facts = recon_checks.clocks(hosts({"time": there}), context(jitter=jitter)).facts
    assert facts["matched"] == matches


def test_versions_and_kinds():
    asked = hosts(
        {"version": {"version": "1"}, "server": "object-server"}, {"version": {"version": "2"}, "server": "x"}
    )
    assert recon_checks.versions(asked, context()).lines == [
        "Versions not matched (1, 2), 0 error[s] while checking hosts."
    ]
    assert recon_checks.server_types(asked, context()).facts == {"ok": 1, "hosts": 2, "invalid": {"10.0.0.2:6200": "x"}}


def test_quarantines_of_policies():
    asked = hosts({"quarantined": {"objects": 3, "containers": 0, "accounts": 1, "policies": {"1": {"objects": 3}}}})
    section = recon_checks.quarantined(asked, context())
    assert {name: stats.total for name, stats in section.stats.items()} == {
        "quarantined_objects_1": 3,
        "quarantined_objects": 3,
        "quarantined_containers": 0,
        "quarantined_accounts": 1,
    }


def test_the_table_and_the_lines():
    section = Section("Title", {"long_name": stats_of("long_name", [1.5, 2]), "none": None}, ["about a host"])
    assert tables_of(section) == [
        "",
        "Title",
        "              low  high   avg  total  reported  no result",
        "  long_name  1.50     2  1.75   3.50         2          0",
        "  none          -     -     -      -         0          -",
        "  about a host",
    ]
    assert lines_of(section)[1:3] == [
        "[long_name] low: 1, high: 2, avg: 1.8, total: 3, Failed: 0.0%, no_result: 0, reported: 2",
        "[none] - No hosts returned valid data.",
    ]


def test_regions_and_zones():
    devices = [
        {"ip": f"10.0.0.{zone}", "port": 1, "device": "d", "region": zone % 2, "zone": zone} for zone in (1, 2, 3)
    ]
    rings = [RingFacts("object", "", devices=devices)]
    assert [server.ip for server in recon.servers_in(rings, 1, None)] == ["10.0.0.1", "10.0.0.3"]
    assert [server.ip for server in recon.servers_in(rings, 1, 3)] == ["10.0.0.3"]


def test_arguments_that_are_none(tmp_path, capsys):
    assert recon.main([]) == 0
    assert "usage: swiftlite-recon" in capsys.readouterr().out
    assert recon.main(["proxy", "-a"]) == 1
    assert "Invalid Server Type" in capsys.readouterr().err
    assert recon.main(["object", "-a", "--swiftdir", str(tmp_path)]) == 1
    assert "there is no object ring" in capsys.readouterr().err


def test_every_section_is_json():
    for question in recon.QUESTIONS:
        for answers in ({}, dict.fromkeys((name.format(kind="object") for name in question.asks), "nonsense")):
            json.dumps(question.check(hosts(answers), context()).as_json())
