"""The object expirer: deletes the objects that have expired, as the rows of its queue tell (formats.md 1.8)."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from swiftlite.common import daemon, metrics, recon
from swiftlite.common.concurrency import GreenPool
from swiftlite.common.config import ConfFile, ConfigError, is_true, option
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core import expirations
from swiftlite.core.expirations import Delays, Share, Task
from swiftlite.core.timestamp import Timestamp
from swiftlite.ring.ring import Node, Ring
from swiftlite.wire.direct import RowRefused, RowUnsent, send_row, user_agent
from swiftlite.wire.internal_client import InternalClient, UnexpectedResponse
from swiftlite.wire.node_client import node_client


@dataclass(frozen=True)
class ExpirerOptions(daemon.DaemonOptions):
    """Options of ``[object-expirer]`` (formats.md 8.3)."""

    concurrency: int = option(1, "objects that are deleted at once", least=1)
    tasks_per_second: float = option(50.0, "objects that are deleted in a second; 0: as many as can be", least=None)
    processes: int = option(0, "how many expirers share the work, on this node and others; 0: this one does all")
    process: int = option(0, "which of them this one is, from 0")
    reclaim_age: float = option(
        604800.0, "seconds after its end until which an object is looked for that is not there or ends at another time"
    )
    dequeue_from_legacy: bool = option(
        False, "work off the queue; one expirer of a cluster must; always so where the conf's path has the word expirer"
    )
    round_robin_task_cache_size: int = option(100000, "rows that are read ahead, for containers to take turns")
    internal_client_conf_path: str = option(
        "", "conf with the pipeline that requests go down; default: this one if it has one, else internal-client.conf"
    )
    request_tries: int = option(3, "how often a request is sent that is answered with a server error", least=1)
    auto_create_account_prefix: str = option(".", "first characters of hidden accounts")
    expiring_objects_account_name: str = option("expiring_objects", "hidden account of the queue")

    @property
    def account(self) -> str:
        """The hidden account that holds the queue."""
        return self.auto_create_account_prefix + self.expiring_objects_account_name


class ObjectExpirer(daemon.Daemon):
    """Delete the objects that have expired.

    :param client: lists the queue and deletes objects
    :param delays: how long which objects are left in place
    """

    section = "object-expirer"
    options_class = ExpirerOptions
    switches = {
        "processes": "how many expirers share the work; instead of the conf's",
        "process": "which of them this one is, from 0; instead of the conf's",
    }
    client: InternalClient

    def __init__(self, options: ExpirerOptions, swift: SwiftConf, logger: logging.Logger) -> None:
        super().__init__(options, swift, logger)
        self.share = Share(options.process, options.processes)
        self.delays = Delays({})
        self.ring = Ring(options.swift_dir, "container", hash_path=swift.hash_path)
        self.rows = node_client(swift.backend_tls, options.conn_timeout, options.node_timeout, logger)

    @classmethod
    def from_conf(cls, conf: ConfFile, texts: dict[str, str]) -> ObjectExpirer:
        """Make it from its conf file, which may have the pipeline of its client, too.

        :raises StartError: when one of both cannot be used
        """
        try:
            made = super().from_conf(conf, texts)
            assert isinstance(made, cls)
            made.delays = Delays.from_options(texts)
        except ValueError as error:
            raise ConfigError(conf.path, cls.section, None, str(error), "correct it") from None
        options = made.options
        if "expirer" in conf.path or is_true(texts.get("dequeue_from_legacy")):
            made.options = replace(options, dequeue_from_legacy=True)
        path = options.internal_client_conf_path
        if not path:
            own = "expirer" in conf.path and conf.has("pipeline:main")
            path = conf.path if own else os.path.join(options.swift_dir, "internal-client.conf")
        agent, tries = "Swift Object Expirer", options.request_tries
        made.client = InternalClient.from_conf(path, options.swift_dir, agent, tries, made.logger)
        return made

    def run_once(self) -> Counter[str]:
        """Make one pass over the queue, and tell the recon cache of it."""
        if not self.options.dequeue_from_legacy:
            self.logger.info(
                "%s: not told to work off the queue: set dequeue_from_legacy = true on one node", self.section
            )
            return Counter()
        started = time.monotonic()
        counts = super().run_once()
        statistics = {
            "object_expiration_pass": time.monotonic() - started,
            "expired_last_pass": counts["expired"],
            "object_expiration_last": time.time(),
        }
        recon.dump(self.options.recon_cache_path, recon.OBJECT_CACHE, statistics, self.logger)
        return counts

    def jobs(self) -> Iterator[Task]:
        """This expirer's share of the rows whose time has come, no faster than the options allow."""
        tasks = expirations.in_turns(self._due_tasks(), max(1, self.options.round_robin_task_cache_size))
        return daemon.at_rate(tasks, self.options.tasks_per_second)

    def work(self, task: Task) -> None:
        """Delete one object and its row; the row stays when the object could not be deleted."""
        target = task.target
        assert target.container and target.object
        try:
            status = self.client.delete(
                target.account, target.container, target.object, headers=task.headers(), accept=(404, 409, 412)
            )
        except UnexpectedResponse as error:
            self.counts["errors"] += 1
            self.logger.error("%s: %s, will try again", self.section, error)
            return
        if not task.is_done(status, time.time(), self.options.reclaim_age):
            self.counts["not_found" if status == 404 else "ends_at_another_time"] += 1
            self.logger.debug("%s: %s was answered %d, will try again", self.section, task.row, status)
            return
        self._remove_row(task)
        self.counts["expired"] += 1

    def _due_tasks(self) -> Iterator[Task]:
        account = self.options.account
        rows = {}

        def names() -> Iterator[str]:
            for entry in self.client.containers(account):
                rows[entry["name"]] = entry.get("count", 0)
                yield entry["name"]

        # All of them first: none must be deleted while they are listed.
        due = list(expirations.due_containers(names(), time.time()))
        metrics.EXPIRER_QUEUE.set(sum(rows[container] for container in due))
        for container in due:
            try:
                yield from self._tasks_of(container)
            except UnexpectedResponse as error:
                self.counts["errors"] += 1
                self.logger.error("%s: %s, going on with the next container", self.section, error)

    def _tasks_of(self, container: str) -> Iterator[Task]:
        """A container's rows whose time has come; an empty container is deleted."""
        is_empty = True
        for entry in self.client.objects(self.options.account, container):
            is_empty = False
            row = entry["name"]
            try:
                task = Task.from_row(container, row, entry.get("content_type", ""))
            except ValueError as error:
                self.counts["unreadable"] += 1
                self.logger.error("%s: cannot understand %s/%s: %s", self.section, container, row, error)
                continue
            now = time.time()
            if float(task.due) > now:
                break  # Rows are sorted by time.
            if not self.share.has(container, row):
                self.counts["of_others"] += 1
            elif expirations.is_delayed(task, self.delays, now):
                self.counts["delayed"] += 1
            else:
                yield task
        if is_empty:
            self._remove_container(container)

    def _remove_container(self, container: str) -> None:
        try:
            # 409: a row has come meanwhile.
            self.client.delete(self.options.account, container, accept=(404, 409))
        except UnexpectedResponse as error:
            self.counts["errors"] += 1
            self.logger.error("%s: %s, will try again", self.section, error)

    def _remove_row(self, task: Task) -> None:
        """Take a row out of every replica of its container. One that cannot be asked learns of it from the others."""
        partition, nodes = self.ring.get_nodes(self.options.account, task.container)
        path = f"/{self.options.account}/{task.container}/{task.row}"
        headers = {
            "X-Timestamp": Timestamp(time.time()).internal,
            "X-Backend-Storage-Policy-Index": "0",
            "User-Agent": user_agent(self.section),
        }

        def remove(node: Node) -> None:
            try:
                send_row(self.rows, node.replication_address, node.device, partition, path, "DELETE", headers)
            except (RowRefused, RowUnsent) as error:
                if isinstance(error, RowRefused) and error.status == 404:
                    return  # This replica has no such container, so no such row.
                self.logger.error("%s: cannot remove a row: %s", self.section, error)

        pool = GreenPool(max(1, len(nodes)))
        for node in nodes:
            pool.spawn_n(remove, node)
        pool.waitall()


def main(argv: list[str]) -> int:
    """Run it: ``CONF [once] [-v] [-o | --once] [--processes N] [--process N]``; returns the exit status."""
    return daemon.main(ObjectExpirer, argv)
