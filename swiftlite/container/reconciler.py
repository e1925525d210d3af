"""The container reconciler: moves objects into the policy of their container, as its queue tells (formats.md 1.8)."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from swiftlite.common import daemon
from swiftlite.common.config import SHORTEST, ConfFile, ConfigError, option
from swiftlite.common.subrequest import SubResponse
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core import copies, misplaced
from swiftlite.core.metadata import is_system_metadata
from swiftlite.core.misplaced import Action, Entry, Known, Plan, Source
from swiftlite.core.names import EntityName, quote_path
from swiftlite.core.quorum import Reply, majority
from swiftlite.core.timestamp import Timestamp
from swiftlite.ring.ring import Ring
from swiftlite.wire.backend import BackendRequest
from swiftlite.wire.direct import ask_all, user_agent
from swiftlite.wire.internal_client import InternalClient, UnexpectedResponse
from swiftlite.wire.messages import POLICY_INDEX
from swiftlite.wire.node_client import node_client

NOT_POSTED = frozenset({"content-length", "content-type", "etag", "x-static-large-object"})
"""Headers of a PUT that a POST leaves as they are."""


@dataclass(frozen=True)
class ReconcilerOptions(daemon.DaemonOptions):
    """Options of ``[container-reconciler]`` (formats.md 8.3)."""

    interval: float = option(30.0, "seconds from the start of one pass to the start of the next")
    concurrency: int = option(1, "objects that are moved at once", least=1)
    node_timeout: float = option(10.0, "seconds to wait for a server's answer", least=SHORTEST)
    reclaim_age: float = option(
        604800.0, "seconds after which an object is given up that is not to be found, or whose container is gone"
    )
    request_tries: int = option(3, "how often a request is sent that is answered with a server error", least=1)
    processes: int = option(0, "how many reconcilers share the work, on this node and others; 0: this one does all")
    process: int = option(0, "which of them this one is, from 0")
    internal_client_conf_path: str = option(
        "", "conf with the pipeline that requests go down; default: this one if it has one, else internal-client.conf"
    )


class NotYet(Exception):
    """An entry cannot be settled now; says why. It stays in the queue."""


class ContainerReconciler(daemon.Daemon):
    """Move objects into the storage policy of their container.

    :param client: lists the queue, and moves objects
    """

    section = "container-reconciler"
    options_class = ReconcilerOptions
    switches = {
        "processes": "how many reconcilers share the work; instead of the conf's",
        "process": "which of them this one is, from 0; instead of the conf's",
    }
    client: InternalClient

    def __init__(self, options: ReconcilerOptions, swift: SwiftConf, logger: logging.Logger) -> None:
        super().__init__(options, swift, logger)
        self.container_ring = Ring(options.swift_dir, "container", hash_path=swift.hash_path)
        self.object_rings = {
            policy.index: Ring(options.swift_dir, policy.ring_name, hash_path=swift.hash_path)
            for policy in swift.policies
        }
        self.direct = node_client(swift.backend_tls, options.conn_timeout, options.node_timeout, logger)

    @classmethod
    def from_conf(cls, conf: ConfFile, texts: dict[str, str]) -> ContainerReconciler:
        """Make it from its conf file, which may have the pipeline of its client, too.

        :raises StartError: when one of both cannot be used
        """
        made = super().from_conf(conf, texts)
        assert isinstance(made, cls)
        options = made.options
        if not 0 <= options.process < max(1, options.processes):
            problem = f"{options.process} is none of {options.processes} processes, which are numbered from 0"
            raise ConfigError(conf.path, cls.section, "process", problem, "correct it")
        path = options.internal_client_conf_path
        if not path:
            own = conf.has("pipeline:main")
            if own and any(conf.has(f"app:{kind}-server") for kind in ("account", "container", "object")):
                problem = "this is the conf of a storage server, not the reconciler's"
                raise ConfigError(conf.path, "pipeline:main", None, problem, "give it container-reconciler.conf")
            path = conf.path if own else os.path.join(options.swift_dir, "internal-client.conf")
        agent, tries = "Swift Container Reconciler", options.request_tries
        made.client = InternalClient.from_conf(path, options.swift_dir, agent, tries, made.logger)
        return made

    # The queue ----------------------------------------------------------------------------------------------------

    def jobs(self) -> Iterator[Entry]:
        """This reconciler's share of the queue, what was queued last first."""
        current = misplaced.queue_container(Timestamp(time.time()).internal)
        yield from self._entries(current)  # Its account may not have heard of it yet.
        for listed in reversed(list(self.client.containers(misplaced.ACCOUNT))):
            if listed["name"] != current:
                yield from self._entries(listed["name"])

    def _entries(self, queue: str) -> Iterator[Entry]:
        is_empty = True
        try:
            for listed in self.client.objects(misplaced.ACCOUNT, queue):
                is_empty = False
                try:
                    entry = Entry.from_listing(queue, listed)
                except (KeyError, ValueError) as error:
                    self.counts["unreadable"] += 1
                    self.logger.error("%s: cannot understand %s/%s: %s", self.section, queue, listed, error)
                    continue
                if self._is_mine(entry.target):
                    yield entry
            if is_empty and queue.isdecimal() and self._is_old(float(queue)):
                # 409: a row has come meanwhile.
                self.client.delete(misplaced.ACCOUNT, queue, accept=(404, 409))
        except UnexpectedResponse as error:
            self.counts["errors"] += 1
            self.logger.error("%s: %s, going on with the next container", self.section, error)

    def _is_mine(self, target: EntityName) -> bool:
        processes = self.options.processes
        return processes < 2 or int(self.swift.hash_path.hex(*target), 16) % processes == self.options.process

    def _is_old(self, moment: float) -> bool:
        return moment < time.time() - self.options.reclaim_age

    def work(self, entry: Entry) -> None:
        """Settle one entry, and take it out of the queue."""
        try:
            self._settle(entry)
        except (NotYet, UnexpectedResponse) as error:
            self.counts["retry"] += 1
            self.logger.info("%s: %s stays in the queue: %s", self.section, entry.row, error)
            return
        self.counts["success"] += 1
        self._remove(entry)

    def _remove(self, entry: Entry) -> None:
        """Take the row out of every replica of its container; one that cannot be asked learns of it from the others."""
        partition, nodes = self.container_ring.get_nodes(misplaced.ACCOUNT, entry.queue)
        request = BackendRequest("DELETE", partition, quote_path(f"/{misplaced.ACCOUNT}/{entry.queue}/{entry.row}"))
        ask_all(self.direct, nodes, request, self._headers(0, entry.removed_at), self.logger)

    def _headers(self, policy_index: int, timestamp: Timestamp) -> dict[str, str]:
        return {
            "X-Timestamp": timestamp.internal,
            POLICY_INDEX: str(policy_index),
            "User-Agent": user_agent(self.section),
        }

    # One object ---------------------------------------------------------------------------------------------------

    def _settle(self, entry: Entry) -> None:
        """See to it that the right policy has the change that an entry tells of, and then that the wrong one has not.

        :raises NotYet, UnexpectedResponse: when that could not be done, or only in part
        """
        right = self._right_policy(entry)
        if right is None:
            return
        for index in (right, entry.policy_index):
            if index not in self.object_rings or self.object_rings[index].next_part_power is not None:
                raise NotYet(f"policy {index} is unknown here, or in the middle of a part power increase")
        settled = misplaced.plan(entry, self._source(entry))
        known = self._known(entry.target, right, settled.action)
        if known.has(settled.wanted) or self._bring(entry, right, settled, known):
            self._clean(entry, settled.cleaned)

    def _right_policy(self, entry: Entry) -> int | None:
        """The policy that the object belongs in; None when there is nothing to be done.

        :raises NotYet: when the container's replicas do not tell
        """
        account, container, _ = entry.target
        partition, nodes = self.container_ring.get_nodes(account, container)
        request = BackendRequest("HEAD", partition, quote_path(f"/{account}/{container}"))
        replies = ask_all(self.direct, nodes, request, {"User-Agent": user_agent(self.section)}, self.logger)
        claims = [misplaced.Claim.from_headers(reply.headers) for reply in replies if _is_answer(reply)]
        if len(claims) < majority(len(nodes)):
            raise NotYet("too few replicas of its container answer")
        best = misplaced.best_claim(claims)
        if best is None or best.is_deleted:
            # One that cannot be asked may be the only one that has kept its disk.
            if best is None and len(claims) == len(nodes) and self._is_old(float(entry.timestamp)):
                self.counts["without_container"] += 1
                return None
            raise NotYet("there is no such container")
        if best.policy_index != entry.policy_index:
            return best.policy_index
        # Another policy may prove right later; the row, once removed, cannot be queued again.
        if len(claims) < len(nodes) or any(
            claim.policy_index != best.policy_index and not claim.is_void for claim in claims
        ):
            raise NotYet("the replicas of its container do not agree on its policy yet")
        self.counts["in_place"] += 1
        return None

    def _source(self, entry: Entry) -> Source | None:
        response = self._ask("HEAD", entry, entry.policy_index, accept=(404,))
        response.close()
        if response.status == 404:
            return None
        delete_at = response.header("X-Delete-At")
        return Source(_data_time(response), delete_at is not None and int(delete_at) <= time.time())

    def _ask(self, method: str, entry: Entry, policy_index: int, accept: tuple[int, ...] = ()) -> SubResponse:
        """Look for the newest version of an object in one policy, be it expired; links are not followed."""
        headers = {POLICY_INDEX: str(policy_index), "X-Newest": "true", "X-Backend-Open-Expired": "true"}
        return self.client.request(method, _names(entry), query={"symlink": "get"}, headers=headers, accept=accept)

    def _known(self, target: EntityName, policy_index: int, action: Action) -> Known:
        """What the replicas of the right policy know.

        :raises NotYet: when too few answer
        """
        partition, nodes = self.object_rings[policy_index].get_nodes(*target)
        headers = {
            POLICY_INDEX: str(policy_index),
            "X-Backend-Open-Expired": "true",
            "User-Agent": user_agent(self.section),
        }
        request = BackendRequest("HEAD", partition, quote_path(target.path))
        replies = ask_all(self.direct, nodes, request, headers, self.logger)
        times = [misplaced.known_time(reply, action) for reply in replies]
        if sum(time is not None for time in times) < majority(len(nodes)):
            raise NotYet(f"too few servers of policy {policy_index} answer")
        return Known(times)

    def _bring(self, entry: Entry, right: int, settled: Plan, known: Known) -> bool:
        """Write into the right policy what it lacks; return whether there is something to clean up in the wrong one.

        :raises NotYet: when it may not have it now
        """
        if settled.action is Action.NOTHING:
            if not self._is_old(float(entry.timestamp)):
                raise NotYet(f"policy {entry.policy_index} does not have it at the moment")
            self.counts["lost"] += 1
            self.logger.error("%s: %s was never found, and is given up", self.section, entry.row)
            return False
        if settled.action is Action.PUT:
            done = self._move(entry, right, settled, known.time_to_write(settled))
            self.counts["moved"] += done
        else:
            headers = self._headers(right, settled.written)
            done = self.client.delete(*_names(entry), headers=headers, accept=(404, 409)) == 204
            self.counts["deleted"] += 1
        # What was not plainly taken may have met something newer, on most replicas or on one.
        if not done and not self._known(entry.target, right, settled.action).has(settled.wanted):
            raise NotYet(f"most servers of policy {right} do not have it yet")
        return True

    def _move(self, entry: Entry, right: int, settled: Plan, written: Timestamp) -> bool:
        """Copy an object from policy to policy; return whether a quorum has taken it.

        :raises NotYet: when another version is there now
        """
        source = self._ask("GET", entry, entry.policy_index)
        try:
            if _data_time(source) != settled.wanted:
                raise NotYet(f"it has changed in policy {entry.policy_index} meanwhile")
            headers = dict(copies.exact_headers(source.headers))
            status = self.client.upload(_names(entry), source, headers | self._headers(right, written))
        finally:
            source.close()
        posted = Timestamp(source.header("X-Backend-Timestamp") or "0")
        if posted > settled.wanted:
            # The copy has the metadata already; this is for their time, and for that of listings.
            changed = {
                name: value
                for name, value in headers.items()
                if name.lower() not in NOT_POSTED and not is_system_metadata("object", name)
            }
            changed |= self._headers(right, Timestamp(posted, offset=3))
            self.client.request("POST", _names(entry), headers=changed, accept=(404, 409)).close()
        return status == 201

    def _clean(self, entry: Entry, timestamp: Timestamp) -> None:
        """Delete in the wrong policy what the right one has.

        :raises NotYet: when it has something newer, which has to be moved first
        """
        headers = self._headers(entry.policy_index, timestamp)
        response = self.client.request("DELETE", _names(entry), headers=headers, accept=(404, 409))
        response.close()
        # A 404 of the proxy's own is that of the container, which may have been made a moment ago.
        if response.status == 409 or (response.status == 404 and not response.header("X-Backend-Timestamp")):
            raise NotYet(f"policy {entry.policy_index} answers {response.status_line} to the DELETE")


def _names(entry: Entry) -> tuple[str, ...]:
    account, container, name = entry.target
    assert container is not None and name is not None
    return account, container, name


def _is_answer(reply: Reply | None) -> bool:
    return reply is not None and (reply.status // 100 == 2 or reply.status == 404)


def _data_time(response: SubResponse) -> Timestamp:
    return Timestamp(response.header("X-Backend-Data-Timestamp") or response.header("X-Backend-Timestamp") or "0")


def main(argv: list[str]) -> int:
    """Run it: ``CONF [once] [-v] [-o | --once] [--processes N] [--process N]``; returns the exit status."""
    return daemon.main(ContainerReconciler, argv)
