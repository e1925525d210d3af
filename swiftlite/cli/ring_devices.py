"""Devices on the command line of the ring builder: ``r1z2-10.0.0.1:6200/sdb_meta``, options that say the same, tables."""

from __future__ import annotations

import argparse
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from swiftlite.core.hosts import bracketed
from swiftlite.ring.format import Device

_ADDRESS = r"(?P<{0}ip>\[[^\]]*\]|[0-9A-Za-z.:-]+?)"
_ADD = re.compile(
    r"(?:r(?P<region>\d+))?z(?P<zone>\d+)-"
    + _ADDRESS.format("")
    + r":(?P<port>\d+)(?:R"
    + _ADDRESS.format("replication_")
    + r":(?P<replication_port>\d+))?/(?P<device>[^_]+)(?:_(?P<meta>.*))?",
    re.DOTALL,
)
_HOST = r"[a-z][a-z\d.-]*"  # in lower case, or the R before the replication address could be part of it
_PLACE = (
    r"(?P<ip>\d[\d.]*|\[[^\]]*\]{host})?(?::(?P<port>\d+))?"
    r"(?:R(?P<replication_ip>\d[\d.]*|\[[^\]]*\]{replication_host})?(?::(?P<replication_port>\d+))?)?"
    r"(?:/(?P<device>[^_]*))?(?:_(?P<meta>.*))?"
)
_SEARCH = re.compile(
    r"(?:d(?P<id>\d+))?(?:r(?P<region>\d+))?(?:z(?P<zone>\d+))?-?"
    + _PLACE.format(host="|(?<=-)" + _HOST, replication_host="|" + _HOST),
    re.DOTALL,
)
_CHANGE = re.compile(_PLACE.format(host="", replication_host=""), re.DOTALL)
_HOST_NAME = re.compile(r"(?=.{1,255}\Z)(?:(?!-)[a-z\d-]{1,63}(?<!-)\.)*(?!-)[a-z\d-]{1,63}(?<!-)\.?")

_NUMBERS = ("id", "region", "zone", "port", "replication_port")
CRITERIA = ("id", "region", "zone", "ip", "port", "replication_ip", "replication_port", "device", "weight", "meta")
HIGHEST_PORT = 65535
CHANGEABLE = ("ip", "port", "replication_ip", "replication_port", "device", "meta")

SYNTAX = """\
A device to add:      [r<region>]z<zone>-<ip>:<port>[R<ip>:<port>]/<device>[_<meta>]
                      after R stands the address for replication
A search value:       [d<id>][r<region>][z<zone>][-<ip>][:<port>][R<ip>:<port>][/<device>][_<meta>]
                      any part may be left out; IPv6 addresses stand in brackets; meta matches anywhere in the text
The same as options:  --id --region --zone --ip --port --replication-ip --replication-port --device --weight --meta
An ip may also be the name of a host; in texts in lower case, and in search values after a dash only
"""


def parse_device(text: str) -> dict[str, Any]:
    """A device to add; ``region`` is None when the text names none.

    :raises ValueError: when it is malformed
    """
    match = _ADD.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a device of the form r1z1-10.0.0.1:6200/sdb1")
    device = _values(match)
    device["region"] = device.get("region")
    device["meta"] = device.get("meta", "")
    check_device_name(device["device"])
    return checked(device)


def parse_search(text: str) -> dict[str, Any]:
    """What a search value asks for.

    :raises ValueError: when it is malformed or asks for nothing
    """
    match = _SEARCH.fullmatch(text)
    criteria = _values(match) if match else {}
    if not criteria:
        raise ValueError(f"{text!r} is not a search value such as d3, r1z2, 10.0.0.1:6200 or /sdb1")
    return criteria


def parse_change(text: str) -> dict[str, Any]:
    """What ``set_info`` shall change.

    :raises ValueError: when it is malformed or changes nothing
    """
    match = _CHANGE.fullmatch(text)
    changes = _values(match) if match else {}
    if not changes:
        raise ValueError(f"{text!r} is not a change such as 10.0.0.1:6200R10.1.0.1:6200/sdb1_meta")
    if "device" in changes:
        check_device_name(changes["device"])
    return checked(changes)


def _values(match: re.Match[str]) -> dict[str, Any]:
    values: dict[str, Any] = {key: value for key, value in match.groupdict().items() if value is not None}
    for key in values:
        if key in _NUMBERS:
            values[key] = int(values[key])
        elif key in ("ip", "replication_ip"):
            text = values[key]
            values[key] = normal_host(text) if re.fullmatch(_HOST, text) else normal_ip(text.strip("[]"))
    return values


def normal_ip(text: str) -> str:
    """The canonical spelling of an IP address: lower case, IPv6 in its shortest form, as OpenStack Swift keeps it.

    :raises ValueError: when it is no IP address
    """
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, text.lower()))
    except OSError:
        raise ValueError(f"{text!r} is not an IP address") from None


def normal_host(text: str) -> str:
    """The canonical spelling of an IP address, in brackets or not, or of a host's name.

    :raises ValueError: when it is neither
    """
    try:
        return normal_ip(text.strip("[]"))
    except ValueError:
        if not _HOST_NAME.fullmatch(text.lower()):
            raise ValueError(f"{text!r} is neither an IP address nor the name of a host") from None
        return text.lower()


def check_device_name(name: str) -> str:
    """Refuse names of devices that no directory can have, or that hide a blank or what moves a terminal's cursor.

    :raises ValueError: when it is empty, starts or ends with a space, or has a control character
    """
    if not name or name != name.strip(" ") or "/" in name or not name.isprintable():
        raise ValueError(f"{name!r} is not the name of a device")
    return name


def checked(device: dict[str, Any]) -> dict[str, Any]:
    """What is to be written of a device.

    :raises ValueError: when a port is none
    """
    for key in ("port", "replication_port"):
        if not 0 <= (device.get(key) or 0) <= HIGHEST_PORT:
            raise ValueError(f"{device[key]} is not a port: they end with {HIGHEST_PORT}")
    return device


def add_device_options(parser: argparse.ArgumentParser) -> None:
    """Options that describe a device, or which devices are meant."""
    for flag, name, kind in (
        ("-u", "--id", int), ("-r", "--region", int), ("-z", "--zone", int), ("-i", "--ip", normal_host),
        ("-p", "--port", int), ("-j", "--replication-ip", normal_host), ("-q", "--replication-port", int),
        ("-d", "--device", check_device_name), ("-w", "--weight", float), ("-m", "--meta", str),
    ):  # fmt: skip
        parser.add_argument(flag, name, type=kind)


def add_change_options(parser: argparse.ArgumentParser) -> None:
    """Options that say what ``set_info`` shall change."""
    for flag, name, kind in (
        ("-I", "ip", normal_host), ("-P", "port", int), ("-J", "replication-ip", normal_host),
        ("-Q", "replication-port", int), ("-D", "device", check_device_name), ("-M", "meta", str),
    ):  # fmt: skip
        parser.add_argument(flag, f"--change-{name}", type=kind)


def criteria_of(options: argparse.Namespace) -> dict[str, Any]:
    """What the device options on a command line ask for; empty when there are none."""
    return {key: value for key in CRITERIA if (value := getattr(options, key)) is not None}


def changes_of(options: argparse.Namespace) -> dict[str, Any]:
    """What the change options on a command line ask for."""
    return checked({key: value for key in CHANGEABLE if (value := getattr(options, f"change_{key}")) is not None})


def matches(device: Device, criteria: Mapping[str, Any]) -> bool:
    """Whether a device is one that is looked for; meta is looked for anywhere in the text."""
    return all(value in device[key] if key == "meta" else device[key] == value for key, value in criteria.items())


def device_text(device: Device) -> str:
    """A device on one line, spelled as on the command line."""
    return (
        f"d{device['id']}r{device['region']}z{device['zone']}-{bracketed(device['ip'])}:{device['port']}"
        f'R{bracketed(device["replication_ip"])}:{device["replication_port"]}/{device["device"]}_"{device["meta"]}"'
    )


_COLUMNS: tuple[tuple[str, Callable[[Device], Any]], ...] = (
    ("id", lambda device: device["id"]),
    ("region", lambda device: device["region"]),
    ("zone", lambda device: device["zone"]),
    ("ip address:port", lambda device: f"{bracketed(device['ip'])}:{device['port']}"),
    ("replication ip:port", lambda device: f"{bracketed(device['replication_ip'])}:{device['replication_port']}"),
    ("name", lambda device: device["device"]),
    ("weight", lambda device: f"{device['weight']:.2f}"),
    ("partitions", lambda device: device["parts"]),
)


def device_table(devices: Iterable[Device], balances: Mapping[int, float], removed: Callable[[int], bool]) -> str:
    """A table of devices; ``DEL`` flags those that go with the next rebalance."""
    lines = [[*(title for title, _ in _COLUMNS), "balance", "flags", "meta"]]
    for device in sorted(devices, key=lambda device: [device[key] for key in ("region", "zone", "ip", "device")]):
        cells = [str(show(device)) for _, show in _COLUMNS]
        balance = f"{balances.get(device['id'], 0.0):.2f}"
        lines.append([*cells, balance, "DEL" if removed(device["id"]) else "", device["meta"]])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]) - 1)]
    rows = [" ".join([*map(str.rjust, line, widths), line[-1]]).rstrip() for line in lines]
    return "\n".join(("Devices: " if number == 0 else "         ") + row for number, row in enumerate(rows))
