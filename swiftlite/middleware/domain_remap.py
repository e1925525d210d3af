"""Let account and container stand in the host's name instead of in the path (formats.md 7.21).

``http://container.AUTH-account.example.com/object`` means ``/v1/AUTH_account/container/object``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from swiftlite.common import swift_info
from swiftlite.common.config import option
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.common.subrequest import Environ, Headers, StartResponse
from swiftlite.common.web import HTTPBadRequest
from swiftlite.core.hosts import BadHost, Remapping, read_domains, restored_location


@dataclass(frozen=True)
class DomainRemapOptions:
    """The filter's section."""

    storage_domain: tuple[str, ...] = option(("example.com",), "domains below which names of accounts stand")
    path_root: str = option("v1", "first segment of the path that is made")
    reseller_prefixes: tuple[str, ...] = option(
        ("AUTH",), "prefixes of accounts that can be reached so, in any case; none: all accounts"
    )
    default_reseller_prefix: str | None = option(
        None,
        "prefix of accounts that have none of these; none: such a host name is left alone",
        lambda text: text.strip() or None,
    )
    mangle_client_paths: bool = option(
        False, "drop path_root from the beginning of a client's path, for clients that always send it"
    )


class DomainRemap:
    """The filter."""

    def __init__(self, app: WSGIApp, options: DomainRemapOptions) -> None:
        self.app = app
        self.remapping = Remapping(
            read_domains(options.storage_domain),
            options.path_root.strip("/"),
            options.reseller_prefixes,
            options.default_reseller_prefix or "",
            options.mangle_client_paths,
        )

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        asked: str = environ["PATH_INFO"]
        try:
            actual = self.remapping.path(environ.get("HTTP_HOST") or environ["SERVER_NAME"], asked)
        except BadHost as error:
            return HTTPBadRequest(str(error), content_type="text/plain")(environ, start_response)
        if actual is None:
            return self.app(environ, start_response)
        environ["PATH_INFO"] = actual
        environ.pop("RAW_PATH_INFO", None)  # logs shall tell what was meant

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            changed = [
                (name, restored_location(value, actual, asked) if name.lower() == "location" else value)
                for name, value in headers
            ]
            return start_response(status, changed, exc_info)

        return self.app(environ, start)


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: DomainRemapOptions. Raises ConfigError."""
    options = factory_options(DomainRemapOptions, {**global_conf, **local_conf})
    swift_info.register("domain_remap", default_reseller_prefix=options.default_reseller_prefix)
    return lambda app: DomainRemap(app, options)
