"""Rows of container and account databases: merging two reports about one name (formats.md 4.6)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from swiftlite.core.timestamp import Timestamp, decode_timestamps, encode_timestamps

DELETED_TYPE = "application/deleted"
DELETED_ETAG = "noetag"

Times = tuple[Timestamp, Timestamp, Timestamp]
"""When an object's data, its content type and its metadata were set."""

Metadata = dict[str, tuple[str, str]]
"""Native key -> (native value, internal timestamp); a blank value marks a deleted key."""

ZERO_LIKE = (None, "", 0, "0")
"""What counts as no objects at all (formats.md 0)."""

_FOLLOW_THE_DATA = [None, None]
_PLAIN_TIME = re.compile(r"[0-9]{10}\.[0-9]{5}").fullmatch
_PARAMETER = re.compile(r';\s*([^\s/;=]+)[^;="]*(?:=\s*("(?:[^"\\]|\\.)*"|[^;\s]*))?')


class ObjectRow(NamedTuple):
    """One row of a container's ``object`` table; name and policy index are its identity."""

    name: str
    created_at: str
    size: int
    content_type: str
    etag: str
    deleted: int = 0
    storage_policy_index: int = 0


class ObjectReport(NamedTuple):
    """What an object server tells about an object: a pending record's fields, in their order.

    ``created_at`` is the time of the data; the others are those of the content type and of the metadata, or None where
    they follow the data. A report made from a row carries all three inside ``created_at``.
    """

    name: str
    created_at: str
    size: int
    content_type: str
    etag: str
    deleted: int = 0
    storage_policy_index: int = 0
    ctype_timestamp: str | None = None
    meta_timestamp: str | None = None


class ContainerRow(NamedTuple):
    """One row of an account's ``container`` table; the name alone is its identity."""

    name: str
    put_timestamp: str
    delete_timestamp: str
    object_count: int
    bytes_used: int
    deleted: int = 0
    storage_policy_index: int = 0


def is_storable(fields: Iterable[Any]) -> bool:
    """Whether a database can keep a row of these fields: Unicode text, whole numbers of 64 bits, or None."""
    for value in fields:
        if isinstance(value, str):
            if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
                return False
        elif value is not None and not (isinstance(value, int) and -(2**63) <= value < 2**63):
            return False
    return True


def check_report(report: ObjectReport) -> None:
    """Refuse a report that no container can keep, or show.

    :raises ValueError: saying why
    """
    name, created_at, size, content_type, etag, deleted, policy_index, *moments = report
    if not (  # spelled out, for every row that is merged comes by
        isinstance(name, str)
        and isinstance(created_at, str)
        and isinstance(size, int)
        and isinstance(content_type, str)
        and isinstance(etag, str)
        and isinstance(deleted, int)
        and isinstance(policy_index, int)
        and (moments == _FOLLOW_THE_DATA or all(text is None or isinstance(text, str) for text in moments))
    ):
        raise ValueError("a field of the wrong type")
    if not is_storable(report):
        raise ValueError("text that is no Unicode, or too large a number")
    if deleted not in (0, 1):
        raise ValueError("a deletion that is neither 0 nor 1")
    if moments != _FOLLOW_THE_DATA or not _PLAIN_TIME(created_at):
        _report_times(report)


def split_swift_bytes(content_type: str) -> tuple[str, str | None]:
    """Take the ``swift_bytes`` parameter out of a content type.

    :returns: the content type with its other parameters joined without blanks, and the text of swift_bytes or None
    """
    main, semicolon, _ = content_type.partition(";")
    if not semicolon:
        return content_type, None
    swift_bytes = None
    for key, value in _PARAMETER.findall(content_type[len(main) :]):
        if key == "swift_bytes":
            swift_bytes = value
        else:
            main += f";{key}={value}"
    return main, swift_bytes


def first_row(report: ObjectReport) -> ObjectRow:
    """The row of a name that the container has not heard of before."""
    if report.ctype_timestamp is None and report.meta_timestamp is None and _PLAIN_TIME(report.created_at):
        return ObjectRow._make(report[:7])
    return ObjectRow(report.name, encode_timestamps(*_report_times(report)), *report[2:7])


def merge(row: ObjectRow | None, report: ObjectReport) -> ObjectRow:
    """Settle what is known of a name with what a report says.

    Size, etag, deletion and swift_bytes belong to the data's timestamp, the content type and the metadata have one
    each; of every attribute the newest value wins, and on a tie the row keeps its own. Where a timestamp names one
    write, merging is therefore commutative, associative and idempotent: replicas agree whatever arrives when.

    :returns: ``row`` itself when the report brings nothing new
    """
    if row is None:
        return first_row(report)
    known = _row_times(row)
    told = _report_times(report)
    newer = [new > old for new, old in zip(told, known, strict=True)]
    if not any(newer):
        return row
    data = report if newer[0] else row
    content_type, _ = split_swift_bytes((report if newer[1] else row).content_type)
    _, swift_bytes = split_swift_bytes(data.content_type)
    if swift_bytes is not None:
        content_type += f";swift_bytes={swift_bytes}"
    data_time, type_time, metadata_time = map(max, known, told)
    return ObjectRow(
        row.name,
        encode_timestamps(data_time, type_time, metadata_time),
        data.size,
        content_type,
        data.etag,
        data.deleted,
        row.storage_policy_index,
    )


def _row_times(row: ObjectRow) -> Times:
    first, second, third = decode_timestamps(row.created_at)
    return first, second or first, third or second or first


def _report_times(report: ObjectReport) -> Times:
    data, content_type, metadata = decode_timestamps(report.created_at)
    content_type = content_type or data
    metadata = metadata or content_type
    if report.ctype_timestamp:
        # The metadata cannot be older than the content type that came with them.
        content_type = metadata = Timestamp(report.ctype_timestamp)
    if report.meta_timestamp:
        metadata = Timestamp(report.meta_timestamp)
    return data, content_type, metadata


def merge_container(row: ContainerRow | None, report: tuple[Any, ...]) -> ContainerRow:
    """Settle an account's row with what a container server says.

    Each of put and delete timestamp keeps its greatest value, in any order of arrival. Counts have no clock of their
    own: they are those of the report, unless it comes from a replica that has not heard of the container's last PUT or
    DELETE. Fields that the report leaves None come from the row.

    :param report: the fields of a ContainerRow, any of the first five None
    """
    name, put, delete, count, used, _, policy_index = report
    if row is not None:
        put = row.put_timestamp if put is None else put
        delete = row.delete_timestamp if delete is None else delete
        if max(put, delete) < max(row.put_timestamp, row.delete_timestamp):
            count, used, policy_index = row.object_count, row.bytes_used, row.storage_policy_index
        put, delete = max(put, row.put_timestamp), max(delete, row.delete_timestamp)
        count = row.object_count if count is None else count
        used = row.bytes_used if used is None else used
    deleted = int((delete or "0") > (put or "0") and count in ZERO_LIKE)
    return ContainerRow(name, put, delete, count, used, deleted, policy_index)


def newest_metadata(kept: Metadata, updates: Mapping[str, tuple[str, str]]) -> Metadata:
    """The metadata after a request's updates: of every key the value with the newest timestamp; on a tie the old one."""
    newer = {key: pair for key, pair in updates.items() if key not in kept or pair[1] > kept[key][1]}
    return {**kept, **newer}


def merge_metadata(kept: Metadata, theirs: Mapping[str, tuple[str, str]]) -> Metadata:
    """Settle the metadata of two replicas: the newest of every key, on a tie the greater value.

    Replicas that were told different things at one moment would differ for ever without a rule that both follow. So
    merging is commutative, associative and idempotent whatever the timestamps.
    """
    newer = {key: pair for key, pair in theirs.items() if key not in kept or pair[::-1] > kept[key][::-1]}
    return {**kept, **newer}
