"""Reading what /metrics answers (Prometheus' text format), and what histograms and counters say between two looks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite

_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"\s*,?')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Sample:
    """A number and the labels of its series."""

    labels: Mapping[str, str]
    value: float


def parse(text: str) -> dict[str, list[Sample]]:
    """All samples by the names of their families; lines that are none are passed over, numbers that are none too."""
    found: dict[str, list[Sample]] = {}
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match:
            try:
                value = float(match[3])
            except ValueError:
                continue
            if isfinite(value):
                found.setdefault(match[1], []).append(Sample(_labels(match[2] or ""), value))
    return found


def _labels(text: str) -> dict[str, str]:
    return {
        match[1]: _ESCAPED.sub(lambda escaped: {"n": "\n"}.get(escaped[1], escaped[1]), match[2])
        for match in _LABEL.finditer(text)
    }


@dataclass(frozen=True)
class Requests:
    """What a server has answered since it was started, or within some time.

    :ivar errors: of all, those answered with 5xx
    :ivar seconds: that all took together
    :ivar buckets: upper end in seconds -> how many took no longer
    """

    count: float = 0.0
    errors: float = 0.0
    seconds: float = 0.0
    buckets: Mapping[float, float] = field(default_factory=dict)

    @classmethod
    def read(cls, samples: Mapping[str, Sequence[Sample]]) -> Requests | None:
        """From a server's metrics; None where they do not tell."""
        counted = samples.get("swiftlite_requests_total")
        if counted is None:
            return None
        buckets: dict[float, float] = {}
        for sample in samples.get("swiftlite_request_seconds_bucket", ()):
            try:
                end = float(sample.labels.get("le", ""))
            except ValueError:
                continue
            buckets[end] = buckets.get(end, 0.0) + sample.value
        return cls(
            sum(sample.value for sample in counted),
            sum(sample.value for sample in counted if sample.labels.get("status", "").startswith("5")),
            sum(sample.value for sample in samples.get("swiftlite_request_seconds_sum", ())),
            buckets,
        )

    def since(self, before: Requests) -> Requests:
        """What has come since an earlier look; all of it where the server was started anew in between."""
        if before.count > self.count:
            return self
        buckets = {end: max(0.0, count - before.buckets.get(end, 0.0)) for end, count in self.buckets.items()}
        return Requests(self.count - before.count, self.errors - before.errors, self.seconds - before.seconds, buckets)

    def __add__(self, other: Requests) -> Requests:
        """Of two servers together."""
        ends = {**self.buckets, **other.buckets}
        buckets = {end: self.buckets.get(end, 0.0) + other.buckets.get(end, 0.0) for end in ends}
        return Requests(self.count + other.count, self.errors + other.errors, self.seconds + other.seconds, buckets)

    @property
    def mean(self) -> float | None:
        """Seconds of a request, on average; None without any."""
        return self.seconds / self.count if self.count > 0 else None

    def quantile(self, share: float) -> float | None:
        """Seconds within which that share of the requests was answered, as far as the buckets tell; None without any."""
        ends = sorted(self.buckets)
        total = self.buckets[ends[-1]] if ends else 0.0
        if total <= 0:
            return None
        wanted, low, below = share * total, 0.0, 0.0
        for end in ends:
            count = self.buckets[end]
            if count >= wanted:
                if end == inf:
                    return low
                return low + (end - low) * (wanted - below) / (count - below) if count > below else end
            low, below = end, count
        return low
