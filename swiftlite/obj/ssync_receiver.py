"""SsyncReceiver: takes what another replica of a partition has and we lack (formats.md 5.6).

One request and its answer, both under way at the same time: the sender offers its objects, we say which we lack, and
it sends those as subrequests, which the object server's own handlers serve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from logging import Logger
from typing import Any
from urllib.parse import quote

from swiftlite.common.concurrency import GreenPool, GreenThread, sleep
from swiftlite.common.fs import LockTimeout
from swiftlite.common.policies import StoragePolicy
from swiftlite.common.slots import NoSlot, Slots
from swiftlite.common.web import Answer, HTTPInternalServerError, environ_key
from swiftlite.core.fileset import FileSet
from swiftlite.core.metadata import lower_case
from swiftlite.core.missing_check import lacking
from swiftlite.core.names import str_to_wsgi
from swiftlite.core.timestamp import ZERO
from swiftlite.http.errors import ClientDisconnected
from swiftlite.obj import layout
from swiftlite.obj.answers import Reply, Request, answer_to
from swiftlite.obj.diskfile import DiskFileManager, list_files
from swiftlite.obj.errors import DiskFileCollision, DiskFileError, DiskFileNotExist
from swiftlite.obj.found_file import FoundFile
from swiftlite.obj.options import ObjectOptions
from swiftlite.obj.replication_lock import replication_lock
from swiftlite.wire import ssync
from swiftlite.wire.messages import POLICY_INDEX, BadMessage
from swiftlite.wire.ssync import Body, ErrorLine, LineReader, Offer, Subrequest, Wanted

PIECE = 65536
"""Bytes that are taken from the connection at once."""
SMALL = 65536
"""Bytes up to which a body is held, so that it can be stored while the next one comes."""
SIDE_BY_SIDE = 4
"""Subrequests of one session that are served at the same time."""
A_TURN = 50
"""Objects that are looked for at once, or stored, before other requests get a turn."""

_HEADERS = [("Content-Type", "text/html; charset=UTF-8"), ssync.ACCEPT_NO_COMMIT]
_NOT_STORED = frozenset({"etag", "x-backend-no-commit", "transfer-encoding", "expect"})
"""Headers of a subrequest that are about the transfer; all others are stored."""


def is_success(method: str, reply: Reply) -> bool:
    """Whether a subrequest went well; with 404 it did: what was to be deleted or changed is not there.

    Of a POST something newer must be known then. Else its object has been quarantined meanwhile, and the sender, which
    may be a handoff, must not take it for held here.
    """
    if reply.status == 404 and method == "POST":
        return any(name == "X-Backend-Timestamp" for name, _ in reply.headers)
    return 200 <= reply.status < 300 or reply.status == 404


@dataclass
class Tally:
    """How many subrequests went well."""

    successes: int = 0
    failures: int = 0

    def add(self, went_well: bool) -> None:
        """Count one."""
        if went_well:
            self.successes += 1
        else:
            self.failures += 1

    def is_hopeless(self, threshold: int, ratio: float) -> bool:
        """Whether to go on is in vain: ``threshold`` failures, and more than ``ratio`` for each success."""
        return self.failures >= threshold and self.failures > ratio * self.successes

    def __str__(self) -> str:
        return f"{self.failures} failures to {self.successes} successes"


class SsyncReceiver:
    """Serves the SSYNC requests of an object server.

    :param serve: serves one subrequest, and never raises
    """

    def __init__(
        self, options: ObjectOptions, files: DiskFileManager, serve: Callable[[Request], Reply], logger: Logger
    ) -> None:
        self.options = options
        self.files = files
        self.serve = serve
        self.logger = logger
        self.slots = Slots(options.replication_concurrency)

    def reply(self, request: Request, device_root: str, partition: str, policy: StoragePolicy) -> Reply:
        """The answer, whose body is made while it is sent, out of what the sender says meanwhile."""
        return Reply(200, list(_HEADERS), _Session(self, request, device_root, partition, policy).run())


@dataclass
class _Session:
    """One SSYNC request."""

    receiver: SsyncReceiver
    request: Request
    device_root: str
    partition: str
    policy: StoragePolicy
    tally: Tally = field(default_factory=Tally)
    pool: GreenPool = field(default_factory=lambda: GreenPool(SIDE_BY_SIDE))
    under_way: dict[str, GreenThread] = field(default_factory=dict)
    """Path -> who stores something there."""
    base: dict[str, Any] = field(default_factory=dict)
    """What all subrequests have from the request that brings them."""

    def run(self) -> Iterator[bytes]:
        """Take part in the conversation: give what is to be sent."""
        body = self.request.environ["wsgi.input"]
        body.is_read_whole = True
        yield ssync.LINE_END  # The head leaves with it, and the sender begins.
        try:
            with self.receiver.slots.taken(), self._lock():
                lines = LineReader(lambda: body.read1(PIECE))
                yield self._missing_check(lines)
                yield self._updates(lines)
        except Exception as error:
            body.abandon()  # The sender may be in the midst of something.
            line = self._error_line(error)
            if line is not None:
                yield line.to_line() + ssync.LINE_END

    def _lock(self) -> Any:
        fs, options = self.receiver.files.fs, self.receiver.options
        directory = layout.partition_directory(self.device_root, self.policy, self.partition)
        for made in fs.make_directories(directory):
            fs.sync_directory(made.rpartition("/")[0])  # What is stored below would be gone with it.
        return replication_lock(
            fs,
            self.device_root,
            directory,
            options.replication_concurrency_per_device,
            options.replication_lock_timeout,
        )

    # What the sender offers ---------------------------------------------------------------------------------------

    def _missing_check(self, lines: LineReader) -> bytes:
        """Read all offers; return which of them are wanted."""
        _expect(lines, ssync.MISSING_CHECK_START)
        answer, offers = [ssync.MISSING_CHECK_START], []
        for line in _until(lines, ssync.MISSING_CHECK_END):
            offers.append(Offer.from_line(line))
            if len(offers) == A_TURN:
                answer += self._wanted(offers)
                offers.clear()
        answer += self._wanted(offers)
        return ssync.LINE_END.join([*answer, ssync.MISSING_CHECK_END, b""])

    def _wanted(self, offers: Sequence[Offer]) -> list[bytes]:
        """Lines for those offers of which something is lacking."""
        found = self.receiver.files.threads.run(self.device_root, lambda: [self._local(offer) for offer in offers])
        sleep()  # for where there are no threads
        pairs = [(offer, lacking(files, offer.versions)) for offer, files in zip(offers, found)]
        return [Wanted(offer.object_hash, parts).to_line() for offer, parts in pairs if any(parts)]

    def _local(self, offer: Offer) -> FileSet:
        """What is here of an object; nothing where that cannot be told, for whoever stores it looks again.

        It is opened: a handoff is removed on the strength of this, so what is damaged must not pass for the object.
        """
        files = self.receiver.files
        directory = layout.hash_directory(self.device_root, self.policy, self.partition, offer.object_hash)
        try:
            with FoundFile(files, self.device_root, self.policy, directory).open(ZERO, open_expired=True) as opened:
                return opened.files
        except DiskFileNotExist as error:
            return error.files
        except DiskFileCollision:
            found = list_files(files.fs, directory)
            return found if found.data is None else FileSet()  # For a tombstone the server goes by its place.
        except (DiskFileError, OSError) as error:
            self._warn("cannot open %s: %s: %s", directory, type(error).__name__, error)
            return FileSet()

    # What it sends ------------------------------------------------------------------------------------------------

    def _updates(self, lines: LineReader) -> bytes:
        """Store what comes; return the words that all is well.

        :raises Answer: 500 when it is not
        """
        _expect(lines, ssync.UPDATES_START)
        self.base = self._base_environ()
        try:
            for number, line in enumerate(_until(lines, ssync.UPDATES_END)):
                self._update(Subrequest.receive(line, lines.line), lines)
                self._check_hope()
                if number % A_TURN == A_TURN - 1:
                    sleep()
        finally:
            self.pool.waitall()
        self._check_hope()
        if self.tally.failures:
            raise HTTPInternalServerError(f"ERROR: With :UPDATES: {self.tally}")
        return ssync.LINE_END.join([ssync.UPDATES_START, ssync.UPDATES_END, b""])

    def _check_hope(self) -> None:
        options = self.receiver.options
        if self.tally.is_hopeless(options.replication_failure_threshold, options.replication_failure_ratio):
            raise HTTPInternalServerError(f"Too many {self.tally}")

    def _update(self, subrequest: Subrequest, lines: LineReader) -> None:
        """Store one thing; several small ones side by side, for then the disk's syncs are shared."""
        length = subrequest.length
        while (other := self.under_way.get(subrequest.path)) is not None:
            other.wait()  # A POST comes after its PUT.
        body = Body(lines, length)
        if length > SMALL:
            self._store(subrequest, body)
            if not body.drain():
                raise _cut_short(subrequest, body)
            return
        held = bytearray(length)
        if not body.fill(held):
            raise _cut_short(subrequest, body)
        self.under_way[subrequest.path] = self.pool.spawn(self._store, subrequest, BytesIO(held))

    def _store(self, subrequest: Subrequest, body: Body | BytesIO) -> None:
        environ = self._environ(subrequest, body)
        reply = Reply(500)  # Nobody hears what is raised in a green thread, and silence would pass for success.
        try:
            reply = self.receiver.serve(Request(environ))
        finally:
            self.under_way.pop(subrequest.path, None)
            went_well = is_success(subrequest.method, reply)
            self.tally.add(went_well)
        if not went_well:
            self._warn(
                "%s %s failed with %s: %s",
                subrequest.method,
                environ["RAW_PATH_INFO"],
                reply.status,
                b"".join(reply.body)[:200].decode("utf-8", "replace"),
            )

    def _base_environ(self) -> dict[str, Any]:
        environ = self.request.environ
        kept = {key: value for key, value in environ.items() if not key.startswith(("HTTP_", "CONTENT_", "webob"))}
        kept[environ_key(ssync.REPLICATION)] = "True"
        kept[environ_key(POLICY_INDEX)] = str(self.policy.index)
        for key in ("HTTP_HOST", "HTTP_X_TRANS_ID"):
            if key in environ:
                kept[key] = environ[key]
        return kept

    def _environ(self, subrequest: Subrequest, body: Body | BytesIO) -> dict[str, Any]:
        headers = {lower_case(name): value for name, value in subrequest.headers}
        stored = [name for name in headers if name not in _NOT_STORED]
        device = self.device_root.rpartition("/")[2]
        environ = {
            environ_key(name): value for name, value in headers.items() if name not in ("transfer-encoding", "expect")
        }
        environ |= self.base  # The sender's headers change nothing of these.
        environ |= {
            environ_key(ssync.REPLICATION_HEADERS): " ".join(stored),
            "REQUEST_METHOD": subrequest.method,
            "PATH_INFO": f"/{device}/{self.partition}{str_to_wsgi(subrequest.path)}",
            "RAW_PATH_INFO": f"/{device}/{self.partition}{quote(subrequest.path.encode('utf-8', 'surrogateescape'))}",
            "wsgi.input": body,
        }
        return environ

    # How it ends otherwise ----------------------------------------------------------------------------------------

    def _error_line(self, error: Exception) -> ErrorLine | None:
        """What the sender hears of an error; nothing when it has gone."""
        if isinstance(error, ClientDisconnected):
            self._warn("the sender has gone: %s", error)
            return None
        if isinstance(error, NoSlot):
            return ErrorLine(503, "as many replicate to this server as may at once")
        if isinstance(error, LockTimeout):
            return ErrorLine(0, f"another replicates to this partition or device: {error.strerror}")
        answer = error if isinstance(error, Answer) else answer_to(error, self.request, self.device_root)
        if answer is None:
            self.receiver.logger.exception("SSYNC %s failed", self.request.wsgi_path)
            return ErrorLine(0, str(error))
        text = answer.text if isinstance(error, Answer | BadMessage) else f"{type(error).__name__}: {error}"
        self._warn("%s: %s", answer.status, text)
        return ErrorLine(answer.status_int, text)

    def _warn(self, message: str, *values: object) -> None:
        environ = self.request.environ
        self.receiver.logger.warning(
            f"SSYNC of %s from %s: {message}", self.request.wsgi_path, environ.get("REMOTE_ADDR"), *values
        )


def _expect(lines: LineReader, marker: bytes) -> None:
    line = lines.line()
    if line is None:
        raise ClientDisconnected(f"it ended before {marker.decode()}")
    if line != marker:
        raise BadMessage(f"{line[:200]!r} where {marker.decode()} was due")


def _cut_short(subrequest: Subrequest, body: Body) -> BadMessage:
    return BadMessage(f"a body ends {body.left} bytes early: {subrequest.method} {subrequest.path!r}")


def _until(lines: LineReader, marker: bytes) -> Iterator[bytes]:
    """The lines up to a marker."""
    while (line := lines.line()) != marker:
        if line is None:
            raise BadMessage(f"the end where {marker.decode()} was due")
        if line:
            yield line
