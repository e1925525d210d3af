"""Whose token it is: the pipeline's own auth filters are asked, whichever these are."""

from __future__ import annotations

from typing import Any

from swiftlite.common.pipeline import WSGIApp
from swiftlite.common.subrequest import call, make_environ

TOKENS = ("X-Auth-Token", "X-Storage-Token")
QUESTION = "/info"
"""A path that any pipeline answers without asking a storage server."""

ADMIN, USER, NOBODY, UNKNOWN = "admin", "user", "nobody", "unknown"


def standing(app: WSGIApp, environ: dict[str, Any]) -> str:
    """Who sent a request: a reseller admin, another user, nobody who is known; unknown: nobody can tell now.

    Auth filters recognise the token of whatever request comes through, and mark those of reseller admins with
    ``reseller_request``, by which account quotas know them, too.

    :param app: the pipeline to the right, auth filters and all
    """
    tokens = [(name, environ[_key(name)]) for name in TOKENS if environ.get(_key(name))]
    if not tokens:
        return NOBODY
    made = make_environ(environ, "GET", QUESTION, headers=tokens, source="CON")
    for mark in ("REMOTE_USER", "swift.authorize", "swift.authorize_override"):
        made.pop(mark, None)  # what a filter to the left thinks of the request is not what the token stands for
    answer = call(app, made)
    answer.close()
    if answer.status >= 500:
        return UNKNOWN
    if made.get("reseller_request") is True:
        return ADMIN
    return USER if made.get("REMOTE_USER") and answer.status != 401 else NOBODY


def _key(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"
