"""Ring file bytes to RingData and back, versions 1 and 2 (formats.md 6.1 and 6.2)."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import os
import struct
import sys
import zlib
from array import array
from dataclasses import dataclass, field
from typing import Any

from swiftlite.common.config import StartError
from swiftlite.common.permissions import explain
from swiftlite.core.json_text import load_json

MAGIC = b"R1NG"
GZIP_TIME = 1300507380
"""The modification time in every gzip header, so that the same ring always makes the same bytes."""
GZIP_FILE_NAMED = 8

SAME_BYTES = 1 << 18
"""Up to so many assignments a ring file has the very bytes that OpenStack Swift writes; bigger ones are deflated faster."""

TYPE_CODES = {2: "H", 4: "I"}
"""Array type codes by the width of device ids, in bytes."""

Device = dict[str, Any]
"""One device as ring files spell it (formats.md 6.3)."""


class RingError(StartError):
    """A ring or builder file that cannot be used; its text is the one line an operator sees."""


@dataclass
class RingData:
    """What a ring file says.

    ``devices`` are indexed by id, None where a device was removed. ``rows[replica][partition]`` is a device id; the last
    row is shorter when the replica count has a fraction.
    """

    devices: list[Device | None]
    part_shift: int
    rows: list[array[int]]
    version: int | None = None
    next_part_power: int | None = None
    format_version: int = field(default=1, compare=False)
    """Of the file that it was read from."""

    @property
    def partition_count(self) -> int:
        """How many partitions a whole row holds."""
        return 1 << (32 - self.part_shift)

    @property
    def replicas(self) -> float:
        """Replicas of a partition, on average (formats.md 6.4)."""
        if not self.rows:
            return 0.0
        return len(self.rows) - 1 + len(self.rows[-1]) / len(self.rows[0])


def unassigned(width: int) -> int:
    """What stands in a row in place of a device id of ``width`` bytes, when there is none."""
    return (1 << 8 * width) - 1


def widened(ring: RingData, width: int) -> RingData:
    """The same ring with device ids of ``width`` bytes.

    :raises RingError: when there are too many devices for that
    """
    if len(ring.devices) > unassigned(width):
        raise RingError(f"{len(ring.devices)} devices do not fit in ids of {width} bytes")
    rows = [array(TYPE_CODES[width], row) for row in ring.rows]
    return RingData(ring.devices, ring.part_shift, rows, ring.version, ring.next_part_power)


def load(source: bytes | str | os.PathLike[str]) -> RingData:
    """Read a ring of version 1 or 2.

    :param source: the bytes of a ring file, or its path
    :raises RingError: missing, unreadable, damaged or of an unknown version
    """
    if isinstance(source, bytes):
        return _parse(source, "ring")
    path = os.fspath(source)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        problem, remedy = explain(path, error, "write it with swiftlite-ring-builder")
        raise RingError(f"{path}: cannot read ring file: {problem}; {remedy}") from None
    return _parse(data, path)


def dump_v1(ring: RingData, file_name: str = "") -> bytes:
    """The bytes of a version 1 ring file, equal to those of OpenStack Swift up to ``SAME_BYTES``.

    :param file_name: base name of the file, without ``.gz``; gzip keeps it in its header
    :raises RingError: when a device id does not fit in two bytes
    """
    if any(row.itemsize != 2 for row in ring.rows):
        raise RingError("ring format 1 holds device ids up to 65534 only")
    writer = _GzipWriter(file_name, 1)
    text = _json_v1(ring)
    writer.write(struct.pack(">I", len(text)) + text)
    for row in ring.rows:
        writer.write(row.tobytes(), _strategy(ring))
    return writer.finish()


def dump_v2(ring: RingData, file_name: str = "") -> bytes:
    """The bytes of a version 2 ring file, equal to those of OpenStack Swift up to ``SAME_BYTES``.

    :param file_name: base name of the file, without ``.gz``; gzip keeps it in its header
    """
    writer = _GzipWriter(file_name, 2)
    width = ring.rows[0].itemsize if ring.rows else 0
    facts: dict[str, Any] = {"dev_id_bytes": width, "part_shift": ring.part_shift, "replica_count": ring.replicas}
    sections = {
        "metadata": [_json({**facts, **_versions(ring)})],
        "devices": [_json(ring.devices)],
        "assignments": [_network_order(row) for row in ring.rows],
    }
    index: dict[str, list[int | str]] = {}
    for name, pieces in sections.items():
        start = writer.places()
        digest = hashlib.sha256()
        strategy = _strategy(ring) if name == "assignments" else zlib.Z_DEFAULT_STRATEGY
        for piece in [struct.pack(">Q", sum(map(len, pieces))), *pieces]:
            digest.update(piece)
            writer.write(piece, strategy)
        end = writer.places()
        index[f"swift/ring/{name}"] = [*start, *end, "sha256", digest.hexdigest()]
    compressed_start, start_of_index = writer.places()
    text = _json(index)
    writer.write(struct.pack(">Q", len(text)) + text)
    # Stored blocks of known length at the very end: a reader finds the index without inflating what is before.
    writer.store(struct.pack(">Q", start_of_index))
    writer.store(struct.pack(">Q", compressed_start))
    return writer.finish(stored=True)


DUMPS = {1: dump_v1, 2: dump_v2}
"""What writes a ring, by format version."""


class _GzipWriter:
    """A gzip file in the making, in pieces that inflate each by itself; its first bytes are the ring magic, as they are.

    The magic stands in a stored block of its own, so that `file` and the like can see it inside the gzip.
    """

    def __init__(self, file_name: str, version: int) -> None:
        named = file_name.encode("latin-1", "replace")
        header = b"\x1f\x8b\x08" + struct.pack("<BIBB", GZIP_FILE_NAMED if named else 0, GZIP_TIME, 2, 255)
        self._pieces = [header + (named + b"\x00" if named else b"")]
        self._checksum = 0
        self._length = 0
        self._flushed = True
        self._strategy = zlib.Z_DEFAULT_STRATEGY
        self._deflater = self._new_deflater()
        self.store(MAGIC + struct.pack(">H", version))

    def _new_deflater(self) -> zlib._Compress:
        return zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, self._strategy)

    def write(self, data: bytes, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> None:
        """Append data, compressed by one of zlib's strategies."""
        if strategy != self._strategy:
            self._flush()
            self._strategy = strategy
            self._deflater = self._new_deflater()
        self._count(data)
        self._pieces.append(self._deflater.compress(data))
        self._flushed = False

    def store(self, data: bytes) -> None:
        """Append a few bytes uncompressed, in a block of their own."""
        self._flush()
        self._count(data)
        self._pieces.append(struct.pack("<BHH", 0, len(data), 0xFFFF - len(data)) + data + b"\x00\x00\x00\xff\xff")

    def places(self) -> tuple[int, int]:
        """How long the file is, compressed and uncompressed; what follows inflates by itself."""
        self._flush()
        return sum(map(len, self._pieces)), self._length

    def finish(self, stored: bool = False) -> bytes:
        """The whole file.

        :param stored: end with an empty stored block rather than a compressed one
        """
        self._pieces.append(b"\x01\x00\x00\xff\xff" if stored else self._deflater.flush())
        self._pieces.append(struct.pack("<II", self._checksum, self._length & 0xFFFFFFFF))
        return b"".join(self._pieces)

    def _count(self, data: bytes) -> None:
        self._checksum = zlib.crc32(data, self._checksum)
        self._length += len(data)

    def _flush(self) -> None:
        if not self._flushed:
            self._pieces.append(self._deflater.flush(zlib.Z_FULL_FLUSH))
            self._flushed = True


def _strategy(ring: RingData) -> int:
    """How to compress the assignments: nothing repeats in them, and to look for what does takes long in big rings."""
    return zlib.Z_HUFFMAN_ONLY if sum(map(len, ring.rows)) > SAME_BYTES else zlib.Z_DEFAULT_STRATEGY


def _network_order(row: array[int]) -> bytes:
    if sys.byteorder == "little":
        row = row[:]
        row.byteswap()
    return row.tobytes()


def _versions(ring: RingData) -> dict[str, Any]:
    facts = {"version": ring.version, "next_part_power": ring.next_part_power}
    return {key: value for key, value in facts.items() if value is not None}


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=True).encode("ascii")


def _json_v1(ring: RingData) -> bytes:
    facts = {
        "byteorder": sys.byteorder,
        "devs": ring.devices,
        "part_shift": ring.part_shift,
        "replica_count": len(ring.rows),
    }
    return _json({**facts, **_versions(ring)})


def _parse(data: bytes, origin: str) -> RingData:
    """Parse ring file bytes; ``origin`` names them in errors."""
    try:
        payload = gzip.decompress(data)
        if payload[:4] != MAGIC:
            raise ValueError("it does not start with R1NG")
        (version,) = struct.unpack_from(">H", payload, 4)
        if version == 1:
            ring = _parse_v1(payload)
        elif version == 2:
            ring = _parse_v2(payload)
        else:
            raise ValueError(f"its format version {version} is unknown")
        ring.format_version = version
        _check(ring)
    except (
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        OSError,
        TypeError,
        ValueError,
        struct.error,
        zlib.error,
    ) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise RingError(
            f"{origin}: not a usable ring file: {reason}; copy it again or write it with swiftlite-ring-builder"
        ) from None
    return ring


def _parse_v1(payload: bytes) -> RingData:
    (length,) = struct.unpack_from(">I", payload, 6)
    facts = load_json(payload[10 : 10 + length])
    ring = _ring_without_rows(facts, facts["devs"])
    rows = memoryview(payload)[10 + length :]
    ring.rows = _parse_rows(ring, rows, facts["replica_count"], 2, facts.get("byteorder", sys.byteorder))
    return ring


def _parse_v2(payload: bytes) -> RingData:
    sections = _sections_v2(payload)
    facts = load_json(bytes(sections["swift/ring/metadata"]))
    ring = _ring_without_rows(facts, load_json(bytes(sections["swift/ring/devices"])))
    rows = sections["swift/ring/assignments"]
    ring.rows = _parse_rows(ring, rows, facts["replica_count"], facts["dev_id_bytes"], "big")
    return ring


def _sections_v2(payload: bytes) -> dict[str, memoryview]:
    """Sections by name, from the index that the end of the payload points at, checksums verified."""
    (index_at,) = struct.unpack_from(">Q", payload, len(payload) - 16)
    (index_length,) = struct.unpack_from(">Q", payload, index_at)
    index = load_json(payload[index_at + 8 : index_at + 8 + index_length])
    view = memoryview(payload)
    sections = {}
    for name, (_, start, _, end, algorithm, checksum) in index.items():
        if algorithm == "sha256" and hashlib.sha256(view[start:end]).hexdigest() != checksum:
            raise ValueError(f"section {name} does not match its checksum")
        sections[name] = view[start + 8 : end]
    return sections


def _ring_without_rows(facts: dict[str, Any], devices: list[Device | None]) -> RingData:
    part_shift = facts["part_shift"]
    if not 0 <= part_shift <= 32:
        raise ValueError(f"part_shift {part_shift} is not between 0 and 32")
    return RingData(devices, part_shift, [], facts.get("version"), facts.get("next_part_power"))


def _parse_rows(ring: RingData, data: memoryview, replicas: float, width: int, byteorder: str) -> list[array[int]]:
    """Cut the assignments into rows; only the last may be short."""
    row_count = math.ceil(replicas)
    if width not in TYPE_CODES:
        raise ValueError(f"device ids of {width} bytes are unknown")
    row_size = ring.partition_count * width
    if not (row_count - 1) * row_size < len(data) <= row_count * row_size and (row_count or data):
        raise ValueError(f"{len(data)} bytes of assignments do not make {row_count} rows of {row_size}")
    if len(data) % width:
        raise ValueError("the last assignment is cut off")
    rows = []
    for start in range(0, len(data), row_size):
        row = array(TYPE_CODES[width], bytes(data[start : start + row_size]))
        if byteorder != sys.byteorder:
            row.byteswap()
        rows.append(row)
    return rows


def _check(ring: RingData) -> None:
    """Refuse what would fail later, in the middle of a request; fill in what old files leave out."""
    for index, device in enumerate(ring.devices):
        if device is not None:
            device.setdefault("region", 1)
            device.setdefault("meta", "")
            device.setdefault("replication_ip", device["ip"])
            device.setdefault("replication_port", device["port"])
            missing = [key for key in ("id", "zone", "device", "weight") if key not in device]
            if missing:
                raise ValueError(f"device {index} has no {missing[0]}")
            if device["id"] != index:
                raise ValueError(f"device {device['id']} stands in place {index}")
    for row in ring.rows:
        for device_id in set(row):
            if device_id >= len(ring.devices) or ring.devices[device_id] is None:
                raise ValueError(f"partitions are assigned to device {device_id}, which does not exist")
