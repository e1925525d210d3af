"""Serve containers as web sites: index and error pages, listings as HTML (formats.md 7.20).

For whoever comes without a token, by a temporary URL, or asks for it with ``X-Web-Mode: true``. A container's owner
says what it is like in its metadata: ``X-Container-Meta-Web-Index``, ``-Web-Error``, ``-Web-Listings``,
``-Web-Listings-Label``, ``-Web-Listings-CSS`` and ``-Web-Directory-Type``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from swiftlite.common import swift_info
from swiftlite.common.config import is_true, option
from swiftlite.common.log import Logger, get_logger
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.common.subrequest import Environ, StartResponse, SubResponse, call, make_environ, query_of
from swiftlite.common.web import HTTPMovedPermanently, HTTPNotFound, HTTPOk, Request
from swiftlite.core.json_text import load_json
from swiftlite.core.names import quote_wsgi, split_path, str_to_wsgi, wsgi_to_str
from swiftlite.core.web_site import Entry, Page, WebSite, link_query, listing_page, no_listing_page
from swiftlite.middleware.segments import agent
from swiftlite.proxy.info import Info, get_container_info

SOURCE = "SW"
TEMPURL_USER = ".wsgi.tempurl"
CONTENT_GENERATOR = ("X-Backend-Content-Generator", "staticweb")
"""Tells the filter tempurl that this is a page, not the object that was signed for."""
# Those that a link to another object of the same prefix must repeat, in this order.
_TEMPURL_PARAMETERS = ("temp_url_prefix", "temp_url_expires", "temp_url_sig", "temp_url_ip_range")


def _parse_base(text: str) -> str:
    urlsplit(text.strip())  # raises ValueError for what is no URL
    return text.strip()


@dataclass(frozen=True)
class StaticWebOptions:
    """The filter's section."""

    url_base: str = option(
        "",
        "scheme and host of redirects, where clients know the site by others than a proxy in between asks for",
        _parse_base,
    )


class StaticWeb:
    """The filter."""

    def __init__(self, app: WSGIApp, options: StaticWebOptions, log: Logger) -> None:
        self.app = app
        self.base = urlsplit(options.url_base)
        self.log = log

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        user = environ.get("REMOTE_USER")
        if user and user != TEMPURL_USER and not is_true(environ.get("HTTP_X_WEB_MODE")):
            return self.app(environ, start_response)
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return self.app(environ, start_response)
        if "swift.authorize" not in environ:
            self.log.warning("Nobody has been asked who may see %s: staticweb must stand behind an auth filter", SOURCE)
            return self.app(environ, start_response)
        try:
            version, account, container, name = split_path(environ["PATH_INFO"], 2, 4, rest_with_last=True)
        except ValueError:
            return self.app(environ, start_response)
        if container is None:
            return self.app(environ, start_response)
        environ.setdefault("swift.infocache", {})  # shared by all that is asked for this page
        visit = _Visit(self, environ, f"/{version}/{account}/{container}", name)
        response = visit.container_page() if name is None else visit.object_page()
        if environ["REQUEST_METHOD"] == "HEAD":
            response.close()
            response.body = []
        return response.forward(start_response)


class _Visit:
    """One GET or HEAD by somebody who may be looking at a site.

    :param container: its path, a WSGI string
    :param name: of the object asked for
    """

    def __init__(self, filter: StaticWeb, environ: Environ, container: str, name: str | None) -> None:
        self.filter = filter
        self.environ = environ
        self.container = container
        self.name = name
        self.path: str = environ["PATH_INFO"]
        self.site = WebSite()

    # --- the two kinds of pages ---

    def container_page(self) -> SubResponse:
        """The answer to a request for a container: its index, its listing, or what was there without us."""
        info = self._look_up()
        request = Request(self.environ)
        request.acl = info["read_acl"]
        denial = self.environ["swift.authorize"](request)
        if denial is not None:
            return self._error(call(denial, self.environ))
        if not self.site.is_shown:
            if is_true(self.environ.get("HTTP_X_WEB_MODE")):
                return call(HTTPNotFound(), self.environ)
            return call(self.filter.app, self.environ)
        if not self.path.endswith("/"):
            return self._redirect()
        if not self.site.index:
            return self._listing("")
        response = self._get(self.site.index_of(self.path))
        if response.status == 404:
            response.close()
            return self._listing("")
        return response if response.status_line[0] in "23" else self._error(response)

    def object_page(self) -> SubResponse:
        """The answer to a request for an object, or for what may be a directory's name."""
        response = self._get(self.path)
        self._look_up()
        found = response.status_line[0] in "23"
        if found and not self._is_directory(response):
            return response
        if not found and response.status != 404:
            return response
        if not self.site.is_shown:
            return response
        response.close()
        if self.site.index:
            index = self._get(self.site.index_of(self.path))
            if index.status_line[0] in "23" and not self.path.endswith("/"):
                index.close()
                return self._redirect()
            if index.status != 404:
                return index
            index.close()
        if self.path.endswith("/"):
            return self._listing(self.name or "")
        return self._redirect() if self._has_names_below() else self._error(call(HTTPNotFound(), self.environ))

    def _is_directory(self, response: SubResponse) -> bool:
        length = response.header("content-length") or "0"
        return self.site.is_directory(response.header("content-type"), int(length))

    # --- what they are made of ---

    def _look_up(self) -> Info:
        """The container's info; what it says of its pages is kept."""
        environ = {**self.environ, "PATH_INFO": self.container}
        info = get_container_info(environ, self.filter.app, SOURCE)
        if info["status"] // 100 == 2:
            self.site = WebSite.from_metadata(info["meta"])
        return info

    def _get(self, path: str) -> SubResponse:
        """The client's request, for this path: its conditions and ranges hold for whatever is shown."""
        environ = {**self.environ, "PATH_INFO": path, "swift.source": SOURCE}
        environ["HTTP_USER_AGENT"] = agent(self.environ, "StaticWeb")
        environ.pop("RAW_PATH_INFO", None)
        return call(self.filter.app, environ)

    def _get_listing(self, query: str) -> SubResponse | list[Entry]:
        """The entries of a listing, or the answer that says why there is none."""
        response = self._ask(self.container, query)
        if not response.is_success:
            return response
        return load_json(response.read() or b"[]")

    def _ask(self, path: str, query: str = "") -> SubResponse:
        """A GET of our own on the client's behalf."""
        headers = [("User-Agent", agent(self.environ, "StaticWeb"))]
        return call(
            self.filter.app, make_environ(self.environ, "GET", path, query=query, headers=headers, source=SOURCE)
        )

    def _has_names_below(self) -> bool:
        prefix = quote((self.name or "") + "/", encoding="latin-1")
        entries = self._get_listing(f"limit=1&delimiter=/&prefix={prefix}")
        if isinstance(entries, SubResponse):
            entries.close()
            return False
        return bool(entries)

    def _listing(self, prefix: str) -> SubResponse:
        """The page that lists what begins with a prefix, a WSGI string."""
        path, native = wsgi_to_str(self.path), wsgi_to_str(prefix)
        if not is_true(self.site.listings):
            body = no_listing_page(self.site, Page(path, native))
            return self._error(call(HTTPNotFound(body), self.environ))
        query = "delimiter=/" + (f"&prefix={quote(prefix, encoding='latin-1')}" if prefix else "")
        entries = self._get_listing(query)
        if isinstance(entries, SubResponse):
            return self._error(entries)
        if prefix and not entries:
            return self._error(call(HTTPNotFound(), self.environ))
        links, top = self._tempurl_links()
        body = listing_page(self.site, Page(path, native, links, top), entries)
        return call(HTTPOk(body, headers=dict([CONTENT_GENERATOR])), self.environ)

    def _tempurl_links(self) -> tuple[str, str]:
        """What links must carry for a reader whom a temporary URL has let in, and the prefix that it is good for."""
        if self.environ.get("REMOTE_USER") != TEMPURL_USER:
            return "", ""
        query = {name: wsgi_to_str(value) for name, value in query_of(self.environ).items()}
        if "temp_url_prefix" not in query:
            return "", ""
        parameters: list[tuple[str, str | None]] = [
            (name, query[name]) for name in _TEMPURL_PARAMETERS if name in query
        ]
        if "inline" in query:
            parameters.append(("inline", None))
        return link_query(parameters), query["temp_url_prefix"]

    def _redirect(self) -> SubResponse:
        """To the same path with a slash at its end; relative links of the page go wrong without it."""
        base, environ = self.filter.base, self.environ
        location = quote_wsgi(self.path + "/")
        if base.scheme or base.netloc:
            host = base.netloc or environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
            location = f"{base.scheme or environ['wsgi.url_scheme']}://{host}{location}"
        return call(HTTPMovedPermanently(headers={"Location": location}), environ)

    def _error(self, response: SubResponse) -> SubResponse:
        """An error with the site's own page for it, where there is one."""
        if not self.site.error:
            return response
        page = self._ask(f"{self.container}/{response.status}{str_to_wsgi(self.site.error)}")
        if not page.is_success:
            page.close()
            return response
        response.close()
        page.status_line = response.status_line
        return page


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: StaticWebOptions. Raises ConfigError."""
    conf = {**global_conf, **local_conf}
    options = factory_options(StaticWebOptions, conf)
    swift_info.register("staticweb")
    log = get_logger(conf, "staticweb")
    return lambda app: StaticWeb(app, options, log)
