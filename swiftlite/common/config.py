"""Conf files and option tables: every option has a type, a default and a reason; errors name file, section, option."""

from __future__ import annotations

import configparser
import dataclasses
import ipaddress
import logging
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from swiftlite.common.permissions import explain
from swiftlite.core.statsd_labels import parse_label_mode
from swiftlite.core.transaction import debug_endings

TRUE_WORDS = frozenset({"true", "1", "yes", "on", "t", "y"})
FALSE_WORDS = frozenset({"false", "0", "no", "off", "f", "n", ""})

SECRET = re.compile(
    r"(.*_)?(key|key2|password|passphrase|passwd|secret|salt|token)(_old)?"
    r"|swift_hash_path_(prefix|suffix)|fernet_key_.+|.*root_secret.*|debug_trans_id_extra"
)
"""Names of options whose values nobody else may see."""

BYTE_ORDER_MARKS = ("\ufeff", "\xef\xbb\xbf")
"""What Windows programs begin a file of UTF-8 with; as UTF-8, and as Latin-1."""

O = TypeVar("O")  # noqa: E741 - an Options class


class StartError(Exception):
    """A program cannot start or do its job; the text is the one line an operator sees."""


class ConfigError(StartError):
    """A conf file cannot be used; its text is the one line an operator sees.

    :param file: path of the file
    :param section: section name, or None
    :param option: option name, or None
    :param problem: what is wrong
    :param remedy: what to do about it
    """

    def __init__(self, file: str, section: str | None, option: str | None, problem: str, remedy: str) -> None:
        where = file + (f" [{section}]" if section else "") + (f" {option}" if option else "")
        super().__init__(f"{where}: {problem}; {remedy}".replace("\n", " "))
        self.file, self.section, self.option = file, section, option
        self.problem, self.remedy = problem, remedy


def is_true(value: object) -> bool:
    """Whether a conf or header word means yes (formats.md 0)."""
    return value is True or (isinstance(value, str) and value.strip().lower() in TRUE_WORDS)


SHORTEST = 0.001
"""Seconds: a timeout of less would end all that it is for."""


def option(default: Any, reason: str, parse: Callable[[str], Any] | None = None, *, least: float | None = 0) -> Any:
    """One field of an Options dataclass.

    :param reason: what it is for; conf samples show it
    :param parse: reads the text instead of the rule for the field's type; may raise ValueError
    :param least: of a number that has no ``parse``; None: any, as where OpenStack Swift takes what is below 0 for 0
    """
    return dataclasses.field(default=default, metadata={"reason": reason, "parse": parse, "least": least})


def parse_workers(text: str) -> int:
    """``auto`` is one worker a processor; 0 serves without forking."""
    if text.strip().lower() == "auto":
        return os.cpu_count() or 1
    try:
        count = int(text)
    except ValueError:
        raise ValueError("it must be a whole number, or auto") from None
    if count < 0:
        raise ValueError("it must not be negative")
    return count


def whole(least: int, most: int) -> Callable[[str], int]:
    """A parser of whole numbers of which the kernel takes no others."""

    def parse(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise ValueError(f"it must be {least} to {most}")
        return number

    return parse


def at_least(least: float, parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """A parser of the same numbers, and words, that takes none that is less."""

    def parse_more(text: str) -> Any:
        value = parse(text)
        if isinstance(value, int | float) and value < least:
            raise ValueError(f"it must be at least {least:g}")
        return value

    return parse_more


parse_port = whole(0, 65535)
parse_int = whole(1, 2**31 - 1)
parse_limit = whole(-1, 2**63 - 1)
LEAST_MEMORY = 64 * 1024 * 1024


def parse_memory(text: str) -> int:
    """Bytes that a program may take; 0 for any number."""
    size = parse_limit(text)
    if 0 < size < LEAST_MEMORY:
        raise ValueError(f"no program gets along with less than {LEAST_MEMORY} bytes")
    return size


def parse_optional_float(text: str) -> float | None:
    """A number that is not negative, or nothing."""
    parse: Callable[[str], float] = at_least(0, parse_float)
    return parse(text) if text.strip() else None


def parse_oom_score(text: str) -> int | None:
    """A number that Linux takes for ``oom_score_adj``, or nothing."""
    if not text.strip():
        return None
    score = int(text)
    if not -1000 <= score <= 1000:
        raise ValueError("it must be -1000 to 1000")
    return score


def parse_float(text: str) -> float:
    """A number: not the ``nan`` that Python takes for one, which is neither more nor less than any other."""
    number = float(text.strip())
    if math.isnan(number):
        raise ValueError("it must be a number")
    return number


def parse_level(text: str) -> str:
    """The name of a level of the log."""
    name = text.strip().upper()
    if not isinstance(logging.getLevelName(name), int):
        raise ValueError("it is no level: name one, say INFO")
    return name


def parse_ip(text: str) -> str:
    """An IP address, which may stand in brackets; empty means all of IPv4."""
    return text.strip().strip("[]")


def parse_tls_version(text: str) -> str:
    """One of the versions of TLS that are safe."""
    if text.strip() not in ("1.2", "1.3"):
        raise ValueError("it is neither 1.2 nor 1.3")
    return text.strip()


def parse_networks(text: str) -> tuple[str, ...]:
    """Networks, or addresses, with commas between them."""
    return tuple(str(ipaddress.ip_network(word.strip())) for word in text.split(",") if word.strip())


CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 has no others."""


@dataclasses.dataclass(frozen=True)
class ServerOptions:
    """``[DEFAULT]`` of a server's conf file (formats.md 8.2)."""

    bind_port: int = option(0, "TCP port to listen on; must be set", parse_port)
    bind_ip: str = option("0.0.0.0", "address to listen on; :: for all of IPv4 and IPv6", parse_ip)
    cert_file: str = option("", "PEM file of the certificate chain to speak TLS with; none: speak without")
    key_file: str = option("", "PEM file of its private key; none: the key is in cert_file")
    client_ca_file: str = option("", "PEM file of authorities: only clients with a certificate of theirs are served")
    tls_min_version: str = option("1.2", "oldest version of TLS that is spoken: 1.2 or 1.3", parse_tls_version)
    tls_ciphers: str = option(CIPHERS, "ciphers of TLS 1.2, as OpenSSL spells them")
    hsts_max_age: int = option(
        0, "seconds for which browsers shall come by TLS only (Strict-Transport-Security); 0: they are not told to"
    )
    require_proxy_protocol: bool = option(
        False, "connections begin with a PROXY header, version 1 or 2, in which a load balancer names its client"
    )
    proxy_protocol_networks: tuple[str, ...] = option(
        (), "networks whose connections do, such as 10.0.0.0/8, and others' do not; none: all do", parse_networks
    )
    workers: int = option(os.cpu_count() or 1, "processes that serve; auto: one a processor, 0: no fork", parse_workers)
    backlog: int = option(4096, "connections that may wait to be accepted", parse_int)
    max_clients: int = option(1024, "connections that one worker serves at once", parse_int)
    client_timeout: float = option(
        60.0, "seconds to wait for a client's next bytes, or for it to take ours", least=SHORTEST
    )
    keepalive_timeout: float | None = option(
        None, "seconds an idle connection is kept; default: client_timeout", parse_optional_float
    )
    network_chunk_size: int = option(65536, "bytes read from a connection at once", parse_int)
    stale_worker_timeout: float = option(
        86400.0, "seconds that workers of before a reload have for the requests in hand, say long uploads"
    )
    swift_dir: str = option("/etc/swift", "directory of swift.conf and the rings")
    user: str = option("swift", "account that a daemon started by root becomes")
    pid_file: str = option(
        "",
        "file for the process id while it runs; {program} in its name is replaced, say by object-updater; empty: none",
    )
    rlimit_nofile: int = option(
        32768, "files and connections that a process may open, at least; 0: as the system says", parse_limit
    )
    rlimit_processes: int = option(
        8192, "processes and threads of its user, at least; 0: as the system says", parse_limit
    )
    rlimit_memory: int = option(
        0, "bytes of memory that a process may take, at most; 0: as the system says", parse_memory
    )
    oom_score_adj: int | None = option(
        None,
        "-1000 (last) to 1000 (first): when the kernel ends it for want of memory; empty: as the system says",
        parse_oom_score,
    )
    devices: str = option("/srv/node", "directory whose entries are the devices")
    mount_check: bool = option(True, "refuse a device that is not a mount point")
    log_name: str = option("swift", "name at the start of log lines")
    log_facility: str = option("LOG_LOCAL0", "syslog facility")
    log_level: str = option("INFO", "lowest level that is logged", parse_level)
    log_address: str = option("/dev/log", "syslog socket; standard error where it does not exist")
    log_to: str = option(
        "auto",
        "syslog, journal (systemd's, with fields), stdout or stderr; auto: syslog where there is one, else stderr",
    )
    log_style: str = option("plain", "json: each line is a JSON object, with the transaction's id")
    log_udp_host: str = option("", "host of a syslog daemon that is sent to over UDP, instead of log_address")
    log_udp_port: int = option(514, "its port", parse_port)
    log_max_line_length: int = option(
        0, "characters of a line, of whose middle the rest is left out; 0: all", least=None
    )
    log_statsd_host: str = option("", "host of a statsd that is sent timings and counters; none: nowhere")
    log_statsd_port: int = option(8125, "its UDP port", parse_port)
    log_statsd_default_sample_rate: float = option(1.0, "share of the events that it is told")
    log_statsd_sample_rate_factor: float = option(1.0, "what that share is multiplied by")
    log_statsd_metric_prefix: str = option("", "what stands before each of its names, before that of the server")
    statsd_emit_legacy: bool = option(True, "send it the metrics whose names say all")
    statsd_label_mode: str = option(
        "disabled",
        "dogstatsd, graphite, influxdb or librato: send it metrics with labels, too, as these spell them; "
        "statsd_user_label_<name> = <value> adds one to each",
        parse_label_mode,
    )
    metrics: bool = option(True, "count requests and much else for the filter metrics, or for a daemon's metrics_port")
    debug_trans_id_extra: tuple[str, ...] = option(
        (),
        "words, each a secret of 8 to 32 letters or digits: a request whose X-Trans-Id-Extra is one of them is logged at "
        "DEBUG, whatever log_level says; the same in the conf files of all servers; none: nobody may",
        debug_endings,
    )


def read_options(cls: type[O], values: Mapping[str, str], file: str, section: str) -> O:
    """Fill an Options dataclass from conf text; options that it does not know are left to others.

    :param values: option texts, ``[DEFAULT]`` merged in
    :param file: path, for errors
    :param section: section name, for errors
    :raises ConfigError: naming the option whose text does not fit
    """
    hints = get_type_hints(cls)
    filled = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if field.name not in values:
            continue
        text = values[field.name]
        try:
            parse = field.metadata.get("parse")
            filled[field.name] = (
                parse(text) if parse else _parsed(text, hints[field.name], field.metadata.get("least", 0))
            )
        except ValueError as error:
            problem = f"{text!r} does not fit ({_kind(error)})"
            if SECRET.fullmatch(field.name):
                problem = f"does not fit: {field.metadata['reason']}"
            raise ConfigError(file, section, field.name, problem, "correct it") from None
    return cls(**filled)


def _kind(error: ValueError) -> str:
    """What a parser says of the value that it wants, in an operator's words also where only Python has spoken."""
    said = str(error)
    if said.startswith(("invalid literal for int()", "Exceeds the limit")):
        return "it must be a whole number"
    return "it must be a number" if said.startswith("could not convert string to float") else said


def _parsed(text: str, hint: Any, least: float | None) -> Any:
    parse = _parser_of(hint)
    return at_least(least, parse)(text) if hint in (int, float) and least is not None else parse(text)


def _parser_of(hint: Any) -> Callable[[str], Any]:
    parsers: dict[Any, Callable[[str], Any]] = {
        int: lambda text: int(text.strip()),
        float: parse_float,
        bool: _parse_bool,
        str: str.strip,
        tuple[str, ...]: lambda text: tuple(part.strip() for part in text.split(",") if part.strip()),
    }
    return parsers[hint]


def _parse_bool(text: str) -> bool:
    word = text.strip().lower()
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise ValueError("it must be true or false")
    return word in TRUE_WORDS


class ConfFile:
    """A conf file, or a directory whose ``*.conf`` files stand for one (formats.md 8.1)."""

    def __init__(self, path: str, parser: configparser.RawConfigParser) -> None:
        self.path = path
        self._parser = parser

    @classmethod
    def load(cls, path: str, remedy: str = "give the path of a conf file") -> ConfFile:
        """Read a file, or every ``*.conf`` of a directory in order of name.

        :param remedy: what to do where there is none
        :raises ConfigError: when it cannot be read or parsed
        """
        parser = configparser.RawConfigParser(strict=False)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        try:
            files = conf_files(path)
            if not files:
                raise ConfigError(path, None, None, "is a directory without a file *.conf", remedy)
            for file in files:
                with open(file, encoding="latin-1") as opened:
                    parser.read_file(opened, str(file))
        except OSError as error:
            file = str(error.filename or path)
            raise ConfigError(path, None, None, *explain(file, error, remedy)) from None
        except configparser.Error as error:
            raise ConfigError(path, None, None, f"cannot be parsed: {spell(error)}", "correct it") from None
        return cls(path, parser)

    def has(self, section: str) -> bool:
        """Whether the file has this section."""
        return self._parser.has_section(section)

    def sections(self) -> list[str]:
        """Section names in order, without DEFAULT."""
        return self._parser.sections()

    def section(self, name: str) -> dict[str, str]:
        """A section's options over those of ``[DEFAULT]``; a missing section has only the latter.

        PasteDeploy's ``set name = value`` counts as ``name``, and wins over a plain ``[DEFAULT]`` value.
        """
        merged = dict(self._parser.defaults())
        if self._parser.has_section(name):
            merged.update(self._parser.items(name))
        for key in [key for key in merged if key.startswith("set ")]:
            merged[key[4:].strip()] = merged.pop(key)
        return merged


def spell(error: configparser.Error) -> str:
    """Where a file is not as it should be: without its lines, which may hold keys."""
    if isinstance(error, configparser.MissingSectionHeaderError):
        if error.line.startswith(BYTE_ORDER_MARKS):
            return f"{error.source} begins with a byte order mark: save it as UTF-8 without one"
        return f"line {error.lineno} of {error.source} stands before any [section]"
    if isinstance(error, configparser.ParsingError):
        numbers = ", ".join(str(number) for number, _ in error.errors)
        return f"of {error.source} these lines are neither [section] nor option = value: {numbers}"
    if isinstance(error, configparser.InterpolationMissingOptionError):
        return f"{error.option}: there is no {error.reference!r} for its %({error.reference})s"
    if isinstance(error, configparser.InterpolationError):
        return f"{error.option}: a percent sign that begins no %(name)s is spelt %% there"
    return str(error)


def conf_files(path: str) -> list[Path]:
    """The files that a conf path stands for."""
    place = Path(path)
    return sorted(place.glob("*.conf")) if place.is_dir() else [place]
