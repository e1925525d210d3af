"""SsyncSender: gives another replica of a partition what we have and it lacks (formats.md 5.6).

Neither end can wait for the other for ever, however many the objects: the receiver writes only after it has read a
whole list, and the sender writes the next list only after it has read the whole answer to the last one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import monotonic
from typing import NamedTuple

from swiftlite.common.concurrency import sleep
from swiftlite.core.fileset import FileSet
from swiftlite.core.hosts import spell_address
from swiftlite.core.missing_check import Versions
from swiftlite.core.timestamp import ZERO
from swiftlite.http.client import Client
from swiftlite.http.errors import BackendError, ConnectFailed, ConnectTimeout, NodeTimeout, PeerClosed
from swiftlite.http.reply import Response
from swiftlite.http.upload import Upload
from swiftlite.obj.answers import wire_value
from swiftlite.obj.diskfile import DiskFileManager, OpenObject
from swiftlite.obj.errors import DiskFileDeleted, DiskFileError, DiskFileNotExist, DiskFileQuarantined
from swiftlite.obj.found_file import FoundFile
from swiftlite.obj.reader import SMALL, DiskFileReader
from swiftlite.obj.shipment import Sent, Shipment, objects_of
from swiftlite.ring.ring import Node
from swiftlite.wire import ssync
from swiftlite.wire.direct import user_agent
from swiftlite.wire.messages import POLICY_INDEX, BadMessage
from swiftlite.wire.peers import PeerFailed, PeerSilent
from swiftlite.wire.ssync import ErrorLine, LineReader, Offer, Subrequest, Wanted
from swiftlite.wire.suffix_hashes import spell

BATCH = 65536
"""Bytes that are gathered before they are sent."""
LONGEST_SILENCE = 5.0
"""Seconds after which less than that is sent, too: from a slow disk it comes slowly, and the receiver waits 60."""
HTTP_TIMEOUT = 60.0
"""Seconds to wait for the receiver's next words: it looks at every object, and stores every one, before it speaks."""
A_TURN = 50
"""Objects after which other green threads get a turn."""


class SsyncFailed(PeerFailed):
    """The session was broken off: nothing can be told of what the receiver has."""


class SsyncSender:
    """Sends the objects of partitions to other nodes.

    :param node_timeout: seconds for the receiver to take bytes, or to begin its answer
    :param bytes_per_second: most that a session sends; 0 for no limit
    :param http_timeout: seconds for the receiver to go on with its answer
    """

    def __init__(
        self,
        client: Client,
        files: DiskFileManager,
        *,
        node_timeout: float,
        bytes_per_second: float = 0.0,
        http_timeout: float = HTTP_TIMEOUT,
    ) -> None:
        self.client = client
        self.files = files
        self.node_timeout = node_timeout
        self.bytes_per_second = bytes_per_second
        self.http_timeout = http_timeout

    def send(self, node: Node, shipment: Shipment) -> Sent:
        """Offer a shipment, and send what the node wants of it.

        Arguments and errors: :class:`~swiftlite.obj.shipment.Sender`'s.
        """
        objects = _Objects(self.files, shipment)
        offers = objects.offers()
        first = next(offers, None)
        if first is None:
            return objects.sent()
        headers = {POLICY_INDEX: str(shipment.policy.index), "User-Agent": user_agent("object-replicator")}
        path = f"/{node.device}/{shipment.partition}"
        try:
            upload = self.client.open(
                node.replication_address, ssync.METHOD, path, headers, node_timeout=self.node_timeout
            )
            try:
                response = upload.converse(ssync.MISSING_CHECK_START + ssync.LINE_END, self.http_timeout)
                peer = _Receiver(upload, response, self.bytes_per_second)
                peer.put(first)
                self._talk(peer, objects, offers)
            except BaseException:
                upload.close()  # Before the end of a body or of a list: the receiver can take it for nothing else.
                raise
        except (ConnectFailed, ConnectTimeout, NodeTimeout) as error:
            raise PeerSilent(str(error)) from None
        except (BackendError, BadMessage) as error:
            raise SsyncFailed(f"{spell(node)}: {error}") from None
        return objects.sent()

    def _talk(self, peer: _Receiver, objects: _Objects, offers: Iterator[bytes]) -> None:
        for offer in offers:
            peer.put(offer)
        peer.put(ssync.MISSING_CHECK_END + ssync.LINE_END)
        peer.flush()
        wanted = [
            Wanted.from_line(line) for line in peer.answer(ssync.MISSING_CHECK_START, ssync.MISSING_CHECK_END) if line
        ]
        peer.put(ssync.UPDATES_START + ssync.LINE_END)
        for number, wish in enumerate(wanted):
            objects.send(wish, peer)
            if number % A_TURN == A_TURN - 1:
                sleep()
        peer.put(ssync.UPDATES_END + ssync.LINE_END)
        peer.finish()
        for line in peer.answer(ssync.UPDATES_START, ssync.UPDATES_END):
            if line:
                raise peer.unexpected(line)
        peer.response.drain()


class _Receiver:
    """The other end, as a sender speaks to it.

    :ivar sent: bytes that have been sent
    """

    def __init__(self, upload: Upload, response: Response, bytes_per_second: float) -> None:
        self.upload = upload
        self.response = response
        self.address = spell_address(*upload.address)
        if response.status != 200:
            text = response.read(1024).decode("utf-8", "replace")
            raise SsyncFailed(f"{self.address} answered {response.status}: {text}", response.status)
        self.sent = 0
        self._lines = LineReader(lambda: response.read(BATCH))
        self._bytes_per_second = bytes_per_second
        self._started = self._spoke = monotonic()
        self._gathered: list[bytes] = []
        self._size = 0

    def put(self, data: bytes) -> None:
        """Send, or keep for the next batch."""
        self._gathered.append(data)
        self._size += len(data)
        if self._size >= BATCH or monotonic() - self._spoke > LONGEST_SILENCE:
            self.flush()

    def flush(self) -> None:
        """Send what was kept.

        :raises SsyncFailed: when the receiver has had enough
        """
        if not self._gathered:
            return
        data = self._gathered[0] if len(self._gathered) == 1 else b"".join(self._gathered)
        self._gathered.clear()
        self._size = 0
        self.listen()
        try:
            self.upload.say(data)
        except (PeerClosed, NodeTimeout):
            self._hear_last_words()
            raise
        self._spoke = monotonic()
        self.sent += len(data)
        if self._bytes_per_second > 0:
            ahead = self.sent / self._bytes_per_second - (monotonic() - self._started)
            if ahead > 0:
                sleep(ahead)

    def finish(self) -> None:
        """Send what was kept, and that nothing follows."""
        self.flush()
        self.upload.finish_chunks()

    def listen(self) -> None:
        """Make sure that the receiver does not speak, for while it is being told something only bad news can come."""
        if self.response.has_arrived():
            line = self._lines.line()
            if line != b"":  # Its first words are an empty line, and may come late.
                raise self.unexpected(line)

    def answer(self, start: bytes, end: bytes) -> Iterator[bytes]:
        """The lines between two markers.

        :raises SsyncFailed: when they do not come
        """
        while (line := self._lines.line()) != start:
            if line != b"":
                raise self.unexpected(line)
        while (line := self._lines.line()) != end:
            if line is None or line.startswith(b":"):
                raise self.unexpected(line)
            yield line

    def unexpected(self, line: bytes | None) -> SsyncFailed:
        """What is wrong with a line that should not have come; None: with the end."""
        if line is None:
            return SsyncFailed(f"{self.address} ended the session early")
        error = ErrorLine.from_line(line)
        if error is None:
            return SsyncFailed(f"{self.address} said {line[:200]!r}")
        return SsyncFailed(f"{self.address} gave up with {error.status}: {error.text}", error.status)

    def _hear_last_words(self) -> None:
        """Raise what the receiver may have said before it stopped to listen."""
        try:
            while self.response.has_arrived() and (line := self._lines.line()) is not None:
                if line:
                    raise self.unexpected(line)
        except (BackendError, BadMessage):
            pass  # The failure to send is what counts.


class _Update(NamedTuple):
    """What brings one object up to date: heads of subrequests, empty for those that are not needed."""

    put: bytes = b""
    body: bytes | DiskFileReader = b""
    post: bytes = b""
    delete: bytes = b""

    def close(self) -> None:
        """Close the file of a big body."""
        if not isinstance(self.body, bytes):
            self.body.close()


class _Objects:
    """The objects of a partition, as one session offers and sends them."""

    def __init__(self, files: DiskFileManager, shipment: Shipment) -> None:
        self.files = files
        self.shipment = shipment
        self.offered: dict[str, FileSet] = {}
        self.unsent: set[str] = set()
        """Hashes of objects that were wanted, and are not what was offered, or cannot be read."""
        self.data = self.posts = self.tombstones = self.bytes = self.failures = 0

    def offers(self) -> Iterator[bytes]:
        """A line for every object; each directory is tidied on the way."""
        for number, (name, files) in enumerate(objects_of(self.files, self.shipment)):
            versions = Versions.of(files)
            if versions is not None:
                self.offered[name] = files
                yield Offer(name, versions).to_line() + ssync.LINE_END
            if number % A_TURN == A_TURN - 1:
                sleep()

    def send(self, wanted: Wanted, peer: _Receiver) -> None:
        """Send parts of an object; one that has changed meanwhile comes in the next pass.

        :raises SsyncFailed: when it proves damaged after some of it was sent
        """
        name = wanted.object_hash
        offered = self.offered.get(name)
        if offered is None:
            raise SsyncFailed(f"{peer.address} wants {name}, which was not offered")
        try:
            update = self._update(wanted, offered)
        except (DiskFileError, OSError, ValueError) as error:
            self._fail(name, error)
            return
        if update is None:
            self.unsent.add(name)
            return
        try:
            for head in filter(None, (update.delete, update.put)):
                peer.put(head)
            if isinstance(update.body, bytes):
                peer.put(update.body)
                self.bytes += len(update.body)
            else:
                self._send_big_body(update.body, peer)
        finally:
            update.close()
        peer.put(update.post)
        self.tombstones += bool(update.delete)
        self.data += bool(update.put)
        self.posts += bool(update.post)

    def _update(self, wanted: Wanted, offered: FileSet) -> _Update | None:
        """What to send; None when what was offered is not there any more."""
        name, shipment = wanted.object_hash, self.shipment
        directory = f"{shipment.directory}/{name[-3:]}/{name}"
        disk_file = FoundFile(self.files, shipment.device_root, shipment.policy, directory)
        try:
            with disk_file.open(ZERO, open_expired=True) as opened:
                if opened.files.effective != offered.effective:
                    return None
                post = _post(disk_file.path, opened) if wanted.parts.metadata else b""
                if not wanted.parts.data:
                    return _Update(post=post)
                put = Subrequest("PUT", disk_file.path, _headers(opened.data_metadata)).to_bytes()
                reader = opened.reader()
                # A small body is proved whole before anything is sent.
                return _Update(put, reader.read_all() if reader.size <= SMALL else reader, post)
        except DiskFileDeleted as error:
            if offered.tombstone is None or error.files.effective != offered.effective:
                return None
            if not wanted.parts.data:
                return _Update()
            headers = (("X-Timestamp", offered.tombstone.timestamp.internal),)
            return _Update(delete=Subrequest("DELETE", disk_file.path, headers).to_bytes())
        except DiskFileQuarantined:
            raise
        except DiskFileNotExist:
            return None

    def _send_big_body(self, reader: DiskFileReader, peer: _Receiver) -> None:
        try:
            for chunk in reader:
                peer.put(chunk)
                self.bytes += len(chunk)
        except BackendError:
            raise
        except (DiskFileError, OSError) as error:
            raise SsyncFailed(f"broken off in the midst of {reader.disk_file.path}: {error}") from None

    def _fail(self, name: str, error: Exception) -> None:
        """Go on without an object that cannot be sent."""
        self.unsent.add(name)
        self.failures += 1
        where = f"{self.shipment.directory}, {name}"
        self.files.logger.error("Cannot send %s: %s: %s", where, type(error).__name__, error)

    def sent(self) -> Sent:
        """What has become of all."""
        in_sync = {name: files for name, files in self.offered.items() if name not in self.unsent}
        return Sent(in_sync, len(self.offered), self.data, self.posts, self.tombstones, self.bytes, self.failures)


def _post(path: str, opened: OpenObject) -> bytes:
    """The head that brings an object's posted metadata; nothing where there are none."""
    if opened.posted_metadata is None:
        return b""
    posted = dict(opened.posted_metadata)
    if opened.files.content_type not in (None, opened.files.meta):
        # An older .meta file holds a newer content type: the receiver needs but one file for both.
        posted["Content-Type"] = opened.metadata["Content-Type"]
        posted["Content-Type-Timestamp"] = opened.content_type_timestamp.internal
    return Subrequest("POST", path, _headers(posted)).to_bytes()


def _headers(metadata: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Stored metadata as the headers of a subrequest; the name is in its path."""
    return tuple((wire_value(key), wire_value(value)) for key, value in sorted(metadata.items()) if key != "name")
