"""What a proxy tells a statsd of its requests: under names that say all, and under few names with labels."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

from swiftlite.common.statsd import LabeledStatsd, Statsd
from swiftlite.core.access_log import Entry, request_labels, resource_type

Meter = Callable[[int, bool], None]
"""Is told of each piece of a body: its bytes, and whether it is the last."""


class RequestMetrics:
    """Tells of each request how long it took and until its first byte, and how much was transferred.

    :param statsd: hears of it under names that say all; None: nobody does
    :param labeled: hears of it with labels; None: nobody does
    :param methods: told by name; others are BAD_METHOD
    :param seconds: between two words on a body that is under way, with labels; negative: none are said
    """

    def __init__(
        self,
        statsd: Statsd | None,
        methods: Collection[str],
        labeled: LabeledStatsd | None = None,
        seconds: float = -1.0,
    ) -> None:
        self.statsd = statsd
        self.labeled = labeled
        self.methods = frozenset(methods)
        self.seconds = seconds

    @property
    def follows_bodies(self) -> bool:
        """Whether it wants to hear of each piece of a body."""
        return self.labeled is not None and self.seconds >= 0

    def tell(self, entry: Entry) -> None:
        """Tell of a complete entry."""
        if self.statsd is not None:
            self._tell_names(self.statsd, entry)
        if self.labeled is not None:
            self._tell_labels(self.labeled, entry)

    def meter(self, entry: Entry, of_answer: bool) -> Meter:
        """Tells of a body while it is under way: how many bytes came since the last time.

        :param of_answer: it is that of the answer, not of the request
        """
        name = f"swift_proxy_server_{'response' if of_answer else 'request'}_body_streaming_bytes"
        untold, due = 0, time.monotonic() + self.seconds

        def take(size: int, is_last: bool) -> None:
            nonlocal untold, due
            untold += size
            if untold and (is_last or time.monotonic() >= due) and self.labeled is not None:
                labels = self.answer_labels(entry) if of_answer else self.labels(entry)
                if labels["account"]:
                    self.labeled.increment(name, labels, untold)
                    untold, due = 0, time.monotonic() + self.seconds

        return take

    def labels(self, entry: Entry) -> dict[str, object]:
        """The labels of a request, as far as they are known before its answer."""
        return request_labels(entry, self._method(entry))

    def answer_labels(self, entry: Entry) -> dict[str, object]:
        """The labels of a request and its answer: also its status, and the policy of an object."""
        labels = self.labels(entry)
        if labels["resource"] == "object" and (entry.policy_index or "").isdigit():
            labels["policy"] = entry.policy_index
        return {**labels, "status": entry.wire_status or entry.status}

    def _method(self, entry: Entry) -> str:
        method = entry.method
        return method if method in self.methods else "BAD_METHOD"

    def _tell_names(self, statsd: Statsd, entry: Entry) -> None:
        name = self._method(entry)
        resource = resource_type(entry.environ)
        starts = [resource]
        if resource == "object" and (entry.policy_index or "").isdigit():
            starts.append(f"object.policy.{entry.policy_index}")
        for start in starts:
            statsd.timing(f"{start}.{name}.{entry.status}.timing", entry.end - entry.start)
            statsd.increment(f"{start}.{name}.{entry.status}.xfer", entry.received + entry.sent)
            if entry.method == "GET" and entry.first_byte is not None:
                first_byte = entry.first_byte - entry.start
                statsd.timing(f"{start}.GET.{entry.wire_status}.first-byte.timing", first_byte)

    def _tell_labels(self, labeled: LabeledStatsd, entry: Entry) -> None:
        labels: Mapping[str, object] = self.answer_labels(entry)
        if entry.method == "GET" and entry.first_byte is not None:
            labeled.timing("swift_proxy_server_request_ttfb", labels, entry.first_byte - entry.start)
        labeled.timing("swift_proxy_server_request_timing", labels, entry.end - entry.start)
        labeled.increment("swift_proxy_server_request_body_bytes", labels, entry.received)
        labeled.increment("swift_proxy_server_response_body_bytes", labels, entry.sent)
