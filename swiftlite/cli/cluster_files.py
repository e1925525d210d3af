"""What the conf files of this machine's servers lead to: their errors, certificates, proxies, the proxy's memcached."""

from __future__ import annotations

import base64
import os
import re
import shlex
import socket
import ssl
from collections.abc import Iterable, Iterator

from swiftlite.cli.conf_places import find_confs
from swiftlite.cli.findings import ERROR, Report, in_order
from swiftlite.common.addresses import WILDCARDS
from swiftlite.common.conf_lines import DEFAULT, read_outline
from swiftlite.common.config import TRUE_WORDS, ConfFile, ConfigError
from swiftlite.common.permissions import Account, account_of, closed_to, this_account
from swiftlite.common.unknown_options import pipeline_sections
from swiftlite.core.certificates import not_after
from swiftlite.watch.facts import (
    AUTHORITY,
    NODE,
    PROXY,
    CertificateFacts,
    ConfFacts,
    MemcachedFacts,
    OwnConf,
    Server,
    UnreadableFacts,
)
from swiftlite.watch.files import ring_names
from swiftlite.watch.proxies import LocalProxy

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_CERTIFICATE_OPTIONS = ("cert_file", "backend_cert_file", "backend_ca_file")
SERVERS = ("proxy-server", "object-server", "container-server", "account-server")


# --- who may read all that ---


def unreadable_files(swift_dir: str) -> list[UnreadableFacts]:
    """swift.conf, rings and confs that the daemons' accounts, or whoever asks, may not read."""
    common = [
        os.path.join(swift_dir, "swift.conf"),
        *(os.path.join(swift_dir, f"{name}.ring.gz") for name in ring_names(swift_dir)),
    ]
    found = {}
    daemons: dict[str, Account] = {}
    for server in SERVERS if os.geteuid() == 0 else ():  # else daemons run as who starts them
        for conf in _confs(swift_dir, server):
            try:
                account = account_of(conf.section(DEFAULT).get("user", "swift").strip())
            except KeyError:  # its --check tells of that
                continue
            daemons[account.name] = account
            if closed := closed_to(conf.path, account):
                found[conf.path] = UnreadableFacts(conf.path, closed.problem, closed.remedy)
    for account in daemons.values():
        for path in common:
            if closed := closed_to(path, account):
                found[path] = UnreadableFacts(path, closed.problem, closed.remedy)
    for path in common:
        if path not in found and (closed := closed_to(path, this_account())):
            # The daemons' group must not lose it to somebody who only asks.
            fix = f"sudo swiftlite-doctor --swiftdir {shlex.quote(swift_dir)}"
            found[path] = UnreadableFacts(path, closed.problem, fix)
    return list(found.values())


# --- certificates ---


def certificate_files(swift_dir: str) -> dict[str, str]:
    """The certificates that the servers' conf files and swift.conf here name: path -> whose it is, as CertificateFacts."""
    swift_conf = os.path.join(swift_dir, "swift.conf")
    sections = [(server, conf.section(DEFAULT)) for server in SERVERS for conf in _confs(swift_dir, server)]
    sections += [(NODE, conf.section("swift-tls")) for conf in _loaded([swift_conf])]
    found: dict[str, str] = {}
    for server, options in sections:
        for name in _CERTIFICATE_OPTIONS:
            is_proxy = server == "proxy-server" and name == "cert_file"
            role = AUTHORITY if name == "backend_ca_file" else PROXY if is_proxy else NODE
            if path := options.get(name, "").strip():
                found.setdefault(path, role)
    return found


def certificate_of_file(path: str, role: str = "") -> CertificateFacts:
    """The certificate of a PEM file that ends first; `role` as in CertificateFacts."""
    try:
        with open(path, "rb") as file:
            found = [base64.b64decode(match[1]) for match in _CERTIFICATE.finditer(file.read())]
        if not found:
            return CertificateFacts(path, problem="there is no certificate in it", role=role)
        return CertificateFacts(path, min(map(not_after, found)), role=role)
    except OSError as error:
        return CertificateFacts(path, problem=error.strerror or str(error), role=role)
    except ValueError as error:
        return CertificateFacts(path, problem=str(error), role=role)


def certificate_of_server(address: tuple[str, int], timeout: float) -> CertificateFacts:
    """The certificate that a TLS server shows, whoever signed it."""
    place = f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(address, timeout) as plain:
            with context.wrap_socket(plain, server_hostname=address[0]) as secured:
                shown = secured.getpeercert(binary_form=True)
        return CertificateFacts(place, not_after(shown or b""))
    except OSError as error:
        return CertificateFacts(place, problem=f"no TLS: {error.strerror or error}")
    except ValueError as error:
        return CertificateFacts(place, problem=str(error))


# --- conf files ---


def _confs(swift_dir: str, server: str) -> Iterator[ConfFile]:
    """The conf files of a server here; one that cannot be read is told of by :func:`conf_facts`."""
    return _loaded(place.path for place in find_confs(swift_dir, server))


def _loaded(paths: Iterable[str]) -> Iterator[ConfFile]:
    for path in paths:
        try:
            yield ConfFile.load(path)
        except ConfigError:
            continue


def conf_facts(swift_dir: str) -> Iterator[ConfFacts]:
    """What is wrong with each conf file here, by itself, for each program that reads it."""
    # Only who has conf files waits for the option tables of all programs.
    for server in (*SERVERS, "object-expirer"):
        for place in find_confs(swift_dir, server):
            from swiftlite.cli.check import DAEMON_CLASSES, check_text, own_sections

            try:
                outline = read_outline(place.path)
            except ConfigError as error:
                yield ConfFacts(server, place.path, (str(error),))
                continue
            daemons = [name for name in outline.headers if name in DAEMON_CLASSES]
            for program in [server, *daemons] if server in SERVERS else daemons:
                report = Report(outline)
                is_server = program in SERVERS
                sections = pipeline_sections(outline) if is_server else own_sections(outline, program)
                check_text(report, program, (DEFAULT, *sections))
                errors = (found.text for found in in_order(report.findings) if found.level == ERROR)
                yield ConfFacts(program, place.path, tuple(errors))


def own_confs(swift_dir: str) -> Iterator[OwnConf]:
    """The servers whose confs are here, and where each listens."""
    for server in SERVERS:
        for conf in _confs(swift_dir, server):
            options = conf.section(DEFAULT)
            ip, port = options.get("bind_ip", "0.0.0.0").strip(), options.get("bind_port", "").strip()
            if port.isdecimal():
                yield OwnConf(server.removesuffix("-server"), ip, int(port), conf.path)


# --- the proxy ---


def proxies_here(swift_dir: str) -> list[LocalProxy]:
    """The proxies whose conf files are here."""
    found = []
    for conf in _confs(swift_dir, "proxy-server"):
        options = conf.section(DEFAULT)
        ip, port = options.get("bind_ip", "0.0.0.0").strip(), options.get("bind_port", "").strip()
        if not port.isdecimal():
            continue
        words = {name: options.get(name, "").strip() for name in ("cert_file", "client_ca_file", "swift_dir")}
        needs_header = options.get("require_proxy_protocol", "").strip().lower() in TRUE_WORDS
        found.append(
            LocalProxy(
                conf.path,
                {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(ip, ip),
                int(port),
                words["swift_dir"] or swift_dir,
                speaks_tls=bool(words["cert_file"]),
                is_everywhere=ip in WILDCARDS,
                is_choosy=needs_header or bool(words["client_ca_file"]),
                filters=tuple(conf.section("pipeline:main").get("pipeline", "").split()),
            )
        )
    return found


def local_proxies(swift_dir: str, servers: Iterable[Server] = ()) -> list[tuple[str, int]]:
    """Where the proxies listen whose conf files are here; one that does at all addresses, at that of its machine.

    :param servers: of the rings
    """
    own = {server.ip for server in servers if server.is_local}
    address = own.pop() if len(own) == 1 else ""
    return [
        (address, proxy.port) if proxy.is_everywhere and address and ":" not in address else proxy.address
        for proxy in proxies_here(swift_dir)
    ]


def memcached_servers(swift_dir: str) -> list[str]:
    """The memcached servers of this machine's proxy, as its filter names them; none without a proxy or such a filter."""
    for conf in _confs(swift_dir, "proxy-server"):
        for section in conf.sections():
            options = conf.section(section)
            if section.startswith("filter:") and options.get("use", "").endswith("#memcache"):
                servers = options.get("memcache_servers") or _shared_memcached_servers(swift_dir)
                return [server.strip() for server in servers.split(",") if server.strip()]
    return []


def _shared_memcached_servers(swift_dir: str) -> str:
    try:
        return ConfFile.load(os.path.join(swift_dir, "memcache.conf")).section("memcache").get("memcache_servers", "")
    except ConfigError:
        return ""


def ask_memcached(server: str, address: tuple[str, int], timeout: float) -> MemcachedFacts:
    """Whether a memcached tells its version."""
    try:
        with socket.create_connection(address, timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(b"version\r\n")
            answer = connection.recv(256)
    except OSError as error:
        return MemcachedFacts(server, error.strerror or str(error))
    return MemcachedFacts(server, "" if answer.startswith(b"VERSION") else "it is no memcached")
