"""Which of a ring's addresses are this machine's own: what a daemon needs to find its devices in the ring."""

from __future__ import annotations

import ctypes
import ipaddress
import os
import socket
import struct
from collections.abc import Collection

WILDCARDS = ("0.0.0.0", "::")


def own_addresses(ip: str) -> frozenset[str]:
    """The addresses that a ring may give for a server of this machine.

    :param ip: option ``ring_ip`` or ``bind_ip``: one that is not a wildcard is the only one
    :raises OSError: when the system does not tell its interfaces
    """
    return _interface_addresses() if ip in WILDCARDS else frozenset((_canonical(ip),))


def is_own(host: str, own: Collection[str]) -> bool:
    """Whether a ring's ip, or host name, is one of our own addresses; False for a name that cannot be resolved.

    :param own: as :func:`own_addresses` tells
    """
    try:
        return str(ipaddress.ip_address(host)) in own
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return False
    return any(_canonical(str(address[0])) in own for *_, address in found)


def _canonical(ip: str) -> str:
    try:
        return str(ipaddress.ip_address(ip))
    except ValueError:
        return ip


class _SocketAddress(ctypes.Structure):
    _fields_ = [("family", ctypes.c_ushort), ("data", ctypes.c_ubyte * 26)]


class _Interface(ctypes.Structure):
    pass


_Interface._fields_ = [
    ("next", ctypes.POINTER(_Interface)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.POINTER(_SocketAddress)),
    ("netmask", ctypes.c_void_p),
    ("peer", ctypes.c_void_p),
    ("data", ctypes.c_void_p),
]


def _interface_addresses() -> frozenset[str]:
    """The addresses of all interfaces, by getifaddrs(3): Python has no call for it."""
    libc = ctypes.CDLL(None, use_errno=True)
    first = ctypes.POINTER(_Interface)()
    if libc.getifaddrs(ctypes.byref(first)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    found = set()
    try:
        entry = first
        while entry:
            if entry.contents.address:
                found.add(_address_text(entry.contents.address.contents))
            entry = entry.contents.next
    finally:
        libc.freeifaddrs(first)
    return frozenset(found - {""})


def _address_text(address: _SocketAddress) -> str:
    """An interface's address as text; empty where it is none of IP. Port and flow come first in the structures."""
    data = bytes(address.data)
    if address.family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, struct.unpack_from("4s", data, 2)[0])
    if address.family == socket.AF_INET6:
        return socket.inet_ntop(socket.AF_INET6, struct.unpack_from("16s", data, 6)[0])
    return ""
