"""AdminDocuments: the JSON of the console's section for administrators, and who gets it."""

from __future__ import annotations

import json
from typing import Any

from swiftlite.common.config import StartError
from swiftlite.common.log import Logger
from swiftlite.common.pipeline import WSGIApp
from swiftlite.middleware.console.cluster import ClusterWatch
from swiftlite.middleware.console.rights import ADMIN, NOBODY, UNKNOWN, standing

RIGHTS = "rights.json"
"""What a token may see, for any user: the page shows no tab that leads nowhere."""

Answer = tuple[str, list[tuple[str, str]], bytes]


class AdminDocuments:
    """Answers what is asked for by name.

    :param app: the pipeline to the right of the console
    :param watch: None where the section is switched off
    """

    def __init__(self, app: WSGIApp, watch: ClusterWatch | None, log: Logger) -> None:
        self.app, self.watch, self.log = app, watch, log
        self.names = {RIGHTS, *(watch.documents if watch else ())}

    def answer(self, environ: dict[str, Any], name: str) -> Answer:
        """One of ``names``; status, headers and body."""
        who = standing(self.app, environ)
        if who == NOBODY:
            challenge = ("WWW-Authenticate", 'Swift realm="console"')
            return _problem("401 Unauthorized", "This needs a token that is good.", challenge)
        if who == UNKNOWN:
            return _problem("503 Service Unavailable", "Nobody can say now whose token this is.")
        if name == RIGHTS:
            return _json("200 OK", json.dumps({"cluster": who == ADMIN and self.watch is not None}).encode())
        if who != ADMIN:
            return _problem("403 Forbidden", "Only a reseller admin sees the cluster.")
        return self._document(name)

    def _document(self, name: str) -> Answer:
        assert self.watch is not None
        try:
            body = self.watch.documents[name].get()
        except (OSError, StartError) as error:
            return _problem("503 Service Unavailable", f"This proxy cannot look at its cluster: {error}")
        except Exception:
            self.log.exception("The console cannot look at the cluster")
            return _problem("503 Service Unavailable", "The cluster cannot be looked at; the proxy's log says why.")
        if body is None:
            return _problem(
                "503 Service Unavailable", "The nodes are slow to answer; it goes on.", ("Retry-After", "5")
            )
        return _json("200 OK", body)


def _problem(status: str, text: str, *headers: tuple[str, str]) -> Answer:
    status, found, body = _json(status, json.dumps({"problem": text}).encode())
    return status, [*found, *headers], body


def _json(status: str, body: bytes) -> Answer:
    return status, [("Content-Type", "application/json"), ("Cache-Control", "no-store")], body
