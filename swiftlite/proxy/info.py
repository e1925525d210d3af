"""What is known of accounts and containers: their HEADs, cached for a minute (formats.md 7.9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from swiftlite.common import statsd
from swiftlite.common.policies import StoragePolicy
from swiftlite.common.web import HTTPServiceUnavailable
from swiftlite.core.constraints import is_auto_create
from swiftlite.core.metadata import SYSTEM_PREFIX, USER_PREFIX, Kind
from swiftlite.core.names import quote_path, wsgi_to_str
from swiftlite.core.quorum import Reply
from swiftlite.proxy.cluster import Cluster
from swiftlite.proxy.headers import identification
from swiftlite.proxy.search import Search, Source
from swiftlite.ring.ring import Ring
from swiftlite.wire.backend import BackendRequest

Info = dict[str, Any]
Environ = dict[str, Any]

CACHED = "swiftlite.cached"
"""In the environ of a HEAD that is made for a cache, and so need not know the very last write."""

POLICY_PREFIX = "x-account-storage-policy-"
MISSING_FACTOR = 0.1
"""How much of the usual time a 404 or 410 is believed: what is missing may be made any moment."""


def account_key(account: str) -> str:
    """The cache key of an account (native text)."""
    return f"account/{account}"


def container_key(account: str, container: str) -> str:
    """The cache key of a container (native text)."""
    return f"container/{account}/{container}"


class InfoCache:
    """Asks the storage servers what an account or container is like, and remembers the answers.

    An info is a dict of plain JSON values with the keys that OpenStack Swift uses, because memcached may be shared
    with it; nobody may change one. ``status`` is the HTTP status of the HEAD.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def account(self, environ: Environ, account: str) -> Info:
        """An account's info; for an account that would be made on the first write, status 200."""
        return self._get(environ, account_key(account), lambda: self._fetch_account(environ, account))

    def container(self, environ: Environ, account: str, container: str) -> Info:
        """A container's info; status 404 where its account is missing, too."""
        return self._get(
            environ, container_key(account, container), lambda: self._fetch_container(environ, account, container)
        )

    def account_exists(self, environ: Environ, account: str) -> bool:
        """Whether containers can be looked for in the account.

        :raises Answer: 503 when the account servers cannot tell
        """
        if is_auto_create(self.cluster.constraints, account):
            return True
        status = self.account(environ, account)["status"]
        if status >= 500:
            raise HTTPServiceUnavailable()
        return status // 100 == 2

    def remember(self, environ: Environ, key: str, info: Info, token: Any = None) -> None:
        """Keep an info that a request to the storage servers has brought.

        :param token: what the cache's ``begin`` gave before that request
        """
        environ.setdefault("swift.infocache", {})[key] = info
        cache = environ.get("swift.cache")
        if cache is None:
            return
        options, status = self.cluster.options, info["status"]
        lifetime = (
            options.recheck_account_existence if key.startswith("account/") else options.recheck_container_existence
        )
        if status in (404, 410):
            lifetime *= MISSING_FACTOR
        elif status // 100 != 2:
            return
        if lifetime > 0:
            cache.set(key, info, lifetime, token)

    def begin(self, environ: Environ, key: str) -> Any:
        """A token for ``remember``, taken before the servers are asked."""
        cache = environ.get("swift.cache")
        return None if cache is None else cache.begin(key)

    def forget(self, environ: Environ, key: str) -> None:
        """Drop an info that a write has made stale, in every worker."""
        environ.get("swift.infocache", {}).pop(key, None)
        cache = environ.get("swift.cache")
        if cache is not None:
            cache.delete(key)

    def _get(self, environ: Environ, key: str, fetch: Callable[[], Info]) -> Info:
        info = _known(environ, key)
        if info is not None:
            return info
        token = self.begin(environ, key)
        info = fetch()
        _note_miss(environ, key, info["status"])
        self.remember(environ, key, info, token)
        return info

    def _fetch_account(self, environ: Environ, account: str) -> Info:
        found = self._head(environ, self.cluster.account_ring, account)
        if isinstance(found, Source):
            return account_info(found.response.headers, found.response.status, self.cluster.policies)
        return missing_account_info(found, self.cluster.options.account_autocreate)

    def _fetch_container(self, environ: Environ, account: str, container: str) -> Info:
        if not self.account_exists(environ, account):
            return container_info({}, 404)
        found = self._head(environ, self.cluster.container_ring, account, container)
        if isinstance(found, Source):
            return container_info(found.response.headers, found.response.status)
        return container_info(found.headers, found.status)

    def _head(self, environ: Environ, ring: Ring, account: str, container: str | None = None) -> Source | Reply:
        path = quote_path(f"/{account}/{container}" if container else f"/{account}")
        request = BackendRequest("HEAD", ring.partition(account, container), path)
        headers = identification(environ, self.cluster.user_agent)
        return Search(self.cluster, ring, request, headers, is_object=False, newest=False).run()


def missing_account_info(reply: Reply, autocreate: bool) -> Info:
    """The info of an account that no server has: deleted, to be made on the first write, or just missing."""
    if reply.status == 404 and is_marked_deleted(reply.headers):
        return account_info(reply.headers, 410)
    if reply.status == 404 and autocreate:
        return account_info({"X-Backend-Fake-Account-Listing": "yes"}, 200)
    return account_info(reply.headers, reply.status)


def is_marked_deleted(headers: Mapping[str, str]) -> bool:
    """Whether an account server says that the account was deleted."""
    return headers.get("X-Account-Status", "").lower() == "deleted"


def account_info(headers: Mapping[str, str], status: int, policies: Iterable[StoragePolicy] = ()) -> Info:
    """An account's info from the headers of its HEAD.

    :param policies: those whose statistics to take up, by their index as text, which is what JSON makes of it
    """
    user, system = _metadata("account", headers)
    return {
        "status": status,
        "container_count": int(headers.get("X-Account-Container-Count") or 0),
        "total_object_count": int(headers.get("X-Account-Object-Count") or 0),
        "bytes": int(headers.get("X-Account-Bytes-Used") or 0),
        "storage_policies": _policy_stats(headers, policies),
        "account_really_exists": headers.get("X-Backend-Fake-Account-Listing") != "yes",
        "meta": user,
        "sysmeta": system,
    }


def _policy_stats(headers: Mapping[str, str], policies: Iterable[StoragePolicy]) -> dict[str, dict[str, int]]:
    told = {name.lower(): value for name, value in headers.items() if name.lower().startswith(POLICY_PREFIX)}
    return {
        str(policy.index): {
            "container_count": int(told.get(f"{POLICY_PREFIX}{policy.name.lower()}-container-count") or 0),
            "object_count": int(told.get(f"{POLICY_PREFIX}{policy.name.lower()}-object-count") or 0),
            "bytes": int(told.get(f"{POLICY_PREFIX}{policy.name.lower()}-bytes-used") or 0),
        }
        for policy in policies
    }


def container_info(headers: Mapping[str, str], status: int) -> Info:
    """A container's info from the headers of its HEAD."""
    user, system = _metadata("container", headers)
    return {
        "status": status,
        "read_acl": headers.get("X-Container-Read"),
        "write_acl": headers.get("X-Container-Write"),
        "sync_to": headers.get("X-Container-Sync-To"),
        "sync_key": headers.get("X-Container-Sync-Key"),
        "object_count": int(headers.get("X-Container-Object-Count") or 0),
        "bytes": int(headers.get("X-Container-Bytes-Used") or 0),
        "versions": headers.get("X-Versions-Location"),
        "storage_policy": headers.get("X-Backend-Storage-Policy-Index") or "0",
        "created_at": headers.get("X-Backend-Timestamp"),
        "put_timestamp": headers.get("X-Backend-Put-Timestamp"),
        "delete_timestamp": headers.get("X-Backend-Delete-Timestamp"),
        "status_changed_at": headers.get("X-Backend-Status-Changed-At"),
        "sharding_state": headers.get("X-Backend-Sharding-State") or "unsharded",
        "cors": {
            "allow_origin": user.get("access-control-allow-origin"),
            "expose_headers": user.get("access-control-expose-headers"),
            "max_age": user.get("access-control-max-age"),
        },
        "meta": user,
        "sysmeta": system,
    }


def _metadata(kind: Kind, headers: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """User and system metadata under their lower-case names without prefix."""
    user: dict[str, str] = {}
    system: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower.startswith(USER_PREFIX[kind]):
            user[lower[len(USER_PREFIX[kind]) :]] = value
        elif lower.startswith(SYSTEM_PREFIX[kind]):
            system[lower[len(SYSTEM_PREFIX[kind]) :]] = value
    return user, system


# --- for middleware, which has no cluster but the application it wraps ---


def get_account_info(environ: Environ, app: Callable[..., Any], source: str | None = None) -> Info:
    """An account's info, by a HEAD through ``app`` where no cache has it.

    :param environ: of the request at hand; its path names the account
    :param source: who asks, for the log
    """
    version, account, _ = _names(environ)
    return _from_app(
        environ, app, account_key(wsgi_to_str(account)), f"/{version}/{account}", source or "GET_ACCOUNT_INFO"
    )


def get_container_info(environ: Environ, app: Callable[..., Any], source: str | None = None) -> Info:
    """A container's info, by a HEAD through ``app`` where no cache has it."""
    version, account, container = _names(environ)
    key = container_key(wsgi_to_str(account), wsgi_to_str(container))
    return _from_app(environ, app, key, f"/{version}/{account}/{container}", source or "GET_CONTAINER_INFO")


def _names(environ: Environ) -> tuple[str, str, str]:
    version, account, container, *_ = [*environ.get("PATH_INFO", "")[1:].split("/", 3), "", ""]
    return version, account, container


def _from_app(environ: Environ, app: Callable[..., Any], key: str, path: str, source: str) -> Info:
    info = _known(environ, key)
    if info is None:
        status, headers = _head_app(environ, app, path, source)
        _note_miss(environ, key, status)
        make = account_info if key.startswith("account/") else container_info
        # The proxy at the end of the pipeline has put into the cache what it found.
        known = environ["swift.infocache"]
        info = known[key] = known.get(key) or make(headers, status)
    return info


def _known(environ: Environ, key: str) -> Info | None:
    """What the request or a cache knows already; statsd hears which of them."""
    known = environ.get("swift.infocache")
    if known is None:
        known = environ["swift.infocache"] = {}
    info: Info | None = known.get(key)
    if info is not None:
        statsd.note(f"{key.partition('/')[0]}.info.infocache.hit")
        return info
    cache = environ.get("swift.cache")
    info = None if cache is None else cache.get(key)
    if info is not None:
        statsd.note(f"{key.partition('/')[0]}.info.cache.hit")
        known[key] = info
    return info


def _note_miss(environ: Environ, key: str, status: int) -> None:
    """Tell statsd that storage servers had to be asked, and what became of that."""
    state = "disabled" if environ.get("swift.cache") is None else "miss"
    statsd.note(f"{key.partition('/')[0]}.info.cache.{state}.{status}")


def _head_app(environ: Environ, app: Callable[..., Any], path: str, source: str) -> tuple[int, Mapping[str, str]]:
    import webob

    request = webob.Request.blank(quote(path, encoding="latin-1"), {"REQUEST_METHOD": "HEAD"})
    subrequest = request.environ
    for name in (
        "swift.cache",
        "swift.infocache",
        "swift.trans_id",
        "REMOTE_ADDR",
        "SERVER_NAME",
        "SERVER_PORT",
        "wsgi.errors",
    ):
        if name in environ:
            subrequest[name] = environ[name]
    subrequest["swift.source"] = source
    subrequest[CACHED] = True
    subrequest["swift.authorize"] = lambda _request: None
    subrequest["swift.authorize_override"] = True
    subrequest["swift_owner"] = True
    subrequest["REMOTE_USER"] = ".wsgi.pre_authed"
    subrequest["HTTP_X_BACKEND_ALLOW_RESERVED_NAMES"] = "true"
    status, headers, body = request.call_application(app)
    close = getattr(body, "close", None)
    if close is not None:
        close()
    return int(status[:3]), webob.headers.ResponseHeaders(headers)
