"""ObjectVersions: objects of a container that keeps versions: written twice, as a version and as a link to it."""

from __future__ import annotations

import io
import mimetypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import unquote

from swiftlite.common.config import is_true
from swiftlite.common.subrequest import Environ, SubResponse, call, make_environ, trust
from swiftlite.common.web import HTTPBadRequest, HTTPLengthRequired, HTTPNotFound
from swiftlite.core import links
from swiftlite.core.copies import exact_headers
from swiftlite.core.names import quote_wsgi, wsgi_to_str
from swiftlite.core.object_versions import (
    NULL,
    check_version_id,
    hidden_container,
    split_version_name,
    version_id,
    version_name,
)
from swiftlite.core.timestamp import Timestamp
from swiftlite.core.versions import DELETE_MARKER
from swiftlite.middleware.client_body import read_body
from swiftlite.middleware.copy import SourceBody
from swiftlite.middleware.symlink import AS_IT_IS, LINK_BYTES
from swiftlite.middleware.versioned_writes.versioning_requests import (
    RESERVED_NAMES,
    SOURCE,
    TIMESTAMP,
    VersioningRequests,
    copy_headers,
    lost_container,
    stamp,
    trust_with_path,
)
from swiftlite.middleware.write_access import denial
from swiftlite.proxy.controllers.base import Denied

VERSION_ID = "X-Object-Version-Id"
CURRENT_VERSION_ID = "X-Object-Current-Version-Id"
LINK_MARK = "X-Object-Sysmeta-Versions-Symlink"
ASKED = "HTTP_X_SYMLINK_TARGET"
ETAG_IS_AT = "HTTP_X_BACKEND_ETAG_IS_AT"
DETECT = "HTTP_X_DETECT_CONTENT_TYPE"
OVERRIDDEN = "swift.content_type_overridden"
SLO_SIZE = "HTTP_X_OBJECT_SYSMETA_SLO_SIZE"
NEWEST = [("X-Newest", "true")]
CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")
EXPIRY = ("HTTP_X_DELETE_AT", "HTTP_X_DELETE_AFTER")
NOT_FOR_LINKS = (
    "HTTP_ETAG",
    "HTTP_EXPECT",
    "HTTP_TRANSFER_ENCODING",
    "HTTP_X_IF_DELETE_AT",
    "HTTP_X_OBJECT_MANIFEST",
    "HTTP_X_OBJECT_SYSMETA_SLO_ETAG",
    "HTTP_X_STATIC_LARGE_OBJECT",
    "HTTP_X_SYMLINK_TARGET_ACCOUNT",
    DETECT,
    OVERRIDDEN,
    SLO_SIZE,
)
"""What of a PUT is about the bytes, which lie with the version."""
LINK_FLAGS = {
    "HTTP_" + name.upper().replace("-", "_"): "true" for name in (LINK_MARK, links.EXTENDS_LOOP, links.REACHES_RESERVED)
}


@dataclass(frozen=True, slots=True)
class VersionedObject:
    """What a request's path names, in WSGI strings.

    :param hidden: the container of versions; empty when there is none
    """

    api_version: str
    account: str
    container: str
    name: str
    hidden: str

    @property
    def path(self) -> str:
        """Its decoded path."""
        return f"/{self.api_version}/{self.account}/{self.container}/{self.name}"

    @property
    def hidden_path(self) -> str:
        """The decoded path of the container of versions."""
        return f"/{self.api_version}/{self.account}/{self.hidden}"

    def version_path(self, identity: str) -> str:
        """The decoded path of one version."""
        return f"{self.hidden_path}/{version_name(self.name, identity)}"

    def version_at(self, path: str) -> str | None:
        """The id of the version that a decoded path, without or with API version and account, leads to."""
        parts = path.split("/", 4)
        if len(parts) == 5 and parts[2:4] == [self.account, self.hidden]:
            return split_version_name(parts[4])[1]
        return None


class Stored(NamedTuple):
    """What a link tells of its version."""

    etag: str
    size: str
    content_type: str


class CountingReader:
    """A request's body that counts its bytes, for its length is not known before."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        """As the body's own ``read``."""
        data: bytes = self._source.read(size)
        self.count += len(data)
        return data


class ObjectVersions(VersioningRequests):
    """Answers the requests for objects of containers that have, or had, versions."""

    def of_latest(self, environ: Environ, target: VersionedObject, enabled: bool) -> SubResponse | None:
        """The answer to a request that names no version.

        :param enabled: whether new versions are to be made
        """
        method = environ["REQUEST_METHOD"]
        _mean_versions_etag(environ)
        if method == "POST":
            return self._post(environ, target)
        if method not in ("PUT", "DELETE"):
            return self._get(environ, target)
        if not enabled:
            return None
        self._keep_current(environ, target)
        return self._put(environ, target) if method == "PUT" else self._delete(environ, target)

    def of_version(self, environ: Environ, target: VersionedObject, identity: str) -> SubResponse | None:
        """The answer to a request for one version, or for what was written without versioning (``null``)."""
        method = environ["REQUEST_METHOD"]
        if method == "POST":
            raise HTTPBadRequest("POST to a specific version is not allowed")
        if not target.hidden and identity != NULL:
            raise HTTPBadRequest("version-aware operations require that the container is versioned")
        if identity != NULL or method == "PUT":
            check_version_id(identity)
        _mean_versions_etag(environ)
        if method == "OPTIONS" or (method == "DELETE" and identity == NULL):
            return None
        handlers: dict[str, Callable[..., SubResponse]] = {"PUT": self._restore, "DELETE": self._delete_version}
        if method in handlers:
            return handlers[method](environ, target, identity)
        return self._get_null(environ) if identity == NULL else self._get_version(environ, target, identity)

    # --- before a write ---

    def _keep_current(self, environ: Environ, target: VersionedObject) -> None:
        """Make a version of what was written before there was versioning, or while it was off.

        :raises Answer, Denied: when that cannot be done; then nothing may be overwritten
        """
        refusal = denial(environ, self.app, SOURCE)
        if refusal is not None:
            raise Denied(refusal)
        source = self.ask(environ, "GET", target.path, query="symlink=get", headers=NEWEST)
        if source.status == 404 or source.header(LINK_MARK) == "true":
            source.close()
            return
        self.check(source)
        written = source.header("x-backend-timestamp") or source.header("x-timestamp") or ""
        path = target.version_path(version_id(written))
        with SourceBody(source, self.log) as body:
            put = make_environ(environ, "PUT", path, headers=exact_headers(source.headers), body=body, source=SOURCE)
            put[OVERRIDDEN] = True
            put[AS_IT_IS] = LINK_BYTES in put  # a link is kept even if its target is another one by now
            answer = call(self.app, trust(put))
        if answer.status == 404:
            raise lost_container()
        self.check(answer).close()

    # --- PUT ---

    def _put(self, environ: Environ, target: VersionedObject) -> SubResponse:
        identity = version_id(stamp(environ))
        stored = self._put_version(environ, target, identity)
        answer = self._link(environ, target, identity, stored)
        if answer.status == 412:  # a condition that holds for the object, not for its new version
            self.ask_and_close(environ, "DELETE", target.version_path(identity))
        return answer

    def _put_version(self, environ: Environ, target: VersionedObject, identity: str) -> Stored:
        """Store what the client sends as a version.

        :raises Answer: when that fails
        """
        length = environ.get("CONTENT_LENGTH")
        body = CountingReader(environ["wsgi.input"])
        put = make_environ(environ, "PUT", target.version_path(identity), body=body, source=SOURCE)
        copy_headers(environ, put, (*EXPIRY, *CONDITIONS, DETECT))
        if "HTTP_TRANSFER_ENCODING" not in environ:
            del put["HTTP_TRANSFER_ENCODING"]
            if length:
                put["CONTENT_LENGTH"] = length
        if ASKED not in environ and (is_true(environ.get(DETECT)) or not environ.get("CONTENT_TYPE")):
            # The version's own name would tell nothing.
            put["CONTENT_TYPE"] = mimetypes.guess_type(wsgi_to_str(target.name))[0] or "application/octet-stream"
        if OVERRIDDEN in environ:
            put[OVERRIDDEN] = environ[OVERRIDDEN]
        answer = call(self.app, trust_with_path(put, environ))
        if answer.status == 404:
            answer.close()
            raise lost_container()
        self.check(answer).close()
        size = environ.get(SLO_SIZE) or str(body.count)
        return Stored(answer.header("etag") or "", size, put["CONTENT_TYPE"].partition(";")[0].strip())

    def _link(self, environ: Environ, target: VersionedObject, identity: str, stored: Stored) -> SubResponse:
        """Make a version the latest: a link to it takes the object's place."""
        link = {key: value for key, value in environ.items() if key not in NOT_FOR_LINKS}
        link |= LINK_FLAGS
        link[TIMESTAMP] = Timestamp(stamp(environ), offset=1).internal  # never older than the version
        link[ASKED] = quote_wsgi(f"{target.hidden}/{version_name(target.name, identity)}")
        link["HTTP_" + links.TARGET_ETAG.upper().replace("-", "_")] = stored.etag
        link["HTTP_" + links.TARGET_BYTES.upper().replace("-", "_")] = stored.size
        link["CONTENT_TYPE"] = stored.content_type
        link["CONTENT_LENGTH"] = "0"
        link["wsgi.input"] = io.BytesIO()
        link["swift.source"] = SOURCE
        answer = self.send_on(link, **{RESERVED_NAMES: "true"})
        if not answer.is_success:
            return answer
        kept = [pair for pair in answer.headers if pair[0].lower() != "etag"]
        answer.headers = [*kept, ("Etag", stored.etag), (VERSION_ID, version_id_of(identity))]
        return answer

    def _restore(self, environ: Environ, target: VersionedObject, identity: str) -> SubResponse:
        """Make an older version the latest."""
        length = environ.get("CONTENT_LENGTH")
        chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        if not length and not chunked:
            raise HTTPLengthRequired()
        if read_body(environ, 1) if chunked else length != "0":
            text = "PUT version-id requests require a zero byte body"
            raise HTTPBadRequest(text, content_type="text/plain")
        head = self.ask_and_close(environ, "HEAD", target.version_path(identity), query="symlink=get")
        if head.status == 404:
            if self.ask_and_close(environ, "HEAD", target.hidden_path).is_success:
                raise HTTPNotFound("The specified version does not exist", content_type="text/plain")
            raise lost_container()
        self.check(head)
        texts = (head.header(name) or "" for name in ("etag", "content-length", "content-type"))
        return self._link(environ, target, identity, Stored(*texts))

    # --- DELETE ---

    def _delete(self, environ: Environ, target: VersionedObject) -> SubResponse:
        """Write down when the object was deleted, as one more version, and delete the link."""
        identity = version_id(stamp(environ))
        headers = [("Content-Type", DELETE_MARKER), ("X-Timestamp", environ[TIMESTAMP])]
        marker = make_environ(environ, "PUT", target.version_path(identity), headers=headers, source=SOURCE)
        marker[OVERRIDDEN] = True
        self.check(call(self.app, trust(marker))).close()
        answer = self.send_on(environ)
        if answer.status == 412:
            self.ask_and_close(environ, "DELETE", target.version_path(identity))
        elif answer.is_success or answer.status == 404:
            answer.headers = [*answer.headers, (VERSION_ID, identity), ("X-Backend-Content-Type", DELETE_MARKER)]
        return answer

    def _delete_version(self, environ: Environ, target: VersionedObject, identity: str) -> SubResponse:
        """Delete one version for good, and the link if it leads there."""
        head = self.ask_and_close(environ, "HEAD", target.path, query="symlink=get", headers=NEWEST)
        current = None
        if head.status != 404:
            self.check(head)
            if head.header(LINK_MARK) == "true":
                place = unquote(head.header("x-symlink-target") or "", "latin-1")
                current = target.version_at(f"/{target.api_version}/{target.account}/{place}")
        if current is not None and current == version_id_of(identity):
            # Who may not delete the version shall not be left without the link.
            refusal = denial({**environ, "PATH_INFO": target.version_path(identity)}, self.app, SOURCE)
            if refusal is not None:
                raise Denied(refusal)
            self.check(self.send_on(environ, QUERY_STRING="")).close()
            current = None
        answer = self.send_on(environ, target.version_path(identity), QUERY_STRING="")
        answer.headers = [*answer.headers, (VERSION_ID, identity), (CURRENT_VERSION_ID, current or NULL)]
        return answer

    # --- POST ---

    def _post(self, environ: Environ, target: VersionedObject) -> SubResponse:
        """New metadata for the link, and for the version behind it."""
        headers = copy_headers(environ, {}, EXPIRY)  # before filters to the right change them
        answer = call(self.app, environ)
        if answer.status != 307 or not is_true(answer.header(LINK_MARK)):
            return answer
        path = unquote(answer.header("location") or "", "latin-1")
        if target.version_at(path) is None:
            return answer
        answer.close()
        return call(self.app, trust({**make_environ(environ, "POST", path, source=SOURCE), **headers}))

    # --- GET and HEAD ---

    def _get(self, environ: Environ, target: VersionedObject) -> SubResponse:
        """The latest version, with its id."""
        answer = call(self.app, environ)
        identity, shown = NULL, []
        own = quote_wsgi(target.path)
        for name, value in answer.headers:
            lower = name.lower()
            if lower == "content-location" and (found := target.version_at(unquote(value, "latin-1"))):
                identity, value = found, f"{own}?version-id={found}"
            elif lower == "x-symlink-target":
                place = f"/{target.api_version}/{target.account}/" + unquote(value, "latin-1")
                if found := target.version_at(place):
                    identity, value = found, quote_wsgi(f"{target.container}/{target.name}") + f"?version-id={found}"
            shown.append((name, value))
        answer.headers = [*shown, (VERSION_ID, identity)]
        return answer

    def _get_version(self, environ: Environ, target: VersionedObject, identity: str) -> SubResponse:
        """One version; where it says that the object was deleted, 404."""
        answer = self.send_on(environ, target.version_path(identity))
        if (answer.header("x-backend-content-type") or answer.header("content-type")) == DELETE_MARKER:
            answer.close()
            raise HTTPNotFound(headers={VERSION_ID: identity, "Content-Type": DELETE_MARKER})
        if answer.is_success:
            answer.headers = [*answer.headers, (VERSION_ID, identity)]
        return answer

    def _get_null(self, environ: Environ) -> SubResponse:
        """What was written without versioning, if that is the latest."""
        answer = call(self.app, environ)
        if answer.is_success:
            if hidden_container("") in unquote(answer.header("content-location") or "", "latin-1"):
                answer.close()
                raise HTTPNotFound()
            answer.headers = [*answer.headers, (VERSION_ID, NULL)]
        return answer


def _mean_versions_etag(environ: Environ) -> None:
    """Have conditions of a write hold for the ETag that clients are shown, the version's, and not for the link's own."""
    if environ["REQUEST_METHOD"] in ("PUT", "POST", "DELETE") and any(key in environ for key in CONDITIONS):
        shown = environ.get(ETAG_IS_AT)
        environ[ETAG_IS_AT] = f"{shown},{links.TARGET_ETAG}" if shown else links.TARGET_ETAG


def version_id_of(text: str) -> str:
    """The usual spelling of a version id."""
    return Timestamp(text).internal
