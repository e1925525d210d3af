"""Let customers use host names of their own: DNS says which of the storage domain's names is meant.

``www.customer.org``, a CNAME of ``container.AUTH-account.example.com``, is the latter from here on; the filter
domain_remap, to the right, makes a path of it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from swiftlite.common import swift_info
from swiftlite.common.cache import Cache
from swiftlite.common.concurrency import ThreadPool
from swiftlite.common.config import ConfigError, option
from swiftlite.common.log import Logger, get_logger
from swiftlite.common.pipeline import WSGIApp, factory_options, factory_place
from swiftlite.common.subrequest import Environ, Headers, StartResponse
from swiftlite.common.web import HTTPBadRequest
from swiftlite.core.hosts import Host, domain_of, is_host_name, read_domains

THREADS = 8
"""Lookups that are under way at once; each blocks a thread, and no client but those that wait for one."""
MISSING_TTL = 60
"""Seconds for which it is believed that a name has no CNAME."""
_NAMESERVER = re.compile(r"\[(?P<v6>[^\]]+)\](?::(?P<port6>\d+))?|(?P<v4>[^:]+)(?::(?P<port4>\d+))?", re.ASCII)


class Nameserver(NamedTuple):
    """Where DNS is asked.

    :ivar port: None: the usual one
    """

    address: str
    port: int | None


def parse_nameservers(text: str) -> tuple[Nameserver, ...]:
    """``192.0.2.1, 192.0.2.2:5353, [2001:db8::1]:53``.

    :raises ValueError: when one is no address with an optional port
    """
    return tuple(_parse_nameserver(part.strip()) for part in text.split(",") if part.strip())


def _parse_nameserver(text: str) -> Nameserver:
    found = _NAMESERVER.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no IP address with an optional :port; IPv6 needs brackets")
    address, port = found["v6"] or found["v4"], found["port6"] or found["port4"]
    ipaddress.ip_address(address)
    return Nameserver(address, int(port) if port else None)


@dataclass(frozen=True)
class CNAMELookupOptions:
    """The filter's section."""

    storage_domain: tuple[str, ...] = option(
        ("example.com",),
        "domains whose names are taken as they are; every other host name that leads to none of them is refused with 400",
    )
    lookup_depth: int = option(1, "CNAMEs that are followed one after the other")
    nameservers: tuple[Nameserver, ...] = option(
        (),
        "addresses, with an optional port, of the DNS servers that are asked; none: those of the system",
        parse_nameservers,
    )


class Resolver(Protocol):
    """Who knows about host names."""

    def cname(self, name: str) -> tuple[float, str | bool | None]:
        """Seconds for which the answer holds, and the name that this one stands for; False: it stands for none; None:
        nobody knows."""


class Unresolved(Exception):
    """A host name leads nowhere; the text is for the client."""


class CNAMELookup:
    """The filter."""

    def __init__(self, app: WSGIApp, options: CNAMELookupOptions, resolver: Resolver, log: Logger) -> None:
        self.app = app
        self.domains = read_domains(options.storage_domain)
        self.depth = options.lookup_depth
        self.resolver = resolver
        self.log = log
        self.cache = Cache()
        """For where the filter stands left of ``cache``, as it may: a lookup for every request would be too many."""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        asked: str = environ.get("HTTP_HOST") or environ["SERVER_NAME"]
        host = Host.parse(asked)
        name = host.name.removesuffix(".").lower()
        if not self.domains or self._is_ours(name) or host.is_address:
            return self.app(environ, start_response)
        try:
            found = self._follow(name, environ.get("swift.cache") or self.cache)
        except Unresolved as error:
            return HTTPBadRequest(str(error), content_type="text/plain")(environ, start_response)
        self.log.info("Mapped %s to %s", name, found)
        environ["HTTP_HOST"] = found + host.port
        return self.app(environ, _under(start_response, environ, asked))

    def _is_ours(self, name: str) -> bool:
        return domain_of(f".{name}", self.domains) is not None

    def _follow(self, name: str, cache: Cache) -> str:
        """The name below a storage domain that a customer's name stands for, or that its CNAME stands for…

        :raises Unresolved: when there is none
        """
        for _ in range(self.depth):
            if not is_host_name(name):
                break
            found = self._cname(name, cache)
            if not found or found == name:
                break
            if self._is_ours(found):
                return found
            name = found
        else:
            raise Unresolved(f"CNAME lookup failed after {self.depth} tries")
        raise Unresolved("CNAME lookup failed to resolve to a valid domain")

    def _cname(self, name: str, cache: Cache) -> str | None:
        """What a name stands for, from a cache or from DNS; None where it stands for nothing."""
        key = f"cname-{name}"
        known = cache.get(key)
        if known is None:
            ttl, known = self.resolver.cname(name)
            if ttl > 0 and known is not None:
                cache.set(key, known, ttl)
        return known if isinstance(known, str) else None


def _under(start_response: StartResponse, environ: Environ, asked: str) -> StartResponse:
    """A ``start_response`` that lets redirects lead to the name that the client knows."""
    scheme, host = environ["wsgi.url_scheme"], environ["HTTP_HOST"]

    def restored(value: str) -> str:
        if value.startswith("/") and not environ.get("swift.leave_relative_location"):
            return f"{scheme}://{asked}{value}"
        for begin in (f"http://{host}", f"https://{host}"):
            if value == begin or value.startswith(begin + "/"):
                return begin[: -len(host)] + asked + value[len(begin) :]
        return value

    def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
        changed = [(name, restored(value) if name.lower() == "location" else value) for name, value in headers]
        return start_response(status, changed, exc_info)

    return start


class DNSResolver:
    """DNS by dnspython, whose waiting is done by real threads.

    :param nameservers: who is asked; none: whom /etc/resolv.conf names
    :raises ValueError: when it names nobody
    """

    def __init__(self, nameservers: tuple[Nameserver, ...]) -> None:
        import dns.resolver

        try:
            self._resolver = dns.resolver.Resolver(configure=not nameservers)
        except dns.resolver.NoResolverConfiguration as error:
            raise ValueError(f"the system names no DNS server: {error}") from None
        if nameservers:
            self._resolver.nameservers = [server.address for server in nameservers]
            self._resolver.nameserver_ports = {
                server.address: server.port for server in nameservers if server.port is not None
            }
        self._threads = ThreadPool(THREADS)

    def cname(self, name: str) -> tuple[float, str | bool | None]:
        """See Resolver."""
        return self._threads.run(self._ask, name)

    def _ask(self, name: str) -> tuple[float, str | bool | None]:
        import dns.exception
        import dns.resolver

        try:
            answer = self._resolver.resolve(name + ".", "CNAME", search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return MISSING_TTL, False
        except dns.exception.DNSException:
            return 0, None
        return answer.rrset.ttl, answer[0].to_text().rstrip(".").lower()


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: CNAMELookupOptions.

    :raises ConfigError: when an option does not fit, or dnspython is missing
    """
    conf = {**global_conf, **local_conf}
    options = factory_options(CNAMELookupOptions, conf)
    try:
        resolver = DNSResolver(options.nameservers)
    except ImportError:
        remedy = "install it (pip install dnspython), or take the filter out of the pipeline"
        raise ConfigError(*factory_place(conf), None, "dnspython is not installed", remedy) from None
    except ValueError as error:
        raise ConfigError(*factory_place(conf), "nameservers", str(error), "name some") from None
    swift_info.register("cname_lookup", lookup_depth=options.lookup_depth)
    log = get_logger(conf, "cname-lookup")
    return lambda app: CNAMELookup(app, options, resolver, log)
