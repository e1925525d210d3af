"""Forms that upload files: their fields, what of these is signed, and what a browser is told (formats.md 7.18)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import quote

from swiftlite.core.header_parameters import read_parameters
from swiftlite.core.names import str_to_wsgi
from swiftlite.core.signature import form_signature, is_one_of, read_signature

MULTIPART = "multipart/form-data"
MAX_VALUE = 4096
"""Bytes of a field that count; what follows them is dropped."""
MAX_FIELDS = 1000
"""Fields of a form that are no files."""
SIGNED = (("redirect", ""), ("max_file_size", "0"), ("max_file_count", "0"), ("expires", "0"))
"""The fields that a signature covers, in order, each with what is signed where there is none."""
DEFAULT_TYPE = "application/octet-stream"

_KNOWN = frozenset((*dict(SIGNED), "signature", "x_delete_at", "x_delete_after", "content-type", "content-encoding"))
_LONGEST_NUMBER = 32
_is_header_value = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*").fullmatch
# What quote() leaves alone of an address that may hold percent-encodings; quotes and brackets would end an attribute.
_URL = "%/:?#[]@!$&()*+,;=~"


class FormInvalid(Exception):
    """A form cannot be used; the text says why."""


class FormUnauthorized(Exception):
    """A form is not signed, or no longer good; the text says so."""


class File(NamedTuple):
    """What of a file of a form decides about its object; native text."""

    name: str
    headers: Mapping[str, str]


def boundary_of(content_type: str) -> str | None:
    """The boundary of a form's content type; None when it is of something else."""
    if not content_type.startswith(MULTIPART):
        return None
    word, parameters = read_parameters(content_type)
    return parameters.get("boundary") if word == MULTIPART else None


class Form:
    """The fields of a form that have come so far."""

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}
        self._count = 0
        self._files = 0

    def get(self, name: str) -> str:
        """A field; empty when there is none."""
        return self._fields.get(name, "")

    def add(self, name: str, value: bytes) -> None:
        """Take a field; those that mean nothing are forgotten.

        :raises FormInvalid: when there are too many, or it is no UTF-8
        """
        self._count += 1
        if self._count > MAX_FIELDS:
            raise FormInvalid("too many fields")
        if name.lower() not in _KNOWN:
            return
        try:
            self._fields[name.lower()] = value.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise FormInvalid(f"{name.lower()} is no UTF-8") from None

    def count_file(self) -> bool:
        """Count a file; tell whether it is one too many.

        :raises FormInvalid: when the form's limit is no number
        """
        self._files += 1
        return self._files > self._number("max_file_count", "max_file_count not an integer")

    def max_file_size(self) -> int:
        """Bytes that a file may have.

        :raises FormInvalid: when the form says something that is no number
        """
        return self._number("max_file_size", "max_file_size not an integer")

    def file(self, name: str, headers: Mapping[str, str]) -> File:
        """A file as an object: what the form says of all files goes before what its own part says.

        :param headers: of its part
        :raises FormInvalid: for what no header can hold
        """
        found: dict[str, str] = {}
        moment, seconds = "Unix timestamp required.", "Number of seconds required."
        for field, unit in (("x_delete_at", moment), ("x_delete_after", seconds)):
            if field in self._fields:
                header = field.replace("_", "-").title()
                found[header] = str(_integer(self._fields[field], f"{field} not an integer: {unit}"))
        for field in ("content-type", "content-encoding"):
            value = self._fields.get(field, headers.get(field))
            if value is None:
                continue
            if field == "content-type":
                value = value or DEFAULT_TYPE
            if not _is_header_value(value):
                raise FormInvalid(f"{field} has characters that no header may have")
            found[field.title()] = value
        return File(name, found)

    def check_expiry(self, now: float) -> None:
        """Refuse a form that is too old.

        :param now: seconds since 1970
        :raises FormInvalid, FormUnauthorized: when it is not good
        """
        if self._number("expires", "expired not an integer") < now:
            raise FormUnauthorized("form expired")

    @property
    def digest(self) -> str:
        """The hash function that it is signed with. Raises ValueError where that cannot be told."""
        return read_signature(self.get("signature"))[0]

    def is_signed(self, path: str, keys: Iterable[str], digests: frozenset[str]) -> bool:
        """Whether one of the keys has signed the fields as they are now.

        :param path: to which the form is sent, native text
        :param digests: names of the hash functions that are good
        """
        try:
            digest, shown = read_signature(self.get("signature"))
        except ValueError:
            return False
        if digest not in digests:
            return False
        fields = [self.get(name) or missing for name, missing in SIGNED]
        return is_one_of(shown, [form_signature(digest, key, path, fields) for key in keys])

    def _number(self, name: str, problem: str) -> int:
        return _integer(self.get(name) or "0", problem)


def _integer(text: str, problem: str) -> int:
    try:
        if len(text) <= _LONGEST_NUMBER:
            return int(text)
    except ValueError:
        pass
    raise FormInvalid(problem)


def object_path(path: str, filename: str) -> str:
    """The path of a file's object: the form's path goes before its name.

    :param path: to which the form was sent, a WSGI string: of a container or of a prefix in it
    :param filename: native text
    """
    if not path.endswith("/") and path.count("/") < 4:
        path += "/"
    return path + str_to_wsgi(filename)


def redirection(url: str, status: int, message: str) -> tuple[str, str]:
    """Where a browser is sent when all is done, and a page that says so; both safe, whatever the form's URL holds."""
    url = quote(url, safe=_URL)
    url += f"{'&' if '?' in url else '?'}status={status}&message={quote(message)}"
    return url, f'<html><body><p><a href="{url}">Click to continue...</a></p></body></html>'
