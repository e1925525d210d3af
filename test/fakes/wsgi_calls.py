"""Call WSGI applications as a server would, and stand in for the proxy at the end of a pipeline."""

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote


@dataclass
class Answered:
    """What a WSGI application answered."""

    status: int
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes
    environ: dict[str, Any]


def make_environ(method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> dict[str, Any]:
    """The environment of a request as our HTTP server makes it."""
    raw_path, _, query = path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(raw_path, "latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "10.1.2.3",
        "HTTP_HOST": "127.0.0.1:8080",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(),
        "wsgi.input": io.BytesIO(body),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    for name, value in (headers or {}).items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    return environ


def call(app: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> Answered:
    """Run one request to its end; a status may be taken back with exc_info until the first byte."""
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        assert exc_info is not None or not started, "start_response was called twice"
        started[:] = status, headers

    result = app(environ, start_response)
    try:
        body = b"".join(result)
    finally:
        if hasattr(result, "close"):
            result.close()
    status, headers = started
    return Answered(int(status[:3]), {name.lower(): value for name, value in headers}, body, environ)


def request(app: Callable[..., Iterable[bytes]], method: str, path: str, **kwargs: Any) -> Answered:
    """Make an environment and call."""
    return call(app, make_environ(method, path, **kwargs))
