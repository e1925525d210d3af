"""Answer /crossdomain.xml, by which old browser plug-ins ask whether they may send requests here (formats.md 7.21)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from swiftlite.common import swift_info
from swiftlite.common.config import option
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.common.subrequest import Environ, StartResponse

_DOCUMENT = """<?xml version="1.0"?>
<!DOCTYPE cross-domain-policy SYSTEM "http://www.adobe.com/xml/dtds/cross-domain-policy.dtd" >
<cross-domain-policy>
{}
</cross-domain-policy>"""


@dataclass(frozen=True)
class CrossDomainOptions:
    """The filter's section."""

    cross_domain_policy: str = option(
        '<allow-access-from domain="*" secure="false" />',
        "XML elements that say whose scripts may come; may go on in lines that begin with blanks",
    )


class CrossDomain:
    """Answers the one path ``/crossdomain.xml``."""

    def __init__(self, app: WSGIApp, options: CrossDomainOptions) -> None:
        self.app = app
        self.document = _DOCUMENT.format(options.cross_domain_policy).encode("utf-8", "surrogateescape")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/crossdomain.xml" or environ["REQUEST_METHOD"] != "GET":
            return self.app(environ, start_response)
        headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(self.document)))]
        start_response("200 OK", headers)
        return [self.document]


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: CrossDomainOptions. Raises ConfigError."""
    options = factory_options(CrossDomainOptions, {**global_conf, **local_conf})
    swift_info.register("crossdomain")
    return lambda app: CrossDomain(app, options)
