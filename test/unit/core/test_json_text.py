"""Specifies how JSON of others is read."""

import pytest

from swiftlite.core.json_text import load_json


def test_values_are_read_from_text_and_from_bytes():
    assert (
        load_json('{"a": [1, null, "\\u00e9"]}') == load_json(b'{"a": [1, null, "\xc3\xa9"]}') == {"a": [1, None, "é"]}
    )


@pytest.mark.parametrize(
    "text", ["", "nonsense", b"\xff\xfe\xfd", "[" * 200_000, b'{"a":' * 200_000, "1" + "0" * 5000], ids=range(6)
)
def test_what_cannot_be_read_is_a_value_error(text):
    with pytest.raises(ValueError):
        load_json(text)
