"""Header values with parameters as browsers send them: ``form-data; name="a"; filename="b; c.txt"``."""

from __future__ import annotations

import re

# A quoted value ends with the first quote that stands before a semicolon or the end: browsers leave others as they are.
_parameter = re.compile(r'(\w+)=("[^"]*(?:"(?!;|\Z)[^"]*)*"|[^";]+)(?:; ?|\Z)', re.ASCII).match


def read_parameters(value: str) -> tuple[str, dict[str, str]]:
    """The word before the first semicolon, and the parameters up to the first that is malformed.

    :returns: names of parameters as they are spelled; values without quotes around them
    """
    word, _, rest = value.partition(";")
    rest = rest.strip()
    found: dict[str, str] = {}
    position = 0
    while match := _parameter(rest, position):
        found[match[1]] = match[2].strip('"')
        position = match.end()
    return word.strip(), found
