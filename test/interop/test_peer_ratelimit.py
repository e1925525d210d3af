"""ratelimit holds up and refuses as OpenStack Swift's: the same requests at the same moments, the answers and waits compared."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from interop import peer
from swiftlite.middleware import ratelimit

ACCOUNTS = ("AUTH_a", "AUTH_white", "AUTH_black", "AUTH_listed", "AUTH_slow", "AUTH_odd")
SPECIAL = {"AUTH_white": "WHITELIST", "AUTH_black": "BLACKLIST", "AUTH_slow": "2", "AUTH_odd": "nonsense"}
SIZES = {"empty": 0, "small": 5, "middle": 60, "big": 5000}
CONFS: list[dict[str, str]] = [
    {},
    {"account_ratelimit": "3", "account_blacklist": "AUTH_listed", "max_sleep_time_seconds": "1"},
    {"account_ratelimit": "0.5", "account_whitelist": "AUTH_listed", "rate_buffer_seconds": "1"},
    {
        "container_ratelimit_0": "10",
        "container_ratelimit_50": "5",
        "container_ratelimit_100": "1",
        "container_listing_ratelimit_50": "2",
        "max_sleep_time_seconds": "2",
    },
    {"container_ratelimit_10": "4", "clock_accuracy": "10000", "rate_buffer_seconds": "0"},
]

# Runs on both sides, so it may use only what both have: a filter and its module's clock.
DRIVER = '''
import io

class Clock:
    now = 1700000000.0
    pauses = []

    def time(self):
        return Clock.now

    def sleep(self, seconds):
        Clock.pauses.append(round(seconds, 3))  # Time stands still: the others come at the same moment.


class Counters:
    """As memcached keeps them: no counter is below zero."""
    store = None

    def __init__(self):
        self.values = {}

    def incr(self, key, delta=1, time=0, **kwargs):
        self.values[key] = max(0, int(self.values.get(key, 0)) + int(delta))
        return self.values[key]

    def decr(self, key, delta=1, time=0, **kwargs):
        return self.incr(key, -int(delta))

    def set(self, key, value, *args, **kwargs):
        self.values[key] = value

    restart = set

    def get(self, key, **kwargs):
        return self.values.get(key)


def infos(account, container):
    meta = {"meta": {}, "bytes": 0, "status": 200}
    special = SPECIAL.get(account)
    sysmeta = {"global-write-ratelimit": special} if special else {}
    found = {"account/" + account: {**meta, "sysmeta": sysmeta, "container_count": 1, "total_object_count": 0,
                                    "account_really_exists": True}}
    if container:
        found["container/%s/%s" % (account, container)] = {
            **meta, "sysmeta": {}, "object_count": SIZES.get(container, 0), "storage_policy": "0", "read_acl": None,
            "write_acl": None, "sync_key": None, "versions": None, "cors": {}}
    return found


def proxy(environ, start_response):
    start_response("200 OK", [])
    return [b"served"]


def drive(argument):
    answers = []
    for conf in argument["confs"]:
        Clock.now, counters = 1700000000.0, Counters()
        app = make(conf)(proxy)
        for gap, method, path in argument["cases"]:
            Clock.now += gap
            Clock.pauses = []
            account, container = (path.split("/") + [""] * 4)[2:4]
            environ = {
                "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "h",
                "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "h", "wsgi.version": (1, 0),
                "wsgi.url_scheme": "http", "wsgi.errors": io.StringIO(), "wsgi.input": io.BytesIO(),
                "wsgi.multithread": True, "wsgi.multiprocess": True, "wsgi.run_once": False, "swift.cache": counters,
                "swift.trans_id": "tx", "swift.infocache": infos(account, container),
            }
            started = []
            body = b"".join(app(environ, lambda status, headers, exc_info=None: started.extend((status, headers))))
            headers = sorted([name.lower(), value] for name, value in started[1] if name.lower() != "x-trans-id")
            answers.append([started[0], headers, body.decode(), Clock.pauses])
    return answers
'''
PEER = """
import logging, types
from swift.common.middleware import ratelimit
logging.disable(logging.CRITICAL)
SPECIAL, SIZES = argument["special"], argument["sizes"]
{driver}
ratelimit.time = types.SimpleNamespace(time=Clock().time)
ratelimit.sleep = Clock().sleep
make = lambda conf: ratelimit.filter_factory({"log_address": "/nonexistent"}, **conf)
answer = drive(argument)
"""


def cases() -> list[tuple[float, str, str]]:
    """(seconds since the one before, method, path)."""
    chance = random.Random(6)
    found = []
    for _ in range(1500):
        account = chance.choice((*ACCOUNTS, "AUTH_a"))
        container = chance.choice((*SIZES, "new"))
        path = chance.choice(
            (
                f"/v1/{account}",
                f"/v1/{account}/{container}",
                f"/v1/{account}/{container}/o",
                f"/v1/{account}/{container}/o/p",
            )
        )
        method = chance.choice(("PUT", "PUT", "DELETE", "POST", "GET", "HEAD"))
        if path == f"/v1/{account}":
            method = "GET"  # Of a write to an account that is over its limit the peer's filter dies.
        found.append((chance.choice((*[0.0] * 12, 0.01, 0.05, 0.3, 2.5)), method, path))
    return [*found, (0.0, "PUT", "/healthcheck"), (0.0, "PUT", "/v2/AUTH_a/c"), (0.0, "PUT", "/v1//c")]


def test_every_request_waits_and_is_answered_alike(swift_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scope: dict[str, Any] = {"SPECIAL": SPECIAL, "SIZES": SIZES}
    exec(DRIVER, scope)
    clock = scope["Clock"]()

    def make(conf: dict[str, str]) -> Any:
        factory = ratelimit.filter_factory({"log_address": "/nonexistent"}, **conf)

        def with_clock(app: Any) -> Any:
            made = factory(app)
            made._clock, made._pause = clock.time, clock.sleep
            return made

        return with_clock

    scope["make"] = make
    asked = cases()
    argument = {"confs": CONFS, "cases": asked, "special": SPECIAL, "sizes": SIZES}
    ours = scope["drive"](argument)
    theirs = peer.evaluate(swift_dir, PEER.replace("{driver}", DRIVER), argument)
    labels = [(number, *case) for number in range(len(CONFS)) for case in asked]
    assert len(ours) == len(theirs) == len(labels)
    different = [
        (label, our, their) for label, our, their in zip(labels, ours, theirs, strict=True) if list(our) != their
    ]
    assert {answer[0][:3] for answer in ours} == {"200", "497", "498"}
    assert any(answer[3] for answer in ours if answer[0][:3] == "200"), "nothing was held up"
    assert different == []
