"""A cluster to which cases are sent as they are, byte by byte, and what it answered."""

from __future__ import annotations

import base64
import hmac
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import BinaryIO
from urllib.parse import quote

from functional.cluster import Cluster
from functional.object_cases.notation import HTML, Case, Step, Table

TIMEOUT = 60.0
PATIENCE = 60.0
"""Seconds for what comes true by itself."""
INTERNAL = re.compile(r"x-backend|x-(account|container|object)-(transient-)?sysmeta-")
_PLACEHOLDER = re.compile(r"\{(\w+)([+-]\d+)?\}")
_SIGNATURE = re.compile(r"\{hmac (\w+) (\w+) (\S+) ([^{}]*)\}")
_BOUNDARY = re.compile(r'(?<=boundary=)"?[\w-]+"?')


class SetupFailed(Exception):
    """A request that other cases build on was refused."""


@dataclass
class Answer:
    """What a server answered; header names in lower case, values one character a byte."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return a header's value; of several of the name, the first."""
        return next((value for found, value in self.headers if found == name.lower()), None)


@dataclass
class Site:
    """A proxy's address, the account that the cases use, its owner's token, and those of others by their parts.

    `repeats`: how often a request that got 503 is made again, as every client does; ours must not need it.
    """

    address: tuple[str, int]
    token: str
    others: dict[str, str] = field(default_factory=dict)
    account: str = "AUTH_test"
    repeats: int = 0
    prepared: dict[str, dict[str, str]] = field(default_factory=dict)

    def run(self, table: Table, case: Case, now: int | None = None) -> list[tuple[Step, Answer]]:
        """Send a case's requests, after its table's setup where that has not been; return each step with its answer.

        The steps come back with their placeholders filled in; `now`: what ``{now}`` is counted from.
        """
        variables = dict(self._prepare(table))
        slug = f"{table.name}-{table.cases.index(case)}-" + re.sub(r"\W+", "-", case.name, flags=re.ASCII)
        variables |= {
            "now": str(now or int(time.time())),
            "name": f"{table.name}/{slug}",
            "o": f"{variables['c']}/{slug}",
            "own": f"{variables['v1']}/own-{slug}",
            "fresh": f"/v1/AUTH_fresh-{slug}",
            "slug": slug,
        }
        return [(fill(step, variables), answer) for step, answer in self._steps(case.steps, variables)]

    def _prepare(self, table: Table) -> dict[str, str]:
        """Send a table's setup once; return the variables that it leaves."""
        if table.name not in self.prepared:
            v1 = f"/v1/{self.account}"
            variables = {"v1": v1, "account": self.account, "c": f"{v1}/{table.name}", "now": str(int(time.time()))}
            variables |= {"host": "%s:%d" % self.address, **self.others}
            setup = (Step("PUT", "{c}", framing="length"), *table.setup)
            for step, answer in self._steps(setup, variables):
                if answer.status // 100 != 2 or step.status not in (None, answer.status):
                    raise SetupFailed(f"{table.name}: {step.method} {step.target}: {answer.status} {answer.body!r}")
            self.prepared[table.name] = variables
        return self.prepared[table.name]

    def _steps(self, steps: tuple[Step, ...], variables: dict[str, str]) -> Iterator[tuple[Step, Answer]]:
        for step in steps:
            answer = self.ask(fill(step, variables))
            for _ in range(self.repeats):
                if answer.status == 503:
                    answer = self.ask(fill(step, variables))
            deadline = time.monotonic() + PATIENCE
            while step.eventually and answer.status != step.status and time.monotonic() < deadline:
                time.sleep(0.05)
                answer = self.ask(fill(step, variables))
            variables.update((name, answer.header(header) or "") for name, header in step.saved)
            yield step, answer

    def ask(self, step: Step) -> Answer:
        """Send one request and return the answer to it."""
        with socket.create_connection(self.address, TIMEOUT) as connection:
            try:
                connection.sendall(self._bytes(step))
                if step.closes:
                    connection.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it has refused the body, and said why
            with connection.makefile("rb") as stream:
                return read_answer(stream, step.method)

    def _bytes(self, step: Step) -> bytes:
        given = {name.lower() for name, _ in step.headers}
        headers = [("Connection", "close")]
        if "host" not in given:
            headers.append(("Host", "%s:%d" % self.address))
        if "x-auth-token" not in given:
            headers.append(("X-Auth-Token", self.token))
        body = step.body
        if step.framing == "length":
            headers.append(("Content-Length", str(len(body))))
        elif step.framing == "chunked":
            headers.append(("Transfer-Encoding", "chunked"))
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:3], body[3:]) if part) + b"0\r\n\r\n"
        lines = [f"{step.method} {step.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        lines += [f"{name}: {value}" for name, value in step.headers]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def read_answer(stream: BinaryIO, method: str) -> Answer:
    """Read one HTTP answer to its end; a body that ends early is returned as far as it came, with a status of 0."""
    status = 100
    while status // 100 == 1:
        line = stream.readline().decode("latin-1").rstrip("\r\n")
        if not line:
            return Answer(0, "no answer", [], b"")
        status, reason = int(line.split(" ", 2)[1]), line.split(" ", 2)[2]
        headers = list(_read_headers(stream))
    answer = Answer(status, reason, headers, b"")
    if method == "HEAD" or status in (204, 304):
        return answer
    if answer.header("transfer-encoding") == "chunked":
        answer.body = _read_chunks(stream)
    elif (length := answer.header("content-length")) is not None:
        answer.body = stream.read(int(length))
        if len(answer.body) < int(length):
            answer.status = 0
    else:
        answer.body = stream.read()
    return answer


def _read_headers(stream: BinaryIO) -> Iterator[tuple[str, str]]:
    while line := stream.readline().decode("latin-1").rstrip("\r\n"):
        name, _, value = line.partition(":")
        yield name.lower(), value.strip(" ")


def _read_chunks(stream: BinaryIO) -> bytes:
    chunks = []
    while size := int(stream.readline().split(b";")[0] or b"0", 16):
        chunks.append(stream.read(size))
        stream.readline()
    return b"".join(chunks)


def fill(step: Step, variables: dict[str, str]) -> Step:
    """Return a step with the placeholders of all its parts replaced."""

    def text(value: str) -> str:
        filled = _PLACEHOLDER.sub(lambda match: _value(match, variables), value)
        return _SIGNATURE.sub(_signature, filled) if "{hmac" in filled else filled

    def data(value: bytes) -> bytes:
        return text(value.decode("latin-1")).encode("latin-1") if b"{" in value else value

    return Step(
        step.method,
        text(step.target),
        data(step.body),
        tuple((text(name), text(value)) for name, value in step.headers),
        step.framing,
        step.closes,
        step.status,
        data(step.answer) if isinstance(step.answer, bytes) else step.answer,
        tuple((name, text(value) if isinstance(value, str) else value) for name, value in step.expected),
        step.saved,
        step.eventually,
    )


def _value(match: re.Match[str], variables: dict[str, str]) -> str:
    name, delta = match.groups()
    if name == "date":
        return formatdate(int(variables["now"]) + int(delta or 0), usegmt=True)
    if name not in variables:
        return match[0]
    return variables[name] if delta is None else str(int(variables[name]) + int(delta))


def _signature(match: re.Match[str]) -> str:
    digest, form, key, signed = match.groups()
    raw = hmac.digest(key.encode("latin-1"), signed.encode("latin-1"), digest)
    if form == "hex":
        return raw.hex()
    if form == "urlsafe":
        return base64.urlsafe_b64encode(raw).decode("ascii")
    text = base64.b64encode(raw).decode("ascii")
    return quote(text) if form == "query" else text


def without_boundary(answer: Answer) -> tuple[str, bytes]:
    """Return an answer's content type and body with a name in place of the boundary that the server made up."""
    content_type, body = answer.header("content-type") or "", answer.body
    found = _BOUNDARY.search(content_type)
    if not found:
        return content_type, body
    return _BOUNDARY.sub("BOUNDARY", content_type), body.replace(found[0].strip('"').encode(), b"BOUNDARY")


def complaints(step: Step, answer: Answer) -> list[str]:
    """Return what is not as the step expects, a line each."""
    found = []
    if step.status is None and answer.status // 100 != 2:
        found.append(f"status {answer.status}, expected a success: {answer.body[:300]!r}")
    if step.status not in (None, answer.status):
        found.append(f"status {answer.status}, expected {step.status}: {answer.body[:300]!r}")
    content_type, body = without_boundary(answer)
    for name, wanted in step.expected:
        value = content_type if name.lower() == "content-type" else answer.header(name)
        if not _fits(value, wanted):
            found.append(f"{name}: {value!r}, expected {wanted!r}")
    found += [f"shows {name}: {value!r}" for name, value in answer.headers if INTERNAL.match(name)]
    wanted_body = _expected_body(step)
    if isinstance(wanted_body, bytes) and body != wanted_body:
        found.append(f"body {body[:600]!r}, expected {wanted_body[:600]!r}")
    if isinstance(wanted_body, re.Pattern) and not wanted_body.fullmatch(body):
        found.append(f"body {body[:600]!r} does not match {wanted_body.pattern!r}")
    return found


def _fits(value: str | None, wanted: str | re.Pattern[str] | None) -> bool:
    if wanted is None or isinstance(wanted, str):
        return value == wanted
    return value is not None and wanted.fullmatch(value) is not None


def _expected_body(step: Step) -> bytes | re.Pattern[bytes] | None:
    if step.status is None or step.answer is not None:
        return step.answer
    if step.method == "HEAD" or step.status in (201, 204, 304):
        return b""
    return None if step.status in (200, 206) else HTML


def site_of(cluster: Cluster, repeats: int = 0) -> Site:
    """Return the site of a cluster that runs: ``{guest}`` of the same account without rights, ``{stranger}`` of another,
    ``{admin}`` of the reseller."""
    users = {"guest": "test:tester3", "stranger": "test2:tester2", "admin": "admin:admin"}
    others = {name: cluster.token(user) for name, user in users.items()}
    return Site(cluster.proxy_address, cluster.token(), others, repeats=repeats)
