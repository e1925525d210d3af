"""Proxies of this machine: how each can be asked, by its conf, so that it is heard and nothing is a bad request to it."""

from __future__ import annotations

import contextlib
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme

from fakes.ports import free_ports
from swiftlite.cli.cluster_files import proxies_here
from swiftlite.watch.gathering import BASIC, METRICS, NO_METRICS, Gatherer
from swiftlite.watch.proxies import LocalProxy, ask_local


class Proxy(BaseHTTPRequestHandler):
    """It has metrics, and nothing else."""

    def do_GET(self):
        self.server.asked.append(self.path)
        body = b'swiftlite_conf_info{file="swift.conf",md5="abc"} 1\n' if self.path == "/metrics" else b""
        self.send_response(200 if body else 400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(context=None):
    server = HTTPServer(("127.0.0.1", 0), Proxy)
    server.asked = []
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("speaks_tls", [False, True])
def test_it_is_asked_as_it_wants_to_be(speaks_tls: bool, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("objects.example.org").configure_cert(context)  # it need not name this address
    (tmp_path / "swift.conf").write_text("")
    with serving(context if speaks_tls else None) as server:
        port = server.server_address[1]
        proxy = LocalProxy("p.conf", "127.0.0.1", port, str(tmp_path), speaks_tls, filters=("metrics", "proxy-server"))
        [asked] = ask_local(Gatherer(timeout=60), [proxy])
    assert (asked.problem, server.asked) == ("", ["/metrics"])
    assert asked.table("swiftconfmd5") == {f"{tmp_path}/swift.conf": "d41d8cd98f00b204e9800998ecf8427e"}


def test_one_that_answers_only_a_load_balancer_is_left_in_peace_and_noticed_when_it_is_down() -> None:
    with serving() as server:
        proxy = LocalProxy(
            "p.conf", "127.0.0.1", server.server_address[1], is_choosy=True, filters=("metrics", "recon")
        )
        [asked] = ask_local(Gatherer(timeout=60), [proxy])
    assert (asked.problem, server.asked) == ("", [])
    [asked] = ask_local(Gatherer(timeout=60), [LocalProxy("p.conf", "127.0.0.1", free_ports(1))])
    assert asked.problem == "Connection refused"


@pytest.mark.parametrize(
    "default, pipeline, expected",
    [
        ("", "catch_errors metrics proxy-server", (METRICS,)),
        ("", "recon metrics proxy-server", (METRICS, *BASIC)),
        ("", "catch_errors proxy-server", ()),
        ("require_proxy_protocol = yes\n", "metrics proxy-server", ()),
        ("client_ca_file = ca.pem\ncert_file = p.pem\n", "metrics proxy-server", ()),
    ],
)
def test_what_a_conf_says_of_its_proxy(default: str, pipeline: str, expected: tuple[str, ...], tmp_path: Path) -> None:
    conf = tmp_path / "proxy-server.conf"
    conf.write_text(
        f"[DEFAULT]\nbind_ip = 0.0.0.0\nbind_port = 8080\n{default}[pipeline:main]\npipeline = {pipeline}\n"
    )
    [proxy] = proxies_here(str(tmp_path))
    assert (proxy.address, proxy.swift_dir, proxy.checks) == (("127.0.0.1", 8080), str(tmp_path), expected)
    assert proxy.speaks_tls == ("cert_file" in default)


@pytest.mark.parametrize(
    "filters, lacks", [(("metrics", "proxy-server"), False), (("cache", "proxy-server"), True), ((), False)]
)
def test_what_has_no_metrics_is_not_asked_for_them_and_said_to_lack_them(filters, lacks, tmp_path):
    (tmp_path / "swift.conf").write_text("")
    with serving() as server:
        proxy = LocalProxy("p.conf", *server.server_address, str(tmp_path), filters=filters)
        [asked] = ask_local(Gatherer(timeout=60), [proxy])
    assert asked.problems.get(METRICS) == (NO_METRICS if lacks else None)
