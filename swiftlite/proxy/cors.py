"""Cross-origin resource sharing: which scripts of other sites may read what (formats.md 7.21, Fetch standard)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from swiftlite.proxy.options import ProxyOptions

ALWAYS_EXPOSED = (
    "cache-control",
    "content-language",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
    "etag",
    "x-timestamp",
    "x-trans-id",
    "x-openstack-request-id",
)
HeaderList = list[tuple[str, str]]


def is_allowed(options: ProxyOptions, cors: dict[str, str | None], origin: str) -> bool:
    """Whether the container or the cluster allows this origin.

    :param cors: of the container's info
    """
    allowed = (cors.get("allow_origin") or "").split()
    return (
        origin in allowed or "*" in allowed or origin in options.cors_allow_origin or "*" in options.cors_allow_origin
    )


def preflight_headers(cors: dict[str, str | None], origin: str, asked_headers: str, methods: str) -> HeaderList:
    """What an allowed preflight request is told.

    :param asked_headers: Access-Control-Request-Headers
    :param methods: comma list of the methods that the resource has
    """
    headers, vary = _origin(cors, origin)
    if cors.get("max_age") is not None:
        headers.append(("Access-Control-Max-Age", str(cors["max_age"])))
    headers.append(("Access-Control-Allow-Methods", methods))
    wanted = list(dict.fromkeys(name.strip() for name in asked_headers.split(",") if name.strip()))
    if wanted:
        headers.append(("Access-Control-Allow-Headers", ", ".join(wanted)))
        vary.append("Access-Control-Request-Headers")
    if vary:
        headers.append(("Vary", ", ".join(vary)))
    return headers


def add_to(headers: HeaderList, options: ProxyOptions, cors: dict[str, str | None], origin: str) -> HeaderList:
    """The headers of an actual response, with what the browser needs to hand it on."""
    if options.strict_cors_mode and not is_allowed(options, cors, origin):
        return headers
    present = {name.lower() for name, _ in headers}
    added: HeaderList = []
    if "access-control-expose-headers" not in present:
        exposed = dict.fromkeys((*ALWAYS_EXPOSED, *options.cors_expose_headers))
        exposed |= dict.fromkeys(n for n in sorted(present) if n.startswith(("x-container-meta", "x-object-meta")))
        exposed |= dict.fromkeys((cors.get("expose_headers") or "").lower().split())
        added.append(("Access-Control-Expose-Headers", ", ".join(exposed)))
    if "access-control-allow-origin" not in present:
        origin_headers, vary = _origin(cors, origin)
        added += origin_headers
        earlier = [value for name, value in headers if name.lower() == "vary"]
        if vary:
            headers = [(name, value) for name, value in headers if name.lower() != "vary"]
            added.append(("Vary", ", ".join(earlier + vary)))
    return headers + added


def sharing(
    start_response: Callable[..., Any], options: ProxyOptions, cors: dict[str, str | None], origin: str
) -> Callable[..., Any]:
    """A ``start_response`` that adds these headers."""

    def start(status: str, headers: Iterable[tuple[str, str]], exc_info: Any = None) -> Any:
        return start_response(status, add_to(list(headers), options, cors, origin), *([exc_info] if exc_info else []))

    return start


def _origin(cors: dict[str, str | None], origin: str) -> tuple[HeaderList, list[str]]:
    if (cors.get("allow_origin") or "").strip() == "*":
        return [("Access-Control-Allow-Origin", "*")], []
    return [("Access-Control-Allow-Origin", origin)], ["Origin"]
