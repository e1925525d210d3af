"""Header texts that are as bad for their parsers as 8 KiB can be: what a client may try to keep a proxy busy with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from swiftlite.common.subrequest import query_of
from swiftlite.core import access_log, acl, copies, expiry, form_post, links, names, temp_url
from swiftlite.core.constraints import Violation
from swiftlite.core.container_sync import BadTarget, asks_for_more, read_target
from swiftlite.core.header_parameters import read_parameters
from swiftlite.core.json_text import load_json
from swiftlite.core.listing_formats import choose_format
from swiftlite.core.metadata import client_content_type
from swiftlite.core.preconditions import matches, parse_http_date
from swiftlite.core.ranges import RangeRequest
from swiftlite.core.signature import read_signature
from swiftlite.core.timestamp import Timestamp

SIZE = 8192
Parser = Callable[[str], Any]


def _range(text: str) -> object:
    found = RangeRequest.parse(text)
    return found and found.resolve(10**9)


PARSERS: dict[str, tuple[Parser, tuple[tuple[str, str, str], ...]]] = {
    "Accept": (
        lambda text: choose_format(None, text),
        (
            ("", "a/b,", "a/b"), ("a/", "b", "@"), ("a/b", " ", "x"), ("a/b", ";a=b", "@"), ('a/b;a="', "x", ""),
            ("a/b", "; ", "x"), ("a/b;q=", "1", ""), ("", "text/plain;q=0.1,", "*/*"), ("", " ", ""),
        ),
    ),
    "Range": (
        _range,
        (
            ("bytes=", " ", ""), ("bytes=", " ", "-1"), ("bytes=0", " ", "x"), ("bytes=0-", " ", "x"), ("bytes=", "1", "-"),
            ("bytes=", "0-1,", "0-1"), ("bytes=" + ",".join(f"{n}-{n + 9}" for n in range(49)), "", ""), ("bytes=", ",", ""),
            ("bytes=", "-", ""),
        ),
    ),
    "If-Match": (lambda text: matches(text, "e", strong=True), (("", '"a",', ""), ("", ",", ""), ("", "W/", ""), ("", '"', ""), ("", " ,", ""))),
    "If-Modified-Since": (parse_http_date, (("", "1 ", ""), ("Mon, ", "1:", ""), ("", "-", ""), ("", "9", ""), ("", "+", ""), ("", ", ", ""))),
    "Referer": (lambda text: acl.ContainerACL((".r",)).allows_referrer(text), (("http://", "a.", ""), ("http://[", ":", ""), ("", "@", ""), ("", ":/", ""))),
    "X-Container-Read": (lambda text: acl.clean_acl("X-Container-Read", text), (("", ".r:a,", ""), ("", ",", ""), ("", ".r:*,", ""), ("", " ", ","), (".r:", "-", ""), ("", "a:", ""))),
    "stored ACL": (acl.parse_acl.__wrapped__, (("", "%41,", ""), ("", "%C3,", ""), ("", "%41", ""), ("", ",", ""), ("", "%", ""), ("", ".r:,", ""))),
    "X-Account-Access-Control": (acl.read_account_acl, (("", "[", ""), ('{"admin":[', '"a",', '"a"]}'), ("", '{"a":', ""), ('"', "\\u0041", '"'), ("", "1", ""))),
    "JSON": (load_json, (("", "[", ""), ("", "[[],", ""), ("", "9", ""), ("", " ", ""))),
    "X-Copy-From": (copies.read_place, (("", "/", ""), ("a/", "%41", ""), ("", "%", ""), ("", "a", ""))),
    "X-Symlink-Target": (lambda text: links.requested_link(("a", "c", "o"), text, None, None), (("a/", "%41", ""), ("", "/", ""), ("a/", "%FF", ""))),
    "X-Delete-At": (lambda text: expiry.requested_delete_at(text, None, Timestamp(1)), (("", "9", ""), ("", " ", "1"), ("", "_1", ""))),
    "X-Delete-After": (lambda text: expiry.requested_delete_at(None, text, Timestamp(1)), (("", "9", ""),)),
    "X-Timestamp": (Timestamp, (("", "9", ""), ("1.", "9", ""), ("1_", "f", ""), ("", " ", "1"), ("1e", "9", ""))),
    "Content-Type": (client_content_type, (("a", ";", ""), ("a", ";swift_bytes=1", ""), ("a", "; ", ""))),
    "form's Content-Type": (form_post.boundary_of, tuple((f"multipart/form-data; {head}", body, tail) for head, body, tail in (("", "a=b;", ""), ("a=", '"', ""), ('a="', '"a', ""), ("", "a", ""), ('a="', '";', ""), ("a=", " ", '"')))),
    "Content-Disposition": (read_parameters, (("form-data; ", "a=b; ", ""), ('form-data; filename="', 'x"', "y"), ("", ";", ""), ("a; b=", "c", '"'))),
    "temporary URL's query": (temp_url.read_query, (("temp_url_sig=x", "&", ""), ("temp_url_sig=", "%41", ""), ("", "temp_url_sig=x&", ""), ("", "%74", ""), ("", "&temp%5f", ""), ("temp_url_sig=x&", "a&", ""), ("temp_url_prefix=", "+", "&temp_url_sig=1"))),
    "any query": (lambda text: query_of({"QUERY_STRING": text}), (("", "&", ""), ("", "a&", ""), ("", "%41&", ""), ("", "a=%41&", ""), ("a=", "%41", ""), ("a=", "+", ""))),
    "temp_url_expires": (temp_url.expiry, (("", "9", ""), ("2100-01-01T00:00:00", "Z", ""), ("", " ", "1"))),
    "temp_url_sig": (read_signature, (("", "a", ""), ("sha1:", "a", ""), ("sha1:", "=", ""), ("", ":", ""))),
    "temp_url_ip_range": (lambda text: temp_url.admits(text, "::1"), (("", "1", ""), ("", ":", ""), ("", "/", ""), ("fe80::1%", "a", ""))),
    "X-Container-Sync-To": (lambda text: read_target(text, ["h"], {}), (("//", "/", ""), ("http://h/v1/a/", "%41", ""), ("http://", "[", ""), ("http://h/", "a/", ""))),
    "container sync's query": (lambda text: asks_for_more("GET", True, text, False), (("", "a&", ""), ("", "%41&", ""))),
    "path": (lambda text: names.split_path(text, 1, 4, True), (("", "/", ""), ("/", "a/", ""), ("/a/b/c/", "/", ""))),
    "logged path": (lambda text: access_log.hide_parameters(text, 16), (("/?", "temp_url_sig=", ""), ("/?", "&temp_url_sig", ""), ("/", "?", ""))),
    "logged field": (access_log._quote.__wrapped__, (("", '"', ""), ("", "é", ""))),
}  # fmt: skip
"""Each header's parser, and texts for it: a beginning, what is repeated, an end."""


def worst_texts(size: int = SIZE) -> list[tuple[str, Parser, str]]:
    """Return header, parser and text of all that there is to try."""
    found = []
    for header, (parser, texts) in PARSERS.items():
        for head, body, tail in texts:
            count = (size - len(head) - len(tail)) // len(body) if body else 0
            found.append((header, parser, head + body * count + tail))
    return found


def parse(parser: Parser, text: str) -> None:
    """Parse a text; whether it is good does not matter, but it may raise nothing except what its callers await."""
    with contextlib.suppress(ValueError, Violation, BadTarget):
        parser(text)
