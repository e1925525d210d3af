"""Answers of the identity's API: JSON documents, and errors as Keystone spells them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from swiftlite.common.web import Answer
from swiftlite.core import identity_documents as documents
from swiftlite.middleware.client_body import read_body

LONGEST_BODY = 64 * 1024
"""Bytes; a login has some hundreds."""


class Refused(Exception):
    """The answer is an error.

    :param status: HTTP status
    :param message: what is wrong, for the client
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.headers = dict(headers or {})


def json_answer(status: int, document: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a JSON document."""
    body = json.dumps(document).encode("ascii")
    answer = Answer(status, body, headers={"Vary": "X-Auth-Token", **(headers or {})}, content_type="application/json")
    answer.charset = None
    return answer


def refusal(refused: Refused) -> Answer:
    """The answer that says no."""
    return json_answer(refused.status, documents.error(refused.status, refused.message), refused.headers)


def whole_body(environ: dict[str, Any]) -> bytes:
    """A request's body.

    :raises Refused: 413 when it is too long
    :raises Answer: 400, 408 or 499 where it does not come as it should
    """
    pieces, size = [], 0
    while size <= LONGEST_BODY:
        piece = read_body(environ, LONGEST_BODY + 1 - size)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        size += len(piece)
    raise Refused(413, f"A body may have {LONGEST_BODY} bytes at most.")
