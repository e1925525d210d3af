"""If-Match and its kin: go on, 304 or 412 (formats.md 7.4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime


def unquote_etag(etag: str) -> str:
    """An entity tag without its quotes and without the mark of a weak one."""
    etag = etag.strip()
    if etag.startswith("W/"):
        etag = etag[2:]
    return etag[1:-1] if len(etag) > 1 and etag[0] == etag[-1] == '"' else etag


def matches(header: str, etag: str) -> bool:
    """Whether an If-Match or If-None-Match header names ``etag``; ``*`` names any."""
    tags = {unquote_etag(tag) for tag in header.split(",") if tag.strip()}
    return "*" in tags or etag in tags


def parse_http_date(text: str | None) -> int | None:
    """Seconds since the epoch of an HTTP date; None when it is none, for such a condition does not count."""
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return int((moment - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds())


def evaluate(conditions: Mapping[str, str], etag: str, last_modified: int) -> int | None:
    """Hold a GET's or HEAD's conditions against what is stored; each of them counts, in this order.

    :param conditions: If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since, as far as they were sent
    :param etag: of the stored object, without quotes
    :param last_modified: whole seconds since the epoch, as its Last-Modified shows them
    :returns: 304, 412, or None to go on
    """
    if not conditions:
        return None
    none_match, match = conditions.get("If-None-Match"), conditions.get("If-Match")
    if none_match and matches(none_match, etag):
        return 304
    if match and not matches(match, etag):
        return 412
    modified_since = parse_http_date(conditions.get("If-Modified-Since"))
    if modified_since is not None and last_modified <= modified_since:
        return 304
    unmodified_since = parse_http_date(conditions.get("If-Unmodified-Since"))
    if unmodified_since is not None and last_modified > unmodified_since:
        return 412
    return None
