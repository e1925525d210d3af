"""What our processes say to each other: both ends of each message are one class (formats.md 5)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

from swiftlite.core.json_text import load_json
from swiftlite.core.timestamp import Timestamp

POLICY_INDEX = "X-Backend-Storage-Policy-Index"

ROW_REPORT = ("X-Backend-Report-Container-Update", "true")
"""Asks an object server for a RowReport; OpenStack Swift's ignore it."""

NEXT_PART_POWER = "X-Backend-Next-Part-Power"
"""With a change of an object whose ring's partition power grows: the power it grows to."""

FOUND = "X-Backend-Found"
"""With an object server's answer to a POST or DELETE: when what was there before was put, or deleted (formats.md 5.9)."""

METADATA_TOO_LARGE = "X-Backend-Metadata-Too-Large"
"""With an object server's 507: the device is well, but no file on its filesystem can hold so much metadata."""

Headers = Mapping[str, str]
"""Names in any case where the mapping folds case (a request's), in title case where it does not."""


_CHECKSUM = re.compile("[0-9a-f]{32}")

OBJECT_LENGTH = "X-Backend-Obj-Content-Length"
"""Bytes of an object whose PUT is chunked although its length is known, for something follows the body."""


class BadMessage(ValueError):
    """A message lacks a header or has one that cannot be read; the text says which."""


def found_headers(found: Timestamp | None) -> dict[str, str]:
    """What a server's answer to a POST or DELETE says of what was there before; None: nothing was."""
    return {FOUND: found.internal} if found is not None else {}


def found_by(headers: Headers) -> Timestamp | None:
    """What the server had; None for nothing, and for what cannot be read."""
    try:
        return Timestamp(headers.get(FOUND, ""))
    except ValueError:
        return None


class UpdateTargets(NamedTuple):
    """The servers that one backend server shall tell about a change.

    :param kind: ``Account``, ``Container`` or ``Delete-At``: the middle of the header names
    :param hosts: ``ip:port`` of each server
    :param devices: the device of each, in the same order
    :param partition: their partition, as it stands in paths
    :param container: for ``Delete-At`` the queue's container
    :param root_db_state: for ``Container`` the state of the root database, kept in spooled updates
    """

    kind: Literal["Account", "Container", "Delete-At"]
    hosts: tuple[str, ...]
    devices: tuple[str, ...]
    partition: str
    container: str | None = None
    root_db_state: str | None = None

    def to_headers(self) -> dict[str, str]:
        """The headers that carry them."""
        prefix = f"X-{self.kind}-"
        headers = {
            prefix + "Host": ",".join(self.hosts),
            prefix + "Device": ",".join(self.devices),
            prefix + "Partition": self.partition,
        }
        if self.container is not None:
            headers[prefix + "Container"] = self.container
        if self.root_db_state is not None:
            headers["X-Container-Root-Db-State"] = self.root_db_state
        return headers

    @classmethod
    def from_headers(cls, kind: Literal["Account", "Container", "Delete-At"], headers: Headers) -> UpdateTargets | None:
        """Read them from a request; None when it names no partition or no host.

        :raises BadMessage: when hosts and devices differ in number
        """
        prefix = f"X-{kind}-"
        partition = headers.get(prefix + "Partition", "")
        hosts = _split_list(headers.get(prefix + "Host", ""))
        devices = _split_list(headers.get(prefix + "Device", ""))
        if len(hosts) != len(devices):
            raise BadMessage(
                f"{prefix}Host and {prefix}Device need the same number of entries: "
                f"{headers.get(prefix + 'Host', '')!r} vs {headers.get(prefix + 'Device', '')!r}"
            )
        if not partition or not hosts:
            return None
        state = headers.get("X-Container-Root-Db-State") if kind == "Container" else None
        container = headers.get(prefix + "Container") if kind == "Delete-At" else None
        return cls(kind, hosts, devices, partition, container, state)

    def pairs(self) -> list[tuple[str, str]]:
        """(``ip:port``, device) of each server."""
        return list(zip(self.hosts, self.devices, strict=True))


def _split_list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


class ObjectRowUpdate(NamedTuple):
    """Object server to container server: this object changed.

    :param operation: ``PUT`` (also after a POST) or ``DELETE``
    :param timestamp: when the data changed
    :param policy_index: the storage policy that holds the object
    :param size: bytes; PUT only, like all that follow
    :param content_type: may carry ``;swift_bytes=N``
    :param etag: may carry parameters
    :param content_type_timestamp: when the content type changed, if that was after the data
    :param metadata_timestamp: when the metadata changed, if that was after the data
    """

    operation: Literal["PUT", "DELETE"]
    timestamp: Timestamp
    policy_index: int = 0
    size: int = 0
    content_type: str = "application/deleted"
    etag: str = "noetag"
    content_type_timestamp: Timestamp | None = None
    metadata_timestamp: Timestamp | None = None

    def to_headers(self) -> dict[str, str]:
        """The headers of the row's PUT or DELETE."""
        headers = {"X-Timestamp": self.timestamp.internal, POLICY_INDEX: str(self.policy_index)}
        if self.operation == "PUT":
            headers |= {"X-Size": str(self.size), "X-Content-Type": self.content_type, "X-Etag": self.etag}
            if self.content_type_timestamp is not None:
                headers["X-Content-Type-Timestamp"] = self.content_type_timestamp.internal
            if self.metadata_timestamp is not None:
                headers["X-Meta-Timestamp"] = self.metadata_timestamp.internal
        return headers

    @classmethod
    def from_headers(cls, operation: Literal["PUT", "DELETE"], headers: Headers) -> ObjectRowUpdate:
        """Read a row's PUT or DELETE.

        :raises BadMessage: when a mandatory header is missing or unreadable
        """
        timestamp = _timestamp(headers, "X-Timestamp")
        policy_index = _whole_number(headers, POLICY_INDEX, default=0)
        if operation == "DELETE":
            return cls(operation, timestamp, policy_index)
        return cls(
            operation,
            timestamp,
            policy_index,
            _whole_number(headers, "X-Size"),
            _text(headers, "X-Content-Type"),
            _text(headers, "X-Etag"),
            _optional_timestamp(headers, "X-Content-Type-Timestamp"),
            _optional_timestamp(headers, "X-Meta-Timestamp"),
        )


class AccountUpdate(NamedTuple):
    """Container server to account server: this container's counts or life changed.

    :param put_timestamp: the container's last PUT
    :param delete_timestamp: its last DELETE, zero if never
    :param override_deleted: accept it even where the account is marked deleted
    """

    put_timestamp: Timestamp
    delete_timestamp: Timestamp
    object_count: int
    bytes_used: int
    policy_index: int = 0
    override_deleted: bool = False

    def to_headers(self) -> dict[str, str]:
        """The headers of the container row's PUT."""
        return {
            "X-Put-Timestamp": database_text(self.put_timestamp),
            "X-Delete-Timestamp": database_text(self.delete_timestamp),
            "X-Object-Count": str(self.object_count),
            "X-Bytes-Used": str(self.bytes_used),
            "X-Account-Override-Deleted": "yes" if self.override_deleted else "no",
            POLICY_INDEX: str(self.policy_index),
        }

    @classmethod
    def from_headers(cls, headers: Headers) -> AccountUpdate:
        """Read a container row's PUT.

        :raises BadMessage: when a mandatory header is missing or unreadable
        """
        return cls(
            _timestamp(headers, "X-Put-Timestamp"),
            _timestamp(headers, "X-Delete-Timestamp"),
            _whole_number(headers, "X-Object-Count"),
            _whole_number(headers, "X-Bytes-Used"),
            _whole_number(headers, POLICY_INDEX, default=0),
            headers.get("X-Account-Override-Deleted", "no").lower() == "yes",
        )


class ObjectOrder(NamedTuple):
    """Proxy to object server: what every PUT, POST and DELETE of an object carries.

    :param timestamp: the moment that settles every conflict about this change
    :param policy_index: the storage policy
    :param container: whom this replica tells about the object's row, if anyone
    :param delete_at: whom it tells about the expirer's queue, if anyone
    :param container_path: ``account/container`` of the shard whose row is meant, instead of the object's own container
    :param clean_expiring_queue: whether it removes the old row from the expirer's queue
    :param next_part_power: the partition power that the ring grows to, if it does
    """

    timestamp: Timestamp
    policy_index: int = 0
    container: UpdateTargets | None = None
    delete_at: UpdateTargets | None = None
    container_path: str | None = None
    clean_expiring_queue: bool = True
    next_part_power: int | None = None

    def to_headers(self) -> dict[str, str]:
        """The headers that go to one object server, besides the object's own metadata."""
        headers = {"X-Timestamp": self.timestamp.internal, POLICY_INDEX: str(self.policy_index)}
        for targets in (self.container, self.delete_at):
            if targets is not None:
                headers |= targets.to_headers()
        if self.container_path is not None:
            headers["X-Backend-Container-Path"] = self.container_path
        if not self.clean_expiring_queue:
            headers["X-Backend-Clean-Expiring-Object-Queue"] = "false"
        if self.next_part_power is not None:
            headers[NEXT_PART_POWER] = str(self.next_part_power)
        return headers

    @classmethod
    def from_headers(cls, headers: Headers) -> ObjectOrder:
        """Read an order.

        :raises BadMessage: when the timestamp or a list of targets is missing or unreadable
        """
        return cls(
            timestamp=_timestamp(headers, "X-Timestamp"),
            policy_index=_whole_number(headers, POLICY_INDEX, default=0),
            container=UpdateTargets.from_headers("Container", headers),
            delete_at=UpdateTargets.from_headers("Delete-At", headers),
            container_path=headers.get("X-Backend-Container-Path"),
            clean_expiring_queue=headers.get("X-Backend-Clean-Expiring-Object-Queue", "t").lower()
            not in ("false", "0", "no", "off", "f", "n"),
            next_part_power=next_part_power(headers),
        )


class RowReport(NamedTuple):
    """Object server to proxy, in the answer to a change: who has its row in the container (doc/consistency.md).

    :param told: the container replicas that have taken it, as ``ip:port/device``
    :param row: headers of the row's PUT or DELETE, as WSGI strings, where a replica that was to take it did not
    """

    told: tuple[str, ...]
    row: dict[str, str] | None = None

    @staticmethod
    def is_wanted(headers: Headers) -> bool:
        """Whether a request asks for a report."""
        return headers.get(ROW_REPORT[0]) is not None

    def to_headers(self) -> list[tuple[str, str]]:
        """The headers of the answer."""
        headers = [("X-Backend-Container-Updated", ",".join(self.told))]
        if self.row is not None:
            headers.append(("X-Backend-Container-Row", json.dumps(self.row)))
        return headers

    @classmethod
    def from_headers(cls, headers: Headers) -> RowReport | None:
        """Read a report; None when the answer has none, or one that nobody can read."""
        told = headers.get("X-Backend-Container-Updated")
        if told is None:
            return None
        try:
            row = load_json(headers.get("X-Backend-Container-Row", "null"))
        except ValueError:
            row = None
        return cls(tuple(filter(None, told.split(","))), row if isinstance(row, dict) else None)


@dataclass(frozen=True)
class DigestTrailer:
    """Proxy to object server, after the last chunk of a big object: its checksums (doc/extensions.md).

    The proxy offers it with the request's head, and sends it where the server accepts with its 100 Continue.

    :param etag: MD5 of the body, as hex digits; the server takes the proxy's word for it
    :param fingerprint: XXH3-128 of the body, as hex digits; proves that the server got what the proxy sent
    """

    etag: str
    fingerprint: str

    HEADER: ClassVar[tuple[str, str]] = ("X-Backend-Digest-Trailer", "yes")
    """Offers it in a request's head, accepts it in a 100 Continue's."""

    @classmethod
    def is_agreed(cls, headers: Headers) -> bool:
        """Whether a request's head offers it, or a 100 Continue's accepts it."""
        name, value = cls.HEADER
        return headers.get(name, "").lower() == value

    def to_headers(self) -> dict[str, str]:
        """The trailers that carry it."""
        return {"X-Backend-Etag": self.etag, "X-Backend-Fingerprint": self.fingerprint}

    @classmethod
    def from_headers(cls, trailers: Headers) -> DigestTrailer:
        """Read it from trailers.

        :raises BadMessage: when a checksum is missing, or is none
        """
        return cls(_checksum(trailers, "X-Backend-Etag"), _checksum(trailers, "X-Backend-Fingerprint"))


class Vote:
    """Proxy and object server on a change that has conditions (doc/compare-and-swap.md).

    The proxy offers the vote with the request's head; the server accepts with its first 100 Continue. After the body
    the server checks the conditions while it holds the object, and says yes with another 100 Continue; then a second
    chunked body of the one word ``LEAVE`` makes it go on.
    """

    HEADER: ClassVar[tuple[str, str]] = ("X-Backend-Vote", "yes")
    LEAVE: ClassVar[bytes] = b"commit"

    @classmethod
    def is_agreed(cls, headers: Headers) -> bool:
        """Whether a request's head offers it, or a 100 Continue's accepts it."""
        name, value = cls.HEADER
        return headers.get(name, "").lower() == value

    @classmethod
    def check_leave(cls, word: bytes) -> None:
        """Read the proxy's word.

        :raises BadMessage: when it is no leave
        """
        if word != cls.LEAVE:
            raise BadMessage("Invalid word after a vote")


def next_part_power(headers: Headers) -> int | None:
    """The partition power that the ring of a changed object grows to; None when it does not grow.

    :raises BadMessage: when it is none
    """
    text = headers.get(NEXT_PART_POWER)
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text[:3]) > 32:
        raise BadMessage(f"Invalid {NEXT_PART_POWER} header")
    return int(text)


def database_text(timestamp: Timestamp) -> str:
    """A timestamp as databases spell it: ``0`` where there is none; the text goes into an account's hash as it is."""
    return timestamp.internal if timestamp else "0"


def _text(headers: Headers, name: str) -> str:
    value = headers.get(name)
    if value is None:
        raise BadMessage(f"Missing {name} header")
    return value


def _checksum(headers: Headers, name: str) -> str:
    text = _text(headers, name)
    if not _CHECKSUM.fullmatch(text):
        raise BadMessage(f"Invalid {name} header")
    return text


def _timestamp(headers: Headers, name: str) -> Timestamp:
    text = _text(headers, name)
    try:
        return Timestamp(text)
    except ValueError:
        raise BadMessage(f"Invalid {name} header") from None


def _optional_timestamp(headers: Headers, name: str) -> Timestamp | None:
    return _timestamp(headers, name) if headers.get(name) else None


def _whole_number(headers: Headers, name: str, default: int | None = None) -> int:
    if default is not None and not headers.get(name):
        return default
    text = _text(headers, name)
    try:
        return int(text)
    except ValueError:
        raise BadMessage(f"Invalid {name} header") from None
