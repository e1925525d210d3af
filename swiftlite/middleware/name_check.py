"""Refuse names that a site does not want: forbidden characters, too long, dot segments (formats.md 7.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from swiftlite.common import swift_info
from swiftlite.common.config import option
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.common.subrequest import Environ, StartResponse
from swiftlite.common.web import HTTPBadRequest
from swiftlite.core.names import str_to_wsgi


def _parse_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from None
    return text


@dataclass(frozen=True)
class NameCheckOptions:
    """The filter's section."""

    forbidden_chars: str = option("'\"`<>", "characters that no path may have")
    maximum_length: int = option(255, "most bytes of a path, from its first slash, not percent-encoded")
    forbidden_regexp: str = option(
        r"/\./|/\.\./|/\.$|/\.\.$", "regular expression that no path may match anywhere; empty: none", _parse_pattern
    )


class NameCheck:
    """The filter; every path is checked before anything is done with it."""

    def __init__(self, app: WSGIApp, options: NameCheckOptions) -> None:
        self.app = app
        self.options = options
        # Paths are WSGI strings, in which a character beyond ASCII is several.
        self._forbidden = tuple(map(str_to_wsgi, options.forbidden_chars))
        self._search = re.compile(options.forbidden_regexp).search if options.forbidden_regexp else None

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        problem = self.problem(environ["PATH_INFO"])
        if problem is None:
            return self.app(environ, start_response)
        return HTTPBadRequest(f"Object/Container/Account name {problem}")(environ, start_response)

    def problem(self, path: str) -> str | None:
        """What is wrong with a path, or None.

        :param path: decoded, a WSGI string
        """
        if any(character in path for character in self._forbidden):
            return f"contains forbidden chars from {self.options.forbidden_chars}"
        if len(path) > self.options.maximum_length:
            return f"longer than the allowed maximum {self.options.maximum_length}"
        if self._search is not None and self._search(path):
            return f"contains a forbidden substring from regular expression {self.options.forbidden_regexp}"
        return None


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: NameCheckOptions. Raises ConfigError."""
    options = factory_options(NameCheckOptions, {**global_conf, **local_conf})
    swift_info.register(
        "name_check",
        forbidden_chars=options.forbidden_chars,
        maximum_length=options.maximum_length,
        forbidden_regexp=options.forbidden_regexp,
    )
    return lambda app: NameCheck(app, options)
