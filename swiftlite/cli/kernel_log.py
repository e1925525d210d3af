"""How often the kernel's log tells of errors of each device, read from its end."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import BinaryIO

DEFAULT_PATTERNS = (r"\berror\b.*\b(sd[a-z]{1,2}\d?)\b", r"\b(sd[a-z]{1,2}\d?)\b.*\berror\b")
BOOT_MARKS = ("[    0.000000]", "KERNEL supported cpus:", "BIOS-provided physical RAM map:")
"""What the kernel says when it starts: before that, devices may have had other names."""
PATTERN_OPTION = "regex_pattern_"
BLOCK = 65536


class BadPattern(ValueError):
    """A pattern that is no regular expression; the text says why."""


def error_patterns(options: Mapping[str, str]) -> list[re.Pattern[str]]:
    """The patterns that a conf section sets with ``regex_pattern_…``, or the default ones.

    :raises BadPattern: when one cannot be compiled
    """
    texts = [text for name, text in options.items() if name.startswith(PATTERN_OPTION)]
    patterns = []
    for text in texts or DEFAULT_PATTERNS:
        try:
            patterns.append(re.compile(text))
        except re.error as error:
            raise BadPattern(f'unable to compile regex pattern "{text}": {error}') from None
    return patterns


def line_time(line: str, now: datetime) -> datetime | None:
    """When a line was logged; None when it does not begin with a time.

    :param now: local time. Syslog's ``Nov 30 02:15:36`` has no year: it is the last such moment before now
    """
    try:
        return datetime.strptime(line[:19], "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        pass
    text = " ".join(line.split(None, 3)[:3])
    for year in (now.year, now.year - 1):
        try:
            found = datetime.strptime(f"{year} {text}", "%Y %b %d %H:%M:%S")
        except ValueError:  # no time, or 29 February of another year
            continue
        if found <= now + timedelta(days=1):  # a clock may have been set back
            return found
    return None


def count_errors(
    lines: Iterable[str], patterns: Sequence[re.Pattern[str]], now: datetime, minutes: float
) -> Counter[str]:
    """Device -> number of errors that the newest lines tell of.

    :param lines: the newest first; no line is taken after one that is too old, or from before the last boot
    :param patterns: the first group is the device, or the whole match where there is no group
    """
    since = now - timedelta(minutes=minutes)
    errors: Counter[str] = Counter()
    for line in lines:
        if any(mark in line for mark in BOOT_MARKS):
            break
        moment = line_time(line, now)
        if moment is None:
            continue
        if moment <= since:
            break
        for pattern in patterns:
            for match in pattern.finditer(line):
                device = next((group for group in match.groups() if group), None) or match[0]
                errors[device] += 1
    return errors


def backward(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, the last one first, without their ends."""
    position = file.seek(0, os.SEEK_END)
    rest = b""
    while position > 0:
        size = min(BLOCK, position)
        position -= size
        file.seek(position)
        first, *lines = (file.read(size) + rest).split(b"\n")
        yield from (line for line in reversed(lines) if line)
        rest = first
    if rest:
        yield rest
