"""Access log lines as JSON."""

import json

import pytest

from swiftlite.common.config import ConfigError
from swiftlite.core.access_log import Entry, Style, compile_json
from swiftlite.middleware import proxy_logging


def test_a_line_is_an_object_of_the_fields_that_the_template_names():
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/v1/a/c",
        "HTTP_X_AUTH_TOKEN": "secret" * 9,
        "HTTP_USER_AGENT": 'é"\n',
    }
    entry = Entry(environ, "/v1/a/c?x=1", start=1.5, end=3.0, status=200, sent=7)
    style = Style(
        "{method} {path} {status_int} {bytes_sent} {auth_token} {user_agent} {referer} {end_time.s}", reveal=6
    )
    line = compile_json(style)(entry)
    assert "\n" not in line
    assert json.loads(line) == {
        "method": "GET",
        "path": "/v1/a/c?x=1",
        "status_int": 200,
        "bytes_sent": 7,
        "auth_token": "secret...",
        "user_agent": 'é"\n',
        "referer": None,
        "end_time.s": "3",
    }
    with pytest.raises(ValueError):
        compile_json(Style("{nonesuch}"))


def test_there_are_two_formats():
    with pytest.raises(ConfigError, match="log_format must be one of text, json, not 'xml'"):
        proxy_logging.filter_factory({}, log_format="xml")
