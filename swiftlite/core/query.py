"""The parameters of a URL's query, in a time that grows with its length alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote_plus

_HEX = "0123456789abcdefABCDEF"


class Parameters:
    """Finds some parameters in queries; what else these hold is neither decoded nor kept.

    :param names: of the parameters, plain ASCII
    """

    def __init__(self, names: Iterable[str]) -> None:
        spelled = "|".join(map(spellings, names))
        self._find = re.compile(rf"(?:\A|&)({spelled})(?:=([^&]*))?(?=&|\Z)").findall

    def __call__(self, query: str) -> Mapping[str, str]:
        """The values of those that a query has, the first of each, decoded as UTF-8; without ``=``: empty."""
        found: dict[str, str] = {}
        for name, value in self._find(query):
            found.setdefault(unquote_plus(name), unquote_plus(value))
        return found


def spellings(name: str) -> str:
    """A pattern for a plain ASCII name with any of its characters percent-encoded."""
    return "".join(map(_spellings, name))


def _spellings(character: str) -> str:
    code = f"{ord(character):02x}"
    digits = "".join(digit if digit.isdigit() else f"[{digit}{digit.upper()}]" for digit in code)
    return f"(?:{re.escape(character)}|%{digits})"


_BYTES = {f"{high}{low}": chr(int(high + low, 16)) for high in _HEX for low in _HEX}
"""The character that each two hex digits stand for in a WSGI string."""
_AMPERSAND, _EQUALS = "\u0100", "\u0101"
"""What stands for either while percents are decoded: no WSGI string has these characters."""


def parse_query(query: str) -> dict[str, str]:
    """All parameters of a query as WSGI strings; of a repeated one the last."""
    text = query.replace("&", _AMPERSAND).replace("=", _EQUALS).replace("+", " ")
    parts = map(_split, filter(None, unquote_wsgi(text).split(_AMPERSAND)))
    return {name: value.replace(_EQUALS, "=") for name, _, value in parts}


def unquote_wsgi(text: str) -> str:
    """A percent-encoded text as a WSGI string; a percent that begins no byte stays."""
    if "%" not in text:
        return text
    first, *rest = text.split("%")
    decode = _BYTES.get
    return first + "".join([byte + more[2:] if (byte := decode(more[:2])) else f"%{more}" for more in rest])


def _split(part: str) -> tuple[str, str, str]:
    return part.partition(_EQUALS)
