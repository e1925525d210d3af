"""ObjectController: what clients do with objects."""

from __future__ import annotations

import mimetypes
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from swiftlite.common.config import is_true
from swiftlite.common.policies import StoragePolicy
from swiftlite.common.web import (
    HTTPAccepted,
    HTTPBadRequest,
    HTTPInternalServerError,
    HTTPNotFound,
    HTTPServiceUnavailable,
    status_line,
)
from swiftlite.core.constraints import (
    check_content_type,
    check_metadata,
    check_object_put,
    has_reserved_parameter,
)
from swiftlite.core.existence import deletion
from swiftlite.core.expiry import requested_delete_at
from swiftlite.core.names import EntityName
from swiftlite.core.placement import Target, spread_updates
from swiftlite.core.quorum import Tally, distinct_etags, quorum_size
from swiftlite.core.timestamp import Timestamp, normal_delete_at
from swiftlite.http.errors import BackendError
from swiftlite.proxy.answers import PlainAnswer
from swiftlite.proxy.cluster import target
from swiftlite.proxy.controllers.base import Controller
from swiftlite.proxy.download import SMALL, ResumingDownload
from swiftlite.proxy.headers import HeaderList, read_headers, returned_headers, write_headers
from swiftlite.proxy.info import Info
from swiftlite.proxy.nodes import NodeIter
from swiftlite.proxy.object_change import ObjectChange
from swiftlite.proxy.row_quorum import KnownRow, RowQuorum
from swiftlite.proxy.search import Search, Source
from swiftlite.proxy.upload import ClientBody, ReplicatedUpload
from swiftlite.proxy.voted_change import VotedChange, VotedCreation
from swiftlite.wire.backend import BackendRequest
from swiftlite.wire.messages import NEXT_PART_POWER, ROW_REPORT, ObjectOrder, ObjectRowUpdate, UpdateTargets

if TYPE_CHECKING:
    from swiftlite.proxy.server import Application

CREATED = status_line(201)


class ObjectController(Controller):
    """Requests for ``/v1/<account>/<container>/<object>``, of policies that keep whole copies."""

    def __init__(self, app: Application, environ: dict[str, Any], name: EntityName) -> None:
        super().__init__(app, environ, name)
        self.container = self.container_info()
        self.policy = self._find_policy(self.container)
        environ["HTTP_X_BACKEND_STORAGE_POLICY_INDEX"] = str(self.policy.index)  # sent on, and logged
        self.ring = self.cluster.object_ring(self.policy)
        self.partition = self.ring.partition(name.account, name.container, name.object)

    def GET(self) -> PlainAnswer:
        """The object; HEAD only its metadata."""
        self.authorize(self.container["read_acl"])
        headers = read_headers(self.environ) + self.identification()
        if self._opens_expired:
            headers.append(("X-Backend-Open-Expired", "true"))
        if self.ring.next_part_power is not None:
            headers.append((NEXT_PART_POWER, str(self.ring.next_part_power)))
        request = BackendRequest(self.environ["REQUEST_METHOD"], self.partition, self.path)
        search = self.search(self.ring, request, headers, is_object=True)
        found = search.run()
        if isinstance(found, Source):
            return self._found(search, found)
        return self.answer(found)

    HEAD = GET

    def PUT(self) -> PlainAnswer:
        """Store the object."""
        self._authorize_write()
        headers, body = self._checked_upload()
        timestamp = self._timestamp()
        delete_at = self._delete_at(timestamp, headers)
        request = BackendRequest("PUT", self.partition, self.path)
        upload = self._upload(request, self._replicas(headers, timestamp, delete_at))
        tally = upload.run(body)
        answer = self._stored(tally, timestamp, upload.nodes)
        if answer.status == CREATED:
            content_type, etag = dict(headers)["Content-Type"], answer.header("Etag") or ""
            row = ObjectRowUpdate("PUT", timestamp, self.policy.index, body.received, content_type, etag)
            self.row_quorum.settle(tally.replies, KnownRow("PUT", row, headers), upload.lost)
        return answer

    def POST(self) -> PlainAnswer:
        """Replace the object's metadata."""
        self._authorize_write()
        headers = write_headers(self.environ)
        check_metadata(self.cluster.constraints, headers, "object")
        check_content_type(self.environ.get("CONTENT_TYPE") or "")
        if self._opens_expired:
            headers.append(("X-Backend-Open-Expired", "true"))
        timestamp = self._timestamp()
        delete_at = self._delete_at(timestamp, headers)
        request = BackendRequest("POST", self.partition, self.path)
        replicas = self._replicas(headers, timestamp, delete_at)
        nodes, _ = self.cluster.delete_nodes(self.ring, self.partition)  # local handoffs may have it, too
        if self._is_conditional:
            voted = self._voted(request, replicas)
            tally, nodes = voted.run(self._no_body()), voted.nodes
            reply, replies = tally.best(), tally.replies
        else:
            change = ObjectChange(self.cluster, nodes, request, replicas)
            reply, replies = change.post(), change.tally.replies
        if reply is None:
            raise nodes.too_few()
        if reply.status == 202:
            self.row_quorum.settle(replies, KnownRow("PUT"), [])
        return self.answer(reply)

    def DELETE(self) -> PlainAnswer:
        """Delete the object."""
        self._authorize_write()
        timestamp = self._timestamp()
        request = BackendRequest("DELETE", self.partition, self.path)
        headers = write_headers(self.environ)
        if self._is_conditional:
            voted = self._voted(request, self._replicas(headers, timestamp, None))
            tally, lost, nodes = voted.run(self._no_body()), voted.lost, voted.nodes
        else:
            nodes, count = self.cluster.delete_nodes(self.ring, self.partition)
            change = ObjectChange(self.cluster, nodes, request, self._replicas(headers, timestamp, None, count))
            tally, lost = change.delete(), change.lost
        # A 404 comes with a tombstone, but for the expirer's requests.
        leaves_tombstones = "HTTP_X_IF_DELETE_AT" not in self.environ
        best = deletion(tally) if leaves_tombstones else tally.best({404: 204})
        if best is None:
            raise nodes.too_few()
        if best.status // 100 == 2 or (best.status == 404 and leaves_tombstones):
            row = ObjectRowUpdate("DELETE", timestamp, self.policy.index)
            self.row_quorum.settle(tally.replies, KnownRow("DELETE", row), lost)
        return self.answer(best)

    # --- reading ---

    def _found(self, search: Search, source: Source) -> PlainAnswer:
        response = source.response
        headers = returned_headers(response.headers.items())
        headers.append(("Accept-Ranges", "bytes"))
        length = response.headers.get("Content-Length")
        if length is not None:
            headers.append(("Content-Length", length))
        status = f"{response.status} {response.reason}"
        if self.environ["REQUEST_METHOD"] == "HEAD":
            response.close()
            return PlainAnswer(status, headers)
        download = ResumingDownload(search, source, self.options.object_chunk_size)
        if download.length is None or download.length > SMALL:
            return PlainAnswer(status, headers, download)
        try:
            return PlainAnswer(status, headers, download.whole())
        except BackendError:
            raise HTTPServiceUnavailable() from None

    # --- writing ---

    def _find_policy(self, container: Info) -> StoragePolicy:
        if container["status"] >= 500:
            raise HTTPServiceUnavailable()
        index = self.environ.get("HTTP_X_BACKEND_STORAGE_POLICY_INDEX") or container["storage_policy"]
        policy = self.cluster.policies.by_index(index)
        if policy is None:
            # The container was made by a proxy that knows more policies than this one.
            raise HTTPServiceUnavailable("Unknown Storage Policy")
        return policy

    @property
    def _opens_expired(self) -> bool:
        return self.options.allow_open_expired and is_true(self.environ.get("HTTP_X_OPEN_EXPIRED"))

    def _authorize_write(self) -> None:
        if self.environ["REQUEST_METHOD"] != "POST":  # container sync only puts and deletes
            self.environ["swift_sync_key"] = self.container["sync_key"]
        self.authorize(self.container["write_acl"])
        if self.container["status"] // 100 != 2:
            raise HTTPNotFound()

    @property
    def _is_conditional(self) -> bool:
        """Whether the change has conditions that Swift knows for reads alone."""
        match, none_match = self.environ.get("HTTP_IF_MATCH"), self.environ.get("HTTP_IF_NONE_MATCH")
        return bool(match or none_match)

    def _upload(self, request: BackendRequest, replicas: list[HeaderList]) -> ReplicatedUpload:
        """What brings the body to the object servers, under the request's conditions."""
        if not self._is_conditional:
            nodes = self.cluster.write_nodes(self.ring, self.partition)
            return ReplicatedUpload(self.cluster, nodes, request, replicas, quorum_size(len(replicas)))
        only_if_new = "*" in self.environ.get("HTTP_IF_NONE_MATCH", "") and not self.environ.get("HTTP_IF_MATCH")
        return self._voted(request, replicas, VotedCreation if only_if_new else VotedChange)

    def _voted(
        self, request: BackendRequest, replicas: list[HeaderList], kind: type[VotedChange] = VotedChange
    ) -> VotedChange:
        nodes = self.cluster.write_nodes(self.ring, self.partition)
        return kind(self.cluster, nodes, request, replicas, self.ring.primaries(self.partition))

    def _no_body(self) -> ClientBody:
        return ClientBody(self.environ, 0, 0, 1)

    def _checked_upload(self) -> tuple[HeaderList, ClientBody]:
        """The headers to store and the body to come, both within the limits."""
        environ, constraints = self.environ, self.cluster.constraints
        length_text = environ.get("CONTENT_LENGTH")
        length = int(length_text) if length_text else None
        chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        if chunked:
            length = None
        detect = is_true(environ.get("HTTP_X_DETECT_CONTENT_TYPE"))
        headers = write_headers(environ)
        content_type = environ.get("CONTENT_TYPE")
        if detect or not content_type:
            content_type = mimetypes.guess_type(environ.get("PATH_INFO", ""))[0] or "application/octet-stream"
            headers = [pair for pair in headers if pair[0] not in ("Content-Type", "X-Detect-Content-Type")]
            headers.append(("Content-Type", content_type))
        check_object_put(constraints, self.name.object or "", length, chunked, content_type)
        check_metadata(constraints, headers, "object")
        if has_reserved_parameter(content_type) and not environ.get("swift.content_type_overridden"):
            raise HTTPBadRequest("Invalid Content-Type, swift_* is not a valid parameter name.")
        return headers, ClientBody(environ, length, constraints.max_file_size, self.options.client_chunk_size)

    def _timestamp(self) -> Timestamp:
        """The request's timestamp: now, unless it comes from one of our own that may set it."""
        given = self.environ.get("HTTP_X_TIMESTAMP")
        if given is None:
            return Timestamp(time.time())
        try:
            return Timestamp(given)
        except ValueError:
            raise HTTPBadRequest(
                f"X-Timestamp should be a UNIX timestamp float value; was {given!r}", content_type="text/plain"
            ) from None

    def _delete_at(self, now: Timestamp, headers: HeaderList) -> int | None:
        """When the object shall expire; ``headers`` get it in its normal form."""
        asked, after = self.environ.get("HTTP_X_DELETE_AT"), self.environ.get("HTTP_X_DELETE_AFTER")
        if asked is None and after is None:
            return None
        delete_at = requested_delete_at(asked, after, now)
        assert delete_at is not None
        headers[:] = [pair for pair in headers if pair[0] != "X-Delete-At"]
        headers.append(("X-Delete-At", normal_delete_at(delete_at)))
        return delete_at

    @cached_property
    def row_quorum(self) -> RowQuorum:
        """The container's replicas, and what becomes of a change's row there."""
        partition, nodes = self.cluster.container_ring.get_nodes(self.name.account, self.name.container)
        containers = [target(node) for node in nodes]
        return RowQuorum(self.cluster, self.name, partition, containers, self.identification())

    def _replicas(
        self, headers: HeaderList, timestamp: Timestamp, delete_at: int | None, count: int | None = None
    ) -> list[HeaderList]:
        """The headers of every replica's request: the same but for whom each tells of the change.

        :param count: how many requests, where it is not one for every primary
        """
        count = count or len(self.ring.primaries(self.partition))
        partition, containers = self.row_quorum.partition, self.row_quorum.replicas
        queue_container, queue_partition, queue = self._queue(delete_at)
        shares = spread_updates(count, quorum_size(count), containers, queue)
        common = headers + self.row_quorum.common
        if self.options.listing_consistency == "quorum":
            common.append(ROW_REPORT)
        replicas = []
        for share in shares:
            order = ObjectOrder(
                timestamp,
                self.policy.index,
                _targets("Container", share.containers, partition, root_db_state=self.container["sharding_state"]),
                _targets("Delete-At", share.queue, queue_partition, container=queue_container),
                clean_expiring_queue=share.cleans_queue,
                next_part_power=self.ring.next_part_power,
            )
            replicas.append(common + list(order.to_headers().items()))
        return replicas

    def _queue(self, delete_at: int | None) -> tuple[str | None, int, list[Target]]:
        """Where the expirer's queue keeps this object's row: container, partition, servers."""
        if delete_at is None:
            return None, 0, []
        queue, name = self.cluster.expirer_queue, self.name
        object_hash = self.cluster.hash_path.hex(name.account, name.container, name.object)
        container = queue.container(delete_at, object_hash)
        partition, nodes = self.cluster.container_ring.get_nodes(queue.account, container)
        return container, partition, [target(node) for node in nodes]

    def _stored(self, tally: Tally, timestamp: Timestamp, nodes: NodeIter) -> PlainAnswer:
        """What the client hears of an upload (formats.md 5.9)."""
        if any(reply.status == 409 for reply in tally.replies):
            raise HTTPAccepted()
        etags = distinct_etags(tally.replies)
        if len(etags) > 1:
            self.cluster.log.error("Object servers returned %d different etags for %s", len(etags), self.path)
            raise HTTPInternalServerError()
        best = tally.best()
        if best is None:
            raise nodes.too_few()
        if best.status // 100 != 2:
            return self.answer(best)
        headers = [
            ("Content-Type", "text/html; charset=UTF-8"),
            ("Content-Length", "0"),
            ("Etag", etags.pop() if etags else ""),
            ("Last-Modified", timestamp.http_date),
        ]
        return PlainAnswer(CREATED, headers)


def _targets(kind: Any, targets: tuple[Target, ...], partition: int, **extra: Any) -> UpdateTargets | None:
    if not targets:
        return None
    hosts, devices = tuple(t.host for t in targets), tuple(t.device for t in targets)
    return UpdateTargets(kind, hosts, devices, str(partition), **extra)
