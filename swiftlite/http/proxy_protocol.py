"""The PROXY protocol, versions 1 and 2: how a load balancer in front says who its client is."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence
from dataclasses import dataclass

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
"""Version 2 begins so."""
OF_NOBODY = b"PROXY UNKNOWN\r\n"
"""A header of who speaks for himself."""
MAX_LINE = 107
"""Version 1: bytes of the longest line, with its end."""
MAX_BLOCK = 4096
"""Version 2: bytes after the fixed part; the standard allows 65535, nobody needs them."""
_FIXED = 16
_LOCAL, _PROXY = 0, 1
_TLV_SSL = 0x20
_ADDRESSES = {1: struct.Struct("!4s4sHH"), 2: struct.Struct("!16s16sHH")}
"""By address family: source, destination, their ports."""
_UNIX = 3


class BadProxyHeader(Exception):
    """The connection does not begin with a PROXY header; says what is wrong."""


@dataclass(frozen=True)
class ProxyHeader:
    """What the header says; all empty where the balancer speaks for itself, or of a client without an IP address.

    :ivar source: the client's address and port
    :ivar destination: where it wanted to go
    :ivar is_secure: it came over TLS
    """

    source: tuple[str, int] | None = None
    destination: tuple[str, int] | None = None
    is_secure: bool = False


def is_expected_from(ip: str, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    """Whether a connection from this address has to begin with a header.

    :param networks: only those from them do; none named: all
    """
    if not networks:
        return True
    address = ipaddress.ip_address(ip.partition("%")[0])
    return any(address in network for network in networks)


def header_end(data: bytes) -> int:
    """How many of the first bytes of a connection are the header; 0: more have to come, and all of these belong to it.

    Raises:
        BadProxyHeader: it will never become one.
    """
    if data[:1] == b"P":
        end = data.find(b"\n", 0, MAX_LINE) + 1
        if data[:6] != b"PROXY "[: len(data)] or (not end and len(data) >= MAX_LINE):
            raise BadProxyHeader("the line is too long, or begins with another word than PROXY")
        return end
    if data[:12] != SIGNATURE[: len(data)]:
        raise BadProxyHeader("it begins with neither PROXY nor the signature of version 2")
    if len(data) < _FIXED:
        return 0
    length = int.from_bytes(data[14:16], "big")
    if length > MAX_BLOCK:
        raise BadProxyHeader(f"it claims to have {length} bytes")
    return _FIXED + length if len(data) >= _FIXED + length else 0


def parse(header: bytes) -> ProxyHeader:
    """Read a whole header, as ``header_end`` measured it; raise BadProxyHeader."""
    return _parse_block(header) if header.startswith(SIGNATURE) else _parse_line(header)


def _parse_line(line: bytes) -> ProxyHeader:
    try:
        words = line.removesuffix(b"\n").removesuffix(b"\r").decode("ascii").split(" ")
    except UnicodeDecodeError:
        raise BadProxyHeader("the line is not ASCII") from None
    if words[1:2] == ["UNKNOWN"]:
        return ProxyHeader()
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise BadProxyHeader("the line is not PROXY TCP4|TCP6 source destination port port")
    source, destination = _address(words[1], words[2], words[4]), _address(words[1], words[3], words[5])
    return ProxyHeader(source, destination, destination[1] == 443)  # as OpenStack Swift takes it


def _address(family: str, ip: str, port: str) -> tuple[str, int]:
    try:
        address = (ipaddress.IPv4Address if family == "TCP4" else ipaddress.IPv6Address)(ip)
        if "%" in ip:  # ipaddress takes any text behind it for a zone, and logs and headers would get it
            raise ValueError
    except ValueError:
        raise BadProxyHeader(f"{ip!r} is no address of {family}") from None
    if not (port.isdigit() and len(port) <= 5 and int(port) < 65536):
        raise BadProxyHeader(f"{port!r} is no port")
    return str(address), int(port)


def _parse_block(header: bytes) -> ProxyHeader:
    version, command, family = header[12] >> 4, header[12] & 15, header[13] >> 4
    if version != 2 or command not in (_LOCAL, _PROXY):
        raise BadProxyHeader(f"version {version}, command {command} are unknown")
    if command == _LOCAL:
        return ProxyHeader()  # A health check of the balancer's own.
    form = _ADDRESSES.get(family)
    if form is None:
        if family not in (0, _UNIX):
            raise BadProxyHeader(f"address family {family} is unknown")
        return ProxyHeader()
    block = header[_FIXED:]
    if len(block) < form.size:
        raise BadProxyHeader("it is too short for its addresses")
    source, destination, source_port, port = form.unpack_from(block)
    return ProxyHeader(
        (str(ipaddress.ip_address(source)), source_port),
        (str(ipaddress.ip_address(destination)), port),
        _says_secure(block[form.size :]) or port == 443,
    )


def _says_secure(extra: bytes) -> bool:
    """Whether one of the fields after the addresses says that the client came over TLS."""
    while extra:
        if len(extra) < 3 or len(extra) < 3 + int.from_bytes(extra[1:3], "big"):
            raise BadProxyHeader("a field after the addresses is cut off")
        length = int.from_bytes(extra[1:3], "big")
        if extra[0] == _TLV_SSL and length >= 5:
            return bool(extra[3] & 1)
        extra = extra[3 + length :]
    return False
