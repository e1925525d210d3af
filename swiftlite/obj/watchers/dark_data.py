"""DarkDataWatcher: finds objects that their container does not know, on any of its replicas."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core.json_text import load_json
from swiftlite.core.names import EntityName, quote_path
from swiftlite.core.quorum import Reply
from swiftlite.core.timestamp import Timestamp
from swiftlite.ring.ring import Ring
from swiftlite.wire.backend import BackendRequest
from swiftlite.wire.direct import ask_all, user_agent
from swiftlite.wire.node_client import node_client

ACTIONS = ("log", "delete", "quarantine")
GRACE_AGE = 604800.0
MAX_SHARDS = 8
"""Containers that one look follows from shard to shard."""

_SILENT = logging.Logger("dark data", logging.CRITICAL + 1)
"""A server that is away would be told of once for every object; the totals of the pass say it."""


class Answer(NamedTuple):
    """What one container server says of an object.

    :ivar knows: whether it lists it; None when it cannot tell
    :ivar shard: ``account/container`` of the shard that would
    """

    knows: bool | None
    shard: str | None = None


class DarkDataWatcher:
    """Looks every object of a full pass up in its container; slow, and meant for clusters with a reason to.

    An object is dark only if every primary of its container answers, has the container, and does not list the object.

    :param conf: ``action`` (log, delete or quarantine), ``grace_age`` in seconds, and the auditor's options
    """

    def __init__(self, conf: Mapping[str, str], logger: logging.Logger) -> None:
        self.logger = logger
        self.action = conf.get("action", "log").strip()
        if self.action not in ACTIONS:
            logger.warning("watcher dark_data: there is no action %r: dark data are logged", self.action)
            self.action = "log"
        self.grace_age = float(conf.get("grace_age", GRACE_AGE))
        swift_dir = conf.get("swift_dir", "/etc/swift")
        self.swift = SwiftConf.load(swift_dir)
        self.ring = Ring(swift_dir, "container", hash_path=self.swift.hash_path)
        timeouts = float(conf.get("conn_timeout", 0.5)), float(conf.get("node_timeout", 3))
        self.client = node_client(self.swift.backend_tls, *timeouts, logger)
        self.is_full = True
        self.unknown = self.dark = self.okay = 0

    def start(self, audit_type: str) -> None:
        """A pass begins; only full ones are worth the requests."""
        self.is_full = audit_type == "ALL"
        self.unknown = self.dark = self.okay = 0

    def see_object(self, object_metadata: Mapping[str, str], data_file_path: str) -> str | None:
        """Look an object up; returns ``quarantine`` or ``delete`` where it is dark and that is the action."""
        if not self.is_full:
            return None
        if float(Timestamp(object_metadata["X-Timestamp"])) + self.grace_age >= time.time():
            self.okay += 1  # its row may be under way
            return None
        known = self._is_known(EntityName.from_path(object_metadata["name"]), self._policy_index(data_file_path))
        if known is None:
            self.unknown += 1
        elif known:
            self.okay += 1
        else:
            self.dark += 1
            self.logger.warning("watcher dark_data: no container knows %s: %s", object_metadata["name"], data_file_path)
            return None if self.action == "log" else self.action
        return None

    def end(self) -> None:
        """The pass is over: say what came of it."""
        if self.is_full:
            self.logger.info("watcher dark_data: %d unknown, %d okay, %d dark", self.unknown, self.okay, self.dark)

    def _policy_index(self, data_file_path: str) -> int:
        objects_dir = data_file_path.split("/")[-5]
        return next((policy.index for policy in self.swift.policies if policy.objects_dir == objects_dir), 0)

    def _is_known(self, name: EntityName, policy_index: int) -> bool | None:
        """Whether any replica of its container lists an object; None when one cannot be asked.

        Both among the objects of the container's own policy and among those of the object's: the reconciler may be
        about to move it from one to the other.
        """
        assert name.container is not None and name.object is not None
        for headers in ({}, {"X-Backend-Storage-Policy-Index": str(policy_index)}):
            known = decide(self._answers(name, headers))
            if known is not False:
                return known
        return False

    def _answers(self, name: EntityName, headers: Mapping[str, str]) -> Iterator[Answer]:
        """What all servers say, those of shards that they point to included."""
        due, seen = [f"{name.account}/{name.container}"], set[str]()
        while due:
            container = due.pop()
            # Asked a second time, a container that points to itself says which objects it has of its own.
            record_type = "object" if container in seen else "auto"
            seen.add(container)
            if len(seen) > MAX_SHARDS:
                yield Answer(None)
                return
            shards = set()
            for answer in self._ask(container, name.object or "", {**headers, "X-Backend-Record-Type": record_type}):
                if answer.shard and record_type == "auto":
                    shards.add(answer.shard)
                else:
                    yield answer
            due += shards

    def _ask(self, path: str, object_name: str, headers: Mapping[str, str]) -> list[Answer]:
        account, _, container = path.partition("/")
        partition, nodes = self.ring.get_nodes(account, container)
        query = {"format": "json", "prefix": object_name, "limit": "1", "includes": object_name, "states": "listing"}
        request = BackendRequest("GET", partition, f"{quote_path('/' + path)}?{urlencode(query)}")
        sent = {**headers, "X-Backend-Allow-Reserved-Names": "true", "User-Agent": user_agent("object-auditor")}
        return [read_answer(reply, object_name) for reply in ask_all(self.client, nodes, request, sent, _SILENT)]


def read_answer(reply: Reply | None, object_name: str) -> Answer:
    """What a reply to a listing says; one that fails, or is none, says nothing, not even that there is no container."""
    if reply is None or not 200 <= reply.status < 300:
        return Answer(None)
    try:
        rows = load_json(reply.body) if reply.body else []
        names = [row["name"] for row in rows]
    except (ValueError, TypeError, KeyError):
        return Answer(None)
    if reply.headers.get("X-Backend-Record-Type") == "shard":
        return Answer(False, names[0]) if names else Answer(None)  # its shards have a gap: nobody can tell
    return Answer(object_name in names)


def decide(answers: Iterable[Answer]) -> bool | None:
    """Whether an object is known: if one server knows it, it is; only if all can tell and none does, it is not."""
    silent, asked = False, False
    for answer in answers:
        asked = True
        if answer.knows:
            return True
        silent = silent or answer.knows is None
    return None if silent or not asked else False
