"""Listings: thousands of random requests get the same answer, row for row, as from OpenStack Swift on the same files."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from fakes.wsgi_calls import call, make_environ
from interop import peer
from interop.listing_requests import CALM, DIRECT, PIECES, Ask, accept, path_requests, random_name, requests
from swiftlite.account.server import AccountServer
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.container.server import ContainerOptions, ContainerServer
from swiftlite.core.listing_formats import choose_format
from swiftlite.db.controller import DatabaseServerOptions
from swiftlite.middleware.listing_formats import ListingFormats

LOGGER = logging.getLogger(__name__)
SEED = 20260
COUNT = 1200
ETAG = "d41d8cd98f00b204e9800998ecf8427e"
LOST = ("/", "0")
"""How the names end that it loses: backwards the one that ends like a pseudo-directory, forwards the next but one."""
VOLATILE = {"x-trans-id", "x-openstack-request-id", "date"}

THEIR_SIDE = """
import base64, io
from urllib.parse import unquote
from swift.account.server import AccountController
from swift.common.middleware.listing_formats import filter_factory
from swift.container.server import ContainerController

conf = {"devices": argument["devices"], "mount_check": "false", "log_address": "/dev/nonexistent"}
servers = {"account": AccountController(conf), "container": ContainerController(conf)}

def inside(environ, start_response):
    path = environ["PATH_INFO"].replace("/v1/AUTH_t", "/d1/1/AUTH_t", 1)
    environ = dict(environ, PATH_INFO=path)
    return servers["container" if path.count("/") > 3 else "account"](environ, start_response)

whole = filter_factory({"log_address": "/dev/nonexistent"})(inside)

def ask(path, headers):
    raw, _, query = path.partition("?")
    environ = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": unquote(raw, "latin-1"), "QUERY_STRING": query,
        "SERVER_NAME": "x", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "x", "HTTP_HOST": "x",
        "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.errors": io.StringIO(), "wsgi.input": io.BytesIO(),
        "wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False,
    }
    for name, value in headers.items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    started = []
    try:
        body = b"".join(whole(environ, lambda status, headers, exc_info=None: started.extend([status, headers])))
    except Exception as error:  # as it would reach the end of the pipeline
        return [500, {}, ""]
    headers = {str(name).lower(): str(value) for name, value in started[1]}
    return [int(started[0][:3]), headers, base64.b64encode(body).decode()]

answer = [ask(*one) for one in argument["asked"]]
"""
THEIR_CHOICES = """
from swift.common.middleware.listing_formats import get_listing_content_type
from swift.common.swob import HTTPException, Request

def chosen(accept):
    try:
        return get_listing_content_type(Request.blank("/v1/a", headers={"Accept": accept}))
    except HTTPException as error:
        return error.status_int

answer = [chosen(accept) for accept in argument]
"""


class Site:
    """Our servers on some devices, with the filter that renders listings before them."""

    def __init__(self, swift_dir: Path, devices: Path) -> None:
        swift = SwiftConf.load(str(swift_dir))
        shared: dict[str, Any] = {"devices": str(devices), "mount_check": False, "log_requests": False}
        self.container = ContainerServer(ContainerOptions(**shared), swift, LOGGER)
        self.account = AccountServer(DatabaseServerOptions(**shared), swift, LOGGER)
        self.whole = ListingFormats(self._inside, LOGGER)

    def _inside(self, environ: dict[str, Any], start_response: Any) -> Any:
        environ["PATH_INFO"] = environ["PATH_INFO"].replace("/v1/AUTH_t", DIRECT, 1)
        server = self.container if environ["PATH_INFO"].count("/") > 3 else self.account
        return server(environ, start_response)

    def ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by lower-case name, and body of an answer."""
        answered = call(self.whole, make_environ(method, path, headers))
        return answered.status, {name.lower(): value for name, value in answered.headers.items()}, answered.body


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    """A directory with one device."""
    (tmp_path / "node" / "d1").mkdir(parents=True)
    return tmp_path / "node"


def fill_container(random: Random, site: Site, name: str, count: int, ends: Sequence[str] = PIECES) -> list[str]:
    """Make a container of rows with nasty names, some deleted or of another policy; return the names."""
    created = {"X-Timestamp": "0000000001.00000", "X-Backend-Storage-Policy-Index": "0"}
    assert site.ask("PUT", f"{DIRECT}/{name}", created)[0] == 201
    names = {random_name(random, 6, ends) for _ in range(count)} | {f"dir/{number}/x" for number in range(20)}
    names |= {f"\x00hidden\x00{random_name(random, 2)}" for _ in range(9)}
    types = (
        "text/plain",
        "text/html; charset=utf-8",
        "a/b;swift_bytes=77",
        'x/"y<&',
        "é/漢",
        "a/b; swift_bytes=z; c=d",
    )
    times = ("", "", "+0+a", "+186a0", "-5+ffff", "_0000000000000002")
    rows = [
        {
            "name": name,
            "created_at": f"{random.randint(1, 1999999999):010d}.{random.randint(0, 99999):05d}{random.choice(times)}",
            "size": random.choice((0, 1, 2**40, random.randint(0, 9999))),
            "content_type": random.choice(types),
            "etag": random.choice((ETAG, f"{ETAG}; slo_etag={ETAG}", 'odd"<&>')),
            "deleted": int(random.random() < 0.2),
            "storage_policy_index": int(random.random() < 0.1),
        }
        for name in sorted(names)
    ]
    random.shuffle(rows)
    body = json.dumps(rows).encode()
    environ = make_environ("UPDATE", f"{DIRECT}/{name}", {"X-Timestamp": "0000000002.00000"}, body)
    assert call(site.container, environ).status == 202
    return sorted(names)


def fill_account(random: Random, site: Site, count: int) -> list[str]:
    """Make an account of containers with nasty names, some deleted, of several policies; return the names."""
    assert site.ask("PUT", DIRECT, {"X-Timestamp": "0000000001.00000"})[0] == 201
    names = {random_name(random).replace("/", "-") for _ in range(count)} | {f"\x00v\x00{n}" for n in range(4)}
    for name in sorted(names):
        put = random.randint(1, 1999999999)
        told = {
            "X-Timestamp": "0000000002.00000",
            "X-Put-Timestamp": f"{put:010d}.{random.randint(0, 99999):05d}",
            "X-Delete-Timestamp": "0" if random.random() < 0.8 else f"{put + 1:010d}.00000",
            "X-Object-Count": "0" if random.random() < 0.5 else str(random.randint(0, 99)),
            "X-Bytes-Used": str(random.randint(0, 2**40)),
            "X-Backend-Storage-Policy-Index": str(random.choice((0, 1))),
        }
        assert site.ask("PUT", f"{DIRECT}/{quote(name)}", told)[0] in (201, 204)
    return sorted(names)


def compare(swift_dir: Path, devices: Path, asked: list[Ask]) -> list[str]:
    """Send all requests to both sides; return how the answers differ."""
    ours = Site(swift_dir, devices)
    differences = []
    for one, answer in zip(asked, their_answers(swift_dir, devices, asked), strict=True):
        found, expected = facets(*ours.ask("GET", *one)), facets(*answer)
        if found != expected:
            differences.append(f"{one}\n  ours   {found}\n  theirs {expected}")
    return differences


def their_answers(swift_dir: Path, devices: Path, asked: list[Ask]) -> list[tuple[int, dict[str, str], bytes]]:
    """What OpenStack Swift answers: status, headers by lower-case name, body."""
    argument = {"devices": str(devices), "asked": [list(one) for one in asked]}
    answers = peer.evaluate(swift_dir, THEIR_SIDE, argument)
    return [(status, headers, base64.b64decode(body)) for status, headers, body in answers]


def facets(status: int, headers: dict[str, str], body: bytes) -> tuple[Any, ...]:
    """What of an answer must agree; the words of refusals are each side's own."""
    if status >= 300:
        return (status,)
    # A storage server of theirs gives a 204 a length; RFC 9110 (8.6) forbids it.
    hidden = VOLATILE | ({"content-length"} if status == 204 else set())
    return status, sorted((name, value) for name, value in headers.items() if name not in hidden), body


def test_listings_of_containers(swift_dir: Path, devices: Path) -> None:
    random = Random(SEED)
    site = Site(swift_dir, devices)
    names = fill_container(random, site, "c", 160)
    calm = fill_container(random, site, "calm", 120, CALM)
    asked = requests(random, names, "c", COUNT) + requests(random, calm, "calm", COUNT // 2, with_paths=True)
    assert compare(swift_dir, devices, asked) == []


def test_listings_with_a_path_lose_nothing(swift_dir: Path, devices: Path) -> None:
    """Where a pseudo-directory is leapt over, OpenStack Swift loses the name that comes just behind; see LOST."""
    random = Random(SEED)
    site = Site(swift_dir, devices)
    names = fill_container(random, site, "c", 160)
    asked = path_requests(random, names, "c", COUNT // 4)
    theirs = their_answers(swift_dir, devices, asked)
    lost = 0
    for one, (status, _, body) in zip(asked, theirs, strict=True):
        found, listed = site.ask("GET", *one)[2], [entry["name"] for entry in json.loads(body)]
        shown = [entry["name"] for entry in json.loads(found)]
        more = [name for name in shown if name not in listed]
        assert status == 200
        assert all(name.endswith(LOST) for name in more), one
        assert [name for name in shown if name not in more] == listed, one
        lost += len(more)
    assert lost, "OpenStack Swift has learned to list these, and the exception can go"


def test_listings_of_accounts(swift_dir: Path, devices: Path) -> None:
    random = Random(SEED + 1)
    names = fill_account(random, Site(swift_dir, devices), 160)
    assert compare(swift_dir, devices, requests(random, names, "", COUNT)) == []


def test_which_format_an_accept_header_asks_for(swift_dir: Path) -> None:
    random = Random(SEED + 2)
    headers = sorted({accept(random) for _ in range(COUNT)})

    def chosen(text: str) -> str | int:
        try:
            return choose_format(None, text) or 406
        except ValueError:
            return 400

    assert [chosen(text) for text in headers] == peer.evaluate(swift_dir, THEIR_CHOICES, headers)
