"""The object API in memory: what every call must answer, and what may be true after a call that nobody answered.

Nothing here talks to a server. `respond` is the law of one object: a state and a call give an answer and the next
state. `Book` holds real replies against it; where servers die it keeps every state that may be the true one.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import combinations

META = "x-object-meta-"
POSTED = "x-object-meta-posted"
_CONDITIONS = frozenset(("if-match", "if-none-match"))


@dataclass(frozen=True)
class Content:
    """A body that is known by its seed."""

    seed: int
    size: int

    @property
    def body(self) -> bytes:
        """The bytes."""
        return _content(self.seed, self.size)[0]

    @property
    def etag(self) -> str:
        """Their MD5."""
        return _content(self.seed, self.size)[1]

    def __str__(self) -> str:
        return f"{self.seed}-{self.size}"


@lru_cache(maxsize=64)
def _content(seed: int, size: int) -> tuple[bytes, str]:
    body = random.Random(seed).randbytes(size)
    return body, hashlib.md5(body).hexdigest()


@dataclass(frozen=True)
class Stored:
    """An object: its content, its content type, its metadata by lower-case name, and when it expires."""

    content: Content
    content_type: str
    metadata: frozenset[tuple[str, str]]
    delete_at: int | None = None

    def is_expired(self, now: float) -> bool:
        """Whether it is gone at this time."""
        return self.delete_at is not None and self.delete_at <= now


State = Stored | None
"""None: there is no object, or a tombstone."""


@dataclass(frozen=True)
class Call:
    """One request; header names in lower case. `destination` is the name that a COPY writes."""

    method: str
    name: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Content | None = None
    destination: str | None = None
    chunked: bool = False

    @property
    def target(self) -> str:
        """The name that the call changes, if it changes any."""
        return self.destination or self.name

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing."""
        return self.method in ("GET", "HEAD")

    def __str__(self) -> str:
        headers = "".join(f" {name}: {value};" for name, value in self.headers.items())
        return f"{self.method} {self.name} {self.destination or ''}{self.content or ''}{headers}"


@dataclass(frozen=True)
class Reply:
    """What a server said; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        told = {name: value for name, value in self.headers.items() if name not in ("date", "x-openstack-request-id")}
        return f"{self.status} {told} {len(self.body)} bytes, {self.body[:60]!r}"


@dataclass(frozen=True)
class Answer:
    """What a server must say. A header of None must be missing, a header that is not named may be as it likes."""

    status: int
    headers: Mapping[str, str | None] = field(default_factory=dict)
    metadata: frozenset[tuple[str, str]] | None = None
    body: bytes | None = None
    parts: tuple[tuple[str, bytes], ...] | None = None

    def problem(self, reply: Reply) -> str | None:
        """Return how a reply differs from this; None when it does not."""
        if reply.status != self.status:
            return f"status {reply.status}, not {self.status}"
        for name, value in self.headers.items():
            if reply.headers.get(name) != value:
                return f"{name} is {reply.headers.get(name)!r}, not {value!r}"
        if self.metadata is not None:
            found = frozenset(pair for pair in reply.headers.items() if pair[0].startswith(META))
            if found != self.metadata:
                return f"metadata are {sorted(found)}, not {sorted(self.metadata)}"
        if self.body is not None and reply.body != self.body:
            return f"the body is another: {len(reply.body)} bytes, not {len(self.body)}"
        if self.parts is not None and multipart(reply) != self.parts:
            return "the parts are others"
        return None


def multipart(reply: Reply) -> tuple[tuple[str, bytes], ...] | None:
    """Return Content-Range and bytes of each part of a multipart/byteranges body; None where it is none."""
    match = re.fullmatch(r"multipart/byteranges; ?boundary=(\S+)", reply.headers.get("content-type", ""))
    if match is None:
        return None
    boundary, parts, rest = b"--" + match[1].encode(), [], reply.body
    while not rest.startswith(boundary + b"--"):
        if not rest.startswith(boundary + b"\r\n"):
            return None
        head, _, rest = rest[len(boundary) + 2 :].partition(b"\r\n\r\n")
        content_range = re.search(rb"(?im)^content-range: bytes (\d+)-(\d+)/\d+\r?$", head)
        if content_range is None:
            return None
        size = int(content_range[2]) - int(content_range[1]) + 1
        parts.append((content_range[0].decode().split(": ")[1].strip(), rest[:size]))
        rest = rest[size:].removeprefix(b"\r\n")
    return tuple(parts)


# ------------------------------------------------------------------------------------------------- the law of an object


def respond(state: State, call: Call, now: float, source: State = None, read_at: float = 0.0) -> tuple[Answer, State]:
    """Return what a call must answer when it is done at `now`, and the state that it leaves.

    `state` is that of the name that the call changes, or reads; `source` what a COPY takes, and `read_at` when.
    """
    there = state if state is not None and not state.is_expired(now) else None
    if call.method in ("GET", "HEAD"):
        return _read(there, call), state
    if call.method == "DELETE":
        return (Answer(204 if there else 404), None) if _allows(there, call.headers) else (Answer(412), state)
    if call.method == "COPY":
        return _copy(state, call, now, source if source is None or not source.is_expired(read_at) else None)
    refusal = _refusal(there, call, now)
    if refusal:
        return Answer(refusal), state
    if call.method == "POST":
        assert there is not None
        return Answer(202), _posted(there, call, now)
    assert call.content is not None
    put = Stored(call.content, call.headers["content-type"], _metadata(call.headers), _delete_at(call.headers, now))
    return Answer(201, {"etag": call.content.etag}), put


def _refusal(there: Stored | None, call: Call, now: float) -> int | None:
    """Why a POST or PUT is not done, as a status."""
    headers = call.headers
    asked = headers.get("x-delete-at")
    if asked is not None and int(asked) < now:
        return 400
    if call.method == "POST" and not there:
        return 404
    if not _allows(there, headers):
        return 412
    if call.method == "POST":
        return None
    assert call.content is not None
    return 422 if headers.get("etag", call.content.etag) != call.content.etag else None


def _allows(there: Stored | None, headers: Mapping[str, str]) -> bool:
    """Whether a change's conditions hold: compare and swap (doc/compare-and-swap.md)."""
    etag = there.content.etag if there else None
    if "if-match" in headers and (etag is None or headers["if-match"].strip('"') not in ("*", etag)):
        return False
    return not ("if-none-match" in headers and etag is not None and headers["if-none-match"].strip('"') in ("*", etag))


def _delete_at(headers: Mapping[str, str], now: float) -> int | None:
    if "x-delete-after" in headers:
        return int(now) + int(headers["x-delete-after"])
    return int(headers["x-delete-at"]) if "x-delete-at" in headers else None


def _metadata(headers: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset((name, value) for name, value in headers.items() if name.startswith(META))


def _posted(there: Stored, call: Call, now: float) -> Stored:
    """All metadata are replaced, the content type only when one was sent."""
    content_type = call.headers.get("content-type", there.content_type)
    return replace(
        there,
        content_type=content_type,
        metadata=_metadata(call.headers),
        delete_at=_delete_at(call.headers, now),
    )


def _copy(state: State, call: Call, now: float, taken: State) -> tuple[Answer, State]:
    """What is copied keeps its metadata, but for those that the request replaces; or only the request's remain."""
    if taken is None:
        return Answer(404), state
    headers = call.headers
    metadata, delete_at = dict(_metadata(headers)), _delete_at(headers, now)
    if headers.get("x-fresh-metadata") != "true":
        metadata = dict(taken.metadata) | metadata
        delete_at = taken.delete_at if delete_at is None else delete_at
    if delete_at is not None and delete_at < now:
        return Answer(400), state
    content_type = headers.get("content-type", taken.content_type)
    copied = Stored(taken.content, content_type, frozenset(metadata.items()), delete_at)
    return Answer(201, {"etag": taken.content.etag}), copied


# ------------------------------------------------------------------------------------------------------------- reading


def _read(there: Stored | None, call: Call) -> Answer:
    headers = call.headers
    if there is None:
        return Answer(412 if headers.get("if-match") == "*" else 404)
    etag = there.content.etag
    if headers.get("if-none-match", "").strip('"') in ("*", etag):
        return Answer(304)
    if "if-match" in headers and headers["if-match"].strip('"') not in ("*", etag):
        return Answer(412)
    delete_at = None if there.delete_at is None else str(there.delete_at)
    told = {"etag": etag, "x-delete-at": delete_at, "accept-ranges": "bytes"}
    body = there.content.body
    wanted = resolve(headers["range"], len(body)) if "range" in headers and call.method == "GET" else None
    if wanted == []:
        return Answer(416, {"content-range": f"bytes */{len(body)}"})
    if wanted is None:
        told |= {"content-type": there.content_type, "content-length": str(len(body))}
        return Answer(200, told, there.metadata, body if call.method == "GET" else b"")
    parts = tuple((f"bytes {start}-{stop - 1}/{len(body)}", body[start:stop]) for start, stop in wanted)
    if len(parts) > 1:
        return Answer(206, told, there.metadata, parts=parts)
    told |= {"content-type": there.content_type, "content-range": parts[0][0]}
    return Answer(206, told, there.metadata, parts[0][1])


def resolve(header: str, size: int) -> list[tuple[int, int]] | None:
    """Return begin and end of every range that the body has, nothing for 416; None when the whole body is the answer."""
    ranges = []
    for text in header.removeprefix("bytes=").split(","):
        first, _, last = text.strip().partition("-")
        if not first and not last:
            return None
        if not first:
            ranges += [(max(0, size - int(last)), size)] if int(last) else []
        elif int(first) < size:
            ranges.append((int(first), min(int(last or size) + 1, size)))
    overlaps = [a != b and a[0] < b[1] and b[0] < a[1] for a, b in combinations(ranges, 2)]
    if sum(overlaps) > 2:
        return []  # RFC 9110 17.15
    return None if ranges and not size else ranges


# ----------------------------------------------------------------------------------------------------------- the ledger


class Violation(AssertionError):
    """A server said what no possible state allows."""


class Book:
    """Every object's possible states, one of which is the true one.

    Without faults there is always one. With faults, a write that was not acknowledged leaves both: before, after, and
    it may come to light at any later time, when its server is back. An acknowledged write settles all before it.

    :param faulty: servers die meanwhile
    """

    def __init__(self, faulty: bool) -> None:
        self.faulty = faulty
        self.states: dict[str, frozenset[State]] = {}
        self.older: dict[str, frozenset[State]] = {}
        """With faults: what a replica that has slept may still hold. Conditions of writes may be held against it."""
        self.unposted: dict[str, frozenset[State]] = {}
        """With faults: the object as a replica shows it that has slept through a POST, but not through the PUT."""
        self.unacknowledged = 0
        self.acknowledged = 0

    def possible(self, name: str) -> frozenset[State]:
        """The states that a name may have."""
        return self.states.get(name, frozenset((None,)))

    def check(self, call: Call, reply: Reply | None, began: float, ended: float) -> None:
        """Take note of what a call was answered; None: the connection was lost.

        :param began: when the request was sent; the server did it at some time until `ended`
        :raises Violation: when the model knows that this is wrong
        """
        states = self.possible(call.target)
        if call.is_read:
            states |= self.unposted.get(call.target, frozenset())
        choices = list(self._choices(states, call, _moments(began, ended)))
        problems = [answer.problem(reply) if reply else "no answer" for answer, _ in choices]
        fitting = [state for (_, state), problem in zip(choices, problems) if problem is None]
        if call.is_read:
            if not fitting:
                raise Violation(f"{call}: {reply}: {sorted(set(map(str, problems)))}")
            return
        if fitting and not self.faulty:
            self.states[call.target] = frozenset(fitting)
        elif not self.faulty:
            raise Violation(f"{call}: {reply}: {sorted(set(map(str, problems)))}")
        else:
            self._note_write(call, reply, choices, fitting, (began, ended))

    def _choices(self, states: Iterable[State], call: Call, moments: list[float]) -> Iterable[tuple[Answer, State]]:
        sources: frozenset[State] = frozenset((None,))
        if call.method == "COPY":
            sources = self.possible(call.name) | self.unposted.get(call.name, frozenset())
        for index, now in enumerate(moments):
            for state in states:
                for source in sources:
                    for read_at in moments[: index + 1]:
                        yield respond(state, call, now, source, read_at)

    def _note_write(
        self,
        call: Call,
        reply: Reply | None,
        choices: list[tuple[Answer, State]],
        fitting: list[State],
        span: tuple[float, float],
    ) -> None:
        before = self.possible(call.target)
        stale = self.older.get(call.target, frozenset((None,)))
        if (
            call.method in ("POST", "DELETE")
            and not _CONDITIONS & call.headers.keys()
            and reply
            and reply.status == 404
        ):
            # One server that has it suffices, whoever missed the PUT; a replica that missed a POST may have expired.
            unposted = self._choices(self.unposted.get(call.target, frozenset()), call, _moments(*span))
            if not any(answer.status == 404 for answer, _ in [*choices, *unposted]):
                raise Violation(f"{call}: {reply}: it is there: {before}")
        if call.method == "DELETE" and not call.headers and reply is not None and reply.status in (204, 404):
            # A tombstone was written, whatever replicas found that had slept.
            self.acknowledged += 1
            self._settle(call, frozenset((None,)), span[1])
            return
        if reply is not None and reply.status < 300:
            if not fitting and call.method == "POST" and any(stale) and "if-match" not in call.headers:
                return  # Replicas took it that had slept through the DELETE, whose tombstone still rules.
            if not fitting:
                raise Violation(f"{call}: {reply}: no possible state allows it; {before}")
            self.acknowledged += 1
            # A POST changes what is there, and may fail to find what only one replica has.
            settled = frozenset(fitting) | (before & {None} if call.method == "POST" else frozenset())
            self._settle(call, settled, span[1])
            return
        if reply is not None and reply.status < 499 and not fitting:
            old = [answer.problem(reply) for answer, _ in self._choices(stale, call, _moments(*span))]
            if None not in old and not (call.method == "POST" and reply.status == 404):
                raise Violation(f"{call}: {reply}: no replica can have a reason for it; {before}")
        failed = reply is None or reply.status >= 499
        self.unacknowledged += failed
        if failed or (call.method == "POST" and reply is not None and reply.status == 404):
            # A replica that missed what let the object expire may have taken a POST, which then counts, for it is newer.
            behind = self.unposted.get(call.target, frozenset()) if call.method == "POST" else ()
            choices += self._choices(behind, call, _moments(*span))
            self.states[call.target] = before | {state for _, state in choices}

    def _settle(self, call: Call, states: frozenset[State], moment: float) -> None:
        """The call was acknowledged, so these are the possible states now."""
        before, name = self.possible(call.target), call.target
        self.older[name] = self.older.get(name, frozenset((None,))) | before
        behind = self.unposted.get(name, frozenset()) | before if call.method == "POST" else frozenset()
        self.unposted[name] = behind | {respond(state, call, moment)[1] for state in behind}
        self.states[name] = states

    def settle_down(self) -> None:
        """From now on all servers are up: every read must show the last of what was acknowledged.

        But for the content type: it has a timestamp of its own, and who has missed the POST that changed it, but not
        the one after that, learns of it by replication.
        """
        for name, behind in self.unposted.items():
            typeless = {state and replace(state, content_type="") for state in self.possible(name)}
            self.unposted[name] = frozenset(s for s in behind if s and replace(s, content_type="") in typeless)


def _moments(began: float, ended: float) -> list[float]:
    """The times at which a call may have been done, as far as they differ: expiry counts whole seconds."""
    return sorted({began, ended, *map(float, range(math.ceil(began), math.floor(ended) + 1))})
