"""ContainerController: what clients do with containers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from swiftlite.common.config import is_true
from swiftlite.common.web import (
    HTTPBadRequest,
    HTTPConflict,
    HTTPForbidden,
    HTTPInternalServerError,
    HTTPNotFound,
)
from swiftlite.core.constraints import (
    Violation,
    check_account_name,
    check_container_name,
    check_metadata,
    is_auto_create,
)
from swiftlite.core.names import EntityName
from swiftlite.core.placement import deal_accounts
from swiftlite.core.quorum import Reply
from swiftlite.core.timestamp import Timestamp
from swiftlite.http.errors import BackendError
from swiftlite.proxy.answers import PlainAnswer
from swiftlite.proxy.cluster import target
from swiftlite.proxy.controllers.account import AccountController
from swiftlite.proxy.controllers.base import LISTING_AS_TEXT, Controller, listing_query
from swiftlite.proxy.headers import HeaderList, database_headers, read_headers
from swiftlite.proxy.info import CACHED, account_key, container_info, container_key
from swiftlite.proxy.search import Search, Source
from swiftlite.proxy.trusted_listing import TrustedListing
from swiftlite.wire.backend import BackendRequest
from swiftlite.wire.messages import POLICY_INDEX, UpdateTargets

if TYPE_CHECKING:
    from swiftlite.proxy.server import Application

ACL_HEADERS = ("X-Container-Read", "X-Container-Write")
SHARDING = "X-Container-Sysmeta-Sharding"
"""What a reseller sets and sees as X-Container-Sharding: that the container may be split."""


class ContainerController(Controller):
    """Requests for ``/v1/<account>/<container>``."""

    private_methods = ("UPDATE",)
    """Methods of our own filters and daemons, which say that they may use them."""

    def __init__(self, app: Application, environ: dict[str, Any], name: EntityName) -> None:
        super().__init__(app, environ, name)
        self.ring = self.cluster.container_ring
        self.partition = self.ring.partition(name.account, name.container)
        self.container: str = name.container or ""
        self.key = container_key(name.account, self.container)

    def GET(self) -> PlainAnswer:
        """The container's objects; HEAD its metadata."""
        if not self.info.account_exists(self.environ, self.name.account):
            self.authorize()
            raise HTTPNotFound()
        self.check_limit(self.cluster.constraints.container_listing_limit)
        query = listing_query(self.environ.get("QUERY_STRING", ""), LISTING_AS_TEXT in self.environ)
        request = BackendRequest(self.environ["REQUEST_METHOD"], self.partition, self.path + query)
        token = self.info.begin(self.environ, self.key)
        headers = read_headers(self.environ) + self.identification()

        def find() -> Source | Reply:
            return self._find(lambda: self.search(self.ring, request, headers, is_object=False))

        found = find()
        reply = found.response if isinstance(found, Source) else found
        self.info.remember(self.environ, self.key, container_info(reply.headers, reply.status), token)
        try:
            self.authorize(reply.headers.get("X-Container-Read"))
        except BaseException:
            if isinstance(found, Source):
                found.response.close()
            raise
        if not isinstance(found, Source):
            return self._show_sharding(self.answer(found), reply.headers)
        answer = self._whole(found, find)
        policy = self.cluster.policies.by_index(found.response.headers.get(POLICY_INDEX))
        if policy is not None:
            answer.headers.append(("X-Storage-Policy", policy.name))
        return self._show_sharding(answer, reply.headers)

    HEAD = GET

    def PUT(self) -> PlainAnswer:
        """Make the container, or change its metadata."""
        self.authorize()
        metadata = self._metadata()
        policy = self._policy_headers()
        check_container_name(self.cluster.constraints, self.name.account, self.container)
        self._need_account()
        self._check_count()
        return self._change("PUT", metadata + policy)

    def POST(self) -> PlainAnswer:
        """Change the container's metadata."""
        self.authorize()
        metadata = self._metadata()
        if not self.info.account_exists(self.environ, self.name.account):
            raise HTTPNotFound()
        return self._change("POST", metadata)

    def DELETE(self) -> PlainAnswer:
        """Delete the container, if it is empty."""
        self.authorize()
        if not self.info.account_exists(self.environ, self.name.account):
            raise HTTPNotFound()
        self._refuse_unless_empty()
        return self._change("DELETE", database_headers("container", self.environ))

    def UPDATE(self) -> PlainAnswer:
        """Merge rows of objects into the container, as JSON (formats.md 5.2)."""
        self.authorize()
        headers = [
            *database_headers("container", self.environ),
            ("X-Timestamp", Timestamp(time.time()).internal),
            ("Content-Type", self.environ.get("CONTENT_TYPE", "application/json")),
            *self.identification(),
        ]
        request = BackendRequest("UPDATE", self.partition, self.path)
        replicas = [headers] * len(self.ring.primaries(self.partition))
        return self.answer(self.change(self.ring, request, replicas, self.environ["wsgi.input"].read()))

    # --- parts ---

    def _show_sharding(self, answer: PlainAnswer, headers: Mapping[str, str]) -> PlainAnswer:
        """Tell a reseller whether the container may be split; `headers`: those of its server."""
        if self.environ.get("reseller_request") and self._account_really_exists():
            answer.headers.append(("X-Container-Sharding", str(is_true(headers.get(SHARDING)))))
        return answer

    def _whole(self, found: Source, find: Callable[[], Source | Reply]) -> PlainAnswer:
        """The listing; if its server dies on the way, another one."""
        try:
            return self.listing(found)
        except BackendError as error:
            self.cluster.limits.failed(found.node, f"{self.path}: {error}")
        again = find()
        return self.listing(again) if isinstance(again, Source) else self.answer(again)

    def _find(self, begin_search: Callable[[], Search]) -> Source | Reply:
        """The replica to read from, or the reply that speaks for all.

        The rows of hidden accounts are reported without anybody waiting for them; who asks on behalf of a cache will
        be content with less again and again.
        """
        lags = is_auto_create(self.cluster.constraints, self.name.account) or CACHED in self.environ
        if lags or self.options.listing_consistency != "quorum":
            return begin_search().run()
        return TrustedListing(self.app.trust, begin_search).run()

    def _refuse_unless_empty(self) -> None:
        """Ask what a majority knows before any replica is told to delete.

        A replica that has missed the last object would delete itself, whatever the others say, and forget the metadata
        and access lists; listings that can be trusted would tell the others of it.

        :raises Answer: 409
        """
        if self.options.listing_consistency != "quorum":
            return
        request = BackendRequest("HEAD", self.partition, self.path)
        headers = read_headers(self.environ) + self.identification()
        found = self._find(lambda: self.search(self.ring, request, headers, is_object=False))
        if isinstance(found, Source):
            found.response.close()
            if int(found.response.headers.get("X-Container-Object-Count") or 0):
                raise HTTPConflict("The container is not empty.", content_type="text/plain")

    def _metadata(self) -> HeaderList:
        """The metadata of the request, its access lists cleaned.

        :raises Answer: 400 for an access list that cannot be understood
        """
        clean = self.environ.get("swift.clean_acl")
        headers = []
        for name, value in database_headers("container", self.environ):
            if clean is not None and value and name in ACL_HEADERS:
                try:
                    value = clean(name.lower(), value)
                except ValueError as error:
                    raise HTTPBadRequest(str(error), content_type="text/plain") from None
            headers.append((name, value))
        check_metadata(self.cluster.constraints, headers, "container")
        sharding = self.environ.get("HTTP_X_CONTAINER_SHARDING")
        if sharding is not None and self.environ.get("reseller_request"):
            headers.append((SHARDING, str(is_true(sharding))))
        return self.hide_owner_headers(headers)

    def _policy_headers(self) -> HeaderList:
        """The storage policy that the client names, or the one to take otherwise.

        :raises Answer: 400 when there is no such policy, or no more
        """
        name = self.environ.get("HTTP_X_STORAGE_POLICY")
        if not name:
            return [("X-Backend-Storage-Policy-Default", str(self.cluster.policies.default.index))]
        policy = self.cluster.policies.by_name(name)
        if policy is None:
            raise HTTPBadRequest(f"Invalid X-Storage-Policy '{name}'", content_type="text/plain")
        if policy.is_deprecated:
            raise HTTPBadRequest(f"Storage Policy {policy.name!r} is deprecated", content_type="text/plain")
        return [(POLICY_INDEX, str(policy.index))]

    def _need_account(self) -> None:
        """Make sure that the account exists.

        :raises Answer: 404 or 500 when it does not
        """
        account = self.name.account
        try:
            check_account_name(self.cluster.constraints, account)
        except Violation:
            raise HTTPNotFound() from None  # as for every other request below such a name
        if self.info.account_exists(self.environ, account):
            if not self.options.account_autocreate or self._account_really_exists():
                return
        elif not self.options.account_autocreate or self.info.account(self.environ, account)["status"] == 410:
            raise HTTPNotFound()
        if not AccountController(self.app, self.environ, EntityName(account)).create():
            raise HTTPInternalServerError()

    def _account_really_exists(self) -> bool:
        key = account_key(self.name.account)
        info = self.environ.get("swift.infocache", {}).get(key)
        return info is None or bool(info["account_really_exists"])

    def _check_count(self) -> None:
        """Refuse one more container than an account may have.

        :raises Answer: 403
        """
        limit, account = self.options.max_containers_per_account, self.name.account
        if limit <= 0 or account in self.options.max_containers_whitelist:
            return
        # A text where one of Swift's own proxies put the info into the memcached that we share.
        count = int(self.info.account(self.environ, account)["container_count"] or 0)
        if count >= limit and self.container_info()["status"] // 100 != 2:
            raise HTTPForbidden(f"Reached container limit of {limit}")

    def _change(self, method: str, headers: HeaderList) -> PlainAnswer:
        """Send a change to every replica, each told which account server to tell."""
        common = [*headers, ("X-Timestamp", Timestamp(time.time()).internal), *self.identification()]
        count = len(self.ring.primaries(self.partition))
        request = BackendRequest(method, self.partition, self.path)
        replicas = [common + targets for targets in self._account_targets(count)]
        try:
            return self.answer(self.change(self.ring, request, replicas))
        finally:
            self.info.forget(self.environ, self.key)

    def _account_targets(self, count: int) -> list[HeaderList]:
        partition, accounts = self.cluster.account_ring.get_nodes(self.name.account)
        headers = []
        for targets in deal_accounts(count, [target(node) for node in accounts]):
            hosts, devices = tuple(t.host for t in targets), tuple(t.device for t in targets)
            headers.append(list(UpdateTargets("Account", hosts, devices, str(partition)).to_headers().items()))
        return headers
