"""If-Match and its kin: go on, 304 or 412 (RFC 9110 13, formats.md 7.4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate


def unquote_etag(etag: str) -> str:
    """An entity tag without its quotes and without the mark of a weak one."""
    etag = etag.strip()
    if etag.startswith("W/"):
        etag = etag[2:]
    return etag[1:-1] if len(etag) > 1 and etag[0] == etag[-1] == '"' else etag


def matches(header: str, etag: str, *, strong: bool = False) -> bool:
    """Whether an If-Match or If-None-Match header names ``etag``; ``*`` names any.

    :param strong: a tag that is marked as weak names nothing; so it is for If-Match (RFC 9110 8.8.3.2)
    """
    listed = [tag for tag in map(str.strip, header.split(",")) if tag]
    tags = {unquote_etag(tag) for tag in listed if not (strong and tag.startswith("W/"))}
    return "*" in tags or etag in tags


def parse_http_date(text: str | None) -> int | None:
    """Seconds since the epoch of an HTTP date in any of its three forms (RFC 9110 5.6.7), which all mean GMT.

    :returns: None when it is no date, for such a condition does not count
    """
    try:
        fields = parsedate(text) if text else None
        if fields is None:
            return None
        moment = datetime(*fields[:6], tzinfo=timezone.utc)
    except (ValueError, OverflowError, IndexError, TypeError):  # some Pythons' parser stumbles over nonsense
        return None
    return int((moment - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds())


def evaluate(conditions: Mapping[str, str], etag: str, last_modified: int) -> int | None:
    """Hold a GET's or HEAD's conditions against what is stored, in the order of RFC 9110 13.2.2.

    A date is looked at only where the condition on the entity tag that it stands in for was not sent.

    :param conditions: If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since, as far as they were sent
    :param etag: of the stored object, without quotes
    :param last_modified: whole seconds since the epoch, as its Last-Modified shows them
    :returns: 304, 412, or None to go on
    """
    if not conditions:
        return None
    match, none_match = conditions.get("If-Match"), conditions.get("If-None-Match")
    if match is not None:
        if not matches(match, etag, strong=True):
            return 412
    else:
        unmodified_since = parse_http_date(conditions.get("If-Unmodified-Since"))
        if unmodified_since is not None and last_modified > unmodified_since:
            return 412
    if none_match is not None:
        return 304 if matches(none_match, etag) else None
    modified_since = parse_http_date(conditions.get("If-Modified-Since"))
    return 304 if modified_since is not None and last_modified <= modified_since else None
