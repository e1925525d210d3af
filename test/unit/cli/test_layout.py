"""Conf files are changed without touching what an operator wrote."""

from __future__ import annotations

import configparser

from hypothesis import given
from hypothesis import strategies as st

from swiftlite.cli import layout

TEXT = """\
# mine
[DEFAULT]
bind_port = 1
#bind_ip = comment
user=me

[other]
bind_port = 2
"""


def test_only_the_named_section_changes() -> None:
    new = layout.set_options(TEXT, "DEFAULT", {"bind_port": "9", "user": "you"})
    assert new == TEXT.replace("bind_port = 1", "bind_port = 9").replace("user=me", "user = you")


def test_what_is_missing_is_added() -> None:
    new = layout.set_options(TEXT, "DEFAULT", {"bind_ip": "::1"})
    assert new == TEXT.replace("[DEFAULT]\n", "[DEFAULT]\nbind_ip = ::1\n")


def test_a_missing_section_is_added() -> None:
    new = layout.set_options(TEXT, "third", {"a": "b"})
    assert new == TEXT + "\n[third]\na = b\n"


names = st.text("abcxyz_", min_size=1, max_size=5)
values = st.text("ab\\1/:.% 9", max_size=8).map(str.strip)
confs = st.dictionaries(names, st.dictionaries(names, values, max_size=4), min_size=1, max_size=4)


@given(confs, names, st.dictionaries(names, values, max_size=3))
def test_parsers_see_exactly_the_change(conf: dict, section: str, options: dict) -> None:
    def parse(text: str) -> dict:
        parser = configparser.RawConfigParser()
        parser.read_string(text)
        return {name: dict(parser.items(name)) for name in parser.sections()}

    text = layout.render(conf)
    assert parse(text) == conf
    wanted = {name: dict(values) for name, values in conf.items()}
    wanted.setdefault(section, {}).update(options)
    assert parse(layout.set_options(text, section, options)) == wanted
    # Again changes nothing.
    assert layout.set_options(layout.set_options(text, section, options), section, options) == layout.set_options(
        text, section, options
    )
