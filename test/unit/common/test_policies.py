"""Storage policies of swift.conf: what they may be, how they are found, which are refused (formats.md 1.6)."""

from __future__ import annotations

from pathlib import Path

import pytest

from swiftlite.common.config import ConfFile, ConfigError
from swiftlite.common.policies import StoragePolicies, read_policies

TWO = """
[storage-policy:0]
name = gold
aliases = yellow, Au
default = yes
[storage-policy:7]
name = silver
deprecated = true
"""


def policies_of(directory: Path, text: str) -> StoragePolicies:
    path = directory / "swift.conf"
    path.write_text(text)
    return read_policies(ConfFile.load(str(path)))


def test_without_a_section_there_is_one(tmp_path: Path) -> None:
    policies = policies_of(tmp_path, "[swift-hash]\n")
    assert [(policy.index, policy.name, policy.policy_type) for policy in policies] == [(0, "Policy-0", "replication")]
    assert policies.default.index == 0


def test_names_and_places(tmp_path: Path) -> None:
    policies = policies_of(tmp_path, TWO)
    assert len(policies) == 2
    gold, silver = policies
    assert policies.default is gold
    assert [policies.by_name(name) for name in ("GOLD", "au", "yellow", "silver", "7")] == [
        gold,
        gold,
        gold,
        silver,
        None,
    ]
    assert [policies.by_index(text) for text in ("7", 7, "", None, "1", "x")] == [
        silver,
        silver,
        gold,
        gold,
        None,
        None,
    ]
    assert (gold.objects_dir, gold.async_dir, gold.tmp_dir, gold.ring_name) == (
        "objects",
        "async_pending",
        "tmp",
        "object",
    )
    assert (silver.objects_dir, silver.async_dir) == ("objects-7", "async_pending-7")
    assert (silver.tmp_dir, silver.ring_name) == ("tmp-7", "object-7")


def test_info_hides_deprecated_ones(tmp_path: Path) -> None:
    assert policies_of(tmp_path, TWO).for_info() == [{"name": "gold", "aliases": "gold, yellow, Au", "default": True}]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[storage-policy:x]\nname = a\n", "the policy index is not a number"),
        ("[storage-policy:-1]\nname = a\n", "the policy index is not a number"),
        ("[storage-policy:1]\nname = a\n", "policy 0 is missing"),
        ("[storage-policy:0]\n", "'' is not made of letters"),
        ("[storage-policy:0]\nname = a_b\n", "'a_b' is not made of letters"),
        ("[storage-policy:0]\nname = a\naliases = b, c d\n", "'c d' is not made of letters"),
        ("[storage-policy:0]\nname = a\ncolour = red\n", "no such policy option"),
        ("[storage-policy:0]\nname = a\ndeprecated = yes\n", "one policy must remain"),
        (TWO.replace("silver", "YELLOW"), "a policy name is used twice"),
        (TWO.replace("silver", "policy-0"), "Policy-0 is the name of policy 0 alone"),
        (TWO.replace("default = yes", ""), "exactly one policy must be the default"),
        (TWO + "default = yes\n", "exactly one policy must be the default"),
        (TWO.replace("default = yes", "") + "default = yes\n", "a deprecated policy cannot be the default"),
        (TWO + "[storage-policy:07]\nname = bronze\n", "two policies have the same index"),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        policies_of(tmp_path, text)
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/swift.conf [storage-policy:")
