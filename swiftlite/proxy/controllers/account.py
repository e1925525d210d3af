"""AccountController: what clients do with accounts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from swiftlite.common.web import (
    HTTPBadRequest,
    HTTPGone,
    status_line,
)
from swiftlite.core.acl import format_account_acl, read_account_acl
from swiftlite.core.constraints import check_account_name, check_metadata
from swiftlite.core.names import EntityName, wsgi_to_str
from swiftlite.core.quorum import Reply
from swiftlite.core.timestamp import Timestamp
from swiftlite.proxy.answers import PlainAnswer
from swiftlite.proxy.controllers.base import Controller, listing_query
from swiftlite.proxy.headers import HeaderList, database_headers, read_headers
from swiftlite.proxy.info import account_info, account_key, is_marked_deleted, missing_account_info
from swiftlite.proxy.search import Source
from swiftlite.wire.backend import BackendRequest

if TYPE_CHECKING:
    from swiftlite.proxy.server import Application

STORED_ACL = "X-Account-Sysmeta-Core-Access-Control"
SHOWN_ACL = "X-Account-Access-Control"


class AccountController(Controller):
    """Requests for ``/v1/<account>``."""

    def __init__(self, app: Application, environ: dict[str, Any], name: EntityName) -> None:
        super().__init__(app, environ, name)
        self.ring = self.cluster.account_ring
        self.partition = self.ring.partition(name.account)
        self.key = account_key(name.account)
        if not self.options.allow_account_management:
            self.methods = ("GET", "HEAD", "POST", "OPTIONS")

    def GET(self) -> PlainAnswer:
        """The account's containers; HEAD its metadata."""
        self.authorize()
        self._check_name()
        self.check_limit(self.cluster.constraints.account_listing_limit)
        query = listing_query(self.environ.get("QUERY_STRING", ""))
        request = BackendRequest(self.environ["REQUEST_METHOD"], self.partition, self.path + query)
        token = self.info.begin(self.environ, self.key)
        headers = read_headers(self.environ) + self.identification()
        found = self.search(self.ring, request, headers, is_object=False).run()
        if isinstance(found, Source):
            info = account_info(found.response.headers, found.response.status, self.cluster.policies)
            self.info.remember(self.environ, self.key, info, token)
            return self._show_acl(self.listing(found))
        return self._missing(found, token)

    HEAD = GET

    def PUT(self) -> PlainAnswer:
        """Make the account."""
        self.authorize()
        self._check_name()
        return self._change("PUT", self._metadata())

    def POST(self) -> PlainAnswer:
        """Change the account's metadata; make the account if the proxy may."""
        self.authorize()
        self._check_name()
        headers = self._metadata()
        answer = self._change("POST", headers)
        if answer.status.startswith("404") and self.options.account_autocreate:
            self.create()
            answer = self._change("POST", headers)
        return answer

    def DELETE(self) -> PlainAnswer:
        """Mark the account deleted; the reaper does the rest."""
        self.authorize()
        if self.environ.get("QUERY_STRING"):
            # Most likely meant for a filter that is not there: too much is at stake to ignore it.
            raise HTTPBadRequest("An account DELETE takes no query.")
        return self._change("DELETE", self._metadata())

    def create(self) -> bool:
        """Make the account because something shall be written to it; return whether it is there now."""
        headers = [("X-Timestamp", Timestamp(time.time()).internal), *self.identification()]
        request = BackendRequest("PUT", self.partition, self.path)
        reply = self.change(self.ring, request, [headers] * len(self.ring.primaries(self.partition)))
        self.info.forget(self.environ, self.key)
        if reply.status // 100 == 2:
            self.cluster.log.info("autocreate account %r", self.path)
            return True
        self.cluster.log.warning("Could not autocreate account %r: %s", self.path, reply.status)
        return False

    # --- parts ---

    def _check_name(self) -> None:
        check_account_name(self.cluster.constraints, self.name.account)

    def _metadata(self) -> HeaderList:
        headers = self.hide_owner_headers(database_headers("account", self.environ))
        check_metadata(self.cluster.constraints, headers, "account")
        return headers

    def _change(self, method: str, headers: HeaderList) -> PlainAnswer:
        headers = [*headers, ("X-Timestamp", Timestamp(time.time()).internal), *self.identification()]
        request = BackendRequest(method, self.partition, self.path)
        try:
            replicas = [headers] * len(self.ring.primaries(self.partition))
            return self._show_acl(self.answer(self.change(self.ring, request, replicas)))
        finally:
            self.info.forget(self.environ, self.key)

    def _missing(self, reply: Reply, token: Any) -> PlainAnswer:
        """Answer for an account that no server has: 410 if it was deleted, an empty listing if it may yet be made."""
        info = missing_account_info(reply, self.options.account_autocreate)
        self.info.remember(self.environ, self.key, info, token)
        if reply.status == 404 and is_marked_deleted(reply.headers):
            raise HTTPGone(headers={"X-Account-Status": "Deleted"})
        if info["status"] != 200:
            return self.answer(reply)
        now = Timestamp(time.time()).normal
        body = b"[]" if self.environ["REQUEST_METHOD"] == "GET" else b""
        headers = [
            ("Content-Type", "application/json; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("X-Account-Container-Count", "0"),
            ("X-Account-Object-Count", "0"),
            ("X-Account-Bytes-Used", "0"),
            ("X-Timestamp", now),
            ("X-PUT-Timestamp", now),
            ("X-Backend-Fake-Account-Listing", "yes"),
        ]
        return PlainAnswer(status_line(200), headers, body)

    def _show_acl(self, answer: PlainAnswer) -> PlainAnswer:
        """Show owners the access list that the account keeps as system metadata, in its one spelling."""
        if self.is_owner and (stored := answer.header(STORED_ACL)):
            try:
                lists = read_account_acl(wsgi_to_str(stored))
            except ValueError:
                lists = {}  # stored by a filter with rules of its own
            if lists:
                answer.headers.append((SHOWN_ACL, format_account_acl(lists)))
        return answer
