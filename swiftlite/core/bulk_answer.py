"""The result of many changes in one request, as text, JSON or XML (formats.md 7.19)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from swiftlite.core.listing_formats import choose_format

PLAIN = "text/plain"
JSON = "application/json"

Errors = Sequence[tuple[str, str]]
"""Quoted paths, each with what went wrong."""

Each = Sequence[tuple[str, str | None]]
"""Quoted paths, each with what came of it; None where nothing was tried."""


def answer_format(accept: str | None) -> str | None:
    """The media type to answer in; None when the client takes none of ours, or its Accept cannot be understood."""
    try:
        return choose_format(None, accept)
    except ValueError:
        return None


def render(
    media_type: str | None, results: Mapping[str, Any], errors: Errors, root: str, each: Each | None = None
) -> bytes:
    """The body that tells the result.

    :param media_type: plain text is made for one that is none of ours
    :param results: ``Response Status`` and the like
    :param root: the name of the XML document's element, ``delete`` or ``upload``
    :param each: what came of each change, where the client asked for it (doc/extensions.md)
    """
    if media_type == JSON:
        facts = {**results, "Errors": [list(error) for error in errors]}
        if each is not None:
            facts["Results"] = [{"name": name, "status": status} for name, status in each]
        return json.dumps(facts).encode("ascii")
    if media_type is not None and media_type.endswith("/xml"):
        return _to_xml(results, errors, root, each)
    lines = [f"{key}: {results[key]}\n" for key in sorted(results)]
    lines.append("Errors:\n")
    lines += [f"{name}, {status}\n" for name, status in errors]
    if each is not None:
        lines.append("Results:\n")
        lines += [f"{name}, {status or ''}\n" for name, status in each]
    return "".join(lines).encode("utf-8", "surrogateescape")


def _to_xml(results: Mapping[str, Any], errors: Errors, root: str, each: Each | None) -> bytes:
    lines = [f"<{root}>\n"]
    for key in sorted(results):
        tag = key.replace(" ", "_").lower()
        lines.append(f"<{tag}>{_text(str(results[key]))}</{tag}>\n")
    lines += ["<errors>\n", *_elements(errors), "</errors>\n"]
    if each is not None:
        lines += ["<results>\n", *_elements(each), "</results>\n"]
    lines.append(f"</{root}>\n")
    return "".join(lines).encode("utf-8", "surrogateescape")


def _elements(pairs: Each) -> list[str]:
    return [
        f"<object><name>{_text(name)}</name><status>{_text(status or '')}</status></object>\n" for name, status in pairs
    ]


def _text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
