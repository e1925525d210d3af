"""A private object store for one test: ``with swiftlite.testing.store() as store: …``, up in a fraction of a second."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swiftlite.core.json_text import load_json
from swiftlite.testing.running import Running, StoreError, python_environment, start_child, start_thread

__all__ = ["DEFAULT_USERS", "Response", "Store", "StoreError", "User", "store"]

DEFAULT_USERS = {
    "test:tester": "testing .admin",
    "test:tester3": "testing3",
    "test2:tester2": "testing2 .admin",
    "admin:admin": "admin .admin .reseller_admin",
}
"""``account:user`` to ``key group…``, as tempauth has them; the first is whom a store is used as when nobody is named."""

_OF_URLS = re.compile(r"[!-~]*")

DAEMONS = {
    "object-updater": "swiftlite.obj.updater",
    "object-replicator": "swiftlite.obj.replicator",
    "object-auditor": "swiftlite.obj.auditor",
    "object-expirer": "swiftlite.obj.expirer",
    "container-updater": "swiftlite.container.updater",
    "container-replicator": "swiftlite.container.replicator",
    "container-auditor": "swiftlite.container.auditor",
    "account-replicator": "swiftlite.account.replicator",
    "account-auditor": "swiftlite.account.auditor",
    "account-reaper": "swiftlite.account.reaper",
}
"""Daemons that :meth:`Store.run_daemon` knows, and the module of each."""

Settings = Mapping[str, Mapping[str, Mapping[str, str]]]


@dataclass(frozen=True)
class User:
    """Who may use a store: what clients call account, user and key."""

    account: str
    name: str
    key: str

    @property
    def login(self) -> str:
        """``account:user``, as version 1 of the login wants it."""
        return f"{self.account}:{self.name}"


@dataclass(frozen=True)
class Response:
    """An answer: its status, its headers (ask for them in any spelling), its body."""

    status: int
    headers: Any
    body: bytes

    def json(self) -> Any:
        """The body, read as JSON."""
        return load_json(self.body)


@dataclass
class Store:
    """A running store. Its URLs have the port that it was given.

    :param directory: where all of it lies: ``etc``, ``devices``, ``log``
    :param users: who may use it, the first before all
    """

    directory: Path
    users: tuple[User, ...]
    port: int
    _tokens: dict[User, str] = field(default_factory=dict, repr=False)

    @property
    def url(self) -> str:
        """The proxy's root, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def auth_url(self) -> str:
        """Where version 1 of the login is, what clients call ST_AUTH."""
        return f"{self.url}/auth/v1.0"

    @property
    def auth_url_v3(self) -> str:
        """Where version 3 of Keystone's login is, what clients call OS_AUTH_URL."""
        return f"{self.url}/v3"

    @property
    def user(self) -> User:
        """The user that is meant when none is named."""
        return self.users[0]

    @property
    def storage_url(self) -> str:
        """The first user's account."""
        return self.storage_url_of(self.user)

    def storage_url_of(self, user: User) -> str:
        """A user's own account."""
        return f"{self.url}/v1/AUTH_{urllib.parse.quote(user.account)}"

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which python-swiftclient, rclone, restic and others find the store as its first user."""
        return {"ST_AUTH": self.auth_url, "ST_USER": self.user.login, "ST_KEY": self.user.key}

    @property
    def environment_v3(self) -> dict[str, str]:
        """The same for clients that log in as with Keystone; most take offence at being given both."""
        return {
            "OS_AUTH_URL": self.auth_url_v3,
            "OS_IDENTITY_API_VERSION": "3",
            "OS_USERNAME": self.user.name,
            "OS_PASSWORD": self.user.key,
            "OS_PROJECT_NAME": self.user.account,
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
        }

    def token(self, user: User | None = None) -> str:
        """A token of the user's; the same one until the store ends.

        :raises StoreError: when the login is refused
        """
        user = user or self.user
        if user not in self._tokens:
            headers = {"X-Auth-User": _as_header(user.login), "X-Auth-Key": _as_header(user.key)}
            answer = _send(urllib.request.Request(self.auth_url, headers=headers))
            if answer.status != 200:
                raise StoreError(f"the login of {user.login} was answered {answer.status}: {answer.body!r}")
            self._tokens[user] = answer.headers["X-Auth-Token"]
        return self._tokens[user]

    def request(
        self,
        method: str,
        path: str = "",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        user: User | None = None,
    ) -> Response:
        """Make one request; any status is an answer, and not an error.

        :param path: below the user's account: ``container/object?query``; with a slash in front, from the proxy's root:
            ``/info``. The caller percent-encodes names: ``"c/" + urllib.parse.quote("ö ?x")``
        :param headers: without a ``Content-Type`` an object gets the one that goes with its name
        :raises StoreError: when a character of the path is one that no URL can have
        """
        if not _OF_URLS.fullmatch(path):
            raise StoreError(f"{path!r} cannot stand in a URL: percent-encode its names by urllib.parse.quote")
        account = self.storage_url_of(user or self.user)
        url = f"{self.url}{path}" if path.startswith("/") else f"{account}/{path}" if path else account
        sent = {"X-Auth-Token": self.token(user), **(headers or {})}
        if body is not None and not any(name.lower() == "content-type" for name in sent):
            sent["Content-Type"] = ""  # the store goes by the object's name then; urllib would call it a form
        return _send(urllib.request.Request(url, data=body, headers=sent, method=method))

    def run_daemon(self, name: str) -> None:
        """Let a consistency daemon make one pass now; none runs by itself.

        :param name: one of ``DAEMONS``, say ``object-expirer``, after which expired objects are gone
        :raises StoreError: when there is none of that name, or it fails
        """
        if name not in DAEMONS:
            raise StoreError(f"there is no daemon {name!r}, only {', '.join(DAEMONS)}")
        conf = (
            self.directory
            / "etc"
            / (f"{name}.conf" if name == "object-expirer" else f"{name.split('-')[0]}-server.conf")
        )
        code = f"import sys; from {DAEMONS[name]} import main; sys.exit(main(sys.argv[1:]))"
        done = subprocess.run(
            [sys.executable, "-c", code, str(conf), "--once"], capture_output=True, text=True, env=python_environment()
        )
        if done.returncode != 0:
            raise StoreError(f"{name} ended with exit status {done.returncode}:\n{done.stdout}{done.stderr}")

    def settle(self) -> None:
        """Bring what is told later up to date now: an account's counts of objects and bytes."""
        self.run_daemon("object-updater")
        self.run_daemon("container-updater")


@contextlib.contextmanager
def store(
    *,
    users: Mapping[str, str] = DEFAULT_USERS,
    settings: Settings | None = None,
    swift_conf: Mapping[str, Mapping[str, str]] | None = None,
    replicas: int = 1,
    port: int = 0,
    in_process: bool = False,
    directory: str | Path | None = None,
) -> Iterator[Store]:
    """Run a store of its own while the ``with`` block runs; then it is gone, with all that lay in it.

    Proxy, account, container and object server are the ordinary ones, in one process, on loopback.

    :param users: ``account:user`` to ``key group…``, say ``{"test:tester": "testing .admin"}``
    :param settings: options over the usual ones: kind of server (``proxy``, ``object``…), section, option
    :param swift_conf: sections of swift.conf, say storage policies
    :param replicas: of everything, each on a device of its own; 1 at least
    :param port: of the proxy; 0: any that is free
    :param in_process: run it in a thread of this process, where a debugger and coverage see it, instead of in a child;
        /info is one for all stores of a process
    :param directory: where its temporary directory goes; by default wherever files can have extended attributes
    :raises StoreError: when it does not start; the text has what its log says
    """
    from swiftlite.testing import directories  # here: who only loads the plugin waits for nothing

    place = Path(tempfile.mkdtemp(prefix="swiftlite-", dir=directories.choose(directory)))
    running: Running | None = None
    listeners: dict[str, socket.socket] = {}
    try:
        listeners = directories.listen(port)
        plan = directories.plan(place, listeners, users, replicas, swift_conf or {})
        directories.lay_out(directories.with_settings(plan, settings or {}, in_process))
        directories.check_settings(plan, settings or {})
        bound_port = listeners["proxy"].getsockname()[1]
        running = (start_thread if in_process else start_child)(place, listeners)
        yield Store(place, tuple(_users(users)), bound_port)
    finally:
        if running is not None:
            running.stop()
        else:
            for listener in listeners.values():
                listener.close()
        shutil.rmtree(place, ignore_errors=True)


def _users(users: Mapping[str, str]) -> Iterator[User]:
    for login, value in users.items():
        account, _, name = login.partition(":")
        yield User(account, name, value.split()[0])


def _as_header(text: str) -> str:
    """UTF-8, which is what Swift takes headers for, spelled so that urllib sends it."""
    return text.encode().decode("latin-1")


def _send(request: urllib.request.Request) -> Response:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())
    try:
        with opener.open(request, timeout=60) as answer:
            return Response(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Response(error.code, error.headers, error.read())


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Leave a redirect to the test."""
