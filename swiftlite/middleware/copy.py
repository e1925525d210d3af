"""ServerSideCopy: COPY, and PUT with X-Copy-From: a GET whose body is PUT (formats.md 7.12)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from swiftlite.common.concurrency import GreenThread, Timeout, spawn
from swiftlite.common.config import ConfFile, is_true, option
from swiftlite.common.log import Logger, get_logger
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.common.subrequest import (
    POST_AS_COPY,
    BodyReader,
    Environ,
    Headers,
    StartResponse,
    SubResponse,
    call,
    make_environ,
    object_path,
    query_of,
    trust,
)
from swiftlite.common.web import (
    Answer,
    HTTPBadRequest,
    HTTPPreconditionFailed,
    HTTPRequestEntityTooLarge,
    HTTPServiceUnavailable,
    default_body,
    environ_key,
    status_line,
)
from swiftlite.core import bulk_answer, copies
from swiftlite.core.names import quote_wsgi
from swiftlite.middleware.write_access import denial
from swiftlite.proxy.headers import header_name

SOURCE = "SSC"
"""Who asks, in the log, for the source of a copy."""

FORM = "<container name>/<object name>"
HTML = "text/html; charset=UTF-8"
METHOD_LISTS = ("allow", "access-control-allow-methods")
INTERNAL = ("x-object-sysmeta-", "x-object-transient-sysmeta-", "x-backend")
UNWANTED = (
    *("HTTP_X_COPY_FROM", "HTTP_X_COPY_FROM_ACCOUNT", "HTTP_DESTINATION", "HTTP_DESTINATION_ACCOUNT"),
    *("HTTP_TRANSFER_ENCODING", "HTTP_EXPECT", "HTTP_X_BACKEND_STORAGE_POLICY_INDEX", "RAW_PATH_INFO"),
)
"""Keys of the client's request that neither the GET nor the PUT may have."""

NOT_POSTED = ("HTTP_X_STATIC_LARGE_OBJECT", "HTTP_X_SYMLINK_TARGET")
"""What a PUT may say and no POST: the filters that these concern tell the client."""

Place = tuple[str, str, str, str]
Handler = Callable[[Environ, StartResponse, Place], Iterable[bytes]]


@dataclass(frozen=True)
class CopyOptions:
    """The filter's section."""

    object_post_as_copy: bool = option(
        False,
        "do a POST by copying the object onto itself, as clusters did before metadata had files of their own; older "
        "confs say so in [app:proxy-server]",
    )
    yield_frequency: float = option(10.0, "seconds between the blanks that a copy with heartbeat=on sends meanwhile")


@dataclass(frozen=True)
class Copy:
    """What is copied where, both as ``(account, container, object)`` in WSGI strings.

    :param version: the API's, of the client's path
    """

    version: str
    source: tuple[str, str, str]
    destination: tuple[str, str, str]

    def path(self, place: tuple[str, str, str]) -> str:
        """The decoded path of either."""
        return "/".join(("", self.version, *place))


class ServerSideCopy:
    """The filter."""

    def __init__(self, app: WSGIApp, options: CopyOptions, log: Logger) -> None:
        self.app = app
        self.options = options
        self.log = log
        self._handlers: dict[str, Handler] = {"COPY": self._copy, "OPTIONS": self._tell_methods}
        if options.object_post_as_copy:
            self._handlers["POST"] = self._post

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if method == "PUT":
            handler = self._put if environ.get("HTTP_X_COPY_FROM") else None
        else:
            handler = self._handlers.get(method)
        if handler is None or (place := object_path(environ)) is None:
            return self.app(environ, start_response)
        try:
            return handler(environ, start_response, place)
        except Answer as answer:
            return answer(environ, start_response)

    # --- the verbs ---

    def _copy(self, environ: Environ, start_response: StartResponse, place: Place) -> Iterable[bytes]:
        """``COPY source`` to the ``Destination``."""
        version, *source = place
        destination = environ.get("HTTP_DESTINATION")
        if not destination:
            raise HTTPPreconditionFailed("Destination header required")
        account = _account(environ.get("HTTP_DESTINATION_ACCOUNT"), source[0])
        container, name = _container_and_object("Destination", destination)
        environ["swift.orig_req_method"] = "COPY"  # A body, which makes no sense, is ignored.
        return self._run(environ, start_response, Copy(version, tuple(source), (account, container, name)))

    def _put(self, environ: Environ, start_response: StartResponse, place: Place) -> Iterable[bytes]:
        """``PUT destination`` with ``X-Copy-From``."""
        version, *destination = place
        if environ.get("CONTENT_LENGTH") not in (None, "", "0"):
            raise HTTPBadRequest("Copy requests require a zero byte body", content_type="text/plain")
        account = _account(environ.get("HTTP_X_COPY_FROM_ACCOUNT") or None, destination[0])
        container, name = _container_and_object("X-Copy-From", environ["HTTP_X_COPY_FROM"])
        return self._run(environ, start_response, Copy(version, (account, container, name), tuple(destination)))

    def _post(self, environ: Environ, start_response: StartResponse, place: Place) -> Iterable[bytes]:
        """A POST as a PUT of the object onto itself."""
        if any(key in environ for key in NOT_POSTED):
            return self.app(environ, start_response)
        refusal = denial(environ, self.app, SOURCE)
        if refusal is not None:
            return refusal(environ, start_response)
        query, newest = "multipart-manifest=get&symlink=get", [("X-Newest", "true")]
        get = make_environ(environ, "GET", environ["PATH_INFO"], query=query, headers=newest, source=SOURCE)
        get[POST_AS_COPY] = True
        source = call(self.app, trust(get))
        if not source.is_success:
            return source.forward(start_response)
        if source.header("x-symlink-target"):  # a link has no metadata to speak of: let its own filter answer
            source.close()
            return self.app(environ, start_response)
        with SourceBody(source, self.log) as body:
            put = _reposting(environ, source, body)
            answer = call(self.app, put)
        if answer.status != 201:
            return answer.forward(start_response)
        answer.close()
        text = default_body(202)
        start_response(status_line(202), [("Content-Type", HTML), ("Content-Length", str(len(text)))])
        return [text]

    def _tell_methods(self, environ: Environ, start_response: StartResponse, place: Place) -> Iterable[bytes]:
        """OPTIONS: an object can be copied, too."""
        answer = call(self.app, environ)
        if answer.is_success:
            answer.headers = [
                (name, f"{value}, COPY") if name.lower() in METHOD_LISTS and "COPY" not in value else (name, value)
                for name, value in answer.headers
            ]
        return answer.forward(start_response)

    # --- copying ---

    def _run(self, environ: Environ, start_response: StartResponse, copy: Copy) -> Iterable[bytes]:
        query = query_of(environ)
        source = call(self.app, _reading(environ, copy, query))
        if source.status >= 300:
            return source.forward(start_response)
        if source.header("content-length") is None:
            source.close()
            raise HTTPRequestEntityTooLarge()
        body = SourceBody(source, self.log)
        put = _writing(environ, copy, query, source, body)
        shown = _shown(copy, source, put)
        if is_true(query.get("heartbeat")):
            media_type = bulk_answer.answer_format(environ.get("HTTP_ACCEPT"))
            media_type = media_type if media_type == bulk_answer.JSON else bulk_answer.PLAIN
            start_response(status_line(202), [("Content-Type", media_type)])
            # At once: a client who is gone before the first blank leaves a copy, and no source that nobody closes.
            return self._with_heartbeat(spawn(self._finish, put, body), shown, media_type)
        with body:
            answer = call(self.app, put)
        if answer.is_success:
            answer.headers = answer.headers + shown
        return answer.forward(start_response)

    def _with_heartbeat(self, thread: GreenThread, shown: Headers, media_type: str) -> Iterator[bytes]:
        """Blanks while the copy is made, then what became of it."""
        yield b" "
        while True:
            try:
                with Timeout(self.options.yield_frequency):
                    status, headers, text = thread.wait()
                break
            except Timeout:
                yield b" "
        results = {"Response Status": status, "Response Body": text.decode("utf-8", "replace")}
        results |= {name: value for name, value in shown + headers if not name.lower().startswith(INTERNAL)}
        copied_from = dict(shown)["X-Copied-From"]
        errors = [] if status.startswith("2") else [(quote_wsgi(copied_from), status)]
        yield bulk_answer.render(media_type, results, errors, "copy")

    def _finish(self, put: Environ, body: SourceBody) -> tuple[str, Headers, bytes]:
        try:
            with body:
                answer = call(self.app, put)
                return answer.status_line, answer.headers, answer.read()
        except Exception:
            self.log.exception("ERROR Copy to %s failed", put["PATH_INFO"])
            return status_line(500), [], b""


class SourceBody:
    """The bytes of a copy's source, whose failure is ours, not the client's."""

    def __init__(self, source: SubResponse, log: Logger) -> None:
        self._source = source
        self._reader = BodyReader(source)
        self._left = int(source.header("content-length") or 0)
        self._log = log

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes, ``b""`` at the end.

        :raises Answer: 503 when the source cannot be read on
        """
        try:
            data = self._reader.read(size)
        except Exception as error:
            self._log.error("ERROR The source of a copy cannot be read on: %s", error)
            raise HTTPServiceUnavailable() from error
        self._left -= len(data)
        return data

    def __enter__(self) -> SourceBody:
        return self

    def __exit__(self, *error: object) -> None:
        if not self._left and not any(error):
            self.read(1)  # What is read to its very end is logged as complete.
        self._source.close()


def _account(text: str | None, own: str) -> str:
    try:
        return own if text is None else copies.read_account(text)
    except ValueError as error:
        raise HTTPPreconditionFailed(str(error)) from None


def _container_and_object(header: str, text: str) -> tuple[str, str]:
    try:
        return copies.read_place(text)
    except ValueError:
        raise HTTPPreconditionFailed(f"{header} header must be of the form {FORM}") from None


def _reading(environ: Environ, copy: Copy, query: dict[str, str]) -> Environ:
    """The GET of the source, by the same client, under the client's conditions."""
    if query.get("multipart-manifest") == "get":
        query = {**query, "format": "raw"}
    get = make_environ(environ, "GET", copy.path(copy.source), query=_query(query), source=SOURCE)
    get.update((key, value) for key, value in environ.items() if key.startswith("HTTP_"))
    for key in UNWANTED:
        get.pop(key, None)
    get["HTTP_X_NEWEST"] = "true"
    return get


def _writing(environ: Environ, copy: Copy, query: dict[str, str], source: SubResponse, body: SourceBody) -> Environ:
    """The PUT of the copy: the client's request, with what the source brings."""
    put = {key: value for key, value in environ.items() if key not in UNWANTED and key not in copies.CONDITIONS}
    put["REQUEST_METHOD"], put["PATH_INFO"], put["swift.source"] = "PUT", copy.path(copy.destination), SOURCE
    for name, value in copies.inherited_headers(source.headers, is_true(environ.get("HTTP_X_FRESH_METADATA"))):
        put.setdefault(environ_key(name), value)
    is_slo, manifest = source.header("x-static-large-object"), source.header("x-object-manifest")
    copies_manifest = query.get("multipart-manifest") == "get"
    changed = {key: value for key, value in query.items() if key not in ("version-id", "heartbeat")}
    if copies_manifest and is_slo:
        changed["multipart-manifest"] = "put"
    if copies_manifest and manifest is not None:
        del changed["multipart-manifest"]
        put["HTTP_X_OBJECT_MANIFEST"] = manifest
    put["QUERY_STRING"] = _query(changed)
    put["wsgi.input"], put["CONTENT_LENGTH"] = body, source.header("content-length")
    if not put.get("CONTENT_TYPE"):
        put["CONTENT_TYPE"] = source.header("content-type")
    if source.status == 200 and not is_slo and (manifest is None or copies_manifest):
        put["HTTP_ETAG"] = (source.header("etag") or "").strip('"')  # so that the copy is verified
        return put
    # The ETag is not that of the bytes to come, nor is what the listing shows of the source.
    return {key: value for key, value in put.items() if not key.startswith(copies.ETAG_OVERRIDE)}


def _reposting(environ: Environ, source: SubResponse, body: SourceBody) -> Environ:
    """The PUT that does a POST's work: the client's metadata, the object's bytes and what belongs to middleware."""
    put = {key: value for key, value in environ.items() if key not in UNWANTED}
    put["REQUEST_METHOD"], put["QUERY_STRING"], put["wsgi.input"], put[POST_AS_COPY] = "PUT", "", body, True
    posted_type = put.get("CONTENT_TYPE")
    if posted_type:
        source.headers = [(n, posted_type if n.lower() == "content-type" else v) for n, v in source.headers]
    for name, value in copies.exact_headers(source.headers):
        lower = name.lower()
        if lower in ("content-type", "content-length", "etag") or lower.startswith("x-object-sysmeta-"):
            put[environ_key(name)] = value
        elif lower in copies.CHOSEN:
            put.setdefault(environ_key(name), value)
    put["HTTP_ETAG"] = put["HTTP_ETAG"].strip('"')
    if put.get("HTTP_X_STATIC_LARGE_OBJECT"):
        put["swift.content_type_overridden"] = True  # by the swift_bytes in it
        put["HTTP_X_BACKEND_ETAG_IS_AT"] = "X-Object-Sysmeta-Slo-Etag"  # the one that a condition of the client's means
    return put


def _shown(copy: Copy, source: SubResponse, put: Environ) -> Headers:
    """What the answer says of the copy besides what any PUT's does."""
    account, container, name = copy.source
    shown = [("X-Copied-From-Account", quote_wsgi(account)), ("X-Copied-From", quote_wsgi(f"{container}/{name}"))]
    for told, header in (("Last-Modified", "last-modified"), ("Version-Id", "x-object-version-id")):
        value = source.header(header)
        if value is not None:
            shown.append((f"X-Copied-From-{told}", value))
    headers = [(header_name(key), value) for key, value in put.items() if key.startswith("HTTP_X_")]
    return shown + [pair for pair in headers if copies.is_shown(pair[0])]


def _query(parameters: dict[str, str]) -> str:
    return urlencode(parameters, encoding="latin-1")


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: CopyOptions. Raises ConfigError."""
    conf = {**_older_place(global_conf), **global_conf, **local_conf}
    options = factory_options(CopyOptions, conf)
    log = get_logger(conf, "copy")
    return lambda app: ServerSideCopy(app, options, log)


def _older_place(global_conf: dict[str, str]) -> dict[str, str]:
    """``object_post_as_copy`` where it was before there was this filter."""
    path = global_conf.get("__file__")
    if path is None:
        return {}
    proxy = ConfFile.load(path).section("app:proxy-server")
    return {key: value for key, value in proxy.items() if key == "object_post_as_copy"}
