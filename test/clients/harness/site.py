"""Site: a store as the operations of a client see it: addresses, a user, a scratch directory, and an eye of our own."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

TIMEOUT = 180
"""Seconds that one command of a client may take."""


class CommandFailed(Exception):
    """A client's program ended as it should not; the first line says how."""


@dataclass(frozen=True)
class Answer:
    """What the store answered; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def anyone(method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Answer:
    """Make one request of somebody whom only `headers` make known."""
    request = urllib.request.Request(url, body, dict(headers or {}), method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())


class Eye:
    """Plain HTTP requests as the user of the store: what a client claims is looked up by this."""

    def __init__(self, url: str, user: str, key: str) -> None:
        login = anyone("GET", f"{url}/auth/v1.0", {"X-Auth-User": user, "X-Auth-Key": key})
        assert login.status == 200, f"no token: {login.status}"
        self.token = login.headers["x-auth-token"]
        self.storage_url = login.headers["x-storage-url"]

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """Make one request; `path`: below the account, quoted, with its query string."""
        return anyone(method, self.storage_url + path, {"X-Auth-Token": self.token, **(headers or {})}, body)

    def get(self, container: str, name: str) -> bytes:
        """Return an object's bytes; it must be there."""
        answer = self.ask("GET", quote(f"/{container}/{name}"))
        assert answer.status == 200, f"GET of {container}/{name} is answered {answer.status}"
        return answer.body

    def put(self, container: str, name: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Store an object, and its container if need be."""
        for path, content in ((f"/{container}", b""), (f"/{container}/{name}", body)):
            answer = self.ask("PUT", quote(path), headers if content is body else None, content)
            assert answer.status // 100 == 2, f"PUT of {path} is answered {answer.status}"

    def head(self, container: str, name: str = "") -> dict[str, str]:
        """Return the headers of an object or container; it must be there."""
        answer = self.ask("HEAD", quote(f"/{container}/{name}" if name else f"/{container}"))
        assert answer.status // 100 == 2, f"HEAD of {container}/{name} is answered {answer.status}"
        return answer.headers

    def is_there(self, container: str, name: str = "") -> bool:
        """Whether an object or container exists."""
        return self.ask("HEAD", quote(f"/{container}/{name}" if name else f"/{container}")).status // 100 == 2

    def names(self, container: str = "") -> list[str]:
        """Return the names of all objects of a container, of all containers where none is given."""
        found: list[str] = []
        while True:
            path = quote(f"/{container}") if container else ""
            marker = f"&marker={quote(found[-1])}" if found else ""
            answer = self.ask("GET", f"{path}?format=json{marker}")
            assert answer.status == 200, f"the listing of {container or 'the account'} is answered {answer.status}"
            page = [entry["name"] for entry in json.loads(answer.body)]
            if not page:
                return found
            found += page

    def empty_account(self) -> None:
        """Delete all that the user has."""
        for container in self.names():
            self.ask("POST", quote(f"/{container}"), {"X-Versions-Enabled": "false", "X-Remove-Versions-Location": "x"})
            for name in self.names(container):
                self.ask("DELETE", quote(f"/{container}/{name}"))
            self.ask("DELETE", quote(f"/{container}"))


@dataclass
class Site:
    """What an operation gets.

    `auth`: the version of authentication to use. `home`: where the client is installed. `scratch`: a directory that the
    operations of one run share, and in which commands run.
    """

    auth: str
    url: str
    account: str
    user: str
    key: str
    home: str
    scratch: Path

    @cached_property
    def eye(self) -> Eye:
        """Our own look at the store."""
        return Eye(self.url, f"{self.account}:{self.user}", self.key)

    @property
    def auth_url(self) -> str:
        """Where this version of authentication gives out tokens."""
        return self.url + {"v2": "/v2.0", "v3": "/v3"}.get(self.auth, "/auth/v1.0")

    @property
    def storage_url(self) -> str:
        """The URL of the user's account."""
        return self.eye.storage_url

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which programs of OpenStack are told whom to log in where."""
        if self.auth == "v1":
            return {"ST_AUTH": self.auth_url, "ST_USER": f"{self.account}:{self.user}", "ST_KEY": self.key}
        common = {"OS_AUTH_URL": self.auth_url, "OS_USERNAME": self.user, "OS_PASSWORD": self.key}
        if self.auth == "v2":
            return common | {"OS_TENANT_NAME": self.account, "OS_IDENTITY_API_VERSION": "2"}
        domains = {"OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default"}
        return common | domains | {"OS_PROJECT_NAME": self.account, "OS_IDENTITY_API_VERSION": "3"}

    def program(self, name: str) -> str:
        """Return the path of a program that the client installed."""
        own = Path(self.home) / "bin" / name
        found = str(own) if self.home and own.exists() else shutil.which(name)
        assert found, f"there is no program {name}"
        return found

    def run(
        self,
        name: str,
        *arguments: object,
        env: Mapping[str, str] | None = None,
        fails: bool = False,
        stdin: Path | None = None,
        text: bool = True,
    ) -> Any:
        """Run a program of the client in the scratch directory, with a file as its input; return what it printed, bytes without `text`.

        Raises CommandFailed when it fails, or does not although it should.
        """
        command = [self.program(name), *map(str, arguments)]
        environment = {**os.environ, "HOME": str(self.scratch), "LC_ALL": "C.UTF-8", **(env or {})}
        environment.pop("PYTHONPATH", None)
        with open(stdin or os.devnull, "rb") as given:
            done = subprocess.run(
                command,
                cwd=self.scratch,
                env=environment,
                stdin=given,
                capture_output=True,
                timeout=TIMEOUT,
            )
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        if (done.returncode != 0) != fails:
            last = (err.strip() or out.strip() or "it printed nothing").splitlines()[-1]
            what = f"{name} {' '.join(map(str, arguments[:2]))}: exit status {done.returncode}: {last}"
            raise CommandFailed(f"{what}\n{out[-3000:]}{err[-6000:]}")
        return out if text else done.stdout

    def file(self, name: str, content: bytes | int) -> Path:
        """Make a file in the scratch directory: of this content, or of so many bytes that the name alone decides."""
        path = self.scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else random.Random(name).randbytes(content))
        return path


def same(found: Any, wanted: Any, what: str) -> None:
    """Compare, and say what differs."""
    if isinstance(wanted, bytes) and isinstance(found, bytes) and len(wanted) > 60:
        assert len(found) == len(wanted), f"{what}: {len(found)} bytes, not {len(wanted)}"
        assert found == wanted, f"{what}: other bytes than were stored"
    assert found == wanted, f"{what}: {found!r}, not {wanted!r}"


def eventually(condition: Callable[[], Any], what: str, timeout: float = 60.0) -> None:
    """Poll until `condition` holds; fail, naming `what`, after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout:.0f} s: {what}"
        time.sleep(0.2)
