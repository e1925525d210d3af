"""The parameters of a URL's query, in a time that grows with its length alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote_plus


class Parameters:
    """Finds some parameters in queries; what else these hold is neither decoded nor kept.

    :param names: of the parameters, plain ASCII
    """

    def __init__(self, names: Iterable[str]) -> None:
        spelled = "|".join("".join(map(_spellings, name)) for name in names)
        self._find = re.compile(rf"(?:\A|&)({spelled})(?:=([^&]*))?(?=&|\Z)").findall

    def __call__(self, query: str) -> Mapping[str, str]:
        """The values of those that a query has, the first of each, decoded as UTF-8; without ``=``: empty."""
        found: dict[str, str] = {}
        for name, value in self._find(query):
            found.setdefault(unquote_plus(name), unquote_plus(value))
        return found


def _spellings(character: str) -> str:
    """A pattern for a character of a name as it is and percent-encoded."""
    code = f"{ord(character):02x}"
    digits = "".join(digit if digit.isdigit() else f"[{digit}{digit.upper()}]" for digit in code)
    return f"(?:{re.escape(character)}|%{digits})"
