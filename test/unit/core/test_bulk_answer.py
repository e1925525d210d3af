"""Results of many changes at once: in the format that the client takes, every error in it."""

import json
import xml.etree.ElementTree as xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core import bulk_answer

RESULTS = {"Response Status": "400 Bad Request", "Number Deleted": 3, "Response Body": "a < b"}
ERRORS = [("/c/o%20x", "404 Not Found"), ("/c/a&b", "Etag Mismatch")]


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "text/plain"),
        ("", "text/plain"),
        ("*/*", "text/plain"),
        ("application/json", "application/json"),
        ("text/xml", "text/xml"),
        ("application/xml;q=0.5, application/json;q=0.1", "application/xml"),
        ("image/png", None),
        ("nonsense", None),
    ],
)
def test_the_format_is_what_the_client_takes(accept, media_type):
    assert bulk_answer.answer_format(accept) == media_type


@pytest.mark.parametrize("media_type", ["text/plain", None, "image/png"])
def test_plain_text_has_a_line_for_each_fact_in_order(media_type):
    assert bulk_answer.render(media_type, RESULTS, ERRORS, "delete").decode().splitlines() == [
        "Number Deleted: 3",
        "Response Body: a < b",
        "Response Status: 400 Bad Request",
        "Errors:",
        "/c/o%20x, 404 Not Found",
        "/c/a&b, Etag Mismatch",
    ]


def test_json_has_every_fact():
    body = json.loads(bulk_answer.render("application/json", RESULTS, ERRORS, "delete"))
    assert body == {**RESULTS, "Errors": [list(error) for error in ERRORS]}


@pytest.mark.parametrize("media_type", ["application/xml", "text/xml"])
def test_xml_has_every_fact(media_type):
    root = xml.fromstring(bulk_answer.render(media_type, RESULTS, ERRORS, "upload"))
    assert root.tag == "upload"
    assert [(element.tag, element.text) for element in root if element.tag != "errors"] == [
        ("number_deleted", "3"),
        ("response_body", "a < b"),
        ("response_status", "400 Bad Request"),
    ]
    assert [(e.findtext("name"), e.findtext("status")) for e in root.iter("object")] == ERRORS


@given(st.text(st.characters(min_codepoint=32, exclude_categories=("Cs", "Cn")), min_size=1))
def test_no_name_breaks_the_document(name):
    assert json.loads(bulk_answer.render("application/json", {}, [(name, "x")], "delete"))["Errors"] == [[name, "x"]]
    root = xml.fromstring(bulk_answer.render("text/xml", {}, [(name, "x")], "delete"))
    assert root.findtext("errors/object/name") == name
