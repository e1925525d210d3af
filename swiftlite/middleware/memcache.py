"""Hand one cache to everything inside, as environ['swift.cache']; its Paste names are memcache and cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from swiftlite.common.cache import Cache
from swiftlite.common.config import ConfigError
from swiftlite.common.log import get_logger
from swiftlite.common.memcached import MemcachedStore, read_memcached_options
from swiftlite.common.pipeline import WSGIApp, factory_place


class CacheFilter:
    """Puts the cache into each request's environment."""

    def __init__(self, app: WSGIApp, cache: Cache) -> None:
        self.app = app
        self.cache = cache

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        environ["swift.cache"] = self.cache
        return self.app(environ, start_response)


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: MemcachedOptions. Without ``memcache_servers`` each server's processes cache alone.

    :raises ConfigError: when an option does not fit, or memcached is wanted and pymemcache is missing
    """
    conf = {**global_conf, **local_conf}
    file, section = factory_place(conf)
    options = read_memcached_options(conf, file, section)
    store = None
    if options.memcache_servers:
        try:
            import pymemcache  # noqa: F401
        except ImportError:
            problem = "pymemcache is not installed"
            remedy = "install it (pip install pymemcache), or take memcache_servers out"
            raise ConfigError(file, section, "memcache_servers", problem, remedy) from None
        store = MemcachedStore(options, get_logger(conf, "memcache"))
    cache = Cache(store)
    return lambda app: CacheFilter(app, cache)
