"""Until when an X.509 certificate is good: as much of DER as that takes (RFC 5280 4.1)."""

from __future__ import annotations

from datetime import datetime, timezone

_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0


def not_after(certificate: bytes) -> float:
    """The last moment of a certificate, in seconds since 1970.

    :param certificate: DER
    :raises ValueError: when it is no certificate
    """
    fields, _ = _read(_read(certificate, _SEQUENCE)[0], _SEQUENCE)  # the signed part of the whole
    if fields[:1] == bytes([_VERSION]):
        fields = _read(fields)[1]
    for _ in ("serial number", "signature algorithm", "issuer"):
        fields = _read(fields)[1]
    validity, _ = _read(fields, _SEQUENCE)
    end = _read(validity)[1]
    return _moment(end[:1], _read(end)[0])


def _read(data: bytes, wanted: int | None = None) -> tuple[bytes, bytes]:
    """The content of the first value, and what follows it."""
    if len(data) < 2 or (wanted is not None and data[0] != wanted):
        raise ValueError("it is no X.509 certificate")
    length, start = data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    if len(data) < start + length:
        raise ValueError("the certificate is cut short")
    return data[start : start + length], data[start + length :]


def _moment(tag: bytes, text: bytes) -> float:
    if tag == bytes([_UTC_TIME]):
        # Two digits of a year: 50 and above are of the last century.
        text = (b"19" if text[:2] >= b"50" else b"20") + text
    elif tag != bytes([_GENERALIZED_TIME]):
        raise ValueError("the certificate's end is no time")
    read = datetime.strptime(text.decode("ascii", "replace"), "%Y%m%d%H%M%SZ")
    return read.replace(tzinfo=timezone.utc).timestamp()
