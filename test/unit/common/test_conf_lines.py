"""The outline of a conf says what the parsers of conf files say, and on which line."""

from __future__ import annotations

import configparser
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from paste.deploy import loadwsgi

from swiftlite.common.conf_lines import Outline, outline_lines, read_outline
from swiftlite.common.config import ConfFile

TEXT = """# a comment
[DEFAULT]
workers = 2
log_level = INFO

[app:main]
use = egg:swift#proxy
set log_level = DEBUG
workers = 8
long = one
  two
# between
    three
[object-updater]
interval : 5
workers = 4
interval = 6
"""


def outline_of(text: str) -> Outline:
    outline = Outline("conf")
    outline_lines(text.splitlines(), "conf", outline)
    return outline


def test_lines() -> None:
    outline = outline_of(TEXT)
    assert outline.headers == {"DEFAULT": ("conf", 2), "app:main": ("conf", 6), "object-updater": ("conf", 14)}
    assert outline.place("object-updater", "interval") == ("conf", 17)
    assert outline.place("app:main", "log_level") == ("conf", 8)
    assert outline.place("app:main", "long") == ("conf", 10)
    assert outline.place("object-updater", "log_level") == ("conf", 4)
    assert outline.place("object-updater", "missing") == ("conf", 14)
    assert outline.place("nowhere", "missing") == ("conf", 0)
    assert outline.value("app:main", "long") == "one\ntwo\nthree"


def test_in_a_section_of_paste_default_goes_first_but_for_set() -> None:
    texts = {name: found.value for name, found in outline_of(TEXT).texts("app:main").items()}
    assert (texts["workers"], texts["log_level"]) == ("2", "DEBUG")


def test_in_a_daemons_section_it_does_not() -> None:
    assert outline_of(TEXT).value("object-updater", "workers") == "4"


def test_files_of_a_directory_have_their_own_lines(tmp_path: Path) -> None:
    (tmp_path / "1.conf").write_text("[DEFAULT]\nworkers = 1\n")
    (tmp_path / "2.conf").write_text("\n[DEFAULT]\nworkers = 2\n")
    assert read_outline(str(tmp_path)).place("DEFAULT", "workers") == (str(tmp_path / "2.conf"), 3)


def test_names_that_values_refer_to() -> None:
    assert outline_of("[DEFAULT]\nroot = /a\ndevices = %(root)s/b\n").referred() == {"root"}


WORD = st.text("abc-_", min_size=1, max_size=3)
LINES = st.lists(
    st.one_of(
        st.builds("{} = {}".format, WORD, WORD),
        st.builds("set {} = {}".format, WORD, WORD),
        st.builds("{}: {}".format, WORD, WORD),
        st.builds("[{}]".format, st.sampled_from(["DEFAULT", "one", "filter:two"])),
        st.builds("{}# {}".format, st.sampled_from(["", "  "]), WORD),
        st.builds("  {}".format, WORD),
        st.builds("  {} = {}".format, WORD, WORD),
        st.just(""),
    ),
    max_size=12,
)


@given(LINES)
def test_it_says_what_the_parser_says(lines: list[str]) -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    text = "\n".join(["[one]", *lines])
    try:
        parser.read_string(text)
    except configparser.Error:
        return
    outline = outline_of(text)
    assert {name for name in outline.headers if name != "DEFAULT"} == set(parser.sections())
    own = {section: {name: found.value for name, found in outline.own(section).items()} for section in outline.headers}
    assert own.pop("DEFAULT", {}) == dict(parser.defaults())
    assert own == {section: dict(parser._sections[section]) for section in parser.sections()}  # type: ignore[attr-defined]


def test_both_readers_agree_what_holds(tmp_path: Path) -> None:
    """Sections of daemons as ConfFile reads them, those of filters as PasteDeploy does."""
    path = tmp_path / "conf"
    path.write_text(TEXT)
    outline = read_outline(str(path))
    daemons = {name: found.value for name, found in outline.texts("object-updater").items()}
    assert daemons == ConfFile.load(str(path)).section("object-updater")
    text = TEXT.replace("[app:main]\nuse = egg:swift#proxy", "[app:main]\npaste.app_factory = builtins:dict")
    path.write_text(text.replace("interval : 5\n", ""))  # Paste wants each option once
    context = loadwsgi.loadcontext(loadwsgi.APP, f"config:{path}")
    paste = {**context.global_conf, **context.local_conf}
    mine = {name: found.value for name, found in read_outline(str(path)).texts("app:main").items()}
    assert mine.items() - {("paste.app_factory", "builtins:dict")} <= paste.items()
