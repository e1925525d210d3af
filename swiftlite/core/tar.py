"""Tar archives: what their blocks and headers say, in ustar, GNU and pax spelling; every step takes linear time.

The standard library reads them too, but keeps whatever size of header in memory, and looks through those of pax in
quadratic time (Python before 3.11.10 and 3.12.6).
"""

from __future__ import annotations

import tarfile
from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field

BLOCK = 512
EMPTY = bytes(BLOCK)
INVALID = "invalid header"

PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
PAX_FOR_ALL = tarfile.XGLTYPE
LONG_NAME = tarfile.GNUTYPE_LONGNAME
LONG_LINK = tarfile.GNUTYPE_LONGLINK
SPARSE = tarfile.GNUTYPE_SPARSE

DIGITS = 20
"""Of the largest number that makes sense anywhere."""

MOST_RECORDS = 20000
"""Of one pax header: reading them takes some hundredths of a second, in which nobody else is served."""

Regions = list[tuple[int, int]]
"""Where a file with holes has data: offset and length of each piece, in order."""


class BadArchive(Exception):
    """An archive that cannot be read on; the client is told why."""


@dataclass
class Member:
    """One member of an archive.

    :ivar name: native; bytes that are no UTF-8 survive as surrogates
    :ivar is_file: whether it is a regular file
    :ivar size: bytes of the file
    :ivar stored: bytes that the archive has of it, less where there are holes
    :ivar attributes: its pax headers
    :ivar regions: where its data are; None: everywhere
    :ivar has_map: its data begin with a map of where they are
    """

    name: str
    is_file: bool
    size: int
    stored: int
    attributes: Mapping[str, str] = field(default_factory=dict)
    regions: Regions | None = None
    has_map: bool = False


def read_block(block: bytes) -> tarfile.TarInfo:
    """What the block before a member, or before more headers, says.

    :raises BadArchive: when it is no such block
    """
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")  # type: ignore[arg-type]
    except (tarfile.HeaderError, ValueError) as error:
        raise BadArchive(str(error) if isinstance(error, tarfile.HeaderError) else INVALID) from None
    if info.size < 0:
        raise BadArchive(INVALID)
    return info


def padded(size: int) -> int:
    """The bytes that so many take in an archive."""
    return -(-size // BLOCK) * BLOCK


def text(data: bytes) -> str:
    """A name or a value in an archive, as native text."""
    return data.decode("utf-8", "surrogateescape")


def pax_records(data: bytes) -> list[tuple[str, str]]:
    """The records of a pax header: ``<length> <keyword>=<value>`` and a line end, one behind the other.

    :raises BadArchive: for anything else, or too many
    """
    found: list[tuple[str, str]] = []
    place = 0
    while place < len(data):
        space = data.find(b" ", place, place + DIGITS + 1)
        length = _number(data[place : max(space, place)])
        end = place + length
        keyword, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not keyword or not equals or data[end - 1 : end] != b"\n":
            raise BadArchive(INVALID)
        found.append((text(keyword), text(value)))
        if len(found) > MOST_RECORDS:
            raise BadArchive(f"more than {MOST_RECORDS} attributes describe one file")
        place = end
    return found


def describe(
    info: tarfile.TarInfo, long_name: str | None, for_all: MutableMapping[str, str], records: Sequence[tuple[str, str]]
) -> Member:
    """A member, from its block and the headers before that.

    :param long_name: GNU's spelling of a name that is too long for the block
    :param for_all: pax headers of all members
    :param records: those of this one
    :raises BadArchive: when they make no sense
    """
    # A view of those of all: a copy for each of many empty files would take long.
    attributes = ChainMap(dict(records), for_all) if info.isreg() else dict(records)
    name = attributes.get("GNU.sparse.name") or attributes.get("path") or long_name or info.name
    size = _number(_bytes(attributes["size"])) if "size" in attributes else info.size
    has_data = info.isreg() or info.type not in tarfile.SUPPORTED_TYPES
    member = Member(name, info.isreg(), size, size if has_data else 0, attributes)
    sizes = [attributes[key] for key in ("GNU.sparse.realsize", "GNU.sparse.size") if key in attributes]
    if sizes and info.isreg():
        member.size = _number(_bytes(sizes[0]))
        member.has_map = attributes.get("GNU.sparse.major") == "1"
        member.regions = None if member.has_map else _pax_regions(records, attributes)
    return member


def _pax_regions(records: Sequence[tuple[str, str]], attributes: Mapping[str, str]) -> Regions:
    """Where data are, as versions 0.0 and 0.1 of GNU's format for files with holes tell it."""
    if "GNU.sparse.map" in attributes:
        numbers = attributes["GNU.sparse.map"].split(",")
    else:
        numbers = [value for key, value in records if key in ("GNU.sparse.offset", "GNU.sparse.numbytes")]
    return pairs([_bytes(number) for number in numbers if number])


def map_lines(data: bytes) -> int:
    """How many lines the map takes that version 1.0 of GNU's format puts before the data.

    :param data: at least its first line
    :raises BadArchive: when it is no map
    """
    return 2 * _number(data.partition(b"\n")[0]) + 1


def read_map(data: bytes, lines: int) -> tuple[Regions, int]:
    """Such a map: where data are, and how many bytes it takes, the filling included.

    :param data: all blocks of it
    :raises BadArchive: when it is none
    """
    numbers = data.split(b"\n", lines)[:lines]
    return pairs(numbers[1:]), padded(sum(map(len, numbers)) + lines)


def old_sparse(block: bytes) -> tuple[Regions, int, bool]:
    """What a block of GNU's older format says of holes: where data are, the file's size, whether more blocks say more.

    :raises BadArchive: for what is no number
    """
    return _structs(block, 386, 4), _field(block[483:495]), bool(block[482])


def more_sparse(block: bytes) -> tuple[Regions, bool]:
    """The same of the blocks that say more."""
    return _structs(block, 0, 21), bool(block[504])


def _structs(block: bytes, start: int, count: int) -> Regions:
    places = range(start, start + 24 * count, 24)
    found = [(_field(block[place : place + 12]), _field(block[place + 12 : place + 24])) for place in places]
    return [(offset, length) for offset, length in found if offset or length]


def pieces(member: Member) -> Iterator[tuple[bool, int]]:
    """A file's bytes in order: whether the archive has them, and how many; those that it has not are zeros.

    :raises BadArchive: when the map of its holes is none
    """
    if member.regions is None:
        yield True, member.size
        return
    place = stored = 0
    for offset, length in member.regions:
        stored += length
        if offset < place or offset + length > member.size or stored > member.stored:
            raise BadArchive(INVALID)
        yield False, offset - place
        yield True, length
        place = offset + length
    yield False, member.size - place


def pairs(numbers: Sequence[bytes]) -> Regions:
    """Offsets and lengths, one after the other, as pairs.

    :raises BadArchive: when one is missing or no number
    """
    if len(numbers) % 2:
        raise BadArchive(INVALID)
    found = [_number(number) for number in numbers]
    return list(zip(found[::2], found[1::2]))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _number(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > DIGITS:
        raise BadArchive(INVALID)
    return int(digits)


def _field(data: bytes) -> int:
    """A number as blocks have it: in octal digits, or in binary."""
    try:
        number: int = tarfile.nti(data)  # type: ignore[attr-defined]
    except (tarfile.HeaderError, ValueError):
        raise BadArchive(INVALID) from None
    if number < 0:
        raise BadArchive(INVALID)
    return number
