"""Forms: files that a browser uploads from a page, without a token but with a signature (formats.md 7.18)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from swiftlite.common import statsd, swift_info
from swiftlite.common.config import option
from swiftlite.common.log import get_logger
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.common.subrequest import Environ, Headers, StartResponse, SubResponse, call, make_environ
from swiftlite.common.web import Answer, Request, status_line
from swiftlite.core.constraints import API_VERSIONS
from swiftlite.core.form_post import (
    MAX_VALUE,
    MULTIPART,
    Form,
    FormInvalid,
    FormUnauthorized,
    boundary_of,
    object_path,
    redirection,
)
from swiftlite.core.header_parameters import read_parameters
from swiftlite.core.multipart import CHUNK, MultipartError, MultipartReader
from swiftlite.core.names import str_to_wsgi, wsgi_to_str
from swiftlite.http.errors import BadBody
from swiftlite.middleware.client_body import read_some
from swiftlite.middleware.signing import ALL_DIGESTS, digests_info, keys_for
from swiftlite.middleware.tempauth.filter import unauthorized
from swiftlite.middleware.tempurl import unsigned

SOURCE = "FP"


@dataclass(frozen=True)
class FormPostOptions:
    """The filter's section."""

    allowed_digests: str = option(ALL_DIGESTS, "hash functions of signatures, with blanks between; sha1 is deprecated")


class Outcome(NamedTuple):
    """What has become of a form.

    :ivar message: why, where no file's answer tells
    :ivar response: the answer to the last file's PUT, with its body
    """

    status: str
    message: str = ""
    headers: Headers = []
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        """Whether all files were stored."""
        return self.status.startswith("2")


class FormPost:
    """The filter.

    :param digests: the hash functions that are allowed
    """

    def __init__(self, app: WSGIApp, digests: Iterable[str]) -> None:
        self.app = app
        self.digests = frozenset(digests)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "POST" or not environ.get("CONTENT_TYPE", "").startswith(MULTIPART):
            return self.app(environ, start_response)
        boundary = boundary_of(environ["CONTENT_TYPE"])
        if boundary is None:
            return self.app(environ, start_response)
        environ["HTTP_USER_AGENT"] = f"{environ.get('HTTP_USER_AGENT', '')} FormPost".strip()
        try:
            status, headers, body = _Upload(self, environ, boundary).run()
        except (FormInvalid, MultipartError) as error:
            body = f"FormPost: {error}".encode()
            status, headers = status_line(400), _plain(body)
        except FormUnauthorized as error:
            return unsigned(f"FormPost: {str(error).title()}".encode())(environ, start_response)
        except Answer as answer:  # the client's body does not come as it should
            return answer(environ, start_response)
        start_response(status, headers)
        return [body]


class _Upload:
    """One form: its fields, then its files, each of which becomes an object as it comes."""

    def __init__(self, form_post: FormPost, environ: Environ, boundary: str) -> None:
        self.app = form_post.app
        self.digests = form_post.digests
        self.environ = environ
        self.path: str = environ["PATH_INFO"]
        self.form = Form()
        self.reader = MultipartReader(lambda size: read_some(environ, size), boundary.encode("latin-1"))
        self.keys = self._keys()

    def _keys(self) -> list[str]:
        parts = self.path.split("/", 4)
        if len(parts) < 4 or parts[0] or parts[1] not in API_VERSIONS or not (parts[2] and parts[3]):
            return []
        keys = keys_for(self.environ, self.app, SOURCE)
        return [*keys.account, *keys.container]

    def run(self) -> tuple[str, Headers, bytes]:
        """Status, headers and body of the answer.

        :raises FormInvalid, FormUnauthorized, MultipartError, Answer: when the form is not good
        """
        outcome = Outcome("")
        while (part := self.reader.next_part()) is not None:
            kind, parameters = read_parameters(part.get("content-disposition", ""))
            if kind != "form-data" or not parameters.get("filename"):
                self._take_field(parameters.get("name"))
            elif self.form.count_file():
                outcome = Outcome(status_line(400), "max file count exceeded")
                break
            else:
                outcome = self._store(parameters["filename"], part)
                if not outcome.is_success:
                    break
        return self._answer(outcome if outcome.status else Outcome(status_line(400), "no files to process"))

    def _take_field(self, name: str | None) -> None:
        value = bytearray()
        while data := self.reader.read(CHUNK):
            value += data[: MAX_VALUE - len(value)]
        self.form.add(name or "", bytes(value))

    def _store(self, filename: str, part: dict[str, str]) -> Outcome:
        """PUT the file at hand.

        :raises FormInvalid, FormUnauthorized, MultipartError: when it may not be stored, or was not
        """
        form = self.form
        if not self.keys:
            raise FormUnauthorized("invalid signature")
        limit, file = form.max_file_size(), form.file(filename, part)
        form.check_expiry(time.time())
        if not form.is_signed(wsgi_to_str(self.path), self.keys, self.digests):
            raise FormUnauthorized("invalid signature")
        statsd.note(f"formpost.digests.{form.digest}")
        content = _FileContent(self.reader, limit)
        headers = [(name, str_to_wsgi(value)) for name, value in file.headers.items()]
        path = object_path(self.path, file.name)
        environ = make_environ(self.environ, "PUT", path, headers=headers, body=content, source=SOURCE)
        _let_in(environ, path)
        try:
            response = call(self.app, environ)
            body = response.read()
        except Answer as answer:
            response = SubResponse(answer.status, list(answer.headers.items()), [])
            body = answer.body
        if content.problem:
            raise FormInvalid(content.problem)
        return Outcome(response.status_line, "", response.headers, body)

    def _answer(self, outcome: Outcome) -> tuple[str, Headers, bytes]:
        headers = [(name, value) for name, value in outcome.headers if name.lower().startswith("access-control")]
        redirect = self.form.get("redirect")
        # Nobody shall be sent anywhere by a form that no owner has signed.
        if redirect and self.form.is_signed(wsgi_to_str(self.path), self.keys, self.digests):
            url, page = redirection(redirect, int(outcome.status[:3]), outcome.message)
            body = page.encode()
            return status_line(303), [*headers, ("Location", url), ("Content-Length", str(len(body)))], body
        body = outcome.status.encode()
        if outcome.message:
            body += b"\r\nFormPost: " + outcome.message.title().encode()
        elif not outcome.is_success and outcome.body:
            body = outcome.body
        return outcome.status, [*headers, *_plain(body)], body


class _FileContent:
    """A file of a form as the body of a PUT: too long or broken off, it ends with an error, and nothing is stored.

    :ivar problem: what is wrong with it
    """

    def __init__(self, reader: MultipartReader, limit: int) -> None:
        self._reader = reader
        self._left = limit
        self.problem: str | None = None

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most ``size`` if that is not negative; ``b""`` at the end.

        :raises BadBody: when there are more than allowed, or the form is malformed
        """
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        if self.problem is None:
            try:
                data = self._reader.read(size)
            except MultipartError as error:
                self.problem = str(error)
            else:
                self._left -= len(data)
                if self._left >= 0:
                    return data
                self.problem = "max_file_size exceeded"
        raise BadBody(self.problem)


def _let_in(environ: Environ, path: str) -> None:
    """Answer the proxy's question for a file that a signature covers; neither that nor its name opens anything else."""
    account_path = "/".join(path.split("/", 3)[:3]) + "/"

    def authorize(request: Request) -> Any:
        target: str = request.environ["PATH_INFO"]
        return None if target.startswith(account_path) else unauthorized(target, request)

    environ["swift.authorize"] = authorize
    environ["swift.authorize_override"] = True
    environ["REMOTE_USER"] = ".wsgi.pre_authed"


def _plain(body: bytes) -> Headers:
    return [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: FormPostOptions. Raises ConfigError."""
    conf = {**global_conf, **local_conf}
    options = factory_options(FormPostOptions, conf)
    digests = digests_info(options.allowed_digests, conf, get_logger(conf, "formpost"))
    swift_info.register("formpost", **digests)
    return lambda app: FormPost(app, digests["allowed_digests"])
