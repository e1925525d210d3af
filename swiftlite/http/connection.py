"""Connection: the requests of one client, one after the other, from head to response."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TYPE_CHECKING, Any

from swiftlite.common.concurrency import Timeout
from swiftlite.core.hosts import bracketed
from swiftlite.http.body import ChunkedBody, FixedBody
from swiftlite.http.errors import BackendError, BadRequest, StreamClosed, StreamTimeout
from swiftlite.http.greeting import greet
from swiftlite.http.head import RequestHead, find_end, parse_request
from swiftlite.http.input import Input
from swiftlite.http.response import DRAIN_LIMIT, UNTIL_CLOSE, Responder, ResponseError, http_date
from swiftlite.http.stream import Stream

if TYPE_CHECKING:
    from swiftlite.http.server import HTTPServer

LINGER = 2.0
"""Seconds for which a client's further bytes are read away after a refusal, so that it gets to read the refusal."""
LINGER_BYTES = 16 * 1024 * 1024
MAX_EMPTY_LINES = 8


class Connection:
    """Serves one client until either side has had enough.

    Args:
        server: whose options, application and log to use.
        stream: the accepted connection.
        address: (host, port) of the client.
    """

    __slots__ = ("base", "fresh", "server", "stream")

    def __init__(self, server: HTTPServer, stream: Stream, address: tuple[Any, ...]) -> None:
        self.server = server
        self.stream = stream
        self.fresh = True
        """No request has come yet."""
        self.base = {**server.environ, "REMOTE_ADDR": address[0], "REMOTE_PORT": str(address[1])}

    def run(self) -> None:
        """Serve requests until the connection ends; never raise for what a client does."""
        transport = self.server.options.transport
        try:
            if transport and not greet(self, transport):
                return
            while self._serve_one():
                pass
        except (StreamTimeout, StreamClosed):
            pass
        finally:
            self.stream.close()

    def _serve_one(self) -> bool:
        """Serve one request; return True if another may follow."""
        options, head = self.server.options, b""
        try:
            head = self._read_head()
            if not head:
                return False
            self.fresh = False
            request = parse_request(head, options.head_limits)
        except BadRequest as refusal:
            self._count_refused(refusal)
            self._refuse(refusal.status, refusal.message, (head or self.stream.buffer).startswith(b"HEAD "))
            return False
        observer = self.server.observer
        if observer is not None:
            observer.began()
            started = monotonic()
        if request.chunked:
            framed: FixedBody | ChunkedBody = ChunkedBody(self.stream, options.client_timeout)
        else:
            framed = FixedBody(self.stream, request.content_length or 0, options.client_timeout)
        body = Input(self.stream, framed, request.expect_continue)
        responder = Responder(self.server, self.stream, request, body)
        try:
            responded = self._respond(responder, request, body)
        finally:
            if observer is not None:
                seconds = monotonic() - started
                observer.ended(request.method, responder.outcome, seconds, body.body.received, responder.sent)
        if not responded:
            return False
        # After another 100 Continue it is another body that was read last.
        if responder.keep_alive and ((body.body.done and not body.failed) or body.drain(DRAIN_LIMIT)):
            return True
        if not body.body.done and not body.failed:
            self._linger()
        return False

    def _count_refused(self, refusal: BadRequest) -> None:
        observer = self.server.observer
        if observer is not None:
            observer.began()
            observer.ended("", int(refusal.status[:3]), 0.0, 0, 0)

    def _read_head(self) -> bytes:
        """Return the next head, ``b""`` if no further request comes; raise BadRequest for a slow or wrong one."""
        stream, options = self.stream, self.server.options
        buffer = stream.buffer
        if not buffer and not self._await_request():
            return b""
        deadline = monotonic() + options.client_timeout
        scanned = empty_lines = 0
        while True:
            while buffer.startswith(b"\r\n"):  # RFC 9112 2.2: some clients end a body with a line end too many.
                empty_lines += 1
                if empty_lines > MAX_EMPTY_LINES:
                    raise BadRequest("400 Bad Request", "Empty lines instead of a request.")
                del buffer[:2]
                scanned = 0
            end = find_end(buffer, options.head_limits, scanned)
            if end:
                return stream.take(end)
            scanned = len(buffer)
            try:
                stream.fill(deadline - monotonic(), 16384)
            except StreamTimeout:
                raise BadRequest("408 Request Timeout", "The request head did not come in time.") from None

    def _await_request(self) -> bool:
        """Wait, idle, for the first bytes of a request; return False if the client has gone or stays silent."""
        server, stream = self.server, self.stream
        options = server.options
        # While the server drains a request comes only where the last answer promised that it may.
        if not self.fresh and server.crowded:
            return False
        server.idle[self] = None
        try:
            stream.wait_readable(options.client_timeout if self.fresh else options.idle_timeout)
        finally:
            server.idle.pop(self, None)
        data = stream.recv(16384, options.client_timeout)
        stream.buffer += data
        return bool(data)

    def _respond(self, responder: Responder, request: RequestHead, body: Input) -> bool:
        """Run the application; return False if the connection is finished or broken."""
        server = self.server
        try:
            responder.run(server.app, self._environ(request, body))
            return True
        except (StreamTimeout, StreamClosed) as error:
            responder.client_left = True
            server.log.debug("%s %s: client gone: %s", request.method, request.raw_path, error)
        except (ResponseError, BackendError) as error:  # the latter: it came from a server that has failed
            server.log.error("%s %s: bad response: %s", request.method, request.raw_path, error)
        except (Exception, Timeout):
            server.log.exception("%s %s: unhandled error", request.method, request.raw_path)
        if not responder.head_sent:
            message = "The server failed to answer this request."
            self._refuse("500 Internal Server Error", message, request.method == "HEAD")
        elif responder.mode is UNTIL_CLOSE:
            self.stream.reset()
        else:
            self.stream.close()
        return False

    def _environ(self, request: RequestHead, body: Input) -> dict[str, Any]:
        environ = {**self.base, **request.fields}
        environ["REQUEST_METHOD"] = request.method
        environ["PATH_INFO"] = request.path
        environ["RAW_PATH_INFO"] = request.raw_path
        environ["QUERY_STRING"] = request.query
        environ["SERVER_PROTOCOL"] = "HTTP/1.1" if request.http11 else "HTTP/1.0"
        environ["wsgi.input"] = body
        return environ

    def _refuse(self, status: str, message: str, is_head: bool) -> None:
        """Answer without the application, then close; ``is_head``: without a body, too."""
        text = message.encode("utf-8", "replace") + b"\n"
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Length: {len(text)}\r\n"
            f"Date: {http_date()}\r\nConnection: close\r\n\r\n"
        )
        self.stream.send(head.encode("latin-1") + (b"" if is_head else text), self.server.options.client_timeout)
        self._linger()

    def _linger(self) -> None:
        """Read on for a moment: closing with unread bytes resets the connection and may take the response with it."""
        self.stream.hang_up(1)
        deadline, left = monotonic() + LINGER, LINGER_BYTES
        while left > 0 and (wait := deadline - monotonic()) > 0:
            data = self.stream.recv(65536, wait)
            if not data:
                return
            left -= len(data)


def base_environ(server_name: str, server_port: str, multiprocess: bool) -> dict[str, Any]:
    """Return the part of a WSGI environ that is the same for every request of a server."""
    return {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_NAME": bracketed(server_name),
        "SERVER_PORT": server_port,
        "SCRIPT_NAME": "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": multiprocess,
        "wsgi.run_once": False,
    }
