"""The samples in etc/ say what the option tables say."""

from __future__ import annotations

import configparser
import dataclasses
from pathlib import Path

import pytest

from swiftlite.cli import conf_samples
from swiftlite.common.config import ServerOptions, read_options
from swiftlite.common.option_tables import default_text

ETC = Path(__file__).resolve().parents[3] / "etc"
TABLES = [
    (name, section)
    for name, sections in conf_samples.SAMPLES.items()
    for section in sections
    if section.options and section.name != "swift-constraints"
]


@pytest.mark.parametrize("name", conf_samples.SAMPLES)
def test_sample_is_up_to_date(name: str) -> None:
    text = conf_samples.render(conf_samples.SAMPLES[name])
    assert (ETC / name).read_text() == text, "run: python -m swiftlite.cli.conf_samples etc"


@pytest.mark.parametrize("name", conf_samples.SAMPLES)
def test_sample_is_a_conf(name: str) -> None:
    parser = configparser.RawConfigParser()
    parser.read_string((ETC / name).read_text())
    if name.endswith("-server.conf-sample"):
        assert int(parser.defaults()["bind_port"])


@pytest.mark.parametrize("name, section", TABLES, ids=lambda value: getattr(value, "name", value))
def test_what_the_sample_gives_as_default_is_the_default(name: str, section: conf_samples.Section) -> None:
    fields = [field for field in dataclasses.fields(section.options) if field.name not in section.without]
    texts = {field.name: default_text(field) for field in fields}
    read = read_options(section.options, texts, name, section.name)
    assert read == section.options()


@pytest.mark.parametrize("name, section", TABLES, ids=lambda value: getattr(value, "name", value))
def test_every_option_has_a_reason(name: str, section: conf_samples.Section) -> None:
    for field in dataclasses.fields(section.options):
        assert field.metadata["reason"], field.name


def test_no_option_is_left_out() -> None:
    """What a server section leaves out, [DEFAULT] has, or it means nothing there."""
    default = {field.name for field in dataclasses.fields(ServerOptions)}
    for name, section in TABLES:
        if section.name != "DEFAULT":
            unused = getattr(section.options, "not_in_samples", frozenset())
            assert section.without <= default | unused, name
