"""StorageApi: a cluster's public API as an account's client speaks it: a token, listings, PUTs; tried again on failure."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urlsplit

from swiftlite.cli.tool import ToolError
from swiftlite.common.concurrency import sleep
from swiftlite.core.json_text import load_json
from swiftlite.core.names import quote_path, str_to_wsgi
from swiftlite.http.errors import BackendError
from swiftlite.http.remote import RemoteClient

CONN_TIMEOUT, ANSWER_TIMEOUT = 10.0, 60.0
FIRST_WAIT, LONGEST_WAIT = 1.0, 5.0
"""Seconds to wait before trying again: twice as long every time."""


class ApiError(ToolError):
    """The cluster did not do what it was asked.

    :ivar status: what it answered; None: nothing
    """

    def __init__(self, request: str, problem: object, status: int | None = None) -> None:
        super().__init__(f"{request}: {problem}")
        self.status = status


@dataclass(frozen=True)
class Credentials:
    """How to get a token.

    :ivar version: of the auth API: ``1`` or ``1.0`` is asked by ourselves, others through python-swiftclient
    :ivar keystone: its ``os_options``: endpoint_type, region_name…
    :ivar insecure: take any certificate
    """

    url: str
    user: str
    key: str
    version: str
    keystone: Mapping[str, str]
    insecure: bool = False


def authenticate(credentials: Credentials, retries: int) -> StorageApi:
    """Get a token.

    :param retries: how often to try again what failed, for this and all later requests
    :raises ToolError: when there is none to be had
    """
    if credentials.version not in ("1", "1.0"):
        url, token = _ask_keystone(credentials)
        return StorageApi(url, token, retries, credentials.insecure)
    asking = StorageApi(credentials.url, "", retries, credentials.insecure)
    headers = {"X-Auth-User": str_to_wsgi(credentials.user), "X-Auth-Key": str_to_wsgi(credentials.key)}
    answer, _ = asking.request("GET", "", headers)
    url, token = answer.get("X-Storage-Url", ""), answer.get("X-Auth-Token", "")
    if not url or not token:
        raise ToolError(f"{credentials.url} gave no X-Storage-Url or no X-Auth-Token; is it the auth_url?")
    return StorageApi(url, token, retries, credentials.insecure)


def _ask_keystone(credentials: Credentials) -> tuple[str, str]:
    try:
        import swiftclient  # here: few need it, and it takes long to load
    except ImportError:
        raise ToolError(
            f"auth_version {credentials.version} needs python-swiftclient; pip install .[keystone]"
        ) from None
    try:
        url, token = swiftclient.get_auth(
            credentials.url,
            credentials.user,
            credentials.key,
            auth_version=credentials.version,
            os_options=dict(credentials.keystone),
            insecure=credentials.insecure,
        )
    except Exception as error:  # of any of the libraries below it
        raise ToolError(f"{credentials.url} gave no token: {error}") from None
    return url, token


class StorageApi:
    """An account at a cluster's public API; any number of green threads may use it.

    :param url: storage URL
    :param retries: how often to try again what failed on the way or with a server error
    :param insecure: take any certificate
    :ivar retried: how often that happened
    """

    def __init__(self, url: str, token: str, retries: int, insecure: bool = False) -> None:
        self.url = url
        self.token = token
        self.retries = retries
        self.retried = 0
        self._parts = _split(url)
        self._client = RemoteClient(CONN_TIMEOUT, ANSWER_TIMEOUT, _tls(insecure) if self._is_tls else None)

    @property
    def _is_tls(self) -> bool:
        return self._parts.scheme == "https"

    @property
    def account(self) -> str:
        """The account that the storage URL ends with."""
        return unquote(self._parts.path.rstrip("/").rpartition("/")[2])

    def put(self, path: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        """PUT a container or an object.

        :param path: native, below the account
        :raises ApiError: when it is not taken
        """
        self.request("PUT", quote_path(f"/{path}"), headers, body)

    def listing(self, container: str | None, prefix: str) -> Iterator[str]:
        """Names of an account's containers, or of a container's objects, page by page.

        :raises ApiError: when there is no listing; with status 404 when there is no such container
        """
        below = quote_path(f"/{container}") if container else ""
        marker = ""
        while True:
            query = f"?format=json&prefix={quote(prefix)}&marker={quote(marker.encode('utf-8', 'surrogateescape'))}"
            _, body = self.request("GET", below + query, {})
            try:
                names = [found["name"] for found in load_json(body or b"[]")]
            except (ValueError, TypeError, KeyError):
                raise ApiError(f"GET {self.url}{below}", "the answer is no listing") from None
            if not names:
                return
            yield from names
            marker = names[-1]

    def request(
        self, method: str, below: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[Mapping[str, str], bytes]:
        """Send a request until it succeeds, or there is no sense in sending it again.

        :param below: percent-encoded rest of the URL
        :returns: headers and body of the answer
        :raises ApiError: when it does not
        """
        asked = f"{method} {self.url}{below}"
        wait, left = FIRST_WAIT, self.retries
        while True:
            try:
                status, answered, text = self._once(method, below, headers, body)
                if 200 <= status < 300:
                    return answered, text
                failure = ApiError(asked, f"the answer is {status}", status)
            except BackendError as error:
                failure = ApiError(asked, error)
            if left <= 0 or 400 <= (failure.status or 0) < 500:
                raise failure
            left -= 1
            self.retried += 1
            sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)

    def _once(
        self, method: str, below: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        token = {"X-Auth-Token": self.token} if self.token else {}
        address = (self._parts.hostname or "", self._parts.port or (443 if self._is_tls else 80))
        target = (self._parts.path.rstrip("/") + below) or "/"
        response = self._client.request(
            address, method, target, {"Host": self._parts.netloc.rpartition("@")[2], **token, **headers}, body
        )
        return response.status, response.headers, response.read()


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError as error:
        raise ToolError(f"{url!r} is no URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ToolError(f"{url!r} is no http:// or https:// URL")
    return parts


def _tls(insecure: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
