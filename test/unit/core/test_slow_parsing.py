"""What clients can write into headers is parsed in a time that grows with its length, however it is crafted.

Calls are counted, which is the same on any machine; what a regular expression does inside one call is looked for in its
structure: nowhere may two repetitions that can take the same character follow each other without anything between.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from bench.parsing_cases import SIZE, Parser, parse, worst_texts

import swiftlite.core

if sys.version_info >= (3, 11):
    from re import _compiler, _parser
else:
    import sre_compile as _compiler
    import sre_parse as _parser

SMALL, LARGE = worst_texts(SIZE // 2), worst_texts(SIZE)
CONSTANT = 300
"""Calls that are made for any text."""
CHARACTERS = [chr(code) for code in range(256)]


def calls(parser: Parser, text: str) -> int:
    """Return how many functions are called, of Python's as well as ours."""
    count = 0

    def counting(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counting)
    try:
        parse(parser, text)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    ("small", "large"), list(zip(SMALL, LARGE)), ids=[f"{name} {text[:12]!r}" for name, _, text in LARGE]
)
def test_twice_the_text_is_twice_the_work(small: tuple[str, Parser, str], large: tuple[str, Parser, str]) -> None:
    (_, parser, half), (_, _, whole) = small, large
    parse(parser, whole)  # what is made once, is made now
    assert calls(parser, whole) <= 2.2 * calls(parser, half) + CONSTANT


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Yield every regular expression of the rules, with where it is."""
    for info in pkgutil.iter_modules(swiftlite.core.__path__):
        module = importlib.import_module(f"swiftlite.core.{info.name}")
        for name, value in vars(module).items():
            found = value if isinstance(value, re.Pattern) else getattr(value, "__self__", None)
            if isinstance(found, re.Pattern) and isinstance(found.pattern, str):
                yield f"{info.name}.{name}", found


def ambiguities(sequence: Any) -> Iterator[str]:
    """Yield each pair of neighbouring repetitions of which either could take what the other does."""
    items = list(sequence)
    for index, (operator, argument) in enumerate(items):
        for inner in nested(argument):
            yield from ambiguities(inner)
        if not is_endless(operator, argument):
            continue
        for following in items[index + 1 :]:
            if is_endless(*following) and first_characters(items[index]) & first_characters(following):
                yield f"{items[index]} and {following}"
            if not is_optional(*following):
                break


def nested(argument: Any) -> Iterator[Any]:
    """Yield the sequences in an item."""
    for part in argument if isinstance(argument, (tuple, list)) else (argument,):
        if isinstance(part, _parser.SubPattern):
            yield part
        elif isinstance(part, list):
            yield from (inner for inner in part if isinstance(inner, _parser.SubPattern))


def is_endless(operator: Any, argument: Any) -> bool:
    return str(operator) in ("MAX_REPEAT", "MIN_REPEAT") and argument[1] is _parser.MAXREPEAT


def is_optional(operator: Any, argument: Any) -> bool:
    if str(operator) in ("MAX_REPEAT", "MIN_REPEAT"):
        return bool(argument[0] == 0)
    if str(operator) == "SUBPATTERN":
        return all(is_optional(*item) for item in argument[3])
    return str(operator) in ("ASSERT", "ASSERT_NOT", "AT")


def first_characters(item: Any) -> set[str]:
    """Return the characters that a repetition of single characters takes; of others none: they begin with a mark."""
    _, (_, _, repeated) = item
    if len(repeated) != 1:
        return set()
    state = _parser.State()
    state.str = ""
    one = _compiler.compile(_parser.SubPattern(state, list(repeated)))
    return {character for character in CHARACTERS if one.fullmatch(character)}


@pytest.mark.parametrize(
    ("name", "pattern"), list(patterns()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_no_pattern_backtracks_over_the_same_text_again(name: str, pattern: re.Pattern[str]) -> None:
    assert not list(ambiguities(_parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE)))


def test_what_such_a_pattern_looks_like() -> None:
    assert list(ambiguities(_parser.parse(r"^\s*([0-9]*)\s*-")))
    assert not list(ambiguities(_parser.parse(r"^\s*[0-9]+\s*-")))
