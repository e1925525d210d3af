"""The access log's lines are OpenStack Swift's, field by field: the same requests to both, what their proxies log compared.

So is what both tell a statsd of these requests, by names and with labels.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import logging
import random
import re
import socket
import threading
import uuid
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest

from functional.cluster import Cluster, wait_until
from functional.filter_cases.settings import SETTINGS, SWIFT_CONF
from interop import peer
from interop.side_by_side import two_clusters
from swiftlite.common.statsd import Datagrams, make_labeled_statsd, make_statsd
from swiftlite.core.statsd_labels import SPELLINGS

FIELDS = (
    *("client_ip", "remote_addr", "datetime", "method", "path", "protocol", "status_int", "referer", "user_agent"),
    *("auth_token", "bytes_recvd", "bytes_sent", "client_etag", "transaction_id", "headers", "request_time", "source"),
    *("log_info", "start_time", "end_time", "policy_index", "access_user_id"),
)
SHAPES = {
    "datetime": re.compile(r"\d\d/[A-Z][a-z]{2}/\d{4}/\d\d/\d\d/\d\d"),
    "auth_token": re.compile(r"AUTH_s?tk[\w-]{8,9}\.\.\."),
    "transaction_id": re.compile(r"tx[0-9a-f]{21}-[0-9a-f]{10}"),
    "request_time": re.compile(r"\d+\.\d{4}"),
    "start_time": re.compile(r"\d{10}\.\d{9}"),
    "end_time": re.compile(r"\d{10}\.\d{9}"),
}
"""Of what is each side's own only the form is compared."""
ACCESS_LINE = re.compile(r"<(\d+)>\S+?: (\S+ \S+ \d\d/[A-Z][a-z]{2}/\d{4}/.*)", re.DOTALL)
KEY = "sesame"
NEVER = "4102444800"


class Asked(NamedTuple):
    """A request; its path is sent as it stands."""

    name: str
    method: str
    path: str
    headers: dict[str, str] = {}
    body: bytes = b""
    token: bool = True


def signature(method: str, path: str) -> str:
    return hmac.new(KEY.encode(), f"{method}\n{NEVER}\n{path}".encode(), hashlib.sha256).hexdigest()


A = "/v1/AUTH_test"
SIGNED = f"{signature('GET', f'{A}/c/o')}&temp_url_expires={NEVER}"
SEGMENTS = json.dumps([{"path": "/c/s1"}, {"path": "/c/s2"}]).encode()
REQUESTS = (
    Asked("key", "POST", A, {"X-Account-Meta-Temp-Url-Key": KEY}),
    Asked("container", "PUT", f"{A}/c"),
    Asked("object", "PUT", f"{A}/c/o", {"Content-Type": "text/plain"}, b"hello"),
    Asked("object with an ETag", "PUT", f"{A}/c/p", {"ETag": hashlib.md5(b"x").hexdigest()}, b"x"),
    Asked("wrong ETag", "PUT", f"{A}/c/p", {"ETag": "0" * 32}, b"x"),
    Asked("empty object", "PUT", f"{A}/c/empty"),
    Asked("in another policy", "PUT", f"{A}/silver", {"X-Storage-Policy": "silver"}),
    Asked("object in another policy", "PUT", f"{A}/silver/o", {}, b"xyz"),
    Asked("GET", "GET", f"{A}/c/o"),
    Asked("GET of nothing", "GET", f"{A}/c/empty"),
    Asked("HEAD", "HEAD", f"{A}/c/o"),
    Asked("range", "GET", f"{A}/c/o", {"Range": "bytes=1-2"}),
    Asked("bad range", "GET", f"{A}/c/o", {"Range": "bytes=70-"}),
    Asked("not modified", "GET", f"{A}/c/o", {"If-None-Match": hashlib.md5(b"hello").hexdigest()}),
    Asked("POST", "POST", f"{A}/c/o", {"X-Object-Meta-A": "1"}),
    Asked("missing object", "GET", f"{A}/c/none"),
    Asked("missing, HEAD", "HEAD", f"{A}/c/none"),
    Asked("missing container", "GET", f"{A}/none"),
    Asked("nobody", "GET", f"{A}/c/o", token=False),
    Asked("bad token", "GET", f"{A}/c/o", {"X-Auth-Token": "x"}, token=False),
    Asked("storage token", "GET", f"{A}/c", {"X-Storage-Token": "AUTH_tkxxxxxxxxxxxxxxxxxxxxxxxxx"}, token=False),
    Asked("another's account", "GET", "/v1/AUTH_other/c"),
    Asked("no such method", "PURGE", f"{A}/c"),
    Asked("bad version", "GET", "/v7/AUTH_test/c"),
    Asked("no path", "GET", "/"),
    Asked("info", "GET", "/info"),
    Asked("login", "GET", "/auth/v1.0", {"X-Auth-User": "test:tester", "X-Auth-Key": "wrong"}, token=False),
    Asked("listing", "GET", f"{A}/c?format=json&limit=1"),
    Asked("listing with odd parameters", "GET", f"{A}/c?prefix=a%20b+c&delimiter=%2F&x&y=&prefix=d"),
    Asked("account", "GET", A),
    Asked("slash", "GET", f"{A}/"),
    Asked("OPTIONS", "OPTIONS", f"{A}/c/o", {"Origin": "http://x.example", "Access-Control-Request-Method": "GET"}),
    Asked("odd name", "PUT", f"{A}/c/a%20b%C3%A9%25%22%3F%23%5B%7B%7D~!$&'()*+,;=:@", {}, b"x"),
    Asked("its GET", "GET", f"{A}/c/a%20b%C3%A9%25%22%3F%23%5B%7B%7D~!$&'()*+,;=:@"),
    Asked("lower-case hexadecimal", "GET", f"{A}/c/%c3%a9"),
    Asked("not UTF-8", "GET", f"{A}/c/%FF"),
    Asked("control characters", "GET", f"{A}/c/a%0Ab%09c"),
    Asked("percent twice", "GET", f"{A}/c/%252F"),
    Asked("slashes", "GET", f"{A}/c//o/"),
    Asked(
        "referer", "GET", f"{A}/c/o", {"Referer": "http://x.example/a b?q=1#\xe9", "User-Agent": "Mo zilla/5 (\xe9)"}
    ),
    Asked("forwarded", "GET", f"{A}/c/o", {"X-Forwarded-For": "10.1.2.3, 10.4.5.6"}),
    Asked("cluster client", "GET", f"{A}/c/o", {"X-Cluster-Client-Ip": "10.9.9.9", "X-Forwarded-For": "10.1.2.3"}),
    Asked("policy by a client", "GET", f"{A}/c/o", {"X-Backend-Storage-Policy-Index": "1"}),
    Asked("COPY", "COPY", f"{A}/c/o", {"Destination": "c/copied"}),
    Asked("copying PUT", "PUT", f"{A}/c/copied2", {"X-Copy-From": "/c/o"}),
    Asked("copying from nothing", "PUT", f"{A}/c/copied3", {"X-Copy-From": "/c/none"}),
    Asked("segment 1", "PUT", f"{A}/c/s1", {}, b"one"),
    Asked("segment 2", "PUT", f"{A}/c/s2", {}, b"second"),
    Asked("manifest", "PUT", f"{A}/c/slo?multipart-manifest=put", {}, SEGMENTS),
    Asked("large object", "GET", f"{A}/c/slo"),
    Asked("large object, HEAD", "HEAD", f"{A}/c/slo"),
    Asked("large object's range", "GET", f"{A}/c/slo", {"Range": "bytes=4-5"}),
    Asked("manifest read", "GET", f"{A}/c/slo?multipart-manifest=get"),
    Asked("dynamic manifest", "PUT", f"{A}/c/dlo", {"X-Object-Manifest": "c/s1"}),
    Asked("dynamic large object", "GET", f"{A}/c/dlo"),
    Asked("manifest removed", "DELETE", f"{A}/c/slo?multipart-manifest=delete"),
    Asked("bulk delete", "POST", f"{A}?bulk-delete", {"Content-Type": "text/plain"}, b"/c/empty\n/c/none\n/c/p\n"),
    Asked("temporary URL", "GET", f"{A}/c/o?temp_url_sig={SIGNED}", token=False),
    Asked("bad signature", "GET", f"{A}/c/o?temp_url_sig=0{SIGNED}", token=False),
    Asked("short signature", "GET", f"{A}/c/o?temp_url_sig=abc&temp_url_expires=1", token=False),
    Asked("signature in disguise", "GET", f"{A}/c/o?temp%5Furl_sig={SIGNED}", token=False),
    Asked("signature with other parameters", "GET", f"{A}/c/o?a=b%20c&temp_url_sig={SIGNED}&d", token=False),
    Asked("two signatures", "GET", f"{A}/c/o?temp_url_sig={'ab' * 20}&temp_url_sig={SIGNED}", token=False),
    Asked("symlink", "PUT", f"{A}/c/link", {"X-Symlink-Target": "c/o"}),
    Asked("through a symlink", "GET", f"{A}/c/link"),
    Asked("site", "POST", f"{A}/c", {"X-Container-Meta-Web-Index": "o", "X-Container-Read": ".r:*"}),
    Asked("site's page", "GET", f"{A}/c/", token=False),
    Asked("site without a page", "GET", f"{A}/c/nowhere/", token=False),
    Asked("DELETE", "DELETE", f"{A}/c/o"),
    Asked("DELETE again", "DELETE", f"{A}/c/o"),
)


class Syslog(threading.Thread):
    """Receives what proxies log, at a UDP port: theirs takes nothing else for its access log."""

    def __init__(self, family: socket.AddressFamily, address: str | tuple[str, int]) -> None:
        super().__init__(daemon=True)
        self.lines: list[str] = []
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self.address = self._socket.getsockname()
        self.start()

    def run(self) -> None:
        while data := self._socket.recv(65536):
            self.lines.append(data.decode("utf-8", "surrogateescape").rstrip("\0"))

    def catch_up(self) -> None:
        """Return when all is read that has been sent so far."""
        mark = str(uuid.uuid4())

        def is_read() -> bool:
            with socket.socket(self._socket.family, socket.SOCK_DGRAM) as sender:  # again: it, too, may get lost
                sender.sendto(mark.encode(), self.address)
            return mark in self.lines

        wait_until(is_read, "all that was sent is read")

    def stop(self) -> None:
        with socket.socket(self._socket.family, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", self.address)
        self.join()
        self._socket.close()

    def access_lines(self, transaction: str) -> list[dict[str, str]]:
        """The fields of the access lines of a transaction, in the order of writing."""
        found = [match for line in self.lines if transaction in line and (match := ACCESS_LINE.fullmatch(line))]
        return [dict(zip(FIELDS, match[2].split(" "), strict=True)) | {"priority": match[1]} for match in found]


def ask(cluster: Cluster, asked: Asked, token: str) -> str:
    """Send a request and return the id of its transaction."""
    connection = http.client.HTTPConnection(*cluster.proxy_address, timeout=60)
    try:
        connection.putrequest(asked.method, asked.path, skip_accept_encoding=True)
        headers = {"User-Agent": "tester/1.0", **({"X-Auth-Token": token} if asked.token else {}), **asked.headers}
        if asked.body or asked.method in ("PUT", "POST"):
            headers["Content-Length"] = str(len(asked.body))
        for name, value in headers.items():
            connection.putheader(name, value.encode("latin-1"))
        connection.endheaders(asked.body)
        response = connection.getresponse()
        response.read()
        return response.headers["X-Trans-Id"]
    finally:
        connection.close()


Lines = list[list[dict[str, str]]]


class Heard(NamedTuple):
    """What was heard of one side: the access log's lines of every request, and a statsd's of all of them."""

    logged: Lines
    told: list[str]


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Heard]:
    """By side; once more where it looks as if a datagram was lost on its way, for nobody sends that again."""
    for _ in range(3):
        found = hear(tmp_path_factory.mktemp("log"))
        if is_whole(found):
            break
    return found


def is_whole(heard: dict[str, Heard]) -> bool:
    """Whether both sides have told of the same requests and events."""
    pairs = list(zip(heard["ours"].logged, heard["theirs"].logged, strict=True))
    return (
        all(bool(clients_line(ours)) == bool(clients_line(theirs)) for ours, theirs in pairs)
        and not any(unlike_subrequests(ours, theirs) for ours, theirs in pairs)
        and not any(unlike_metrics(heard, start) for start in STARTS)
        and all(metrics_told(told.told, "proxy-server.") >= OF_CACHES for told in heard.values())
    )


def hear(directory: Path) -> dict[str, Heard]:
    """Ask both sides everything, and return what they tell of it."""
    syslog, statsd = (Syslog(socket.AF_INET, ("127.0.0.1", 0)) for _ in range(2))
    told = {"log_statsd_host": statsd.address[0], "log_statsd_port": str(statsd.address[1])}
    told |= {"statsd_label_mode": "dogstatsd", "statsd_user_label_rack": "r1.b"}
    default = {"log_udp_host": syslog.address[0], "log_udp_port": str(syslog.address[1]), **told}
    settings = {"proxy": {**SETTINGS["proxy"], "DEFAULT": default}, "object": {"DEFAULT": told}}
    found = {}
    with two_clusters(directory, settings, SWIFT_CONF) as clusters:
        for side, cluster in clusters.items():
            lines, token = syslog.access_lines, cluster.token()
            statsd.lines.clear()
            made = [ask(cluster, asked, token) for asked in REQUESTS]
            last = ask(cluster, Asked("last", "HEAD", A), token)
            wait_until(lambda lines=lines, last=last: lines(last), "the last request is logged")  # type: ignore[misc]
            # A server has told everything when it has ended, not when it has answered.
            for server in cluster.servers.values():
                server.stop()
            syslog.catch_up()
            statsd.catch_up()
            found[side] = Heard([lines(one) for one in made], list(statsd.lines))
    syslog.stop()
    statsd.stop()
    return found


@pytest.fixture(scope="module")
def logged(heard: dict[str, Heard]) -> dict[str, Lines]:
    """By side: the lines of every request."""
    return {side: found.logged for side, found in heard.items()}


LISTING = re.compile(r"%3F.*states%3Dlisting|%3Fformat%3Djson$")
"""What their filters have added to a query by the time that they log it."""
OWN_LENGTH = ("/info",)
FETCHED = ("SLO", "DLO", "BD")
DIFFERENT = {
    # Ours tells what the client sent; theirs, what the filters have made of it by then.
    "COPY": ("path",),
    # A parameter that is there twice is shown once, and other parameters are encoded anew, where something is hidden.
    "signature in disguise": ("path",),
    "signature with other parameters": ("path",),
    "two signatures": ("path",),
    # Ours knows nobody by a wrong password, and names the policy of the container that OPTIONS looks at.
    "login": ("access_user_id",),
    "OPTIONS": ("policy_index",),
}
"""By request: fields that differ on purpose."""
MANIFEST_PUT = "/slo%3Fmultipart-manifest%3Dput"
MANIFEST = "/slo%3Fmultipart-manifest%3Dget"
"""Before its segments are deleted a manifest is read; theirs has no line of that."""


def plain(line: dict[str, str]) -> dict[str, str]:
    """A line with only the form of what is each side's own.

    - eventlet calls every request HTTP/1.0; ours is the client's.
    - Pages of errors, and of 201 and 202, are worded otherwise; of these only the presence is compared.
    - The ETag with which a manifest is stored is that of a text with its segments' times in it, in whole seconds.
    - Theirs does not tell whom a filter's own request is made for.
    """
    found = {name: name if name in SHAPES and SHAPES[name].fullmatch(value) else value for name, value in line.items()}
    found["protocol"] = found["protocol"].replace("1.0", "1.1")
    if found["status_int"] not in ("200", "206") or found["path"] in OWN_LENGTH:
        found["bytes_sent"] = "-" if found["bytes_sent"] == "-" else "some"
    if found["path"].endswith(MANIFEST_PUT) and re.fullmatch("[0-9a-f]{32}", found["client_etag"]):
        found["client_etag"] = "of the manifest"
    if found["source"] != "-":
        found["client_ip"] = found["remote_addr"] = "-"
    return found


def clients_line(lines: list[dict[str, str]]) -> dict[str, str]:
    """The line of the request itself, or nothing where it is not logged."""
    (line,) = [line for line in lines if line["source"] == "-"] or [{}]
    return plain(line) if line else {}


@pytest.mark.parametrize("index", range(len(REQUESTS)), ids=[asked.name for asked in REQUESTS])
def test_clients_lines_agree(logged: dict[str, Lines], index: int) -> None:
    ours, theirs = (clients_line(logged[side][index]) for side in ("ours", "theirs"))
    if theirs and LISTING.search(theirs["path"]):
        theirs["path"] = quote(REQUESTS[index].path, ":/{}")
    different = {name: (ours.get(name), value) for name, value in theirs.items() if ours.get(name) != value}
    assert tuple(different) == DIFFERENT.get(REQUESTS[index].name, ()), different
    assert bool(ours) == bool(theirs)


def unlike_subrequests(ours: list[dict[str, str]], theirs: list[dict[str, str]]) -> list[str]:
    """The lines about parts of a large object, or many objects, that one side has more often than the other."""
    left_out = ("user_agent", "bytes_sent", "auth_token")
    told = [
        Counter(
            " ".join(value for name, value in plain(line).items() if name not in left_out)
            .replace("%26format%3Djson%26states%3Dlisting", "")
            .replace(" 499 ", " 200 " if line["method"] == "GET" else " 404 ")
            for line in lines
            if line["source"] in FETCHED and MANIFEST not in line["path"]
        )
        for lines in (ours, theirs)
    ]
    return sorted([*(told[0] - told[1]).elements(), *(told[1] - told[0]).elements()])


@pytest.mark.parametrize("index", range(len(REQUESTS)), ids=[asked.name for asked in REQUESTS])
def test_subrequests_lines_agree(logged: dict[str, Lines], index: int) -> None:
    """Those that fetch or change parts of a large object, or many objects; others depend on what a side has cached.

    Ours have no token: they are authorised by the request that they serve. Theirs are "499" where nobody read a body
    to its end, and their path has what filters added to it.
    """
    assert unlike_subrequests(logged["ours"][index], logged["theirs"][index]) == []


def test_no_secret_is_logged_whole(logged: dict[str, Lines]) -> None:
    secret = SIGNED.partition("&")[0]
    shown = [line["path"] for lines in logged["ours"] for line in lines if secret[:16] in line["path"]]
    assert shown and not [path for path in shown if secret[:17] in path]


# What a statsd is told ------------------------------------------------------------------------------------------------

UNLIKE = (
    # What filters ask of containers and accounts, theirs ask through their logger, with the client's container for a label.
    r".*(\.|method:|,)HEAD[.,].*",
    r".*\.info\.cache\..*",
    r".*\.memcached\..*",  # their cluster has one
    # Ours names the policy of the container that OPTIONS looks at.
    r".*OPTIONS.*",
    # Nobody reads those bodies to their end.
    r".*DELETE\.499\..*",
)
"""What one side tells alone, on purpose."""


def metrics_told(lines: list[str], start: str) -> set[str]:
    """Names, types and labels of what a statsd was told; numbers are each side's own."""
    found = (re.sub(r":[0-9.e-]+\|", "|", re.sub(r"\|@[0-9.]+", "", line), count=1) for line in lines)
    return {line for line in found if line.startswith(start)}


STARTS = ("swift_proxy_server", "swift_object_server", "proxy-server.", "object-server.", "tempauth.AUTH_.")


def unlike_metrics(heard: dict[str, Heard], start: str) -> list[str]:
    """What begins so and only one side has told, without what is UNLIKE on purpose."""
    ours, theirs = (metrics_told(heard[side].told, start) for side in ("ours", "theirs"))
    return [line for line in ours ^ theirs if not any(re.fullmatch(one, line) for one in UNLIKE)]


@pytest.mark.parametrize("start", STARTS)
def test_a_statsd_is_told_the_same(heard: dict[str, Heard], start: str) -> None:
    ours, theirs = (metrics_told(heard[side].told, start) for side in ("ours", "theirs"))
    assert len(ours & theirs) >= 3
    assert not unlike_metrics(heard, start)


OF_CACHES = {f"proxy-server.container.info.cache.{end}|c" for end in ("hit", "miss.204")}


def test_both_tell_of_caches(heard: dict[str, Heard]) -> None:
    for side in ("ours", "theirs"):
        assert metrics_told(heard[side].told, "proxy-server.") >= OF_CACHES


CLIENT = """
from swift.common.statsd_client import get_labeled_statsd_client, get_statsd_client
answer = []
for conf, labels in argument:
    client, plain = get_labeled_statsd_client(conf), get_statsd_client(conf, "object-server")
    for made in (client, plain):
        made.random = lambda: 0.0
        made._send_line = answer.append
    client.timing("t", 1234.56789, labels=labels)
    client.update_stats("n", 3, labels=labels)
    plain.timing("t", 0.04)
    plain.increment("n")
"""


def test_lines_are_spelled_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every mode, with labels and without, sampled and not."""
    monkeypatch.setattr(random, "random", lambda: 0.0)
    sent: list[str] = []
    monkeypatch.setattr(Datagrams, "send", lambda self, line: sent.append(line))
    rates = ({}, {"log_statsd_default_sample_rate": "0.3", "log_statsd_sample_rate_factor": "0.1"})
    asked = [
        ({"log_statsd_host": "127.0.0.1", "statsd_label_mode": mode, **rate, **more}, labels)
        for mode in (*SPELLINGS, "DogStatsD", "disabled")
        for rate in rates
        for more in (
            {},
            {"statsd_user_label_b": "x.y"},
            {"log_statsd_metric_prefix": "p.q"},
            {"statsd_emit_legacy": "no"},
        )
        for labels in ({}, {"z": 1, "account": None, "a": True})
    ]
    for conf, labels in asked:
        labeled = make_labeled_statsd(conf, logging.getLogger("test"), "file", "section")
        plain = make_statsd(conf, "object-server", logging.getLogger("test"), "file", "section")
        if labeled:
            labeled.timing("t", labels, 1.23456789)
            labeled.increment("n", labels, 3)
        if plain:
            plain.timing("t", 0.00004)
            plain.increment("n")
    (tmp_path / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = x\n")
    assert sent == peer.evaluate(tmp_path, CLIENT, asked)
