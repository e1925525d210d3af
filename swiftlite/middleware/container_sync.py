"""Let another cluster's container sync in: its requests bring no token, but a signature (formats.md 7.21)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from swiftlite.common import swift_info
from swiftlite.common.config import option
from swiftlite.common.log import Logger, get_logger
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.common.subrequest import Environ, StartResponse
from swiftlite.common.sync_realms import SyncRealms
from swiftlite.common.web import Answer, HTTPBadRequest, HTTPForbidden, HTTPUnauthorized, Request
from swiftlite.core.constraints import API_VERSIONS
from swiftlite.core.container_sync import AS_STORED, MAX_AHEAD, asks_for_more
from swiftlite.core.names import quote_wsgi, split_path, wsgi_to_str
from swiftlite.core.signature import container_sync_signature, is_one_of
from swiftlite.core.timestamp import Timestamp
from swiftlite.proxy.info import get_container_info

SYNC_TO = "HTTP_X_CONTAINER_SYNC_TO"
SYNC_AUTH = "HTTP_X_CONTAINER_SYNC_AUTH"
SYNC_KEY = "HTTP_X_CONTAINER_SYNC_KEY"
COPIES = ("HTTP_X_COPY_FROM", "HTTP_X_COPY_FROM_ACCOUNT", "HTTP_DESTINATION", "HTTP_DESTINATION_ACCOUNT")
TIMESTAMP = "HTTP_X_TIMESTAMP"
SENT_TIMESTAMP = "HTTP_X_BACKEND_INBOUND_X_TIMESTAMP"
"""Where the gatekeeper puts a client's timestamp."""
SOURCE = "CS"
TRUSTED = ("swift.authorize_override", "swift.slo_override", "swift.symlink_override")
"""What a good signature sets: nobody else is asked; manifests and links come as they are stored, and may come before
what they name."""


@dataclass(frozen=True)
class ContainerSyncOptions:
    """The filter's section."""

    allow_full_urls: bool = option(
        True, "let containers be synced to URLs, not only to //realm/cluster/account/container"
    )
    current: str = option("", "//REALM/CLUSTER that this cluster is, for clients to see in /info")
    swift_dir: str = option("/etc/swift", "directory of container-sync-realms.conf")


class ContainerSync:
    """The filter."""

    def __init__(self, app: WSGIApp, options: ContainerSyncOptions, realms: SyncRealms, log: Logger) -> None:
        self.app = app
        self.allow_full_urls = options.allow_full_urls
        self.realms = realms
        self.log = log
        self.current = options.current.upper().strip("/").split("/") if options.current else []
        if self.current and len(self.current) != 2:
            log.error("container_sync: current must be //REALM/CLUSTER, not %r", options.current)
            self.current = []
        self.tell_realms()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/info":
            self.tell_realms()
        elif SYNC_AUTH in environ or SYNC_TO in environ or SYNC_KEY in environ:
            try:
                self._check(environ)
            except Answer as answer:
                if environ["REQUEST_METHOD"] == "HEAD":
                    answer.body = b""
                return answer(environ, start_response)
        return self.app(environ, start_response)

    def tell_realms(self) -> None:
        """Show clients which realms and clusters there are, as the file says now."""
        shown: dict[str, Any] = {
            name: {"clusters": {cluster: {} for cluster in realm.clusters}}
            for name, realm in self.realms.items()
            if realm.clusters
        }
        if self.current:
            name, cluster = self.current
            try:
                shown[name]["clusters"][cluster]["current"] = True
            except KeyError:
                self.log.error("container_sync: current: there is no //%s/%s in %s", name, cluster, self.realms.path)
        swift_info.register("container_sync", realms=shown)

    def _check(self, environ: Environ) -> None:
        """Let go on what may.

        :raises Answer: what is said to others
        """
        try:
            version, account, container, name = split_path(environ["PATH_INFO"], 3, 4, rest_with_last=True)
        except ValueError:
            return
        if version not in API_VERSIONS or not account or not container:
            return
        if environ.get(SYNC_TO):
            self._check_target(environ, is_container=name is None)
        if environ.get(SYNC_AUTH):
            problem = self._problem(environ)
            environ.setdefault("swift.log_info", []).append(f"cs:{problem or 'valid'}")
            if problem:
                raise _unauthorized(account)
            _check_extent(environ, is_object=name is not None)
            if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
                environ["QUERY_STRING"] = AS_STORED  # what a link or manifest leads to is none of sync's business
            environ["swift.authorize"] = _only(environ["PATH_INFO"], account)
            for key in TRUSTED:
                environ[key] = True
        elif environ.get(SYNC_KEY) and name is not None and environ["REQUEST_METHOD"] in ("PUT", "DELETE"):
            self._check_key(environ)

    def _check_target(self, environ: Environ, is_container: bool) -> None:
        if is_container and environ["REQUEST_METHOD"] in ("PUT", "POST"):
            info = get_container_info(environ, self.app, SOURCE)
            if info["sysmeta"].get("versions-container"):
                text = "Cannot configure container sync on a container with object versioning configured."
                raise HTTPBadRequest(text)
        if not self.allow_full_urls and not environ[SYNC_TO].startswith("//"):
            text = (
                "Full URLs are not allowed for X-Container-Sync-To values. "
                "Only realm values of the format //realm/cluster/account/container are allowed.\n"
            )
            raise HTTPBadRequest(text)

    def _check_key(self, environ: Environ) -> None:
        """Believe the timestamp of who knows the container's key; the auth filter decides whether to let it in.

        Rows are sent more than once: they must not happen anew each time, and overwrite what has come since.
        """
        key = get_container_info(environ, self.app, SOURCE)["sync_key"]
        if key and is_one_of(environ[SYNC_KEY], [key]):
            _believe_timestamp(environ)
            _check_extent(environ, is_object=True)

    def _problem(self, environ: Environ) -> str | None:
        """What is wrong with a request's X-Container-Sync-Auth, for our log alone; None: it is good."""
        words = environ[SYNC_AUTH].split()
        if len(words) != 3:
            return "not-3-args"
        name, nonce, signature = map(wsgi_to_str, words)
        realm = self.realms.get(name.upper())
        if realm is None or not realm.key:
            return "no-local-realm-key"
        user_key = get_container_info(environ, self.app, SOURCE)["sync_key"]
        if not user_key:
            return "no-local-user-key"
        _believe_timestamp(environ)
        path = quote_wsgi(environ.get("SCRIPT_NAME", "") + environ["PATH_INFO"])
        signed = (environ["REQUEST_METHOD"], path, environ.get(TIMESTAMP, "0"), nonce)
        keys = [key for key in (realm.key, realm.key2) if key]
        expected = [container_sync_signature(*signed, key, wsgi_to_str(user_key)) for key in keys]
        return None if is_one_of(signature, expected) else "invalid-sig"


def _believe_timestamp(environ: Environ) -> None:
    if SENT_TIMESTAMP in environ:
        environ[TIMESTAMP] = environ.pop(SENT_TIMESTAMP)


def _check_extent(environ: Environ, is_object: bool) -> None:
    """Let a request do what sync does, and no more.

    :raises Answer: 403; 400 for a timestamp that would keep everybody from changing the object for long
    """
    copies = any(key in environ for key in COPIES)
    refusal = asks_for_more(environ["REQUEST_METHOD"], is_object, environ.get("QUERY_STRING", ""), copies)
    if refusal:
        raise HTTPForbidden(refusal, content_type="text/plain")
    given = environ.get(TIMESTAMP, "0")
    try:
        moment = float(Timestamp(given))
    except ValueError:
        text = f"X-Timestamp should be a UNIX timestamp float value; was {given!r}"
        raise HTTPBadRequest(text, content_type="text/plain") from None
    if moment > time.time() + MAX_AHEAD:
        raise HTTPBadRequest("X-Timestamp is more than a day ahead of this cluster's clock.", content_type="text/plain")


def _only(path: str, account: str) -> Callable[[Request], Answer | None]:
    """A ``swift.authorize`` that lets a request do what it was signed for: filters ask for more on its behalf."""
    return lambda request: None if request.environ["PATH_INFO"] == path else _unauthorized(account)


def _unauthorized(account: str) -> Answer:
    """What OpenStack Swift says: the same whatever is wrong, so that nobody learns which containers have a key."""
    realm = "unknown" if account in ("v1.0", "auth") else quote_wsgi(account)
    return HTTPUnauthorized(
        "X-Container-Sync-Auth header not valid; contact cluster operator for support.",
        headers={"Www-Authenticate": f'SwiftContainerSync realm="{realm}"'},
        content_type="text/plain",
    )


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: ContainerSyncOptions. Raises ConfigError."""
    conf = {**global_conf, **local_conf}
    options = factory_options(ContainerSyncOptions, conf)
    log = get_logger(conf, "container-sync")
    realms = SyncRealms.of(options.swift_dir, log)
    return lambda app: ContainerSync(app, options, realms, log)
