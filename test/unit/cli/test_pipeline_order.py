"""The order of a proxy's pipeline: the usual ones are right, and each mistake is told with its remedy."""

from __future__ import annotations

import pytest

from swiftlite.cli.layout import PIPELINE
from swiftlite.cli.pipeline_order import RULES, Member, mistakes
from swiftlite.common.pipeline import ALIASES, FILTERS

# Of OpenStack Swift's installation guides and sample (formats.md 8.4).
THEIRS = (
    "catch_errors gatekeeper healthcheck proxy-logging cache listing_formats container_sync bulk tempurl ratelimit "
    "tempauth copy container-quotas account-quotas slo dlo versioned_writes symlink proxy-logging proxy-server"
)
KEYSTONE = (
    "catch_errors gatekeeper healthcheck proxy-logging cache container_sync bulk ratelimit authtoken keystoneauth "
    "container-quotas account-quotas slo dlo versioned_writes proxy-logging proxy-server"
)
ALL_OURS = PIPELINE.replace(
    "proxy-logging cache", "crossdomain name_check cname_lookup domain_remap proxy-logging cache", 1
)
TRACED = PIPELINE.replace("catch_errors", "catch_errors tracing", 1)


def members(pipeline: str) -> list[Member]:
    names = pipeline.split()
    kinds = [ALIASES.get(name, name).replace("-", "_") for name in names]
    return [Member(name, kind, name == "proxy-server") for name, kind in zip(names, kinds)]


def told(pipeline: str) -> list[tuple[str, str, str]]:
    return [(mistake.level, mistake.problem, mistake.remedy) for mistake in mistakes(members(pipeline))]


@pytest.mark.parametrize("pipeline", [PIPELINE, ALL_OURS, THEIRS, KEYSTONE, TRACED])
def test_usual_pipelines_are_right(pipeline: str) -> None:
    assert told(pipeline) == []


@pytest.mark.parametrize(
    "old, new, problem, remedy",
    [
        ("tempauth copy", "tempauth tempauth copy", "tempauth is named 2 times", "name it once"),
        (" proxy-logging proxy-server", " proxy-server proxy-logging", "proxy-server is not the last", "to the end"),
        ("cache listing_formats container_sync bulk tempurl ratelimit", "listing_formats container_sync bulk tempurl ratelimit cache",
         "cache stands right of container_sync, bulk, tempurl, ratelimit: it finds no cache", "left of container_sync"),
        ("catch_errors gatekeeper", "gatekeeper catch_errors", "catch_errors is not the first", "to the front"),
        ("gatekeeper healthcheck proxy-logging cache", "healthcheck proxy-logging cache gatekeeper",
         "gatekeeper stands right of cache", "behind catch_errors"),
        ("bulk tempurl", "tempurl bulk", "may unpack an archive into the whole account", "move bulk left of tempurl"),
        ("bulk tempurl ratelimit tempauth", "ratelimit tempauth bulk tempurl", "temporary URLs are refused", "tempurl left of tempauth"),
        ("tempauth copy", "copy tempauth", "is not authorized", "move tempauth left of copy"),
        ("slo dlo", "dlo slo", "manifests are not joined", "move slo left of dlo"),
        ("versioned_writes symlink", "symlink versioned_writes", "versions of links", "left of symlink"),
        ("copy container-quotas", "container-quotas copy", "copies pass it by", "copy left of container-quotas"),
        ("proxy-logging ", "", "has no proxy-logging", "behind healthcheck"),
        ("tempauth ", "", "everybody may do everything", "add one"),
    ],
)  # fmt: skip
def test_each_mistake_is_told(old: str, new: str, problem: str, remedy: str) -> None:
    assert old in THEIRS
    found = told(THEIRS.replace(old, new))
    assert any(problem in each[1] and remedy in each[2] for each in found), found


def test_an_empty_pipeline() -> None:
    assert told("")[0][1] == "is empty"


def test_rules_are_about_filters_that_exist() -> None:
    """Each pair of a rule, the wrong way round, is found; and no two rules contradict each other."""
    before: dict[str, set[str]] = {}
    for rule in RULES:
        for right in rule.right:
            assert {rule.left, right} <= set(FILTERS)
            pair = [Member(right, right), Member(rule.left, rule.left), Member("proxy-server", "proxy", True)]
            assert any(rule.otherwise in mistake.problem for mistake in mistakes(pair))
            before.setdefault(rule.left, set()).add(right)

    def reaches(start: str, goal: str) -> bool:
        return goal in before.get(start, ()) or any(reaches(between, goal) for between in before.get(start, ()))

    assert not [name for name in before if reaches(name, name)]
