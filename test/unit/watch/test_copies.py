"""Which way a ring is copied, whom a remedy leaves able to read what it has copied, and who is not compared."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.watch.test_rules import RSYNC, device_of, disk, healthy, ring, ring_of, together, told

from functional.remedies import commands, problem
from swiftlite.core.metrics_text import Sample
from swiftlite.watch import judging
from swiftlite.watch.copying import new_rings
from swiftlite.watch.facts import Asked, Server, SwiftConfFacts
from swiftlite.watch.findings import Limits
from swiftlite.watch.proxies import LocalProxy, apart, with_sums

RING = "/etc/swift/object.ring.gz"
STALE, NEW = ("old", 4), ("new", 5)


def holding(number, md5, version=None, is_local=False):
    """A node whose servers have a certain object ring."""

    def change(view):
        view = told(number, "*", "ringmd5", RING, md5)(view)
        if version is not None:
            view = told(number, "*", "facts", "rings", {RING: {"version": version, "part_power": 10}})(view)
        servers = [
            replace(one, server=replace(one.server, is_local=is_local or one.server.is_local))
            if one.server.ip == f"10.0.0.{number}"
            else one
            for one in view.servers
        ]
        return replace(view, servers=tuple(servers))

    return change


def found(*changes):
    return [one for one in judging.findings(together(*changes)(healthy()), Limits()) if one.code == "ring-differs"]


def on_the_second_node(md5, version, builder=None):
    """This machine is the second node, and has no builders, as nodes have none."""
    return together(holding(2, md5, version, is_local=True), ring(md5=md5, version=version, builder=builder))


def test_a_stale_ring_here_is_replaced_and_does_not_replace_the_others():
    [finding] = found(holding(1, *NEW), on_the_second_node(*STALE), holding(3, *NEW))
    assert finding.subject == RING
    assert finding.fix == f"{RSYNC} 10.0.0.1:{RING} {RING}"
    assert "2 of 3" in finding.what


def test_a_stale_ring_elsewhere_is_replaced_by_that_of_most():
    [finding] = found(holding(1, *STALE), on_the_second_node(*NEW), holding(3, *NEW))
    assert finding.subject == f"10.0.0.1:{RING}"
    assert finding.fix == f"{RSYNC} {RING} 10.0.0.1:{RING}"


@pytest.mark.parametrize(
    "first, ours, third",
    [
        (("a", 4), ("b", 4), ("c", 4)),  # each has another
        (("a", 4), NEW, ("a", 4)),  # few have a newer one: on its way, or taken back?
        (NEW, STALE, STALE),
        (("a", None), ("b", None), ("c", None)),  # servers of OpenStack Swift tell no versions
    ],
)
def test_where_nobody_can_tell_it_is_only_looked_at(first, ours, third):
    findings = found(holding(1, *first), on_the_second_node(*ours), holding(3, *third))
    assert len(findings) == 1
    assert "nobody can tell" in findings[0].what
    assert {words[0] for words in commands(findings[0].fix)} == {"ls"}
    assert not problem(findings[0].fix)


def test_of_two_nodes_none_has_a_majority():
    two = [one for one in healthy().servers if one.server.ip != "10.0.0.3"]
    view = together(holding(1, *NEW), on_the_second_node(*STALE))(replace(healthy(), servers=tuple(two)))
    [finding] = [one for one in judging.findings(view, Limits()) if one.code == "ring-differs"]
    assert finding.what.startswith("version 5 is on 10.0.0.1; version 4 is on 10.0.0.2: nobody can tell")
    assert finding.fix == (f"ls -l --time-style=full-iso {RING} && ssh 10.0.0.1 'ls -l --time-style=full-iso {RING}'")


def test_without_versions_the_majority_decides():
    [finding] = found(holding(1, "new"), on_the_second_node("old", None), holding(3, "new"))
    assert finding.fix == f"{RSYNC} 10.0.0.1:{RING} {RING}"


def test_what_a_builder_here_has_made_is_brought_to_all():
    builder = ring_of("object").builder
    findings = found(*(holding(n, *STALE) for n in (1, 2, 3)), ring(md5="new", version=5, builder=builder))
    assert [one.fix for one in findings] == [f"{RSYNC} {RING} 10.0.0.{n}:{RING}" for n in (1, 2, 3)]


def test_a_builder_that_is_older_than_the_rings_of_others_overwrites_none():
    builder = ring_of("object").builder
    [finding] = found(*(holding(n, *NEW) for n in (1, 2, 3)), ring(md5="old", version=4, builder=builder))
    assert {words[0] for words in commands(finding.fix)} == {"ls"}


# --- who can read it afterwards ---


def test_a_node_that_tells_its_group_gets_its_files_for_it():
    change = together(
        told(3, "*", "facts", "group", "store"), told(3, "*", "swiftconfmd5", "/etc/swift/swift.conf", "x")
    )
    [finding] = judging.findings(change(healthy()), Limits())
    assert commands(finding.fix)[0][:4] == ["rsync", "-a", "--chown=root:store", "--chmod=F640"]


def test_no_file_is_copied_to_a_node_without_its_owner_and_mode():
    conf = SwiftConfFacts("/etc/swift/swift.conf", problem="no such file")
    changes = [
        *(together(holding(1, *NEW), on_the_second_node(*STALE), holding(3, *NEW)),),
        told(3, "*", "ringmd5", {"/etc/swift/account.ring.gz": "account", "/etc/swift/container.ring.gz": "container"}),
        told(3, "*", "swiftconfmd5", "/etc/swift/swift.conf", "other"),
        told(3, "*", "facts", "hash_path", {"prefix": False, "suffix": False}),
        lambda view: replace(view, swift_conf=conf),
        lambda view: replace(view, missing_rings=("object", "object-1")),
        told(1, "*", "facts", "devices", disk(free=10**12 // 10)),
    ]
    copied = [
        words
        for change in changes
        for finding in judging.findings(change(healthy()), Limits())
        for words in commands(finding.fix)
        if words[0] == "rsync"
    ]
    assert len(copied) >= 8
    assert {tuple(words[1:4]) for words in copied} == {("-a", "--chown=root:swift", "--chmod=F640")}


def test_a_server_that_may_not_read_swift_conf_is_not_said_to_lack_rings():
    change = together(
        told(3, "object", "swiftconfmd5", "/etc/swift/swift.conf", None),
        told(3, "object", "facts", "hash_path", {"prefix": False, "suffix": False}),
        told(3, "object", "ringmd5", {"/etc/swift/account.ring.gz": "account"}),
    )
    assert {one.code for one in judging.findings(change(healthy()), Limits())} == {"swift-conf-differs"}


# --- new rings ---


def test_less_weight_goes_into_all_rings_of_a_device_and_to_all_nodes():
    shared = tuple(
        replace(one, devices=tuple(device_of(n, one.name, port=6200) for n in (1, 2, 3))) for one in healthy().rings
    )
    servers = [
        replace(one, server=replace(one.server, port=6200, devices=dict.fromkeys(("account", "object"), ("sda",))))
        if one.server.kind == "object"
        else replace(one, server=replace(one.server, devices={}))
        for one in healthy().servers
    ]
    view = replace(healthy(), rings=shared, servers=tuple(servers))
    view = told(1, "*", "facts", "devices", disk(free=3 * 10**12 // 100))(view)
    [finding] = [one for one in judging.findings(view, Limits()) if one.code == "device-full"]
    done = commands(finding.fix)
    weights = {words[1]: words[-2] for words in done if "set_weight" in words}
    assert weights == {f"/etc/swift/{name}.builder": "67.7" for name in ("account", "object")}  # 97, 50 and 50 percent
    assert sum("rebalance" in words for words in done) == 2
    assert sum(words[0] == "rsync" for words in done) == 6
    pushed = judging.findings(replace(view, has_push=True), Limits())
    assert next(one.fix for one in pushed if one.code == "device-full").endswith(" && cd /etc/swift && ./push")


def test_where_no_builder_is_a_remedy_says_so():
    view = replace(healthy(), rings=tuple(replace(one, builder=None) for one in healthy().rings))
    assert new_rings(view, ["object"]).endswith("  # on the machine that has the builders")


# --- proxies ---


def proxy(samples):
    return with_sums(Asked(Server("proxy", "10.0.0.9", 8080), {"metrics": samples}))


def test_a_proxy_with_other_files_tells_it_by_its_metrics():
    samples = {
        "swiftlite_ring_info": [
            Sample({"ring": name, "md5": name}, 1.0) for name in ("account", "container", "object")
        ],
        "swiftlite_conf_info": [Sample({"file": "swift.conf", "md5": "conf"}, 1.0)],
    }
    assert judging.findings(replace(healthy(), servers=(*healthy().servers, proxy(samples))), Limits()) == []
    samples["swiftlite_conf_info"] = [Sample({"file": "swift.conf", "md5": "other"}, 1.0)]
    samples["swiftlite_ring_info"][2] = Sample({"ring": "object", "md5": "other"}, 1.0)
    findings = judging.findings(replace(healthy(), servers=(*healthy().servers, proxy(samples))), Limits())
    assert {one.code: one.subject for one in findings} == {
        "ring-differs": "10.0.0.9:/etc/swift/object.ring.gz",
        "swift-conf-differs": "10.0.0.9:/etc/swift/swift.conf",
    }


@pytest.mark.parametrize("labels", [{}, {"ring": "../x", "md5": "a"}, {"ring": "object"}])
def test_metrics_that_tell_nothing_are_no_files(labels):
    assert "ringmd5" not in proxy({"swiftlite_ring_info": [Sample(labels, 1.0)]}).answers


def test_a_proxy_of_this_machine_is_not_asked_twice():
    here = [LocalProxy("/etc/swift/proxy-server.conf", "127.0.0.1", 8080)]
    assert [one.address for one in apart([("127.0.0.1", 8080), ("10.0.0.9", 8080)], here)] == ["10.0.0.9:8080"]
