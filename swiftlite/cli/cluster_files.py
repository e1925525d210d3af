"""What this machine's own files say of its cluster: rings, builders, swift.conf, certificates, the proxy's memcached."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import ssl
from collections.abc import Iterable, Iterator

from swiftlite.cli.cluster_facts import (
    BuilderFacts,
    CertificateFacts,
    ConfFacts,
    MemcachedFacts,
    RingFacts,
    SwiftConfFacts,
)
from swiftlite.cli.conf_places import find_confs
from swiftlite.cli.findings import ERROR, Report, in_order
from swiftlite.common.conf_lines import DEFAULT, read_outline
from swiftlite.common.config import ConfFile, ConfigError
from swiftlite.common.unknown_options import pipeline_sections
from swiftlite.core.certificates import not_after
from swiftlite.ring import format
from swiftlite.ring.format import RingError

_RING = re.compile(r"^(account|container|object(-[1-9][0-9]*)?)\.ring\.gz$")
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_CERTIFICATE_OPTIONS = ("cert_file", "backend_cert_file", "backend_ca_file")
SERVERS = ("proxy-server", "object-server", "container-server", "account-server")
_WORDS_OF_SAMPLES = ("changeme", "%RANDOM%", "%SWIFT_HASH_PATH_SUFFIX%")


def md5_of(path: str) -> str:
    """MD5 of a file, as recon tells it; raises OSError."""
    with open(path, "rb") as file:
        return hashlib.md5(file.read(), usedforsecurity=False).hexdigest()


# --- rings ---


def ring_names(swift_dir: str) -> list[str]:
    """The rings whose files are in a directory; raises OSError."""
    found = (_RING.match(name) for name in os.listdir(swift_dir))
    return sorted(match[1] for match in found if match)


def ring_facts(swift_dir: str, name: str, with_builder: bool = True) -> RingFacts:
    """What a ring file says, and the builder beside it if that is wanted and there is one."""
    path = os.path.join(swift_dir, f"{name}.ring.gz")
    try:
        ring = format.load(path)
        md5 = md5_of(path)
    except (RingError, OSError) as error:
        return RingFacts(name, path, problem=str(error))
    return RingFacts(
        name,
        path,
        md5,
        replicas=ring.replicas,
        part_power=32 - ring.part_shift,
        next_part_power=ring.next_part_power,
        devices=tuple(device for device in ring.devices if device),
        builder=_builder_facts(os.path.join(swift_dir, f"{name}.builder"), ring) if with_builder else None,
    )


def _builder_facts(path: str, ring: format.RingData) -> BuilderFacts | None:
    if not os.path.exists(path):
        return None
    # Only who has builders waits for what they need.
    from swiftlite.ring.builder import RingBuilder

    try:
        builder = RingBuilder.load(path)
        builder.measure_dispersion()
        return BuilderFacts(
            path,
            has_changes=builder.devices_changed,
            is_written=builder.ring_data() == ring,
            balance=builder.balance,
            dispersion=builder.dispersion,
            overload=builder.overload,
            required_overload=builder.required_overload(),
            min_part_hours=builder.min_part_hours,
            seconds_until_move=builder.seconds_until_move,
        )
    except (RingError, OSError) as error:
        return BuilderFacts(path, problem=str(error))


# --- swift.conf ---


def swift_conf_facts(swift_dir: str) -> SwiftConfFacts:
    """This machine's swift.conf."""
    path = os.path.join(swift_dir, "swift.conf")
    try:
        options = ConfFile.load(path).section("swift-hash")
        secrets = tuple(options.get(f"swift_hash_path_{name}", "") for name in ("prefix", "suffix"))
        return SwiftConfFacts(path, md5_of(path), secrets=tuple(filter(None, secrets)))
    except (ConfigError, OSError) as error:
        return SwiftConfFacts(path, problem=str(error))


def is_of_a_sample(secret: str) -> bool:
    """Whether a hash prefix or suffix is what a sample conf has, which everybody knows."""
    return secret in _WORDS_OF_SAMPLES


# --- certificates ---


def certificate_files(swift_dir: str) -> list[str]:
    """The certificates that the servers' conf files and swift.conf here name, each once."""
    swift_conf = os.path.join(swift_dir, "swift.conf")
    sections = [conf.section("DEFAULT") for server in SERVERS for conf in _confs(swift_dir, server)]
    sections += [conf.section("swift-tls") for conf in _loaded([swift_conf])]
    named = [options.get(name, "").strip() for options in sections for name in _CERTIFICATE_OPTIONS]
    return list(dict.fromkeys(filter(None, named)))


def certificate_of_file(path: str) -> CertificateFacts:
    """The certificate of a PEM file that ends first."""
    try:
        with open(path, "rb") as file:
            found = [base64.b64decode(match[1]) for match in _CERTIFICATE.finditer(file.read())]
        if not found:
            return CertificateFacts(path, problem="there is no certificate in it")
        return CertificateFacts(path, min(map(not_after, found)))
    except OSError as error:
        return CertificateFacts(path, problem=error.strerror or str(error))
    except ValueError as error:
        return CertificateFacts(path, problem=str(error))


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


# --- the proxy ---


def local_proxies(swift_dir: str) -> list[tuple[str, int]]:
    """Where the proxies listen whose conf files are here."""
    found = []
    for conf in _confs(swift_dir, "proxy-server"):
        options = conf.section("DEFAULT")
        ip, port = options.get("bind_ip", "0.0.0.0").strip(), options.get("bind_port", "").strip()
        if port.isdecimal():
            found.append(({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(ip, ip), int(port)))
    return found


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
