"""RingData to the bytes of a ring file of version 2: sections with checksums, and an index (formats.md 6.2)."""

from __future__ import annotations

import hashlib
import json
import struct
import sys
import zlib
from array import array
from typing import Any

from swiftlite.ring import format
from swiftlite.ring.format import RingData, RingError


def dump_v2(ring: RingData, file_name: str = "") -> bytes:
    """The bytes of a version 2 ring file, equal to those of OpenStack Swift.

    :param file_name: base name of the file, without ``.gz``; gzip keeps it in its header
    :raises RingError: when there are no assignments
    """
    if not ring.rows:
        raise RingError("a ring without assignments has no place in ring format 2; rebalance it first")
    magic = format.MAGIC + struct.pack(">H", 2)
    writer = _Writer(format.gzip_header(file_name), format.stored_block(magic), magic)
    facts: dict[str, Any] = {
        "part_shift": ring.part_shift,
        "dev_id_bytes": ring.rows[0].itemsize,
        "replica_count": ring.replicas,
        "version": ring.version,
    }
    if ring.next_part_power is not None:
        facts["next_part_power"] = ring.next_part_power
    writer.add_section("swift/ring/metadata", _json(facts))
    writer.add_section("swift/ring/devices", _json(ring.devices))
    writer.add_section("swift/ring/assignments", b"".join(_in_network_order(row) for row in ring.rows))
    return writer.finish()


def widened(ring: RingData, width: int) -> RingData:
    """The same ring with device ids of ``width`` bytes.

    :raises RingError: when an id does not fit
    """
    if len(ring.devices) > format.unassigned(width):
        raise RingError(f"{len(ring.devices)} devices do not fit in ids of {width} bytes")
    rows = [array(format.TYPE_CODES[width], row) for row in ring.rows]
    return RingData(ring.devices, ring.part_shift, rows, ring.version, ring.next_part_power)


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=True).encode("ascii")


def _in_network_order(row: array[int]) -> bytes:
    if sys.byteorder == "big":
        return row.tobytes()
    swapped = row[:]
    swapped.byteswap()
    return swapped.tobytes()


class _Writer:
    """A file in the making: what is compressed, what of, and where each section stands in both."""

    def __init__(self, header: bytes, block: bytes, payload: bytes) -> None:
        self.blocks = [header, block]
        self.compressed = len(header) + len(block)
        self.length = 0
        self.checksum = 0
        self.index: dict[str, tuple[int, int, int, int, str, str]] = {}
        self._note(payload)

    def add_section(self, name: str, content: bytes) -> None:
        """Add a section, under its name in the index."""
        blob = struct.pack(">Q", len(content)) + content
        start = self.compressed, self.length
        self._deflate(blob)
        self.index[name] = (*start, self.compressed, self.length, "sha256", hashlib.sha256(blob).hexdigest())

    def finish(self) -> bytes:
        """Add the index, say where it is, and end the file."""
        start = self.compressed, self.length
        text = _json(self.index)
        self._deflate(struct.pack(">Q", len(text)) + text)
        # Stored, each in a block of its own: so a reader knows how far from the end they are.
        for place in (start[1], start[0]):
            number = struct.pack(">Q", place)
            self.blocks.append(format.stored_block(number))
            self._note(number)
        self.blocks.append(b"\x01\x00\x00\xff\xff" + struct.pack("<II", self.checksum, self.length & 0xFFFFFFFF))
        return b"".join(self.blocks)

    def _deflate(self, payload: bytes) -> None:
        # Every section begins anew, so that it can be read without those before it.
        deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, 0)
        block = deflater.compress(payload) + deflater.flush(zlib.Z_FULL_FLUSH)
        self.blocks.append(block)
        self.compressed += len(block)
        self._note(payload)

    def _note(self, payload: bytes) -> None:
        self.length += len(payload)
        self.checksum = zlib.crc32(payload, self.checksum)
