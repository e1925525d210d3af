"""Refuse writes to the whole cluster, or to single accounts.

An operator marks an account by ``X-Account-Sysmeta-Read-Only: true``, or exempts it by ``false``; the header must be
sent to the account servers themselves, for no client can set it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from swiftlite.common import swift_info
from swiftlite.common.config import is_true, option
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.common.subrequest import Environ, StartResponse
from swiftlite.common.web import HTTPMethodNotAllowed, HTTPPreconditionFailed
from swiftlite.core import copies
from swiftlite.core.constraints import API_VERSIONS
from swiftlite.core.names import split_path
from swiftlite.proxy.info import get_account_info

SOURCE = "RO"


@dataclass(frozen=True)
class ReadOnlyOptions:
    """The filter's section."""

    read_only: bool = option(False, "refuse writes to every account that is not exempted")
    allow_deletes: bool = option(False, "let DELETE pass, so that a full cluster can be emptied")


class ReadOnly:
    """The filter."""

    def __init__(self, app: WSGIApp, options: ReadOnlyOptions) -> None:
        self.app = app
        self.read_only = options.read_only
        self.methods = frozenset(("COPY", "POST", "PUT", *(() if options.allow_deletes else ("DELETE",))))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in self.methods:
            return self.app(environ, start_response)
        try:
            version, account, _, _ = split_path(environ["PATH_INFO"], 2, 4, rest_with_last=True)
        except ValueError:
            return self.app(environ, start_response)
        if version not in API_VERSIONS or account is None:
            return self.app(environ, start_response)
        if environ["REQUEST_METHOD"] == "COPY" and "HTTP_DESTINATION_ACCOUNT" in environ:
            try:
                account = copies.read_account(environ["HTTP_DESTINATION_ACCOUNT"])
            except ValueError as error:
                return HTTPPreconditionFailed(str(error))(environ, start_response)
        if self._is_read_only(environ, f"/{version}/{account}"):
            return HTTPMethodNotAllowed("Writes are disabled for this account.")(environ, start_response)
        return self.app(environ, start_response)

    def _is_read_only(self, environ: Environ, account_path: str) -> bool:
        """What the account says of itself, else what holds for the cluster."""
        environ.setdefault("swift.infocache", {})  # so that what is found here is not asked for again
        info = get_account_info({**environ, "PATH_INFO": account_path}, self.app, SOURCE)
        own = info["sysmeta"].get("read-only")
        return is_true(own) if own else self.read_only


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: ReadOnlyOptions. Raises ConfigError."""
    options = factory_options(ReadOnlyOptions, {**global_conf, **local_conf})
    if options.read_only:
        swift_info.register("read_only")
    return lambda app: ReadOnly(app, options)
