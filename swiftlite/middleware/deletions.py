"""Deletes many objects and containers for one request, and tells what came of it (formats.md 7.19)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from swiftlite.common.concurrency import in_order, sleep
from swiftlite.common.log import Logger
from swiftlite.common.subrequest import Environ, Headers, WSGIApp, call, make_environ
from swiftlite.common.web import Answer, status_line
from swiftlite.core import bulk_answer
from swiftlite.core.names import quote_path, str_to_wsgi
from swiftlite.middleware.heartbeat import with_blanks
from swiftlite.middleware.segments import agent

RETRY_BASE = 1.5
"""Seconds before the first repetition; before the next ones, its powers."""


class Target(NamedTuple):
    """What is to be deleted.

    :ivar name: ``/container/object`` or ``/container``, native; the first slash may be missing
    :ivar version: the version that is meant, of an object that has some
    :ivar failure: status and text of why it is not to be deleted after all
    :ivar place: which of the names asked for it is, where each one's result is wanted
    """

    name: str
    version: str | None = None
    failure: tuple[int, str] | None = None
    place: int = -1


@dataclass(frozen=True)
class Manner:
    """How it is done.

    :param source: who asks, in the log of each deletion: ``BD``, ``SLO``
    :param agent: the same, at the end of its User-Agent
    :param concurrency: deletions at once
    :param max_failures: failures after which the rest is left
    :param yield_frequency: seconds between the blanks that keep the client waiting
    :param retries: how often a deletion is tried again that found a conflict: a container that is not empty yet
    :param headers: what every deletion's request carries
    """

    source: str
    agent: str
    concurrency: int
    max_failures: int
    yield_frequency: float
    retries: int = 0
    headers: Headers = field(default_factory=list)


@dataclass
class Outcome:
    """What came of it so far; see `swiftlite.core.bulk_answer`."""

    deleted: int = 0
    not_found: int = 0
    errors: list[tuple[str, str]] = field(default_factory=list)
    failed: bool = False
    """A server is to blame for one of the errors."""
    each: list[tuple[str, str | None]] | None = None
    """The result of each name, where that is wanted."""

    def add(self, target: Target, status: str) -> None:
        """Count the result of one deletion: a status line, or the words of its failure."""
        code = target.failure[0] if target.failure else int(status[:3])
        if self.each is not None:
            self.each[target.place] = (self.each[target.place][0], status)
        if code // 100 == 2:
            self.deleted += 1
        elif code == 404:
            self.not_found += 1
        else:
            self.failed = self.failed or (code >= 500 and target.failure is None)
            self.errors.append((quote_path(target.name), status))

    def conclude(self, max_failures: int) -> tuple[str, str]:
        """Status line and text of the whole."""
        if len(self.errors) >= max_failures:
            return status_line(400), "Max delete failures exceeded"
        if self.errors:
            return status_line(502 if self.failed else 400), ""
        if not self.deleted and not self.not_found:
            return status_line(400), "Invalid bulk delete."
        return status_line(200), ""


class Deletions:
    """The deletions that one request asks for, by the same client, who must be allowed to make them.

    :param app: what a deletion is asked of
    :param environ: the client's request
    :param log: hears of what nobody expected
    """

    def __init__(self, app: WSGIApp, environ: Environ, manner: Manner, log: Logger) -> None:
        self.app = app
        self.environ = environ
        self.manner = manner
        self.log = log
        self.outcome = Outcome()

    def run(self, targets: Callable[[], Iterable[Target]], media_type: str | None) -> Iterator[bytes]:
        """Delete everything, with blanks between, then tell the result: the status is long sent.

        :param targets: gives what is to be deleted; may raise Answer, which is told then
        :param media_type: to answer in; None: the client takes none of ours
        """
        return with_blanks(lambda: self._all(targets, media_type), media_type, self.manner.yield_frequency)

    def _all(self, targets: Callable[[], Iterable[Target]], media_type: str | None) -> bytes:
        try:
            if media_type is None:
                raise Answer(406, b"")
            tried = in_order(max(1, self.manner.concurrency), self._one, self._until_too_many(targets()))
            for target, status in tried:
                self.outcome.add(target, status)
            status, text = self.outcome.conclude(self.manner.max_failures)
        except Answer as answer:
            status, text = answer.status, answer.body.decode("utf-8", "replace")
        except Exception:
            self.log.exception("Error in the deletions for %r", self.environ["PATH_INFO"])
            status, text = status_line(500), ""
        results: dict[str, Any] = {
            "Response Status": status,
            "Response Body": text,
            "Number Deleted": self.outcome.deleted,
            "Number Not Found": self.outcome.not_found,
        }
        return bulk_answer.render(media_type, results, self.outcome.errors, "delete", self.outcome.each)

    def _until_too_many(self, targets: Iterable[Target]) -> Iterator[Target]:
        for target in targets:
            if len(self.outcome.errors) >= self.manner.max_failures:
                return  # what is under way is waited for and counted
            yield target

    def _one(self, target: Target) -> tuple[Target, str]:
        """Delete an object or a container; the status line of the answer."""
        if target.failure is not None:
            return target, target.failure[1]
        account = "/".join(self.environ["PATH_INFO"].split("/", 3)[:3])
        path = f"{account}/{str_to_wsgi(target.name.lstrip('/'))}"
        query = f"version-id={target.version}" if target.version is not None else ""
        headers = [("User-Agent", agent(self.environ, self.manner.agent)), *self.manner.headers]
        for repetition in range(self.manner.retries + 1):
            if repetition:
                sleep(RETRY_BASE**repetition)
            made = make_environ(self.environ, "DELETE", path, query=query, headers=headers, source=self.manner.source)
            response = call(self.app, made)
            response.close()
            if response.status != 409:
                break
        return target, status_line(401) if response.status == 401 else response.status_line
