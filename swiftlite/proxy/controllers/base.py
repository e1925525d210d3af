"""Controller: what the handlers of accounts, containers and objects share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swiftlite.common.config import is_true
from swiftlite.common.web import HTTPPreconditionFailed, Request, status_line
from swiftlite.core.names import EntityName, quote_path, wsgi_to_str
from swiftlite.core.quorum import Reply, Tally, quorum_size
from swiftlite.proxy.answers import PlainAnswer, standard
from swiftlite.proxy.headers import HeaderList, identification, returned_headers
from swiftlite.proxy.info import Info, InfoCache
from swiftlite.proxy.search import Search, Source
from swiftlite.ring.ring import Ring
from swiftlite.wire.backend import BackendRequest
from swiftlite.wire.fanout import FanOut

if TYPE_CHECKING:
    from swiftlite.proxy.server import Application

Environ = dict[str, Any]


class Denied(Exception):
    """The request may not be done.

    :param answer: the WSGI application that says so
    """

    def __init__(self, answer: Any) -> None:
        super().__init__("denied")
        self.answer = answer


class Controller:
    """Handles one request for one account, container or object: a method for every HTTP method.

    :param name: what the request's path names
    """

    methods: tuple[str, ...] = ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS")

    def __init__(self, app: Application, environ: Environ, name: EntityName) -> None:
        self.app = app
        self.cluster = app.cluster
        self.options = app.options
        self.info: InfoCache = app.info
        self.environ = environ
        self.name = name
        self.path = quote_path(name.path)

    # --- who may ---

    def authorize(self, acl: str | None = None) -> None:
        """Ask whoever guards this request, if anyone does.

        :param acl: the access list that applies, as a WSGI string
        :raises Denied: with the answer
        """
        check = self.environ.get("swift.authorize")
        if check is None:
            return
        request = Request(self.environ)
        request.acl = None if acl is None else wsgi_to_str(acl)
        denial = check(request)
        if denial is not None:
            raise Denied(denial)

    @property
    def is_owner(self) -> bool:
        """Whether the request comes from an owner of the account; known once it is authorized."""
        return bool(self.environ.get("swift_owner"))

    def hide_owner_headers(self, headers: HeaderList) -> HeaderList:
        """Leave out what only owners may see or set."""
        if self.is_owner:
            return headers
        hidden = self.app.owner_headers
        return [(name, value) for name, value in headers if name.lower() not in hidden]

    # --- what is there ---

    def container_info(self) -> Info:
        """The info of the container that the path names."""
        assert self.name.container is not None
        return self.info.container(self.environ, self.name.account, self.name.container)

    # --- asking the storage servers ---

    def identification(self) -> HeaderList:
        """What every request to a backend carries."""
        return identification(self.environ, self.cluster.user_agent)

    def search(self, ring: Ring, request: BackendRequest, headers: HeaderList, is_object: bool) -> Search:
        """Look for a replica to read from."""
        return Search(
            self.cluster,
            ring,
            request,
            headers,
            is_object=is_object,
            newest=is_true(self.environ.get("HTTP_X_NEWEST")),
        )

    def change(self, ring: Ring, request: BackendRequest, replicas: list[HeaderList], body: bytes = b"") -> Reply:
        """Send a change to every replica, and return the reply that speaks for all.

        :param replicas: the headers of each replica's request
        :param body: the same for all
        :raises Answer: 503 when the servers do not agree
        """
        nodes = self.cluster.nodes(ring, request.partition)
        fanout = FanOut(
            self.cluster.client,
            nodes,
            Tally(len(replicas), quorum_size(len(replicas))),
            node_timeout=self.options.node_timeout,
            post_quorum_timeout=self.options.post_quorum_timeout,
        )
        best = fanout.run(request, replicas, body).best()
        if best is None:
            raise nodes.too_few()
        return best

    # --- answering ---

    def check_limit(self, most: int) -> None:
        """Refuse a GET of a longer page than any may be.

        :raises Answer: 412
        """
        limit = requested_limit(self.environ.get("QUERY_STRING", ""))
        if self.environ["REQUEST_METHOD"] == "GET" and limit is not None and limit > most:
            raise HTTPPreconditionFailed(f"Maximum limit is {most}")

    def answer(self, reply: Reply) -> PlainAnswer:
        """What a client hears of a backend's reply."""
        if reply.is_server_error:
            return standard(reply.status)
        headers = self.hide_owner_headers(returned_headers(reply.headers.items()))
        if reply.status == 404 and not reply.body and self.environ["REQUEST_METHOD"] == "GET":  # it was a HEAD's answer
            return standard(
                404, [pair for pair in headers if pair[0].lower() not in ("content-type", "content-length")]
            )
        headers.append(("Content-Length", str(len(reply.body))))
        if "Content-Type" not in reply.headers:
            headers.append(("Content-Type", "text/html; charset=UTF-8"))
        return PlainAnswer(status_line(reply.status), headers, reply.body)

    def listing(self, source: Source) -> PlainAnswer:
        """The answer to a GET or HEAD of a database, from the replica that was found."""
        response = source.response
        headers = self.hide_owner_headers(returned_headers(response.headers.items()))
        headers.append(("Accept-Ranges", "bytes"))
        body = response.read()
        headers.append(("Content-Length", str(len(body))))
        return PlainAnswer(status_line(response.status), headers, body)


LISTING_AS_TEXT = "swiftlite.listing_as_text"
"""Set in the environ of a listing that the client wants as plain text, where no filter needs to see it as JSON."""


def listing_query(query: str, as_text: bool = False) -> str:
    """A client's query as the backends get it: for JSON, which the pipeline turns into what the client wants.

    :param as_text: ask for plain text instead, which is a fifth of the work
    """
    kept = [part for part in query.split("&") if part and not part.startswith("format=")]
    return "?" + "&".join([*kept, "format=plain" if as_text else "format=json"])


def requested_limit(query: str) -> int | None:
    """The ``limit`` that a query asks for; None when there is none, or it is no number."""
    for part in query.split("&"):
        if part.startswith("limit="):
            digits = part[6:]
            if not (digits.isascii() and digits.isdigit()):
                return None
            return int(digits.lstrip("0")[:20] or "0")  # int() refuses thousands of digits; twenty are too many, too
    return None
