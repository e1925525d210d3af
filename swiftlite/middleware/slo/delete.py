"""DELETE of a static large object together with its segments, now or later by the expirer (formats.md 1.8, 7.15, 7.19)."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from swiftlite.common.config import is_true
from swiftlite.common.subrequest import Environ, StartResponse, call, make_environ, query_of, trust
from swiftlite.common.web import (
    Answer,
    HTTPBadRequest,
    HTTPInternalServerError,
    HTTPNotFound,
    HTTPPreconditionFailed,
    HTTPServiceUnavailable,
    HTTPUnauthorized,
)
from swiftlite.core import bulk_answer, manifest
from swiftlite.core.manifest import ManifestError
from swiftlite.core.names import quote_path, str_to_wsgi, wsgi_to_str
from swiftlite.core.placement import ExpirerQueue
from swiftlite.core.timestamp import Timestamp
from swiftlite.middleware.deletions import Deletions, Manner, Target
from swiftlite.middleware.segments import agent
from swiftlite.middleware.slo.asked import append_name, is_large
from swiftlite.middleware.write_access import denial
from swiftlite.proxy.controllers.base import Denied

if TYPE_CHECKING:
    from swiftlite.middleware.slo.filter import StaticLargeObjects

MAX_FAILURES = 1000
BUFFERED_FACTOR = 10
"""Waiting segments, as a multiple of those that one manifest may have, at which nested manifests are too many."""
EMPTY_ETAG = "d41d8cd98f00b204e9800998ecf8427e"
ASYNC_TYPE = "application/async-deleted"


def delete(slo: StaticLargeObjects, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Delete a manifest's segments, then the manifest.

    :raises Answer: when they cannot be left to the expirer
    """
    _check_conditions(slo, environ)
    if slo.options.allow_async_delete and is_true(query_of(environ).get("async")):
        _queue_segments(slo, environ)
        return slo.app(environ, start_response)
    media_type = bulk_answer.answer_format(environ.get("HTTP_ACCEPT"))
    start_response("200 OK", [("Content-Type", media_type or "text/html; charset=UTF-8")])
    options = slo.options
    concurrency = options.delete_concurrency or options.concurrency
    manner = Manner("SLO", "MultipartDELETE", concurrency, MAX_FAILURES, options.yield_frequency)
    deletions = Deletions(slo.app, environ, manner, slo.log)
    return deletions.run(lambda: _targets(slo, environ), media_type)


def _check_conditions(slo: StaticLargeObjects, environ: Environ) -> None:
    """Hold the request's conditions against the large object before any of its segments goes.

    :raises Answer: 412
    """
    names = (("HTTP_IF_MATCH", "If-Match"), ("HTTP_IF_NONE_MATCH", "If-None-Match"))
    conditions = [(name, environ[key]) for key, name in names if key in environ]
    if not conditions:
        return
    version = query_of(environ).get("version-id")
    query = f"version-id={version}" if version is not None else ""
    head = make_environ(environ, "HEAD", environ["PATH_INFO"], query=query, headers=conditions, source="SLO")
    response = call(slo, head)
    response.close()
    if response.status in (304, 412):
        raise HTTPPreconditionFailed()


# Now ----------------------------------------------------------------------------------------------------------------


def _targets(slo: StaticLargeObjects, environ: Environ) -> Iterator[Target]:
    """The segments of a large object and of those nested in it, each manifest after what it lists.

    :raises Answer: 412 for a name that is none, 400 when too many wait
    """
    own = "/" + environ["PATH_INFO"].split("/", 3)[3]
    try:
        own.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        raise HTTPPreconditionFailed("Invalid UTF8 or contains NULL") from None
    version = query_of(environ).get("version-id")
    waiting: deque[tuple[Target, bool]] = deque([(Target(wsgi_to_str(own), version), True)])
    while waiting:
        if len(waiting) > slo.options.max_manifest_segments * BUFFERED_FACTOR:
            raise HTTPBadRequest("Too many buffered slo segments to delete.")
        target, is_manifest = waiting.popleft()
        if not is_manifest:
            yield target
            continue
        try:
            for entry in _entries(slo, environ, target):
                if "data" not in entry:
                    name = "/" + entry["name"].lstrip("/")
                    waiting.append((Target(name), bool(entry.get("sub_slo"))))
        except Answer as answer:
            text = answer.body.decode("utf-8", "replace")
            target = target._replace(failure=(answer.status_int, text))
        waiting.append((target, False))


def _entries(slo: StaticLargeObjects, environ: Environ, target: Target) -> list[manifest.Entry]:
    """What a manifest lists.

    :raises Answer: 400, 401, 404 or 500 when it cannot be read
    """
    query = "multipart-manifest=get" + (f"&version-id={target.version}" if target.version is not None else "")
    # Of another object one byte is enough to see that it is no manifest.
    headers = [("User-Agent", agent(environ, "MultipartDELETE")), ("Range", "bytes=-1")]
    path = _account_path(environ) + str_to_wsgi(target.name)
    made = make_environ(environ, "GET", path, query=query, headers=headers, source="SLO")
    append_name(made, "HTTP_X_BACKEND_IGNORE_RANGE_IF_METADATA_PRESENT", "X-Static-Large-Object")
    response = call(slo.app, made)
    if not response.is_success or not is_large(response.headers):
        response.close()
        if response.is_success:
            raise HTTPBadRequest("Not an SLO manifest")
        if response.status == 404:
            raise HTTPNotFound("SLO manifest not found")
        if response.status == 401:
            raise HTTPUnauthorized("401 Unauthorized")
        raise HTTPInternalServerError("Unable to load SLO manifest or segment.")
    try:
        return manifest.read_entries(response.read())
    except ManifestError as error:
        slo.log.error("%r: %s", target.name, error)
        raise HTTPInternalServerError("Unable to load SLO manifest") from None


def _account_path(environ: Environ) -> str:
    return "/".join(environ["PATH_INFO"].split("/", 3)[:3])


# Later --------------------------------------------------------------------------------------------------------------


def _queue_segments(slo: StaticLargeObjects, environ: Environ) -> None:
    """Leave the segments to the expirer: rows in its queue tell it to delete them.

    :raises Answer, Denied: when it cannot be done in this way, or may not be done
    """
    _, version, account, container, name = environ["PATH_INFO"].split("/", 4)
    try:
        native = [text.encode("latin-1").decode("utf-8") for text in (account, container, name)]
    except UnicodeDecodeError:
        raise HTTPPreconditionFailed("Invalid UTF8 or contains NULL") from None
    own = Target(f"/{native[1]}/{native[2]}", query_of(environ).get("version-id"))
    listed = [entry for entry in _entries(slo, environ, own) if "data" not in entry]
    if not listed:
        return
    names = [entry["name"].lstrip("/").split("/", 1) for entry in listed]
    containers = list(dict.fromkeys(container for container, _ in names))
    if len(containers) > 1:
        found = ", ".join(f'"{quote_path(container)}"' for container in containers)
        raise HTTPBadRequest(f"All segments must be in one container. Found segments in {found}")
    if any(entry.get("sub_slo") for entry in listed):
        raise HTTPBadRequest("No segments may be large objects.")
    for each in dict.fromkeys([container, str_to_wsgi(containers[0])]):
        _authorize_write(slo, environ, f"/{version}/{account}/{each}/{name}")
    now = Timestamp(environ.get("HTTP_X_TIMESTAMP") or time.time())
    environ["HTTP_X_TIMESTAMP"] = now.internal
    rows = queue_rows(now, native[0], containers[0], [name for _, name in names])
    _enqueue(slo, environ, rows, _queue_path(slo, now, native))


def _authorize_write(slo: StaticLargeObjects, environ: Environ, path: str) -> None:
    """Ask whoever guards the request whether it may write to a container.

    :raises Denied: with the refusal
    """
    refusal = denial({**environ, "PATH_INFO": path}, slo.app, "SLO")
    if refusal is not None:
        raise Denied(refusal)


def queue_rows(now: Timestamp, account: str, container: str, names: Iterable[str]) -> list[dict[str, Any]]:
    """The rows that make the expirer delete objects (formats.md 1.8); all names are native."""
    return [
        {
            "name": f"{now.normal}-{account}/{container}/{name}",
            "deleted": 0,
            "created_at": now.internal,
            "etag": EMPTY_ETAG,
            "size": 0,
            "storage_policy_index": 0,
            "content_type": ASYNC_TYPE,
        }
        for name in names
    ]


def _queue_path(slo: StaticLargeObjects, now: Timestamp, native: list[str]) -> str:
    options = slo.options
    queue = ExpirerQueue(
        options.auto_create_account_prefix + options.expiring_objects_account_name,
        options.expiring_objects_container_divisor,
    )
    return f"/v1/{queue.account}/{queue.container(int(now), slo.hash_path.hex(*native))}"


def _enqueue(slo: StaticLargeObjects, environ: Environ, rows: list[dict[str, Any]], path: str) -> None:
    headers = [
        ("Content-Type", "application/json"),
        ("X-Backend-Storage-Policy-Index", "0"),
        ("X-Backend-Allow-Private-Methods", "True"),
    ]
    body = json.dumps(rows).encode("ascii")
    made = make_environ(environ, "UPDATE", path, headers=headers, body=body, source="SLO")
    response = call(slo.app, trust(made))
    text = response.read(1000)
    if not response.is_success:
        slo.log.error("Cannot queue the deletion of segments in %s: %s %r", path, response.status_line, text)
        raise HTTPServiceUnavailable()
