"""Statsd with labels: one name for all things of a kind, and beside it what tells them apart, as a receiver spells that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

USER_LABEL = "statsd_user_label_"
"""Options whose names begin so are labels that an operator adds to every metric, ``user_`` before their names."""
DISABLED = "disabled"

_NAME = re.compile(r"[0-9a-zA-Z_]*")
_VALUE = re.compile(r"[0-9a-zA-Z_.]*")


class BadOption(ValueError):
    """An option is no label; the text says why.

    :ivar option: its name
    """

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(problem)
        self.option = option


class Spelling(NamedTuple):
    """How labels are written.

    :ivar first: before the first label
    :ivar between: before each other one
    :ivar equals: between a label's name and its value
    :ivar is_last: they stand at the end of the line, not behind the metric's name
    """

    first: str
    between: str
    equals: str
    is_last: bool = False


SPELLINGS: dict[str, Spelling] = {
    "dogstatsd": Spelling("|#", ",", ":", is_last=True),
    "graphite": Spelling(";", ";", "="),
    "influxdb": Spelling(",", ",", "="),
    "librato": Spelling("#", ",", "="),
}
"""By the option ``statsd_label_mode``."""


def parse_label_mode(text: str) -> str:
    """``statsd_label_mode``, in small letters. Raises ValueError."""
    mode = text.strip().lower()
    if mode not in (DISABLED, *SPELLINGS):
        raise ValueError(f"it is none of {', '.join((DISABLED, *SPELLINGS))}")
    return mode


def labeled_line(spelling: Spelling, name: str, value: str, labels: Mapping[str, object]) -> str:
    """A datagram's text, the labels in the order of their names.

    :param value: with its type, and the sample rate if there is one: ``1|c|@0.5``
    :param labels: None stands for what is not known; texts of clients must be percent-encoded, for nothing is here
    """
    pairs = [f"{label}{spelling.equals}{'' if labels[label] is None else labels[label]}" for label in sorted(labels)]
    told = spelling.first + spelling.between.join(pairs) if pairs else ""
    return f"{name}:{value}{told}" if spelling.is_last else f"{name}{told}:{value}"


def user_labels(conf: Mapping[str, str]) -> dict[str, str]:
    """The labels that an operator adds.

    :param conf: the section's texts
    :raises BadOption: when a name or a value has characters that receivers may not take
    """
    found = {}
    for option, value in conf.items():
        if not option.startswith(USER_LABEL):
            continue
        name = option.removeprefix(USER_LABEL)
        if not _NAME.fullmatch(name):
            raise BadOption(option, "a label's name has letters, digits and _ only")
        if not _VALUE.fullmatch(value):
            raise BadOption(option, f"{value!r} is not of letters, digits, _ and . only")
        found[f"user_{name}"] = value
    return found
