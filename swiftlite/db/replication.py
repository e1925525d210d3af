"""REPLICATE: what a server does to its databases when another replica asks for it (formats.md 4.8).

A row is safe at every instruction. Rows are merged in one transaction together with the note of how far they go. A
received file gets the rows that were here before it takes their place, and takes it while nobody can add others: the
directory's lock keeps out those who append, the old file's write lock those who write, and both look again, once they
have their lock, whether what they locked is still in its place. A crash leaves the old file or the new one, and
perhaps a file in ``tmp``, which the replicator removes later.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, NamedTuple

from swiftlite.common import web
from swiftlite.common.concurrency import ThreadPool, sleep
from swiftlite.core.json_text import load_json
from swiftlite.core.rows import is_storable
from swiftlite.core.timestamp import Timestamp
from swiftlite.db import layout, pending
from swiftlite.db.access import is_disk_error
from swiftlite.db.broker import BadRow, DatabaseBroker, DatabaseMissing, make_directories, sync_directory
from swiftlite.db.controller import DatabaseServer, Reply, Request, bad_request
from swiftlite.db.sync_points import UNTAKEN
from swiftlite.db.whole_file import open_private
from swiftlite.http.errors import RequestBodyError

_HASH = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[^/\x00]+")
_LONGEST_NAME = 255 - len(".") - len(uuid.UUID(int=0).hex)
"""Bytes: a file has a longer name of its own while it is received or claimed."""

_ROWS_AT_ONCE = 1000
_CHUNK = 262144
_TIMES = ("created_at", "put_timestamp", "delete_timestamp")
_SYNC_FIELDS = ("max_row", "hash", "id", *_TIMES, "metadata", "status_changed_at", "count", "storage_policy_index")


class Place(NamedTuple):
    """Where the database of a request is, or should be: its path in the form without an epoch."""

    device_path: str
    name_hash: str
    path: str

    @property
    def directory(self) -> str:
        """The directory that the database has for itself."""
        return os.path.dirname(self.path)

    def received(self, name: str) -> str:
        """Where a file lies that was sent for it.

        :raises Answer: 400 when that would be anywhere else
        """
        if not _NAME.fullmatch(name) or name in (".", "..") or len(os.fsencode(name)) > _LONGEST_NAME:
            raise bad_request(f"{name!r} is no name of a file")
        return f"{self.device_path}/tmp/{name}"


class Replication:
    """Answers the REPLICATE requests for a server's databases.

    :param server: whose options, swift.conf, logger and clock are used
    :param broker_class: of its databases
    """

    operations: ClassVar[dict[str, str]] = {
        "sync": "_sync",
        "merge_items": "_merge_items",
        "merge_syncs": "_merge_syncs",
        "rsync_then_merge": "_rsync_then_merge",
        "complete_rsync": "_complete_rsync",
    }
    """Operation -> the method that is called with the place and the operation's arguments."""

    def __init__(self, server: DatabaseServer, broker_class: type[DatabaseBroker]) -> None:
        self._server = server
        self._broker_class = broker_class
        self._logger = server.logger
        self._threads = ThreadPool(2)

    def serve(self, request: Request) -> Reply:
        """Do what a request asks for: ``/<device>/<partition>/<hash>``, with a fourth segment to take in a file.

        :raises Answer: 400, 404, 411 or 507
        """
        device, partition, name_hash, name = [*request.path_parts(3, 4), None][:4]
        assert device and partition and name_hash
        if not layout.is_valid_partition(partition) or not _HASH.fullmatch(name_hash):
            raise bad_request(f"Invalid path: {request.wsgi_path}")
        device_path = layout.usable_device(self._server.options.devices, device, self._server.options.mount_check)
        if device_path is None:
            raise web.HTTPInsufficientStorage(drive=device)
        path = layout.database_path(device_path, self._server.kind, partition, name_hash)
        place = Place(device_path, name_hash, path)
        make_directories(f"{device_path}/tmp")  # whoever learns that there is no database here will send one there
        if name is not None:
            return self._receive(request, place.received(name))
        method, arguments = self._order(request)
        return method(place, *arguments)

    def _order(self, request: Request) -> tuple[Callable[..., Reply], list[Any]]:
        try:
            order = load_json(request.environ["wsgi.input"].read())
        except RequestBodyError:
            raise
        except ValueError as error:
            raise bad_request(f"Invalid JSON: {error}") from None
        if not isinstance(order, list) or not order or str(order[0]) not in self.operations:
            raise bad_request(f"The body must be a list that begins with one of {', '.join(self.operations)}")
        return getattr(self, self.operations[str(order[0])]), order[1:]

    # A file ---------------------------------------------------------------------------------------------------

    def _receive(self, request: Request, path: str) -> Reply:
        """Take in a whole database: where peers have no rsync, it comes as a request's body."""
        length = int(request.header("Content-Length") or -1)
        if length < 0:
            raise web.HTTPLengthRequired()
        temporary = f"{path}.{uuid.uuid4().hex}"
        try:
            with open(temporary, "xb", buffering=0, opener=open_private) as file:
                source = request.environ["wsgi.input"]
                while piece := source.read(_CHUNK):
                    file.write(piece)
                if file.tell() != length:
                    raise bad_request(f"{file.tell()} bytes came of {length}")
            os.rename(temporary, path)
        except RequestBodyError as error:
            raise bad_request(f"The file did not come to its end: {error}") from None
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
        return Reply(201)

    # What two replicas tell each other ------------------------------------------------------------------------

    def _sync(self, place: Place, *arguments: Any) -> Reply:
        """Learn what the other side says of itself, and say the same of this one."""
        theirs = _described(arguments)
        broker = self.existing(place)
        info = self.settle(broker, broker.replication_info(), theirs)
        self._merge_metadata(broker, theirs["metadata"])
        if any(info[name] != theirs[name] for name in _TIMES):
            broker.merge_timestamps(*(theirs[name] for name in _TIMES))
        if info["id"] == theirs["id"]:
            broker.leave_id(info["id"])  # and the sender sees by the answer that it must do so, too
        info["point"] = broker.sync_point(theirs["id"])
        same = info["hash"] == theirs["hash"] and info["count"] == theirs.get("count", info["count"])
        if same and info["point"] < theirs["max_row"]:
            broker.note_same_rows(theirs["id"], theirs["hash"], theirs["max_row"])
            info["point"] = theirs["max_row"]
        elif info["point"] == UNTAKEN:
            # What follows raises only points that are there: not those of a database that is made meanwhile.
            broker.merge_sync_points([{"remote_id": theirs["id"], "sync_point": UNTAKEN}])
        return Reply(200, [("Content-Type", "application/json")], json.dumps(info).encode("ascii"))

    def settle(self, broker: DatabaseBroker, info: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
        """Give way in what only one of both can be right; return what this replica says of itself then."""
        return info

    def _merge_metadata(self, broker: DatabaseBroker, text: str) -> None:
        try:
            broker.merge_metadata_text(text)
        except BadRow as error:  # its rows are good all the same
            self._logger.error("%s: a replica has %s", broker.path, error)

    def _merge_items(self, place: Place, *arguments: Any) -> Reply:
        rows, source = _of_types(arguments, list, str)
        broker = self.existing(place)
        try:
            broker.merge_rows(rows, source)
        except BadRow:
            self._merge_good_rows(broker, rows, source)
        return Reply(202)

    def _merge_good_rows(self, broker: DatabaseBroker, rows: list[Any], source: str) -> None:
        """Merge rows one by one: one that nobody can keep is not to hold up all that come after it for ever.

        :raises BadRow: when all are bad
        """
        bad = 0
        for row in rows:
            try:
                broker.merge_rows([row], source)
            except BadRow as error:
                self._logger.error("%s: dropped what a replica sent: %s", broker.path, error)
                bad += 1
                if bad == len(rows):
                    raise

    def _merge_syncs(self, place: Place, *arguments: Any) -> Reply:
        (points,) = _of_types(arguments, list)
        self.existing(place).merge_sync_points(points, in_session=True)
        return Reply(202)

    # A received file takes its place --------------------------------------------------------------------------

    def _complete_rsync(self, place: Place, *arguments: Any) -> Reply:
        """Where there is no database, the received one becomes it."""
        name, *file = _of_types(arguments, *[str] * min(max(len(arguments), 1), 2))
        target = f"{place.directory}/{file[0]}" if file else place.path
        if not re.fullmatch(rf"{place.name_hash}(_[0-9._]+)?\.db", os.path.basename(target)):
            raise bad_request(f"{file[0]!r} is no name of this database")
        with self._claimed(place, name) as received:
            received.renew_id(name)
            _set_status(received, received.get_info())
            make_directories(place.directory)
            with pending.directory_lock(place.directory, received.patience.seconds):
                if self._broker(place).exists:
                    raise web.HTTPNotFound()
                layout.remove_journal(target)
                os.rename(received.path, target)
            sync_directory(place.directory)
        return Reply(204)

    def _rsync_then_merge(self, place: Place, *arguments: Any) -> Reply:
        """Merge the database that is here into the received one, which takes its place."""
        (name,) = _of_types(arguments[:1], str)
        existing = self.existing(place)
        with self._claimed(place, name) as received:
            # First of all: what comes after this was not known to the sender, whose rows these are.
            received.renew_id(name)
            known = existing.get_info()["id"]
            last = _merge_rows(existing, received, -1)
            with pending.directory_lock(existing.directory, existing.patience.seconds):
                existing.commit_pending_locked()
                with existing.write_locked():
                    # If another file has taken the place meanwhile, its rows have other numbers.
                    _merge_rows(existing, received, last if existing.get_info()["id"] == known else -1)
                    self.merge_rest(existing, received)
                    os.rename(received.path, layout.newest_file(existing.path))
            sync_directory(existing.directory)
        return Reply(204)

    def merge_rest(self, existing: DatabaseBroker, received: DatabaseBroker) -> None:
        """Merge what a database knows besides its rows into the one that takes its place."""
        info = existing.replication_info()
        _set_status(received, received.get_info(), info)
        received.merge_sync_points(existing.sync_points())
        self._merge_metadata(received, info["metadata"])
        received.merge_timestamps(*(info[name] for name in _TIMES))

    @contextmanager
    def _claimed(self, place: Place, name: str) -> Iterator[DatabaseBroker]:
        """A received file, for us alone, that is a sound copy of the database in question; whatever is left goes."""
        path = place.received(name)
        claimed = f"{path}.{uuid.uuid4().hex}"
        try:
            os.rename(path, claimed)
            os.chmod(claimed, 0o600)  # whatever mode a peer's rsync gave it
        except FileNotFoundError:
            raise web.HTTPNotFound() from None
        received = self._broker_class(claimed, "", logger=self._logger)
        try:
            self._threads.run(_check_file, claimed)
            info = received.get_info()
            if self._server.swift.hash_path.hex(info["account"], info.get("container")) != place.name_hash:
                raise bad_request("The file is another database.")
            yield received
        except sqlite3.DatabaseError as error:
            if is_disk_error(error):
                raise
            raise bad_request(f"The file is no sound database: {error}") from error
        finally:
            received.close()
            with suppress(FileNotFoundError):
                os.unlink(claimed)

    def existing(self, place: Place) -> DatabaseBroker:
        """The database of a place.

        :raises DatabaseMissing: when there is none
        """
        broker = self._broker(place)
        if not broker.exists:
            raise DatabaseMissing(place.path)
        return broker

    def _broker(self, place: Place) -> DatabaseBroker:
        hash_path = self._server.swift.hash_path
        return self._broker_class(
            place.path, "", logger=self._logger, patience=pending.REPLICATION, hash_path=hash_path
        )


def _merge_rows(source: DatabaseBroker, target: DatabaseBroker, last: int) -> int:
    """Merge rows numbered above ``last`` into another database; return the number of the last one."""
    while rows := source.items_since(last, _ROWS_AT_ONCE):
        target.merge_rows(rows)
        last = rows[-1]["ROWID"]
        sleep(0)
    return last


def _set_status(received: DatabaseBroker, *infos: dict[str, Any]) -> None:
    """Mark a received database by what was done last to any of those that are in it.

    An old replica that comes back must not mark an account deleted that was created anew since then: nobody could
    create it a third time.
    """
    put, deleted = (max(info[name] for info in infos) for name in ("put_timestamp", "delete_timestamp"))
    status = "" if put > deleted else max(info["status"] or "" for info in infos)
    with received.transaction() as connection:
        connection.execute(f"UPDATE {received.stat_table} SET status = ?", (status,))


def _check_file(path: str) -> None:
    """Read a whole file, in a thread of its own, to see that it is sound.

    :raises sqlite3.DatabaseError: when it is not
    """
    connection = sqlite3.connect(path)
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    finally:
        connection.close()
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _described(arguments: tuple[Any, ...]) -> dict[str, Any]:
    """What the arguments of ``sync`` say of the sender; its policy only where it has several.

    :raises Answer: 400 for what makes no sense
    """
    described = dict(zip(_SYNC_FIELDS, arguments))
    try:
        if len(arguments) < 7 or not isinstance(described["max_row"], int) or not isinstance(described["id"], str):
            raise ValueError("fields are missing, or of the wrong type")
        if not is_storable(described.values()):
            raise ValueError("a field that no database can keep")
        for name in _TIMES:
            Timestamp(described[name])
        described["metadata"] = described["metadata"] or ""
    except (TypeError, ValueError) as error:
        raise bad_request(f"Bad arguments: {error}") from None
    return described


def _of_types(arguments: tuple[Any, ...], *types: type) -> list[Any]:
    if len(arguments) != len(types) or not all(map(isinstance, arguments, types)):
        raise bad_request(f"The arguments must be {', '.join(kind.__name__ for kind in types)}")
    if not is_storable(argument for argument in arguments if isinstance(argument, str)):
        raise bad_request("An argument is no Unicode text")
    return list(arguments)
