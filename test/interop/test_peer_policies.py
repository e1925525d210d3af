"""Storage policies: swift.conf is read alike, and the replicas of both sides agree on whose policy is a container's."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import pytest

from interop import peer
from swiftlite.common.config import ConfFile, ConfigError
from swiftlite.common.policies import read_policies
from swiftlite.core.misplaced import Claim, Entry, queue_rows
from swiftlite.core.timestamp import Timestamp

PARSE = """
from configparser import ConfigParser
from swift.common.storage_policy import parse_storage_policies
answer = []
for text in argument:
    conf = ConfigParser(interpolation=None)
    conf.read_string(text)
    try:
        policies = parse_storage_policies(conf)
    except Exception as error:
        answer.append(str(error))
        continue
    answer.append({
        "policies": [
            [int(p), p.name, p.aliases, p.is_default, p.is_deprecated, p.policy_type, str(p.ring_name)] for p in policies
        ],
        "info": policies.get_policy_info(),
        "named": [getattr(policies.get_by_name(name), "name", None) for name in ("GOLD", "yellow", "Policy-0", "0")],
    })
"""
COMPARE = """
from swift.container.reconciler import cmp_policy_info
answer = [cmp_policy_info(*pair) for pair in argument]
"""
READ_QUEUE = """
from swift.container.reconciler import get_reconciler_container_name, parse_raw_obj
answer = []
for row, listed in argument:
    entry = parse_raw_obj(listed)
    entry["q_ts"], entry["q_record"] = entry["q_ts"].internal, entry["q_record"].internal
    answer.append([get_reconciler_container_name(row["created_at"]), entry])
"""

GOOD = "[storage-policy:0]\nname = gold\n{0}\n[storage-policy:1]\nname = silver\n{1}\n"
LONE = "[storage-policy:{0}]\n{1}\n"
TEXTS = [
    "[swift-hash]\n",
    *(LONE.format(index, "name = gold") for index in ("0", "1", "00", "x", "-1", "", " 0", "1_0", "²")),
    *(
        LONE.format("0", options)
        for options in (
            "",
            "name =",
            "name = a b",
            "name = a.b",
            "name = Policy-0",
            "name = gold\ndefault = no",
            "name = gold\ndeprecated = yes",
            "name = gold\ndefault = yes\ndeprecated = yes",
            "name = gold\ndefault = maybe",
            "name = gold\naliases = yellow, au ,, Yellow-2",
            "name = gold\naliases = gold",
            "name = gold\naliases = GOLD",
            "name = gold\naliases = yellow, yellow",
            "name = gold\naliases = yel low",
            "name = gold\naliases = policy-0",
            "aliases = yellow",
            "name = gold\npolicy_type = replication",
            "name = gold\npolicy_type = none",
            "name = gold\ncolor = red",
            "name = gold\nec_type = x",
            "name = gold\ndiskfile_module = egg:swift#replication.fs",
        )
    ),
    *(
        GOOD.format(*options)
        for options in (
            ("", ""),
            ("default = yes", ""),
            ("", "default = on"),
            ("default = yes", "default = yes"),
            ("default = yes", "deprecated = yes"),
            ("default = yes\ndeprecated = yes", ""),
            ("deprecated = yes", "default = yes"),
            ("default = yes", "aliases = gold"),
            ("default = yes\naliases = yellow, GOLD-2", "aliases = Yellow"),
            ("default = yes", "aliases = policy-0"),
            ("default = yes", "aliases = 0"),
            ("default = yes\naliases = Policy-0", ""),
        )
    ),
    "[storage-policy:1]\nname = silver\ndefault = yes\n[storage-policy:0]\nname = gold\n",
    "[storage-policy:1]\nname = silver\n[storage-policy:2]\nname = gold\ndefault = yes\n",
    "[storage-policy:0]\nname = gold\ndefault = yes\n[storage-policy:00]\nname = silver\n",
]


def read(path: Path, text: str) -> dict[str, Any] | None:
    path.write_text(text)
    try:
        policies = read_policies(ConfFile.load(str(path)))
    except ConfigError:
        return None
    named = [policies.by_name(name) for name in ("GOLD", "yellow", "Policy-0", "0")]
    return {
        "policies": [
            [
                policy.index,
                policy.name,
                ", ".join(policy.all_names),
                policy is policies.default,
                policy.is_deprecated,
                policy.policy_type,
                policy.ring_name,
            ]
            for policy in policies
        ],
        "info": policies.for_info(),
        "named": [policy and policy.name for policy in named],
    }


def test_policies_are_read_alike(swift_dir: Path, tmp_path: Path) -> None:
    theirs = peer.evaluate(swift_dir, PARSE, TEXTS)
    unlike = {}
    for text, answer in zip(TEXTS, theirs, strict=True):
        ours = read(tmp_path / "policies.conf", text)
        if ours != (answer if isinstance(answer, dict) else None):
            unlike[text] = (ours, answer)
    assert not unlike, "\n".join(f"{text!r}: {both}" for text, both in unlike.items())


def test_both_sides_agree_on_whose_policy_is_right(swift_dir: Path) -> None:
    """Whoever replicates with whom: at one moment exactly, where the peer cannot decide, the lower index is right."""
    chance = random.Random(18)
    times = [Timestamp(0).internal, *(Timestamp(1700000000 + n).internal for n in range(4))]

    def info(index: int) -> dict[str, Any]:
        keys = ("put_timestamp", "delete_timestamp", "status_changed_at")
        return {"storage_policy_index": index, "count": chance.randrange(2)} | {
            key: chance.choice(times) for key in keys
        }

    pairs = [(info(0), info(1)) for _ in range(3000)]
    for pair, verdict in zip(pairs, peer.evaluate(swift_dir, COMPARE, pairs), strict=True):
        local, remote = map(Claim.from_info, pair)
        assert remote.beats(local) == (verdict > 0), pair
        assert local.beats(remote) == (verdict <= 0), pair


@pytest.mark.parametrize("deleted", [0, 1])
def test_the_queue_is_read_alike(swift_dir: Path, deleted: int) -> None:
    encoded = ["1700006399.99999", "1700006399.99999_2a", "1700006399.00000+0+186a0", "1700006399.00000_3+5-2"]
    names = ["o", "a/b//c", "é ☃", "1:/a/c/o"]
    rows = [
        {"name": name, "created_at": created_at, "deleted": deleted, "storage_policy_index": index}
        for name, created_at, index in itertools.product(names, encoded, (0, 12))
    ]
    cases = []
    for row in rows:
        ((queue, (queued,)),) = queue_rows([row], "AUTH_é", "c c").items()
        seconds = Timestamp(row["created_at"].partition("+")[0].partition("_")[0])
        listed = {
            "name": queued["name"],
            "hash": queued["etag"],
            "content_type": queued["content_type"],
            "last_modified": seconds.isoformat,
        }
        cases.append((queue, row, listed))
    answers = peer.evaluate(swift_dir, READ_QUEUE, [case[1:] for case in cases])
    for (queue, row, listed), (container, theirs) in zip(cases, answers, strict=True):
        assert queue == container
        ours = Entry.from_listing(queue, listed)
        assert theirs == {
            "q_policy_index": ours.policy_index,
            "account": ours.target.account,
            "container": ours.target.container,
            "obj": ours.target.object,
            "q_op": "DELETE" if ours.is_deletion else "PUT",
            "q_ts": ours.timestamp.internal,
            "q_record": ours.queued.internal,
            "path": ours.target.path,
        }
        assert ours.target.object == row["name"]
