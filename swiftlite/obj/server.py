"""The object server: PUT, POST, GET, HEAD and DELETE of one replica (formats.md 5.3)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from logging import Logger
from typing import Any

from swiftlite import __version__
from swiftlite.common import statsd, web
from swiftlite.common.config import read_options
from swiftlite.common.fs import FileSystem
from swiftlite.common.log import get_logger, transaction_id
from swiftlite.common.policies import StoragePolicy
from swiftlite.common.request_log import RequestLog
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.common.tracing import traced
from swiftlite.common.web import Answer
from swiftlite.core import fileset, preconditions
from swiftlite.core import metadata as rules
from swiftlite.core.constraints import check_content_type, check_metadata, check_object_put, check_path_text
from swiftlite.core.names import EntityName, reserved_names_problem, wsgi_to_str
from swiftlite.core.placement import ExpirerQueue
from swiftlite.core.timestamp import ZERO, Timestamp
from swiftlite.obj import growth, hashes, incoming, layout
from swiftlite.obj.answers import (
    Headers,
    Reply,
    Request,
    answer_to,
    bad_request,
    body_reply,
    deletion_headers,
    evaluate_conditions,
    found_before,
    object_headers,
    opens_expired,
    unmet_reply,
)
from swiftlite.obj.async_pending import AsyncPending
from swiftlite.obj.changes import Stored, await_leave, refuse_put, refuse_unmet, take_empty_body, until_unchanged
from swiftlite.obj.container_update import Change, ContainerUpdates, overridden
from swiftlite.obj.diskfile import DiskFile, DiskFileManager, OpenObject, Place
from swiftlite.obj.errors import DiskFileNotExist, MetadataDoesNotFit
from swiftlite.obj.options import ObjectOptions
from swiftlite.obj.ssync_receiver import SsyncReceiver
from swiftlite.obj.writer import DiskFileWriter
from swiftlite.wire import suffix_hashes
from swiftlite.wire.messages import POLICY_INDEX, ObjectRowUpdate, found_headers, next_part_power
from swiftlite.wire.node_client import node_client
from swiftlite.wire.update_hosts import UpdateHosts


class ObjectServer:
    """A WSGI application over the object files of this node's devices; a method of an upper-case name serves a verb.

    :param options: the conf of ``[app:object-server]``
    :param swift: the cluster's swift.conf
    :param fs: the disk, or a fake one
    :param clock: seconds since the epoch
    """

    methods = ("DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "REPLICATE", "SSYNC")

    def __init__(
        self,
        options: ObjectOptions,
        swift: SwiftConf,
        logger: Logger,
        fs: FileSystem | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.options = options
        self.swift = swift
        self.logger = logger
        self.request_log = RequestLog(logger, options.log_requests)
        self.clock = clock
        self.fs = fs or FileSystem()
        self.files = DiskFileManager(options.disk_file, swift.hash_path, logger, self.fs, clock)
        # A slower answer than this goes to the spool, which is on stable storage before the client hears of success.
        patience = options.container_update_timeout
        timeouts = min(options.conn_timeout, patience), min(options.node_timeout, patience)
        client = node_client(swift.backend_tls, *timeouts, logger, debug=True)
        queue = ExpirerQueue(
            options.auto_create_account_prefix + options.expiring_objects_account_name,
            options.expiring_objects_container_divisor,
        )
        spool = AsyncPending(self.fs, swift.hash_path)
        hosts = UpdateHosts(options.swift_dir, "container", options.allowed_update_hosts, logger)
        self.container_updates = ContainerUpdates(client, hosts, spool, self.files.threads, queue, patience, logger)
        self.allowed_headers = frozenset(name.lower() for name in options.allowed_headers)
        refused = ("REPLICATE", "SSYNC") if options.replication_server is False else ()
        self.handlers = {verb: getattr(self, verb) for verb in self.methods if verb not in refused}
        self.ssync = SsyncReceiver(options, self.files, self.reply, logger)
        self.oversized_metadata = 0
        """Requests refused because the filesystem could not hold their metadata."""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        started = self.clock()
        transaction_id.set(environ.get("HTTP_X_TRANS_ID", ""))
        reply = self.reply(Request(environ))
        length = next((value for name, value in reply.headers if name == "Content-Length"), "-")
        self.request_log.note(environ, reply.status, length, started, self.clock())
        start_response(web.status_line(reply.status), reply.headers)
        return reply.body if environ["REQUEST_METHOD"] != "HEAD" else []

    # The verbs ----------------------------------------------------------------------------------------------------

    def PUT(self, request: Request) -> Reply:
        """Store an object: 201."""
        change = self._change(request)
        size = self._check_put(request, change.place.name)
        delete_at = incoming.new_delete_at(request, change.timestamp)
        disk_file = self._disk_file(change.place, request)
        stored = self._find(disk_file, change.timestamp)
        if stored.timestamp != change.timestamp or incoming.waits(request):
            refuse_put(request, change.timestamp, stored)
        agreed = incoming.accept_offers(request)
        with disk_file.writer(size, makes_etag=not agreed.digest) as writer:
            limits = self.swift.constraints.max_file_size, self.options.max_upload_time
            seconds = incoming.receive(request, writer, size, *limits)
            if writer.size:
                statsd.took(
                    f"PUT.{os.path.basename(change.place.device_root)}.timing", seconds / writer.size * 1000
                )  # of each kB
            etag = incoming.checked_etag(request, writer)
            metadata = incoming.put_metadata(request, change, writer.size, etag, delete_at, self.allowed_headers)
            stored = self._commit(change, writer, metadata, None if agreed.vote else stored)
        self.container_updates.expiry_changed(change, stored.delete_at, delete_at, metadata)
        report = self._list_object(change, metadata)
        return Reply(201, [("Etag", f'"{metadata["ETag"]}"'), *_EMPTY_HTML, *report])

    def POST(self, request: Request) -> Reply:
        """Replace an object's metadata: 202."""
        change = self._change(request)
        delete_at = incoming.new_delete_at(request, change.timestamp)
        check_metadata(self.swift.constraints, request.items(), "object")
        check_content_type(request.header("Content-Type") or "")
        vote = incoming.accept_offers(request).vote
        disk_file = self._disk_file(change.place, request)

        def look() -> OpenObject:
            with disk_file.open(change.timestamp, opens_expired(request)) as opened:
                refuse_unmet(request, opened.metadata)
                return opened

        def attempt(opened: OpenObject) -> tuple[OpenObject, dict[str, str]]:
            with disk_file.writer(0) as writer:
                if vote:
                    take_empty_body(request)
                    writer.hold()
                    opened = look()
                posted = incoming.posted_metadata(request, change, opened, delete_at, self.allowed_headers)
                if vote:
                    await_leave(request)
                writer.put(posted, fileset.META, opened.files)
            return opened, posted

        opened, posted = until_unchanged(look, attempt)
        if change.timestamp > opened.timestamp:
            old_delete_at = int(opened.metadata.get("X-Delete-At") or 0)
            self.container_updates.expiry_changed(change, old_delete_at, delete_at, opened.data_metadata)
        report = self._list_posted(change, opened, posted)
        content_type = posted.get("Content-Type") or opened.metadata["Content-Type"]
        system = [item for item in opened.metadata.items() if rules.is_system_metadata("object", item[0])]
        told = [("X-Backend-Content-Type", content_type), *found_headers(opened.data_timestamp).items()]
        return _plain(web.HTTPAccepted(headers=[*told, *system, *report]))

    def GET(self, request: Request) -> Reply:
        """Send an object, or parts of it: 200, 206, 304, 412, 416."""
        opened = self._open(request)
        try:
            headers = object_headers(opened, self.allowed_headers)
            status = evaluate_conditions(request, opened)
            if status is not None:
                opened.close()
                return unmet_reply(status, headers)
            return body_reply(request, opened, headers)
        except BaseException:
            opened.close()
            raise

    def HEAD(self, request: Request) -> Reply:
        """Describe an object: 200, 304, 412."""
        with self._open(request) as opened:
            headers = object_headers(opened, self.allowed_headers)
            status = evaluate_conditions(request, opened)
            if status is not None:
                return unmet_reply(status, headers)
            return Reply(200, [*headers, ("Content-Length", str(opened.size))])

    def DELETE(self, request: Request) -> Reply:
        """Write a tombstone: 204, or 404 when there was nothing to delete."""
        change = self._change(request)
        vote = incoming.accept_offers(request).vote
        disk_file = self._disk_file(change.place, request)

        def look() -> Stored:
            stored = self._find(disk_file, change.timestamp)
            refuse_unmet(request, stored.metadata if stored.exists else None)
            self._refuse_unless_due(request, change, stored)
            return stored

        def attempt(stored: Stored) -> Stored:
            with disk_file.remover() as writer:
                if vote:
                    take_empty_body(request)
                    writer.hold()
                    stored = look()
                if stored.timestamp < change.timestamp:
                    if vote:
                        await_leave(request)
                    writer.put({"X-Timestamp": change.timestamp.internal}, fileset.TOMBSTONE, stored.files)
            return stored

        stored = until_unchanged(look, attempt)
        status = 404 if not stored.exists else 204 if stored.timestamp < change.timestamp else 409
        if request.header("X-If-Delete-At") is not None:
            status = 204
        headers = [
            ("X-Backend-Timestamp", max(stored.timestamp, change.timestamp).internal),
            ("X-Backend-Content-Type", stored.metadata.get("Content-Type", "")),
        ]
        if stored.found != change.timestamp:  # else it is what this very request left, which was sent again
            headers += found_headers(stored.found).items()
        if stored.timestamp < change.timestamp:
            self.container_updates.expiry_changed(change, stored.delete_at, 0, {})
            row = ObjectRowUpdate("DELETE", change.timestamp, change.place.policy.index)
            headers += self.container_updates.send(change, "DELETE", row.to_headers())
        return _plain(Answer(status, headers=headers))

    def OPTIONS(self, request: Request) -> Reply:
        """Which verbs there are, and what this server is (tools check its name)."""
        server = ("Server", f"object-server/{__version__}")
        return Reply(200, [("Allow", ", ".join(sorted(self.handlers))), server, ("Content-Length", "0")])

    def REPLICATE(self, request: Request) -> Reply:
        """Answer the hashes of a partition's suffixes, or note that some have changed (formats.md 5.3)."""
        device, partition, suffixes = request.path_parts(2, 3)
        assert device and partition
        root, policy = self.files.device_root(device), self._policy(request)
        directory = layout.partition_directory(root, policy, _checked_partition(partition))
        answer = None
        if suffixes:
            for suffix in filter(layout.is_suffix, suffixes.split("-")):
                hashes.invalidate(self.fs, directory, suffix)
            # rsync syncs nothing of what it brings, and who asks may remove a handoff because of this answer.
            self.files.threads.run(root, self.fs.sync_filesystem, root)
        else:
            answer = hashes.known(self.fs, directory)
            if answer is None:
                answer = self.files.threads.run(root, self.files.suffix_hashes, root, policy, partition)
        body = suffix_hashes.encode(answer)
        return Reply(200, [*_EMPTY_HTML[:1], ("Content-Length", str(len(body)))], [body])

    def SSYNC(self, request: Request) -> Reply:
        """Take what another replica of a partition has and we lack (formats.md 5.6)."""
        device, partition = request.path_parts(2, 2)
        assert device and partition
        policy = self._policy(request)
        return self.ssync.reply(request, self.files.device_root(device), _checked_partition(partition), policy)

    # What they have in common, in order of first use --------------------------------------------------------------

    def reply(self, request: Request) -> Reply:
        """The answer to a request, whatever becomes of it."""
        try:
            handler = self.handlers.get(request.environ["REQUEST_METHOD"])
            if handler is None:
                raise web.HTTPMethodNotAllowed(headers={"Allow": ", ".join(sorted(self.handlers))})
            check_path_text(request.wsgi_path, allow_reserved=True)
            return handler(request)
        except Answer as answer:
            return _plain(answer)
        except Exception as error:
            return _plain(self._answer_to(error, request))

    def _answer_to(self, error: Exception, request: Request) -> Answer:
        answer = answer_to(error, request, f"{self.files.options.devices}/{request.device}")
        what = f"{request.environ['REQUEST_METHOD']} {request.wsgi_path}"
        if answer is None:
            self.logger.exception("%s failed", what)
            return web.HTTPInternalServerError()
        if isinstance(error, MetadataDoesNotFit):
            self.oversized_metadata += 1
            self.logger.error("%s: %s (%d such so far)", what, error, self.oversized_metadata)
        elif answer.status_int >= 500:
            self.logger.error("%s: %s: %s", what, type(error).__name__, error)
        return answer

    def _place(self, request: Request) -> Place:
        """Where the object of a request is.

        :raises Answer: 400 for a bad path, 503 for a policy that we do not know
        :raises DeviceUnavailable: when its device is not there
        """
        device, partition, account, container, name = request.path_parts(5, 5, rest_with_last=True)
        assert device and partition and account and container and name
        entity = EntityName(wsgi_to_str(account), wsgi_to_str(container), wsgi_to_str(name))
        if "\x00" in request.wsgi_path:
            problem = reserved_names_problem(entity.account, entity.container, entity.object)
            if problem:
                raise bad_request(problem)
        policy = self._policy(request)
        return Place(self.files.device_root(device), _checked_partition(partition), entity, policy)

    def _policy(self, request: Request) -> StoragePolicy:
        policy = self.swift.policies.by_index(request.header(POLICY_INDEX))
        if policy is None:
            raise web.HTTPServiceUnavailable(f"No such storage policy: {request.header(POLICY_INDEX)}")
        if policy.policy_type != "replication":
            raise web.HTTPNotImplemented(
                f"Storage policy {policy.name} is not replicated; this server cannot serve it."
            )
        return policy

    def _change(self, request: Request) -> Change:
        """What a PUT, POST or DELETE is about to change."""
        timestamp = request.timestamp()
        place = self._place(request)
        return Change(place, timestamp, request, request.referer_line)

    def _disk_file(self, place: Place, request: Mapping[str, str]) -> DiskFile:
        disk_file = self.files.disk_file(*place)
        disk_file.twins = growth.twins(disk_file.directory, next_part_power(request))
        return disk_file

    # For PUT

    def _check_put(self, request: Request, name: EntityName) -> int | None:
        """Hold a PUT against the limits.

        :returns: bytes to come, None when the request does not say
        """
        size = incoming.body_length(request)
        content_type = request.header("Content-Type") or None
        assert name.object is not None
        check_object_put(self.swift.constraints, name.object, size, incoming.is_chunked(request), content_type)
        check_metadata(self.swift.constraints, request.items(), "object")
        if request.header("X-Backend-Obj-Multipart-Mime-Boundary"):
            raise web.HTTPNotImplemented("This server takes no metadata after an object's body.")
        return size

    def _find(self, disk_file: DiskFile, now: Timestamp) -> Stored:
        """What is there before a write."""
        try:
            with disk_file.open(now) as opened:
                timestamp = opened.data_timestamp
                return Stored(timestamp, opened.metadata, True, opened.files, timestamp)
        except DiskFileNotExist as error:
            return Stored(error.timestamp or ZERO, error.metadata, False, error.files, found_before(error))

    def _commit(
        self, change: Change, writer: DiskFileWriter, metadata: Mapping[str, str], stored: Stored | None
    ) -> Stored:
        """Put a new object in place; return what was there.

        :param stored: what was there at the last look; None: the change is put to the vote
        """
        vote = stored is None
        if vote:
            writer.hold(metadata)

        def attempt(stored: Stored) -> Stored:
            if not stored.is_put(change.timestamp, metadata["ETag"]):
                refuse_put(change.request, change.timestamp, stored)
                if vote:
                    await_leave(change.request)
                writer.put(metadata, seen=stored.files)
            return stored

        return until_unchanged(lambda: self._find(writer.disk_file, change.timestamp), attempt, stored)

    def _list_object(self, change: Change, metadata: Mapping[str, str]) -> Headers:
        """Tell the container of a new object."""
        row = ObjectRowUpdate(
            "PUT",
            change.timestamp,
            change.place.policy.index,
            int(metadata["Content-Length"]),
            metadata["Content-Type"],
            metadata["ETag"],
        )
        return self.container_updates.send(change, "PUT", overridden(row.to_headers(), change.request))

    # For POST

    def _list_posted(self, change: Change, opened: OpenObject, posted: Mapping[str, str]) -> Headers:
        """Tell the container of new metadata: the whole row again, with a timestamp for each part."""
        content_type, content_type_timestamp = opened.metadata["Content-Type"], opened.data_timestamp
        if "Content-Type-Timestamp" in posted:
            content_type_timestamp = Timestamp(posted["Content-Type-Timestamp"])
            content_type = incoming.with_swift_bytes(posted["Content-Type"], opened.data_metadata["Content-Type"])
        row = ObjectRowUpdate(
            "PUT",
            opened.data_timestamp,
            change.place.policy.index,
            opened.size,
            content_type,
            opened.etag,
            content_type_timestamp,
            Timestamp(posted["X-Timestamp"]),
        )
        return self.container_updates.send(change, "PUT", overridden(row.to_headers(), opened.metadata))

    # For GET and HEAD

    @traced("open object file")
    def _open(self, request: Request) -> OpenObject:
        place = self._place(request)
        stamp = request.header("X-Timestamp")
        now = request.timestamp() if stamp else Timestamp(self.clock())
        disk_file = self._disk_file(place, request)
        try:
            opened = disk_file.open(now, opens_expired(request))
            self.logger.debug("reading %s/%s", opened.disk_file.directory, opened.file_name)
            return opened
        except DiskFileNotExist as error:
            self.logger.debug("no object in %s: %r", disk_file.directory, error)
            if preconditions.matches(request.header("If-Match") or "", ""):
                raise web.HTTPPreconditionFailed(headers=deletion_headers(error)) from None
            raise

    # For DELETE

    def _refuse_unless_due(self, request: Request, change: Change, stored: Stored) -> None:
        """The expirer deletes only what is to be deleted at just this moment."""
        due = request.header("X-If-Delete-At")
        if due is None:
            return
        try:
            wanted = Timestamp(due)
        except ValueError:
            raise web.HTTPBadRequest("Bad X-If-Delete-At header value") from None
        if not stored.timestamp:
            raise web.HTTPNotFound()
        if stored.timestamp >= change.timestamp:
            raise web.HTTPConflict()
        if wanted != Timestamp(stored.delete_at):
            raise web.HTTPPreconditionFailed("X-If-Delete-At and X-Delete-At do not match")


_EMPTY_HTML: Headers = [("Content-Type", "text/html; charset=UTF-8"), ("Content-Length", "0")]


def _plain(answer: Answer) -> Reply:
    return Reply(answer.status_int, answer.headerlist, [answer.body])


def _checked_partition(partition: str) -> str:
    if not layout.is_partition_name(partition):
        raise bad_request(f"Invalid path: partition {partition!r}")
    return partition


def app_factory(global_conf: dict[str, str], **local_conf: str) -> ObjectServer:
    """Paste's factory of ``egg:swiftlite#object``.

    :raises ConfigError: when the conf cannot be used
    """
    conf = {**global_conf, **local_conf}
    file, section = conf.get("__file__", "object-server.conf"), conf.get("__section__", "app:object-server")
    options = read_options(ObjectOptions, conf, file, section)
    server = ObjectServer(options, SwiftConf.load(options.swift_dir), get_logger(conf, "object-server"))
    server.request_log.tell_statsd(conf, "object-server", file, section)
    return server
