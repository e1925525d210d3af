"""API: the paths of Keystone's versions 2.0 and 3 that Swift's clients use, and who answers each."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from swiftlite.common.web import Answer
from swiftlite.core import identity_documents as documents
from swiftlite.core.names import wsgi_to_str
from swiftlite.middleware.identity.answers import Refused, json_answer, refusal
from swiftlite.middleware.identity.authentication import Authentication
from swiftlite.middleware.identity.call import Call
from swiftlite.middleware.identity.credentials import Credentials
from swiftlite.middleware.identity.logins import TooManyLogins
from swiftlite.middleware.identity.revocations import RevocationsUnknown
from swiftlite.middleware.identity.store import StoreFailed
from swiftlite.middleware.identity.users import People
from swiftlite.middleware.identity.v1 import V1Login

Handler = Callable[[Call], Answer]
PREFIX = "/identity"
"""Path below which the versions are found as well: where other clouds have them."""
RETRY_SECONDS = "5"


class API:
    """Answers what is asked of the identity service.

    :param v1: answers below tempauth's ``auth_prefix``; None leaves that to tempauth
    """

    def __init__(
        self, authentication: Authentication, people: People, credentials: Credentials, v1: V1Login | None
    ) -> None:
        self.authentication = authentication
        self._v1 = v1
        self._auth_prefix = authentication.directory.conf.options.auth_prefix
        self.doors = ("/v3", "/v2.0", PREFIX, self._auth_prefix, "//")
        """How the paths begin that may be for us; clients join URLs carelessly."""
        credential, own = ("users", "*", "application_credentials"), ("users", "*", "application_credentials", "*")
        self._routes: dict[tuple[str, ...], dict[str, Handler]] = {
            (): {"GET": self._versions},
            ("v3",): {"GET": self._version},
            ("v2.0",): {"GET": self._version},
            ("auth", "tokens"): {"POST": authentication.login_v3},
            ("v2.0", "tokens"): {"POST": authentication.login_v2},
            ("v2.0", "tenants"): {"GET": people.tenants},
            ("v3", "auth", "tokens"): {
                "POST": authentication.login_v3,
                "GET": authentication.validate,
                "DELETE": authentication.revoke,
            },
            ("v3", "auth", "catalog"): {"GET": authentication.catalog},
            ("v3", "auth", "projects"): {"GET": people.projects},
            ("v3", "auth", "domains"): {"GET": people.domains},
            ("v3", "projects"): {"GET": people.projects},
            ("v3", "projects", "*"): {"GET": people.project},
            ("v3", "domains"): {"GET": people.domains},
            ("v3", "domains", "*"): {"GET": people.domain},
            ("v3", "users"): {"GET": people.users},
            ("v3", "users", "*"): {"GET": people.user},
            ("v3", "users", "*", "projects"): {"GET": people.user_projects},
            ("v3", *credential): {"GET": credentials.list, "POST": credentials.create},
            ("v3", *own): {"GET": credentials.show, "DELETE": credentials.delete},
        }
        self._wild = {pattern for pattern in self._routes if "*" in pattern}

    def application(self, environ: dict[str, Any]) -> Callable[..., Any] | None:
        """What answers a request; None when it is not for us."""
        path: str = environ["PATH_INFO"]
        below = ""
        for prefix in (PREFIX, self._auth_prefix.rstrip("/")):
            if path == prefix or path.startswith(f"{prefix}/"):
                below, path = prefix, path[len(prefix) :]
                break
        words = tuple(word for word in path.split("/") if word)
        is_auth = below == self._auth_prefix.rstrip("/")
        if is_auth and words == ("tokens",):  # /auth/tokens: a client that left out the version
            below, words = "", ("auth", "tokens")
        elif is_auth and words[:1] not in (("v3",), ("v2.0",)):
            return self._v1
        elif below != PREFIX and words and words[0] not in ("v3", "v2.0"):
            return None
        return self._answer(Call(environ, words, below, self.authentication.options, time.time()))

    def _answer(self, call: Call) -> Answer:
        try:
            answer = self._handler(call)(call)
        except Refused as refused:
            answer = refusal(refused)
        except TooManyLogins as error:
            answer = refusal(Refused(429, str(error), {"Retry-After": str(error.seconds)}))
        except (StoreFailed, RevocationsUnknown) as error:
            answer = refusal(Refused(503, f"Please try again: {error}.", {"Retry-After": RETRY_SECONDS}))
        except Answer as error:
            answer = error
        if call.method == "HEAD":
            answer.body = b""
        return answer

    def _handler(self, call: Call) -> Handler:
        handlers = self._routes.get(call.words) or self._wild_handlers(call)
        if handlers is None:
            raise Refused(404, "There is nothing of this name here.")
        handler = handlers.get("GET" if call.method == "HEAD" else call.method)
        if handler is None:
            allowed = [*handlers, *(["HEAD"] if "GET" in handlers else [])]
            raise Refused(405, f"{call.method} cannot be done here.", {"Allow": ", ".join(allowed)})
        return handler

    def _wild_handlers(self, call: Call) -> dict[str, Handler] | None:
        for pattern in self._wild:
            if len(pattern) == len(call.words) and all(part in ("*", word) for part, word in zip(pattern, call.words)):
                call.names = [wsgi_to_str(word) for part, word in zip(pattern, call.words) if part == "*"]
                return self._routes[pattern]
        return None

    def _versions(self, call: Call) -> Answer:
        return json_answer(300, documents.versions(call.root), {"Location": f"{call.root}/v3/"})

    def _version(self, call: Call) -> Answer:
        return json_answer(200, {"version": documents.version(call.root, call.words[0])})
